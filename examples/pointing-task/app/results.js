// What was measured and answered goes to the server, which keeps it beside the study file.

import { toCsv } from "./records.js";

const AGAIN_AFTER_MS = 5000;

/** Sends each run of a participant's records once it is over, again and again until the server has it. */
export class Results {
  #records;
  #changed;
  #sending = false;
  #again;

  /** `changed()` is called when the server has more than before. */
  constructor(records, changed) {
    this.#records = records;
    this.#changed = changed;
  }

  /** Send what the server does not have yet. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    clearTimeout(this.#again);
    try {
      for (let run = this.#records.unsent()[0]; run; run = this.#records.unsent()[0]) {
        if (!(await accepted(this.#records.fileOf(run)))) {
          this.#again = setTimeout(() => this.send(), AGAIN_AFTER_MS);
          return;
        }
        run.sent = true;
        this.#records.save(run);
        this.#changed();
      }
    } finally {
      this.#sending = false;
    }
  }
}

/** Whether the server has a file now. The same file is kept once, however often it is sent. */
async function accepted({ path, rows }) {
  const form = new FormData();
  form.append("filepath", path);
  form.append("data", toCsv(rows));
  const answer = await fetch("/api/uxf", { method: "POST", body: form }).catch(() => null);
  return answer?.ok ?? false;
}
