import { expect, it } from "vitest";
import { colourOf, namesOf } from "./colours";
import { stopwatch } from "./time";

it.each([
  [-5, "0:00"],
  [7_999, "0:07"],
  [750_000, "12:30"],
  [3_723_000, "1:02:03"],
])("shows %d ms as %s", (milliseconds, shown) => {
  expect(stopwatch(milliseconds)).toBe(shown);
});

it("gives each block name one colour, whoever is looked at first", () => {
  const names = namesOf(["C10", "A", "A", "C9"]);
  expect(names).toEqual(["A", "C9", "C10"]);
  expect(colourOf("C9", names).hex).toBe("#88ccee");
  expect(colourOf("END", names).hex).toBe("#bbbbbb");
});

it("tells eighteen names apart", () => {
  const names = Array.from({ length: 18 }, (_, number) => `block ${number}`);
  expect(new Set(names.map((name) => JSON.stringify(colourOf(name, names)))).size).toBe(18);
});
