import type { Controller } from "../controller";
import type { ShownRow } from "../store";

/** Back, next, go to: for one participant. */
export function Moves({ controller, row }: { controller: Controller; row: ShownRow }) {
  const { participant_index: index, block_id: place, blocks_count: count, pending } = row;
  const onward = place < 0 ? "Start" : "Next";
  return (
    <>
      <button
        type="button"
        aria-label={`Back, participant ${index}`}
        disabled={place < 0 || pending}
        data-testid="back"
        onClick={() => controller.move([index], "back")}
      >
        Back
      </button>
      <button
        type="button"
        class="primary"
        aria-label={`${onward}, participant ${index}`}
        disabled={place >= count || pending}
        data-testid="next"
        onClick={() => controller.move([index], "next")}
      >
        {onward}
      </button>
      <select
        aria-label={`Go to, participant ${index}`}
        value=""
        data-testid="go-to"
        onChange={(event) => {
          const block = Number(event.currentTarget.value);
          event.currentTarget.value = "";
          void controller.move([index], { block });
        }}
      >
        <option value="" disabled>
          Go to
        </option>
        {row.block_names.map((name, block) => (
          <option key={block} value={block}>
            {block + 1}: {name}
          </option>
        ))}
      </select>
    </>
  );
}

export function Presence({ connected }: { connected: number }) {
  const apps = connected === 1 ? "connected" : `${connected} apps connected`;
  const text = connected ? apps : "not connected";
  return (
    <span class={connected ? "presence here" : "presence"} role="img" aria-label={text} title={text} />
  );
}
