import type { Desk } from "../../desk";

/** What was just done, and ten seconds to take it back. */
export function Toast({ desk }: { desk: Desk }) {
  const undoable = desk.undoable.value;
  if (!undoable) return null;
  return (
    <div class="toast" role="status" data-testid="toast">
      <span>{undoable.text}</span>
      <button type="button" data-testid="undo" onClick={() => desk.undo()}>
        Undo
      </button>
      <button type="button" class="quiet" aria-label="Close" onClick={() => desk.dismiss()}>
        ×
      </button>
    </div>
  );
}
