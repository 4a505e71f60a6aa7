// One colour for each block name, the same everywhere in the app.

// Paul Tol's "muted" scheme, which people with any kind of colour vision can tell apart
// (https://personal.sron.nl/~pault/), and how its names are reached from the stylesheet.
const COLOURS = 9;

/** The stylesheet's classes for a block name: a colour, and stripes every second time round. */
export function colourOf(name: string, study: readonly string[]): string {
  const place = study.indexOf(name);
  if (place < 0) return "colour-none";
  const striped = Math.floor(place / COLOURS) % 2 === 1;
  return `colour-${place % COLOURS}${striped ? " striped" : ""}`;
}

/** The block names of a study in a lasting order: alphabetical, whoever comes first. */
export function namesOf(orders: Iterable<readonly string[]>): string[] {
  return [...new Set([...orders].flat())].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
