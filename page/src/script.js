// The script tag's way in: what it says in its data attributes, and window.segue.

import { connect } from "./connect.js";

const script = document.currentScript;

// optionsOf reads data-notice, data-wait="60", data-requests="off", data-text-wait="…".
function optionsOf({ dataset, src }) {
  const options = { texts: {} };
  if (src.includes("/.segue/")) options.events = new URL("events", src).href;
  for (const [name, value] of Object.entries(dataset)) {
    const text = name.match(/^text([A-Z]\w*)$/)?.[1].toLowerCase();
    if (text) options.texts[text] = value;
    else if (name === "wait" || name === "spread") options[name] = value === "off" ? 0 : Number(value);
    else if (name === "release" || name === "events") options[name] = value;
    else options[name] = value !== "off" && value !== "manual";
  }
  return options;
}

if (!window.segue) {
  window.segue = script && !("manual" in script.dataset) ? connect(optionsOf(script)) : { connect };
}
