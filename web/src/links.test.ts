import { expect, it } from "vitest";
import { basesOf } from "./links";

const HERE = "http://127.0.0.1:5000";
const LAN = "http://192.168.1.20:5000";

it.each([
  ["the server's addresses, whatever the page was opened at", [LAN, "http://10.0.0.5:5000"], HERE],
  ["a public address", ["https://study.example"], LAN],
  ["this machine's, where there is nothing else", [HERE], "http://localhost:5000"],
])("links begin with %s", (_, urls, origin) => {
  expect(basesOf(urls, origin)).toEqual(urls);
});

it("begins links with the page's address behind a proxy that the server does not know", () => {
  expect(basesOf([HERE], "https://study.example")).toEqual(["https://study.example"]);
  expect(basesOf(["http://[::1]:5000"], LAN)).toEqual([LAN]);
});
