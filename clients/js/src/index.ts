// The official client of experiment-server for JavaScript: see README.md and ../README.md.

export type { Block } from "./block.js";
export { connect, type Options } from "./connect.js";
export { StudyError } from "./errors.js";
export type { Config, Json, Snapshot } from "./protocol.js";
export { type Connection, type Events, Study } from "./study.js";
