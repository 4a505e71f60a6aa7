// Time that ticks once a second for everybody, and rests while the page is hidden.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

const TICK_MS = 1000;
let ticking: ReturnType<typeof setInterval> | undefined;

/** Keep `now` up to date while somebody can see the page. */
export function startClock(): void {
  const follow = () => {
    clearInterval(ticking);
    if (document.hidden) return;
    now.value = Date.now();
    ticking = setInterval(() => (now.value = Date.now()), TICK_MS);
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** A duration as a stopwatch shows it: 0:07, 12:30, 1:02:03. */
export function stopwatch(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A moment as people read it: the time, and the day where it was another. */
export function moment(iso: string, today = new Date()): string {
  const when = new Date(iso);
  const time = when.toLocaleTimeString([], { hour12: false });
  return when.toDateString() === today.toDateString()
    ? time
    : `${when.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}`;
}

/** The same, exactly. */
export function exactly(iso: string): string {
  return new Date(iso).toLocaleString([], { dateStyle: "full", timeStyle: "long" });
}
