import { useEffect, useRef, useState } from "preact/hooks";
import { changed, readValue, written } from "../../config";
import type { Controller } from "../../controller";
import type { Config, Json, Override, Snapshot } from "../../protocol";
import { requestId } from "../../socket";

interface Props {
  controller: Controller;
  snapshot: Snapshot;
  onChanged: (snapshot: Snapshot) => void;
}

// What the server sets itself.
const OWN = ["participant_index", "name", "block_id"];

/** The current config, with what was changed for this participant, to be changed further. */
export function ConfigTree({ controller, snapshot, onChanged }: Props) {
  const save = async (path: string[], value: Json): Promise<string | undefined> => {
    const answer = await controller.ask("update-config", {
      participant_index: snapshot.participant_index,
      from_block: snapshot.block_id,
      patch: changed(path, value),
      request_id: requestId(),
    });
    if (!answer.ok) return answer.error.message;
    onChanged(answer.data);
    return undefined;
  };
  const config = snapshot.config ?? {};
  return (
    <div class="tree" data-testid="config">
      <Members config={config} path={[]} overrides={snapshot.overrides} save={save} />
    </div>
  );
}

interface Inside {
  path: string[];
  overrides: Override[];
  save: (path: string[], value: Json) => Promise<string | undefined>;
}

function Members({ config, path, overrides, save }: Inside & { config: Config }) {
  return (
    <dl>
      {Object.entries(config).map(([key, value]) => {
        const here = [...path, key];
        const own = path.length === 0 && OWN.includes(key);
        const nested = typeof value === "object" && value !== null && !Array.isArray(value);
        return (
          <div key={key} class={nested ? "nested" : ""}>
            <dt>{key}</dt>
            <dd>
              {nested ? (
                <Members config={value} path={here} overrides={overrides} save={save} />
              ) : own ? (
                <code class="place">{written(value)}</code>
              ) : (
                <Value value={value} path={here} overrides={overrides} save={save} />
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Value({ value, path, overrides, save }: Inside & { value: Json }) {
  const [draft, setDraft] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const name = path.join(".");
  const field = useRef<HTMLTextAreaElement>(null);
  const editing = draft !== null;
  useEffect(() => {
    if (editing) field.current?.select();
  }, [editing]);
  const override = overrides.find((item) => item.path.join("\n") === path.join("\n"));

  const put = async (next: Json) => {
    const refused = await save(path, next);
    setProblem(refused ?? "");
    if (refused === undefined) setDraft(null);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const read = readValue(draft ?? "", value);
    if ("problem" in read) setProblem(read.problem);
    else void put(read.value);
  };

  if (draft !== null) {
    return (
      <form class="edit" onSubmit={submit}>
        <textarea
          rows={1}
          aria-label={`New value of ${name}`}
          aria-invalid={problem !== ""}
          value={draft}
          data-testid="config-input"
          ref={field}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setDraft(null);
            else if (event.key === "Enter" && !event.shiftKey) submit(event);
          }}
        />
        <button type="submit" class="primary" data-testid="config-save">
          Save
        </button>
        <button type="button" onClick={() => setDraft(null)}>
          Cancel
        </button>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
      </form>
    );
  }
  return (
    <>
      <button
        type="button"
        class={override ? "value overridden" : "value"}
        title="Change it for this participant"
        aria-label={`${name}: ${written(value)}; change`}
        data-testid={`config-${name}`}
        onClick={() => setDraft(typeof value === "string" ? value : written(value))}
      >
        {written(value)}
      </button>
      {override && (
        <span class="file">
          in the study file: <s>{written(override.file)}</s>{" "}
          <button
            type="button"
            class="quiet"
            aria-label={`Reset ${name} to the study file's value`}
            onClick={() => put(override.file)}
          >
                      Reset
                    </button>
        </span>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
