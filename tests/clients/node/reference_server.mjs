// Moves everybody to a block, with Node's own Socket.IO server and database: what the benchmarks
// compare with.   node reference_server.mjs DATABASE
//
// It does for a move what our server does: in one transaction, an UPDATE and a row of a log that is
// chained by hashes for each participant; then a snapshot of its own to each participant's room.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { Server } from "socket.io";

const database = new DatabaseSync(process.argv[2]);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE participants (
    participant_index INTEGER PRIMARY KEY, block_id INTEGER NOT NULL, ended INTEGER NOT NULL,
    revision INTEGER NOT NULL, block_started_at TEXT, updated_at TEXT NOT NULL);
  CREATE TABLE events (
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, type TEXT NOT NULL, participant_index INTEGER,
    data TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
  CREATE INDEX events_of_participant ON events (participant_index, id);
`);
const add = database.prepare("INSERT INTO participants VALUES (?, 0, 0, 0, NULL, ?)");
const update = database.prepare(
  `UPDATE participants SET block_id = ?, revision = ?, block_started_at = ?, updated_at = ?
   WHERE participant_index = ? AND revision = ?`,
);
const append = database.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)");

const BLOCKS = ["block0", "block1", "block2"];
const participants = new Map();
let head = { id: 0, hash: "0".repeat(64) };

const inTransaction = (work) => {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
};

const snapshot = ({ index, blockId, revision, startedAt }) => ({
  participant_index: index,
  active: true,
  block_id: blockId,
  block_name: BLOCKS[blockId],
  blocks_count: BLOCKS.length,
  revision,
  connected: 1,
  block_started_at: startedAt,
  updated_at: startedAt,
  study: "0".repeat(64),
  overridden: 0,
  config: { trials: blockId, participant_index: index, name: BLOCKS[blockId], block_id: blockId },
  overrides: [],
});

const moveAll = (blockId) => {
  const now = new Date().toISOString();
  const moved = [];
  let end = head;
  inTransaction(() => {
    for (const before of participants.values()) {
      const after = { ...before, blockId, revision: before.revision + 1, startedAt: now };
      const { changes } = update.run(blockId, after.revision, now, now, before.index, before.revision);
      if (changes !== 1) throw new Error(`participant ${before.index} has changed`);
      const data = JSON.stringify({
        by: "rest",
        revision: after.revision,
        from: { block_id: before.blockId, block_name: BLOCKS[before.blockId] },
        to: { block_id: blockId, block_name: BLOCKS[blockId] },
        in_block: true,
        study_version: 1,
      });
      const id = end.id + 1;
      const parts = JSON.stringify([id, now, "moved", before.index, data, end.hash]);
      const hash = createHash("sha256").update(parts).digest("hex");
      append.run(id, now, "moved", before.index, data, end.hash, hash);
      end = { id, hash };
      moved.push(after);
    }
  });
  head = end;
  for (const state of moved) {
    participants.set(state.index, state);
    io.to(`participant:${state.index}`).emit("block-changed", snapshot(state));
  }
};

const fill = (last) =>
  inTransaction(() => {
    const now = new Date().toISOString();
    for (let index = participants.size + 1; index <= last; index++) {
      add.run(index, now);
      participants.set(index, { index, blockId: 0, revision: 0, startedAt: now });
    }
  });

const http = createServer((request, response) => {
  const [, , operation, argument] = request.url.split("/");
  const number = Number(argument);
  let answer = number;
  if (operation === "move-all-to-block") moveAll(number);
  else if (operation === "fill") fill(number);
  else if (operation === "state") answer = snapshot(participants.get(number));
  else return; // Socket.IO's own
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(answer));
});
const io = new Server(http, { serveClient: false });
io.on("connection", (socket) => {
  const index = socket.handshake.auth.participant;
  socket.join(`participant:${index}`);
  socket.emit("state", snapshot(participants.get(index)));
});
http.listen(0, "127.0.0.1", 4096, () => console.log(http.address().port));
