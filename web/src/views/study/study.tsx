import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Controller } from "../../controller";
import type { Diagnostic, Verified, Version } from "../../protocol";
import { requestId } from "../../socket";
import { concerned } from "../../store";
import { exactly, moment } from "../../time";
import { Confirm } from "../shell/confirm";
import { Strip } from "../strip";
import { Editor } from "./editor";
import { SNIPPETS } from "./snippets";
import { alike, edits, STUDY, type Texts, textsOf } from "./texts";

const SHOWN = 5;

/** The study file and its tables: edited, checked while typing, and saved for everybody. */
export function StudyView({ controller }: { controller: Controller }) {
  const { store } = controller;
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const base = useSignal<{ texts: Texts; digest: string }>({ texts: {}, digest: "" });
  const open = useSignal(STUDY);
  const dirty = useSignal(false);
  const checked = useSignal<Verified | null>(null);
  const versions = useSignal<Version[]>([]);
  const compared = useSignal<number | null>(null);
  const stale = useSignal(false);
  const paths = useSignal<string[]>([STUDY]);
  const [saving, setSaving] = useState(false);
  const live = store.connection.value === "live";
  const digest = store.study.value.digest;

  /** Have these texts in the editor, and the file open that was, if it is one of them. */
  const show = (texts: Texts) => {
    editor.current?.replace(texts);
    if (!(open.peek() in texts)) open.value = STUDY;
    paths.value = Object.keys(texts);
  };

  const goTo = (path: string, line: number, column: number) => {
    if (!paths.value.includes(path)) return;
    open.value = path;
    editor.current?.goTo(path, line, column);
  };

  const load = async () => {
    const [source, study] = await Promise.all([
      controller.get("study-source", {}),
      controller.get("study", {}),
    ]);
    if (!source || !study) return;
    versions.value = study.versions.toReversed();
    const texts = textsOf(source);
    if (alike(texts, base.peek().texts)) return;
    if (dirty.peek()) {
      stale.value = true;
      return;
    }
    base.value = { texts, digest: source.digest };
    stale.value = false;
    show(texts);
  };

  useEffect(() => {
    if (!place.current) return;
    const made = new Editor(place.current, {
      verify: (texts) =>
        controller.get("verify", { ...edits(base.peek().texts, texts), participants: SHOWN }),
      schema: () => controller.get("schema", {}),
      onChecked: (verified) => (checked.value = verified),
      onTyped: (texts) => (dirty.value = !alike(texts, base.peek().texts)),
      onSave: () => setSaving(true),
    });
    editor.current = made;
    return () => made.destroy();
  }, [controller]);

  useEffect(() => {
    if (live) void load();
  }, [live, digest, store.diagnostics.value]);

  useEffect(() => {
    const keep = (event: BeforeUnloadEvent) => {
      if (dirty.peek()) event.preventDefault();
    };
    addEventListener("beforeunload", keep);
    return () => removeEventListener("beforeunload", keep);
  }, []);

  const save = async (force = false) => {
    const texts = editor.current?.texts() ?? {};
    const made_from = force ? "*" : base.peek().digest;
    const edited = edits(base.peek().texts, texts);
    const saved = await controller.do("save-study", { ...edited, made_from, request_id: requestId() });
    if (!saved) return;
    base.value = { texts, digest: saved.digest };
    dirty.value = false;
    stale.value = false;
    versions.value = saved.versions.toReversed();
    editor.current?.check();
  };

  const compare = async (version: number | null) => {
    compared.value = version;
    if (version === null) editor.current?.compare(null);
    else {
      const source = await controller.get("study-source", { version });
      if (source) editor.current?.compare(textsOf(source));
    }
  };

  const restore = async (version: number) => {
    const source = await controller.get("study-source", { version });
    if (!source) return;
    compared.value = null;
    editor.current?.compare(null);
    show(textsOf(source));
    store.notice.value = `What version ${version} was is in the editor. Save it to serve it.`;
  };

  const verified = checked.value;
  const errors = verified?.diagnostics.filter((item) => item.severity === "error").length ?? 0;
  return (
    <div class="study">
      <div class="filters">
        <button
          type="button"
          class="primary"
          disabled={!dirty.value || errors > 0 || !live}
          title="Ctrl+S"
          data-testid="save"
          onClick={() => setSaving(true)}
        >
          Save and serve …
        </button>
        <button
          type="button"
          disabled={!dirty.value}
          onClick={() => show(base.value.texts)}
        >
          Discard
        </button>
        <select
          class="pieces"
          aria-label="Insert"
          value=""
          data-testid="snippets"
          onChange={(event) => {
            const chosen = SNIPPETS[Number(event.currentTarget.value)];
            event.currentTarget.value = "";
            if (chosen) editor.current?.insert(chosen.template);
          }}
        >
          <option value="" disabled>
            Insert …
          </option>
          {SNIPPETS.map((snippet, index) => (
            <option key={snippet.label} value={index}>
              {snippet.label}
            </option>
          ))}
        </select>
        <span class="count" data-testid="edited">
          {dirty.value ? "unsaved changes" : "no unsaved changes"}
        </span>
      </div>
      {stale.value && (
        <div class="banner error" role="alert" data-testid="stale">
          <p>
            {store.study.value.name} was changed on disk while you were editing.{" "}
            <button
              type="button"
              onClick={() => {
                dirty.value = false;
                void load();
              }}
            >
              Load the file and discard my edits
            </button>
          </p>
        </div>
      )}
      <div class="study-columns">
        <div>
          {paths.value.length > 1 && (
            <Files
              paths={paths.value}
              name={store.study.value.name}
              open={open.value}
              verified={verified}
              onOpen={(path) => {
                open.value = path;
                editor.current?.open(path);
              }}
            />
          )}
          <div class="editor" ref={place} data-testid="editor" />
        </div>
        <div class="study-side">
          <section>
            <h2>Check</h2>
            <Findings
              verified={verified}
              onGo={(item) => goTo(item.file ?? STUDY, item.line ?? 1, item.column ?? 1)}
            />
          </section>
          {verified?.ok && (
            <section>
              <h2>First orders</h2>
              {verified.orders.map((order, row) => (
                <div class="order" key={row}>
                  <span class="number">{row + 1}</span>
                  <Strip
                    row={{
                      block_names: order,
                      block_id: -1,
                      blocks_count: order.length,
                      active: false,
                    }}
                    names={namesIn(store.names.value, verified.orders)}
                  />
                </div>
              ))}
            </section>
          )}
          <section>
            <h2>Versions</h2>
            <ol class="versions" data-testid="versions">
              {versions.value.map((item) => (
                <li key={item.version} class={compared.value === item.version ? "current" : ""}>
                  <b>{item.version}</b>
                  <time dateTime={item.loaded_at} title={exactly(item.loaded_at)}>
                    {moment(item.loaded_at)}
                  </time>
                  <span class="place">{item.reason}</span>
                  <button
                    type="button"
                    aria-pressed={compared.value === item.version}
                    data-testid={`compare-${item.version}`}
                    onClick={() => compare(compared.value === item.version ? null : item.version)}
                  >
                    Compare
                  </button>
                  <button
                    type="button"
                    data-testid={`restore-${item.version}`}
                    onClick={() => restore(item.version)}
                  >
                    Restore
                  </button>
                </li>
              ))}
            </ol>
          </section>
        </div>
      </div>
      {saving && dirty.value && (
        <Confirm
          title={`Save ${store.study.value.name}, and serve it`}
          action={saveLabel(verified)}
          onConfirm={() => save(stale.value)}
          onClose={() => setSaving(false)}
        >
          <Preview verified={verified} stale={stale.value} />
        </Confirm>
      )}
    </div>
  );
}

/** The study and its tables, each with the number of mistakes in it. */
function Files({
  paths,
  name,
  open,
  verified,
  onOpen,
}: {
  paths: string[];
  name: string;
  open: string;
  verified: Verified | null;
  onOpen: (path: string) => void;
}) {
  const wrong = (path: string) =>
    verified?.diagnostics.filter(
      (item) => item.severity === "error" && (item.file ?? STUDY) === path,
    ).length ?? 0;
  return (
    <div class="files" data-testid="files">
      {paths.map((path) => (
        <button
          key={path}
          type="button"
          aria-pressed={path === open}
          onClick={() => onOpen(path)}
        >
          {path === STUDY ? name : path}
          {wrong(path) > 0 && ` (${wrong(path)})`}
        </button>
      ))}
    </div>
  );
}

function Findings({
  verified,
  onGo,
}: {
  verified: Verified | null;
  onGo: (item: Diagnostic) => void;
}) {
  if (!verified) return <p class="place">Checking …</p>;
  if (!verified.diagnostics.length) return <p class="good">Nothing is wrong.</p>;
  return (
    <ul class="findings" data-testid="findings">
      {verified.diagnostics.map((item) => (
        <li
          key={`${item.code} ${item.file} ${item.line} ${item.message}`}
          class={item.severity}
        >
          <button type="button" class="finding" onClick={() => onGo(item)}>
            <b>
              {item.severity}
              {item.file && `, ${item.file}`}
              {item.line !== null && `, line ${item.line}`}
            </b>{" "}
            {item.message}
            {item.hint !== null && <span class="place"> — {item.hint}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Preview({ verified, stale }: { verified: Verified | null; stale: boolean }) {
  const said = verified?.affected ? concerned(verified.affected) : [];
  return (
    <div data-testid="preview">
      {stale && <p class="problem">This overwrites what was changed on disk meanwhile.</p>}
      {said.length ? (
        said.map((sentence) => <p key={sentence}>{sentence}</p>)
      ) : (
        <p>Nobody gets other blocks. Configs that you have changed are new from the next move on.</p>
      )}
    </div>
  );
}

function saveLabel(verified: Verified | null): string {
  const count = new Set([
    ...(verified?.affected?.reordered ?? []),
    ...(verified?.affected?.ended ?? []),
  ]).size;
  if (!count) return "Save";
  return `Save; other blocks for ${count === 1 ? "1 participant" : `${count} participants`}`;
}

function namesIn(known: readonly string[], orders: string[][]): string[] {
  return [...new Set([...known, ...orders.flat()])];
}
