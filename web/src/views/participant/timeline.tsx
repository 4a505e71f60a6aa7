import type { ParticipantRow, Visit } from "../../protocol";
import { exactly, moment, now, stopwatch } from "../../time";
import { Swatch } from "../strip";

interface Props {
  row: ParticipantRow;
  visits: Visit[];
  names: readonly string[];
  offset: number;
}

/** Each stay in a block with its time, then the blocks to come. */
export function Timeline({ row, visits, names, offset }: Props) {
  const lasted = (visit: Visit) =>
    visit.seconds !== null
      ? visit.seconds * 1000
      : Math.max(0, now.value + offset - Date.parse(visit.started_at));
  const longest = Math.max(1, ...visits.map(lasted));
  const coming = row.block_names.slice(Math.max(0, row.block_id + (row.active ? 1 : 0)));
  if (!visits.length && !coming.length) return <p class="place">Nothing yet.</p>;
  return (
    <ol class="timeline" data-testid="timeline">
      {visits.map((visit) => (
        <li key={visit.visit} class={visit.ended_at === null ? "current" : ""}>
          <Swatch name={visit.block_name} names={names} />
          <span class="what">{visit.block_name}</span>
          <time dateTime={visit.started_at} title={exactly(visit.started_at)}>
            {moment(visit.started_at)}
          </time>
          <meter min={0} max={longest} value={lasted(visit)} aria-hidden="true" />
          <span class="number">{stopwatch(lasted(visit))}</span>
        </li>
      ))}
      {row.block_id < row.blocks_count &&
        coming.map((name, place) => (
          <li key={`coming ${place}`} class="coming">
            <Swatch name={name} names={names} />
            <span class="what">{name}</span>
            <span class="place">to come</span>
          </li>
        ))}
    </ol>
  );
}
