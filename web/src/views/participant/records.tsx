import { told } from "../../fewer";
import { numbersIn, outsideOf } from "../../heat";
import { type Recorded, waiting } from "../../results";
import { address } from "../../route";
import type { ShownRow } from "../../store";
import { exactly } from "../../time";
import { Swatch } from "../strip";

interface Props {
  row: ShownRow;
  recorded: Recorded;
  names: readonly string[];
}

/** A participant's records: a line for each block in their order, a column for each table. */
export function Records({ row, recorded, names }: Props) {
  const tables = [...recorded.tables.keys()].sort();
  const outside = tables.map((table) => outsideOf(row, numbersIn(recorded, table)));
  return (
    <>
      {recorded.unsent > 0 && (
        <p data-testid="drawer-unsent">
          {waiting(recorded)}
          {recorded.unsentSince !== null && `, since ${exactly(recorded.unsentSince)}`}.
        </p>
      )}
      {tables.length > 0 && (
        <table class="entries" data-testid="drawer-records">
          <caption class="unseen">Records per block</caption>
          <thead>
            <tr>
              <th scope="col" class="wide">
                Block
              </th>
              {tables.map((table) => (
                <th key={table} scope="col" class="number">
                  <a href={address.table(table)}>{table}</a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {row.block_names.map((name, block) => (
              <tr key={block} class={block === row.block_id ? "current" : ""}>
                <th scope="row" class="wide">
                  <Swatch name={name} names={names} />
                  {name}
                </th>
                {tables.map((table) => {
                  const records = numbersIn(recorded, table).get(block) ?? 0;
                  const few = recorded.fewer.find((one) => one.table === table && one.name === name);
                  return (
                    <td key={table} class={few ? "number few" : "number"} title={few && told(few)}>
                      {records > 0 || block <= row.block_id ? records : "–"}
                      {few && <span class="unseen"> {told(few)}</span>}
                    </td>
                  );
                })}
              </tr>
            ))}
            {outside.some(Boolean) && (
              <tr>
                <th scope="row" class="wide">
                  outside blocks
                </th>
                {tables.map((table, column) => (
                  <td key={table} class="number">
                    {outside[column]}
                  </td>
                ))}
              </tr>
            )}
          </tbody>
        </table>
      )}
    </>
  );
}
