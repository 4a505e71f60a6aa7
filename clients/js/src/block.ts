// What an app is given of where its participant is: a snapshot, and how it goes on from there.

import type { Move, ResultRecord, Snapshot } from "./protocol.js";

/** An app's own function to record: the data, or the name of a table and the data. */
export interface Recorder {
  (data: object): ResultRecord;
  (table: string, data: object): ResultRecord;
}

/** Where the participant is, as the app is told of it, and the moves that leave this very place. */
export interface Block extends Snapshot {
  /**
   * Record a trial, an answer, a click of this block, in the table "trials" or another one. Returns at
   * once; the record is on the device, and sent in the background. Throws a StudyError for what cannot
   * be a record (`record-invalid`, `record-too-large`).
   */
  readonly record: Recorder;
  /**
   * One block on from this one. Rejects with `participant-elsewhere` if the participant is not in it
   * any more, or if it was begun anew: what was shown meanwhile is neither ended nor skipped.
   */
  next(): Promise<Block>;
  /** The app is done with this block: its records are waited for, three seconds at most, then the next one comes. */
  finish(): Promise<Block>;
}

/** Make a block of a snapshot; its functions are no data, so that it is written and compared as before. */
export function blockOf(snapshot: Snapshot, functions: Pick<Block, "record" | "next" | "finish">): Block {
  const hidden = Object.entries(functions).map(([name, value]) => [name, { value }]);
  return Object.defineProperties({ ...snapshot }, Object.fromEntries(hidden)) as Block;
}

/** Whether two snapshots are of the same go of the same block. */
export function isSameBlock(one: Snapshot, other: Snapshot): boolean {
  return (
    one.block_id === other.block_id &&
    one.block_name === other.block_name &&
    one.block_started_at === other.block_started_at
  );
}

/** What a move has to say so that it is made from this block only. */
export function leaving({ block_id, block_started_at }: Snapshot): Pick<Move, "from_block" | "from_started_at"> {
  return { from_block: block_id, ...(block_started_at === null ? {} : { from_started_at: block_started_at }) };
}
