import { useRef, useState } from "preact/hooks";
import type { Store } from "../store";
import type { Do } from "./do";
import { MoveAllDialog } from "./move-all";

/** What concerns everybody: add participants, move all. */
export function Toolbar({ store, act }: { store: Store; act: Do }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [index, setIndex] = useState("");
  const { active } = store.totals.value;

  const addByIndex = async (event: Event) => {
    event.preventDefault();
    const wanted = Number(index);
    if (!index) return;
    const request = { participant_index: wanted };
    if (await act("add-participant", request, `Participant ${wanted} was added.`)) setIndex("");
  };

  return (
    <div class="toolbar" role="toolbar" aria-label="Everybody">
      <button
        type="button"
        class="primary"
        data-testid="new-participant"
        onClick={() => act("new-participant", {}, "A participant was added.")}
      >
        Add participant
      </button>
      <form onSubmit={addByIndex}>
        <label>
          or number{" "}
          <input
            type="number"
            min="1"
            step="1"
            inputMode="numeric"
            value={index}
            data-testid="participant-number"
            onInput={(event) => setIndex(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={!index}>
          Add
        </button>
      </form>
      <span class="space" />
      <button
        type="button"
        disabled={active === 0}
        title={active === 0 ? "Nobody is in a block" : undefined}
        data-testid="move-all"
        onClick={() => dialog.current?.showModal()}
      >
        Move all …
      </button>
      <MoveAllDialog store={store} act={act} dialog={dialog} />
    </div>
  );
}
