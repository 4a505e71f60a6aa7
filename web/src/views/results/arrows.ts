// Arrow keys in a grid: one cell is reached by the tabulator key, the others from there.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

export interface Arrows {
  press: (event: KeyboardEvent) => void;
  /** The column of the cell that the tabulator key reaches, if it is in this row of those there. */
  columnIn: (row: number, start: number, end: number) => number | null;
}

/** The keys of a grid whose cells have their row and column as `data-place` and `data-column`. */
export function useArrows(body: RefObject<HTMLElement | null>, rows: number, columns: number): Arrows {
  const at = useSignal({ row: 0, column: 0 });
  const press = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    const cell = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>("[data-column]") : null;
    if (!step || !cell || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const row = Math.min(rows - 1, Math.max(0, Number(cell.dataset["place"]) + step[0]));
    const column = Math.min(columns - 1, Math.max(0, Number(cell.dataset["column"]) + step[1]));
    at.value = { row, column };
    body.current?.querySelector<HTMLElement>(`[data-place="${row}"][data-column="${column}"]`)?.focus();
  };
  const columnIn = (row: number, start: number, end: number) => {
    const { row: wanted, column } = at.value;
    const there = wanted >= start && wanted < Math.min(end, rows) ? wanted : start;
    return row === there ? Math.min(column, columns - 1) : null;
  };
  return { press, columnIn };
}
