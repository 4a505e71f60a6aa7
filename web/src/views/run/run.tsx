import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Controller } from "../../controller";
import { address, open } from "../../route";
import { EVERYBODY, isEverybody, select, type Wanted } from "../../select";
import { now } from "../../time";
import { Bulk } from "./bulk";
import { Filters } from "./filters";
import { ParticipantList } from "./list";
import { Selection } from "./selection";
import { Toolbar } from "./toolbar";

/** Who is where, since when, and who is connected; and all of them moved from here. */
export function RunView({ controller, onHelp }: { controller: Controller; onHelp: () => void }) {
  const { store } = controller;
  const wanted = useSignal<Wanted>(EVERYBODY);
  const shown = useComputed(() => {
    const indices = store.indices.value;
    if (isEverybody(wanted.value)) return indices;
    const rows = indices.map((index) => store.row(index).value);
    // Only what looks at the time has to be done again with every second.
    const timed = wanted.value.quick === "stuck";
    const at = (timed ? now.value : now.peek()) + store.clockOffset.value;
    return select(rows, wanted.value, at);
  });
  const selection = useMemo(() => new Selection(shown), [shown]);
  const body = useRef<HTMLTableSectionElement>(null);
  const filter = useRef<HTMLInputElement>(null);
  useKeys(controller, selection, body, filter, onHelp);

  if (store.indices.value.length === 0) {
    return (
      <>
        <Toolbar controller={controller} />
        <p class="empty">
          No participants yet. Add some above, or let an app add itself:{" "}
          <code>PUT /api/new-participant</code>.
        </p>
      </>
    );
  }
  return (
    <>
      <Toolbar controller={controller} />
      <Filters store={store} wanted={wanted} shown={shown} field={filter} />
      {shown.value.length === 0 ? (
        <p class="empty">
          No participant matches the filters.{" "}
          <button type="button" onClick={() => (wanted.value = EVERYBODY)}>
            Clear filters
          </button>
        </p>
      ) : (
        <ParticipantList controller={controller} shown={shown} selection={selection} body={body} />
      )}
      <Bulk controller={controller} selection={selection} />
    </>
  );
}

type Ref<T> = { current: T | null };

function useKeys(
  controller: Controller,
  selection: Selection,
  body: Ref<HTMLElement>,
  filter: Ref<HTMLInputElement>,
  onHelp: () => void,
): void {
  useEffect(() => {
    const move = (step: "next" | "back") => {
      const index = selection.cursor.peek();
      if (index !== null && controller.store.find(index)) void controller.move([index], step);
    };
    const keys: Record<string, () => void> = {
      j: () => reveal(selection.step(1), body.current),
      k: () => reveal(selection.step(-1), body.current),
      n: () => move("next"),
      b: () => move("back"),
      x: () => {
        const index = selection.cursor.peek();
        if (index !== null) selection.toggle(index);
      },
      u: () => void controller.undo(),
      "/": () => filter.current?.focus(),
      "?": onHelp,
      Escape: () => selection.clear(),
      Enter: () => {
        const index = selection.cursor.peek();
        if (index !== null) open(address.participant(index));
      },
    };
    const press = (event: KeyboardEvent) => {
      const action = keys[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && means(event.target, event.key)) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [controller, selection, body, filter, onHelp]);
}

/** Whether a key means something already to what has the focus. */
function means(target: Element, key: string): boolean {
  // A dialog that was closed keeps the focus for a moment.
  if (!target.checkVisibility()) return false;
  const typing = "input:not([type=checkbox]), textarea, select, [contenteditable=true], dialog";
  return target.closest(key === "Enter" ? `${typing}, button, a, summary` : typing) !== null;
}

/** Scroll so far that a place of the list can be seen, below what sticks to the top. */
function reveal(place: number, body: HTMLElement | null): void {
  const row = body?.querySelector<HTMLElement>("[data-testid^=participant-]");
  if (!body || !row) return;
  const height = row.getBoundingClientRect().height;
  const top = body.getBoundingClientRect().top + scrollY + place * height;
  const covered = document.querySelector<HTMLElement>(".top")?.offsetHeight ?? 0;
  if (top < scrollY + covered) scrollTo({ top: top - covered });
  else if (top + height > scrollY + innerHeight) scrollTo({ top: top + height - innerHeight });
}
