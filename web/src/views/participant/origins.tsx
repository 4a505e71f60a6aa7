import { useEffect, useState } from "preact/hooks";
import { at, told, written } from "../../config";
import type { Controller } from "../../controller";
import type { Config, ExplainedBlock, ExplainedValue, ParticipantRow } from "../../protocol";
import { Swatch } from "../strip";

interface Props {
  controller: Controller;
  row: ParticipantRow;
  /** The participant's configs, with what was changed for them alone. */
  configs: Config[];
}

/** Where each block and each value of a participant comes from. */
export function Origins({ controller, row, configs }: Props) {
  const [blocks, setBlocks] = useState<ExplainedBlock[] | null>(null);
  const { participant_index, study } = row;
  const live = controller.store.connection.value === "live";
  useEffect(() => {
    if (!live) return;
    let current = true;
    void controller.get("explain", { participant_index }).then((found) => {
      if (current && found) setBlocks(found);
    });
    return () => {
      current = false;
    };
  }, [controller, participant_index, study, live]);
  if (!blocks) return <p class="place">Looking it up …</p>;
  return (
    <ol class="configs origins" data-testid="origins">
      {blocks.map((block) => (
        <li
          key={block.block_id}
          class={block.block_id === row.block_id ? "current" : ""}
          data-testid={`origins-${block.block_id}`}
        >
          <details open={block.block_id === row.block_id}>
            <summary>
              <Swatch name={block.name} names={controller.store.names.value} />
              {block.name}
            </summary>
            <Place reasons={block.reasons} />
            <Values block={block} config={configs[block.block_id]} />
          </details>
        </li>
      ))}
    </ol>
  );
}

function Place({ reasons }: { reasons: string[] }) {
  return (
    <ul class="reasons" aria-label="How the block came to its place">
      {reasons.map((reason) => (
        <li key={reason}>{reason}</li>
      ))}
    </ul>
  );
}

function Values({ block, config }: { block: ExplainedBlock; config: Config | undefined }) {
  if (!block.values.length) return <p class="place">It has no settings.</p>;
  return (
    <dl>
      {block.values.map((value) => (
        <div key={JSON.stringify(value.path)}>
          <dt>{value.path.join(".")}</dt>
          <dd>
            <code>{written(value.value)}</code> <Origin block={block} value={value} config={config} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface OriginProps {
  block: ExplainedBlock;
  value: ExplainedValue;
  config: Config | undefined;
}

function Origin({ block, value, config }: OriginProps) {
  const now = config && at(config, value.path);
  const changed = config !== undefined && written(now ?? null) !== written(value.value);
  return (
    <span class="file">
      {told(value, block.name).join(", ")}
      {changed && (
        <>
          {" "}
          <b class="changed">
            {now === undefined
              ? "taken away for this participant"
              : `for this participant ${written(now)}`}
          </b>
        </>
      )}
    </span>
  );
}
