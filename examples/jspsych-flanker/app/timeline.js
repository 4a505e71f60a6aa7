// jsPsych timelines, made of what the server says about a block.

/* global jsPsychHtmlButtonResponse, jsPsychHtmlKeyboardResponse */

const KEYS = { left: "ArrowLeft", right: "ArrowRight" };

/** What is recorded of a trial's data. */
export function resultOf({ trial, arrows, congruent, response, correct, rt }) {
  return { trial, arrows, congruent, response, correct, rt };
}

/** The timeline of a block, by the `kind` in its config. */
export function timelineOf({ block_name, config }, jsPsych) {
  if (config.kind === "text") return [text(config)];
  if (config.kind === "flanker") return flanker(config, jsPsych);
  return [text({ title: block_name, paragraphs: [`This app does not know the kind "${config.kind}".`], button: "Continue" })];
}

function text({ title, paragraphs, button }) {
  return {
    type: jsPsychHtmlButtonResponse,
    stimulus: `<div class="text"><h1>${title}</h1>${paragraphs.map((words) => `<p>${words}</p>`).join("")}</div>`,
    choices: [button],
    data: { task: "text" },
  };
}

function flanker({ title, trials, spacing, fixation, timeout, feedback }, jsPsych) {
  const shown = trials.map(({ side, congruent }, index) => ({
    arrows: arrowsOf(side, congruent),
    trial: index + 1,
    correct_key: KEYS[side],
    congruent,
  }));
  return [
    text({ title, paragraphs: ["Rest your fingers on the arrow keys."], button: "Begin" }),
    ...shown.flatMap((trial) => [
      {
        type: jsPsychHtmlKeyboardResponse,
        stimulus: '<p class="arrows">+</p>',
        choices: "NO_KEYS",
        trial_duration: fixation,
        data: { task: "fixation" },
      },
      {
        type: jsPsychHtmlKeyboardResponse,
        stimulus: `<p class="arrows" data-arrows="${drawn(trial.arrows)}" style="letter-spacing: ${Number(spacing)}em">${drawn(trial.arrows)}</p>`,
        choices: Object.values(KEYS),
        trial_duration: timeout,
        data: { task: "flanker", ...trial },
        on_finish: (data) => (data.correct = jsPsych.pluginAPI.compareKeys(data.response, trial.correct_key)),
      },
      ...(feedback ? [verdict(jsPsych)] : []),
    ]),
  ];
}

function verdict(jsPsych) {
  return {
    type: jsPsychHtmlKeyboardResponse,
    stimulus: () => {
      const { correct } = jsPsych.data.get().last(1).values()[0];
      return `<p>${correct ? "Right" : "Look at the middle arrow"}</p>`;
    },
    choices: "NO_KEYS",
    trial_duration: 400,
    data: { task: "feedback" },
  };
}

/** Five arrows: the middle one to its side, and the others with it or against it. */
function arrowsOf(side, congruent) {
  const [middle, against] = side === "left" ? "<>" : "><";
  const others = congruent ? middle : against;
  return others.repeat(2) + middle + others.repeat(2);
}

const drawn = (arrows) => arrows.replaceAll("<", "&lt;").replaceAll(">", "&gt;");
