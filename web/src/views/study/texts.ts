// The texts that a study is written in: its file, and the tables beside it.

import type { StudyTexts } from "../../wire";

/** Texts by their paths. */
export type Texts = Readonly<Record<string, string>>;

/** The path of the study file among its texts. */
export const STUDY = "";

/** All texts of a study but those of tables that cannot be read. */
export function textsOf(source: StudyTexts): Texts {
  const tables = source.tables.flatMap(({ path, text }) => (text === null ? [] : [[path, text]]));
  return { [STUDY]: source.text, ...(Object.fromEntries(tables) as Texts) };
}

/** Whether two studies are written alike. */
export function alike(one: Texts, other: Texts): boolean {
  const paths = Object.keys(one);
  return (
    paths.length === Object.keys(other).length && paths.every((path) => one[path] === other[path])
  );
}

/** What the server is told of edited texts: the study, and the tables that are others than before. */
export function edits(base: Texts, texts: Texts): { text: string; tables?: Record<string, string> } {
  const { [STUDY]: text = "", ...tables } = texts;
  const changed = Object.entries(tables).filter(([path, table]) => table !== base[path]);
  return changed.length ? { text, tables: Object.fromEntries(changed) } : { text };
}
