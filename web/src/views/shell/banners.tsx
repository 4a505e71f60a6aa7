import type { Store } from "../../store";

/** What the experimenter has to know now: a lost connection, a broken study, nothing kept. */
export function Banners({ store }: { store: Store }) {
  const connection = store.connection.value;
  const errors = store.diagnostics.value.filter((item) => item.severity === "error");
  return (
    <>
      {connection === "lost" && (
        <p class="banner error" role="alert">
          No connection to the server. The page shows the last known state and reconnects automatically.
        </p>
      )}
      {connection === "stopped" && (
        <p class="banner error" role="alert">
          The server was stopped. When it runs again, this page reconnects.
        </p>
      )}
      {errors.length > 0 && (
        <div class="banner error" role="alert" data-testid="study-errors">
          <p>
            {store.study.value.name} has {errors.length === 1 ? "an error" : `${errors.length} errors`};
            the last good version keeps running.
          </p>
          <ul>
            {errors.map((item) => (
              <li key={`${item.code} ${item.message}`}>
                {item.file && <b>{item.file}, </b>}
                {item.line !== null && <b>Line {item.line}: </b>}
                {item.message}
                {item.hint !== null && <span class="hint"> ({item.hint})</span>}
              </li>
            ))}
          </ul>
        </div>
      )}
      {store.database.value === ":memory:" && (
        <p class="banner note">
          Nothing is stored on disk: when the server stops, all participants start over. Leave out{" "}
          <code>--database :memory:</code> for a real study.
        </p>
      )}
    </>
  );
}
