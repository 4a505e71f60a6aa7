import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Controller } from "../../controller";
import type { Config, Entry, Snapshot, Visit } from "../../protocol";
import { address, open } from "../../route";
import { requestId } from "../../socket";
import type { ShownRow } from "../../store";
import { Entries } from "../entries";
import { Moves, Presence } from "../moves";
import { Since } from "../run/row";
import { Confirm } from "../shell/confirm";
import { outside, Strip, Swatch } from "../strip";
import { ConfigTree } from "./config";
import { Connect } from "./connect";
import { Origins } from "./origins";
import { Records } from "./records";
import { Timeline } from "./timeline";

const ENTRIES = 200;
const LAST = 2 ** 53 - 1;

/** All about one participant, beside the list, at an address of its own. */
export function Drawer({ controller, index }: { controller: Controller; index: number }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus();
    const close = (event: KeyboardEvent) => {
      const inside = event.target instanceof Element && event.target.closest("dialog, input, textarea");
      if (event.key === "Escape" && !inside) open(address.view("run"));
    };
    addEventListener("keydown", close);
    return () => {
      removeEventListener("keydown", close);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const row = controller.store.watch(index);
  return (
    <aside class="drawer" aria-label={`Participant ${index}`} data-testid="drawer">
      <header>
        <h2 tabIndex={-1} ref={heading}>
          Participant {index}
        </h2>
        {row && <Presence connected={row.connected} />}
        <a class="close" href={address.view("run")} aria-label="Close" data-testid="close">
          ×
        </a>
      </header>
      {row ? <Details controller={controller} row={row} /> : <p class="empty">There is no participant {index}.</p>}
    </aside>
  );
}

function Details({ controller, row }: { controller: Controller; row: ShownRow }) {
  const index = row.participant_index;
  const { store } = controller;
  const recorded = store.results.of(index).value;
  const snapshot = useSignal<Snapshot | null>(null);
  const configs = useSignal<Config[]>([]);
  const visits = useSignal<Visit[]>([]);
  const entries = useSignal<Entry[]>([]);
  const [resetting, setResetting] = useState(false);
  const [explaining, setExplaining] = useState(false);

  // Anything that concerns them has a new revision, or is another study.
  const { revision, study } = row;
  const live = store.connection.value === "live";
  useEffect(() => {
    if (!live) return;
    let current = true;
    const who = { participant_index: index };
    void (async () => {
      const [state, all, stays, log] = await Promise.all([
        controller.get("state", who),
        controller.get("all-configs", who),
        controller.get("timings", { participant: index }),
        controller.get("events", { participant: index, before: LAST, limit: ENTRIES }),
      ]);
      if (!current) return;
      if (state) snapshot.value = state;
      if (all) configs.value = all;
      if (stays) visits.value = stays;
      if (log) entries.value = log;
    })();
    return () => {
      current = false;
    };
  }, [controller, index, revision, study, live, store.study.value.digest]);

  const undo = () =>
    controller.do(
      "undo",
      { participant_index: index, request_id: requestId() },
      `The last move of participant ${index} was undone.`,
    );
  const reset = async () => {
    const asked = { participant_index: index, request_id: requestId() };
    const answer = await controller.do(
      "reset-participant",
      asked,
      `The configs of participant ${index} are the file's again.`,
    );
    if (answer) snapshot.value = answer;
  };

  return (
    <>
      <section class="state">
        <Strip row={row} names={store.names.value} />
        <p>
          <Swatch name={row.block_name} names={store.names.value} />
          <b data-testid="drawer-block">{row.block_name}</b>{" "}
          <span class="place">
            {row.active ? `block ${row.block_id + 1} of ${row.blocks_count}` : outside(row)}
          </span>{" "}
          <Since row={row} offset={store.clockOffset.value} />
          {row.row !== row.participant_index && (
            <span class="place" data-testid="design-row">
              {" "}
              follows row {row.row} of the design
            </span>
          )}
        </p>
        <div class="actions start">
          <Moves controller={controller} row={row} />
          <button type="button" onClick={undo} data-testid="drawer-undo">
            Undo last move
          </button>
        </div>
      </section>

      <Section title="Config" open>
        {snapshot.value?.config ? (
          <>
            <ConfigTree
              key={`${snapshot.value.block_id} ${snapshot.value.revision}`}
              controller={controller}
              snapshot={snapshot.value}
              onChanged={(changed) => (snapshot.value = changed)}
            />
            {row.overridden > 0 && (
              <button type="button" data-testid="reset" onClick={() => setResetting(true)}>
                Reset to the file …
              </button>
            )}
          </>
        ) : (
          !row.active && (
            <p class="place">Only while they are in a block is there a current config.</p>
          )
        )}
      </Section>

      <Section title="Timeline" open>
        <Timeline
          row={row}
          visits={visits.value}
          names={store.names.value}
          offset={store.clockOffset.value}
        />
      </Section>

      {(recorded.records > 0 || recorded.unsent > 0) && (
        <Section title="Records" open>
          <Records row={row} recorded={recorded} names={store.names.value} />
        </Section>
      )}

      <Section title="Connect an app">
        <Connect controller={controller} index={index} />
      </Section>

      <Section title="All blocks">
        <ol class="configs" start={1}>
          {configs.value.map((config, block) => (
            <li key={block} class={block === row.block_id ? "current" : ""}>
              <details>
                <summary>
                  <Swatch name={row.block_names[block] ?? ""} names={store.names.value} />
                  {row.block_names[block]}
                </summary>
                <pre tabIndex={0}>{JSON.stringify(config, null, 2)}</pre>
              </details>
            </li>
          ))}
        </ol>
      </Section>

      <Section title="Where it comes from" onToggle={setExplaining}>
        {explaining && <Origins controller={controller} row={row} configs={configs.value} />}
      </Section>

      <Section title="Events">
        <Entries entries={entries.value.toReversed()} />
      </Section>

      <Section title="Raw snapshot">
        <pre tabIndex={0}>{JSON.stringify(snapshot.value, null, 2)}</pre>
      </Section>

      {resetting && (
        <Confirm
          title={`Reset the changed configs of participant ${index}?`}
          action="Reset 1 participant"
          onConfirm={reset}
          onClose={() => setResetting(false)}
        >
          <p>Their configs become those of the study file. They stay where they are.</p>
        </Confirm>
      )}
    </>
  );
}

function Section({
  title,
  open: opened = false,
  onToggle,
  children,
}: {
  title: string;
  open?: boolean;
  onToggle?: (open: boolean) => void;
  children: preact.ComponentChildren;
}) {
  return (
    <details
      class="section"
      open={opened}
      onToggle={(event) => onToggle?.(event.currentTarget.open)}
    >
      <summary>
        <h3>{title}</h3>
      </summary>
      {children}
    </details>
  );
}
