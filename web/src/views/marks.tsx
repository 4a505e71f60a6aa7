import { told } from "../fewer";
import { type Recorded, waiting } from "../results";
import { exactly } from "../time";

/** Says that records wait on a participant's device, where an app has reported so. */
export function Unsent({ recorded, short = false }: { recorded: Recorded; short?: boolean }) {
  const { unsent, unsentSince } = recorded;
  if (!unsent) return null;
  const since = unsentSince === null ? "" : ` since ${exactly(unsentSince)}`;
  return (
    <span class="mark unsent" title={`${waiting(recorded)}${since}`} data-testid="unsent">
      {short ? `+${unsent}` : `${unsent} unsent`}
      {short && <span class="unseen"> unsent</span>}
    </span>
  );
}

/** Says that a participant has ended blocks with fewer records than others. */
export function FewerRecords({ recorded: { fewer } }: { recorded: Recorded }) {
  if (!fewer.length) return null;
  const text = fewer.map((one) => `${one.name} (${one.table}): ${told(one)}`).join("\n");
  return (
    <span class="mark warn" title={text} data-testid="fewer-records">
      fewer records
    </span>
  );
}
