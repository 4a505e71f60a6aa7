// A record as it is made: its identity, its context, and what cannot be one.

import { StudyError } from "./errors.js";
import type { Config, ResultRecord } from "./protocol.js";

/** The table of records for which the app names none. */
export const TRIALS = "trials";

const TABLE = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Files that every export has. */
const RESERVED = ["codebook", "events", "participants", "timings"];
const RECORD_MAX_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** What was recorded, and where: the block's id, and the revision of the snapshot with which it began. */
export type Recorded = Pick<ResultRecord, "block_id" | "revision"> & { table: string; data: unknown };

/** Throws `record-invalid` for what cannot be the name of a table. */
export function tableName(table: string): string {
  if (RESERVED.includes(table)) {
    throw new StudyError("record-invalid", `the name "${table}" is taken by a file of every export; choose another for the table`);
  }
  if (typeof table === "string" && TABLE.test(table)) return table;
  throw new StudyError(
    "record-invalid",
    `${JSON.stringify(table)} is no name of a table: it has to have up to 64 lower-case letters, digits, dashes and underscores, and begin with a letter or a digit`,
  );
}

/**
 * The data of a record as JSON has them; what the app does to its object later changes nothing. Throws
 * `record-invalid` and `record-too-large`.
 */
export function recordData(data: unknown): Config {
  let text: string | undefined;
  try {
    text = JSON.stringify(data, wellFormed);
  } catch (error) {
    throw new StudyError("record-invalid", `a record has to be an object of JSON values: ${(error as Error).message}`);
  }
  const made: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof made !== "object" || made === null || Array.isArray(made)) {
    throw new StudyError("record-invalid", 'a record is an object, for example { rt: 412, key: "f" }');
  }
  const bytes = bytesOf(text as string);
  if (bytes > RECORD_MAX_BYTES) {
    const most = RECORD_MAX_BYTES.toLocaleString("en");
    throw new StudyError("record-too-large", `the record has ${bytes.toLocaleString("en")} bytes; a record has at most ${most}`);
  }
  return made as Config;
}

/** The length of a text in UTF-8. */
export function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** An id of a run of the queue: two tabs of one participant have two. */
export function runId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Half of a pair of surrogates is no text outside JavaScript, and would be refused. */
function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value;
}
