import type { Controller } from "../../controller";
import type { Recorded } from "../../results";
import { address } from "../../route";
import type { ShownRow } from "../../store";
import { exactly, now, stopwatch } from "../../time";
import { FewerRecords, Unsent } from "../marks";
import { Moves, Presence } from "../moves";
import { outside, Strip } from "../strip";
import type { Selection } from "./selection";

interface Props {
  controller: Controller;
  selection: Selection;
  index: number;
  /** Its place in the whole list, from 1, of which a part is there. */
  place: number;
}

export function Row({ controller, selection, index, place }: Props) {
  const { store } = controller;
  const row = store.find(index)?.value;
  const recorded = store.results.of(index).value;
  if (!row) return null;
  const classes = [
    row.connected ? "" : "away",
    selection.has(index) ? "selected" : "",
    selection.cursor.value === index ? "cursor" : "",
  ];
  return (
    <tr
      data-testid={`participant-${index}`}
      class={classes.filter(Boolean).join(" ")}
      aria-rowindex={place + 1}
    >
      <td class="select">
        <input
          type="checkbox"
          aria-label={`Select participant ${index}`}
          checked={selection.has(index)}
          onClick={(event) => selection.toggle(index, event.shiftKey)}
        />
      </td>
      <th scope="row" class="index">
        <Presence connected={row.connected} />
        <a href={address.participant(index)} aria-label={`Participant ${index}`} data-testid="open">
          {index}
        </a>
      </th>
      <td class="blocks">
        <Strip row={row} names={store.names.value} />
      </td>
      <td class="now">
        <span data-testid="block-name">{row.block_name}</span>
        <span class="place">
          {row.active ? `${row.block_id + 1} / ${row.blocks_count}` : outside(row)}
        </span>
        <Marks row={row} served={store.study.value.digest} />
        <Unsent recorded={recorded} />
        <FewerRecords recorded={recorded} />
      </td>
      <td class="number">
        <Since row={row} offset={store.clockOffset.value} />
      </td>
      {store.results.any.value && (
        <td class="number records">
          <Records recorded={recorded} />
        </td>
      )}
      <td class="moves">
        <Moves controller={controller} row={row} />
      </td>
    </tr>
  );
}

/** What is different about this participant. */
function Marks({ row, served }: { row: ShownRow; served: string }) {
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

function Records({ recorded: { records } }: { recorded: Recorded }) {
  const text = records === 1 ? "1 record" : `${records} records`;
  return (
    <span class={records ? "" : "place"} title={text} data-testid="records">
      {records}
      <span class="unit"> {records === 1 ? "record" : "records"}</span>
    </span>
  );
}

export function Since({ row, offset }: { row: ShownRow; offset: number }) {
  if (row.block_started_at === null) return <span class="place">–</span>;
  const started = Date.parse(row.block_started_at);
  return (
    <time dateTime={row.block_started_at} title={`since ${exactly(row.block_started_at)}`}>
      {stopwatch(now.value + offset - started)}
    </time>
  );
}
