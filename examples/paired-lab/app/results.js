// What the follower drew goes to the server when the pair leaves a map.

const AGAIN_AFTER_MS = 1000;

// A drawing stays in the browser until the server has it, so that a reload loses nothing.

const key = (snapshot) => `drawing ${snapshot.participant_index} ${snapshot.block_started_at}`;

/** What was drawn in this stay in this block. */
export function drawn(snapshot) {
  return JSON.parse(sessionStorage.getItem(key(snapshot)) ?? "[]");
}

export function remember({ snapshot, points }) {
  sessionStorage.setItem(key(snapshot), JSON.stringify(points));
}

export function forget({ snapshot }) {
  sessionStorage.removeItem(key(snapshot));
}

/** Resolves when the server has it. The same file is kept once, however often it is sent. */
export async function kept({ snapshot, points }) {
  const pair = String(Math.ceil(snapshot.participant_index / 2)).padStart(2, "0");
  const form = new FormData();
  form.append("filepath", `pair-${pair}/${snapshot.block_name}.csv`);
  form.append("data", ["point,x,y", ...points.map(([x, y], index) => `${index + 1},${x},${y}`), ""].join("\n"));
  const token = new URLSearchParams(location.search).get("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  while (true) {
    const answer = await fetch("/api/uxf", { method: "POST", body: form, headers }).catch(() => null);
    if (answer?.ok) return;
    if (answer && answer.status < 500 && answer.status !== 429) {
      throw new Error(`the server does not take the drawing (${answer.status})`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
  }
}
