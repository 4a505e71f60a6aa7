// Shows each of a pair their side of a block. There is no button that goes on: the experimenter moves
// both, from the dashboard, when both are ready.

import { connect } from "/client.js";
import { followersMap, guidesMap } from "./map.js";
import { drawn as drawnBefore, forget, kept, remember } from "./results.js";

const screen = document.querySelector("#screen");
const asked = new URLSearchParams(location.search);

let drawing = null;

try {
  const study = await connect({
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

function show(snapshot) {
  const { participant_index: index, block_name, block_id, blocks_count, config } = snapshot;
  // Odd numbers guide, even ones follow; two neighbours are a pair.
  const role = index % 2 === 1 ? "guide" : "follower";
  document.querySelector("#who").textContent = `Pair ${Math.ceil(index / 2)} \u00b7 ${role}`;
  if (drawing && drawing.snapshot.block_started_at !== snapshot.block_started_at) {
    const drawn = drawing;
    kept(drawn).then(() => forget(drawn), (error) => console.error(error));
  }
  drawing = null;
  if (block_id < 0) screen.replaceChildren(paragraph("Please wait. The experimenter begins when you are both here."));
  else if (block_id >= blocks_count) screen.replaceChildren(paragraph("That was all. Thank you!"));
  else screen.replaceChildren(heading(config.title), paragraph(config[role]), ...(config.kind === "map" ? map(snapshot, role) : []));
  document.body.dataset.block = block_name;
  document.body.dataset.role = role;
}

function map(snapshot, role) {
  if (role === "guide") return [guidesMap(snapshot.config)];
  const now = { snapshot, points: drawnBefore(snapshot) };
  drawing = now;
  const { element, undo } = followersMap(snapshot.config, now.points, () => remember(now));
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
