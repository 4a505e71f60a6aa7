// Goes through the blocks of one participant; each screen records what it measures, and resolves at its end.

import { connect } from "/client.js";
import { choose } from "./choose.js";

const screen = document.querySelector("#screen");
const asked = new URLSearchParams(location.search);
const SCREENS = { text, choose, questions };

try {
  const study = await connect({ participant: asked.get("participant"), token: asked.get("token") });
  if (study.snapshot.block_id < 0) await study.next();
  for await (const block of study.blocks()) {
    document.body.dataset.block = block.block_name;
    const ended = SCREENS[block.config.kind](block, screen).then(() => true);
    // Otherwise the experimenter was faster, and there is another block to show.
    if (!(await Promise.race([ended, left(study, block)]))) continue;
    await block.finish().catch((error) => {
      if (error.code !== "participant-elsewhere") throw error;
    });
  }
  document.body.dataset.block = "END";
  if (study.unsent > 0) {
    screen.replaceChildren(made("p", "Your answers are being sent. Please leave this page open."));
    await study.flush();
  }
  screen.replaceChildren(made("p", "You can close this page now."));
} catch (error) {
  screen.replaceChildren(made("p", `You cannot take part like this: ${error.message}`));
}

/** Resolves with false when the participant is in another block, or in this one anew. */
function left(study, { block_id: id, block_started_at: began }) {
  return new Promise((resolve) => {
    const stop = study.on("block", (now) => {
      if (now.block_id === id && now.block_started_at === began) return;
      stop();
      resolve(false);
    });
  });
}

function text({ config: { title, text: words } }) {
  return pressed([made("h1", title), made("p", words)]);
}

/** Agreement from 1 (not at all) to 7 (fully); every question has to be answered. */
async function questions(block) {
  const { title, questions: asked } = block.config;
  const form = made("form");
  for (const { id, text: words } of asked) {
    const field = made("fieldset");
    field.append(made("legend", words));
    for (let value = 1; value <= 7; value += 1) {
      const input = Object.assign(made("input"), { type: "radio", name: id, value, required: true });
      const label = made("label");
      label.append(input, ` ${value}`);
      field.append(label);
    }
    form.append(field);
  }
  form.append(made("button", "Continue"));
  screen.replaceChildren(made("h1", title), made("p", "1: not at all, 7: fully"), form);
  const answers = await new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      resolve(new FormData(form));
    };
  });
  for (const { id } of asked) block.record("answers", { question: id, answer: Number(answers.get(id)) });
}

async function pressed(elements) {
  const button = made("button", "Continue");
  screen.replaceChildren(...elements, button);
  await new Promise((resolve) => {
    button.onclick = resolve;
  });
}

function made(name, words = "") {
  return Object.assign(document.createElement(name), { textContent: words });
}
