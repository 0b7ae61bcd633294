// What the limiter does: a row for each class of limits, a meter for each resource.

import { h } from "./dom.js";
import { count, duration } from "./format.js";
import { badge } from "./parts.js";

const RESOURCES = { requests: "Requests", input_tokens: "Input tokens", output_tokens: "Output tokens" };

function meter({ name, limit, used }) {
  const label = RESOURCES[name] ?? name, share = limit > 0 ? Math.min(used / limit, 1) : 0;
  const fill = h("span", { class: "fill", style: { "inline-size": `${share * 100}%` } });
  return h("div", { class: "meter-row" },
    h("span", null, label),
    h("div", { class: "meter", role: "meter", "aria-label": `${label} of the last minute`, "aria-valuemin": "0",
      "aria-valuemax": limit, "aria-valuenow": Math.min(used, limit), "aria-valuetext": `${count(used)} of ${count(limit)}` }, fill),
    h("span", { class: "number" }, count(used), h("small", null, ` / ${count(limit)}`)));
}

function lane({ name, state, queued, inFlight, concurrency, pausedMs, resources }) {
  return h("li", { class: "lane" },
    h("div", { class: "lane-head" }, h("b", null, name), badge(state),
      pausedMs > 0 && h("span", null, `for ${duration(pausedMs)}`),
      h("span", { class: "quiet" }, `${count(inFlight)} in flight of ${count(concurrency)}`,
        queued > 0 && `, ${count(queued)} waiting`)),
    h("div", { class: "meters" }, resources.filter((resource) => resource.limit > 0).map(meter)));
}

/** The lanes of GET /api/limits. */
export const lanes = (list) => h("ul", { class: "lanes" }, list.map(lane));
