// What the experimenter does: asks for it, shows it at once, and says how it went.

import { signal } from "@preact/signals";
import type { Answer, Name, Parameters, Snapshot } from "./protocol";
import { type Ask, requestId } from "./socket";
import { people, type Store } from "./store";

export type Step = "next" | "back" | { block: number };

/** Moves that can be taken back. */
export interface Undoable {
  indices: number[];
  text: string;
}

const UNDO_MS = 10_000;

export class Controller {
  readonly undoable = signal<Undoable | null>(null);
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #moving: Promise<void> = Promise.resolve();
  #undoing: Promise<void> = Promise.resolve();

  constructor(
    readonly store: Store,
    readonly ask: Ask,
  ) {}

  /** Ask for a change; returns what was answered, undefined if it was refused. */
  async do<N extends Name>(
    name: N,
    parameters: Parameters<N>,
    done = "",
  ): Promise<Answer<N> | undefined> {
    this.store.notice.value = "";
    const answer = await this.ask(name, parameters);
    this.store.notice.value = answer.ok ? done : answer.error.message;
    return answer.ok ? answer.data : undefined;
  }

  /** Ask for something to show; what is refused is said. */
  async get<N extends Name>(name: N, parameters: Parameters<N>): Promise<Answer<N> | undefined> {
    const answer = await this.ask(name, parameters);
    if (!answer.ok) this.store.notice.value = answer.error.message;
    return answer.ok ? answer.data : undefined;
  }

  /** Move participants, each from where they are shown now. */
  move(indices: readonly number[], step: Step): Promise<void> {
    // From where they are once what is being taken back is, and to a certain block also once what
    // is under way has arrived; a second press of next before that would skip a block.
    const before = typeof step === "object" ? this.#moving : undefined;
    this.#moving = this.#undoing.then(() => before).then(() => this.#move(indices, step));
    return this.#moving;
  }

  async #move(indices: readonly number[], step: Step): Promise<void> {
    this.store.notice.value = "";
    const free = indices.filter((index) => !this.store.row(index).peek().pending);
    const outcomes = await Promise.all(free.map((index) => this.#moveOne(index, step)));
    const moved = outcomes.filter((outcome) => outcome.snapshot !== undefined);
    const refused = outcomes.filter((outcome) => outcome.refusal !== undefined);
    if (moved.length) this.#canUndo(moved.map((outcome) => outcome.index), told(moved));
    if (refused.length === 1) this.store.notice.value = refused[0]?.refusal ?? "";
    else if (refused.length) {
      const who = people(refused.map((outcome) => outcome.index));
      this.store.notice.value = `Not moved: ${who}. ${refused[0]?.refusal ?? ""}`;
    }
  }

  async #moveOne(index: number, step: Step): Promise<Outcome> {
    const { block_id: from, blocks_count: count } = this.store.row(index).peek();
    const to = step === "next" ? from + 1 : step === "back" ? from - 1 : step.block;
    if (to === from || to < -1 || to > count) return { index };
    this.store.predict(index, to);
    const who = { participant_index: index, from_block: from, request_id: requestId() };
    const answer = await (step === "next"
      ? this.ask("move-to-next", who)
      : step === "back"
        ? this.ask("move-to-previous", who)
        : this.ask("move-to-block", { ...who, block_id: step.block }));
    if (answer.ok) {
      this.store.settle(index, answer.data);
      return { index, snapshot: answer.data };
    }
    this.store.settle(index, answer.error.snapshot);
    return { index, refusal: answer.error.message };
  }

  /** Take back what the toast offers to take back, or is about to. */
  undo(): Promise<void> {
    this.#undoing = this.#moving.then(() => this.#undo());
    return this.#undoing;
  }

  async #undo(): Promise<void> {
    const undoing = this.undoable.value;
    if (!undoing) return;
    this.#forget();
    this.store.notice.value = "";
    const answers = await Promise.all(
      undoing.indices.map((index) =>
        this.ask("undo", { participant_index: index, request_id: requestId() }),
      ),
    );
    for (const answer of answers) {
      if (answer.ok) this.store.settle(answer.data.participant_index, answer.data);
    }
    const refused = answers.find((answer) => !answer.ok);
    this.store.notice.value =
      refused && !refused.ok ? refused.error.message : `Taken back for ${people(undoing.indices)}.`;
  }

  dismiss(): void {
    this.#forget();
  }

  #canUndo(indices: number[], text: string): void {
    clearTimeout(this.#expiry);
    this.undoable.value = { indices, text };
    this.#expiry = setTimeout(() => this.#forget(), UNDO_MS);
  }

  #forget(): void {
    clearTimeout(this.#expiry);
    this.undoable.value = null;
  }
}

interface Outcome {
  index: number;
  snapshot?: Snapshot;
  refusal?: string;
}

function told(moved: Outcome[]): string {
  const [first] = moved;
  if (moved.length === 1 && first) {
    return `Participant ${first.index} is in ${first.snapshot?.block_name ?? ""}.`;
  }
  return `${moved.length} participants were moved.`;
}
