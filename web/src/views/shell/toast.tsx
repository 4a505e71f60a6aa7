import type { Controller } from "../../controller";

/** What was just done, and ten seconds to take it back. */
export function Toast({ controller }: { controller: Controller }) {
  const undoable = controller.undoable.value;
  if (!undoable) return null;
  return (
    <div class="toast" role="status" data-testid="toast">
      <span>{undoable.text}</span>
      <button type="button" data-testid="undo" onClick={() => controller.undo()}>
        Undo
      </button>
      <button type="button" class="quiet" aria-label="Close" onClick={() => controller.dismiss()}>
        ×
      </button>
    </div>
  );
}
