const SCRIPT = `import { connect } from "/client.js";
const study = await connect({ participant: 7 });
study.on("block", (block) => block.record({ target: 3, rt: 0.412 }));`;

/** What to do to have records. */
export function Empty() {
  return (
    <div class="empty how" data-testid="results-empty">
      <p>No records yet. An app records a trial, an answer or a click in one line, as often as it likes:</p>
      <pre tabIndex={0}>{SCRIPT}</pre>
      <p>
        The records appear here as they arrive, and become tables for R and Python. README.md (Results) and
        clients/README.md show it for web pages, Python, Unity and plain HTTP:{" "}
        <code>POST /api/results</code>.
      </p>
    </div>
  );
}
