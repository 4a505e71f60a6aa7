// The records that wait in a browser: in IndexedDB, which all tabs of the app share.

import type { RecordStorage, RecordStore, RefusedRecord, WaitingRecord } from "./storage.js";

const DATABASE = "experiment-server";
const WAITING = "waiting";
const REFUSED = "refused";

export const indexedDbStorage: RecordStorage = {
  async open(scope) {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => {
      // Its keys count up: they are the order in which records were added.
      const waiting = opening.result.createObjectStore(WAITING, { autoIncrement: true });
      waiting.createIndex("scope", "scope");
      waiting.createIndex("record", ["scope", "record.record_id"]);
      opening.result.createObjectStore(REFUSED, { autoIncrement: true });
    };
    const database = await result(opening);
    // Another version of this client may need to change it.
    database.onversionchange = () => database.close();
    keep();
    return new IndexedDbStore(database, scope);
  },
};

class IndexedDbStore implements RecordStore {
  constructor(
    private readonly database: IDBDatabase,
    private readonly scope: string,
  ) {}

  async load(): Promise<WaitingRecord[]> {
    const waiting = this.database.transaction(WAITING).objectStore(WAITING);
    const found: WaitingRecord[] = await result(waiting.index("scope").getAll(this.scope));
    return found.map(({ table, record }) => ({ table, record }));
  }

  add(records: WaitingRecord[]): Promise<void> {
    return this.#write(WAITING, (waiting) => {
      for (const record of records) waiting.add({ ...record, scope: this.scope });
    });
  }

  remove(record_ids: string[]): Promise<void> {
    return this.#write(WAITING, (waiting) => {
      const byId = waiting.index("record");
      for (const id of record_ids) {
        // A record that could not be written was tried again, and may be there twice.
        const keys = byId.getAllKeys([this.scope, id]);
        keys.onsuccess = () => {
          for (const key of keys.result) waiting.delete(key);
        };
      }
    });
  }

  setAside(refused: RefusedRecord): Promise<void> {
    return this.#write(REFUSED, (aside) => void aside.add({ ...refused, scope: this.scope }));
  }

  close(): void {
    this.database.close();
  }

  #write(name: string, change: (store: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(name, "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser has no room for it"));
      change(transaction.objectStore(name));
    });
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Ask the browser not to clear the records when the disk is full. Firefox would ask the participant. */
function keep(): void {
  if (!/firefox/i.test(navigator.userAgent)) navigator.storage?.persist?.().catch(() => undefined);
}
