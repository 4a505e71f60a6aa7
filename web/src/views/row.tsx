import type { ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { colourOf } from "../colours";
import type { ParticipantRow } from "../protocol";
import type { Store } from "../store";
import { now, stopwatch } from "../time";
import type { Do } from "./do";

interface Props {
  store: Store;
  index: number;
  names: ReadonlySignal<string[]>;
  act: Do;
}

export function Row({ store, index, names, act }: Props) {
  const row = store.row(index).value;
  const { block_id: place, blocks_count: count } = row;
  // A second press before the first is answered would skip a block.
  const busy = useRef(false);
  const once = async (request: () => Promise<boolean>) => {
    if (busy.current) return;
    busy.current = true;
    try {
      await request();
    } finally {
      busy.current = false;
    }
  };
  const who = { participant_index: index };

  return (
    <tr data-testid={`participant-${index}`} class={row.connected ? "" : "away"}>
      <th scope="row" class="index">
        <Presence connected={row.connected} />
        <span>{index}</span>
      </th>
      <td class="blocks">
        <Strip row={row} names={names.value} />
      </td>
      <td class="now">
        <span data-testid="block-name">{row.block_name}</span>
        <span class="place">{row.active ? `${place + 1} / ${count}` : placeOutside(place, count)}</span>
        <Marks row={row} served={store.study.value.digest} />
      </td>
      <td class="number">
        <Since row={row} offset={store.clockOffset.value} />
      </td>
      <td class="moves">
        <button
          type="button"
          aria-label={`Participant ${index} back`}
          disabled={place < 0}
          data-testid="back"
          onClick={() => once(() => act("move-to-previous", who))}
        >
          Back
        </button>
        <button
          type="button"
          class="primary"
          aria-label={`Participant ${index} next`}
          disabled={place >= count}
          data-testid="next"
          onClick={() => once(() => act("move-to-next", who))}
        >
          {place < 0 ? "Start" : "Next"}
        </button>
        <select
          aria-label={`Participant ${index} go to`}
          value=""
          data-testid="go-to"
          onChange={(event) => {
            const block_id = Number(event.currentTarget.value);
            event.currentTarget.value = "";
            void once(() => act("move-to-block", { ...who, block_id }));
          }}
        >
          <option value="" disabled>
            Go to
          </option>
          {row.block_names.map((name, block) => (
            <option key={block} value={block}>
              {block + 1}: {name}
            </option>
          ))}
        </select>
      </td>
    </tr>
  );
}

function Presence({ connected }: { connected: number }) {
  const apps = connected === 1 ? "connected" : `${connected} apps connected`;
  const text = connected ? apps : "not connected";
  return (
    <span class={connected ? "presence here" : "presence"} role="img" aria-label={text} title={text} />
  );
}

/** What is different about this participant. */
function Marks({ row, served }: { row: ParticipantRow; served: string }) {
  const blocks = row.overridden === 1 ? "a block" : `${row.overridden} blocks`;
  return (
    <>
      {row.overridden > 0 && (
        <span class="mark" title={`The config of ${blocks} was changed for this participant`}>
          changed config
        </span>
      )}
      {row.study !== served && (
        <span class="mark" title={`Keeps version ${row.study.slice(0, 8)} of the study`}>
          earlier version
        </span>
      )}
    </>
  );
}

function Strip({ row, names }: { row: ParticipantRow; names: string[] }) {
  const position = row.active
    ? `in block ${row.block_id + 1} of ${row.blocks_count}`
    : placeOutside(row.block_id, row.blocks_count);
  return (
    <span class="strip" role="img" aria-label={`${position}: ${row.block_names.join(", ")}`}>
      {row.block_names.map((name, block) => (
        <i
          key={block}
          title={`${block + 1}: ${name}`}
          class={`${colourOf(name, names)} ${when(block, row.block_id)}`}
        />
      ))}
    </span>
  );
}

function Since({ row, offset }: { row: ParticipantRow; offset: number }) {
  if (row.block_started_at === null) return <span class="place">–</span>;
  const started = Date.parse(row.block_started_at);
  return (
    <time dateTime={row.block_started_at} title={`since ${new Date(started).toLocaleString()}`}>
      {stopwatch(now.value + offset - started)}
    </time>
  );
}

function when(block: number, current: number): string {
  if (block === current) return "current";
  return block < current ? "past" : "coming";
}

function placeOutside(place: number, count: number): string {
  return place < 0 ? "not started" : `finished all ${count}`;
}
