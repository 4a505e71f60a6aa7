// The pictures of a design, drawn by Observable Plot.

import * as Plot from "@observablehq/plot";
import { type Look, lookOf, pattern, readableOn, type Stripes } from "../../colours";
import { nonce } from "../../nonce";
import type { Design, Ordered } from "../../protocol";

const CELL = 30;
const NAME_WIDTH = 8;

/** The orders of the first participants: a row each, a colour for each block. */
export function grid(report: Design, names: readonly string[], width: number): SVGElement {
  const cells = report.orders.flatMap((order, row) =>
    order.map((name, block) => ({ participant: row + 1, block: block + 1, name })),
  );
  const used = names.filter((name) => cells.some((cell) => cell.name === name));
  const looks = new Map(used.map((name) => [name, lookOf(name, names)]));
  const rows = report.orders.length;
  const picture = styled(
    Plot.plot({
      width,
      height: Math.max(90, 44 + rows * Math.max(6, Math.min(22, 660 / rows))),
      marginLeft: 40,
      padding: 0.08,
      x: { label: "block", axis: "top", tickSize: 0, type: "band" },
      y: {
        label: "participant",
        tickSize: 0,
        type: "band",
        ticks: report.orders.map((_, row) => row + 1).filter(every(rows)),
      },
      color: {
        type: "categorical",
        domain: used,
        range: [...looks.values()].map(fillOf),
        legend: false,
      },
      marks: [
        Plot.cell(cells, {
          x: "block",
          y: "participant",
          fill: "name",
          title: (cell: (typeof cells)[number]) =>
            `participant ${cell.participant}, block ${cell.block}: ${cell.name}`,
        }),
        ...(rows <= 40
          ? [
              Plot.text(cells, {
                x: "block",
                y: "participant",
                text: (cell: (typeof cells)[number]) => short(cell.name, width, report),
                fill: (cell: (typeof cells)[number]) => readableOn(lookOf(cell.name, names).hex),
                // Between the stripes, a name stands on its block's own colour.
                stroke: (cell: (typeof cells)[number]) => lookOf(cell.name, names).hex,
                strokeWidth: 5,
                pointerEvents: "none",
              }),
            ]
          : []),
      ],
    }),
  );
  picture.append(...[...looks.values()].filter(isStriped).map((look) => pattern(idOf(look), look)));
  return picture;
}

const isStriped = (look: Look): look is Look & { stripes: Stripes } => look.stripes !== null;

/** What fills a cell: a colour, or the pattern of stripes over it. */
function fillOf(look: Look): string {
  return isStriped(look) ? `url(#${idOf(look)})` : look.hex;
}

function idOf({ hex, stripes }: Look & { stripes: Stripes }): string {
  return `stripes-${hex}-${stripes.hex}-${stripes.degrees}-${stripes.period}`.replaceAll("#", "");
}

/** What was counted: the conditions, the items of a group, or the levels of a factor. */
export type Counted = Pick<Ordered, "items" | "positions" | "carry_over">;

/** How often each item is at each position. */
export function positions(counted: Counted, width: number): SVGElement {
  const columns = counted.positions[0]?.map((_, position) => String(position + 1)) ?? [];
  return heatmap(counted.items, columns, counted.positions, "position", width);
}

/** How often each item is followed by each other one. */
export function carryOver(counted: Counted, width: number): SVGElement {
  return heatmap(counted.items, counted.items, counted.carry_over, "followed by", width);
}

function heatmap(
  rows: readonly string[],
  columns: readonly string[],
  counts: readonly (readonly number[])[],
  label: string,
  width: number,
): SVGElement {
  const cells = rows.flatMap((row, y) =>
    columns.map((column, x) => ({ row, column, count: counts[y]?.[x] ?? 0 })),
  );
  const most = Math.max(1, ...cells.map((cell) => cell.count));
  const longest = (names: readonly string[]) => Math.max(...names.map((name) => name.length));
  const slanted = longest(columns) * NAME_WIDTH * columns.length > width * 0.8;
  return styled(
    Plot.plot({
      width,
      height: rows.length * CELL + (slanted ? 40 + longest(columns) * 6 : 60),
      marginLeft: Math.min(width / 3, 16 + longest(rows) * NAME_WIDTH),
      marginTop: slanted ? 24 + longest(columns) * 6 : 36,
      padding: 0.06,
      x: {
        label,
        axis: "top",
        type: "band",
        domain: [...columns],
        tickSize: 0,
        tickRotate: slanted ? -60 : 0,
      },
      y: { label: null, type: "band", domain: [...rows], tickSize: 0 },
      color: { type: "linear", domain: [0, most], range: ["#e8eef2", "#0b5c8a"] },
      marks: [
        Plot.cell(cells, {
          x: "column",
          y: "row",
          fill: "count",
          title: (cell: (typeof cells)[number]) => `${cell.row}, ${cell.column}: ${cell.count}`,
        }),
        Plot.text(cells, {
          x: "column",
          y: "row",
          text: (cell: (typeof cells)[number]) => String(cell.count),
          fill: (cell: (typeof cells)[number]) => (cell.count > most / 2 ? "#fff" : "#1a1f24"),
          fontVariant: "tabular-nums",
        }),
      ],
    }),
  );
}

/** Let the page's policy pass the style that Plot writes into its picture. */
function styled(picture: SVGElement | HTMLElement): SVGElement {
  for (const style of picture.querySelectorAll("style")) style.setAttribute("nonce", nonce());
  return picture as SVGElement;
}

function short(name: string, width: number, report: Design): string {
  const columns = Math.max(...report.orders.map((order) => order.length));
  const room = Math.floor(width / columns / 7);
  return name.length <= room ? name : room > 6 ? `${name.slice(0, room - 1)}…` : "";
}

/** Every so many rows have their number, so that numbers do not run into each other. */
function every(rows: number): (row: number) => boolean {
  const step = rows <= 60 ? 1 : rows <= 150 ? 5 : 25;
  return (row) => row === 1 || row % step === 0;
}
