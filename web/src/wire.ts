// Made from experiment_server/wire by web/generate_types.py: `make protocol` renews it.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };

/** The participants that a new version affects. */
export interface Affected {
  /** Participants with other blocks than before. */
  reordered: number[];
  /** Participants beyond the new last block. */
  ended: number[];
  /** Participants who keep the version they have. */
  kept: number[];
}

/** The number of records of one participant in one block. */
export interface BlockCount {
  participant_index: number;
  block_id: number;
  records: number;
}

/** The number of a participant's blocks, under both keys that existing programs read. */
export interface BlocksCount {
  participant_index: number;
  config_length: number;
  configs_length: number;
}

/** The number of participants in one cell of the between-subjects factors. */
export interface CellCount {
  levels: Config;
  participants: number;
}

/** The balance of the orders of participants 1 to `participants`. */
export interface DesignReport {
  participants: number;
  conditions: string[];
  /** How many participants have a condition (row) at a position (column). */
  positions: number[][];
  /** How often a condition (row) is followed by another (column). */
  carry_over: number[][];
  cells: CellCount[];
  repeats: number;
  /** The groups of an order tree that a strategy orders. */
  groups: OrderedItems[];
  factors: OrderedItems[];
  balanced: Record<string, boolean>;
  /** The nearest numbers of participants that balance more. */
  better: number[];
  sentence: string;
  /** The block names of the first participants. */
  orders: string[][];
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

/** One block of a participant: the reasons for its position, and its values. */
export interface ExplainedBlock {
  block_id: number;
  name: string;
  /** Its groups, from the outermost, with the participant's order in each. */
  reasons: string[];
  values: ExplainedValue[];
}

/** One value of a block, and its origin; the result of a function is one value. */
export interface ExplainedValue {
  /** The keys that lead to the value in the config. */
  path: string[];
  value: Json;
  /** The block that has it: this one, or one that it extends. */
  block: string;
  /** The variable that gives the value. */
  variable: string | null;
  /** Whether it is the block's level of a factor. */
  factor: boolean;
  /** The function that drew it. */
  function: string | null;
}

/** A stored file. `participant_index` is null for a file that belongs to no participant. */
export interface FileInfo {
  participant_index: number | null;
  name: string;
  bytes: number;
  sha256: string;
  received_at: string;
}

/** An entry of the event log. */
export interface LogEntry {
  id: number;
  time: string;
  type: string;
  participant_index: number | null;
  data: Config;
  /** The hash of the previous entry. */
  previous: string;
  /** SHA-256 of this entry and the previous hash. */
  hash: string;
}

/** A group of an order tree, or a factor, whose `strategy` is null. */
export interface OrderedItems {
  name: string;
  strategy: string | null;
  items: string[];
  /** How often an item (row) is at a position (column). */
  positions: number[][];
  /** How often an item (row) is followed by another (column). */
  carry_over: number[][];
  balanced: Record<string, boolean>;
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

/** The initial data of a dashboard, in its page and at each connection. */
export interface Overview {
  study: ServedStudy;
  diagnostics: DiagnosticInfo[];
  participants: ParticipantRow[];
  /** Of participants who have records, or whose apps have unsent ones. */
  results: ParticipantResults[];
  default_participant: number;
  database: string;
  /** The name of the session. */
  session: string;
  /** Whether a participants' app is served at /app/. */
  has_app: boolean;
  /** Whether a participant's app needs a token. */
  guarded: boolean;
  /** The addresses at which other devices reach the server. */
  urls: string[];
  server_time: string;
}

/** A login link for a participant's app. */
export interface ParticipantLink {
  /** The part after the server's address. */
  path: string;
  /** The whole link, once for each address. */
  urls: string[];
  token: string;
  expires_at: string;
}

/** The number of a participant's records in all tables, and of those that are still to come. */
export interface ParticipantResults {
  participant_index: number;
  records: number;
  /** Records that wait on the device, by the app's latest report. */
  unsent: number;
  /** The time since when all reports say that records wait; null if none do. */
  unsent_since: string | null;
}

/** A participant in a list. */
export interface ParticipantRow {
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
  /** The participant's own block order. */
  block_names: string[];
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

/** A table of results and the number of its records. */
export interface ResultTable {
  table: string;
  records: number;
  blocks: BlockCount[];
}

/** The new numbers of records, where they have changed. */
export interface ResultsChanged {
  participants: ParticipantResults[];
  blocks: TableBlockCount[];
}

/** The version of the study that the server serves. */
export interface ServedStudy {
  name: string;
  digest: string;
  /** The number of this version, from 1. */
  version: number;
}

/** A record with the context of its recording, according to the log. `block_name`, `visit` and `study_version` are null if the log contains no such stay. */
export interface StoredRecord {
  /** The number of the participant, from 1. */
  participant_index: number;
  /** The session of the study, for example pilot. */
  session: string;
  /** The row of the design that the participant follows. */
  row: number;
  /** The block's position in the participant's order, from 0. */
  block_id: number;
  /** The block during the recording. */
  block_name: string | null;
  /** Counts the participant's stays in blocks, from 1. */
  visit: number | null;
  /** The version of the study that the participant had. */
  study_version: number | null;
  /** The block's level of each factor. */
  factors: Config;
  data: Config;
  /** The app's id of the record. */
  record_id: string;
  /** By the app's clock, in UTC. */
  recorded_at: string | null;
  /** Milliseconds to add to the app's clock to get the server's. */
  clock_offset_ms: number | null;
  /** By the server's clock, in UTC. */
  received_at: string;
}

/** The server loaded or refused a study file. A new version has the affected participants. */
export interface StudyChanged {
  name: string;
  digest: string;
  /** The number of this version, from 1. */
  version: number;
  diagnostics: DiagnosticInfo[];
  reordered?: number[];
  ended?: number[];
  kept?: number[];
}

/** The study with its diagnostics and versions. */
export interface StudyInfo {
  name: string;
  digest: string;
  /** The number of this version, from 1. */
  version: number;
  diagnostics: DiagnosticInfo[];
  on_change: string;
  versions: VersionInfo[];
}

/** All texts of a study. */
export interface StudyTexts {
  /** The study file. */
  text: string;
  /** The digest of the study with its tables. */
  digest: string;
  tables: TableText[];
}

/** The number of records of one participant in one block and table. */
export interface TableBlockCount {
  participant_index: number;
  block_id: number;
  records: number;
  table: string;
}

/** The file of a table. */
export interface TableText {
  /** The path from the study's folder. */
  path: string;
  /** null if it cannot be read. */
  text: string | null;
}

/** The result of the check of an unsaved study text. */
export interface Verified {
  ok: boolean;
  digest: string;
  diagnostics: DiagnosticInfo[];
  orders: string[][];
  affected: Affected | null;
}

/** A version of the study that the server served. */
export interface VersionInfo {
  version: number;
  digest: string;
  loaded_at: string;
  reason: string;
}

/** A stay of a participant in a block. The last four members are null during the stay. */
export interface Visit {
  /** The number of the participant, from 1. */
  participant_index: number;
  /** Counts the participant's stays, from 1. */
  visit: number;
  /** The block's position in the participant's order, from 0. */
  block_id: number;
  /** The block that the participant was in. */
  block_name: string;
  /** The version of the study that the participant had. */
  study_version: number | null;
  /** When the stay began, in UTC. */
  started_at: string;
  /** When the stay ended, in UTC. */
  ended_at: string | null;
  /** The time in the block by the server's clock, to the millisecond. */
  seconds: number | null;
  /** The name of the next block. */
  left_to: string | null;
  /** Who ended it: participant, dashboard, rest, cli or server. */
  moved_by: string | null;
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
  /** The origin of the blocks and their values */
  "explain": [{ participant_index?: number }, ExplainedBlock[]];
  /** The rows of all participants */
  "participants": [Record<string, never>, ParticipantRow[]];
  /** Move a block on; END follows the last block */
  "move-to-next": [{ participant_index?: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Move a block back */
  "move-to-previous": [{ participant_index?: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Move to a block by its id */
  "move-to-block": [{ participant_index?: number; block_id: number; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Move all active participants to a block */
  "move-all-to-block": [{ block_id: number; reason?: string; request_id?: string }, number];
  /** Undo the participant's last move */
  "undo": [{ participant_index?: number; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Change the current block's config, for this participant only */
  "update-config": [{ participant_index?: number; patch: Config; from_block?: number; from_started_at?: string; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** Remove all changes of the participant's configs */
  "reset-participant": [{ participant_index?: number; reason?: string; request_id?: string }, ParticipantSnapshot];
  /** A link that logs a participant's app in, until it expires */
  "participant-link": [{ participant_index?: number }, ParticipantLink];
  /** Add a participant after the largest index */
  "new-participant": [{ request_id?: string }, number];
  /** Add a participant by index */
  "add-participant": [{ participant_index: number; row?: number; request_id?: string }, boolean];
  /** The event log, ascending */
  "events": [{ after?: number; before?: number; participant?: number; limit?: number }, LogEntry[]];
  /** The time that participants spent in their blocks */
  "timings": [{ participant?: number }, Visit[]];
  /** Stop the server */
  "shutdown": [{ request_id?: string }, null];
  /** The study's name, diagnostics and versions */
  "study": [Record<string, never>, StudyInfo];
  /** The study file on disk */
  "study-text": [Record<string, never>, string];
  /** The study file and its tables, as they are on disk or were in a version */
  "study-source": [{ version?: number }, StudyTexts];
  /** Write the study file, and serve it */
  "save-study": [{ text: string; made_from?: string; tables?: Config; reason?: string; request_id?: string }, StudyInfo];
  /** The text of a study version */
  "study-version": [{ version: number }, string];
  /** The JSON Schema of a study file, for editors */
  "schema": [Record<string, never>, Config];
  /** Check a study, and report whom serving it would affect */
  "verify": [{ text: string; participants?: number; tables?: Config; request_id?: string }, Verified];
  /** The design report of the served study */
  "design": [{ participants?: number }, DesignReport];
  /** Keep records of results, each once */
  "record": [{ participant_index?: number; table?: string; records: ResultRecord[]; unsent?: number; request_id?: string }, RecordsKept];
  /** The tables of results, and how many records they have */
  "result-tables": [Record<string, never>, ResultTable[]];
  /** The records of a table of results */
  "results": [{ table: string; participant?: number; latest?: number; formula_safe?: boolean }, StoredRecord[]];
  /** The files that apps have sent */
  "files": [{ participant?: number }, FileInfo[]];
}

/** What is pushed. */
export interface ServerEvents {
  "snapshot": (payload: Overview) => void;
  "participants-changed": (payload: ParticipantRow[]) => void;
  "participants-removed": (payload: number[]) => void;
  "results-changed": (payload: ResultsChanged) => void;
  "study-changed": (payload: StudyChanged) => void;
  "event": (payload: LogEntry[]) => void;
  "server-shutdown": () => void;
}
