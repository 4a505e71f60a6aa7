// Who is in the list, and in which order.

import type { ParticipantRow } from "./protocol";

const STUCK_MS = 10 * 60 * 1000;

export type Sort = "index" | "time" | "progress" | "block";
export const SORTS: Record<Sort, string> = {
  index: "number",
  time: "time in block",
  progress: "progress",
  block: "block name",
};

export type Quick = "all" | "active" | "away" | "stuck" | "waiting" | "finished";
export const QUICK: Record<Quick, { label: string; title: string }> = {
  all: { label: "All", title: "Everybody" },
  active: { label: "In a block", title: "Who has started and has not finished" },
  away: { label: "Disconnected", title: "Who is in a block, and whose app is not connected" },
  stuck: { label: "Over 10 min", title: "Who has been in the same block for ten minutes or more" },
  waiting: { label: "Not started", title: "Who is before the first block" },
  finished: { label: "Finished", title: "Who is past the last block" },
};

export interface Wanted {
  /** A participant's number, or part of the name of the block that they are in. */
  text: string;
  quick: Quick;
  sort: Sort;
}

export const EVERYBODY: Wanted = { text: "", quick: "all", sort: "index" };

/** Whether the list is simply everybody by number, so that no row has to be looked at. */
export function isEverybody({ text, quick, sort }: Wanted): boolean {
  return !text.trim() && quick === "all" && sort === "index";
}

/** The indices of those who are wanted, in order; `now` is the server's time. */
export function select(rows: ParticipantRow[], wanted: Wanted, now: number): number[] {
  const text = wanted.text.trim().toLowerCase();
  return rows
    .filter((row) => isQuick(row, wanted.quick, now) && matches(row, text))
    .sort((a, b) => ORDERS[wanted.sort](a, b, now) || a.participant_index - b.participant_index)
    .map((row) => row.participant_index);
}

function matches(row: ParticipantRow, text: string): boolean {
  if (!text) return true;
  if (/^#?\d+$/.test(text)) return String(row.participant_index) === text.replace("#", "");
  return row.block_name.toLowerCase().includes(text);
}

function isQuick(row: ParticipantRow, quick: Quick, now: number): boolean {
  switch (quick) {
    case "all":
      return true;
    case "active":
      return row.active;
    case "away":
      return row.active && row.connected === 0;
    case "stuck":
      return row.active && inBlock(row, now) >= STUCK_MS;
    case "waiting":
      return row.block_id < 0;
    case "finished":
      return row.block_id >= row.blocks_count;
  }
}

const ORDERS: Record<Sort, (a: ParticipantRow, b: ParticipantRow, now: number) => number> = {
  index: () => 0,
  time: (a, b, now) => inBlock(b, now) - inBlock(a, now),
  progress: (a, b) => b.block_id / b.blocks_count - a.block_id / a.blocks_count,
  block: (a, b) => a.block_name.localeCompare(b.block_name, "en", { numeric: true }),
};

function inBlock(row: ParticipantRow, now: number): number {
  return row.block_started_at === null ? -1 : now - Date.parse(row.block_started_at);
}

/** What is to be added: `7`, `20-30`, or `+10` for the next ten. */
export type Adding = { next: number } | { indices: number[] };
const MOST_ADDED = 1000;

/** Reads what was typed; a text says what is wrong with it. */
export function adding(text: string): Adding | string {
  const typed = text.replaceAll(/\s/g, "");
  const [, plus] = /^\+(\d+)$/.exec(typed) ?? [];
  const [, from, to] = /^(\d+)(?:[-–](\d+))?$/.exec(typed) ?? [];
  if (plus) {
    const next = Number(plus);
    return next > 0 && next <= MOST_ADDED ? { next } : `Add 1 to ${MOST_ADDED} at a time.`;
  }
  if (!from) return "Write a number like 12, a range like 20-30, or +10 for the next ten.";
  const [first, last] = [Number(from), Number(to ?? from)];
  if (first < 1) return "Participants count from 1.";
  if (last < first) return `${last} is smaller than ${first}.`;
  if (last - first >= MOST_ADDED) return `Add 1 to ${MOST_ADDED} at a time.`;
  return { indices: Array.from({ length: last - first + 1 }, (_, step) => first + step) };
}
