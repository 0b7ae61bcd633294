// How far a run is, as several views tell it.

import { h } from "./dom.js";
import { count, duration, percent } from "./format.js";

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
    const words = PARTS.flatMap(([name, text]) => (progress[name] > 0 ? [`${count(progress[name])} ${text}`] : []));
    node.title = `${count(finished(progress))} of ${count(progress.planned)}` +
      (words.length > 0 ? `: ${words.join(", ")}` : "");
    node.setAttribute("aria-valuetext", node.title);
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
  const { data } = event;
  if (event.type === "rate_limit") return `Rate limit: paused for ${duration(data.waitMs)} (${data.limitClass})`;
  if (event.type === "outage") {
    return data.state === "began" ? `The service is away: ${data.message ?? data.limitClass}`
      : `The service is back after ${duration(data.awayMs)}`;
  }
  if (event.type === "budget") return `${percent(data.share)} of the budget is used`;
  if (event.type === "retry") return `Trying again in ${duration(data.delayMs)}: ${data.message ?? data.errorKind}`;
  return null;
}
