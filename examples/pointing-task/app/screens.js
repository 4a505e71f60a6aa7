// The screens that are words and buttons. Each function returns `{element}`; `next` is called
// with the button when the participant wants to go on.

import { h } from "./dom.js";

/** Before the first block. */
export function startScreen(snapshot, next) {
  return card(
    "Ready when you are",
    h(
      "p",
      { class: "lead" },
      `You are participant ${snapshot.participant_index}. Make yourself comfortable, and begin when you like.`,
    ),
    actions(button("Begin", "begin", next)),
  );
}

/** A block to read, with a box to tick if the config has a `consent`. */
export function textScreen({ config }, next) {
  const words = (config.paragraphs ?? []).map((paragraph) => h("p", {}, paragraph));
  const consent = config.consent
    ? h(
        "label",
        { class: "consent" },
        h("input", { type: "checkbox", required: true, testid: "consent" }),
        h("span", {}, config.consent),
      )
    : null;
  const form = h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        next(event.submitter);
      },
    },
    words,
    consent,
    actions(h("button", { type: "submit", class: "primary", testid: "continue" }, config.button ?? "Continue")),
  );
  return card(config.title ?? "Please read", form);
}

/** After a pointing block: how it went. */
export function restScreen({ config }, measures, next) {
  const { mean_time_ms: time, error_rate: errors, throughput } = measures;
  return card(
    config.rest_title ?? "Time for a short rest",
    h(
      "dl",
      { class: "measures" },
      figure("Mean time", time && `${(time / 1000).toFixed(2)} s`, "mean-time"),
      figure("Misses", errors !== null && `${Math.round(errors * 100)} %`, "error-rate"),
      figure("Throughput", throughput && `${throughput.toFixed(1)} bit/s`, "throughput"),
    ),
    h("p", {}, config.rest_text ?? ""),
    actions(button("Continue", "continue", next)),
  );
}

/** After the last block; `farewell` is an element that says whether the page may be closed. */
export function doneScreen(farewell) {
  return card(
    "All done",
    h("p", { class: "lead" }, "Thank you for taking part. Please tell the experimenter that you have finished."),
    farewell,
  );
}

/** A block that this app cannot show, and why. */
export function problemScreen({ block_id: id }, reason, next) {
  return card(
    "This part cannot be shown",
    h("p", { class: "lead" }, "Please tell the experimenter."),
    h("p", { class: "said", testid: "problem" }, `Part ${id + 1} of the study does not fit this app. ${reason}`),
    actions(button("Skip this part", "continue", next)),
  );
}

/** The server does not take this participant. */
export function refusedScreen({ code, message }, retry) {
  const unknown = code === "participant-unknown";
  return card(
    unknown ? "You are not on the list yet" : "The study did not let you in",
    h("p", { class: "lead" }, "Please tell the experimenter. Nothing is lost, and you can try again at any time."),
    h(
      "p",
      { class: "quiet" },
      unknown
        ? "For the experimenter: add this participant in the dashboard, or correct the number after ?participant= in the address of this page."
        : "For the experimenter: this is what the server said.",
    ),
    h("p", { class: "said", testid: "refusal" }, `${message} (${code})`),
    actions(button("Try again", "retry", retry)),
  );
}

function card(title, ...children) {
  return { element: h("section", { class: "card" }, h("h1", { tabindex: "-1" }, title), children) };
}

function actions(...buttons) {
  return h("div", { class: "actions" }, buttons);
}

function button(label, testid, onPress) {
  return h(
    "button",
    { type: "button", class: "primary", testid, onclick: (event) => onPress(event.currentTarget) },
    label,
  );
}

function figure(name, value, testid) {
  return h("div", {}, h("dt", {}, name), h("dd", { testid }, value || "\u2013"));
}
