// What was measured and answered: kept in this browser, and handed out as CSV.
//
// A run is one stay of a participant in one block. Each run has an entry of its own in
// localStorage, so that a movement writes little.

import { summarise } from "./fitts.js";

const PREFIX = "pointing-task/";

/** The id of the run that a snapshot belongs to; the same after a reload. */
export function runId(snapshot) {
  return [snapshot.block_id, snapshot.block_started_at, fingerprint(snapshot.config)].join("/");
}

/** A participant's records. */
export class Records {
  #prefix;
  #runs = new Map();
  #current = null;

  constructor(participant) {
    this.participant = participant;
    this.#prefix = `${PREFIX}${participant}/`;
    this.kept = true;
    this.#attempt(() => {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(this.#prefix)) {
          this.#runs.set(key.slice(this.#prefix.length), JSON.parse(localStorage.getItem(key)));
        }
      }
    });
  }

  /** The run that a snapshot belongs to; a new one if this is its first sight. */
  run(snapshot) {
    const id = runId(snapshot);
    if (!this.#runs.has(id)) {
      const { participant_index, study, block_id, block_name, block_started_at, config } = snapshot;
      const block = { participant_index, study, block_id, block_name, block_started_at };
      this.#runs.set(id, { block, config, movements: [], answers: {}, complete: false });
    }
    this.#current = this.#runs.get(id);
    return this.#current;
  }

  /** The participant is in no run now. */
  leave() {
    this.#current = null;
  }

  /** Write a changed run to the browser's storage. */
  save(run) {
    for (const [id, known] of this.#runs) {
      if (known === run) {
        this.#attempt(() => localStorage.setItem(this.#prefix + id, JSON.stringify(run)));
      }
    }
  }

  /** Forget everything about this participant. */
  clear() {
    this.#attempt(() => {
      for (const id of this.#runs.keys()) localStorage.removeItem(this.#prefix + id);
    });
    this.#runs.clear();
  }

  /** A row for every timed movement, with its condition. */
  movements() {
    return this.#pointing().flatMap(movementsOf);
  }

  /** A row for every run of a pointing block, with its measures. */
  conditions() {
    return this.#pointing().map((run) => ({
      ...run.block,
      ...condition(run),
      complete: run.complete,
      ...summarise(run.movements, run.config),
    }));
  }

  /** A row for every answer. */
  answers() {
    return this.#sorted().flatMap(answersOf);
  }

  /** The runs that are over, and that the server does not have yet. */
  unsent() {
    return this.#sorted().filter((run) => !run.sent && (run.complete || run !== this.#current) && rowsOf(run).length);
  }

  /** A run as a file: its rows, and where they belong in the session's folder on the server. */
  fileOf(run) {
    const { participant_index, block_id, block_name } = run.block;
    const [participant, place] = [String(participant_index).padStart(3, "0"), String(block_id).padStart(2, "0")];
    return { path: `P${participant}/${place}-${block_name}.csv`, rows: rowsOf(run) };
  }

  #pointing() {
    return this.#sorted().filter((run) => run.movements.length);
  }

  #sorted() {
    return [...this.#runs.values()].sort((a, b) =>
      a.block.block_started_at < b.block.block_started_at ? -1 : 1,
    );
  }

  #attempt(action) {
    try {
      action();
    } catch {
      // Storage can be full, or switched off in a private window; the page still has it all.
      this.kept = false;
    }
  }
}

function movementsOf(run) {
  return run.movements.map((movement) => ({ ...run.block, ...condition(run), ...movement }));
}

function answersOf(run) {
  return Object.entries(run.answers).map(([question, answer]) => ({
    ...run.block,
    submitted: run.complete,
    question,
    answer,
  }));
}

function rowsOf(run) {
  return [...movementsOf(run), ...answersOf(run)];
}

/** Rows (objects with the same keys) as CSV after RFC 4180, with a header. */
export function toCsv(rows) {
  if (!rows.length) return "";
  const names = Object.keys(rows[0]);
  const lines = [names, ...rows.map((row) => names.map((name) => row[name]))];
  return lines.map((line) => line.map(cell).join(",") + "\r\n").join("");
}

function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "number" ? String(Math.round(value * 1e4) / 1e4) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function condition({ config }) {
  const { amplitude, width, targets, practice = false } = config;
  return { practice, amplitude, width, targets };
}

/** A short text that is different for different configs (FNV-1a, 32 bits). */
function fingerprint(value) {
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify(value)) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  }
  return hash.toString(36);
}
