// The queue of records, with a clock that stands still: `node --test`, after `npm run build`.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { StudyError } from "../dist/errors.js";
import { Records } from "../dist/records.js";

const NOW = Date.parse("2026-11-25T09:00:00.000Z");
let queue;
let device;
let sent;
let told;
let answer;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: NOW });
  device = { waiting: [], aside: [], full: false };
  sent = [];
  told = { unsent: [], refused: [], storage: [] };
  answer = kept;
});

afterEach(() => {
  queue.close();
  mock.timers.reset();
});

const kept = () => ({ accepted: 0, known: 0, server_time: new Date().toISOString() });
const refusal = (code, record_id) => new StudyError(code, "no", record_id);

const storage = {
  open: async () => ({
    load: async () => [...device.waiting],
    add: async (records) => {
      if (device.full) throw new Error("no space left");
      device.waiting.push(...records);
    },
    remove: async (ids) => {
      device.waiting = device.waiting.filter(({ record }) => !ids.includes(record.record_id));
    },
    setAside: async (refused) => void device.aside.push(refused),
  }),
};

function started({ reachable = () => true } = {}) {
  queue = new Records("here|1", storage, {
    reachable,
    send: async (batch) => {
      sent.push(batch);
      return answer(batch);
    },
    unsent: (count) => told.unsent.push(count),
    refused: (refused) => told.refused.push(refused),
    storage: (state) => told.storage.push(state.durable),
  });
  return queue;
}

const record = (data, table = "trials") => queue.record({ table, data, block_id: 1, revision: 3 });

/** Let all go on that waits for no clock. */
async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function passes(milliseconds) {
  mock.timers.tick(milliseconds);
  await settled();
}

test("a batch has at most 100 records, of one table, and at most 100 kB", async () => {
  let online = false;
  started({ reachable: () => online });
  for (let i = 0; i < 150; i++) record({ i });
  record({ a: "x".repeat(60_000) }, "long");
  record({ b: "x".repeat(60_000) }, "long");
  online = true;
  queue.wake();
  await settled();
  assert.deepEqual(sent.map(({ table, records }) => [table, records.length]), [
    ["trials", 100], ["trials", 50], ["long", 1], ["long", 1],
  ]);
  assert.deepEqual(sent.map(({ unsent }) => unsent), [52, 2, 1, 0]);
  assert.deepEqual(device.waiting, []);
});

test("a record is on the device before it is sent, and leaves it when it has arrived", async () => {
  started();
  await settled();
  let found;
  answer = () => {
    found = device.waiting.length;
    return kept();
  };
  record({ rt: 412 });
  await settled();
  assert.equal(found, 1);
  assert.deepEqual(device.waiting, []);
  assert.deepEqual(told.unsent, [1, 0]);
});

test("what gets no answer is sent again, with the same id, after growing times of 15 s at most", async () => {
  started();
  answer = () => undefined;
  record({ rt: 1 });
  await settled();
  const counts = [];
  for (let minute = 0; minute < 3; minute++) {
    const before = sent.length;
    for (let second = 0; second < 60; second++) await passes(1000);
    counts.push(sent.length - before);
  }
  assert.ok(counts[0] > counts[2] && counts[2] >= 4 && counts[2] <= 9, String(counts));
  assert.equal(new Set(sent.map(({ records }) => records[0].record_id)).size, 1);
  answer = kept;
  queue.wake();
  await settled();
  assert.equal(queue.unsent, 0);
});

test("a record that can never be accepted is put aside, and the others are sent", async () => {
  let online = false;
  started({ reachable: () => online });
  const records = [1, 2, 3].map((i) => record({ i }));
  const bad = records[1].record_id;
  answer = ({ records }) =>
    records.some(({ record_id }) => record_id === bad) ? refusal("record-conflict", bad) : kept();
  online = true;
  queue.wake();
  await settled();
  assert.equal(queue.unsent, 0);
  assert.deepEqual(sent.at(-1).records.map(({ data }) => data.i), [1, 3]);
  assert.deepEqual(told.refused.map(({ code, record }) => [code, record.record_id]), [["record-conflict", bad]]);
  assert.deepEqual(device.aside.map(({ record }) => record.data), [{ i: 2 }]);
});

test("a record that makes batches fail without being named holds up no other", async () => {
  started();
  answer = ({ records }) => (records.some(({ data }) => data.i === 0) ? refusal("parameter-invalid") : kept());
  for (let i = 0; i < 20; i++) record({ i });
  for (let second = 0; second < 120; second++) await passes(1000);
  assert.equal(queue.unsent, 1);
  assert.deepEqual(device.waiting.map(({ record }) => record.data), [{ i: 0 }]);
});

test("a token that is refused keeps all records", async () => {
  started();
  answer = () => refusal("token-invalid");
  record({ i: 0 });
  await passes(60_000);
  assert.equal(queue.unsent, 1);
  assert.equal(device.waiting.length, 1);
  assert.deepEqual(told.refused, []);
});

test("the offset of the clock is that of the fastest exchange", async () => {
  started();
  const exchanges = [[400, 5000], [20, 70], [300, 9000]];
  answer = () => {
    const [took, ahead] = exchanges.shift() ?? [0, 0];
    const middle = Date.now() + took / 2;
    mock.timers.tick(took);
    return { accepted: 1, known: 0, server_time: new Date(middle + ahead).toISOString() };
  };
  for (let i = 0; i < 3; i++) {
    record({ i });
    await settled();
  }
  assert.equal(sent[0].records[0].clock_offset_ms, undefined);
  assert.equal(record({ i: 3 }).clock_offset_ms, 70);
});

test("what an earlier start left over is sent first, in order", async () => {
  const old = (i) => ({ table: "trials", record: { record_id: `old-${i}`, data: { i }, block_id: 0, revision: 1 } });
  device.waiting = [old(1), old(2)];
  started();
  record({ i: 3 });
  assert.equal(await queue.flush(), true);
  assert.deepEqual(sent.flatMap(({ records }) => records.map(({ data }) => data.i)).slice(-3), [1, 2, 3]);
});

test("a full device is told once, its records arrive, and it is used again when it has room", async () => {
  device.full = true;
  started();
  await settled();
  record({ i: 0 });
  record({ i: 1 });
  await settled();
  assert.deepEqual(told.storage, [false]);
  assert.equal(queue.unsent, 0);
  device.full = false;
  await passes(6000);
  record({ i: 2 });
  await settled();
  assert.deepEqual(told.storage, [false, true]);
  assert.deepEqual(device.waiting, []);
});

test("what can be no record is refused at once", () => {
  started();
  const code = (data, table) => {
    try {
      record(data, table);
    } catch (error) {
      return error.code;
    }
  };
  for (const data of [null, [1], "text", undefined, { big: 1n }]) assert.equal(code(data), "record-invalid");
  for (const table of ["", "Trials", "events", "a".repeat(65)]) assert.equal(code({}, table), "record-invalid");
  assert.equal(code({ text: "ü".repeat(33_000) }), "record-too-large");
  assert.equal(queue.unsent, 0);
  assert.deepEqual(record({ rt: NaN, half: "\ud800" }).data, { rt: null, half: "\ufffd" });
});
