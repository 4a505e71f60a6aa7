// What a participant has done of the block that they are in, so that the page goes on there after a
// reload. The results themselves are records (`block.record`), which the client stores and sends.

const PREFIX = "pointing-task/";

/** The id of the run that a block belongs to; the same after a reload, another one if it is started again. */
export function runId({ block_id, block_started_at, config }) {
  return [block_id, block_started_at, JSON.stringify(config)].join("/");
}

/** The run of a block: the stored one, or a new one. */
export function runOf(block) {
  const id = runId(block);
  const stored = attempt(() => JSON.parse(localStorage.getItem(keyOf(block))));
  const done = stored?.id === id ? stored.done : { movements: [], answers: {}, complete: false };
  return { block, config: block.config, ...done };
}

/** Store a changed run; it replaces the participant's last one. */
export function save({ block, movements, answers, complete }) {
  const run = { id: runId(block), done: { movements, answers, complete } };
  attempt(() => localStorage.setItem(keyOf(block), JSON.stringify(run)));
}

function keyOf({ participant_index: participant }) {
  return PREFIX + participant;
}

/** Storage can be full, or switched off in a private window: after a reload the part begins anew then. */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}
