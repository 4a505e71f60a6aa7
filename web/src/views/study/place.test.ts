import { expect, it } from "vitest";
import { placeAt, wantsKey } from "./place";

const TREE = `# a "comment" [with] brackets
[configuration]
order = [
  "welcome",
  { each = "technique", blocks = [
      "practice-{technique}",
`;

it("knows the table, and that a key comes next", () => {
  const place = placeAt("[[blocks]]\nname = \"A\"\n[blocks.config]\ntrials = 3\nfee");
  expect(place).toEqual({ table: ["blocks", "config"], open: [], keys: null, quoted: null });
  expect(place && wantsKey(place)).toBe(true);
});

it("knows the groups that are open around it", () => {
  const place = placeAt(TREE);
  expect(place?.table).toEqual(["configuration"]);
  expect(place?.open).toEqual([
    { keys: ["order"], list: true },
    { keys: [], list: false },
    { keys: ["blocks"], list: true },
  ]);
  expect(place && wantsKey(place)).toBe(false);
});

it.each([
  ["{ strategy = \"rand", ["strategy"], "rand"],
  ["{ pick = ", ["pick"], null],
  ["{ blocks = [\"a\"], ", null, null],
  ["{ ", null, null],
])("knows the key inside a group: %s", (written, keys, quoted) => {
  const place = placeAt(TREE + written);
  expect(place?.keys).toEqual(keys);
  expect(place?.quoted).toBe(quoted);
});

it("goes back to the outer group when one is closed", () => {
  const place = placeAt(`${TREE} ] }, `);
  expect(place?.open).toEqual([{ keys: ["order"], list: true }]);
  expect(placeAt(`${TREE} ] } ]\nran`)).toEqual({
    table: ["configuration"],
    open: [],
    keys: null,
    quoted: null,
  });
});

it("takes dotted keys apart, and forgets a quote that was left open a line above", () => {
  expect(placeAt("config.trials.first = ")?.keys).toEqual(["config", "trials", "first"]);
  expect(placeAt('name = "A\nextends = "B')).toMatchObject({ keys: ["extends"], quoted: "B" });
  expect(placeAt('text = """several\nlines')).toMatchObject({ quoted: "several\nlines" });
  expect(placeAt('text = "a \\" b')).toMatchObject({ quoted: 'a \\" b' });
});

it("begins anew with a header, also after a list that was never closed", () => {
  const place = placeAt('[configuration]\norder = ["A",\n[[blocks]]\nname = "A"\n');
  expect(place).toEqual({ table: ["blocks"], open: [], keys: null, quoted: null });
});

it("is nowhere in a comment or an unfinished header", () => {
  expect(placeAt("order = [] # as")).toBeNull();
  expect(placeAt("[configuration.fac")).toBeNull();
});
