// The editor for a study: TOML in colours and tables, checked by the server, completed by the schema.

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
import { STUDY, type Texts } from "./texts";

const CHECKED_AFTER_MS = 350;

interface Doors {
  verify: (texts: Texts) => Promise<Verified | undefined>;
  schema: () => Promise<Config | undefined>;
  onChecked: (verified: Verified) => void;
  onTyped: (texts: Texts) => void;
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
  readonly #doors: Doors;
  /** The files that are not open, each with its own history. */
  readonly #closed = new Map<string, EditorState>();
  #open = STUDY;
  #originals: Texts | null = null;
  #schema: Promise<Config | undefined>;

  constructor(parent: HTMLElement, doors: Doors) {
    this.#doors = doors;
    this.#schema = doors.schema();
    this.#view = new EditorView({ parent, state: this.#state(STUDY, "") });
    // What scrolls can be reached from the keyboard before its text is edited.
    this.#view.scrollDOM.tabIndex = 0;
  }

  #state(path: string, doc: string): EditorState {
    const doors = this.#doors;
    const check = async (view: EditorView): Promise<Mark[]> => {
      const verified = await doors.verify(this.texts());
      if (!verified || this.#open !== path) return [];
      doors.onChecked(verified);
      const here = verified.diagnostics.filter((item) => (item.file ?? STUDY) === path);
      return here.map((item) => mark(item, view.state.doc));
    };
    const completion = autocompletion({
      override: [
        async (context) => {
          // Asked for again where the connection was away.
          const known = (await this.#schema) ?? (await (this.#schema = doors.schema()));
          return known ? completing(known)(context) : null;
        },
      ],
    });
    return EditorState.create({
      doc,
      extensions: [
        EditorView.cspNonce.of(nonce()),
        lineNumbers(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        path === STUDY ? [StreamLanguage.define(toml), completion] : [],
        syntaxHighlighting(COLOURS),
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          "aria-label": path === STUDY ? "The study file" : `The table ${path}`,
        }),
        lintGutter(),
        linter(check, { delay: CHECKED_AFTER_MS }),
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
          if (update.docChanged) doors.onTyped(this.texts());
        }),
        this.#merge.of([]),
      ],
    });
  }

  texts(): Texts {
    const closed = [...this.#closed].map(([path, state]) => [path, state.doc.toString()]);
    return { ...Object.fromEntries(closed), [this.#open]: this.#view.state.doc.toString() };
  }

  /** Have these texts instead of all others. */
  replace(texts: Texts): void {
    for (const path of this.#closed.keys()) if (!(path in texts)) this.#closed.delete(path);
    if (!(this.#open in texts)) {
      this.open(STUDY);
      this.#closed.clear();
    }
    for (const [path, text] of Object.entries(texts)) {
      const state = this.#closed.get(path);
      if (path === this.#open) {
        const { length } = this.#view.state.doc;
        this.#view.dispatch({ changes: { from: 0, to: length, insert: text } });
      } else if (state === undefined) this.#closed.set(path, this.#state(path, text));
      else {
        const changes = { from: 0, to: state.doc.length, insert: text };
        this.#closed.set(path, state.update({ changes }).state);
      }
    }
    this.#doors.onTyped(this.texts());
  }

  /** Show another of the files. */
  open(path: string): void {
    const state = this.#closed.get(path);
    if (state === undefined) return;
    this.#closed.set(this.#open, this.#view.state);
    this.#closed.delete(path);
    this.#open = path;
    this.#view.setState(state);
    this.#merged();
    this.check();
  }

  /** Put a piece in at the cursor, with its first gap selected. */
  insert(template: string): void {
    const line = this.#view.state.doc.lineAt(this.#view.state.selection.main.head);
    // A line of its own: the cursor's if it is empty, else a new one below it.
    const apart = line.text.trim() ? "\n" : "";
    snippet(apart + template)(this.#view, null, line.to, line.to);
    this.#view.focus();
  }

  goTo(path: string, line: number, column: number): void {
    this.open(path);
    const at = position(this.#view.state.doc, line, column);
    this.#view.dispatch({
      selection: { anchor: at },
      effects: EditorView.scrollIntoView(at, { y: "center" }),
    });
    this.#view.focus();
  }

  /** Show what differs from other texts; null ends that. */
  compare(originals: Texts | null): void {
    this.#originals = originals;
    this.#merged();
  }

  #merged(): void {
    const original = this.#originals && (this.#originals[this.#open] ?? "");
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
