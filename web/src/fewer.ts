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

/** All blocks of one name that somebody has. */
interface Block {
  times: number;
  over: boolean;
  ended: Ended;
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
    for (const [name, { times, over, ended }] of endedBy(person)) {
      if (!over) continue;
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

function endedBy({ index, names, left, records, visited }: Person): Map<string, Block> {
  const found = new Map<string, Block>();
  names.forEach((name, block) => {
    const count = records.get(block) ?? 0;
    const over = block < left && visited?.has(block) !== false;
    const unsure = count === 0 && visited === undefined;
    const before = found.get(name);
    if (before === undefined) {
      found.set(name, { times: 1, over, ended: { index, records: count, unsure } });
    } else {
      before.times += 1;
      before.over &&= over;
      before.ended.records += count;
      before.ended.unsure ||= unsure;
    }
  });
  return found;
}

function below(ended: readonly Ended[]): (Ended & { usual: number; others: number })[] {
  const others = ended.length - 1;
  if (others < OTHERS_LEAST) return [];
  const sorted = Float64Array.from(ended, ({ records }) => records).sort();
  const same = new Map<number, number>();
  for (const records of sorted) same.set(records, (same.get(records) ?? 0) + 1);
  // What the others have depends on one's own number only.
  const usualOf = new Map<number, number>();
  let own = 0;
  for (const [records, times] of same) {
    // The others' numbers are the sorted ones without this one.
    const at = (place: number) => sorted[place < own ? place : place + 1] ?? 0;
    const usual = (at(Math.floor((others - 1) / 2)) + at(Math.floor(others / 2))) / 2;
    const fixed = (same.get(usual) ?? 0) * 2 >= others;
    if (records < (fixed ? usual : usual / 2)) usualOf.set(records, usual);
    own += times;
  }
  return ended.flatMap((one) => {
    const usual = usualOf.get(one.records);
    return usual === undefined ? [] : [{ ...one, usual, others }];
  });
}

/** In words: "12 records, others had 40 (median of 23 participants)". */
export function told({ records, usual, others }: Pick<Fewer, "records" | "usual" | "others">): string {
  const own = records === 1 ? "1 record" : `${records} records`;
  return `${own}, others had ${usual} (median of ${others} participants)`;
}
