import { describe, expect, it } from "vitest";
import { changed, readValue } from "./config";

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
