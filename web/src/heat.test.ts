import { describe, expect, it } from "vitest";
import { cellOf, columnsOf, outsideOf, stepOf, stepsOf, timesOf } from "./heat";

const row = (block_id: number, ...block_names: string[]) => ({ block_id, block_names });

describe("colours", () => {
  it.each([
    [0, []],
    [1, ["1-1"]],
    [3, ["1-1", "2-2", "3-3"]],
    [40, ["1-8", "9-16", "17-24", "25-32", "33-40"]],
    [7, ["1-1", "2-2", "3-4", "5-5", "6-7"]],
  ])("up to %i share the numbers without gaps", (most, expected) => {
    expect(stepsOf(most).map(({ from, to }) => `${from}-${to}`)).toEqual(expected);
  });

  it("grow with the number", () => {
    expect([0, 1, 8, 9, 40, 99].map((records) => stepOf(records, 40))).toEqual([0, 1, 1, 2, 5, 5]);
    expect(stepOf(0, 0)).toBe(0);
  });
});

describe("a cell", () => {
  const numbers = new Map([
    [0, 5],
    [2, 3],
    [-1, 2],
    [9, 1],
  ]);

  it("has the records of all blocks of its name", () => {
    expect(cellOf(row(3, "A", "B", "A"), "A", numbers)).toEqual({ records: 8, when: "ended" });
    expect(cellOf(row(1, "A", "B", "A"), "A", numbers)).toEqual({ records: 8, when: "coming" });
    expect(cellOf(row(1, "A", "B", "A"), "B", numbers)).toEqual({ records: 0, when: "running" });
    expect(cellOf(row(1, "A"), "C", numbers)).toEqual({ records: 0, when: "absent" });
  });

  it("has what belongs to no block for itself", () => {
    expect(outsideOf(row(0, "A", "B", "A"), numbers)).toBe(3);
  });
});

describe("columns", () => {
  it("are in the order in which blocks are met, and by name where that differs", () => {
    const rows = [row(0, "practice", "B2", "B10", "A", "end"), row(0, "practice", "A", "B2", "B10", "end"),
      row(0, "practice", "B10", "A", "B2", "end")];
    expect(columnsOf(rows)).toEqual(["practice", "A", "B2", "B10", "end"]);
    expect(columnsOf([])).toEqual([]);
  });

  it("may be met several times", () => {
    expect(timesOf([row(0, "A", "B"), row(0, "A", "B", "A")])).toBe(2);
    expect(timesOf([])).toBe(1);
  });
});
