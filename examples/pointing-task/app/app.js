// Shows what the server says: each snapshot is drawn as it is, and nothing here knows which block
// comes next. The experimenter can move the participant at any moment.

import { connect } from "./connection.js";
import { h } from "./dom.js";
import { summarise } from "./fitts.js";
import { pointingScreen, problemOf } from "./pointing.js";
import { questionnaireScreen } from "./questionnaire.js";
import { Records, runId, toCsv } from "./records.js";
import { Results } from "./results.js";
import { doneScreen, problemScreen, refusedScreen, restScreen, startScreen, textScreen } from "./screens.js";

const KEEP_FILE_MS = 10_000;

const [main, blockName, progress, banner, alert] = ["main", "block-name", "progress", "banner", "alert"].map(
  (id) => document.getElementById(id),
);

let records = null;
let results = null;
const whereabouts = h("p", { class: "quiet", testid: "whereabouts", role: "status" });

let screen = null;
let shown = null;
let online = false;

const connection = connect(participantAsked(), {
  snapshot(snapshot) {
    const { participant_index: participant, block_id: id, blocks_count: count, block_name: name } = snapshot;
    records ??= new Records(participant);
    results ??= new Results(records, tellWhereabouts);
    blockName.textContent = name;
    progress.textContent = `Participant ${participant} \u00b7 ${place(id, count)}`;
    document.body.dataset.block = name;
    document.body.dataset.blockId = id;
    // The same stay in the same block is not drawn anew: it would throw the participant back.
    const identity = runId(snapshot);
    if (identity !== shown) {
      shown = identity;
      records.leave();
      show(screenOf(snapshot));
    }
    results.send();
  },
  online(connected) {
    online = connected;
    banner.hidden = connected;
    if (connected) {
      say("");
      results?.send();
    }
    screen?.pause?.(!connected);
  },
  refused(problem) {
    banner.hidden = true;
    shown = null;
    show(refusedScreen(problem, () => connection.retry()));
  },
});

function screenOf(snapshot) {
  const { block_id: id, blocks_count: count, config } = snapshot;
  if (id < 0) return startScreen(snapshot, next);
  if (id >= count) return resultsScreen();
  if (config.kind === "text") return textScreen(snapshot, next);
  if (config.kind === "pointing") return pointing(snapshot);
  if (config.kind === "questionnaire") {
    const run = records.run(snapshot);
    return questionnaireScreen(run, { save: () => records.save(run), submit: next });
  }
  const reason = `Its kind is "${config.kind ?? ""}"; this app knows "text", "pointing" and "questionnaire".`;
  return problemScreen(snapshot, reason, next);
}

function pointing(snapshot) {
  const problem = problemOf(snapshot.config);
  if (problem) return problemScreen(snapshot, problem, next);
  const run = records.run(snapshot);
  const rest = () => restScreen(snapshot, summarise(run.movements, run.config), next);
  if (run.complete) return rest();
  return pointingScreen(run, { save: () => records.save(run), done: () => show(rest()) });
}

function resultsScreen() {
  const counts = Object.fromEntries(
    ["movements", "conditions", "answers"].map((what) => [what, records[what]().length]),
  );
  tellWhereabouts();
  return doneScreen(counts, whereabouts, { download, clear: () => records.clear() });
}

function tellWhereabouts() {
  if (records.unsent().length === 0) whereabouts.textContent = "The server has them. You may close this page.";
  else if (records.kept) whereabouts.textContent = "They are in this browser, and go to the server as soon as it answers. Please leave this page open.";
  else whereabouts.textContent = "This browser keeps nothing, and the server does not answer: please leave this page open, or download them.";
}

function show(next) {
  screen?.leave?.();
  screen = next;
  say("");
  main.replaceChildren(screen.element);
  screen.pause?.(!online);
  const heading = screen.element.querySelector("h1");
  document.title = `${heading.textContent} - Pointing study`;
  // A screen reader reads the new screen from its top, and Tab starts there.
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

async function next(button) {
  say("");
  button.disabled = true;
  try {
    await connection.moveOn();
  } catch (error) {
    say(error.message);
  } finally {
    button.disabled = false;
  }
}

function say(problem) {
  alert.textContent = problem;
  alert.hidden = !problem;
}

function download(what) {
  const file = new Blob([toCsv(records[what]())], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `pointing-${what}-participant_${records.participant}.csv`;
  link.click();
  // Some browsers begin to read only after this function has returned.
  setTimeout(() => URL.revokeObjectURL(link.href), KEEP_FILE_MS);
}

function place(id, count) {
  if (id < 0) return "not started";
  return id >= count ? "finished" : `part ${id + 1} of ${count}`;
}

/** What is after ?participant=, undefined without it; the client refuses what is no number. */
function participantAsked() {
  return new URLSearchParams(location.search).get("participant") || undefined;
}
