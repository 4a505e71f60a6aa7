// What an app can listen to, and its listeners.

import type { Block } from "./block.js";
import type { RefusedRecord, StorageState } from "./storage.js";

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
  /** Another number of records waits on the device. */
  unsent: (records: number) => void;
  /** The server can never accept a record; it was put aside on the device. */
  refused: (refused: RefusedRecord) => void;
  /** Records are not written to the device any more, or are written again. */
  storage: (storage: StorageState) => void;
}

/** The listeners of an app. */
export class Listeners {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Add a listener; returns whether it still listens, and what removes it. */
  add<E extends keyof Events>(event: E, listener: Events[E]): { listens: () => boolean; remove: () => void } {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener as (value: never) => void);
    return {
      listens: () => listeners.has(listener as (value: never) => void),
      remove: () => void listeners.delete(listener as (value: never) => void),
    };
  }

  /** Whether anybody listens to an event. */
  has(event: keyof Events): boolean {
    return Boolean(this.#listeners.get(event)?.size);
  }

  tell<E extends keyof Events>(event: E, value: Parameters<Events[E]>[0]): void {
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
}
