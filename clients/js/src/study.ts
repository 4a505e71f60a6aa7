// A participant's place in a study, kept right over whatever way there is.

import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import type { Options } from "./connect.js";
import { StudyError } from "./errors.js";
import type { Config, Move, Snapshot } from "./protocol.js";
import type { Rest } from "./rest.js";

/** How the app reaches the server: over a socket, by plain requests, or not at all for now. */
export type Connection = "socket" | "rest" | "none";

export interface Events {
  /** The participant is in another block, or in one for the first time. */
  block: (snapshot: Snapshot) => void;
  /** The same block has another config. */
  config: (snapshot: Snapshot) => void;
  /** The participant is past the last block. */
  end: (snapshot: Snapshot) => void;
  /** Anything of the above. */
  state: (snapshot: Snapshot) => void;
  connection: (connection: Connection) => void;
}

type Acknowledgement =
  | { ok: true; data: Snapshot }
  | { ok: false; error: { code: string; message: string } };

interface Waiting {
  move: Move;
  resolve: (snapshot: Snapshot) => void;
  reject: (error: StudyError) => void;
}

// Moves that wait for a connection. People press a button again and again when nothing happens.
const MOVES_WAITING = 16;

const ANSWER_WITHIN_MS = 5000;
const POLL_MS = 1000;
const RECONNECT_MS = { least: 250, most: 3000 };

/** A socket that cannot be opened for this long makes way for plain requests. */
const SOCKET_WITHIN_MS = 3000;

const REFUSALS = ["token-invalid", "token-missing", "not-allowed", "participant-unknown"];

export class Study {
  /** Settles when the state is known, or when the server has refused the app. */
  readonly ready: Promise<void>;

  readonly #socket: Socket;
  readonly #rest: Rest;
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  readonly #waiting: Waiting[] = [];
  #snapshot: Snapshot | null = null;
  /** Whether revisions can be compared: a server that was gone may have another database. */
  #comparable = false;
  #connection: Connection = "none";
  #sending = false;
  #closed = false;
  #polling: ReturnType<typeof setTimeout> | undefined;
  #begun!: () => void;
  #refused!: (error: StudyError) => void;

  /** Use `connect` instead, which waits until the state is known. */
  constructor(url: string, options: Options, rest: Rest) {
    this.#rest = rest;
    this.ready = new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#refused = reject;
    });
    // Whoever only listens to events need not handle it.
    this.ready.catch(() => undefined);
    this.#socket = io(url, {
      path: options.parser ? "/socket.io-msgpack/" : "/socket.io/",
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      auth: auth(options),
      reconnectionDelay: RECONNECT_MS.least,
      reconnectionDelayMax: RECONNECT_MS.most,
      forceNew: true,
      ...(options.parser ? { parser: options.parser } : {}),
    } as Partial<ManagerOptions & SocketOptions>);
    for (const event of ["state", "block-changed", "config-changed"]) {
      this.#socket.on(event, (snapshot: Snapshot) => this.#take(snapshot));
    }
    this.#socket.on("state", () => this.#reached("socket"));
    this.#socket.on("disconnect", (reason) => {
      if (this.#closed) return;
      this.#lost();
      // The library comes back by itself, but not from a server that has said goodbye.
      if (reason === "io server disconnect") setTimeout(() => this.#socket.connect(), RECONNECT_MS.least);
    });
    this.#socket.on("connect_error", (error: Error & { data?: { code?: string } }) => {
      const code = error.data?.code;
      if (code && REFUSALS.includes(code)) this.#refuse(new StudyError(code, error.message));
      // A refusal ends the library's own attempts; what else the server refuses may pass.
      else if (code && !this.#closed) setTimeout(() => this.#socket.connect(), RECONNECT_MS.most);
    });
    this.#polling = setTimeout(() => void this.#poll(), SOCKET_WITHIN_MS);
  }

  /** Where the participant is. */
  get snapshot(): Snapshot {
    if (!this.#snapshot) throw new StudyError("not-ready", "the state is not known yet");
    return this.#snapshot;
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
    const known = this.#snapshot;
    if (known && (event === "block" || event === "state")) {
      queueMicrotask(() => listeners.has(told) && this.#snapshot === known && told(known as never));
    }
    return () => listeners.delete(told);
  }

  /**
   * One block on from where the app sees the participant. Rejects with `participant-elsewhere` if
   * somebody has moved them meanwhile; the app hears of that, and nothing is skipped.
   */
  next(): Promise<Snapshot> {
    return this.#ask({ action: "move-to-next", from_block: this.#expected, request_id: requestId() });
  }

  /** One block back. */
  previous(): Promise<Snapshot> {
    return this.#ask({ action: "move-to-previous", from_block: this.#expected, request_id: requestId() });
  }

  /** To a block by its place in the participant's order, from 0. */
  goTo(block_id: number): Promise<Snapshot> {
    return this.#ask({ action: "move-to-block", block_id, request_id: requestId() });
  }

  /** Stop taking part. Moves that still wait are rejected with the code `closed`. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#polling);
    this.#socket.disconnect();
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new StudyError("closed", "the app has stopped taking part"));
    }
  }

  /** Where the participant is once the moves that wait are made. */
  get #expected(): number {
    const { block_id, blocks_count } = this.snapshot;
    return this.#waiting.reduce((at, { move }) => {
      if (move.block_id !== undefined) return move.block_id;
      // What it does may be known already: the server tells everybody before it answers.
      if (move.from_block !== at) return at;
      return move.action === "move-to-next" ? Math.min(at + 1, blocks_count) : Math.max(at - 1, -1);
    }, block_id);
  }

  get #reachable(): boolean {
    return this.#connection !== "none";
  }

  #ask(move: Move): Promise<Snapshot> {
    if (this.#closed) return Promise.reject(new StudyError("closed", "this study was closed"));
    if (this.#waiting.length >= MOVES_WAITING) {
      const message = `${MOVES_WAITING} moves wait for a connection already`;
      return Promise.reject(new StudyError("queue-full", message));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ move, resolve, reject });
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
        if (this.#waiting[0] === first) this.#waiting.shift();
        if (outcome instanceof StudyError) first.reject(outcome);
        else {
          this.#take(outcome);
          first.resolve(outcome);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  async #try(move: Move): Promise<Snapshot | StudyError | undefined> {
    try {
      if (this.#connection === "rest") return await this.#rest.move(move);
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
      if (this.#connection === "rest") this.#lost();
      return undefined;
    }
  }

  /** Ask over and over while there is no socket. */
  async #poll(): Promise<void> {
    if (this.#closed || this.#connection === "socket") return;
    try {
      const snapshot = await this.#rest.state();
      // A socket was faster.
      if (this.#closed || this.connection === "socket") return;
      if (snapshot) this.#take(snapshot);
      this.#reached("rest");
    } catch (error) {
      if (error instanceof StudyError && REFUSALS.includes(error.code)) return this.#refuse(error);
      this.#become("none");
      this.#comparable = false;
    }
    this.#polling = setTimeout(() => void this.#poll(), POLL_MS);
  }

  #reached(by: "socket" | "rest"): void {
    if (by === "socket") clearTimeout(this.#polling);
    this.#become(by);
    this.#begun();
    void this.#send();
  }

  #lost(): void {
    this.#become("none");
    this.#comparable = false;
    clearTimeout(this.#polling);
    this.#polling = setTimeout(() => void this.#poll(), SOCKET_WITHIN_MS);
  }

  #refuse(error: StudyError): void {
    this.#refused(error);
    this.#lost();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #become(connection: Connection): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    this.#tell("connection", connection);
  }

  /** Take a snapshot in; one that is older than what is known is dropped. */
  #take(snapshot: Snapshot): void {
    const known = this.#snapshot;
    if (known && this.#comparable && snapshot.revision < known.revision) return;
    this.#comparable = true;
    this.#snapshot = snapshot;
    const moved = !known || known.block_id !== snapshot.block_id || known.block_name !== snapshot.block_name;
    const changed = JSON.stringify(known?.config) !== JSON.stringify(snapshot.config);
    if (!moved && !changed) return;
    this.#tell("state", snapshot);
    this.#tell(moved ? "block" : "config", snapshot);
    if (moved && snapshot.block_id >= snapshot.blocks_count) this.#tell("end", snapshot);
  }

  #tell<E extends keyof Events>(event: E, value: Parameters<Events[E]>[0]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value as never);
  }
}

const LATER = ["store-unavailable", "limit-reached", "internal-error"];

function pause(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), milliseconds));
}

function auth({ participant, token }: Options): Record<string, unknown> {
  return {
    ...(participant === undefined ? {} : { participant }),
    ...(token === undefined ? {} : { token }),
  };
}

/** A name for a request; pages without https have no crypto.randomUUID. */
function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
