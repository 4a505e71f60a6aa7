import { expect, test } from "vitest";
import { alike, edits, STUDY, textsOf } from "./texts";

const SOURCE = {
  text: "[configuration.tables]",
  digest: "d",
  tables: [
    { path: "words.csv", text: "word\nchair\n" },
    { path: "gone.csv", text: null },
  ],
};
const BASE = textsOf(SOURCE);

test("a study's texts are its file and the tables that can be read", () => {
  expect(BASE).toEqual({ [STUDY]: "[configuration.tables]", "words.csv": "word\nchair\n" });
});

test("studies are alike if all of their texts are", () => {
  expect(alike(BASE, textsOf(SOURCE))).toBe(true);
  expect(alike(BASE, { ...BASE, "words.csv": "word\nlamp\n" })).toBe(false);
  expect(alike(BASE, { ...BASE, "more.csv": "" })).toBe(false);
  expect(alike({ ...BASE, "more.csv": "" }, BASE)).toBe(false);
});

test("only tables that were changed are sent", () => {
  expect(edits(BASE, BASE)).toEqual({ text: SOURCE.text });
  expect(edits(BASE, { [STUDY]: "x", "words.csv": "word\nlamp\n" })).toEqual({
    text: "x",
    tables: { "words.csv": "word\nlamp\n" },
  });
  expect(edits(BASE, { ...BASE, "more.csv": "word\n" })).toEqual({
    text: SOURCE.text,
    tables: { "more.csv": "word\n" },
  });
});
