import type { ReadonlySignal, Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { QUICK, type Quick, SORTS, type Sort, type Wanted } from "../../select";
import type { Store } from "../../store";

interface Props {
  store: Store;
  wanted: Signal<Wanted>;
  shown: ReadonlySignal<number[]>;
  field: RefObject<HTMLInputElement | null>;
}

export function Filters({ store, wanted, shown, field }: Props) {
  const { text, quick, sort } = wanted.value;
  const change = (part: Partial<Wanted>) => {
    wanted.value = { ...wanted.value, ...part };
  };
  const [some, all] = [shown.value.length, store.indices.value.length];
  return (
    <div class="filters" role="search" aria-label="Participants">
      <input
        ref={field}
        type="search"
        placeholder="Number or block"
        aria-label="Filter by number or block"
        value={text}
        data-testid="filter"
        onInput={(event) => change({ text: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            change({ text: "" });
            event.currentTarget.blur();
          }
        }}
      />
      <div class="chips" role="group" aria-label="Quick filters">
        {(Object.keys(QUICK) as Quick[]).map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={quick === name}
            title={QUICK[name].title}
            data-testid={`quick-${name}`}
            onClick={() => change({ quick: name })}
          >
            {QUICK[name].label}
          </button>
        ))}
      </div>
      <label>
        Sort by{" "}
        <select
          value={sort}
          data-testid="sort"
          onChange={(event) => change({ sort: event.currentTarget.value as Sort })}
        >
          {(Object.keys(SORTS) as Sort[]).map((name) => (
            <option key={name} value={name}>
              {SORTS[name]}
            </option>
          ))}
        </select>
      </label>
      <span class="count" data-testid="shown">
        {some === all ? "" : `${some} of ${all}`}
      </span>
    </div>
  );
}
