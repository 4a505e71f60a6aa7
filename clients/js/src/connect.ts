import { participantIndex, serverAddress } from "./address.js";
import { StudyError } from "./errors.js";
import { Rest } from "./rest.js";
import { indexedDbStorage } from "./indexeddb.js";
import { NoStorage, type RecordStorage } from "./storage.js";
import { Study } from "./study.js";

export interface Options {
  /** Where the server is; left out in a browser, where the page came from. */
  url?: string;
  /**
   * Whom the app takes part as, also as the text that a page's address has; left out or null, what
   * the token says, or the default participant.
   */
  participant?: number | string | null;
  /** What lets the app in, where the server asks for it. */
  token?: string | null;
  /** Of `socket.io-msgpack-parser`, to speak MessagePack instead of JSON. */
  parser?: unknown;
  /**
   * Where records wait on the device until the server has them; left out, a browser's IndexedDB. Node
   * has none: see `fileStorage` in `experiment-server-client/node`.
   */
  storage?: RecordStorage;
}

/**
 * Takes part in a study.
 *
 * Resolves when the participant's state is known, over a socket or, where there is no way for one,
 * over REST. Rejects with a StudyError when the server refuses (`token-invalid`, `token-missing`,
 * `not-allowed`, `participant-unknown`, `expansion-failed`), and before it is asked for an address or a
 * participant that is none (`address-invalid`, `participant-invalid`). A server that does not answer is
 * waited for.
 */
export async function connect(options: Options = {}): Promise<Study> {
  const given = options.url ?? globalThis.location?.origin;
  if (given === undefined) {
    throw new StudyError("address-invalid", 'say where the server is: connect({ url: "http://192.168.1.5:5000" })');
  }
  const url = serverAddress(given);
  const participant = participantIndex(options.participant);
  const token = options.token ?? undefined;
  const auth = {
    ...(participant === undefined ? {} : { participant }),
    ...(token === undefined ? {} : { token }),
  };
  const storage = options.storage ?? ownStorage();
  const study = new Study(url, auth, new Rest(url, participant, token), options.parser, storage);
  try {
    await study.ready;
  } catch (error) {
    study.close();
    throw error;
  }
  return study;
}

function ownStorage(): RecordStorage {
  if (typeof indexedDB !== "undefined") return indexedDbStorage;
  return new NoStorage("there is no IndexedDB; in Node, give connect a storage: see experiment-server-client/node");
}
