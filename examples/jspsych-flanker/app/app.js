// A jsPsych run for each block that the server says; the experimenter may change the block at any time.

/* global initJsPsych */

import { connect } from "/client.js";
import { resultOf, timelineOf } from "./timeline.js";

const place = document.querySelector("#study");
const asked = new URLSearchParams(location.search);

try {
  await takePart(
    await connect({
      participant: asked.get("participant"),
      token: asked.get("token"),
    }),
  );
} catch (error) {
  say(`You cannot take part like this: ${error.message}`);
}

async function takePart(study) {
  study.on("connection", (connection) => {
    document.querySelector("#connection").hidden = connection !== "none";
  });
  if (study.snapshot.block_id < 0) {
    say("The study is about to begin.");
    await study.next();
  }
  for await (const block of study.blocks()) {
    document.body.dataset.block = block.block_name;
    // Otherwise the experimenter was faster, and there is another block to show.
    if (!(await shownToItsEnd(study, block))) continue;
    await block.finish().catch((error) => {
      if (error.code !== "participant-elsewhere") throw error;
    });
  }
  document.body.dataset.block = "END";
  if (study.unsent > 0) {
    say("Your answers are being sent. Please leave this page open.");
    await study.flush();
  }
  say("The study is over. Thank you! You may close this window.");
}

/** Show a block, and record each of its trials when it ends; false if the participant was moved out of it. */
async function shownToItsEnd(study, block) {
  place.replaceChildren();
  const jsPsych = initJsPsych({
    display_element: place,
    on_data_update: (trial) => {
      if (trial.task === "flanker") block.record(resultOf(trial));
    },
  });
  let moved = false;
  const stop = study.on("block", (now) => {
    // The same block may have been begun anew.
    if (now.block_started_at === block.block_started_at || moved) return;
    moved = true;
    jsPsych.abortExperiment();
  });
  try {
    await jsPsych.run(timelineOf(block, jsPsych));
  } finally {
    stop();
  }
  return !moved;
}

function say(words) {
  const paragraph = Object.assign(document.createElement("p"), { className: "message", textContent: words });
  place.replaceChildren(paragraph);
}
