// The wire contract, as far as the dashboard speaks it.

/** A participant as lists show them: the participant snapshot without its config. */
export interface ParticipantRow {
  participant_index: number;
  active: boolean;
  /** -1 before the first block, `blocks_count` after the last. */
  block_id: number;
  block_name: string;
  blocks_count: number;
  revision: number;
  /** How many of the participant's apps are connected. */
  connected: number;
  /** ISO 8601 in UTC; null outside a block. */
  block_started_at: string | null;
  updated_at: string;
  /** The digest of the study that they are in. */
  study: string;
  /** How many of their blocks have a config that was changed for them alone. */
  overridden: number;
  /** The participant's own block order. */
  block_names: string[];
}

export interface Diagnostic {
  code: string;
  severity: "error" | "warning" | "info";
  message: string;
  hint: string | null;
  /** Counted from 1; null where the finding is about no place in the file. The end is exclusive. */
  line: number | null;
  column: number | null;
  end_line: number | null;
  end_column: number | null;
}

export interface StudyInfo {
  name: string;
  digest: string;
  /** Counts the versions that were served, from 1. */
  version: number;
}

/** All that a dashboard begins with: in the page, and at each connection. */
export interface Overview {
  study: StudyInfo;
  diagnostics: Diagnostic[];
  participants: ParticipantRow[];
  default_participant: number;
  database: string;
  /** Which run of the study this is. */
  session: string;
  server_time: string;
}

/** With whom a new version concerns, where there is one. */
export interface StudyChanged extends StudyInfo {
  diagnostics: Diagnostic[];
  /** Participants with other blocks than before. */
  reordered?: number[];
  /** Those who were beyond the new last block. */
  ended?: number[];
  /** Those who keep the version they have. */
  kept?: number[];
}

export interface ServerEvents {
  snapshot: (overview: Overview) => void;
  "participants-changed": (rows: ParticipantRow[]) => void;
  "participants-removed": (indices: number[]) => void;
  "study-changed": (study: StudyChanged) => void;
  "server-shutdown": () => void;
}

/** What can be asked, and with which parameters. */
export interface Operations {
  "move-to-next": { participant_index: number };
  "move-to-previous": { participant_index: number };
  "move-to-block": { participant_index: number; block_id: number };
  "move-all-to-block": { block_id: number };
  "new-participant": Record<string, never>;
  "add-participant": { participant_index: number };
}

export type Acknowledgement<Data = unknown> =
  | { ok: true; data: Data }
  | { ok: false; error: { code: string; message: string } };
