import { render } from "preact";
import { Comparison } from "./comparison";
import { Controller } from "./controller";
import type { Overview } from "./protocol";
import { followAddress } from "./route";
import { connect } from "./socket";
import { Store } from "./store";
import { startClock } from "./time";
import { App } from "./views/app";

const store = new Store();

// The page carries the first snapshot, so that it is right before the socket opens.
const first = document.getElementById("first-snapshot")?.textContent;
if (first) store.replace(JSON.parse(first) as Overview);

startClock();
followAddress();
const controller = new Controller(store, connect(store));
new Comparison(store, controller.ask).start();
const root = document.getElementById("root");
if (root) render(<App controller={controller} />, root);
