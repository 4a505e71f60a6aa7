// One colour for each block name, the same everywhere in the app.

import type { CSSProperties } from "preact";

// Paul Tol's "muted" scheme, which people with any kind of colour vision can tell apart
// (https://personal.sron.nl/~pault/).
const COLOURS = [
  "#332288",
  "#88ccee",
  "#44aa99",
  "#117733",
  "#999933",
  "#ddcc77",
  "#cc6677",
  "#882255",
  "#aa4499",
] as const;
const UNKNOWN = "#bbbbbb";

/** A block name's colour, and whether it is the second name with it, which has stripes. */
export function colourOf(name: string, names: readonly string[]): { hex: string; striped: boolean } {
  const place = names.indexOf(name);
  const hex = COLOURS[place % COLOURS.length] ?? UNKNOWN;
  return { hex, striped: Math.floor(place / COLOURS.length) % 2 === 1 };
}

/** What paints an element of class `block` in a name's colour. */
export function painted(
  name: string,
  names: readonly string[],
): { class: string; style: CSSProperties } {
  const { hex, striped } = colourOf(name, names);
  return { class: striped ? "block striped" : "block", style: { "--block": hex } as CSSProperties };
}

/** Block names in a lasting order: alphabetical, whoever comes first. */
export function namesOf(names: Iterable<string>): string[] {
  return [...new Set(names)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
