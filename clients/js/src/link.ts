// The way to the server: a socket, or plain requests where there is none.

import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { StudyError } from "./errors.js";
import type { Connection } from "./events.js";
import type { Snapshot } from "./protocol.js";
import type { Rest } from "./rest.js";

type Acknowledgement<T> =
  | { ok: true; data: T }
  | { ok: false; error: { code: string; message: string; record_id?: string } };

/** What has to be told to the owner of a link. */
export interface LinkOwner {
  take(snapshot: Snapshot): void;
  connection(connection: Connection): void;
  /** There is a way to the server, perhaps the same as before. */
  reached(): void;
  /** The server has refused the app. */
  refused(error: StudyError): void;
}

const ANSWER_WITHIN_MS = 5000;
export const POLL_MS = 1000;
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

/** Errors of a server that may answer otherwise later. */
export const LATER = ["store-unavailable", "limit-reached", "internal-error"];

export class Link {
  readonly #socket: Socket;
  readonly #rest: Rest;
  readonly #owner: LinkOwner;
  #connection: Connection = "none";
  #closed = false;
  #polling: ReturnType<typeof setTimeout> | undefined;
  /** Counts the turns of polling: one that ends after its turn says nothing. */
  #turn = 0;
  #opening: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, auth: Record<string, unknown>, rest: Rest, parser: unknown, owner: LinkOwner) {
    this.#rest = rest;
    this.#owner = owner;
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
      this.#socket.on(event, (snapshot: Snapshot) => owner.take(snapshot));
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

  get connection(): Connection {
    return this.#connection;
  }

  get reachable(): boolean {
    return this.#connection !== "none";
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#turn++;
    clearTimeout(this.#polling);
    clearTimeout(this.#opening);
    this.#socket.disconnect();
  }

  /**
   * Ask the server, over the way that there is: by the event of a socket, or by `plain` requests.
   * Returns its answer, its refusal, or undefined where no answer came.
   */
  async ask<T>(
    event: string,
    parameters: object,
    plain: (rest: Rest) => Promise<T>,
    within = ANSWER_WITHIN_MS,
  ): Promise<T | StudyError | undefined> {
    const way = this.#connection;
    try {
      if (way === "rest") return await plain(this.#rest);
      const answer: Acknowledgement<T> = await this.#socket.timeout(within).emitWithAck(event, parameters);
      if (answer.ok) return answer.data;
      const { code, message, record_id } = answer.error;
      return new StudyError(code, message, record_id);
    } catch (error) {
      if (error instanceof StudyError) return error;
      if (way === "rest" && this.#connection === "rest") this.#lost();
      // A connection that is open and brings no answer carries nothing any more.
      if (way === "socket" && this.#socket.connected) this.#socket.disconnect().connect();
      return undefined;
    }
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
      if (snapshot) this.#owner.take(snapshot);
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
    this.#owner.reached();
  }

  #lost(): void {
    this.#become("none");
    this.#pollAfter(SOCKET_WITHIN_MS);
  }

  #refuse(error: StudyError): void {
    this.#lost();
    this.#owner.refused(error);
  }

  #become(connection: Connection): void {
    if (connection === "none") this.#rest.forget();
    const before = this.#connection;
    this.#connection = connection;
    if (connection === "none" || before !== connection) this.#owner.connection(connection);
  }
}
