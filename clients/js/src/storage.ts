// Where records wait on the device until the server has them.

import type { ResultRecord } from "./protocol.js";

/** A record that waits, and its table. */
export interface WaitingRecord {
  table: string;
  record: ResultRecord;
}

/** A record that the server can never accept, and why. It is kept on the device, and not sent again. */
export interface RefusedRecord extends WaitingRecord {
  code: string;
  message: string;
}

/** Whether records are written to the device; if not, they are lost when the app ends before they are sent. */
export interface StorageState {
  durable: boolean;
  message: string;
}

/** What keeps the records of many servers and participants: see `fileStorage` in `./node`. */
export interface RecordStorage {
  /** Open the records of one server and participant. */
  open(scope: string): Promise<RecordStore>;
}

/** The records of one server and participant. Its functions are called one after the other. */
export interface RecordStore {
  /**
   * All that wait, of this app and others (an earlier start of it, another tab), in the order in which
   * they were added.
   */
  load(): Promise<WaitingRecord[]>;
  /** Resolves when they are durable; rejects if the device has no room, for example. */
  add(records: WaitingRecord[]): Promise<void>;
  remove(record_ids: string[]): Promise<void>;
  /** Keep a record aside. It is removed from those that wait later. */
  setAside(refused: RefusedRecord): Promise<void>;
  close?(): void;
}

/** What is wrong with records that are in memory only. */
export class NoStorage implements RecordStorage {
  constructor(private readonly reason: string) {}

  open(): Promise<RecordStore> {
    return Promise.reject(new Error(this.reason));
  }
}
