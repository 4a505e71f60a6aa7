// Compares everybody's records from time to time, while the page can be seen.

import { effect } from "@preact/signals";
import { compared, type Fewer, type Person } from "./fewer";
import type { Ask } from "./socket";
import type { Store } from "./store";
import { now } from "./time";

// Records of a block may arrive until shortly after the move: a client waits three seconds for them.
const SETTLED_MS = 5_000;
const PAUSE_MS = 2_000;
// A comparison takes a twentieth of the time at most.
const SHARE = 20;
const ASKED_AT_ONCE = 10;

export class Comparison {
  readonly #visited = new Map<number, { revision: number; blocks: Set<number> }>();
  readonly #asking = new Set<number>();
  #compared = "";
  #next = 0;
  #until = 0;

  constructor(
    readonly store: Store,
    readonly ask: Ask,
  ) {}

  /** Compare with each second that the page can be seen, if anything has changed. */
  start(): void {
    effect(() => this.look(now.value));
  }

  look(at: number): void {
    const { results, connection } = this.store;
    if (!results.loaded.value || connection.value !== "live" || at < this.#next) return;
    const state = `${results.changes} ${this.store.changes}`;
    if (state !== this.#compared) this.#until = at + SETTLED_MS + PAUSE_MS;
    if (at > this.#until) return;
    this.#compared = state;
    const started = performance.now();
    this.#compare(at + this.store.clockOffset.peek());
    this.#next = at + Math.max(PAUSE_MS, SHARE * (performance.now() - started));
  }

  #compare(at: number): void {
    const { results } = this.store;
    const rows = this.store.indices.peek().map((index) => this.store.row(index).peek());
    const fewer: Fewer[] = [];
    const unsure = new Set<number>();
    for (const table of results.tables.peek().keys()) {
      const people = rows.map((row): Person => {
        const index = row.participant_index;
        const { unsent, tables } = results.of(index).peek();
        const settled = !row.pending && at - Date.parse(row.updated_at) >= SETTLED_MS;
        const visits = this.#visited.get(index);
        return {
          index,
          names: row.block_names,
          left: settled ? row.block_id : row.block_id - 1,
          unsent,
          records: tables.get(table) ?? new Map(),
          visited: visits?.revision === row.revision ? visits.blocks : undefined,
        };
      });
      const found = compared(table, people);
      fewer.push(...found.fewer);
      for (const index of found.unsure) unsure.add(index);
    }
    results.compare(fewer);
    for (const index of [...unsure].slice(0, ASKED_AT_ONCE)) void this.#visits(index);
  }

  async #visits(index: number): Promise<void> {
    const revision = this.store.find(index)?.peek().revision;
    if (revision === undefined || this.#asking.has(index)) return;
    this.#asking.add(index);
    const answer = await this.ask("timings", { participant: index });
    this.#asking.delete(index);
    if (!answer.ok) return;
    const ended = answer.data.filter((visit) => visit.ended_at !== null);
    this.#visited.set(index, { revision, blocks: new Set(ended.map((visit) => visit.block_id)) });
    this.#compared = "";
  }
}
