import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Controller } from "../../controller";
import { by, described } from "../../log";
import type { Entry } from "../../protocol";
import { EntriesHead, EntryRow } from "../entries";
import { usePart } from "../run/window";

const PAGE = 500;
const LAST = 2 ** 53 - 1;

/** What happened, as it happens, the latest first. */
export function LogView({ controller }: { controller: Controller }) {
  const { log, connection } = controller.store;
  const type = useSignal("");
  const text = useSignal("");
  const body = useRef<HTMLTableSectionElement>(null);
  const loaded = log.loaded.value;
  const live = connection.value === "live";
  useEffect(() => {
    if (loaded || !live) return;
    void controller.get("events", { before: LAST, limit: PAGE }).then((entries) => {
      if (entries) log.load(entries, PAGE);
    });
  }, [controller, log, loaded, live]);

  const types = useComputed(() => [...new Set(log.entries.value.map((entry) => entry.type))].sort());
  const shown = useComputed(() =>
    log.entries.value
      .filter((entry) => (!type.value || entry.type === type.value) && matches(entry, text.value))
      .reverse(),
  );
  const { start, end, height } = usePart(body, shown.value.length);
  const there = shown.value.slice(start, end);
  const participant = /^#?\d+$/.test(text.value.trim()) ? text.value.trim().replace("#", "") : "";
  const earlier = async () => {
    const before = log.entries.value[0]?.id ?? LAST;
    const entries = await controller.get("events", { before, limit: PAGE });
    if (entries) log.prepend(entries, PAGE);
  };
  const file = (format: string) =>
    `/api/events.${format}${participant ? `?participant=${participant}` : ""}`;

  return (
    <>
      <div class="filters" role="search" aria-label="Events">
        <input
          type="search"
          placeholder="Participant or word"
          aria-label="Filter by participant or word"
          value={text.value}
          data-testid="log-filter"
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <label>
          Event{" "}
          <select
            value={type.value}
            data-testid="log-type"
            onChange={(event) => (type.value = event.currentTarget.value)}
          >
            <option value="">all</option>
            {types.value.map((name) => (
              <option key={name} value={name}>
                {name.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </label>
        <span class="count" data-testid="log-count">
          {shown.value.length === log.entries.value.length
            ? `${shown.value.length} entries`
            : `${shown.value.length} of ${log.entries.value.length}`}
        </span>
        <span class="space" />
        <a class="button" href={file("csv")} download>
          CSV
        </a>
        <a class="button" href={file("jsonl")} download>
          JSON Lines
        </a>
      </div>
      {shown.value.length === 0 ? (
        <p class="empty">{loaded ? "No entry matches the filter." : "Reading the log …"}</p>
      ) : (
        <table class="entries" data-testid="log" aria-rowcount={shown.value.length + 1}>
          <caption class="unseen">What happened, the latest first</caption>
          <thead>
            <EntriesHead whose />
          </thead>
          <tbody ref={body}>
            {start > 0 && (
              <tr aria-hidden="true" style={{ height: `${start * height}px` }}>
                <td colSpan={5} />
              </tr>
            )}
            {there.map((entry) => (
              <EntryRow key={entry.id} entry={entry} whose />
            ))}
            {shown.value.length > end && (
              <tr aria-hidden="true" style={{ height: `${(shown.value.length - end) * height}px` }}>
                <td colSpan={5} />
              </tr>
            )}
          </tbody>
        </table>
      )}
      {loaded && !log.complete.value && (
        <p class="more">
          <button type="button" onClick={earlier}>
            Earlier entries
          </button>
        </p>
      )}
    </>
  );
}

function matches(entry: Entry, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return true;
  if (/^#?\d+$/.test(wanted)) return String(entry.participant_index) === wanted.replace("#", "");
  return `${entry.type.replaceAll("_", " ")} ${described(entry)} ${by(entry)}`
    .toLowerCase()
    .includes(wanted);
}
