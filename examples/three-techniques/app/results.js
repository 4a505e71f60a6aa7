// What was measured goes to the server before the next block begins.

const AGAIN_AFTER_MS = 1000;

/** Resolves when the server has the rows; the same file is kept once, however often it is sent. */
export async function keep({ participant_index: index, block_id: id, block_name: name }, rows) {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0]);
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  const form = new FormData();
  const number = (value, digits) => String(value).padStart(digits, "0");
  form.append("filepath", `P${number(index, 3)}/${number(id, 2)}-${name}.csv`);
  form.append("data", `${lines.join("\n")}\n`);
  const token = new URLSearchParams(location.search).get("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  while (true) {
    const answer = await fetch("/api/uxf", { method: "POST", body: form, headers }).catch(() => null);
    if (answer?.ok) return;
    if (answer && answer.status < 500 && answer.status !== 429) {
      throw new Error(`the server does not take the results (${answer.status})`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
  }
}
