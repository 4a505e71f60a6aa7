// How many records there are, by participant, table and block, and how many wait on the devices.

import { batch, type Signal, signal } from "@preact/signals";
import type { Fewer } from "./fewer";
import type { ParticipantResults, ResultsChanged, ResultTable } from "./protocol";

/** A table's numbers of records by block id. */
export type BlockNumbers = ReadonlyMap<number, number>;

/** What is known of a participant's records. */
export interface Recorded {
  records: number;
  unsent: number;
  unsentSince: string | null;
  tables: ReadonlyMap<string, BlockNumbers>;
  /** Where they have fewer records than others. */
  fewer: readonly Fewer[];
}

/** A table's number of records, and the largest number in one block. */
export interface TableNumbers {
  records: number;
  most: number;
  /** Whether it has records from outside the blocks. */
  outside: boolean;
}

const NOTHING: Recorded = { records: 0, unsent: 0, unsentSince: null, tables: new Map(), fewer: [] };
const EMPTY: TableNumbers = { records: 0, most: 0, outside: false };

export class Results {
  /** By name; whole once `loaded`. */
  readonly tables = signal<ReadonlyMap<string, TableNumbers>>(new Map());
  /** Whether there are records, stored or unsent. */
  readonly any = signal(false);
  /** Whether the numbers of blocks are known, which the snapshot does not have. */
  readonly loaded = signal(false);
  readonly fewer = signal<readonly Fewer[]>([]);
  /** Grows with each change. */
  changes = 0;

  // A signal per participant, so that a change repaints one row.
  readonly #people = new Map<number, Signal<Recorded>>();

  of(index: number): Signal<Recorded> {
    let found = this.#people.get(index);
    if (!found) {
      found = signal(NOTHING);
      this.#people.set(index, found);
    }
    return found;
  }

  /** Start over from the snapshot. */
  replace(people: ParticipantResults[]): void {
    batch(() => {
      for (const person of this.#people.values()) person.value = NOTHING;
      this.tables.value = new Map();
      this.fewer.value = [];
      this.loaded.value = false;
      this.any.value = false;
      this.#count(people);
    });
  }

  /** Take new numbers in. */
  change({ participants, blocks }: ResultsChanged): void {
    batch(() => {
      this.#count(participants);
      this.#add(blocks);
    });
  }

  /** Take the numbers of all blocks in. */
  load(tables: ResultTable[]): void {
    batch(() => {
      this.#add(tables.flatMap(({ table, blocks }) => blocks.map((block) => ({ ...block, table }))));
      this.loaded.value = true;
    });
  }

  /** Say who has fewer records than others. */
  compare(fewer: Fewer[]): void {
    if (JSON.stringify(fewer) === JSON.stringify(this.fewer.peek())) return;
    const before = new Set(this.fewer.peek().map(({ index }) => index));
    const by = grouped(fewer, ({ index }) => index);
    batch(() => {
      this.fewer.value = fewer;
      for (const index of new Set([...before, ...by.keys()])) {
        const person = this.of(index);
        person.value = { ...person.peek(), fewer: by.get(index) ?? [] };
      }
    });
  }

  #count(people: ParticipantResults[]): void {
    for (const { participant_index, records, unsent, unsent_since } of people) {
      const person = this.of(participant_index);
      person.value = { ...person.peek(), records, unsent, unsentSince: unsent_since };
    }
    if (people.length) this.any.value = true;
    this.changes += 1;
  }

  #add(blocks: ResultsChanged["blocks"]): void {
    const totals = new Map(this.tables.peek());
    for (const [index, theirs] of grouped(blocks, (block) => block.participant_index)) {
      const person = this.of(index);
      const tables = new Map(person.peek().tables);
      for (const [table, news] of grouped(theirs, (block) => block.table)) {
        const numbers = new Map(tables.get(table));
        const total = { ...(totals.get(table) ?? EMPTY) };
        for (const { block_id, records } of news) {
          const before = numbers.get(block_id) ?? 0;
          // Numbers only grow: what is smaller was sent before.
          if (records <= before) continue;
          numbers.set(block_id, records);
          total.records += records - before;
          total.most = Math.max(total.most, records);
          total.outside ||= block_id < 0;
        }
        tables.set(table, numbers);
        totals.set(table, total);
      }
      person.value = { ...person.peek(), tables };
    }
    this.tables.value = new Map([...totals].sort(([a], [b]) => a.localeCompare(b, "en")));
    this.changes += 1;
  }
}

function grouped<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Records that wait, in words: "12 records wait on the device". */
export function waiting({ unsent }: Pick<Recorded, "unsent">): string {
  return unsent === 1 ? "1 record waits on the device" : `${unsent} records wait on the device`;
}
