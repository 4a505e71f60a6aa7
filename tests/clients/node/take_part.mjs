// Takes part as a web app would, over the official client, and prints what happened as JSON lines.
//   node take_part.mjs URL default|msgpack PARTICIPANT
import { io } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";

const [url, parser, participant] = process.argv.slice(2);
const options =
  parser === "msgpack" ? { path: "/socket.io-msgpack/", parser: msgpackParser } : {};
const say = (happening, payload) =>
  console.log(JSON.stringify({ happening, payload: payload ?? null }));

const socket = io(url, {
  ...options,
  auth: { participant: Number(participant) },
  transports: ["websocket"],
  reconnection: false,
});

socket.onAny((event, payload) => say(event, payload));
socket.on("connect_error", (error) => {
  say("connect_error", { message: error.message, data: error.data });
  process.exit(0);
});
socket.on("disconnect", (reason) => {
  say("disconnect", reason);
  process.exit(0);
});

// Each line of standard input is an operation to ask for: {"operation", "payload"}.
process.stdin.setEncoding("utf8");
let pending = "";
process.stdin.on("data", async (text) => {
  const lines = (pending + text).split("\n");
  pending = lines.pop();
  for (const line of lines) {
    const { operation, payload } = JSON.parse(line);
    say("acknowledged", await socket.timeout(5000).emitWithAck(operation, payload));
  }
});
process.stdin.on("end", () => socket.disconnect());
