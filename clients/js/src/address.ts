// Whom an app takes part as, and where: told apart from what was mistyped before anything is sent.

import { StudyError } from "./errors.js";

const EXAMPLE = "http://192.168.1.5:5000";

/** The server's address without a slash at its end; throws `address-invalid` for what leads nowhere. */
export function serverAddress(given: string): string {
  const text = given.trim();
  const url = parsed(text);
  // "localhost:5000" parses too, as an address with the scheme "localhost".
  if (!url || !/^https?:\/\//i.test(text)) throw refused(text, meant(text));
  if (url.pathname !== "/" || url.search || url.hash || url.username || url.password) {
    throw refused(text, url.origin);
  }
  return url.origin;
}

/**
 * A participant's index; undefined where none was named, as in a page's address without one. Throws
 * `participant-invalid` for anything but a whole number from 1.
 */
export function participantIndex(given: number | string | null | undefined): number | undefined {
  if (given === undefined || given === null) return undefined;
  const index = typeof given === "string" && !/^\d+$/.test(given) ? NaN : Number(given);
  if (Number.isSafeInteger(index) && index >= 1) return index;
  const shown = typeof given === "string" ? JSON.stringify(given) : String(given);
  throw new StudyError("participant-invalid", `a participant is a whole number, 1 or more, and not ${shown}`);
}

function refused(given: string, meant: string): StudyError {
  const message = `the server's address is like ${meant}, without anything before or after it, and not "${given}"`;
  return new StudyError("address-invalid", message);
}

/** What somebody may have had in mind who wrote no scheme, or one that is not for pages. */
function meant(given: string): string {
  return parsed(`http://${given.replace(/^\w+:\/\//, "")}`)?.origin ?? EXAMPLE;
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
