// The records of an app: written to the device first, then sent in batches, over and over until they arrive.

import { StudyError } from "./errors.js";
import type { RecordsKept, ResultRecord } from "./protocol.js";
import { bytesOf, recordData, runId, tableName, type Recorded } from "./record.js";
import { Shelf } from "./shelf.js";
import type { RecordStorage, RefusedRecord, StorageState, WaitingRecord } from "./storage.js";
import { pause } from "./timing.js";

/** Records of one table that are sent together, and the number that waits beside them. */
export interface Batch {
  table: string;
  records: ResultRecord[];
  unsent: number;
}

export interface RecordsOwner {
  /** Whether there is a way to the server. */
  reachable(): boolean;
  /** Send a batch; returns undefined where no answer came. */
  send(batch: Batch): Promise<RecordsKept | StudyError | undefined>;
  unsent(records: number): void;
  refused(refused: RefusedRecord): void;
  storage(state: StorageState): void;
}

// A socket's message of an app has at most 128 kB.
const BATCH = { records: 100, bytes: 100_000 };
// What a browser still sends for a page that is gone.
const PARTING_BYTES = 60_000;
const RETRY_MS = { least: 500, most: 15_000 };
/** Another tab that has not sent a record in this time may be gone; its records are sent from here. */
const LOOK_MS = 5000;
/** A browser that does not write within this time does not hold up what is sent. */
const WRITTEN_WITHIN_MS = 2000;
/** The offset of the clock is that of the fastest of the last exchanges. */
const EXCHANGES = 5;

/** Errors that name no record, and that another batch would get as well. */
const NOT_OF_THE_BATCH = [
  "store-unavailable", "session-lost", "limit-reached", "internal-error",
  "token-invalid", "token-missing", "not-allowed", "participant-unknown",
];

export class Records {
  readonly #owner: RecordsOwner;
  readonly #shelf: Shelf;
  readonly #run = runId();
  /** Whether it is known what an earlier start has left over. */
  #loaded = false;
  readonly #loading: Promise<void>;
  /** By record_id, in the order in which they are sent. */
  readonly #waiting = new Map<string, WaitingRecord>();
  readonly #watching = new Set<() => void>();
  readonly #exchanges: { took: number; offset: number }[] = [];
  #count = 0;
  #told = 0;
  #telling = false;
  /** The number that the server was told last. */
  #reported = 0;
  #sending = false;
  #closed = false;
  #failures = 0;
  #most = BATCH.records;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #looking: ReturnType<typeof setInterval>;
  /** Those of others that have arrived from here; the others may still have them on the device. */
  readonly #arrived = new Set<string>();
  /** Records of others that waited already when they were looked for last. */
  #seen: ReadonlySet<string> = new Set();

  constructor(scope: string, storage: RecordStorage, owner: RecordsOwner) {
    this.#owner = owner;
    this.#shelf = new Shelf(scope, storage, (state) => owner.storage(state));
    this.#loading = this.#shelf.load().then((found) => {
      this.#loaded = true;
      this.#adopt(found);
    });
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
    (this.#looking as { unref?: () => void }).unref?.();
  }

  /** The number of records that the server does not have yet. */
  get unsent(): number {
    return this.#waiting.size;
  }

  /** Record; throws a StudyError for what can be no record. */
  record({ table, data, block_id, revision }: Recorded): ResultRecord {
    const name = tableName(table);
    const offset = this.#offset();
    const record: ResultRecord = {
      record_id: `${this.#run}-${this.#count + 1}`,
      data: recordData(data),
      block_id,
      revision,
      recorded_at: new Date().toISOString(),
      ...(offset === undefined ? {} : { clock_offset_ms: offset }),
    };
    this.#count++;
    const waiting = { table: name, record };
    this.#waiting.set(record.record_id, waiting);
    this.#shelf.add(waiting);
    this.#changed();
    void this.#pump();
    return record;
  }

  /** Wait until those that wait now have arrived, or a time is over; returns whether they have. */
  arrived(which: (record: ResultRecord) => boolean = () => true, within?: number): Promise<boolean> {
    const ids = [...this.#waiting.values()].filter(({ record }) => which(record)).map(({ record }) => record.record_id);
    return this.#until(() => !ids.some((id) => this.#waiting.has(id)), within);
  }

  /** Wait until nothing waits, or a time is over; returns whether nothing does. */
  flush(within?: number): Promise<boolean> {
    return this.#until(() => this.#loaded && this.#waiting.size === 0, within);
  }

  /** There is a way to the server now: send at once. */
  wake(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#failures = 0;
    void this.#pump();
  }

  /** What is sent for a page that goes away. It stays on the device: nobody hears of an answer. */
  parting(): Batch[] {
    const tables = new Map<string, ResultRecord[]>();
    let room = PARTING_BYTES;
    for (const waiting of this.#waiting.values()) {
      room -= sizeOf(waiting);
      if (room < 0) break;
      tables.set(waiting.table, [...(tables.get(waiting.table) ?? []), waiting.record]);
    }
    const sent = [...tables.values()].reduce((sum, records) => sum + records.length, 0);
    const unsent = this.#waiting.size - sent;
    return [...tables].map(([table, records]) => ({ table, records, unsent }));
  }

  /** Send nothing any more; what waits is on the device, for the next start. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#looking);
    this.#shelf.close();
    this.#check();
  }

  /** Send batch after batch, for as long as there is a way and the server takes them. */
  async #pump(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#maySend && (this.#waiting.size > 0 || this.#reported > 0)) {
        // What was left over is sent first.
        if (!this.#loaded) await Promise.race([this.#loading, pause(WRITTEN_WITHIN_MS)]);
        await this.#shelf.written(WRITTEN_WITHIN_MS);
        if (!this.#maySend || !(await this.#exchange(this.#batch()))) return;
      }
    } finally {
      this.#sending = false;
    }
  }

  get #maySend(): boolean {
    return !this.#closed && this.#owner.reachable() && this.#retry === undefined;
  }

  /** Send a batch; returns whether the next one can follow at once. */
  async #exchange(batch: Batch): Promise<boolean> {
    const sent = Date.now();
    const answer = await this.#owner.send(batch);
    if (answer === undefined) return this.#later();
    if (answer instanceof StudyError) return this.#refused(batch, answer);
    this.#learn(sent, Date.now(), answer.server_time);
    this.#reported = batch.unsent;
    this.#failures = 0;
    this.#most = Math.min(BATCH.records, this.#most * 2);
    this.#remove(batch.records.map(({ record_id }) => record_id));
    return true;
  }

  #refused(batch: Batch, { code, message, record_id }: StudyError): boolean {
    const waiting = record_id === undefined ? undefined : this.#waiting.get(record_id);
    if (waiting && batch.records.some((record) => record.record_id === record_id)) {
      const refused = { ...waiting, code, message };
      this.#shelf.setAside(refused);
      this.#remove([waiting.record.record_id]);
      this.#owner.refused(refused);
      return true;
    }
    const [only, ...more] = batch.records;
    if (only && more.length === 0 && !NOT_OF_THE_BATCH.includes(code)) {
      // It may be the reason; the others do not wait for it.
      const last = this.#waiting.get(only.record_id);
      this.#waiting.delete(only.record_id);
      if (last) this.#waiting.set(only.record_id, last);
    }
    return this.#later();
  }

  /** Try again later, with fewer records: a slow network may not carry more in time. */
  #later(): false {
    this.#most = Math.max(1, Math.floor(this.#most / 2));
    const after = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** this.#failures++);
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        void this.#pump();
      },
      after * (0.5 + Math.random() / 2),
    );
    return false;
  }

  /** The next batch: of the table of the first record that waits. */
  #batch(): Batch {
    const records: ResultRecord[] = [];
    let table: string | undefined;
    let bytes = 0;
    for (const waiting of this.#waiting.values()) {
      table ??= waiting.table;
      if (waiting.table !== table) continue;
      bytes += sizeOf(waiting);
      if (records.length > 0 && (bytes > BATCH.bytes || records.length >= this.#most)) break;
      records.push(this.#timed(waiting.record));
    }
    return { table: table ?? "trials", records, unsent: this.#waiting.size - records.length };
  }

  /** A record of this run, with the offset of the clock if that was learned after it was recorded. */
  #timed(record: ResultRecord): ResultRecord {
    const offset = this.#offset();
    if (record.clock_offset_ms !== undefined || offset === undefined) return record;
    return this.#isOwn(record.record_id) ? { ...record, clock_offset_ms: offset } : record;
  }

  #isOwn(record_id: string): boolean {
    return record_id.startsWith(`${this.#run}-`);
  }

  #offset(): number | undefined {
    const [first, ...others] = this.#exchanges;
    return first && others.reduce((best, next) => (next.took < best.took ? next : best), first).offset;
  }

  #learn(sent: number, answered: number, server_time: string): void {
    const offset = Date.parse(server_time) - (sent + answered) / 2;
    if (Number.isFinite(offset)) this.#exchanges.push({ took: answered - sent, offset });
    if (this.#exchanges.length > EXCHANGES) this.#exchanges.shift();
  }

  /** Look for records of tabs that are gone. Sending those of living ones does no harm: each is kept once. */
  async #look(): Promise<void> {
    if (this.#waiting.size > 0 || !this.#owner.reachable()) return;
    const found = await this.#shelf.load();
    this.#adopt(found.filter(({ record }) => this.#seen.has(record.record_id)));
    this.#seen = new Set(found.map(({ record }) => record.record_id));
  }

  #adopt(found: WaitingRecord[]): void {
    const own = [...this.#waiting];
    this.#waiting.clear();
    // What was left over is older than what was recorded meanwhile.
    for (const waiting of found) {
      const id = waiting.record.record_id;
      // An own record that is not here any more has arrived since it was read from the device.
      if (!this.#isOwn(id) && !this.#arrived.has(id)) this.#waiting.set(id, waiting);
    }
    for (const [id, waiting] of own) this.#waiting.set(id, waiting);
    this.#changed();
    void this.#pump();
  }

  #remove(record_ids: string[]): void {
    for (const id of record_ids) {
      this.#waiting.delete(id);
      if (!this.#isOwn(id)) this.#arrived.add(id);
    }
    if (record_ids.length > 0) this.#shelf.remove(record_ids);
    this.#changed();
  }

  /** Tell of another number of records, once for all that happens together. */
  #changed(): void {
    this.#check();
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      if (this.#told === this.#waiting.size) return;
      this.#told = this.#waiting.size;
      this.#owner.unsent(this.#told);
    });
  }

  #until(done: () => boolean, within?: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = within === undefined ? undefined : setTimeout(() => end(done()), within);
      const check = () => {
        if (done()) end(true);
        else if (this.#closed) end(false);
      };
      const end = (arrived: boolean) => {
        clearTimeout(timer);
        this.#watching.delete(check);
        resolve(arrived);
      };
      this.#watching.add(check);
      check();
    });
  }

  #check(): void {
    for (const check of [...this.#watching]) check();
  }
}

const sizes = new WeakMap<ResultRecord, number>();

/** The size of a record in a batch, in bytes. */
function sizeOf({ record }: WaitingRecord): number {
  const known = sizes.get(record) ?? bytesOf(JSON.stringify(record)) + 50;
  sizes.set(record, known);
  return known;
}
