import { describe, expect, it } from "vitest";
import type { ParticipantRow } from "./protocol";
import { adding, EVERYBODY, isEverybody, select } from "./select";

const NOW = Date.parse("2026-11-23T12:20:00Z");

function row(index: number, more: Partial<ParticipantRow> = {}): ParticipantRow {
  return {
    participant_index: index,
    active: true,
    block_id: 0,
    block_name: "Near",
    blocks_count: 4,
    revision: 1,
    row: index,
    connected: 1,
    block_started_at: "2026-11-23T12:19:00.000Z",
    updated_at: "2026-11-23T12:19:00.000Z",
    study: "d",
    overridden: 0,
    block_names: [],
    ...more,
  };
}

const ROWS = [
  row(1),
  row(2, { connected: 0, block_name: "Far", block_id: 2 }),
  row(3, { block_started_at: "2026-11-23T12:09:00.000Z" }),
  row(4, { active: false, block_id: -1, block_started_at: null, block_name: "START" }),
  row(12, { active: false, block_id: 4, block_started_at: null, block_name: "END" }),
];
const of = (more: Partial<typeof EVERYBODY>) => select(ROWS, { ...EVERYBODY, ...more }, NOW);

describe("the list", () => {
  it("is everybody by number to begin with", () => {
    expect(of({})).toEqual([1, 2, 3, 4, 12]);
    expect(isEverybody(EVERYBODY)).toBe(true);
    expect(isEverybody({ ...EVERYBODY, text: "x" })).toBe(false);
  });

  it("finds a number exactly, and a block by a part of its name", () => {
    expect(of({ text: "1" })).toEqual([1]);
    expect(of({ text: " #12 " })).toEqual([12]);
    expect(of({ text: "fa" })).toEqual([2]);
  });

  it.each([
    ["active", [1, 2, 3]],
    ["away", [2]],
    ["stuck", [3]],
    ["waiting", [4]],
    ["finished", [12]],
  ] as const)("shows who is %s", (quick, expected) => {
    expect(of({ quick })).toEqual(expected);
  });

  it.each([
    ["time", [3, 1, 2, 4, 12]],
    ["progress", [12, 2, 1, 3, 4]],
    ["block", [12, 2, 1, 3, 4]],
  ] as const)("is sorted by %s", (sort, expected) => {
    expect(of({ sort })).toEqual(expected);
  });
});

describe("what is added", () => {
  it("is a number, a range, or the next few", () => {
    expect(adding(" 7 ")).toEqual({ indices: [7] });
    expect(adding("20 - 22")).toEqual({ indices: [20, 21, 22] });
    expect(adding("+10")).toEqual({ next: 10 });
  });

  it.each(["", "x", "0", "5-3", "1-5000", "+0", "+9999", "-3"])("is not %j", (text) => {
    expect(adding(text)).toBeTypeOf("string");
  });
});
