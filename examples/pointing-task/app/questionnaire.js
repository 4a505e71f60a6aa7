// Questions out of the study file, as a form.

import { h } from "./dom.js";

/**
 * A questionnaire block, as a screen. Answers go to `run.answers` while they are given, with
 * `save()` after each change; `submit(button)` is called once every required one is there.
 */
export function questionnaireScreen(run, { save, submit }) {
  const { config } = run;
  const questions = config.questions ?? [];
  const form = h(
    "form",
    { class: "questions", oninput: keep, onsubmit: send },
    questions.map((question) => (KINDS[question.type] ?? textQuestion)(question, run)),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "submit", class: "primary", testid: "continue" }, config.button ?? "Continue"),
    ),
  );
  const element = h(
    "section",
    { class: "card wide", testid: "questionnaire" },
    h("h1", { tabindex: "-1" }, config.title ?? "Questions"),
    config.intro ? h("p", { class: "lead" }, config.intro) : null,
    form,
  );

  function keep() {
    const given = new FormData(form);
    run.answers = Object.fromEntries(questions.map(({ id }) => [id, given.get(id) ?? ""]));
    save();
  }

  function send(event) {
    event.preventDefault();
    keep();
    run.complete = true;
    save();
    submit(event.submitter);
  }

  return { element };
}

const KINDS = { scale: scaleQuestion, choice: choiceQuestion, text: textQuestion };

function scaleQuestion(question, run) {
  const points = Array.from({ length: question.points ?? 7 }, (_, index) => String(index + 1));
  const said = (point) =>
    point === "1" ? `1, ${question.low}` : point === String(points.length) ? `${point}, ${question.high}` : point;
  return group(
    question,
    h(
      "div",
      { class: "scale" },
      points.map((point) =>
        h(
          "label",
          { class: "point" },
          radio(question, point, run, { "aria-label": said(point) }),
          h("span", { "aria-hidden": "true" }, point),
        ),
      ),
    ),
    h(
      "div",
      { class: "ends", "aria-hidden": "true" },
      h("span", {}, question.low ?? ""),
      h("span", {}, question.high ?? ""),
    ),
  );
}

function choiceQuestion(question, run) {
  return group(
    question,
    h(
      "div",
      { class: "options" },
      question.options.map((option) =>
        h("label", { class: "option" }, radio(question, option, run), h("span", {}, option)),
      ),
    ),
  );
}

function textQuestion(question, run) {
  const id = `question-${question.id}`;
  return h(
    "div",
    { class: "question", testid: `question-${question.id}` },
    h("label", { for: id, class: "asked" }, question.text, question.optional ? optional() : null),
    h("textarea", { id, name: question.id, rows: 3, required: !question.optional }, run.answers[question.id] ?? ""),
  );
}

function group(question, ...parts) {
  return h(
    "fieldset",
    { class: "question", testid: `question-${question.id}` },
    h("legend", { class: "asked" }, question.text, question.optional ? optional() : null),
    parts,
  );
}

function radio(question, value, run, extra = {}) {
  return h("input", {
    type: "radio",
    name: question.id,
    value,
    required: !question.optional,
    checked: run.answers[question.id] === value,
    ...extra,
  });
}

function optional() {
  return h("span", { class: "optional" }, " (optional)");
}
