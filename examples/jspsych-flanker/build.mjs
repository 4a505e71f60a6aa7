// Copies what the page needs of jsPsych into the app's folder: there is nothing to bundle.

import { copyFile, mkdir } from "node:fs/promises";

const VENDOR = new URL("app/vendor/", import.meta.url);
const FILES = {
  "jspsych.js": "jspsych/dist/index.browser.min.js",
  "jspsych.css": "jspsych/css/jspsych.css",
  "html-keyboard-response.js": "@jspsych/plugin-html-keyboard-response/dist/index.browser.min.js",
  "html-button-response.js": "@jspsych/plugin-html-button-response/dist/index.browser.min.js",
};

await mkdir(VENDOR, { recursive: true });
for (const [name, source] of Object.entries(FILES)) {
  await copyFile(new URL(`node_modules/${source}`, import.meta.url), new URL(name, VENDOR));
}
