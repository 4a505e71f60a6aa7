// What the dashboard knows, fed by the socket alone. Views are functions of it.

import { computed, signal, type Signal } from "@preact/signals";
import type { Diagnostic, Overview, ParticipantRow, StudyChanged, StudyInfo } from "./protocol";

export type Connection = "connecting" | "live" | "lost" | "stopped";

export interface Totals {
  participants: number;
  connected: number;
  active: number;
  finished: number;
}

export class Store {
  readonly study = signal<StudyInfo>({ name: "", digest: "", version: 0 });
  readonly diagnostics = signal<Diagnostic[]>([]);
  readonly database = signal("");
  readonly session = signal("");
  readonly connection = signal<Connection>("connecting");
  /** What was last refused or done, for the status line. */
  readonly notice = signal("");
  /** Ascending; changes only when somebody is added or removed. */
  readonly indices = signal<number[]>([]);
  /** The server's clock minus this machine's, in milliseconds. */
  readonly clockOffset = signal(0);

  // A signal per participant, so that a change repaints one row.
  readonly #rows = new Map<number, Signal<ParticipantRow>>();

  readonly totals = computed<Totals>(() => {
    const rows = this.indices.value.map((index) => this.row(index).value);
    return {
      participants: rows.length,
      connected: rows.filter((row) => row.connected > 0).length,
      active: rows.filter((row) => row.active).length,
      finished: rows.filter((row) => row.block_id >= row.blocks_count).length,
    };
  });

  /** Start over from everything: what was known before is forgotten, whatever its revision. */
  replace(overview: Overview, now = Date.now()): void {
    this.study.value = overview.study;
    this.diagnostics.value = overview.diagnostics;
    this.database.value = overview.database;
    this.session.value = overview.session;
    this.clockOffset.value = Date.parse(overview.server_time) - now;
    const present = new Set(overview.participants.map((row) => row.participant_index));
    for (const index of this.#rows.keys()) {
      if (!present.has(index)) this.#rows.delete(index);
    }
    for (const row of overview.participants) this.#set(row);
    this.#list();
  }

  /** Take changed rows in; one that is older than what is known is dropped. */
  change(rows: ParticipantRow[]): void {
    const before = this.#rows.size;
    for (const row of rows) {
      const known = this.#rows.get(row.participant_index);
      if (!known || row.revision >= known.peek().revision) this.#set(row);
    }
    if (this.#rows.size !== before) this.#list();
  }

  remove(indices: number[]): void {
    for (const index of indices) this.#rows.delete(index);
    this.#list();
  }

  changeStudy(news: StudyChanged): void {
    const { name, digest, version, diagnostics } = news;
    this.study.value = { name, digest, version };
    this.diagnostics.value = diagnostics;
    if (news.reordered) this.notice.value = affected(news);
  }

  row(index: number): Signal<ParticipantRow> {
    const row = this.#rows.get(index);
    if (!row) throw new Error(`participant ${index} is not in the store`);
    return row;
  }

  #set(row: ParticipantRow): void {
    const known = this.#rows.get(row.participant_index);
    if (known) known.value = row;
    else this.#rows.set(row.participant_index, signal(row));
  }

  #list(): void {
    this.indices.value = [...this.#rows.keys()].sort((a, b) => a - b);
  }
}

const NAMED = 8;

/** Who is concerned by a new version of the study, in a sentence or three. */
export function affected({ name, version, reordered, ended, kept }: StudyChanged): string {
  const said = [`Version ${version} of ${name} is served.`];
  if (reordered?.length) said.push(`Other blocks for ${people(reordered)}.`);
  if (ended?.length) said.push(`Beyond the new end, so END: ${people(ended)}.`);
  if (kept?.length) said.push(`Keeping their version: ${people(kept)}.`);
  return said.join(" ");
}

function people(indices: number[]): string {
  const named = indices.slice(0, NAMED).join(", ");
  const who = indices.length === 1 ? "participant" : "participants";
  const more = indices.length > NAMED ? ` and ${indices.length - NAMED} more` : "";
  return `${who} ${named}${more}`;
}
