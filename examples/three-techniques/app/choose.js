// Choosing targets one after the other: each technique says when a target is chosen.

const INSTRUCTIONS = {
  tap: "Press each target.",
  cross: "Press beside each target, draw across it, and let go on its other side.",
  rest: "Move onto each target, and rest there until it is gone.",
};

/** Records for each target where it was, how long it took, and how often it was missed. */
export async function choose(block, screen) {
  const { config } = block;
  const { technique, practice, targets } = config;
  const heading = Object.assign(document.createElement("h1"), {
    textContent: practice ? "Practice" : "Now it counts",
  });
  const how = Object.assign(document.createElement("p"), { textContent: INSTRUCTIONS[technique] });
  const field = Object.assign(document.createElement("div"), { className: "field" });
  screen.replaceChildren(heading, how, field);
  for (const [index, place] of targets.entries()) {
    const target = shown(field, place, config.diameters[config.size]);
    const began = performance.now();
    const misses = await CHOSEN[technique](field, target, config);
    const [x, y] = place;
    block.record({ target: index + 1, x, y, ms: Math.round(performance.now() - began), misses });
    target.remove();
  }
}

/** Each resolves with the number of misses, once the target is chosen. */
const CHOSEN = {
  tap: (field, target) =>
    until(field, (heard, done, miss) => {
      heard("pointerdown", (event) => (isOn(target, event) ? done() : miss()));
    }),

  cross: (field, target) =>
    until(field, (heard, done, miss) => {
      let crossed = null;
      heard("pointerdown", (event) => {
        crossed = isOn(target, event) ? null : false;
      });
      heard("pointermove", (event) => {
        if (crossed === false && isOn(target, event)) crossed = true;
      });
      heard("pointerup", (event) => {
        if (crossed && !isOn(target, event)) done();
        else miss();
        crossed = null;
      });
    }),

  rest: (field, target, { rest_ms: rest }) =>
    until(field, (heard, done, miss) => {
      let timer = null;
      heard("pointermove", (event) => {
        const on = isOn(target, event);
        target.classList.toggle("under", on);
        if (on && timer === null) timer = setTimeout(done, rest);
        if (!on && timer !== null) {
          clearTimeout(timer);
          timer = null;
          miss();
        }
      });
    }),
};

function until(field, listen) {
  const listening = new AbortController();
  return new Promise((resolve) => {
    let misses = 0;
    listen(
      (kind, then) => field.addEventListener(kind, then, { signal: listening.signal }),
      () => resolve(misses),
      () => (misses += 1),
    );
  }).finally(() => listening.abort());
}

function shown(field, [x, y], diameter) {
  const target = Object.assign(document.createElement("div"), { className: "target" });
  target.dataset.testid = "target";
  // Where a target stands is data, not a style sheet's; the page's policy lets scripts set it.
  target.style.left = `${x}%`;
  target.style.top = `${y}%`;
  target.style.width = target.style.height = `${diameter}px`;
  field.append(target);
  return target;
}

function isOn(target, { clientX, clientY }) {
  const { left, top, width } = target.getBoundingClientRect();
  return Math.hypot(clientX - left - width / 2, clientY - top - width / 2) <= width / 2;
}
