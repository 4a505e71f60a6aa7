// Records that wait in files, for programs in Node: `experiment-server-client/node`.

import { mkdirSync, openSync, closeSync, fsyncSync, ftruncateSync, readFileSync, readdirSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { RecordStorage, RecordStore, RefusedRecord, WaitingRecord } from "./storage.js";

/** A line of a file: a record that waits, or the ids of those that wait no longer. */
type Line = WaitingRecord | { removed: string[] };

/** The files that this process has open. */
const open = new Set<string>();
let files = 0;

/**
 * Keeps records in a folder, in JSON Lines files: each process writes its own, so that two can run at
 * once. What a process that has ended left over is taken over by the next one.
 */
export function fileStorage(folder: string): RecordStorage {
  return {
    async open(scope) {
      const own = join(folder, encodeURIComponent(scope));
      mkdirSync(own, { recursive: true });
      return new FileStore(own);
    },
  };
}

class FileStore implements RecordStore {
  readonly #name = `${hostname()}~${process.pid}~${Date.now()}~${++files}.jsonl`;
  readonly #file: number;
  /** Those in the own file. */
  readonly #waiting = new Set<string>();

  constructor(private readonly folder: string) {
    this.#file = openSync(join(folder, this.#name), "a");
    open.add(this.#name);
  }

  async load(): Promise<WaitingRecord[]> {
    const found = new Map<string, WaitingRecord>();
    for (const name of this.#others()) {
      const path = join(this.folder, name);
      const records = waitingIn(path);
      if (!isRunning(name)) {
        // They are written here before they are removed there: twice does no harm.
        await this.add(records.filter(({ record }) => !this.#waiting.has(record.record_id)));
        rmSync(path, { force: true });
      }
      for (const waiting of records) found.set(waiting.record.record_id, waiting);
    }
    for (const waiting of waitingIn(join(this.folder, this.#name))) found.set(waiting.record.record_id, waiting);
    return [...found.values()];
  }

  async add(records: WaitingRecord[]): Promise<void> {
    if (records.length === 0) return;
    // A line that was not written whole ends here.
    this.#append(records);
    for (const { record } of records) this.#waiting.add(record.record_id);
  }

  async remove(record_ids: string[]): Promise<void> {
    const own = record_ids.filter((id) => this.#waiting.delete(id));
    if (this.#waiting.size === 0) ftruncateSync(this.#file);
    else if (own.length > 0) this.#append([{ removed: own }]);
  }

  async setAside(refused: RefusedRecord): Promise<void> {
    const aside = openSync(join(this.folder, "refused.jsonl"), "a");
    try {
      write(aside, `${JSON.stringify(refused)}\n`);
    } finally {
      closeSync(aside);
    }
  }

  close(): void {
    closeSync(this.#file);
    open.delete(this.#name);
    if (this.#waiting.size === 0) rmSync(join(this.folder, this.#name), { force: true });
  }

  #append(lines: Line[]): void {
    write(this.#file, lines.map((line) => `\n${JSON.stringify(line)}\n`).join(""));
  }

  #others(): string[] {
    return readdirSync(this.folder).filter((name) => name.includes("~") && name !== this.#name);
  }
}

function write(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
  fsyncSync(file);
}

/** The records that a file has, in order. A line that was not written whole is left out. */
function waitingIn(path: string): WaitingRecord[] {
  const waiting = new Map<string, WaitingRecord>();
  for (const text of readFileSync(path, "utf8").split("\n")) {
    const line = parsed(text);
    if (!line) continue;
    if ("removed" in line) for (const id of line.removed) waiting.delete(id);
    else waiting.set(line.record.record_id, line);
  }
  return [...waiting.values()];
}

function parsed(text: string): Line | undefined {
  try {
    return text ? (JSON.parse(text) as Line) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether somebody may still write a file: another machine, for all that is known here. */
function isRunning(name: string): boolean {
  const [host, pid] = name.split("~");
  if (open.has(name) || host !== hostname()) return true;
  // In a container, an earlier start may have had the same number.
  if (Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
