// The moves that an app asks for: sent in order, each until it is answered.

import type { Block } from "./block.js";
import { StudyError } from "./errors.js";
import { LATER, POLL_MS, type Link } from "./link.js";
import type { Move, Snapshot } from "./protocol.js";
import { pause } from "./timing.js";

interface Waiting {
  move: Move;
  reckoned: boolean;
  resolve: (block: Block) => void;
  reject: (error: StudyError) => void;
}

// Moves that wait for a connection. People press a button again and again when nothing happens.
const MOVES_WAITING = 16;

export class Moves {
  readonly #link: Link;
  readonly #answered: (snapshot: Snapshot) => Block;
  readonly #waiting: Waiting[] = [];
  #sending = false;

  /** `answered` makes the block that the app is given of the answer to a move. */
  constructor(link: Link, answered: (snapshot: Snapshot) => Block) {
    this.#link = link;
    this.#answered = answered;
  }

  /** Where the moves that wait lead, for an app that sees the participant there; undefined if nowhere. */
  leads(seen: Snapshot): number | undefined {
    return this.#waiting.reduce<number | undefined>((before, { move }) => {
      if (move.block_id !== undefined) return move.block_id;
      const at = before ?? seen.block_id;
      // What it does may be known already: the server tells everybody before it answers.
      if (move.from_block !== at) return before;
      return move.action === "move-to-next" ? Math.min(at + 1, seen.blocks_count) : Math.max(at - 1, -1);
    }, undefined);
  }

  /** `reckoned`: it counts on the moves that wait before it, and is refused with them. */
  ask(move: Move, reckoned = false): Promise<Block> {
    if (this.#link.closed) return Promise.reject(new StudyError("closed", "this study was closed"));
    if (this.#waiting.length >= MOVES_WAITING) {
      const message = `${MOVES_WAITING} moves wait for a connection already`;
      return Promise.reject(new StudyError("queue-full", message));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ move, reckoned, resolve, reject });
      void this.send();
    });
  }

  /** Send what waits, in order, for as long as there is a way. */
  async send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        if (!this.#link.reachable) return;
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

  /** Reject all moves that wait. */
  refuse(error: StudyError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  async #try(move: Move): Promise<Snapshot | StudyError | undefined> {
    const { action, ...parameters } = move;
    const outcome = await this.#link.ask<Snapshot>(action, parameters, (rest) => rest.move(move));
    // What could not be made durable, or came too fast, may work later.
    const later = outcome instanceof StudyError && LATER.includes(outcome.code);
    return later ? await pause(POLL_MS) : outcome;
  }
}
