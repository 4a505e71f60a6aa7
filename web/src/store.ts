// What the dashboard knows, fed by the socket alone. Views are functions of it.

import { batch, computed, type Signal, signal } from "@preact/signals";
import { namesOf } from "./colours";
import { Log } from "./log";
import { Results } from "./results";
import type {
  Affected,
  Diagnostic,
  Overview,
  ParticipantRow,
  ParticipantSummary,
  StudyChanged,
  StudyInfo,
} from "./protocol";

export type Connection = "connecting" | "live" | "lost" | "stopped";

export interface Totals {
  participants: number;
  connected: number;
  active: number;
  finished: number;
}

/** A row as it is shown: `pending` while a move of ours is under way that it shows already. */
export interface ShownRow extends ParticipantRow {
  pending?: boolean;
}

export class Store {
  readonly study = signal<StudyInfo>({ name: "", digest: "", version: 0 });
  readonly diagnostics = signal<Diagnostic[]>([]);
  readonly database = signal("");
  readonly session = signal("");
  readonly hasApp = signal(false);
  readonly guarded = signal(false);
  /** Where others reach the server, as it says itself. */
  readonly urls = signal<string[]>([]);
  readonly connection = signal<Connection>("connecting");
  /** What was last refused or done, for the status line. */
  readonly notice = signal("");
  /** Ascending; changes only when somebody is added or removed. */
  readonly indices = signal<number[]>([]);
  /** Every block name that somebody has, in a lasting order. */
  readonly names = signal<string[]>([]);
  /** The server's clock minus this machine's, in milliseconds. */
  readonly clockOffset = signal(0);
  readonly log = new Log();
  readonly results = new Results();
  /** Grows with each change of the rows. */
  changes = 0;

  // A signal per participant, so that a change repaints one row. It has what is shown; what the
  // server has said is beside it, for when a move that was shown already is refused.
  readonly #rows = new Map<number, Signal<ShownRow>>();
  readonly #said = new Map<number, ParticipantRow>();
  readonly #orders = new Set<string>();

  readonly totals = computed<Totals>(() => {
    const totals = { participants: 0, connected: 0, active: 0, finished: 0 };
    for (const index of this.indices.value) {
      const row = this.row(index).value;
      totals.participants += 1;
      totals.connected += Number(row.connected > 0);
      totals.active += Number(row.active);
      totals.finished += Number(row.block_id >= row.blocks_count);
    }
    return totals;
  });

  /** Start over from everything: what was known before is forgotten, whatever its revision. */
  replace(overview: Overview, now = Date.now()): void {
    batch(() => {
      this.study.value = overview.study;
      this.diagnostics.value = overview.diagnostics;
      this.database.value = overview.database;
      this.session.value = overview.session;
      this.hasApp.value = overview.has_app;
      this.urls.value = overview.urls;
      this.guarded.value = overview.guarded;
      this.clockOffset.value = Date.parse(overview.server_time) - now;
      this.log.forget();
      this.results.replace(overview.results);
      const present = new Set(overview.participants.map((row) => row.participant_index));
      for (const index of this.#rows.keys()) {
        if (!present.has(index)) this.#forget(index);
      }
      for (const row of overview.participants) this.#set(row);
      this.#orders.clear();
      this.#name(overview.participants);
      this.#list();
    });
  }

  /** Take changed rows in; one that is older than what is known is dropped. */
  change(rows: ParticipantRow[]): void {
    batch(() => {
      const before = this.#rows.size;
      const news = rows.filter((row) => {
        const known = this.#said.get(row.participant_index);
        return !known || row.revision >= known.revision;
      });
      for (const row of news) this.#set(row);
      this.#name(news);
      if (this.#rows.size !== before) this.#list();
    });
  }

  remove(indices: number[]): void {
    for (const index of indices) this.#forget(index);
    this.#list();
  }

  changeStudy(news: StudyChanged): void {
    const { name, digest, version, diagnostics, reordered, ended, kept } = news;
    this.study.value = { name, digest, version };
    this.diagnostics.value = diagnostics;
    if (reordered) {
      const whom = concerned({ reordered, ended: ended ?? [], kept: kept ?? [] });
      this.notice.value = [`Version ${version} of ${name} is served.`, ...whom].join(" ");
    }
  }

  /** Show a participant in another place before the server has agreed. */
  predict(index: number, block_id: number, now = Date.now()): void {
    const row = this.row(index);
    const { blocks_count, block_names } = row.peek();
    const active = block_id >= 0 && block_id < blocks_count;
    const outside = block_id < 0 ? "START" : "END";
    row.value = {
      ...row.peek(),
      block_id,
      active,
      block_name: active ? (block_names[block_id] ?? "") : outside,
      block_started_at: active ? new Date(now + this.clockOffset.peek()).toISOString() : null,
      pending: true,
    };
  }

  /** End a prediction: with what the server answered, or, refused, with what it said before. */
  settle(index: number, answered?: ParticipantSummary): void {
    const [row, said] = [this.#rows.get(index), this.#said.get(index)];
    if (!row || !said) return;
    if (answered && answered.revision >= said.revision) {
      const { participant_index: _, ...known } = answered;
      const next = { ...said };
      for (const key of Object.keys(known) as (keyof typeof known)[]) {
        if (key in next) Object.assign(next, { [key]: known[key] });
      }
      this.#said.set(index, next);
      row.value = next;
    } else {
      row.value = said;
    }
  }

  row(index: number): Signal<ShownRow> {
    const row = this.#rows.get(index);
    if (!row) throw new Error(`participant ${index} is not in the store`);
    return row;
  }

  /** The same where nobody may be there. */
  find(index: number): Signal<ShownRow> | undefined {
    return this.#rows.get(index);
  }

  /** A participant's row, also for a view that is open before they are added. */
  watch(index: number): ShownRow | undefined {
    // The row of somebody who is not there has no signal; the list has.
    return this.indices.value.includes(index) ? this.find(index)?.value : undefined;
  }

  #set(row: ParticipantRow): void {
    const index = row.participant_index;
    const before = this.#said.get(index);
    this.#said.set(index, row);
    this.changes += 1;
    const shown = this.#rows.get(index);
    if (!shown) this.#rows.set(index, signal(row));
    // Presence alone tells nothing about a move that is under way.
    else if (shown.peek().pending && before?.revision === row.revision) {
      shown.value = { ...shown.peek(), connected: row.connected };
    } else shown.value = row;
  }

  #forget(index: number): void {
    this.#rows.delete(index);
    this.#said.delete(index);
  }

  #list(): void {
    this.indices.value = [...this.#rows.keys()].sort((a, b) => a - b);
  }

  #name(rows: ParticipantRow[]): void {
    const before = this.#orders.size;
    for (const row of rows) for (const name of row.block_names) this.#orders.add(name);
    if (this.#orders.size !== before || !before) this.names.value = namesOf(this.#orders);
  }
}

const NAMED = 8;

/** Whom a new version of the study concerns, a sentence for each kind. */
export function concerned({ reordered, ended, kept }: Affected): string[] {
  return [
    reordered.length ? `Other blocks for ${people(reordered)}.` : "",
    ended.length ? `Beyond the new end, so END: ${people(ended)}.` : "",
    kept.length ? `Keeping their version: ${people(kept)}.` : "",
  ].filter(Boolean);
}

/** "participant 7", "participants 1, 2 and 3", or the first ones and how many more. */
export function people(indices: readonly number[]): string {
  const named = indices.slice(0, NAMED).join(", ");
  const who = indices.length === 1 ? "participant" : "participants";
  const more = indices.length > NAMED ? ` and ${indices.length - NAMED} more` : "";
  return `${who} ${named}${more}`;
}
