// Values of configs: how they are written, read, and changed.

import type { Config, ExplainedValue, Json } from "./protocol";

/** A value as JSON on one line. */
export function written(value: Json): string {
  return JSON.stringify(value);
}

/** What somebody typed in place of `before`; where there was a text, what is typed is a text. */
export function readValue(typed: string, before: Json): { value: Json } | { problem: string } {
  if (typeof before === "string") return { value: typed };
  let value: Json;
  try {
    value = JSON.parse(typed) as Json;
  } catch {
    return { problem: `This is no ${kindOf(before)}; it is written like ${written(before)}.` };
  }
  if (value === null) return { problem: "null would remove the key, which the study file sets." };
  if (before !== null && kindOf(value) !== kindOf(before)) {
    return { problem: `Apps expect a ${kindOf(before)} here, like ${written(before)}.` };
  }
  return { value };
}

/** The merge patch that changes one value. */
export function changed(path: readonly string[], value: Json): Config {
  const [first = "", ...rest] = path;
  return { [first]: rest.length ? changed(rest, value) : value };
}

/** The value that the keys lead to; undefined where there is none. */
export function at(config: Config, path: readonly string[]): Json | undefined {
  let value: Json | undefined = config;
  for (const key of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = value[key];
  }
  return value;
}

/** Where a value of a block comes from, in words; nothing where the block itself has it so. */
export function told({ block, variable, factor, ...value }: ExplainedValue, owner: string): string[] {
  return [
    factor ? "level of the factor" : "",
    variable === null ? "" : `variable ${variable}`,
    value.function === null ? "" : `drawn by ${value.function}`,
    block === owner ? "" : `from ${block}`,
  ].filter(Boolean);
}

function kindOf(value: Json): string {
  if (Array.isArray(value)) return "list";
  return value === null ? "value" : typeof value;
}
