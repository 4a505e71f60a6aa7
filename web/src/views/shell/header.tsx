import { address, VIEWS, type View, view } from "../../route";
import type { Connection, Store } from "../../store";

const CONNECTIONS: Record<Connection, string> = {
  connecting: "connecting",
  live: "live",
  lost: "no connection",
  stopped: "server stopped",
};

export function Header({ store, onHelp }: { store: Store; onHelp: () => void }) {
  const { name, digest, version } = store.study.value;
  const session = store.session.value;
  const { participants, connected, active, finished } = store.totals.value;
  const connection = store.connection.value;
  return (
    <header class="top">
      <div class="title">
        <h1>{name}</h1>
        <span class="digest" title={`Version of the study file: ${digest}`}>
          version {version} · {digest.slice(0, 8)}
        </span>
        {session !== "main" && <span class="session">session {session}</span>}
      </div>
      <nav aria-label="Views">
        {(Object.keys(VIEWS) as View[]).map((item) => (
          <a
            key={item}
            href={address.view(item)}
            aria-current={view.value === item ? "page" : undefined}
            data-testid={`view-${item}`}
          >
            {VIEWS[item]}
          </a>
        ))}
      </nav>
      <dl class="totals">
        <Total label={participants === 1 ? "participant" : "participants"} value={participants} />
        <Total label="connected" value={connected} />
        <Total label="in a block" value={active} />
        <Total label="finished" value={finished} />
      </dl>
      <span class={`connection ${connection}`} role="status" data-testid="connection">
        {CONNECTIONS[connection]}
      </span>
      <button type="button" class="quiet" aria-label="Keyboard help" title="Keyboard help (?)" onClick={onHelp}>
        ?
      </button>
    </header>
  );
}

function Total({ label, value }: { label: string; value: number }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd data-testid={`total-${label.replaceAll(" ", "-")}`}>{value}</dd>
    </div>
  );
}
