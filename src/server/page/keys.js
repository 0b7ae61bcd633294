// Keys of the views, and the dialog that lists them.

import { h, replace } from "./dom.js";

const bound = [];      // the last one that knows a key has it
const STROKES_MS = 1500;
let prefix = "", since = 0;    // of a key of two strokes, such as "g r", and when it was typed

/** Binds keys: {j: ["Next conversation", fn], "g r": ["Runs", fn]}. fn gets the event; returns what
 * unbinds them again. Keys typed into a field are never ours, nor are those with Ctrl, Alt or Meta. */
export function bind(keys) {
  bound.push(keys);
  return () => {
    const at = bound.indexOf(keys);
    if (at >= 0) bound.splice(at, 1);
  };
}

function isTyping(target) {
  return target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}

/** Opens the dialog with all keys. */
export function showHelp() {
  const dialog = document.getElementById("help");
  const rows = new Map([["?", "These keys"], ["Esc", "Close this"]]);
  for (const keys of bound) for (const key in keys) rows.set(key, keys[key][0]);
  replace(dialog,
    h("h2", { id: "help-title" }, "Keys"),
    h("dl", { class: "keys" }, [...rows].map(([key, text]) =>
      h("div", null, h("dt", null, key.split(" ").map((stroke) => h("kbd", null, stroke))), h("dd", null, text)))),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")));
  dialog.showModal();
}

function find(key) {
  for (let i = bound.length - 1; i >= 0; i--) if (Object.hasOwn(bound[i], key)) return bound[i][key][1];
  return key === "?" ? showHelp : null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const isSecond = prefix !== "" && event.timeStamp - since < STROKES_MS;
  const handle = (isSecond && find(`${prefix} ${event.key}`)) || find(event.key);
  const begins = bound.some((keys) => Object.keys(keys).some((name) => name.startsWith(`${event.key} `)));
  prefix = begins && !isSecond ? event.key : "";
  since = event.timeStamp;
  if (!handle) return;
  event.preventDefault();
  handle(event);
});
