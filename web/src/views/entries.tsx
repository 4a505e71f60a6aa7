import { by, described } from "../log";
import type { Entry } from "../protocol";
import { address } from "../route";
import { exactly, moment } from "../time";

/** Entries of the event log as a table. */
export function Entries({ entries, whose = false }: { entries: Entry[]; whose?: boolean }) {
  return (
    <table class="entries">
      <caption class="unseen">What happened</caption>
      <thead>
        <EntriesHead whose={whose} />
      </thead>
      <tbody>
        {entries.map((entry) => (
          <EntryRow key={entry.id} entry={entry} whose={whose} />
        ))}
      </tbody>
    </table>
  );
}

export function EntriesHead({ whose }: { whose: boolean }) {
  return (
    <tr>
      <th scope="col" class="number">
        Time
      </th>
      {whose && (
        <th scope="col" class="number">
          #
        </th>
      )}
      <th scope="col">Event</th>
      <th scope="col" class="wide">
        What
      </th>
      <th scope="col">By</th>
    </tr>
  );
}

export function EntryRow({ entry, whose }: { entry: Entry; whose: boolean }) {
  const index = entry.participant_index;
  return (
    <tr class="entry" title={JSON.stringify(entry.data)}>
      <td class="number">
        <time dateTime={entry.time} title={exactly(entry.time)}>
          {moment(entry.time)}
        </time>
      </td>
      {whose && (
        <td class="number">{index !== null && <a href={address.participant(index)}>{index}</a>}</td>
      )}
      <td>{entry.type.replaceAll("_", " ")}</td>
      <td class="wide">{described(entry)}</td>
      <td>{by(entry)}</td>
    </tr>
  );
}
