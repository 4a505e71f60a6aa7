import { describe, expect, it } from "vitest";
import { compared, type Person, told } from "./fewer";

const NAMES = ["practice", "A", "B"];

/** Somebody who has ended all their blocks, with these numbers of records in them. */
function person(index: number, records: number[], more: Partial<Person> = {}): Person {
  return {
    index,
    names: NAMES,
    left: 3,
    unsent: 0,
    records: new Map(records.entries()),
    visited: new Set([0, 1, 2]),
    ...more,
  };
}

const whole = (...indices: number[]) => indices.map((index) => person(index, [5, 40, 40]));
const fewer = (...people: Person[]) => compared("trials", people).fewer;

describe("who has fewer records than others", () => {
  it("is told with the block, and what others had", () => {
    expect(fewer(...whole(1, 2, 3), person(4, [5, 40, 12]))).toEqual([
      { index: 4, table: "trials", name: "B", records: 12, usual: 40, others: 3 },
    ]);
  });

  it("misses a single record where others have the same number", () => {
    expect(fewer(...whole(1, 2, 3), person(4, [5, 39, 40]))).toMatchObject([{ index: 4, name: "A", records: 39 }]);
  });

  it("is compared in any order of blocks", () => {
    const other = person(9, [40, 12, 5], { names: ["B", "A", "practice"] });
    expect(fewer(...whole(1, 2, 3), other)).toMatchObject([{ index: 9, name: "A", usual: 40 }]);
  });

  it("is nobody with fewer than three others", () => {
    expect(fewer(...whole(1, 2), person(4, [5, 40, 12]))).toEqual([]);
  });

  it("is nobody whose block still runs, or is to come", () => {
    const running = person(4, [5, 40, 12], { left: 2 });
    const before = person(5, [0, 0, 0], { left: 0 });
    expect(fewer(...whole(1, 2, 3), running, before)).toEqual([]);
  });

  it("is nobody whose records wait on the device, who are no measure for others either", () => {
    const waits = [4, 5, 6].map((index) => person(index, [5, 40, 12], { unsent: 28 }));
    expect(fewer(...whole(1, 2, 3), ...waits)).toEqual([]);
    expect(fewer(...whole(1, 2), person(3, [5, 40, 1]), ...waits)).toEqual([]);
  });

  it("is nobody who was never in the block", () => {
    const skipped = person(4, [5, 40, 0], { visited: new Set([0, 1]) });
    expect(compared("trials", [...whole(1, 2, 3), skipped])).toEqual({ fewer: [], unsure: [] });
    const there = person(4, [5, 40, 0]);
    expect(fewer(...whole(1, 2, 3), there)).toMatchObject([{ index: 4, name: "B", records: 0 }]);
  });

  it("is asked for where nothing is there and it is not known whether they were", () => {
    const found = compared("trials", [...whole(1, 2, 3), person(4, [5, 40, 0], { visited: undefined })]);
    expect(found).toEqual({ fewer: [], unsure: [4] });
    // With records they were there.
    const few = compared("trials", [...whole(1, 2, 3), person(4, [5, 40, 1], { visited: undefined })]);
    expect(few).toMatchObject({ fewer: [{ index: 4, records: 1 }], unsure: [] });
  });

  it("is nobody where numbers differ from person to person, unless it is less than half", () => {
    const people = [31, 35, 38, 41, 44, 52].map((records, place) => person(place + 1, [5, records, 40]));
    expect(fewer(...people)).toEqual([]);
    expect(fewer(...people, person(7, [5, 19, 40]))).toMatchObject([{ index: 7, usual: 39.5, others: 6 }]);
    expect(fewer(...people, person(7, [5, 20, 40]))).toEqual([]);
  });

  it("is nobody where most have none", () => {
    const none = [4, 5, 6, 7, 8].map((index) => person(index, [0, 40, 40]));
    expect(compared("trials", [...whole(1, 2, 3), ...none])).toEqual({ fewer: [], unsure: [] });
  });

  it("is told of each of several who are far below", () => {
    const found = fewer(...whole(1, 2, 3, 4, 5), person(6, [5, 12, 40]), person(7, [5, 39, 40]));
    expect(found.map(({ index }) => index)).toEqual([6, 7]);
  });

  it("is compared with those who had the block as often", () => {
    const twice = (index: number, first: number, second: number) =>
      person(index, [first, 40, second], { names: ["A", "B", "A"] });
    const people = [twice(11, 40, 40), twice(12, 40, 40), twice(13, 40, 40), twice(14, 40, 10)];
    expect(fewer(...whole(1, 2, 3), ...people)).toEqual([
      { index: 14, table: "trials", name: "A", records: 50, usual: 80, others: 3 },
    ]);
    // Between the two, the block is not over.
    expect(fewer(...people.slice(0, 3), { ...twice(15, 40, 0), left: 1 })).toEqual([]);
  });

  it("is nobody in an empty session", () => {
    expect(compared("trials", [])).toEqual({ fewer: [], unsure: [] });
  });
});

it("is said in words", () => {
  expect(told({ records: 1, usual: 40, others: 23 })).toBe("1 record, others had 40 (median of 23 participants)");
});
