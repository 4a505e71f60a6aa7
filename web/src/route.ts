// Which view is open, as the address says it: #/design, or #/participant/7.

import { computed, signal } from "@preact/signals";

export type View = "run" | "results" | "design" | "study" | "log";
export const VIEWS: Record<View, string> = {
  run: "Run",
  results: "Results",
  design: "Design",
  study: "Study",
  log: "Log",
};

const hash = signal(typeof location === "undefined" ? "" : location.hash);

export const view = computed<View>(() => {
  const [, first = ""] = hash.value.split("/");
  return first in VIEWS ? (first as View) : "run";
});

/** The participant whose drawer is open. */
export const opened = computed<number | null>(() => {
  const [, first, index] = hash.value.split("/");
  return first === "participant" && index && /^\d+$/.test(index) ? Number(index) : null;
});

/** The table of results that is named. */
export const table = computed<string | null>(() => {
  const [, first, name] = hash.value.split("/");
  return first === "results" && name ? name : null;
});

export const address = {
  view: (name: View) => (name === "run" ? "#/" : `#/${name}`),
  table: (name: string) => `#/results/${name}`,
  participant: (index: number) => `#/participant/${index}`,
};

export function open(to: string): void {
  location.hash = to;
}

/** Follow the address, for as long as the page is there. */
export function followAddress(): void {
  addEventListener("hashchange", () => {
    hash.value = location.hash;
  });
}
