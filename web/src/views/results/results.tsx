import { useComputed } from "@preact/signals";
import type { Controller } from "../../controller";
import { address, table as named } from "../../route";
import { Empty } from "./empty";
import { Heatmap } from "./heatmap";
import { Latest } from "./latest";

/** The records that apps sent: how many, from whom, from which block; and the last ones as they come. */
export function ResultsView({ controller }: { controller: Controller }) {
  const { store } = controller;
  const { any, loaded, tables } = store.results;
  const names = useComputed(() => [...tables.value.keys()]);
  if (!any.value) return <Empty />;
  if (!loaded.value) return <p class="empty">Counting …</p>;
  if (!names.value.length) return <Unsent controller={controller} />;
  const wanted = named.value ?? (names.value.includes("trials") ? "trials" : (names.value[0] ?? ""));
  return (
    <div class="results">
      <div class="filters">
        <nav class="tabs" aria-label="Tables">
          {[...tables.value].map(([name, { records }]) => (
            <a
              key={name}
              href={address.table(name)}
              aria-current={name === wanted ? "page" : undefined}
              data-testid={`table-${name}`}
            >
              {name} <span class="count">{records.toLocaleString("en")}</span>
            </a>
          ))}
        </nav>
        <span class="space" />
        {tables.value.has(wanted) && (
          <>
            <a class="button" href={`/api/results/${wanted}.csv`} download data-testid="results-csv">
              CSV
            </a>
            <a class="button" href={`/api/results/${wanted}.jsonl`} download data-testid="results-jsonl">
              JSON Lines
            </a>
          </>
        )}
      </div>
      {tables.value.has(wanted) ? (
        <>
          <Heatmap key={`heatmap ${wanted}`} store={store} table={wanted} />
          <Latest key={`latest ${wanted}`} controller={controller} table={wanted} />
          <p class="place">
            All tables, times, configs and the log as files:{" "}
            <code>
              experiment-server export {store.study.value.name} -d data/
              {store.session.value !== "main" && ` --session ${store.session.value}`}
            </code>
          </p>
        </>
      ) : (
        <p class="empty">There is no table {wanted}.</p>
      )}
    </div>
  );
}

/** Where all that there are wait on devices. */
function Unsent({ controller: { store } }: { controller: Controller }) {
  const waiting = useComputed(() =>
    store.indices.value.reduce((sum, index) => sum + store.results.of(index).value.unsent, 0),
  );
  return (
    <p class="empty">
      No records have arrived yet. {waiting.value} wait on the participants' devices, by the apps' reports.
    </p>
  );
}
