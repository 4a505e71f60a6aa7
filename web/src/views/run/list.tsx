import type { ReadonlySignal } from "@preact/signals";
import type { RefObject } from "preact";
import type { Controller } from "../../controller";
import { Row } from "./row";
import type { Selection } from "./selection";
import { usePart } from "./window";

interface Props {
  controller: Controller;
  shown: ReadonlySignal<number[]>;
  selection: Selection;
  body: RefObject<HTMLTableSectionElement | null>;
}

const COLUMNS = 7;

export function ParticipantList({ controller, shown, selection, body }: Props) {
  const indices = shown.value;
  const recording = controller.store.results.any.value;
  const { start, end, height } = usePart(body, indices.length);
  const there = indices.slice(start, end);
  const every = indices.length > 0 && indices.every((index) => selection.has(index));
  return (
    <table class="participants" aria-rowcount={indices.length + 1}>
      <caption class="unseen">Participants, and where they are</caption>
      <thead>
        <tr aria-rowindex={1}>
          <th scope="col" class="select">
            <input
              type="checkbox"
              aria-label="Select all in the list"
              checked={every}
              onClick={() => (every ? selection.clear() : selection.all())}
            />
          </th>
          <th scope="col" class="index">
            <span class="unseen">Participant</span>#
          </th>
          <th scope="col" class="blocks">
            Blocks
          </th>
          <th scope="col">Now in</th>
          <th scope="col" class="number">
            Since
          </th>
          {recording && (
            <th scope="col" class="number records">
              Records
            </th>
          )}
          <th scope="col">Move</th>
        </tr>
      </thead>
      <tbody ref={body}>
        <Space rows={start} height={height} />
        {there.map((index, offset) => (
          <Row
            key={index}
            controller={controller}
            selection={selection}
            index={index}
            place={start + offset + 1}
          />
        ))}
        <Space rows={indices.length - start - there.length} height={height} />
      </tbody>
    </table>
  );
}

/** Stands for rows that cannot be seen. */
function Space({ rows, height }: { rows: number; height: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="space" aria-hidden="true" style={{ height: `${rows * height}px` }}>
      <td colSpan={COLUMNS} />
    </tr>
  );
}
