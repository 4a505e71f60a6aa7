// Shows each of a pair their side of a block. There is no button that goes on: the experimenter moves
// both, from the dashboard, when both are ready.

import { connect } from "/client.js";
import { changed, drawnBefore } from "./drawing.js";
import { followersMap, guidesMap } from "./map.js";

const screen = document.querySelector("#screen");
const asked = new URLSearchParams(location.search);

let study = null;

try {
  study = await connect({
    participant: asked.get("participant"),
    token: asked.get("token"),
  });
  study.on("block", show);
  study.on("config", show);
  study.on("connection", connected);
  connected(study.connection);
} catch (error) {
  screen.replaceChildren(paragraph(`You cannot take part like this: ${error.message}`));
}

function show(block) {
  const { participant_index: index, block_name, block_id, blocks_count, config } = block;
  // Odd numbers guide, even ones follow; two neighbours are a pair.
  const role = index % 2 === 1 ? "guide" : "follower";
  document.querySelector("#who").textContent = `Pair ${Math.ceil(index / 2)} \u00b7 ${role}`;
  if (block_id < 0) screen.replaceChildren(paragraph("Please wait. The experimenter begins when you are both here."));
  else if (block_id >= blocks_count) end();
  else screen.replaceChildren(heading(config.title), paragraph(config[role]), ...(config.kind === "map" ? map(block, role) : []));
  document.body.dataset.block = block_name;
  document.body.dataset.role = role;
}

async function end() {
  if (study.unsent > 0) {
    screen.replaceChildren(paragraph("What you drew is being sent. Please leave this page open."));
    await study.flush();
    // Meanwhile the experimenter may have moved the pair back.
    if (study.snapshot.block_id < study.snapshot.blocks_count) return;
  }
  screen.replaceChildren(paragraph("That was all. Thank you!"));
}

function map(block, role) {
  if (role === "guide") return [guidesMap(block.config)];
  const points = drawnBefore(block);
  const { element, undo } = followersMap(block.config, points, (added) => changed(block, points, added));
  const button = Object.assign(document.createElement("button"), { textContent: "Take back the last point" });
  button.onclick = undo;
  return [element, button];
}

function connected(connection) {
  document.querySelector("#connection").textContent = connection === "none" ? "The connection is lost; it comes back by itself." : "";
}

function heading(words) {
  return Object.assign(document.createElement("h1"), { textContent: words });
}

function paragraph(words) {
  return Object.assign(document.createElement("p"), { textContent: words });
}
