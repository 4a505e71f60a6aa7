import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Controller } from "../../controller";
import type { Json, StoredRecord } from "../../protocol";
import { columns, flat, shown } from "../../records";
import { address } from "../../route";
import { exactly, moment } from "../../time";
import { Swatch } from "../strip";

const LATEST = 20;
const PAUSE_MS = 1000;
const COLUMNS_MOST = 30;

/** The last records of a table as they come, the latest first. */
export function Latest({ controller, table }: { controller: Controller; table: string }) {
  const { store } = controller;
  const records = useSignal<StoredRecord[] | null>(null);
  const read = useRef(Number.NEGATIVE_INFINITY);
  const live = store.connection.value === "live";
  const count = store.results.tables.value.get(table)?.records;
  useEffect(() => {
    if (!live) return;
    const wait = Math.max(0, read.current + PAUSE_MS - performance.now());
    const timer = setTimeout(async () => {
      read.current = performance.now();
      const found = await controller.get("results", { table, latest: LATEST });
      if (found) records.value = found.toReversed();
    }, wait);
    return () => clearTimeout(timer);
  }, [controller, table, live, count]);

  const rows = useMemo(
    () => (records.value ?? []).map((record) => ({ record, cells: flat(record.data) })),
    [records.value],
  );
  if (records.value === null) return <p class="empty">Reading the last records …</p>;
  const all = columns(rows.map(({ cells }) => cells));
  const there = all.slice(0, COLUMNS_MOST).map((name) => ({
    name,
    kind: rows.every(({ cells }) => isNumber(cells.get(name))) ? "number" : "",
  }));
  return (
    <section>
      <h2>Last records</h2>
      <div class="wide-table" tabIndex={0} role="region" aria-label="Last records">
        <table class="entries" data-testid="latest">
          <caption class="unseen">The last {LATEST} records, the latest first</caption>
          <thead>
            <tr>
              <th scope="col" class="number">
                Arrived
              </th>
              <th scope="col" class="number">
                <span class="unseen">Participant</span>#
              </th>
              <th scope="col">Block</th>
              {there.map(({ name, kind }) => (
                <th key={name} scope="col" class={kind}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ record, cells }) => (
              <tr key={`${record.participant_index} ${record.record_id}`} class="entry">
                <td class="number">
                  <time
                    dateTime={record.received_at}
                    title={`recorded ${exactly(record.recorded_at ?? record.received_at)}`}
                  >
                    {moment(record.received_at)}
                  </time>
                </td>
                <td class="number">
                  <a href={address.participant(record.participant_index)}>{record.participant_index}</a>
                </td>
                <td>
                  {record.block_name !== null && <Swatch name={record.block_name} names={store.names.value} />}
                  {record.block_name ?? "–"}
                </td>
                {there.map(({ name, kind }) => (
                  <td key={name} class={`value ${kind}`} title={shown(cells.get(name))}>
                    {shown(cells.get(name))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {all.length > there.length && (
        <p class="place">{all.length - there.length} more columns are in the files.</p>
      )}
    </section>
  );
}

function isNumber(value: Json | undefined): boolean {
  return value === undefined || value === null || typeof value === "number";
}
