// A participant's place in a study, kept right over whatever way there is.

import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { type Block, blockOf, isSameBlock, leaving } from "./block.js";
import { StudyError } from "./errors.js";
import type { Config, Move, Snapshot } from "./protocol.js";
import type { Rest } from "./rest.js";

/** How the app reaches the server: over a socket, by plain requests, or not at all for now. */
export type Connection = "socket" | "rest" | "none";

export interface Events {
  /** The participant is in another block, or in the same one anew. */
  block: (block: Block) => void;
  /** The same block has another config. */
  config: (block: Block) => void;
  /** The participant is past the last block. */
  end: (block: Block) => void;
  /** Anything of the above. */
  state: (block: Block) => void;
  connection: (connection: Connection) => void;
}

type Acknowledgement =
  | { ok: true; data: Snapshot }
  | { ok: false; error: { code: string; message: string } };

interface Waiting {
  move: Move;
  reckoned: boolean;
  resolve: (block: Block) => void;
  reject: (error: StudyError) => void;
}

// Moves that wait for a connection. People press a button again and again when nothing happens.
const MOVES_WAITING = 16;

const ANSWER_WITHIN_MS = 5000;
const POLL_MS = 1000;
const RECONNECT_MS = { least: 250, most: 3000 };

/** A socket that cannot be opened for this long makes way for plain requests. */
const SOCKET_WITHIN_MS = 3000;

const REFUSALS = [
  "token-invalid",
  "token-missing",
  "not-allowed",
  "participant-unknown",
  "expansion-failed",
];

export class Study {
  /** Settles when the state is known, or when the server has refused the app. */
  readonly ready: Promise<void>;

  readonly #socket: Socket;
  readonly #rest: Rest;
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  readonly #waiting: Waiting[] = [];
  readonly #waking = new Set<() => void>();
  #known: Block | null = null;
  /** What the app was told, or has read, last. */
  #delivered: Block | null = null;
  /** Whether revisions can be compared: a server that was gone may have another database. */
  #comparable = false;
  #connection: Connection = "none";
  #sending = false;
  #closed = false;
  #polling: ReturnType<typeof setTimeout> | undefined;
  /** Counts the turns of polling: one that ends after its turn says nothing. */
  #turn = 0;
  #opening: ReturnType<typeof setTimeout> | undefined;
  #begun!: () => void;
  #refused!: (error: StudyError) => void;

  /** Use `connect` instead, which waits until the state is known. */
  constructor(url: string, auth: Record<string, unknown>, rest: Rest, parser: unknown) {
    this.#rest = rest;
    this.ready = new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#refused = reject;
    });
    // Whoever only listens to events need not handle it.
    this.ready.catch(() => undefined);
    this.#socket = io(url, {
      path: parser ? "/socket.io-msgpack/" : "/socket.io/",
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      auth,
      reconnectionDelay: RECONNECT_MS.least,
      reconnectionDelayMax: RECONNECT_MS.most,
      forceNew: true,
      ...(parser ? { parser } : {}),
    } as Partial<ManagerOptions & SocketOptions>);
    for (const event of ["state", "block-changed", "config-changed"]) {
      this.#socket.on(event, (snapshot: Snapshot) => this.#take(snapshot));
    }
    this.#socket.on("state", () => this.#reached("socket"));
    this.#socket.on("disconnect", () => {
      if (this.#closed) return;
      this.#lost();
      this.#reopen(RECONNECT_MS.least);
    });
    this.#socket.on("connect_error", (error: Error & { data?: { code?: string } }) => {
      if (this.#closed) return;
      const code = error.data?.code;
      if (code && REFUSALS.includes(code)) this.#refuse(new StudyError(code, error.message));
      this.#reopen(RECONNECT_MS.most);
    });
    this.#pollAfter(SOCKET_WITHIN_MS);
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
    return this.#connection;
  }

  /**
   * Listen; what is returned stops it. Listeners for `block` and `state` are told at once where the
   * participant is, so that the same function shows the first block and all that follow.
   */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    const told = listener as (value: never) => void;
    listeners.add(told);
    const known = this.#known;
    if (known && (event === "block" || event === "state")) {
      queueMicrotask(() => {
        if (!listeners.has(told) || this.#known !== known) return;
        this.#delivered = known;
        told(known as never);
      });
    }
    return () => listeners.delete(told);
  }

  /**
   * Each go of each block, from the current one: `for await (const block of study.blocks())`. Ends
   * after the last block, and when the study is closed. Who takes long over one is given the latest
   * then, not all that came between.
   */
  async *blocks(): AsyncGenerator<Block, void, undefined> {
    let last: Block | undefined;
    while (!this.#closed) {
      const block = this.snapshot;
      if (block.block_id >= block.blocks_count) return;
      if (block.active && !(last && isSameBlock(last, block))) {
        last = block;
        yield block;
      } else await new Promise<void>((resolve) => this.#waking.add(resolve));
    }
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
    return this.#ask({ action: "move-to-block", block_id, request_id: requestId() });
  }

  /** Stop taking part. Moves that still wait are rejected with the code `closed`; `blocks` ends. */
  close(): void {
    this.#closed = true;
    this.#turn++;
    clearTimeout(this.#polling);
    clearTimeout(this.#opening);
    this.#socket.disconnect();
    this.#wake();
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new StudyError("closed", "the app has stopped taking part"));
    }
  }

  #step(action: Move["action"]): Promise<Block> {
    const seen = this.#delivered ?? this.snapshot;
    const reached = this.#leads(seen);
    const from = reached === undefined ? leaving(seen) : { from_block: reached };
    return this.#ask({ action, ...from, request_id: requestId() }, reached !== undefined);
  }

  /** Where the moves that wait lead, for an app that sees the participant there; undefined if nowhere. */
  #leads(seen: Snapshot): number | undefined {
    return this.#waiting.reduce<number | undefined>((before, { move }) => {
      if (move.block_id !== undefined) return move.block_id;
      const at = before ?? seen.block_id;
      // What it does may be known already: the server tells everybody before it answers.
      if (move.from_block !== at) return before;
      return move.action === "move-to-next" ? Math.min(at + 1, seen.blocks_count) : Math.max(at - 1, -1);
    }, undefined);
  }

  get #reachable(): boolean {
    return this.#connection !== "none";
  }

  #leave(block: Snapshot): Promise<Block> {
    return this.#ask({ action: "move-to-next", ...leaving(block), request_id: requestId() });
  }

  /** `reckoned`: it counts on the moves that wait before it, and is refused with them. */
  #ask(move: Move, reckoned = false): Promise<Block> {
    if (this.#closed) return Promise.reject(new StudyError("closed", "this study was closed"));
    if (this.#waiting.length >= MOVES_WAITING) {
      const message = `${MOVES_WAITING} moves wait for a connection already`;
      return Promise.reject(new StudyError("queue-full", message));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ move, reckoned, resolve, reject });
      void this.#send();
    });
  }

  /** Send what waits, in order, for as long as there is a way. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        if (!this.#reachable) return;
        const outcome = await this.#try(first.move);
        // Without an answer nobody knows whether it was made: it is sent again, by its name.
        if (outcome === undefined) continue;
        const waited = this.#waiting[0] === first;
        if (waited) this.#waiting.shift();
        if (!(outcome instanceof StudyError)) first.resolve(this.#answered(outcome));
        else {
          first.reject(outcome);
          while (waited && this.#waiting[0]?.reckoned) this.#waiting.shift()?.reject(outcome);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  async #try(move: Move): Promise<Snapshot | StudyError | undefined> {
    const way = this.#connection;
    try {
      if (way === "rest") return await this.#rest.move(move);
      const { action, ...parameters } = move;
      const answer: Acknowledgement = await this.#socket
        .timeout(ANSWER_WITHIN_MS)
        .emitWithAck(action, parameters);
      if (answer.ok) return answer.data;
      // What could not be made durable, or came too fast, may work later.
      if (LATER.includes(answer.error.code)) return await pause(POLL_MS);
      return new StudyError(answer.error.code, answer.error.message);
    } catch (error) {
      if (error instanceof StudyError) {
        return LATER.includes(error.code) ? await pause(POLL_MS) : error;
      }
      if (way === "rest" && this.#connection === "rest") this.#lost();
      // A connection that is open and brings no answer carries nothing any more.
      if (way === "socket" && this.#socket.connected) this.#socket.disconnect().connect();
      return undefined;
    }
  }

  /** The answer to a move, as the app is given it. */
  #answered(snapshot: Snapshot): Block {
    // An older one is not where the app was told that its participant is.
    if (!this.#take(snapshot)) return this.#blockOf(snapshot);
    return this.snapshot;
  }

  #pollAfter(milliseconds: number): void {
    const turn = ++this.#turn;
    clearTimeout(this.#polling);
    this.#polling = setTimeout(() => void this.#poll(turn), milliseconds);
  }

  /** Ask how things are, over and over until there is a socket. */
  async #poll(turn: number): Promise<void> {
    try {
      const snapshot = await this.#rest.state();
      if (turn !== this.#turn) return;
      if (snapshot) this.#take(snapshot);
      this.#reached("rest");
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof StudyError && REFUSALS.includes(error.code)) return this.#refuse(error);
      this.#become("none");
    }
    this.#pollAfter(POLL_MS);
  }

  /** See to it that the socket is opened again, where the library has given it up. */
  #reopen(after: number): void {
    clearTimeout(this.#opening);
    if (!this.#socket.active) this.#opening = setTimeout(() => this.#socket.connect(), after);
  }

  #reached(by: "socket" | "rest"): void {
    if (by === "socket") {
      this.#turn++;
      clearTimeout(this.#polling);
    }
    this.#become(by);
    this.#begun();
    void this.#send();
  }

  #lost(): void {
    this.#become("none");
    this.#pollAfter(SOCKET_WITHIN_MS);
  }

  #refuse(error: StudyError): void {
    this.#refused(error);
    this.#lost();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #become(connection: Connection): void {
    if (connection === "none") {
      this.#comparable = false;
      this.#rest.forget();
    }
    if (this.#connection === connection) return;
    this.#connection = connection;
    this.#tell("connection", connection);
  }

  #blockOf(snapshot: Snapshot): Block {
    return blockOf(snapshot, (from) => this.#leave(from));
  }

  /** Take a snapshot in, unless it is older than what is known; returns whether it was. */
  #take(snapshot: Snapshot): boolean {
    const known = this.#known;
    if (known && this.#comparable && snapshot.revision < known.revision) return false;
    this.#comparable = true;
    const block = this.#blockOf(snapshot);
    this.#known = block;
    const moved = !known || !isSameBlock(known, block);
    const changed = JSON.stringify(known?.config) !== JSON.stringify(block.config);
    if (!moved && !changed) return true;
    this.#deliver("state", block);
    this.#deliver(moved ? "block" : "config", block);
    if (moved && block.block_id >= block.blocks_count) this.#deliver("end", block);
    this.#wake();
    return true;
  }

  #deliver(event: "state" | "block" | "config" | "end", block: Block): void {
    if (this.#listeners.get(event)?.size) this.#delivered = block;
    this.#tell(event, block);
  }

  #tell<E extends keyof Events>(event: E, value: Parameters<Events[E]>[0]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        listener(value as never);
      } catch (error) {
        // It is the app's own, and is reported where its other errors are.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Let those go on that wait for anything to happen. */
  #wake(): void {
    for (const wake of this.#waking) wake();
    this.#waking.clear();
  }
}

const LATER = ["store-unavailable", "limit-reached", "internal-error"];

function pause(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), milliseconds));
}

/** A name for a request; pages without https have no crypto.randomUUID. */
function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
