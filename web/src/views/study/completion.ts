// What can be written at a place of a study file, after the JSON Schema of it.

import {
  type CompletionContext,
  type CompletionResult,
  snippetCompletion,
} from "@codemirror/autocomplete";
import type { Config, Json } from "../../protocol";
import { SNIPPETS } from "./snippets";

interface Shape {
  description?: string;
  properties?: Record<string, Shape>;
  enum?: Json[];
  const?: Json;
  oneOf?: Shape[];
  anyOf?: Shape[];
  items?: Shape;
  $ref?: string;
  $defs?: Record<string, Shape>;
}

/** Completes keys of the table that a line is in, the values of a key, and block names. */
export function completing(schema: Config) {
  const root = schema as unknown as Shape;
  const resolve = (shape: Shape | undefined): Shape =>
    shape?.$ref ? (root.$defs?.[shape.$ref.replace("#/$defs/", "")] ?? {}) : (shape ?? {});
  const table = (header: string): Shape => {
    let shape = root;
    for (const name of header.split(".").filter(Boolean)) {
      const next = resolve(resolve(shape).properties?.[name]);
      shape = resolve(next.items ?? next);
    }
    return resolve(shape);
  };

  return (context: CompletionContext): CompletionResult | null => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const text = context.state.doc.toString();
    const shape = table(headerAt(context));

    // In quotes: the names of blocks, or the words that the key knows.
    const quoted = /"([^"]*)$/.exec(before);
    const key = /^\s*([\w-]+)\s*=/.exec(before)?.[1];
    if (quoted) {
      const words = valuesOf(resolve(shape.properties?.[key ?? ""]), resolve);
      const functions = /function_name\s*=\s*"[^"]*$/.test(before)
        ? (resolve(root.$defs?.["function"]).oneOf ?? [])
        : [];
      const names = [...text.matchAll(/^\s*name\s*=\s*"([^"]+)"/gm)].map((match) => match[1] ?? "");
      return {
        from: context.pos - (quoted[1]?.length ?? 0),
        options: [
          ...functions.map((item) => ({
            label: String(item.const),
            detail: item.description ?? "",
            type: "function",
          })),
          ...words.map((label) => ({ label, type: "enum" })),
          ...(words.length || functions.length || key === "name"
            ? []
            : names.map((label) => ({ label, type: "variable" }))),
        ],
        validFor: /^[^"]*$/,
      };
    }
    const word = context.matchBefore(/[\w-]*/);
    if (key || !word || (word.from === word.to && !context.explicit)) return null;
    if (/\S/.test(before.slice(0, word.from - line.from))) return null;
    const keys = Object.entries(shape.properties ?? {}).map(([label, property]) => ({
      label,
      apply: `${label} = `,
      type: "property",
      info: resolve(property).description ?? "",
    }));
    const pieces = SNIPPETS.map(({ label, template }) =>
      snippetCompletion(template.trimStart(), { label, type: "text", boost: -1 }),
    );
    return { from: word.from, options: [...keys, ...pieces] };
  };
}

/** The table that a place is in: the last header above it. */
function headerAt(context: CompletionContext): string {
  for (let number = context.state.doc.lineAt(context.pos).number; number > 0; number -= 1) {
    const header = /^\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}/.exec(context.state.doc.line(number).text);
    if (header) return header[1] ?? "";
  }
  return "";
}

function valuesOf(shape: Shape, resolve: (shape: Shape) => Shape): string[] {
  const inside = [...(shape.oneOf ?? []), ...(shape.anyOf ?? [])].map(resolve);
  const here = [...(shape.enum ?? []), shape.const].filter(
    (value): value is string => typeof value === "string",
  );
  return [...here, ...inside.flatMap((each) => valuesOf(each, resolve))];
}
