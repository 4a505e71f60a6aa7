import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  /** What the button does, with how many it touches. */
  action: string;
  onConfirm: () => void;
  onClose: () => void;
  children?: ComponentChildren;
}

/** Asks once before something that is hard to take back. */
export function Confirm({ title, action, onConfirm, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <form method="dialog">
        <h2>{title}</h2>
        {children}
        <div class="actions">
          <button type="submit">Cancel</button>
          <button type="submit" class="danger" data-testid="confirm" onClick={onConfirm}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
