// Records the trials of jsPsych 8; it imports nothing of it.

import type { Block } from "./block.js";
import { TRIALS } from "./record.js";

/** HTML with an image inside it can be larger than a record. */
const STIMULUS_MAX_CHARACTERS = 1000;

/**
 * A function for `initJsPsych({ on_data_update: recordTrials(block) })`: it records each trial when it
 * ends, with all that jsPsych has of it, in the table "trials" or another one. A block records in
 * itself, wherever the participant is by then; a study, in the last block that the app got or read. A
 * longer stimulus is cut after 1,000 characters. A trial that cannot be a record is reported as an
 * error of the page, and jsPsych goes on.
 */
export function recordTrials(
  block: Pick<Block, "record">,
  { table = TRIALS }: { table?: string } = {},
): (trial: object) => void {
  return (trial) => {
    try {
      block.record(table, withShortStimulus(trial));
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

function withShortStimulus(trial: { stimulus?: unknown }): object {
  const { stimulus } = trial;
  if (typeof stimulus !== "string" || stimulus.length <= STIMULUS_MAX_CHARACTERS) return trial;
  return { ...trial, stimulus: `${stimulus.slice(0, STIMULUS_MAX_CHARACTERS)}\u2026` };
}
