import type { Ask } from "../socket";

/** Asks for an operation, and puts into the status line what was refused, or what was done. */
export type Do = (...request: [...Parameters<Ask>, done?: string]) => Promise<boolean>;
