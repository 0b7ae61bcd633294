// What the limiter does: a row for each class of limits, a meter for each resource that is limited.

import { h } from "./dom.js";
import { count, duration } from "./format.js";
import { badge } from "./parts.js";

const RESOURCES = { requests: "Requests", inputTokens: "Input tokens", outputTokens: "Output tokens" };
const SOURCES = { header: "by the provider", config: "as configured", default: "by default" };
const UNLIMITED = 1e9;    // nobody is granted as much: it stands for no limit

function meter({ name, limit, used }, windowMs) {
  const label = RESOURCES[name] ?? name, share = Math.min(used / limit, 1);
  const fill = h("span", { class: "fill", style: { "inline-size": `${share * 100}%` } });
  return h("div", { class: "meter-row" },
    h("span", null, label),
    h("div", { class: "meter", role: "meter", "aria-label": `${label} in ${duration(windowMs)}`, "aria-valuemin": "0",
      "aria-valuemax": limit, "aria-valuenow": Math.min(used, limit),
      "aria-valuetext": `${count(used)} of ${count(limit)}` }, fill),
    h("span", { class: "number" }, count(used), h("small", null, ` / ${count(limit)}`)));
}

function lane({ name, state, queued, inFlight, concurrency, pausedMs, awayMs, source, windowMs, resources }) {
  const limited = resources.filter(({ limit }) => limit > 0 && limit < UNLIMITED);
  const lasts = state === "paused" ? pausedMs : state === "away" ? awayMs : 0;
  return h("li", { class: "lane" },
    h("div", { class: "lane-head" }, h("b", null, name), badge(state),
      lasts > 0 && h("span", null, `for ${duration(lasts)}`),
      h("span", { class: "quiet" }, [
        `${count(inFlight)}${concurrency ? ` of ${count(concurrency)}` : ""} in flight`,
        queued > 0 && `${count(queued)} waiting`,
        limited.length === 0 ? "no limits" : source && `limits ${SOURCES[source] ?? source}`,
      ].filter(Boolean).join(" · "))),
    h("div", { class: "meters" }, limited.map((resource) => meter(resource, windowMs))));
}

/** What holds calls back beside the lanes. */
function holds({ backingOff, waitingForBudget, waitingForService, held, diskLow }) {
  return [
    held && "Sending is paused by hand.", diskLow && "The disk is almost full: nothing new is sent.",
    waitingForService > 0 && `${count(waitingForService)} calls wait for the service to come back.`,
    waitingForBudget > 0 && `${count(waitingForBudget)} calls wait until others have settled in the budget.`,
    backingOff > 0 && `${count(backingOff)} calls wait to be tried again.`,
  ].filter(Boolean).join(" ");
}

/** The data of GET /api/limits; null if no lane was used yet. */
export function limiter({ lanes, calls }) {
  if (lanes.length === 0) return null;
  const said = holds(calls ?? {});
  return [h("ul", { class: "lanes" }, lanes.map(lane)), said && h("p", { class: "held" }, said)];
}
