import { effect } from "@preact/signals";
import { describe, expect, it } from "vitest";
import { Results, waiting } from "./results";

const person = (participant_index: number, records: number, unsent = 0) => ({
  participant_index,
  records,
  unsent,
  unsent_since: unsent ? "2026-11-25T01:00:00.000Z" : null,
});
const block = (participant_index: number, block_id: number, records: number, table = "trials") => ({
  participant_index,
  block_id,
  records,
  table,
});
const listed = (results: Results) => Object.fromEntries(results.tables.value);

describe("the numbers of records", () => {
  it("are those of the snapshot, and then what changes", () => {
    const results = new Results();
    results.replace([person(1, 42), person(2, 0, 7)]);
    expect([results.any.value, results.loaded.value]).toEqual([true, false]);
    expect(results.of(2).value).toMatchObject({ records: 0, unsent: 7 });
    results.change({ participants: [person(2, 7)], blocks: [block(2, 0, 7)] });
    expect(results.of(2).value).toMatchObject({ records: 7, unsent: 0, unsentSince: null });
    expect(results.of(2).value.tables.get("trials")?.get(0)).toBe(7);
  });

  it("are none after a snapshot without any", () => {
    const results = new Results();
    results.replace([person(1, 2)]);
    results.load([{ table: "trials", records: 2, blocks: [block(1, 0, 2)] }]);
    results.replace([]);
    expect([results.any.value, results.loaded.value, listed(results)]).toEqual([false, false, {}]);
    expect(results.of(1).value.tables.size).toBe(0);
  });

  it("are counted once, whether they are pushed or read first", () => {
    const read = [{ table: "trials", records: 8, blocks: [block(1, 0, 5), block(1, 1, 3)] }];
    const pushed = { participants: [person(1, 9)], blocks: [block(1, 1, 4)] };
    const [one, other] = [new Results(), new Results()];
    one.load(read);
    one.change(pushed);
    other.change(pushed);
    other.load(read);
    const expected = { trials: { records: 9, most: 5, outside: false } };
    expect([listed(one), listed(other)]).toEqual([expected, expected]);
  });

  it("know of records outside the blocks, and of other tables", () => {
    const results = new Results();
    results.change({ participants: [person(3, 3)], blocks: [block(3, -1, 1), block(3, 0, 2, "answers")] });
    expect(Object.keys(listed(results))).toEqual(["answers", "trials"]);
    expect(listed(results)["trials"]).toEqual({ records: 1, most: 1, outside: true });
  });

  it("repaint nobody else", () => {
    const results = new Results();
    results.replace([person(1, 1), person(2, 1)]);
    const painted: number[] = [];
    for (const index of [1, 2]) effect(() => void painted.push(index + 0 * results.of(index).value.records));
    painted.length = 0;
    results.change({ participants: [person(2, 2)], blocks: [] });
    expect(painted).toEqual([2]);
    const few = { index: 1, table: "trials", name: "A", records: 1, usual: 2, others: 3 };
    results.compare([few]);
    results.compare([{ ...few }]);
    expect(painted).toEqual([2, 1]);
    results.compare([]);
    expect(results.of(1).value.fewer).toEqual([]);
  });
});

it("what waits is said in words", () => {
  expect(waiting({ unsent: 1 })).toBe("1 record waits on the device");
  expect(waiting({ unsent: 12 })).toBe("12 records wait on the device");
});
