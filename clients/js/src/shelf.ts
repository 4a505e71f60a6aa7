// What is written to the device, one after the other; in memory where the device refuses.

import { pause } from "./timing.js";
import type { RecordStorage, RecordStore, RefusedRecord, StorageState, WaitingRecord } from "./storage.js";

/** A browser whose database does not open within this time has none for us. */
const OPENED_WITHIN_MS = 5000;
/** A device that had no room is tried again after this time, with the next record. */
const FULL_FOR_MS = 5000;

export class Shelf {
  readonly #tell: (state: StorageState) => void;
  readonly #opened: Promise<void>;
  #store: RecordStore | null = null;
  #unwritten: WaitingRecord[] = [];
  #removed: string[] = [];
  #refused: RefusedRecord[] = [];
  #writing: Promise<void> | null = null;
  #durable = true;
  #full: number | undefined;
  #closed = false;
  /** Why there is no store at all. */
  #refusal: Error | undefined;

  constructor(scope: string, storage: RecordStorage, tell: (state: StorageState) => void) {
    this.#tell = tell;
    this.#opened = this.#open(scope, storage);
  }

  /** All that waits on the device, of this app and others. */
  async load(): Promise<WaitingRecord[]> {
    await this.#opened;
    // What was removed is not found again.
    while (this.#writing) await this.#writing;
    try {
      const found = (await this.#store?.load()) ?? [];
      const removed = new Set(this.#removed);
      return found.filter(({ record }) => !removed.has(record.record_id));
    } catch (error) {
      this.#say(false, error);
      return [];
    }
  }

  add(record: WaitingRecord): void {
    // An app listens by now, and without a record nothing is lost.
    if (this.#refusal) return this.#say(false, this.#refusal);
    this.#unwritten.push(record);
    this.#write();
  }

  remove(record_ids: string[]): void {
    if (this.#refusal) return;
    this.#removed.push(...record_ids);
    this.#write();
  }

  setAside(refused: RefusedRecord): void {
    this.#refused.push(refused);
    this.#write();
  }

  /** Wait until what was added is written, or for this time. */
  async written(within: number): Promise<void> {
    await Promise.race([this.#opened, pause(within)]);
    if (this.#writing) await Promise.race([this.#writing, pause(within)]);
  }

  close(): void {
    this.#closed = true;
    const close = () => this.#store?.close?.();
    if (this.#writing) void this.#writing.then(close);
    else close();
  }

  async #open(scope: string, storage: RecordStorage): Promise<void> {
    try {
      const late = pause(OPENED_WITHIN_MS).then(() => Promise.reject(new Error("it did not open in time")));
      this.#store = await Promise.race([storage.open(scope), late]);
    } catch (error) {
      this.#refusal = error instanceof Error ? error : new Error(String(error));
      if (this.#unwritten.length > 0) this.#say(false, error);
      this.#unwritten = [];
    }
    if (this.#closed) this.#store?.close?.();
    this.#write();
  }

  #write(): void {
    const store = this.#store;
    if (this.#writing || !store || this.#closed) return;
    if (this.#full !== undefined && Date.now() - this.#full < FULL_FOR_MS) return;
    if (this.#unwritten.length + this.#removed.length + this.#refused.length === 0) return;
    this.#writing = this.#writeTo(store).finally(() => {
      this.#writing = null;
      this.#write();
    });
  }

  async #writeTo(store: RecordStore): Promise<void> {
    const added = this.#unwritten.splice(0);
    const refused = this.#refused.splice(0);
    const removed = this.#removed.splice(0);
    const gone = new Set(removed);
    try {
      const kept = added.filter(({ record }) => !gone.has(record.record_id));
      if (kept.length > 0) await store.add(kept);
      added.splice(0);
      while (refused[0]) {
        await store.setAside(refused[0]);
        refused.shift();
      }
      if (removed.length > 0) await store.remove(removed);
      this.#full = undefined;
      this.#say(true);
    } catch (error) {
      this.#unwritten.unshift(...added);
      this.#refused.unshift(...refused);
      this.#removed.unshift(...removed);
      this.#full = Date.now();
      this.#say(false, error);
    }
  }

  #say(durable: boolean, error?: unknown): void {
    if (this.#durable === durable) return;
    this.#durable = durable;
    const why = error instanceof Error ? error.message : String(error);
    const message = durable
      ? "records are written to this device again"
      : `records are in memory only, and lost if the app ends before they are sent: ${why}`;
    this.#tell({ durable, message });
  }
}
