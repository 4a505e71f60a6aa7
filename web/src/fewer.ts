// Who ended a block with fewer records than others had.

import type { BlockNumbers } from "./results";

/** A participant, as far as their records in one table are compared with others'. */
export interface Person {
  index: number;
  /** The names of their blocks, in their order. */
  names: readonly string[];
  /** How many blocks they have left behind; the next one may be running. */
  left: number;
  /** How many records wait on their device. */
  unsent: number;
  records: BlockNumbers;
  /** The ids of the blocks that they were in, if that is known. */
  visited?: ReadonlySet<number> | undefined;
}

/** A block that a participant ended with fewer records than others had. */
export interface Fewer {
  index: number;
  table: string;
  /** The block's name. */
  name: string;
  records: number;
  /** The median of the others, and how many they are. */
  usual: number;
  others: number;
}

export interface Compared {
  fewer: Fewer[];
  /** Who may have skipped a block in which they have no records: ask where they were. */
  unsure: number[];
}

const OTHERS_LEAST = 3;

interface Ended {
  index: number;
  records: number;
  unsure: boolean;
}

/**
 * Who ended a block with fewer records in a table than the median of the others who ended it.
 *
 * Where most of the others have the same number, one record less is told; where numbers differ from
 * person to person, less than half of the median is. Who has unsent records is not compared.
 */
export function compared(table: string, people: readonly Person[]): Compared {
  const blocks = new Map<string, { name: string; ended: Ended[] }>();
  for (const person of people) {
    if (person.unsent > 0) continue;
    for (const [name, { times, ended }] of endedBy(person)) {
      // A name that somebody has twice is compared with those who have it twice.
      const key = `${times} ${name}`;
      const block = blocks.get(key) ?? { name, ended: [] };
      block.ended.push(ended);
      blocks.set(key, block);
    }
  }
  const fewer: Fewer[] = [];
  const unsure = new Set<number>();
  for (const { name, ended } of blocks.values()) {
    for (const { index, records, usual, others, ...one } of below(ended)) {
      if (one.unsure) unsure.add(index);
      else fewer.push({ index, table, name, records, usual, others });
    }
  }
  return { fewer, unsure: [...unsure] };
}

function endedBy(person: Person): Map<string, { times: number; ended: Ended }> {
  const found = new Map<string, { times: number; left: boolean; ended: Ended }>();
  person.names.forEach((name, block) => {
    const before = found.get(name);
    const records = person.records.get(block) ?? 0;
    const left = block < person.left && person.visited?.has(block) !== false;
    const unsure = records === 0 && person.visited === undefined;
    found.set(name, {
      times: (before?.times ?? 0) + 1,
      left: left && before?.left !== false,
      ended: {
        index: person.index,
        records: (before?.ended.records ?? 0) + records,
        unsure: unsure || before?.ended.unsure === true,
      },
    });
  });
  for (const [name, { left }] of found) if (!left) found.delete(name);
  return found;
}

function below(ended: readonly Ended[]): (Ended & { usual: number; others: number })[] {
  const others = ended.length - 1;
  if (others < OTHERS_LEAST) return [];
  const sorted = ended.map(({ records }) => records).sort((a, b) => a - b);
  const same = new Map<number, number>();
  const first = new Map<number, number>();
  sorted.forEach((records, place) => {
    same.set(records, (same.get(records) ?? 0) + 1);
    if (!first.has(records)) first.set(records, place);
  });
  const found: (Ended & { usual: number; others: number })[] = [];
  for (const one of ended) {
    // The others' numbers are the sorted ones without this one.
    const own = first.get(one.records) ?? 0;
    const at = (place: number) => sorted[place < own ? place : place + 1] ?? 0;
    const usual = (at(Math.floor((others - 1) / 2)) + at(Math.floor(others / 2))) / 2;
    const fixed = (same.get(usual) ?? 0) * 2 >= others;
    if (one.records < (fixed ? usual : usual / 2)) found.push({ ...one, usual, others });
  }
  return found;
}

/** In words: "12 records, others had 40 (median of 23 participants)". */
export function told({ records, usual, others }: Pick<Fewer, "records" | "usual" | "others">): string {
  const own = records === 1 ? "1 record" : `${records} records`;
  return `${own}, others had ${usual} (median of ${others} participants)`;
}
