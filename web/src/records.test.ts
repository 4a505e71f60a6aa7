import { expect, it } from "vitest";
import { columns, flat, shown } from "./records";

it("nested keys have dots, as in CSV", () => {
  const cells = flat({ hand: { x: 1, y: { z: [2, 3] } }, empty: {}, none: null, hit: true });
  expect([...cells]).toEqual([
    ["hand.x", 1],
    ["hand.y.z", [2, 3]],
    ["empty", {}],
    ["none", null],
    ["hit", true],
  ]);
});

it("columns come in the order of their first record", () => {
  expect(columns([flat({ b: 1, a: 2 }), flat({ c: 1, a: 2 })])).toEqual(["b", "a", "c"]);
});

it("texts stand as they are, other values as JSON", () => {
  expect(["left", 0.5, [1], null, undefined].map(shown)).toEqual(["left", "0.5", "[1]", "null", ""]);
});
