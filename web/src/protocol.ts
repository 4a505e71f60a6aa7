// The wire contract, as far as the dashboard speaks it.

/** What is known of a participant everywhere. */
export interface ParticipantSummary {
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
}

/** A participant as lists show them. */
export interface ParticipantRow extends ParticipantSummary {
  /** The participant's own block order. */
  block_names: string[];
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };

/** A value of a config that was changed for one participant. */
export interface Override {
  path: (string | number)[];
  value: Json;
  /** What the study file has there; null where it has nothing. */
  file: Json;
}

/** A value of a block, and where it comes from. */
export interface ExplainedValue {
  /** The keys that lead to it in the config. */
  path: string[];
  value: Json;
  /** Who wrote it: the block, or one that it extends. */
  block: string;
  variable: string | null;
  /** Whether it is the block's level of a factor. */
  factor: boolean;
  /** What drew it. */
  function: string | null;
}

/** One block of a participant: how it came to its place, and its values as the study has them. */
export interface ExplainedBlock {
  block_id: number;
  name: string;
  /** Its groups, from the outermost, with the participant's order in each. */
  reasons: string[];
  values: ExplainedValue[];
}

/** The participant snapshot. */
export interface Snapshot extends ParticipantSummary {
  config: Config | null;
  overrides: Override[];
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

export interface Version {
  version: number;
  digest: string;
  loaded_at: string;
  reason: string;
}

/** The study with its versions. */
export interface StudyDetails extends StudyInfo {
  diagnostics: Diagnostic[];
  on_change: string;
  versions: Version[];
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
  /** Whether the participants' app is served here, at /app/. */
  has_app: boolean;
  /** Where others reach the server: what every link for them begins with. */
  urls: string[];
  /** Whether an app needs a token to take part. */
  guarded: boolean;
  server_time: string;
}

/** Whom a new version concerns. */
export interface Affected {
  /** Participants with other blocks than before. */
  reordered: number[];
  /** Those who were beyond the new last block. */
  ended: number[];
  /** Those who keep the version they have. */
  kept: number[];
}

/** With whom a new version concerns, where there is one. */
export interface StudyChanged extends StudyInfo, Partial<Affected> {
  diagnostics: Diagnostic[];
}

/** What is in a text that was not saved. */
export interface Verified {
  ok: boolean;
  digest: string;
  diagnostics: Diagnostic[];
  orders: string[][];
  affected: Affected | null;
}

/** What has an order: a group of an order tree, or a factor; then nothing deals it (`strategy` null). */
export interface Ordered {
  name: string;
  strategy: string | null;
  items: string[];
  /** How often an item (row) is at a position (column). */
  positions: number[][];
  /** How often an item (row) is followed by another (column). */
  carry_over: number[][];
  balanced: Record<string, boolean>;
}

/** The design report, for participants 1 to `participants`. */
export interface Design {
  participants: number;
  conditions: string[];
  /** How many participants have a condition (row) at a position (column). */
  positions: number[][];
  /** How often a condition (row) is followed by another (column). */
  carry_over: number[][];
  cells: { levels: Config; participants: number }[];
  repeats: number;
  /** The groups of an order tree that a strategy orders; none where the order is no tree. */
  groups: Ordered[];
  factors: Ordered[];
  balanced: Record<string, boolean>;
  /** The nearest numbers of participants that balance more. */
  better: number[];
  sentence: string;
  /** The block names of the first participants. */
  orders: string[][];
}

/** An entry of the event log. */
export interface Entry {
  id: number;
  time: string;
  type: string;
  participant_index: number | null;
  data: Record<string, Json>;
  previous: string;
  hash: string;
}

/** A stay in a block. */
export interface Visit {
  participant_index: number;
  visit: number;
  block_id: number;
  block_name: string;
  started_at: string;
  /** null while it lasts. */
  ended_at: string | null;
  seconds: number | null;
}

export interface Link {
  path: string;
  urls: string[];
  token: string;
  expires_at: string;
}

export interface ServerEvents {
  snapshot: (overview: Overview) => void;
  "participants-changed": (rows: ParticipantRow[]) => void;
  "participants-removed": (indices: number[]) => void;
  "study-changed": (study: StudyChanged) => void;
  event: (entries: Entry[]) => void;
  "server-shutdown": () => void;
}

interface Who {
  participant_index: number;
}

interface Change {
  /** Names this very request, so that a repeat has no second effect. */
  request_id?: string;
  reason?: string;
}

interface Move extends Who, Change {
  /** Where the participant has to be for it. */
  from_block?: number;
}

/** What can be asked: parameters, and what is answered. */
export interface Operations {
  state: [Who, Snapshot];
  "all-configs": [Who, Config[]];
  explain: [Who, ExplainedBlock[]];
  "move-to-next": [Move, Snapshot];
  "move-to-previous": [Move, Snapshot];
  "move-to-block": [Move & { block_id: number }, Snapshot];
  "move-all-to-block": [Change & { block_id: number }, number];
  undo: [Who & Change, Snapshot];
  "update-config": [Move & { patch: Config }, Snapshot];
  "reset-participant": [Who & Change, Snapshot];
  "participant-link": [Who, Link];
  shutdown: [Record<string, never>, null];
  "new-participant": [Change, number];
  "add-participant": [Who & Change, boolean];
  study: [Record<string, never>, StudyDetails];
  "study-text": [Record<string, never>, string];
  "study-version": [{ version: number }, string];
  "save-study": [Change & { text: string; made_from: string }, StudyDetails];
  verify: [{ text: string; participants?: number }, Verified];
  schema: [Record<string, never>, Config];
  design: [{ participants?: number }, Design];
  events: [{ after?: number; before?: number; participant?: number; limit?: number }, Entry[]];
  timings: [{ participant?: number }, Visit[]];
}

export type Name = keyof Operations;
export type Parameters<N extends Name> = Operations[N][0];
export type Answer<N extends Name> = Operations[N][1];

export interface Refusal {
  ok: false;
  error: { code: string; message: string; snapshot?: Snapshot; diagnostics?: Diagnostic[] };
}

export type Acknowledgement<Data = unknown> = { ok: true; data: Data } | Refusal;
