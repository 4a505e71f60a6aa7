import { useEffect, useRef, useState } from "preact/hooks";
import type { Controller } from "../../controller";
import { requestId } from "../../socket";

interface Props {
  controller: Controller;
  onClose: () => void;
}

/** Asks once, and says how many it touches. */
export function MoveAllDialog({ controller, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const [block, setBlock] = useState(0);
  const rows = controller.store.indices.value.map((index) => controller.store.row(index).value);
  const moving = rows.filter((row) => row.active);
  // A place that all of them have; who has fewer blocks would refuse the move for everybody.
  const places = Math.min(...moving.map((row) => row.blocks_count));
  const count = Number.isFinite(places) ? places : 0;
  const who = moving.length === 1 ? "1 participant" : `${moving.length} participants`;

  const confirm = () =>
    controller.do(
      "move-all-to-block",
      { block_id: block, request_id: requestId() },
      `${who} moved to block ${block + 1}.`,
    );

  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="move-all-title">
      <form method="dialog" onSubmit={confirm}>
        <h2 id="move-all-title">Move everybody who is in a block</h2>
        <label>
          To block{" "}
          <select
            value={block}
            data-testid="move-all-block"
            onChange={(event) => setBlock(Number(event.currentTarget.value))}
          >
            {Array.from({ length: count }, (_, place) => (
              <option key={place} value={place}>
                {place + 1}: {namesAt(moving, place)}
              </option>
            ))}
          </select>
        </label>
        <p>
          Each moves to this position in their own order. Participants who have not started or have finished stay.
        </p>
        <div class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="danger" disabled={count === 0} data-testid="move-all-confirm">
            Move {who}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const NAMES_SHOWN = 3;

function namesAt(rows: { block_names: string[] }[], place: number): string {
  const names = [...new Set(rows.map((row) => row.block_names[place] ?? ""))];
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  return names.length > NAMES_SHOWN ? `${shown}, …` : shown;
}
