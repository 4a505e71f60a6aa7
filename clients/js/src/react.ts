// Hooks for React 18 and later, in a module of their own: the client itself never imports React.

import { useCallback, useSyncExternalStore } from "react";
import { type Block, isSameBlock } from "./block.js";
import type { Events } from "./events.js";
import type { Study } from "./study.js";

/** What `useBlock` returned last, of each study. */
const shown = new WeakMap<Study, Block>();

/**
 * Where the participant is, as in `study.snapshot`; the component renders again when the block or its
 * config changes. Before the first block and after the last its `config` is null. Returns null only as
 * long as there is no study. What is returned stays the same object until there is such a change, so
 * that an effect can depend on it.
 */
export function useBlock(study: Study): Block;
export function useBlock(study: Study | null | undefined): Block | null;
export function useBlock(study: Study | null | undefined): Block | null {
  return useValue(study, "state", () => (study ? blockOf(study) : null));
}

/** The number of records that the server does not have yet; 0 as long as there is no study. */
export function useUnsent(study: Study | null | undefined): number {
  return useValue(study, "unsent", () => study?.unsent ?? 0);
}

function useValue<T>(study: Study | null | undefined, event: keyof Events, read: () => T): T {
  const subscribe = useCallback((changed: () => void) => study?.on(event, changed) ?? (() => undefined), [study, event]);
  return useSyncExternalStore(subscribe, read, read);
}

/** A study's snapshot is a new object for each answer of the server, also if it says the same. */
function blockOf(study: Study): Block {
  const now = study.snapshot;
  const before = shown.get(study);
  if (before && isSameBlock(before, now) && JSON.stringify(before.config) === JSON.stringify(now.config)) return before;
  shown.set(study, now);
  return now;
}
