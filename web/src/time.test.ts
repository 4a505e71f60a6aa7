import { expect, it } from "vitest";
import { stopwatch } from "./time";

it.each([
  [-5, "0:00"],
  [7_999, "0:07"],
  [750_000, "12:30"],
  [3_723_000, "1:02:03"],
])("shows %d ms as %s", (milliseconds, shown) => {
  expect(stopwatch(milliseconds)).toBe(shown);
});
