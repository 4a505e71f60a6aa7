import { Rest } from "./rest.js";
import { Study } from "./study.js";

export interface Options {
  /** Where the server is; left out in a browser, where the page came from. */
  url?: string;
  /** Whom the app takes part as; left out, what the token says, or the default participant. */
  participant?: number;
  /** What lets the app in, where the server asks for it. */
  token?: string;
  /** Of `socket.io-msgpack-parser`, to speak MessagePack instead of JSON. */
  parser?: unknown;
}

/**
 * Takes part in a study.
 *
 * Resolves when the participant's state is known, over a socket or, where there is no way for one,
 * over REST. Rejects with a StudyError when the server refuses: `token-invalid`, `token-missing`,
 * `not-allowed`, `participant-unknown`. A server that does not answer is waited for.
 */
export async function connect(options: Options = {}): Promise<Study> {
  const url = options.url ?? globalThis.location?.origin;
  if (!url) throw new TypeError("say where the server is: connect({ url: ... })");
  const rest = new Rest(url, options.participant, options.token);
  const study = new Study(url, options, rest);
  try {
    await study.ready;
  } catch (error) {
    study.close();
    throw error;
  }
  return study;
}
