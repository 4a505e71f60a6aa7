import { painted } from "../colours";
import type { ParticipantRow } from "../protocol";

type Placed = Pick<ParticipantRow, "active" | "block_id" | "blocks_count" | "block_names">;

/** A participant's own block order, with the current block lit. */
export function Strip({ row, names }: { row: Placed; names: readonly string[] }) {
  const { block_id, blocks_count, block_names, active } = row;
  const position = active ? `in block ${block_id + 1} of ${blocks_count}` : outside(row);
  return (
    <span class="strip" role="img" aria-label={`${position}: ${block_names.join(", ")}`}>
      {block_names.map((name, block) => {
        const when = block === block_id ? "current" : block < block_id ? "past" : "coming";
        return (
          <i
            key={block}
            title={`${block + 1}: ${name}`}
            class={`block ${when}`}
            style={painted(name, names)}
          />
        );
      })}
    </span>
  );
}

/** Where somebody is who is in no block. */
export function outside({ block_id, blocks_count }: Placed): string {
  return block_id < 0 ? "not started" : `finished all ${blocks_count}`;
}

/** A block's colour beside its name. */
export function Swatch({ name, names }: { name: string; names: readonly string[] }) {
  return <i class="swatch block" style={painted(name, names)} aria-hidden="true" />;
}
