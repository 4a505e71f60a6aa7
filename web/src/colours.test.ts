import { expect, it } from "vitest";
import { lookOf, namesOf, painted } from "./colours";

it("gives each block name one colour, whoever is looked at first", () => {
  const names = namesOf(["C10", "A", "A", "C9"]);
  expect(names).toEqual(["A", "C9", "C10"]);
  expect(lookOf("C9", names)).toEqual({ hex: "#88ccee", stripes: null });
  expect(lookOf("END", names)).toEqual({ hex: "#bbbbbb", stripes: null });
});

it("never lets two names look alike", () => {
  const names = Array.from({ length: 1000 }, (_, number) => `block ${number}`);
  const looks = names.map((name) => JSON.stringify(lookOf(name, names)));
  expect(new Set(looks).size).toBe(1000);
  expect(new Set(names.map((name) => JSON.stringify(painted(name, names)))).size).toBe(1000);
});
