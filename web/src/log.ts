// The event log, as far as it was read: one stretch without gaps, up to now.

import { signal } from "@preact/signals";
import type { Entry } from "./protocol";

// Beyond this the oldest are let go; the server has them all.
const KEPT = 20_000;

export class Log {
  /** Ascending. */
  readonly entries = signal<Entry[]>([]);
  /** Whether the end of the log was read, so that what is heard goes on from it. */
  readonly loaded = signal(false);
  /** Whether there is nothing before the first of them. */
  readonly complete = signal(false);
  /** What was heard last. */
  readonly news = signal<Entry[]>([]);

  #heard: Entry[] = [];

  /** Take in what the server tells as it happens. */
  hear(entries: Entry[]): void {
    this.news.value = entries;
    if (this.loaded.peek()) this.#append(entries);
    else this.#heard = [...this.#heard, ...entries].slice(-KEPT);
  }

  /** Begin with the end of the log, of which so many entries were asked for. */
  load(entries: Entry[], asked: number): void {
    this.entries.value = entries;
    this.complete.value = entries.length < asked;
    this.loaded.value = true;
    this.#append(this.#heard);
    this.#heard = [];
  }

  /** Take in the entries before those that are there. */
  prepend(entries: Entry[], asked: number): void {
    const first = this.entries.peek()[0]?.id ?? Number.POSITIVE_INFINITY;
    this.entries.value = [...entries.filter((entry) => entry.id < first), ...this.entries.peek()];
    this.complete.value = entries.length < asked;
  }

  /** After a lost connection nobody knows what was missed. */
  forget(): void {
    this.#heard = [];
    this.entries.value = [];
    this.loaded.value = false;
    this.complete.value = false;
  }

  #append(entries: Entry[]): void {
    const last = this.entries.peek().at(-1)?.id ?? 0;
    const news = entries.filter((entry) => entry.id > last);
    if (!news.length) return;
    const all = [...this.entries.peek(), ...news];
    if (all.length > KEPT) this.complete.value = false;
    this.entries.value = all.slice(-KEPT);
  }
}

/** What happened, in words. */
export function described({ type, data }: Entry): string {
  const place = (at: unknown) =>
    typeof at === "object" && at !== null && "block_name" in at ? String(at.block_name) : "";
  const words: string[] = [];
  switch (type) {
    case "moved":
      words.push(`from ${place(data["from"])} to ${place(data["to"])}`);
      if (data["undoes"] !== undefined) words.push("(taken back)");
      break;
    case "config_overridden":
      words.push(`${JSON.stringify(data["patch"])} in ${place(data["block"])}`);
      break;
    case "study_loaded":
      words.push(`version ${String(data["version"])}, ${String(data["reason"])}`);
      break;
    case "study_refused":
      words.push(`${String(data["errors"])} ${data["errors"] === 1 ? "error" : "errors"}`);
      break;
    case "recorded":
      words.push(
        `${String(data["count"])} ${data["count"] === 1 ? "record" : "records"} in ${String(data["table"])}`,
      );
      break;
    case "file_stored":
      words.push(`${String(data["path"])}, ${Number(data["bytes"]).toLocaleString("en")} bytes`);
      break;
    default:
      break;
  }
  if (typeof data["reason"] === "string" && type !== "study_loaded") words.push(`“${data["reason"]}”`);
  return words.join(" ");
}

/** Who did it. */
export function by({ data }: Entry): string {
  return typeof data["by"] === "string" ? data["by"] : "";
}
