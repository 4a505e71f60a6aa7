// The editor for study files: TOML in colours, checked by the server, completed by the schema.

import { autocompletion, snippet } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import {
  type Diagnostic as Mark,
  forceLinting,
  linter,
  lintGutter,
  lintKeymap,
} from "@codemirror/lint";
import { unifiedMergeView } from "@codemirror/merge";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Text } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { nonce } from "../../nonce";
import type { Config, Diagnostic, Verified } from "../../protocol";
import { completing } from "./completion";

const CHECKED_AFTER_MS = 350;

interface Doors {
  verify: (text: string) => Promise<Verified | undefined>;
  schema: () => Promise<Config | undefined>;
  onChecked: (verified: Verified) => void;
  onTyped: (text: string) => void;
  onSave: () => void;
}

const COLOURS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.atom], color: "var(--code-number)" },
  { tag: [tags.propertyName, tags.keyword], color: "var(--accent)" },
]);

const LOOK = EditorView.theme({
  "&": { fontSize: "0.9rem", backgroundColor: "var(--surface)", color: "var(--text)" },
  ".cm-content": { fontFamily: "ui-monospace, 'SF Mono', Consolas, monospace" },
  ".cm-content, .cm-cursor": { caretColor: "var(--text)", borderLeftColor: "var(--text)" },
  ".cm-gutters": {
    backgroundColor: "var(--ground)",
    color: "var(--quiet)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--active-line)" },
  "&.cm-focused": { outline: "2px solid var(--accent)" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--line)",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  ".cm-changedLine": { backgroundColor: "var(--added)" },
  ".cm-deletedChunk": { backgroundColor: "var(--removed)" },
});

export class Editor {
  readonly #view: EditorView;
  readonly #merge = new Compartment();

  constructor(parent: HTMLElement, doors: Doors) {
    let schema = doors.schema();
    const check = async (view: EditorView): Promise<Mark[]> => {
      const verified = await doors.verify(view.state.doc.toString());
      if (!verified) return [];
      doors.onChecked(verified);
      return verified.diagnostics.map((item) => mark(item, view.state.doc));
    };
    this.#view = new EditorView({
      parent,
      state: EditorState.create({
        extensions: [
          EditorView.cspNonce.of(nonce()),
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          StreamLanguage.define(toml),
          syntaxHighlighting(COLOURS),
          LOOK,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "The study file" }),
          lintGutter(),
          linter(check, { delay: CHECKED_AFTER_MS }),
          autocompletion({
            override: [
              async (context) => {
                // Asked for again where the connection was away.
                const known = (await schema) ?? (await (schema = doors.schema()));
                return known ? completing(known)(context) : null;
              },
            ],
          }),
          keymap.of([
            {
              key: "Mod-s",
              run: () => {
                doors.onSave();
                return true;
              },
            },
            ...defaultKeymap,
            ...historyKeymap,
            ...searchKeymap,
            ...lintKeymap,
            indentWithTab,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) doors.onTyped(update.state.doc.toString());
          }),
          this.#merge.of([]),
        ],
      }),
    });
    // What scrolls can be reached from the keyboard before its text is edited.
    this.#view.scrollDOM.tabIndex = 0;
  }

  text(): string {
    return this.#view.state.doc.toString();
  }

  replace(text: string): void {
    const { length } = this.#view.state.doc;
    this.#view.dispatch({ changes: { from: 0, to: length, insert: text } });
  }

  /** Put a piece in at the cursor, with its first gap selected. */
  insert(template: string): void {
    const line = this.#view.state.doc.lineAt(this.#view.state.selection.main.head);
    // A line of its own: the cursor's if it is empty, else a new one below it.
    const apart = line.text.trim() ? "\n" : "";
    snippet(apart + template)(this.#view, null, line.to, line.to);
    this.#view.focus();
  }

  goTo(line: number, column: number): void {
    const at = position(this.#view.state.doc, line, column);
    this.#view.dispatch({
      selection: { anchor: at },
      effects: EditorView.scrollIntoView(at, { y: "center" }),
    });
    this.#view.focus();
  }

  /** Show what differs from another text; null ends that. */
  compare(original: string | null): void {
    const merge =
      original === null
        ? []
        : unifiedMergeView({ original, mergeControls: false, gutter: true });
    this.#view.dispatch({ effects: this.#merge.reconfigure(merge) });
  }

  check(): void {
    forceLinting(this.#view);
  }

  destroy(): void {
    this.#view.destroy();
  }
}

function mark(item: Diagnostic, doc: Text): Mark {
  const from = item.line === null ? 0 : position(doc, item.line, item.column ?? 1);
  const to =
    item.end_line === null ? doc.lineAt(from).to : position(doc, item.end_line, item.end_column ?? 1);
  const message = item.hint === null ? item.message : `${item.message}\n${item.hint}`;
  return { from, to: Math.max(from, to), severity: item.severity, message };
}

// The server counts characters, an editor UTF-16 units.
function position(doc: Text, line: number, column: number): number {
  const at = doc.line(Math.min(Math.max(1, line), doc.lines));
  const before = [...at.text].slice(0, column - 1).join("");
  return Math.min(at.to, at.from + before.length);
}
