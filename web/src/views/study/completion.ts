// What can be written at a place of a study file, after the JSON Schema of it.

import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  snippetCompletion,
} from "@codemirror/autocomplete";
import type { Config } from "../../protocol";
import { type Place, placeAt, wantsKey } from "./place";
import { type Shape, Shapes } from "./shapes";
import { SNIPPETS } from "./snippets";

/** What keys name: blocks and families, factors, or neither. */
const NAMES_BLOCKS = new Set(["order", "blocks", "init_blocks", "final_blocks", "extends"]);
const NAMES_FACTORS = new Set(["each", "factors", "between"]);

/** Completes keys, their values, and the names that the file itself gives. */
export function completing(schema: Config) {
  const shapes = new Shapes(schema as unknown as Shape);
  return (context: CompletionContext): CompletionResult | null => {
    const text = context.state.doc.toString();
    const place = placeAt(text.slice(0, context.pos));
    if (!place) return null;
    if (place.quoted !== null) return inQuotes(context.pos, place, place.quoted, shapes, text);
    const word = context.matchBefore(/[\w-]*/);
    if (!word || (word.from === word.to && !context.explicit)) return null;
    const options = wantsKey(place) ? keysAt(place, shapes) : valuesAt(place, shapes);
    return options.length ? { from: word.from, options } : null;
  };
}

function keysAt(place: Place, shapes: Shapes): Completion[] {
  const keys = shapes.around(place).flatMap((shape) =>
    Object.entries(shape.properties ?? {}).map(([label, property]) => ({
      label,
      apply: `${label} = `,
      type: "property",
      info: property.description ?? "",
    })),
  );
  return place.open.length ? keys : [...keys, ...pieces("line")];
}

function valuesAt(place: Place, shapes: Shapes): Completion[] {
  const here = shapes.at(place);
  return [
    ...shapes.words(here).map(({ label, ...rest }) => ({ ...rest, label: `"${label}"` })),
    ...(here.some((shape) => shape.type === "boolean") ? ["true", "false"] : []).map((label) => ({
      label,
      type: "keyword",
    })),
    ...(place.keys === null && here.some((shape) => shape.properties?.blocks) ? pieces("group") : []),
  ];
}

function pieces(where: "line" | "group"): Completion[] {
  return SNIPPETS.filter((snippet) => snippet.where === where).map(({ label, template }) =>
    snippetCompletion(template.trim(), { label, type: "text", boost: -1 }),
  );
}

function inQuotes(
  position: number,
  place: Place,
  quoted: string,
  shapes: Shapes,
  text: string,
): CompletionResult | null {
  const key = [...place.table, ...place.open.flatMap((open) => open.keys), ...(place.keys ?? [])]
    .toReversed()
    .find((name) => NAMES_BLOCKS.has(name) || NAMES_FACTORS.has(name) || name === "name");
  const factors = namesUnder("factors", text);
  const level = /\{([^{}]*)$/.exec(quoted);
  if (level && key) {
    // The place of a level in a block's name.
    const options = factors.map((label) => ({ label, apply: `${label}}`, type: "variable" }));
    return { from: position - (level[1] ?? "").length, options, validFor: /^[\w-]*$/ };
  }
  const from = position - quoted.length;
  if (quoted.startsWith("$")) {
    const names = [...namesUnder("variables", text), ...namesUnder("tables", text)];
    const options = names.map((name) => ({ label: `$${name}`, type: "variable" }));
    return { from, options, validFor: /^\$[\w-]*$/ };
  }
  const words = shapes.words(shapes.at(place));
  const names = words.length || !key ? [] : NAMES_FACTORS.has(key) ? factors : blocksIn(key, text);
  const options = [...words, ...names.map((label) => ({ label, type: "variable" }))];
  return options.length ? { from, options, validFor: /^[^"{]*$/ } : null;
}

function blocksIn(key: string, text: string): string[] {
  if (!NAMES_BLOCKS.has(key)) return [];
  const names = [...text.matchAll(/^\s*name\s*=\s*"([^"\n]+)"/gm)].map((match) => match[1] ?? "");
  return [...new Set(names)];
}

/** The keys below the header of a part of the configuration. */
function namesUnder(part: string, text: string): string[] {
  const header = new RegExp(String.raw`^\s*\[configuration\.${part}\][^\n]*\n((?:(?!\s*\[{1,2}\w).*\n?)*)`, "m");
  const body = header.exec(text)?.[1] ?? "";
  return [...body.matchAll(/^\s*"?([\w-]+)"?\s*=/gm)].map((match) => match[1] ?? "");
}
