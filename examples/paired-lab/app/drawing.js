// A follower's line: each change is recorded, and the page has the line again after a reload.

const key = (block) => `drawing ${block.participant_index} ${block.block_started_at}`;

/** The points that were drawn in this stay in this block. */
export function drawnBefore(block) {
  return JSON.parse(sessionStorage.getItem(key(block)) ?? "[]");
}

/** Record the point that was added, or the number of the one that was taken back. */
export function changed(block, points, added) {
  const [x, y] = added ?? [];
  block.record(added ? { action: "draw", point: points.length, x, y } : { action: "take back", point: points.length + 1 });
  sessionStorage.setItem(key(block), JSON.stringify(points));
}
