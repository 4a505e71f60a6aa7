import { useComputed, useSignal, type Signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { told } from "../../fewer";
import { type Cell, cellOf, columnsOf, numbersIn, outsideOf, stepOf, stepsOf, timesOf } from "../../heat";
import type { ParticipantRow } from "../../protocol";
import { waiting } from "../../results";
import { address } from "../../route";
import { people, type Store } from "../../store";
import { Unsent } from "../marks";
import { usePart } from "../run/window";
import { Swatch } from "../strip";
import { useArrows } from "./arrows";

const UPRIGHT_MOST = 9;
const OUTSIDE = "outside blocks";

interface Props {
  store: Store;
  table: string;
}

/** Participants by block names, with the number of records in each cell. */
export function Heatmap({ store, table }: Props) {
  const { results } = store;
  const only = useSignal(false);
  const told = useSignal("");
  const fewer = useComputed(() => results.fewer.value.filter((one) => one.table === table));
  const whom = useComputed(() => new Set(fewer.value.map(({ index }) => index)));
  const shown = useComputed(() =>
    only.value ? store.indices.value.filter((index) => whom.value.has(index)) : store.indices.value,
  );
  const layout = useComputed(() => {
    // The names tell when somebody has got other blocks.
    const known = store.names.value;
    const rows = store.indices.value.map((index) => store.row(index).peek());
    return { known, columns: columnsOf(rows), times: timesOf(rows) };
  });
  const numbers = useComputed(() => results.tables.value.get(table));
  const scroller = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const indices = shown.value;
  const { start, end, height } = usePart(body, indices.length, scroller);
  const most = (numbers.value?.most ?? 0) * layout.value.times;
  const { columns } = layout.value;
  const outside = numbers.value?.outside === true;
  const width = columns.length + Number(outside);
  const arrows = useArrows(body, indices.length, width);
  const count = fewer.value.length;
  return (
    <section>
      <div class="figure-head">
        <h2>Records per participant and block</h2>
        <Legend most={most} />
      </div>
      {count > 0 && (
        <p class="warning" data-testid="fewer">
          <b>{count === 1 ? "1 block" : `${count} blocks`}</b> ended with fewer records than others had
          ({people([...whom.value].sort((a, b) => a - b))}).{" "}
          <button type="button" aria-pressed={only.value} onClick={() => (only.value = !only.value)}>
            Show only these
          </button>
        </p>
      )}
      <div class="heatmap" ref={scroller}>
        <table
          role="grid"
          aria-label={`Records in ${table}`}
          aria-rowcount={indices.length + 1}
          class={columns.length > UPRIGHT_MOST ? "slender" : ""}
          data-testid="heatmap"
          onKeyDown={arrows.press}
        >
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col" class="index">
                <span class="unseen">Participant</span>#
              </th>
              <th scope="col" class="number">
                All
              </th>
              {columns.map((name) => (
                <th key={name} scope="col" title={name}>
                  <span class="name">
                    <Swatch name={name} names={layout.value.known} />
                    {name}
                  </span>
                </th>
              ))}
              {outside && (
                <th scope="col" title="Recorded before the first block">
                  <span class="name">{OUTSIDE}</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody ref={body}>
            <Space rows={start} height={height} columns={width} />
            {indices.slice(start, end).map((index, offset) => (
              <Row
                key={index}
                store={store}
                table={table}
                index={index}
                place={start + offset}
                columns={columns}
                outside={outside}
                most={most}
                focus={arrows.columnIn(start + offset, start, end)}
                told={told}
              />
            ))}
            <Space rows={indices.length - Math.min(end, indices.length)} height={height} columns={width} />
          </tbody>
        </table>
      </div>
      <p class="place detail" data-testid="heatmap-detail">
        {told.value || "Point at a cell, or move with the arrow keys, to read it here."}
      </p>
    </section>
  );
}

function Legend({ most }: { most: number }) {
  return (
    <ul class="legend" aria-label="Colours">
      {[{ from: 0, to: 0 }, ...stepsOf(most)].map(({ from, to }, step) => (
        <li key={step}>
          <i class={`heat-${step}`} aria-hidden="true" /> {from === to ? from : `${from}–${to}`}
        </li>
      ))}
      <li>
        <i class="running" aria-hidden="true" /> running
      </li>
      <li>
        <i class="few" aria-hidden="true" /> fewer than others
      </li>
    </ul>
  );
}

interface RowProps extends Props {
  index: number;
  place: number;
  columns: readonly string[];
  outside: boolean;
  most: number;
  /** The column of the cell that the tabulator key reaches, if it is in this row. */
  focus: number | null;
  told: Signal<string>;
}

function Row({ store, table, index, place, columns, outside, most, focus, told: detail }: RowProps) {
  const row = store.find(index)?.value;
  const recorded = store.results.of(index).value;
  if (!row) return null;
  const numbers = numbersIn(recorded, table);
  let total = 0;
  for (const records of numbers.values()) total += records;
  const cells = columns.map((name) => ({ name, ...cellOf(row, name, numbers) }));
  if (outside) cells.push({ name: OUTSIDE, records: outsideOf(row, numbers), when: "absent" });
  return (
    <tr data-testid={`participant-${index}`} aria-rowindex={place + 2}>
      <th scope="row" class="index">
        <a href={address.participant(index)} aria-label={`Participant ${index}`} tabIndex={-1}>
          {index}
        </a>
      </th>
      <td class="number total">
        {total} <Unsent recorded={recorded} short />
      </td>
      {cells.map(({ name, ...cell }, column) => {
        const few = recorded.fewer.find((one) => one.table === table && one.name === name);
        const text = describe(row, name, cell, few ? told(few) : "", recorded.unsent);
        const classes = [cell.when, few ? "few" : "", heat(cell, most)];
        return (
          <td
            key={name}
            class={classes.filter(Boolean).join(" ")}
            tabIndex={focus === column ? 0 : -1}
            aria-label={text}
            title={text}
            data-column={column}
            data-place={place}
            onFocus={() => (detail.value = text)}
            onMouseEnter={() => (detail.value = text)}
          >
            {isCounted(cell) ? cell.records : ""}
            {few && <b aria-hidden="true"> !</b>}
          </td>
        );
      })}
    </tr>
  );
}

/** Whether there is a number: of what is still to come, or never comes, 0 would say too much. */
function isCounted({ records, when }: Cell): boolean {
  return records > 0 || when === "ended" || when === "running";
}

function heat(cell: Cell, most: number): string {
  return isCounted(cell) ? `heat-${stepOf(cell.records, most)}` : "";
}

const WHEN: Record<Cell["when"], string> = {
  absent: "not in their order",
  coming: "still to come",
  running: "running",
  ended: "",
};

function describe(row: ParticipantRow, name: string, cell: Cell, few: string, unsent: number): string {
  const own = cell.records === 1 ? "1 record" : `${cell.records} records`;
  const parts = [
    few || (isCounted(cell) ? own : ""),
    name === OUTSIDE ? "" : WHEN[cell.when],
    unsent > 0 && isCounted(cell) ? waiting({ unsent }) : "",
  ];
  return `Participant ${row.participant_index}, ${name}: ${parts.filter(Boolean).join("; ") || "no records"}`;
}

function Space({ rows, height, columns }: { rows: number; height: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="space" aria-hidden="true" style={{ height: `${rows * height}px` }}>
      <td colSpan={columns + 2} />
    </tr>
  );
}
