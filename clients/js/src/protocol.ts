// The wire contract, as far as a participant's app speaks it.

import type { Operations } from "./wire.js";

export type { Config, Json, ParticipantSnapshot as Snapshot, RecordsKept, ResultRecord } from "./wire.js";

type Parameters = Operations["move-to-block"][0];

/** A move that is asked for: from where, and by a name, so that it is made once. */
export interface Move extends Pick<Parameters, "from_block" | "from_started_at"> {
  action: "move-to-next" | "move-to-previous" | "move-to-block";
  block_id?: number;
  request_id: string;
}
