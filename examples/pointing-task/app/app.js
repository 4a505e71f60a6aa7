// Shows what the server says: each snapshot is drawn as it is, and nothing here knows which block
// comes next. The experimenter can move the participant at any moment.

import { connect } from "./connection.js";
import { h } from "./dom.js";
import { summarise } from "./fitts.js";
import { pointingScreen, problemOf } from "./pointing.js";
import { questionnaireScreen } from "./questionnaire.js";
import { runId, runOf, save } from "./runs.js";
import { doneScreen, problemScreen, refusedScreen, restScreen, startScreen, textScreen } from "./screens.js";

const [main, progress, banner, alert] = ["main", "progress", "banner", "alert"].map((id) => document.getElementById(id));

const farewell = h("p", { class: "quiet", testid: "farewell", role: "status" });

let screen = null;
let shown = null;
let online = false;

const connection = connect(participantAsked(), {
  snapshot(snapshot) {
    const { participant_index: participant, block_id: id, blocks_count: count, block_name: name } = snapshot;
    progress.textContent = `Participant ${participant} \u00b7 ${place(id, count)}`;
    document.body.dataset.block = name;
    document.body.dataset.blockId = id;
    // The same stay in the same block is not drawn anew: it would throw the participant back.
    const identity = runId(snapshot);
    if (identity !== shown) {
      shown = identity;
      show(screenOf(snapshot));
    }
  },
  unsent: sayFarewell,
  online(connected) {
    online = connected;
    banner.hidden = connected;
    if (connected) say("");
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
  if (id >= count) {
    sayFarewell();
    return doneScreen(farewell);
  }
  if (config.kind === "text") return textScreen(snapshot, next);
  if (config.kind === "pointing") return pointing(snapshot);
  if (config.kind === "questionnaire") {
    const run = runOf(snapshot);
    return questionnaireScreen(run, { save: () => save(run), submit: (button) => submit(run, button) });
  }
  const reason = `Its kind is "${config.kind ?? ""}"; this app knows "text", "pointing" and "questionnaire".`;
  return problemScreen(snapshot, reason, next);
}

function pointing(snapshot) {
  const problem = problemOf(snapshot.config);
  if (problem) return problemScreen(snapshot, problem, next);
  const run = runOf(snapshot);
  const rest = () => restScreen(snapshot, summarise(run.movements, run.config), next);
  if (run.complete) return rest();
  return pointingScreen(run, { save: () => keep(run), done: () => show(rest()) });
}

/** Record the last movement, and after the last one of the block its measures. */
function keep(run) {
  const { block, config, movements, complete } = run;
  const practice = config.practice ?? false;
  block.record({ practice, ...movements.at(-1) });
  if (complete) block.record("conditions", { practice, ...summarise(movements, config) });
  save(run);
}

function submit({ block, answers }, button) {
  for (const [question, answer] of Object.entries(answers)) block.record("answers", { question, answer });
  return next(button);
}

function sayFarewell() {
  farewell.textContent =
    connection.unsent() > 0 ? "Your results are being sent. Please leave this page open." : "You may close this page.";
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

function place(id, count) {
  if (id < 0) return "not started";
  return id >= count ? "finished" : `part ${id + 1} of ${count}`;
}

/** What is after ?participant=, undefined without it; the client refuses what is no number. */
function participantAsked() {
  return new URLSearchParams(location.search).get("participant") || undefined;
}
