import { describe, expect, it } from "vitest";
import { described, Log } from "./log";
import type { Entry } from "./protocol";

function entry(id: number, more: Partial<Entry> = {}): Entry {
  return {
    id,
    time: "2026-11-23T12:00:00.000Z",
    type: "moved",
    participant_index: 1,
    data: {},
    previous: "",
    hash: "",
    ...more,
  };
}

const ids = (log: Log) => log.entries.value.map((item) => item.id);

describe("the log", () => {
  it("goes on from its end without gaps or repeats, whatever is heard meanwhile", () => {
    const log = new Log();
    log.hear([entry(4), entry(5)]);
    expect(ids(log)).toEqual([]);
    log.load([entry(3), entry(4)], 2);
    expect(ids(log)).toEqual([3, 4, 5]);
    log.hear([entry(5), entry(6)]);
    expect(ids(log)).toEqual([3, 4, 5, 6]);
    expect(log.complete.value).toBe(false);
  });

  it("is read backwards until there is nothing before", () => {
    const log = new Log();
    log.load([entry(5), entry(6)], 2);
    log.prepend([entry(3), entry(4)], 2);
    log.prepend([entry(2)], 2);
    expect(ids(log)).toEqual([2, 3, 4, 5, 6]);
    expect(log.complete.value).toBe(true);
  });

  it("starts over", () => {
    const log = new Log();
    log.load([entry(1)], 2);
    log.forget();
    expect([ids(log), log.loaded.value]).toEqual([[], false]);
  });

  it("says what happened in words", () => {
    const data = { from: { block_name: "A" }, to: { block_name: "B" }, reason: "headset fell" };
    expect(described(entry(1, { data }))).toBe("from A to B “headset fell”");
  });

  it("counts records and errors, also one", () => {
    const said = (type: string, data: Entry["data"]) => described(entry(1, { type, data }));
    expect(said("file_stored", { path: "participant-1/hand.csv", bytes: 20480 })).toBe(
      "participant-1/hand.csv, 20,480 bytes",
    );
    expect(said("recorded", { count: 1, table: "trials" })).toBe("1 record in trials");
    expect(said("recorded", { count: 12, table: "trials" })).toBe("12 records in trials");
    expect(said("study_refused", { errors: 1 })).toBe("1 error");
    expect(said("study_refused", { errors: 2 })).toBe("2 errors");
  });
});
