import type { ReadonlySignal } from "@preact/signals";
import type { Store } from "../store";
import type { Do } from "./do";
import { Row } from "./row";

interface Props {
  store: Store;
  names: ReadonlySignal<string[]>;
  act: Do;
}

export function ParticipantList({ store, names, act }: Props) {
  const indices = store.indices.value;
  if (indices.length === 0) {
    return <p class="empty">No participants yet. Add one above, or let an app add itself.</p>;
  }
  return (
    <table class="participants">
      <caption class="unseen">Participants, and where they are</caption>
      <thead>
        <tr>
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
          <th scope="col">Move</th>
        </tr>
      </thead>
      <tbody>
        {indices.map((index) => (
          <Row key={index} store={store} index={index} names={names} act={act} />
        ))}
      </tbody>
    </table>
  );
}
