// The way to the server: snapshots come in, "move on" goes out.

import { io } from "/socket.io/socket.io.esm.min.js";

const ANSWER_WITHIN_MS = 5000;
const RETURN_AFTER_MS = 1000;

/**
 * Connect as a participant (a number; undefined for the server's default participant).
 *
 * `on.snapshot(snapshot)` is called with every snapshot that is not older than the last one,
 * `on.online(connected)` when the connection comes and goes, `on.refused({code, message})` when
 * the server does not take this participant. Returns `{moveOn, retry}`.
 */
export function connect(participant, on) {
  const socket = io({
    auth: participant === undefined ? {} : { participant },
    transports: ["websocket", "polling"],
  });
  let revision = -1;

  const receive = (snapshot) => {
    if (snapshot.revision < revision) return;
    revision = snapshot.revision;
    on.snapshot(snapshot);
  };
  for (const event of ["state", "block-changed", "config-changed"]) socket.on(event, receive);

  socket.on("connect", () => {
    // The server may have come back with a fresh database, in which revisions count from zero.
    revision = -1;
    on.online(true);
  });
  socket.on("disconnect", (reason) => {
    on.online(false);
    // The client returns by itself from every loss but this one.
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), RETURN_AFTER_MS);
  });
  socket.on("connect_error", (error) => {
    if (error.data?.code) on.refused(error.data);
    else on.online(false);
  });

  return {
    /** Ask for the next block; rejects with an Error whose message is for the participant. */
    async moveOn() {
      // A request that waits for the connection could arrive after the experimenter has moved the
      // participant, and would then skip a block.
      if (!socket.connected) throw new Error("There is no connection. Please try again when it is back.");
      let answer;
      try {
        answer = await socket.timeout(ANSWER_WITHIN_MS).emitWithAck("move-to-next");
      } catch {
        throw new Error("The server did not answer. Please try again.");
      }
      if (!answer.ok) throw new Error(`The server answered: ${answer.error.message}`);
      receive(answer.data);
    },
    /** Try again after a refusal. */
    retry: () => socket.connect(),
  };
}
