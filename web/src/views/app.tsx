import type { FunctionComponent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Controller } from "../controller";
import type { ResultTable } from "../protocol";
import { opened, type View, view } from "../route";
import { Drawer } from "./participant/drawer";
import { RunView } from "./run/run";
import { Banners } from "./shell/banners";
import { Header } from "./shell/header";
import { Help } from "./shell/help";
import { Toast } from "./shell/toast";

export interface ViewProps {
  controller: Controller;
}

// What is large is loaded when its view is opened.
type Later = Exclude<View, "run">;
const LATER: Record<Later, () => Promise<FunctionComponent<ViewProps>>> = {
  results: async () => (await import("./results/results")).ResultsView,
  design: async () => (await import("./design/design")).DesignView,
  study: async () => (await import("./study/study")).StudyView,
  log: async () => (await import("./log/log")).LogView,
};
const loaded: Partial<Record<Later, FunctionComponent<ViewProps>>> = {};

export function App({ controller }: ViewProps) {
  const { store } = controller;
  const help = useRef<HTMLDialogElement>(null);
  const live = store.connection.value === "live" || store.connection.value === "connecting";
  useNumbersOfBlocks(controller);
  return (
    <div class={live ? "page" : "page stale"}>
      <Header store={store} onHelp={() => help.current?.showModal()} />
      <Banners store={store} />
      <div class={opened.value === null ? "columns" : "columns with-drawer"}>
        <main>
          <p class="notice" role="status">
            {store.notice}
          </p>
          <Current name={view.value} controller={controller} help={help} />
        </main>
        {opened.value !== null && <Drawer key={opened.value} controller={controller} index={opened.value} />}
      </div>
      <Toast controller={controller} />
      <Help dialog={help} />
    </div>
  );
}

/** Read how many records there are in each block, which the snapshot does not have. */
function useNumbersOfBlocks({ store }: Controller): void {
  const { any, loaded } = store.results;
  const wanted = any.value && !loaded.value && store.connection.value === "live";
  useEffect(() => {
    if (!wanted) return;
    let current = true;
    const read = async () => {
      try {
        // Not over the socket: in a large session it is more than fits into a message.
        const answer = await fetch("/api/results");
        if (!answer.ok) throw new Error(answer.statusText);
        const tables = (await answer.json()) as ResultTable[];
        if (current) store.results.load(tables);
      } catch {
        store.notice.value = "The numbers of records could not be read. Reload the page.";
      }
    };
    void read();
    return () => {
      current = false;
    };
  }, [store, wanted]);
}

function Current({
  name,
  controller,
  help,
}: { name: View; help: { current: HTMLDialogElement | null } } & ViewProps) {
  if (name === "run") return <RunView controller={controller} onHelp={() => help.current?.showModal()} />;
  return <LaterView key={name} name={name} controller={controller} />;
}

function LaterView({ name, controller }: { name: Later } & ViewProps) {
  const [failed, setFailed] = useState(false);
  const [, arrived] = useState(0);
  useEffect(() => {
    if (loaded[name]) return;
    LATER[name]().then(
      (view) => {
        loaded[name] = view;
        arrived((times) => times + 1);
      },
      () => setFailed(true),
    );
  }, [name]);
  const Loaded = loaded[name];
  if (Loaded) return <Loaded controller={controller} />;
  return failed ? (
    <p class="empty">This view could not be loaded. Reload the page when the server is there again.</p>
  ) : (
    <p class="empty">Loading …</p>
  );
}
