// Where in a TOML text a cursor stands: in which table, list and key, also while it is being written.

/** A list or an inline table that is open around a place, and the keys that it is the value of. */
export interface Open {
  keys: string[];
  list: boolean;
}

export interface Place {
  /** The table whose header stands above. */
  table: string[];
  /** What is open around the place, from the outermost. */
  open: Open[];
  /** The key whose value is being written, a dotted one in its parts; null where a key is expected. */
  keys: string[] | null;
  /** What stands in the quotes that are open; null outside of any. */
  quoted: string | null;
}

const HEADER = /\[{1,2}[ \t]*([^\]\n]*?)[ \t]*\]{1,2}/y;
const HEADER_LINE = /\[{1,2}[A-Za-z_][\w.-]*\]{1,2}[ \t]*(#.*)?$/my;
const QUOTE = /"""|'''|"|'/y;

/** The place at the end of a text; null in a comment, and in a header that is being written. */
export function placeAt(text: string): Place | null {
  const open: Open[] = [];
  let table: string[] = [];
  let keys: string[] | null = null;
  let word = "";
  let at = 0;
  while (at < text.length) {
    const character = text[at] ?? "";
    const quote = match(QUOTE, text, at)?.[0];
    if (quote) {
      const end = closing(text, at + quote.length, quote);
      if (end < 0) return { table, open, keys, quoted: text.slice(at + quote.length) };
      word += text.slice(at + quote.length, end);
      at = end + quote.length;
      continue;
    }
    if (character === "#") {
      const end = text.indexOf("\n", at);
      if (end < 0) return null;
      at = end;
      continue;
    }
    // A header begins anew, whatever the lines above have left open.
    if (character === "[" && text[at - 1] === "\n" && match(HEADER_LINE, text, at)) {
      open.length = 0;
      keys = null;
    }
    if (character === "[" && keys === null && !open.length) {
      const header = match(HEADER, text, at);
      if (!header) return null;
      table = parts(header[1] ?? "");
      at += header[0].length;
      continue;
    }
    if (character === "[" || character === "{") {
      open.push({ keys: keys ?? [], list: character === "[" });
      keys = null;
      word = "";
    } else if (character === "]" || character === "}") {
      const closed = open.pop();
      keys = closed?.keys.length ? closed.keys : null;
    } else if (character === "=") {
      keys = parts(word);
      word = "";
    } else if (character === "," || (character === "\n" && !open.length)) {
      if (!open.at(-1)?.list) keys = null;
      word = "";
    } else {
      word += character;
    }
    at += 1;
  }
  return { table, open, keys, quoted: null };
}

/** Whether a key is expected at a place, not a value. */
export function wantsKey({ open, keys }: Place): boolean {
  return keys === null && !open.at(-1)?.list;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Where a quoted text ends; -1 where it is still open. One that lacks its quote ends with its line. */
function closing(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at += 1) {
    if (text.startsWith(quote, at)) return at;
    if (quote.length === 1 && text[at] === "\n") return at - 1;
    if (quote.startsWith('"') && text[at] === "\\") at += 1;
  }
  return -1;
}

function parts(dotted: string): string[] {
  return dotted
    .split(".")
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, "$2"))
    .filter(Boolean);
}
