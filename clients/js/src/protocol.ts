// The wire contract, as far as a participant's app speaks it.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };

/** Where a participant is, with everything: what every push and every answer carries. */
export interface Snapshot {
  participant_index: number;
  /** Whether they are in a block. */
  active: boolean;
  /** -1 before the first block, `blocks_count` after the last. */
  block_id: number;
  /** "START" before the first block, "END" after the last. */
  block_name: string;
  blocks_count: number;
  /** The current block's config; null outside a block. */
  config: Config | null;
  /** Counts the changes of this participant; what is lower is older. */
  revision: number;
  connected: number;
  /** ISO 8601 in UTC; null outside a block. */
  block_started_at: string | null;
  updated_at: string;
  study: string;
}

/** A move that is asked for. */
export interface Move {
  action: "move-to-next" | "move-to-previous" | "move-to-block";
  block_id?: number;
  /** Where the participant has to be for it: who asked for it saw them there. */
  from_block?: number;
  /** When that block began: one that was begun anew since is another. */
  from_started_at?: string;
  /** Names this very move, so that it is made once however often it is sent. */
  request_id: string;
}
