// Who is selected in the list, and where the keyboard is.

import { type ReadonlySignal, signal } from "@preact/signals";

export class Selection {
  readonly cursor = signal<number | null>(null);
  readonly #selected = signal<ReadonlySet<number>>(new Set());
  #anchor: number | null = null;

  /** `shown` are the indices in the list, in order. */
  constructor(private readonly shown: ReadonlySignal<number[]>) {}

  has(index: number): boolean {
    return this.#selected.value.has(index);
  }

  /** Those who are selected and in the list, in its order. */
  chosen(): number[] {
    return this.shown.value.filter((index) => this.#selected.value.has(index));
  }

  /** Select or leave out; with `range`, everybody since the last one who was. */
  toggle(index: number, range = false): void {
    const next = new Set(this.#selected.peek());
    const on = !next.has(index);
    for (const each of range ? this.#between(index) : [index]) {
      if (on) next.add(each);
      else next.delete(each);
    }
    this.#anchor = index;
    this.#selected.value = next;
  }

  all(): void {
    this.#selected.value = new Set(this.shown.peek());
  }

  clear(): void {
    this.#selected.value = new Set();
  }

  /** Go up or down the list; returns the place. */
  step(by: 1 | -1): number {
    const shown = this.shown.peek();
    const at = this.cursor.peek() === null ? -1 : shown.indexOf(this.cursor.peek() ?? 0);
    const place = at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by));
    this.cursor.value = shown[place] ?? null;
    return place;
  }

  #between(index: number): number[] {
    const shown = this.shown.peek();
    const [from, to] = [shown.indexOf(this.#anchor ?? index), shown.indexOf(index)];
    return from < 0 ? [index] : shown.slice(Math.min(from, to), Math.max(from, to) + 1);
  }
}
