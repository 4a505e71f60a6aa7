// The way to the server: blocks come in, "move on" goes out.

import { connect as takePart } from "/client.js";

/**
 * Connect as a participant (a number, also as text; undefined for the server's default participant).
 *
 * `on.snapshot(block)` is called with the first block and whenever the participant is elsewhere,
 * `on.online(connected)` when the connection comes and goes, `on.refused({code, message})` when
 * the server does not take this participant, `on.unsent()` when another number of records waits to be
 * sent. Returns `{moveOn, unsent, retry}`.
 */
export function connect(participant, on) {
  let study = null;
  let given = null;

  const begin = async () => {
    try {
      study = await takePart({ participant });
    } catch (error) {
      on.refused(error);
      return;
    }
    study.on("connection", (connection) => on.online(connection !== "none"));
    on.online(study.connection !== "none");
    study.on("unsent", on.unsent);
    study.on("state", (block) => {
      given = block;
      on.snapshot(block);
    });
  };
  begin();

  return {
    /**
     * Ask for the next block, after a moment for the records of this one. Without a connection it waits
     * for one; if the experimenter has moved the participant meanwhile, it is not made, so that no block is
     * skipped. Rejects with an Error whose message is for the participant.
     */
    async moveOn() {
      try {
        await given.finish();
      } catch (error) {
        // The screen of where they are by now is shown already.
        if (error.code !== "participant-elsewhere") throw new Error(`The server answered: ${error.message}`);
      }
    },
    /** The number of records that the server does not have yet. */
    unsent: () => study?.unsent ?? 0,
    /** Try again after a refusal. */
    retry: begin,
  };
}
