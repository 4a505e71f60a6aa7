// Does what the scenarios of ../conformance say, and tells what it hears: see the README there.

import { createInterface } from "node:readline";
import { connect } from "./dist/index.js";
import { fileStorage } from "./dist/node.js";

const parser = process.argv.includes("--msgpack")
  ? (await import("socket.io-msgpack-parser")).default
  : undefined;

const say = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);
const kept = {};
let study;
let told;
let attending = [];
/** The device: records wait in this folder. */
const storage = process.env.STORAGE && fileStorage(process.env.STORAGE);

// Where what a listener raises is reported to, in Node.
process.on("uncaughtException", ({ message }) => say({ event: "mistake", message }));

function attend() {
  attending = ["block", "config", "end"].map((event) =>
    study.on(event, (state) => {
      told = state;
      say({ event, state });
    }),
  );
}

const actions = {
  connect: async ({ url, participant, token }) => {
    study = await connect({ url, participant, token, parser, storage });
    attend();
    study.on("refused", ({ record: { record_id }, code }) => say({ event: "refused", record_id, code }));
    study.on("storage", ({ durable, message }) => say({ event: "storage", durable, message }));
    say({ event: "connection", to: study.connection });
    study.on("connection", (to) => say({ event: "connection", to }));
    return study.snapshot;
  },
  next: ({ of }) => (of ? kept[of] : study).next(),
  finish: ({ of }) => kept[of].finish(),
  previous: () => study.previous(),
  goTo: ({ block_id }) => study.goTo(block_id),
  keep: ({ as }) => void (kept[as] = told),
  busy: () => attending.forEach((stop) => stop()),
  attend,
  stumble: () => {
    study.on("block", () => {
      throw new Error("a mistake of the app");
    });
  },
  follow: async () => {
    let last = null;
    for await (const block of study.blocks()) say({ event: "follows", state: (last = block) });
    return last;
  },
  walk: async () => {
    const moves = [study.next()];
    await new Promise((resolve) => {
      study.on("block", ({ block_id, blocks_count }) => {
        if (block_id >= blocks_count) resolve();
        else if (block_id >= 0) moves.push(study.next());
      });
    });
    return (await Promise.all(moves)).at(-1);
  },
  record: async ({ of, table = "trials", first = 0, count = 1, data }) => {
    let recorded;
    for (let i = first; i < first + count; i++) recorded = (of ? kept[of] : study).record(table, data ?? { i });
    // What was recorded together is written together, before anything else happens.
    await new Promise((resolve) => setImmediate(resolve));
    return { block_id: recorded.block_id, unsent: study.unsent };
  },
  flush: async ({ within }) => {
    await study.flush(within === undefined ? {} : { timeout: within * 1000 });
    return { unsent: study.unsent };
  },
  unsent: () => ({ unsent: study.unsent }),
  close: async () => study?.close(),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, do: action, ...parameters } = JSON.parse(line);
  try {
    say({ id, state: (await actions[action](parameters)) ?? null });
  } catch (error) {
    say({ id, error: error.code ?? String(error), message: error.message });
  }
});
