// The task: a ring of targets, of which one is filled. A press selects, hit or miss, and fills the
// next one across the ring.

import { h, svg } from "./dom.js";
import { centreOf, isPremature, measure, targetAt } from "./fitts.js";

/** What keeps a config from being a pointing task, in a sentence; null if nothing does. */
export function problemOf(config) {
  for (const name of ["field", "amplitude", "width", "targets", "movements"]) {
    if (!(config[name] > 0)) return `It needs a ${name} above zero.`;
  }
  if (config.targets < 3) return "It needs 3 targets or more.";
  if (config.amplitude + config.width > config.field) {
    return `A field of ${config.field} is too small for an amplitude of ${config.amplitude} with a width of ${config.width}.`;
  }
  return null;
}

/**
 * The task of one block, as a screen.
 *
 * `run` is where the movements go; one that has some already is continued. `save()` is called
 * after every movement, `done()` after the last. Times are taken from the events themselves, so
 * that a busy browser does not lengthen them.
 */
export function pointingScreen(run, { save, done }) {
  const { config } = run;
  const ring = {
    targets: config.targets,
    amplitude: config.amplitude,
    startAngle: [config.start_angle ?? 0].flat()[0],
  };
  const place = (step) => centreOf(targetAt(step, ring.targets), ring);

  const circles = Array.from({ length: ring.targets }, (_, target) => {
    const { x, y } = centreOf(target, ring);
    return svg("circle", { class: "target", cx: x, cy: y, r: config.width / 2 });
  });
  const half = config.field / 2;
  const field = svg(
    "svg",
    { viewBox: `${-half} ${-half} ${config.field} ${config.field}`, class: "field", "aria-hidden": "true" },
    circles,
  );
  const stage = h("div", { class: "stage", testid: "stage", onpointerdown: press }, field);
  const hint = h("p", { class: "hint", testid: "hint", role: "status" });
  const meter = h("progress", { class: "meter", max: config.movements, "aria-label": "Movements done" });
  const screen = h(
    "section",
    { class: "task", "aria-label": config.title ?? "Pointing", testid: "task" },
    h("h1", { tabindex: "-1", class: "unseen" }, config.title ?? "Pointing"),
    h("p", { class: "instruction" }, config.instruction ?? ""),
    hint,
    stage,
    meter,
  );

  let scale = 1;
  let paused = false;
  // The press that the next movement starts from; without one, the participant has to come back
  // to the target that they left, and that press is not timed.
  let last = null;
  let premature = 0;

  const resized = new ResizeObserver(fit);
  resized.observe(stage);
  document.addEventListener("visibilitychange", interrupt);
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  draw();

  function fit() {
    const now = Math.min(1, stage.clientWidth / config.field, stage.clientHeight / config.field);
    if (now === scale && field.hasAttribute("width")) return;
    scale = now;
    field.setAttribute("width", config.field * scale);
    field.setAttribute("height", config.field * scale);
    interrupt();
  }

  function interrupt() {
    last = null;
    draw();
  }

  function draw() {
    const current = targetAt(run.movements.length + (last ? 1 : 0), ring.targets);
    circles.forEach((circle, target) => {
      const isCurrent = target === current && !paused;
      circle.classList.toggle("current", isCurrent);
      if (isCurrent) circle.dataset.testid = "target";
      else delete circle.dataset.testid;
    });
    const way = run.movements.length ? "go on" : "begin";
    hint.textContent = paused ? "Paused" : last ? "" : `Press the filled target to ${way}`;
    stage.classList.toggle("running", Boolean(last));
    meter.value = run.movements.length;
  }

  function press(event) {
    if (paused || !event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      field.getScreenCTM().inverse(),
    );
    const now = { x, y, time: event.timeStamp };
    if (last) select(now, event.pointerType);
    else begin(now);
  }

  function begin(now) {
    const start = place(run.movements.length);
    if (Math.hypot(now.x - start.x, now.y - start.y) > config.width / 2) return;
    last = now;
    premature = 0;
    draw();
  }

  function select(now, pointer) {
    const step = run.movements.length;
    const axis = { from: place(step), to: place(step + 1) };
    if (isPremature(axis, last, now)) {
      premature += 1;
      return;
    }
    const { dx, distance, hit } = measure(axis, config.width, last, now);
    run.movements.push({
      start_angle: ring.startAngle,
      movement: step + 1,
      time_ms: now.time - last.time,
      hit,
      dx,
      distance,
      from_x: axis.from.x,
      from_y: axis.from.y,
      to_x: axis.to.x,
      to_y: axis.to.y,
      start_x: last.x,
      start_y: last.y,
      press_x: now.x,
      press_y: now.y,
      premature_presses: premature,
      pointer,
      px_per_unit: scale,
      pressed_at: new Date(performance.timeOrigin + now.time).toISOString(),
    });
    last = now;
    premature = 0;
    if (!hit) showMiss(circles[targetAt(step + 1, ring.targets)]);
    run.complete = run.movements.length >= config.movements;
    save();
    if (run.complete) done();
    else draw();
  }

  return {
    element: screen,
    pause(isPaused) {
      paused = isPaused;
      stage.classList.toggle("paused", paused);
      interrupt();
    },
    leave() {
      resized.disconnect();
      document.removeEventListener("visibilitychange", interrupt);
    },
  };
}

function showMiss(circle) {
  circle.classList.remove("missed");
  // Reading the layout lets the animation start over on a target that is still fading.
  circle.getBoundingClientRect();
  circle.classList.add("missed");
}
