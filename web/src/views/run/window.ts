// Which rows of a long list are there: those that can be seen, and some around them.

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

const AROUND = 12;
const STEP = 4;
/** Lists up to this length are there as a whole. */
export const WHOLE = 80;

export interface Part {
  start: number;
  end: number;
  /** The height of one row, in pixels. */
  height: number;
}

/**
 * The part of a list of `length` rows of one height that is in view, below `top`.
 *
 * The list scrolls with the page, or in an element of its own, the `scroller`.
 */
export function usePart(
  top: RefObject<HTMLElement | null>,
  length: number,
  scroller?: RefObject<HTMLElement | null>,
): Part {
  const [part, setPart] = useState<Part>({ start: 0, end: WHOLE, height: 44 });
  useEffect(() => {
    const look = () => {
      const element = top.current;
      if (!element) return;
      const row = element.querySelector<HTMLElement>("[data-testid^=participant-], .entry");
      const height = row?.getBoundingClientRect().height || 44;
      const box = scroller?.current?.getBoundingClientRect();
      const above = Math.max(0, (box?.top ?? 0) - element.getBoundingClientRect().top);
      // In steps, so that scrolling by a row does not make all of them anew.
      const first = Math.floor(above / height / STEP) * STEP;
      const start = Math.max(0, first - AROUND);
      const end = first + Math.ceil((box?.height ?? innerHeight) / height) + AROUND + STEP;
      setPart((before) =>
        before.start === start && before.end === end && before.height === height
          ? before
          : { start, end, height },
      );
    };
    look();
    const scrolled = scroller?.current ?? window;
    scrolled.addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      scrolled.removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [top, length, scroller]);
  if (length <= WHOLE) return { start: 0, end: length, height: part.height };
  return { ...part, end: Math.min(part.end, length) };
}
