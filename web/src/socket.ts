// The one socket: what it hears goes into the store, what is asked gets an answer.

import { io, type Socket } from "socket.io-client";
import type { Acknowledgement, Answer, Name, Parameters, Refusal, ServerEvents } from "./protocol";
import type { Store } from "./store";

const ANSWER_WITHIN_MS = 10_000;

// The server lets a socket ask a hundred times a second, two hundred times at once.
const AT_ONCE = 150;
const PACE_MS = 12;

export type Ask = <N extends Name>(
  name: N,
  parameters: Parameters<N>,
) => Promise<Acknowledgement<Answer<N>>>;

/** Feed the store from the server, and return how to ask it for something. */
export function connect(store: Store): Ask {
  const socket: Socket<ServerEvents> = io("/dashboard", {
    transports: ["websocket", "polling"],
    // Somebody is waiting for a restarted server, and is the only one who knocks.
    reconnectionDelayMax: 1500,
  });

  socket.on("snapshot", (overview) => {
    store.replace(overview);
    store.connection.value = "live";
  });
  socket.on("participants-changed", (rows) => store.change(rows));
  socket.on("results-changed", (numbers) => store.results.change(numbers));
  socket.on("participants-removed", (indices) => store.remove(indices));
  socket.on("study-changed", (study) => store.changeStudy(study));
  socket.on("event", (entries) => store.log.hear(entries));
  socket.on("server-shutdown", () => {
    store.connection.value = "stopped";
  });
  socket.on("disconnect", (reason) => {
    if (store.connection.value !== "stopped") store.connection.value = "lost";
    // The client comes back by itself, but not from a server that has said goodbye.
    if (reason === "io server disconnect") socket.connect();
  });
  socket.on("connect_error", () => {
    if (store.connection.value === "connecting") store.connection.value = "lost";
  });

  const turn = paced();
  return async (name, parameters) => {
    await turn();
    if (!socket.connected) {
      return refusal("not-connected", "There is no connection to the server; nothing was done.");
    }
    try {
      return await (socket as Socket).timeout(ANSWER_WITHIN_MS).emitWithAck(name, parameters);
    } catch {
      return refusal(
        "no-answer",
        "The server did not answer. Look where the participant is before you try again.",
      );
    }
  };
}

/** Makes those wait who ask faster than the server takes it. */
function paced(): () => Promise<void> {
  let free = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = performance.now();
    free = Math.max(free, now - AT_ONCE * PACE_MS) + PACE_MS;
    if (free > now) await new Promise((resolve) => setTimeout(resolve, free - now));
  };
}

/** A name for a request; pages without https have no crypto.randomUUID. */
export function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function refusal(code: string, message: string): Refusal {
  return { ok: false, error: { code, message } };
}
