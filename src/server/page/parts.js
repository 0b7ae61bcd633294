// Pieces that several views are made of.

import { h } from "./dom.js";
import { ago, clock } from "./format.js";

const STATES = {
  running: ["Running", "busy"], paused: ["Paused", "warn"], done: ["Done", "good"],
  budget: ["Budget used up", "warn"], stopped: ["Stopped", "bad"], interrupted: ["Interrupted", "warn"],
  failed: ["Failed", "bad"], died: ["Died", "bad"],
  accepted: ["Accepted", "good"], needs_revision: ["Needs revision", "warn"], pending: ["Waiting", "idle"],
  skipped: ["Skipped", "idle"], generated: ["Generated", "idle"], approved: ["Approved", "good"],
  rejected: ["Rejected", "bad"], surplus: ["Surplus", "idle"], open: ["Open", "good"], away: ["Service away", "bad"],
};

/** A word for a state, with a colour and a mark beside it. */
export function badge(state, title) {
  const [text, tone] = STATES[state] ?? [state, "idle"];
  return h("span", { class: "badge", "data-tone": tone, title }, text);
}

/** Figures with their names: [[name, value, note]]. */
export function figures(rows) {
  return h("dl", { class: "figures" }, rows.filter(Boolean).map(([name, value, note]) =>
    h("div", null, h("dt", null, name), h("dd", null, value, note && h("small", null, note)))));
}

/** A table whose rows come into `body`. heads: [[text, class]]. */
export function table(name, heads, body) {
  return h("table", { class: name },
    h("thead", null, h("tr", null, heads.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), body);
}

/** A table that may be wider than its place: it is scrolled there, by keyboard too. */
export const scrolling = (label, node) =>
  h("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, node);

/** How long ago it was; the moment itself where it is pointed at. */
export const time = (iso) => h("time", { datetime: iso, title: clock(iso) }, ago(iso));

/** A button that calls `fn`. */
export const button = (text, fn, attributes) => h("button", { type: "button", onclick: fn, ...attributes }, text);

/** What stands where there is nothing yet; children say what to do. */
export const empty = (...children) => h("p", { class: "empty" }, children);

/** An error where it belongs, with a way to try again. */
export function failure(error, again) {
  return h("div", { class: "failure", role: "alert" }, h("p", null, error.message),
    again && button("Try again", again));
}

/** Keeps the children of a list or table body in step with `list`: rows that read the same stay the same
 * elements, with their focus and under the pointer. sync(list) with said(each), which tells a row that has
 * changed, and make(each); key(each) is unique. */
export function keyed(body, { key, said, make }) {
  const kept = new Map();
  return (list) => {
    const now = new Set(list.map(key));
    for (const old of kept.keys()) if (!now.has(old)) kept.delete(old);
    list.forEach((each, i) => {
      const name = key(each), words = said(each);
      if (kept.get(name)?.words !== words) {
        const node = make(each), before = kept.get(name)?.node;
        if (before?.parentNode === body) before.replaceWith(node);
        kept.set(name, { words, node });
      }
      const { node } = kept.get(name);
      if (body.children[i] !== node) body.insertBefore(node, body.children[i] ?? null);
    });
    while (body.children.length > list.length) body.lastChild.remove();
  };
}

/** fn, called at most every `ms`, the last call never lost; within a frame of the browser. */
export function batched(fn, ms = 250) {
  let timer = 0, last = 0;
  const call = () => { timer = 0; last = performance.now(); requestAnimationFrame(fn); };
  const later = () => { timer ||= setTimeout(call, Math.max(0, last + ms - performance.now())); };
  later.stop = () => { clearTimeout(timer); timer = -1; };
  return later;
}
