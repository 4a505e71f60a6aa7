// The cells of the heatmap of records: participants by block names.

import type { ParticipantRow } from "./protocol";
import type { BlockNumbers, Recorded } from "./results";

/** A range of numbers of records with one colour. */
export interface Step {
  from: number;
  to: number;
}

const STEPS = 5;

/** The ranges from 1 to the largest number; the colour of 0 is another. */
export function stepsOf(most: number): Step[] {
  const count = Math.min(STEPS, Math.max(0, most));
  return Array.from({ length: count }, (_, step) => ({
    from: Math.floor((most * step) / count) + 1,
    to: Math.floor((most * (step + 1)) / count),
  }));
}

/** Which colour a number has: 0 for none, then that of its range. */
export function stepOf(records: number, most: number): number {
  const steps = stepsOf(most);
  const found = steps.findIndex(({ to }) => records <= to);
  return records <= 0 ? 0 : (found < 0 ? steps.length - 1 : found) + 1;
}

/** What a cell says: records in all blocks of a name, and whether they are over. */
export interface Cell {
  records: number;
  when: "absent" | "coming" | "running" | "ended";
}

type Placed = Pick<ParticipantRow, "block_names" | "block_id">;

/** A participant's cell of a block name. */
export function cellOf(row: Placed, name: string, numbers: BlockNumbers): Cell {
  const blocks = row.block_names.flatMap((own, block) => (own === name ? [block] : []));
  const records = blocks.reduce((sum, block) => sum + (numbers.get(block) ?? 0), 0);
  if (!blocks.length) return { records, when: "absent" };
  if (blocks.includes(row.block_id)) return { records, when: "running" };
  return { records, when: blocks.every((block) => block < row.block_id) ? "ended" : "coming" };
}

/** The records that belong to no block of a participant's order. */
export function outsideOf(row: Placed, numbers: BlockNumbers): number {
  let records = 0;
  for (const [block, count] of numbers) if (!(block in row.block_names)) records += count;
  return records;
}

/** The columns: all block names in the order in which participants meet them, as far as there is one. */
export function columnsOf(rows: readonly Placed[]): string[] {
  const met = new Map<string, [number, number]>();
  for (const { block_names } of rows) {
    block_names.forEach((name, block) => {
      const [first, last] = met.get(name) ?? [block, block];
      met.set(name, [Math.min(first, block), Math.max(last, block)]);
    });
  }
  // Counterbalanced blocks share their first and last positions, and are sorted by name.
  return [...met]
    .sort(
      ([a, [firstA, lastA]], [b, [firstB, lastB]]) =>
        firstA - firstB || lastA - lastB || a.localeCompare(b, "en", { numeric: true }),
    )
    .map(([name]) => name);
}

/** How often a name is in one participant's order, at most. */
export function timesOf(rows: readonly Placed[]): number {
  let most = 1;
  for (const { block_names } of rows) {
    const times = new Map<string, number>();
    for (const name of block_names) {
      const count = (times.get(name) ?? 0) + 1;
      times.set(name, count);
      most = Math.max(most, count);
    }
  }
  return most;
}

/** A participant's numbers in one table. */
export function numbersIn({ tables }: Pick<Recorded, "tables">, table: string): BlockNumbers {
  return tables.get(table) ?? NONE;
}

const NONE: BlockNumbers = new Map();
