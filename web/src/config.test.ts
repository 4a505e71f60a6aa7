import { describe, expect, it } from "vitest";
import { at, changed, readValue, told } from "./config";

describe("a value that somebody types", () => {
  it("is of the kind that was there", () => {
    expect(readValue("5", 4)).toEqual({ value: 5 });
    expect(readValue("5", "four")).toEqual({ value: "5" });
    expect(readValue("[1, 2]", [3])).toEqual({ value: [1, 2] });
    expect(readValue("true", false)).toEqual({ value: true });
  });

  it.each([
    ["five", 4],
    ['"5"', 4],
    ["null", 4],
    ["3", [3]],
  ])("is refused as %j in place of %j", (typed, before) => {
    expect(readValue(typed, before)).toHaveProperty("problem");
  });

  it("makes the smallest patch", () => {
    expect(changed(["colour", "hue"], 3)).toEqual({ colour: { hue: 3 } });
  });
});

it("finds what the keys lead to", () => {
  const config = { a: { b: [1], "c.d": null } };
  expect(at(config, ["a", "b"])).toEqual([1]);
  expect(at(config, ["a", "c.d"])).toBeNull();
  expect(at(config, ["a", "b", "0"])).toBeUndefined();
  expect(at(config, ["x", "y"])).toBeUndefined();
});

it("says in words where a value comes from", () => {
  const plain = { path: ["x"], value: 1, block: "A", variable: null, factor: false, function: null };
  expect(told(plain, "A")).toEqual([]);
  const drawn = { ...plain, variable: "N", function: "choices" };
  expect(told(drawn, "B")).toEqual(["variable N", "drawn by choices", "from A"]);
  expect(told({ ...plain, factor: true }, "A")).toEqual(["level of the factor"]);
});
