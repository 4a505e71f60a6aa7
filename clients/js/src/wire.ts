// Made from experiment_server/wire by web/generate_types.py: `make protocol` renews it.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };

/** The number of a participant's blocks, under both keys that existing programs read. */
export interface BlocksCount {
  participant_index: number;
  config_length: number;
  configs_length: number;
}

/** One finding in a study file. */
export interface DiagnosticInfo {
  code: string;
  severity: "error" | "info" | "warning";
  message: string;
  hint: string | null;
  /** Counted from 1, the end exclusive; null for no position in the file. */
  line: number | null;
  /** Counted from 1, the end exclusive; null for no position in the file. */
  column: number | null;
  /** Counted from 1, the end exclusive; null for no position in the file. */
  end_line: number | null;
  /** Counted from 1, the end exclusive; null for no position in the file. */
  end_column: number | null;
  /** The path of the table with the finding; null for the study file. */
  file: string | null;
}

/** An error in the form that sockets receive. */
export interface ErrorInfo {
  /** The kind of the error; a released code never changes. */
  code: string;
  /** What is wrong, where, and what to do. */
  message: string;
  /** The participant's actual position. */
  snapshot?: ParticipantSnapshot;
  /** The problems of a study. */
  diagnostics?: DiagnosticInfo[];
  /** The record of a batch that was refused. */
  record_id?: string;
  /** Where the next piece of a file has to begin. */
  offset?: number;
}

/** A value of a config that was changed for one participant. */
export interface OverriddenValue {
  /** The keys that lead to the value. */
  path: string[];
  /** The new value; null if it was removed. */
  value: Json;
  /** The study file's value; null if there is none. */
  file: Json;
}

/** The state of a participant, with the current block's config. */
export interface ParticipantSnapshot {
  participant_index: number;
  /** Whether the participant is in a block. */
  active: boolean;
  /** -1 before the first block, `blocks_count` after the last. */
  block_id: number;
  /** "START" before the first block, "END" after the last. */
  block_name: string;
  blocks_count: number;
  /** The number of the participant's changes; lower is older. */
  revision: number;
  /** The number of the participant's apps that are connected. */
  connected: number;
  /** ISO 8601 in UTC; null outside a block. */
  block_started_at: string | null;
  updated_at: string;
  /** The digest of the participant's study version. */
  study: string;
  /** The number of blocks whose config was changed only for them. */
  overridden: number;
  /** The row of the design that they follow, for their orders and draws; `participant_index` unless they got another. */
  row: number;
  /** The current block's config; null outside a block. */
  config: Config | null;
  overrides: OverriddenValue[];
}

/** The number of new records in a batch, and the number of those stored before. */
export interface RecordsKept {
  accepted: number;
  known: number;
  /** For apps that estimate the offset of their clock. */
  server_time: string;
}

/** A record as an app sends it: a trial, an answer, a click. */
export interface ResultRecord {
  /** The app makes it when it records: a client's id and a counter. */
  record_id: string;
  /** The recorded values. */
  data: Config;
  /** The block during the recording. */
  block_id: number;
  /** The revision of the app's snapshot at that time. */
  revision: number;
  /** The app's clock, ISO 8601 with a time zone. */
  recorded_at?: string | null;
  /** Milliseconds to add to the app's clock to get the server's. */
  clock_offset_ms?: number | null;
}

/** A new version, for participants' apps. */
export interface StudyChangedForApp {
  digest: string;
  name: string;
}

/** What can be asked over a socket: parameters, and what is answered. */
export interface Operations {
  /** The number of the participant's blocks */
  "blocks-count": [{ participant_index?: number }, number];
  /** The current block's id: -1 before the first block */
  "block-id": [{ participant_index?: number }, number];
  /** Whether the participant is in a block */
  "active": [{ participant_index?: number }, boolean];
  /** The current block's config */
  "config": [{ participant_index?: number }, Config | null];
  /** The participant's index and number of blocks */
  "summary-data": [{ participant_index?: number }, BlocksCount];
  /** The configs of all blocks, in the participant's order */
  "all-configs": [{ participant_index?: number }, Config[]];
  /** The current block as one line of text */
  "status-string": [{ participant_index?: number }, string];
  /** The participant snapshot */
  "state": [{ participant_index?: number }, ParticipantSnapshot];
  /** Move a block on; END follows the last block */
  "move-to-next": [{ participant_index?: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Move a block back */
  "move-to-previous": [{ participant_index?: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Move to a block by its id */
  "move-to-block": [{ participant_index?: number; block_id: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Keep records of results, each once */
  "record": [{ participant_index?: number; table?: string; records: ResultRecord[]; unsent?: number; request_id?: string }, RecordsKept];
}

/** What is pushed. */
export interface ServerEvents {
  "state": (payload: ParticipantSnapshot) => void;
  "block-changed": (payload: ParticipantSnapshot) => void;
  "config-changed": (payload: ParticipantSnapshot) => void;
  "study-changed": (payload: StudyChangedForApp) => void;
  "problem": (payload: ErrorInfo) => void;
  "server-shutdown": () => void;
}
