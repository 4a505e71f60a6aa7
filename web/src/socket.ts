// The one socket: what it hears goes into the store, what is asked gets an answer.

import { io, type Socket } from "socket.io-client";
import type { Acknowledgement, Operations, ServerEvents } from "./protocol";
import type { Store } from "./store";

const ANSWER_WITHIN_MS = 5000;

export type Ask = <Name extends keyof Operations>(
  name: Name,
  parameters: Operations[Name],
) => Promise<Acknowledgement>;

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
  socket.on("participants-removed", (indices) => store.remove(indices));
  socket.on("study-changed", (study) => store.changeStudy(study));
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

  return async (name, parameters) => {
    if (!socket.connected) {
      return refusal("not-connected", "There is no connection to the server; nothing was done.");
    }
    try {
      return await (socket as Socket)
        .timeout(ANSWER_WITHIN_MS)
        .emitWithAck(name, parameters);
    } catch {
      return refusal(
        "no-answer",
        "The server did not answer. Look where the participant is before you try again.",
      );
    }
  };
}

function refusal(code: string, message: string): Acknowledgement {
  return { ok: false, error: { code, message } };
}
