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

const DIRECTIONS = [135, 45, 90, 0] as const;
const STRIPE = 2;
const PERIOD = 7;

/** Stripes over a colour: theirs, the way they go in CSS's degrees, and how far apart they are. */
export interface Stripes {
  hex: string;
  degrees: number;
  period: number;
}

/** How a block name looks: a colour, and stripes from the tenth name on. */
export interface Look {
  hex: string;
  stripes: Stripes | null;
}

/** How a name looks; no two of them look alike. */
export function lookOf(name: string, names: readonly string[]): Look {
  const place = names.indexOf(name);
  const hex = COLOURS[place % COLOURS.length] ?? UNKNOWN;
  const round = Math.floor(place / COLOURS.length) - 1;
  return { hex, stripes: round < 0 ? null : stripesOf(hex, place, round) };
}

// In black or white first, in each direction; then in the other colours; then wider apart.
function stripesOf(hex: string, place: number, round: number): Stripes {
  const shift = Math.floor(round / DIRECTIONS.length);
  const other = COLOURS[(place + (shift % COLOURS.length)) % COLOURS.length] ?? UNKNOWN;
  return {
    hex: shift % COLOURS.length ? other : readableOn(hex),
    degrees: DIRECTIONS[round % DIRECTIONS.length] ?? 0,
    period: PERIOD + STRIPE * Math.floor(shift / COLOURS.length),
  };
}

/** Black or white, whichever can be read on a colour (WCAG's relative luminance). */
export function readableOn(hex: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

/** What paints an element of class `block` as a name looks. */
export function painted(name: string, names: readonly string[]): CSSProperties {
  const { hex, stripes } = lookOf(name, names);
  return { "--block": hex, ...(stripes && { "--stripes": gradient(stripes) }) } as CSSProperties;
}

function gradient({ hex, degrees, period }: Stripes): string {
  const gap = period - STRIPE;
  return `repeating-linear-gradient(${degrees}deg, transparent 0 ${gap}px, ${hex} ${gap}px ${period}px)`;
}

/** The SVG pattern that fills as a striped name looks. */
export function pattern(id: string, { hex, stripes }: Look & { stripes: Stripes }): SVGElement {
  const { degrees, period } = stripes;
  const made = element("pattern", {
    id,
    width: period,
    height: period,
    patternUnits: "userSpaceOnUse",
    patternTransform: `rotate(${degrees - 90})`,
  });
  made.append(
    element("rect", { width: period, height: period, fill: hex }),
    element("rect", { x: period - STRIPE, width: STRIPE, height: period, fill: stripes.hex }),
  );
  return made;
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** Block names in a lasting order: alphabetical, whoever comes first. */
export function namesOf(names: Iterable<string>): string[] {
  return [...new Set(names)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
