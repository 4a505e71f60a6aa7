// The official client of experiment-server for JavaScript: see README.md and ../README.md.

export type { Block, Recorder } from "./block.js";
export { connect, type Options } from "./connect.js";
export { StudyError } from "./errors.js";
export type { Connection, Events } from "./events.js";
export type { Config, Json, ResultRecord, Snapshot } from "./protocol.js";
export type { RecordStorage, RecordStore, RefusedRecord, StorageState, WaitingRecord } from "./storage.js";
export { Study } from "./study.js";
