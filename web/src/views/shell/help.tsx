import type { RefObject } from "preact";

const KEYS = [
  ["j / k", "next or previous participant"],
  ["n", "move the participant on"],
  ["b", "move the participant back"],
  ["x", "select the participant"],
  ["Enter", "open the participant"],
  ["Escape", "close, or clear the selection"],
  ["u", "take the last move back"],
  ["/", "filter the list"],
  ["?", "this help"],
] as const;

export function Help({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  return (
    <dialog ref={dialog} aria-labelledby="help-title" data-testid="help">
      <form method="dialog">
        <h2 id="help-title">Keyboard shortcuts</h2>
        <dl class="keys">
          {KEYS.map(([keys, what]) => (
            <div key={keys}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <div class="actions">
          <button type="submit">Close</button>
        </div>
      </form>
    </dialog>
  );
}
