// Records as rows of a table: nested keys have dots, as in the server's CSV.

import { written } from "./config";
import type { Config, Json } from "./protocol";

/** The values of a record by column. */
export function flat(data: Config, before = ""): Map<string, Json> {
  const cells = new Map<string, Json>();
  for (const [key, value] of Object.entries(data)) {
    const name = before + key;
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    if (nested && Object.keys(value).length) {
      for (const [inner, cell] of flat(value, `${name}.`)) cells.set(inner, cell);
    } else cells.set(name, value);
  }
  return cells;
}

/** The columns of some records, in the order in which they come up. */
export function columns(records: readonly ReadonlyMap<string, Json>[]): string[] {
  return [...new Set(records.flatMap((cells) => [...cells.keys()]))];
}

/** A value as it stands in a cell. */
export function shown(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : written(value);
}
