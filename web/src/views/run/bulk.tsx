import { useState } from "preact/hooks";
import type { Controller } from "../../controller";
import { requestId } from "../../socket";
import { people } from "../../store";
import { Confirm } from "../shell/confirm";
import type { Selection } from "./selection";

/** What can be done with those who are selected. */
export function Bulk({ controller, selection }: { controller: Controller; selection: Selection }) {
  const [resetting, setResetting] = useState(false);
  const chosen = selection.chosen();
  if (!chosen.length) return null;
  const rows = chosen.map((index) => controller.store.row(index).value);
  const places = Math.max(...rows.map((row) => row.blocks_count));
  const changed = rows.filter((row) => row.overridden > 0).map((row) => row.participant_index);
  const who = chosen.length === 1 ? "1 selected" : `${chosen.length} selected`;
  const reset = async () => {
    const answers = await Promise.all(
      changed.map((participant_index) =>
        controller.ask("reset-participant", { participant_index, request_id: requestId() }),
      ),
    );
    const refused = answers.find((answer) => !answer.ok);
    controller.store.notice.value =
      refused && !refused.ok ? refused.error.message : `Configs of ${people(changed)} are the file's.`;
  };
  return (
    <div class="bulk" role="toolbar" aria-label="Selected participants" data-testid="bulk">
      <strong>{who}</strong>
      <button type="button" onClick={() => controller.move(chosen, "back")}>
        Back
      </button>
      <button
        type="button"
        class="primary"
        data-testid="bulk-next"
        onClick={() => controller.move(chosen, "next")}
      >
        Next
      </button>
      <select
        aria-label="Move the selected participants to a block"
        value=""
        data-testid="bulk-go-to"
        onChange={(event) => {
          const block = Number(event.currentTarget.value);
          event.currentTarget.value = "";
          const able = rows.filter((row) => block < row.blocks_count);
          void controller.move(
            able.map((row) => row.participant_index),
            { block },
          );
        }}
      >
        <option value="" disabled>
          Go to
        </option>
        {Array.from({ length: places }, (_, block) => (
          <option key={block} value={block}>
            block {block + 1}
          </option>
        ))}
      </select>
      <button type="button" disabled={!changed.length} onClick={() => setResetting(true)}>
        Reset configs …
      </button>
      <button type="button" class="quiet" onClick={() => selection.clear()}>
        Clear selection
      </button>
      {resetting && (
        <Confirm
          title={`Reset the changed configs of ${people(changed)}?`}
          action={`Reset ${changed.length}`}
          onConfirm={reset}
          onClose={() => setResetting(false)}
        >
          <p>They get the configs of the study file, and stay in their blocks.</p>
        </Confirm>
      )}
    </div>
  );
}
