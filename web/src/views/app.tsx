import { useMemo } from "preact/hooks";
import { useComputed } from "@preact/signals";
import { namesOf } from "../colours";
import type { Ask } from "../socket";
import type { Store } from "../store";
import type { Do } from "./do";
import { Banners } from "./banners";
import { Header } from "./header";
import { ParticipantList } from "./list";
import { Toolbar } from "./toolbar";

export function App({ store, ask }: { store: Store; ask: Ask }) {
  const names = useComputed(() =>
    namesOf(store.indices.value.map((index) => store.row(index).value.block_names)),
  );
  const act = useMemo<Do>(
    () => async (name, parameters, done = "") => {
      store.notice.value = "";
      const answer = await ask(name, parameters as never);
      store.notice.value = answer.ok ? done : answer.error.message;
      return answer.ok;
    },
    [store, ask],
  );
  const live = store.connection.value === "live" || store.connection.value === "connecting";
  return (
    <div class={live ? "page" : "page stale"}>
      <Header store={store} />
      <Banners store={store} />
      <main>
        <Toolbar store={store} act={act} />
        <p class="notice" role="status">
          {store.notice}
        </p>
        <ParticipantList store={store} names={names} act={act} />
      </main>
    </div>
  );
}
