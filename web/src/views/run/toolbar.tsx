import { useState } from "preact/hooks";
import type { Controller } from "../../controller";
import { adding } from "../../select";
import { requestId } from "../../socket";
import { Confirm } from "../shell/confirm";
import { MoveAllDialog } from "./move-all";

/** What concerns everybody: add participants, move all. */
export function Toolbar({ controller }: { controller: Controller }) {
  const { store } = controller;
  const [asking, setAsking] = useState<"move" | "stop" | null>(null);
  const [text, setText] = useState("");
  const { active, connected } = store.totals.value;

  const addOne = () =>
    controller.do("new-participant", { request_id: requestId() }, "A participant was added.");

  const addMore = async (event: Event) => {
    event.preventDefault();
    const wanted = adding(text);
    if (typeof wanted === "string") {
      store.notice.value = wanted;
      return;
    }
    const answers = await Promise.all(
      "next" in wanted
        ? Array.from({ length: wanted.next }, () =>
            controller.ask("new-participant", { request_id: requestId() }),
          )
        : wanted.indices.map((participant_index) =>
            controller.ask("add-participant", { participant_index, request_id: requestId() }),
          ),
    );
    const refused = answers.filter((answer) => !answer.ok);
    const added = answers.length - refused.length;
    const first = refused[0];
    store.notice.value = [
      added === 1 ? "1 participant was added." : added ? `${added} participants were added.` : "",
      first && !first.ok ? first.error.message : "",
    ]
      .filter(Boolean)
      .join(" Not all: ");
    if (!refused.length) setText("");
  };

  return (
    <div class="toolbar" role="toolbar" aria-label="Everybody">
      <button type="button" class="primary" data-testid="new-participant" onClick={addOne}>
        Add participant
      </button>
      <form onSubmit={addMore}>
        <label>
          or{" "}
          <input
            type="text"
            placeholder="12, 20-30, +10"
            aria-label="Number, range, or how many more to add"
            value={text}
            data-testid="participant-number"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={!text.trim()}>
          Add
        </button>
      </form>
      <span class="space" />
      <button
        type="button"
        disabled={active === 0}
        title={active === 0 ? "Nobody is in a block" : undefined}
        data-testid="move-all"
        onClick={() => setAsking("move")}
      >
        Move all …
      </button>
      <button type="button" data-testid="shutdown" onClick={() => setAsking("stop")}>
        Stop server …
      </button>
      {asking === "move" && <MoveAllDialog controller={controller} onClose={() => setAsking(null)} />}
      {asking === "stop" && (
        <Confirm
          title="Stop the server"
          action={connected ? `Stop, and disconnect ${connected}` : "Stop"}
          onConfirm={() => controller.do("shutdown", {})}
          onClose={() => setAsking(null)}
        >
          <p>
            {connected === 1 ? "1 participant's app is" : `${connected} participants' apps are`}{" "}
            connected. Everybody stays where they are, and goes on when the server is started again.
          </p>
        </Confirm>
      )}
    </div>
  );
}
