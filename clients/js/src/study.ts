// A participant's place in a study, kept right over whatever way there is, and what is recorded there.

import { type Block, blockOf, isSameBlock, leaving, type Recorder } from "./block.js";
import { StudyError } from "./errors.js";
import { type Connection, type Events, Listeners } from "./events.js";
import { Link } from "./link.js";
import { Moves } from "./moves.js";
import type { Config, Move, ResultRecord, Snapshot } from "./protocol.js";
import { TRIALS } from "./record.js";
import { type Batch, Records } from "./records.js";
import { BATCH_WITHIN_MS, type Rest } from "./rest.js";
import type { RecordStorage } from "./storage.js";

/** What belongs to a block that ends is waited for this long. */
const FINISHED_WITHIN_MS = 3000;

export class Study {
  /** Settles when the state is known, or when the server has refused the app. */
  readonly ready: Promise<void>;

  readonly #url: string;
  readonly #rest: Rest;
  readonly #storage: RecordStorage;
  readonly #link: Link;
  readonly #moves: Moves;
  readonly #listeners = new Listeners();
  readonly #waking = new Set<() => void>();
  readonly #hides = () => this.#part();
  #records: Records | null = null;
  #known: Block | null = null;
  /** What the app was told, or has read, last. */
  #delivered: Block | null = null;
  /** The revision with which the known block began. */
  #began = 0;
  /** Whether revisions can be compared: a server that was gone may have another database. */
  #comparable = false;
  #told: Connection = "none";
  #begun!: () => void;
  #refused!: (error: StudyError) => void;

  /** Use `connect` instead, which waits until the state is known. */
  constructor(url: string, auth: Record<string, unknown>, rest: Rest, parser: unknown, storage: RecordStorage) {
    this.#url = url;
    this.#rest = rest;
    this.#storage = storage;
    this.ready = new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#refused = reject;
    });
    // Whoever only listens to events need not handle it.
    this.ready.catch(() => undefined);
    this.#link = new Link(url, auth, rest, parser, {
      take: (snapshot) => void this.#take(snapshot),
      connection: (connection) => this.#became(connection),
      reached: () => this.#reached(),
      refused: (error) => {
        this.#refused(error);
        this.#moves.refuse(error);
      },
    });
    this.#moves = new Moves(this.#link, (snapshot) => this.#answered(snapshot));
    if (typeof document !== "undefined") addEventListener("pagehide", this.#hides);
  }

  /** Where the participant is. */
  get snapshot(): Block {
    if (!this.#known) throw new StudyError("not-ready", "the state is not known yet");
    this.#delivered = this.#known;
    return this.#known;
  }

  /** The current block's config; null before the first block and after the last. */
  get config(): Config | null {
    return this.snapshot.config;
  }

  /** The current block's name; "START" before the first, "END" after the last. */
  get block(): string {
    return this.snapshot.block_name;
  }

  get connection(): Connection {
    return this.#link.connection;
  }

  /** The number of records that the server does not have yet. */
  get unsent(): number {
    return this.#records?.unsent ?? 0;
  }

  /**
   * Listen; what is returned stops it. Listeners for `block` and `state` are told at once where the
   * participant is, so that the same function shows the first block and all that follow.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
    const { listens, remove } = this.#listeners.add(event, listener);
    const known = this.#known;
    if (known && (event === "block" || event === "state")) {
      queueMicrotask(() => {
        if (!listens() || this.#known !== known) return;
        this.#delivered = known;
        (listener as (block: Block) => void)(known);
      });
    }
    return remove;
  }

  /**
   * Each go of each block, from the current one: `for await (const block of study.blocks())`. Ends
   * after the last block, and when the study is closed. Who takes long over one is given the latest
   * then, not all that came between.
   */
  async *blocks(): AsyncGenerator<Block, void, undefined> {
    let last: Block | undefined;
    while (!this.#link.closed) {
      const block = this.snapshot;
      if (block.block_id >= block.blocks_count) return;
      if (block.active && !(last && isSameBlock(last, block))) {
        last = block;
        yield block;
      } else await new Promise<void>((resolve) => this.#waking.add(resolve));
    }
  }

  /** Record in the block that the app was told of last, or has read: see `Block.record`. */
  record(data: object): ResultRecord;
  record(table: string, data: object): ResultRecord;
  record(...what: [object] | [string, object]): ResultRecord {
    return ((this.#delivered ?? this.snapshot).record as (...what: unknown[]) => ResultRecord)(...what);
  }

  /**
   * Wait until the server has all records, those of an earlier start too, or for `timeout`
   * milliseconds; resolves to whether it has them all.
   */
  async flush({ timeout }: { timeout?: number } = {}): Promise<boolean> {
    return (await this.#records?.flush(timeout)) ?? true;
  }

  /**
   * One block on from the one that the app was told of last, or has read. Rejects with
   * `participant-elsewhere` if somebody has moved the participant meanwhile; the app hears of that, and
   * nothing is skipped.
   */
  next(): Promise<Block> {
    return this.#step("move-to-next");
  }

  /** One block back, as `next`. */
  previous(): Promise<Block> {
    return this.#step("move-to-previous");
  }

  /** To a block by its place in the participant's order, from 0. */
  goTo(block_id: number): Promise<Block> {
    return this.#moves.ask({ action: "move-to-block", block_id, request_id: requestId() });
  }

  /**
   * Stop taking part. Moves that still wait are rejected with the code `closed`; `blocks` ends. Records
   * that still wait are sent at the next start; `flush` waits for them.
   */
  close(): void {
    this.#link.close();
    this.#records?.close();
    if (typeof document !== "undefined") removeEventListener("pagehide", this.#hides);
    this.#wake();
    this.#moves.refuse(new StudyError("closed", "the app has stopped taking part"));
  }

  #step(action: Move["action"]): Promise<Block> {
    const seen = this.#delivered ?? this.snapshot;
    const reached = this.#moves.leads(seen);
    const from = reached === undefined ? leaving(seen) : { from_block: reached };
    return this.#moves.ask({ action, ...from, request_id: requestId() }, reached !== undefined);
  }

  #leave(block: Snapshot): Promise<Block> {
    return this.#moves.ask({ action: "move-to-next", ...leaving(block), request_id: requestId() });
  }

  /** The answer to a move, as the app is given it. */
  #answered(snapshot: Snapshot): Block {
    // An older one is not where the app was told that its participant is.
    if (!this.#take(snapshot)) return this.#blockOf(snapshot, snapshot.revision);
    return this.snapshot;
  }

  #became(connection: Connection): void {
    if (connection === "none") this.#comparable = false;
    if (this.#told === connection) return;
    this.#told = connection;
    this.#listeners.tell("connection", connection);
  }

  #reached(): void {
    this.#begun();
    void this.#moves.send();
    this.#records?.wake();
  }

  #blockOf(snapshot: Snapshot, began: number): Block {
    const { block_id } = snapshot;
    const context = { block_id, revision: began };
    const record: Recorder = (...what: [object] | [string, object]) => {
      const [table, data] = what.length === 1 ? [TRIALS, what[0]] : what;
      return this.#recordsOf(snapshot).record({ table, data, ...context });
    };
    const leave = () => this.#leave(snapshot);
    const finish = async () => {
      const own = (other: ResultRecord) => other.block_id === block_id && other.revision === began;
      await this.#records?.arrived(own, FINISHED_WITHIN_MS);
      return leave();
    };
    return blockOf(snapshot, { record, next: leave, finish });
  }

  #recordsOf({ participant_index }: Snapshot): Records {
    return (this.#records ??= new Records(`${this.#url}|${participant_index}`, this.#storage, {
      reachable: () => this.#link.reachable,
      send: (batch) => this.#send(batch),
      unsent: (records) => this.#listeners.tell("unsent", records),
      refused: (refused) => {
        const { record, message } = refused;
        if (this.#listeners.has("refused")) this.#listeners.tell("refused", refused);
        else console.warn(`The server refused record ${record.record_id}, which is kept on this device: ${message}`);
      },
      storage: (state) => {
        if (this.#listeners.has("storage")) this.#listeners.tell("storage", state);
        else if (!state.durable) console.warn(state.message);
      },
    }));
  }

  #send(batch: Batch) {
    return this.#link.ask("record", batch, (rest) => rest.record(batch), BATCH_WITHIN_MS);
  }

  /** The page goes away: send what waits in a request that outlives it. */
  #part(): void {
    for (const batch of this.#records?.parting() ?? []) this.#rest.part(batch);
  }

  /** Take a snapshot in, unless it is older than what is known; returns whether it was. */
  #take(snapshot: Snapshot): boolean {
    const known = this.#known;
    if (known && this.#comparable && snapshot.revision < known.revision) return false;
    this.#comparable = true;
    const moved = !known || !isSameBlock(known, snapshot);
    if (moved) this.#began = snapshot.revision;
    const block = this.#blockOf(snapshot, this.#began);
    this.#known = block;
    this.#recordsOf(snapshot);
    const changed = JSON.stringify(known?.config) !== JSON.stringify(block.config);
    if (!moved && !changed) return true;
    this.#deliver("state", block);
    this.#deliver(moved ? "block" : "config", block);
    if (moved && block.block_id >= block.blocks_count) this.#deliver("end", block);
    this.#wake();
    return true;
  }

  #deliver(event: "state" | "block" | "config" | "end", block: Block): void {
    if (this.#listeners.has(event)) this.#delivered = block;
    this.#listeners.tell(event, block);
  }

  /** Let those go on that wait for anything to happen. */
  #wake(): void {
    for (const wake of this.#waking) wake();
    this.#waking.clear();
  }
}

/** A name for a request; pages without https have no crypto.randomUUID. */
function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
