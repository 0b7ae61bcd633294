// Pieces that several views are made of.

import { h } from "./dom.js";
import { count, duration, percent } from "./format.js";

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

const PARTS = [["accepted", "accepted"], ["surplus", "beyond what was asked"], ["needsRevision", "need revision"],
  ["failed", "failed"], ["skipped", "skipped"]];

/** How far a run is: {planned, accepted, needsRevision, failed, skipped} as one bar. set(progress)
 * changes it in place. */
export function progressBar(label) {
  const segments = PARTS.map(([name]) => h("span", { class: `part part-${name}` }));
  const node = h("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": "0",
    "aria-valuemax": "100" }, segments);
  function set(progress) {
    const all = Math.max(progress.planned ?? 0, finished(progress), 1);
    PARTS.forEach(([name], i) => segments[i].style.setProperty("flex-basis", `${(progress[name] ?? 0) / all * 100}%`));
    node.setAttribute("aria-valuenow", Math.floor(finished(progress) / all * 100));
    const words = PARTS.filter(([name]) => progress[name] > 0).map(([name, text]) => `${count(progress[name])} ${text}`);
    node.setAttribute("aria-valuetext", `${count(finished(progress))} of ${count(progress.planned)}` +
      (words.length > 0 ? `: ${words.join(", ")}` : ""));
    node.title = node.getAttribute("aria-valuetext");
  }
  return { node, set };
}

/** How many items have come to an end. */
export const finished = (progress) => PARTS.reduce((sum, [name]) => sum + (progress[name] ?? 0), 0);

/** The share of accepted ones among those that ended; null before the first. */
export function acceptance(progress) {
  const ended = finished(progress) - (progress.skipped ?? 0);
  return ended > 0 ? progress.accepted / ended : null;
}

/** What the bar's colours stand for, with the numbers: nothing is told by colour alone. */
export function legend(progress) {
  return h("ul", { class: "legend" }, PARTS.filter(([name]) => name === "accepted" || progress[name] > 0)
    .map(([name, text]) => h("li", { class: `key-${name}` }, h("b", null, count(progress[name] ?? 0)), ` ${text}`)),
    progress.pending > 0 && h("li", { class: "key-pending" }, h("b", null, count(progress.pending)), " waiting"));
}

/** Figures with their names: [[name, value, note]]. */
export function figures(rows) {
  return h("dl", { class: "figures" }, rows.filter(Boolean).map(([name, value, note]) =>
    h("div", null, h("dt", null, name), h("dd", null, value, note && h("small", null, note)))));
}

/** What stands where there is nothing yet; children say what to do. */
export const empty = (...children) => h("p", { class: "empty" }, children);

/** An error where it belongs, with a way to try again. */
export function failure(error, again) {
  return h("div", { class: "failure", role: "alert" }, h("p", null, error.message),
    again && h("button", { type: "button", onclick: again }, "Try again"));
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


// --- runs ---

/** Whether somebody works on it at present. */
export const isInWork = (run) => run.state === "running" || run.state === "paused";

/** The progress of a run that was read anew, with as many planned as was told of it live before: the
 * database learns of items only as they are drawn from the inputs. */
export function planAhead(run, before) {
  const { progress } = run;
  if (!isInWork(run) || !before || before.progress.planned <= progress.planned) return progress;
  const { planned } = before.progress;
  return { ...progress, planned, pending: planned - finished(progress) };
}

/** Where it comes from, in a line. */
export const originOf = (run) => [run.simulated && "simulated", run.model, run.script].filter(Boolean).join(" · ");

/** What an event says about its run in one line; null: nothing that lasts. */
export function tellEvent(event) {
  const data = event.data;
  if (event.type === "rate_limit") return `Rate limit: paused for ${duration(data.waitMs)} (${data.limitClass})`;
  if (event.type === "outage" && data.state === "began") return `The service is away: ${data.message ?? data.limitClass}`;
  if (event.type === "outage") return `The service is back after ${duration(data.awayMs)}`;
  if (event.type === "budget") return `${percent(data.share)} of the budget is used`;
  if (event.type === "retry") return `Trying again in ${duration(data.delayMs)}: ${data.message ?? data.errorKind}`;
  return null;
}
