// Results go to the server, block by block, before the next one begins.

const AGAIN_AFTER_MS = 1000;
const COLUMNS = ["trial", "arrows", "congruent", "response", "correct", "rt"];

/** Resolves when the server has them. The same file is kept once, however often it is sent. */
export async function sent(block, trials) {
  if (trials.length === 0) return;
  const form = new FormData();
  const participant = String(block.participant_index).padStart(3, "0");
  const number = String(block.block_id).padStart(2, "0");
  form.append("filepath", `P${participant}/${number}-${block.block_name}.csv`);
  form.append("data", csv(block, trials));
  while (true) {
    const answer = await fetch("/api/uxf", { method: "POST", body: form, headers: bearer() }).catch(() => null);
    if (answer?.ok) return;
    if (answer && answer.status < 500 && answer.status !== 429) {
      throw new Error(`the server does not take the results (${answer.status})`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
  }
}

function bearer() {
  const token = new URLSearchParams(location.search).get("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function csv(block, trials) {
  const about = { participant: block.participant_index, block: block.block_name, started: block.block_started_at };
  const rows = trials.map((trial) => [...Object.values(about), ...COLUMNS.map((column) => trial[column] ?? "")]);
  return [[...Object.keys(about), ...COLUMNS], ...rows].map((row) => `${row.join(",")}\n`).join("");
}
