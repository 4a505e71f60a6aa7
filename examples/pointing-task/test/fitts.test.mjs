// Run with `node --test examples/pointing-task/test/*.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { centreOf, isPremature, measure, summarise, targetAt } from "../app/fitts.js";

const ring = { targets: 13, amplitude: 260, startAngle: 0 };
const axis = { from: { x: 0, y: 100 }, to: { x: 0, y: -100 } };

for (const targets of [8, 9, 12, 13, 14, 25]) {
  test(`a ring of ${targets} is visited whole, across it each time`, () => {
    const visited = Array.from({ length: targets }, (_, step) => targetAt(step, targets));
    assert.equal(new Set(visited).size, targets);
    for (let step = 0; step < 2 * targets; step++) {
      const apart = Math.abs(targetAt(step + 1, targets) - targetAt(step, targets));
      assert.ok(Math.abs(apart - targets / 2) <= 1, `step ${step} moves by ${apart}`);
    }
  });
}

test("the start angle counts clockwise from the top", () => {
  const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
  assert.ok(distance(centreOf(0, ring), { x: 0, y: -130 }) < 1e-9);
  assert.ok(distance(centreOf(0, { ...ring, startAngle: 90 }), { x: 130, y: 0 }) < 1e-9);
});

test("a press is measured on the task axis, from where the hand really was", () => {
  const beyond = measure(axis, 40, { x: 0, y: 95 }, { x: 6, y: -110 });
  assert.deepEqual(beyond, { dx: 10, distance: 205, hit: true });
  const short = measure(axis, 40, { x: 0, y: 100 }, { x: 0, y: -79 });
  assert.deepEqual(short, { dx: -21, distance: 179, hit: false });
});

test("a press before half-way is a bounce", () => {
  assert.ok(isPremature(axis, { x: 0, y: 100 }, { x: 3, y: 98 }));
  assert.ok(!isPremature(axis, { x: 0, y: 100 }, { x: 0, y: -5 }));
});

test("throughput comes from effective width and effective distance", () => {
  // Deviations of -10, 0 and 10 have a standard deviation of 10: We = 41.33, and with Ae = 206.65
  // IDe = log2(5 + 1) = 2.585 bits, in half a second.
  const movements = [-10, 0, 10].map((dx) => ({ dx, distance: 206.65, hit: dx < 10, time_ms: 500 }));
  const measures = summarise(movements, { amplitude: 200, width: 40 });
  assert.equal(measures.errors, 1);
  assert.equal(measures.mean_time_ms, 500);
  assert.ok(Math.abs(measures.effective_width - 41.33) < 1e-9);
  assert.ok(Math.abs(measures.effective_index_of_difficulty - Math.log2(6)) < 1e-9);
  assert.ok(Math.abs(measures.throughput - Math.log2(6) / 0.5) < 1e-9);
});

test("what cannot be computed is null, not infinite", () => {
  const same = { dx: 0, distance: 200, hit: true, time_ms: 500 };
  for (const movements of [[], [same], [same, same]]) {
    const measures = summarise(movements, { amplitude: 200, width: 40 });
    assert.equal(measures.throughput, null);
    assert.equal(measures.effective_width, null);
  }
});
