// Two runs, or two versions of templates, side by side. Which ones stands in the address.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { clock, count, dollars, duration, percent, score } from "./format.js";
import { badge, empty, failure } from "./parts.js";
import { histogram, overCommonEdges, showPlots } from "./plot.js";
import { acceptance, finished } from "./progress.js";

export const title = "Compare";

const SIDES = ["a", "b"];
const latency = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

// --- what can be compared ---

/** Each as {value: "run:ID", text}, newest first. */
async function loadChoices() {
  const [runs, templates] = await Promise.all([get("/api/runs", { limit: 200 }), get("/api/templates")]);
  return [
    ["Runs", runs.data.map(({ id, name, createdAt, progress }) => ({ value: `run:${id}`,
      text: `${name ?? id.slice(0, 8)} · ${clock(createdAt).slice(0, 16)} · ${count(progress.planned)}` }))],
    ["Template versions", templates.data.map((each) => ({ value: `template:${each.id}`,
      text: `${each.name} v${each.version} · ${count(each.conversations)}` }))],
  ];
}

const mean = (rows) => {
  const weighed = rows.filter((row) => row.meanScore !== null && row.conversations > 0);
  const sum = weighed.reduce((all, row) => all + row.conversations, 0);
  return (name) => (sum > 0 ? weighed.reduce((all, row) => all + row[name] * row.conversations, 0) / sum : null);
};

/** The latencies of the model that answered most; runs rarely have two. */
function mostUsed(groups) {
  return groups.reduce((most, group) => (group.replies > (most?.replies ?? 0) ? group : most), null);
}

async function loadRun(id) {
  const [run, plots, stats] = await Promise.all([
    get(`/api/runs/${id}`), get(`/api/runs/${id}/plots`), get("/api/stats", { run: id }),
  ]);
  const { progress, summary, ...data } = run.data, of = mean(stats.data.statuses), model = mostUsed(stats.data.models);
  const done = finished(progress), share = (n) => (done > 0 ? n / done : null);
  return {
    name: data.name ?? id.slice(0, 8), href: `#/runs/${data.id}`, plots: plots.data, state: data.state,
    values: {
      model: data.model, items: done, accepted: acceptance(progress), needsRevision: share(progress.needsRevision),
      failed: share(progress.failed), score: of("meanScore"), turns: of("meanTurns"), cost: progress.spent,
      each: summary.successful > 0 ? summary.avgCostPerConversation : null, tokens: model?.meanOutputTokens,
      rate: summary.totalDuration > 0 ? done / summary.totalDuration * 60e3 : null, took: summary.totalDuration,
      p50: model?.latencyMs.p50, p95: model?.latencyMs.p95, p99: model?.latencyMs.p99,
    },
  };
}

async function loadTemplate(id) {
  const [template, plots] = await Promise.all([get(`/api/templates/${id}`), get(`/api/templates/${id}/plots`)]);
  const data = template.data, made = data.conversations;
  return {
    name: `${data.name} v${data.version}`, href: `#/templates?id=${data.id}`, plots: plots.data,
    values: {
      model: data.model, items: made, accepted: data.successRate, score: data.meanScore, turns: data.meanTurns,
      needsRevision: made > 0 ? data.needsRevision / made : null, approved: made > 0 ? data.approved / made : null,
      rejected: made > 0 ? data.rejected / made : null, each: data.meanCost, tokens: data.meanOutputTokens,
      p50: data.latencyMs?.p50, p95: data.latencyMs?.p95, p99: data.latencyMs?.p99,
    },
  };
}

function load(choice) {
  const [kind, id] = choice.split(":");
  if (kind === "run") return loadRun(encodeURIComponent(id));
  if (kind === "template") return loadTemplate(encodeURIComponent(id));
  throw new Error(`${choice} is neither run:ID nor template:ID`);
}

// --- the table ---

const isThere = (x) => x !== null && x !== undefined;
const ratio = (a, b) => (a > 0 ? `${b >= a ? "+" : "−"}${percent(Math.abs(b - a) / a)}` : "");
const whole = (x) => count(isThere(x) ? Math.round(x) : x);
const signed = (format) => (a, b) => `${b >= a ? "+" : "−"}${format(Math.abs(b - a))}`;
const points = (a, b) => `${b >= a ? "+" : "−"}${score(Math.round(Math.abs(b - a) * 1000) / 10)} points`;

/** [name, key, format, how the difference is told, +1 if more is better, -1 if less is]. */
const ROWS = [
  ["Model", "model", (x) => x ?? "–"],
  ["Conversations", "items", count, ratio, 0],
  ["Mean score", "score", (x) => (isThere(x) ? x.toFixed(2) : "–"), signed((x) => x.toFixed(2)), 1],
  ["Accepted", "accepted", percent, points, 1],
  ["Need revision", "needsRevision", percent, points, -1],
  ["Failed", "failed", percent, points, -1],
  ["Approved", "approved", percent, points, 1],
  ["Rejected", "rejected", percent, points, -1],
  ["Mean turns", "turns", score, signed(score), 0],
  ["Cost per conversation", "each", dollars, ratio, -1],
  ["Cost in all", "cost", dollars, ratio, 0],
  ["Output tokens per reply", "tokens", whole, ratio, 0],
  ["Latency, median", "p50", duration, ratio, -1],
  ["Latency, 95 of 100 within", "p95", duration, ratio, -1],
  ["Latency, 99 of 100 within", "p99", duration, ratio, -1],
  ["Conversations a minute", "rate", whole, ratio, 1],
  ["Took", "took", duration, ratio, 0],
];

function difference([, key, , tell, better], [a, b]) {
  const from = a.values[key], to = b.values[key];
  if (!tell || typeof from !== "number" || typeof to !== "number") return "";
  if (from === to) return h("span", { class: "quiet" }, "same");
  const least = tell === points ? 0.01 : 0.02 * Math.max(Math.abs(from), Math.abs(to));
  const isClose = Math.abs(to - from) < least;
  const tone = better === 0 || isClose ? null : (to > from) === (better > 0) ? "good" : "bad";
  const word = { good: "better", bad: "worse" }[tone];
  return h("span", { class: "difference", "data-tone": tone, title: word },
    tell(from, to), word && h("span", { class: "unseen" }, ` (${word})`));
}

function table(sides) {
  const rows = ROWS.filter(([, key]) => sides.some((side) => isThere(side.values[key])));
  return h("div", { class: "table" }, h("table", { class: "sides" },
    h("thead", null, h("tr", null, h("td"),
      sides.map((side, i) => h("th", { scope: "col", class: `number series-${i}` },
        h("a", { href: side.href }, side.name), side.state && badge(side.state))),
      h("th", { scope: "col", class: "number" }, "Difference"))),
    h("tbody", null, rows.map((row) => h("tr", null, h("th", { scope: "row" }, row[0]),
      sides.map((side) => h("td", { class: "number" }, row[2](side.values[row[1]]))),
      h("td", { class: "number" }, difference(row, sides)))))));
}

// --- plots over each other ---

function histogramOf(sides, name, more) {
  const { edges, counts } = overCommonEdges(sides.map((side) => side.plots[name]));
  const names = sides.map((side) => side.name), isSame = names[0] === names[1];
  return histogram({ ...more, edges, series: sides.map((side, i) => ({
    name: isSame ? `${names[i]} (${i === 0 ? "A" : "B"})` : names[i], counts: counts[i],
  })) });
}

export async function show(root, place) {
  const choices = await loadChoices();
  const result = h("div", { class: "result" }), plots = h("div", { class: "plots pair" });
  let query = place.query, turn = 0;

  function choose(changes) {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name);
    location.hash = `#/compare?${next}`.replaceAll("%3A", ":");
  }

  const options = ([label, list]) => list.length > 0 &&
    h("optgroup", { label }, list.map(({ value, text }) => h("option", { value }, text)));
  const selects = SIDES.map((side) => h("select", {
    id: `side-${side}`, onchange: (event) => choose({ [side]: event.target.value }),
  }, h("option", { value: "" }, "Choose…"), choices.map(options)));
  const swap = h("button", { type: "button", onclick: () => choose({ a: query.get("b"), b: query.get("a") }) }, "Swap");

  async function draw() {
    const own = ++turn, chosen = SIDES.map((side) => query.get(side) ?? "");
    selects.forEach((select, i) => { select.value = chosen[i]; });
    swap.disabled = chosen.includes("");
    if (chosen.includes("")) {
      replace(plots);
      replace(result, choices.every(([, list]) => list.length === 0)
        ? empty("Nothing to compare yet. Start two runs with ", h("code", null, "confab run script.lua"),
          ", then look here which was better.")
        : empty("Choose two runs, or two versions of a template, to see their scores, rates and costs side by side."));
      return;
    }
    try {
      const sides = await Promise.all(chosen.map(load));
      if (own !== turn) return;
      replace(result, table(sides));
      showPlots(plots, [
        histogramOf(sides, "scores", { title: "Quality scores", unit: "share of conversations" }),
        histogramOf(sides, "latency", { title: "Latency", unit: "share of replies", format: latency }),
      ]);
    } catch (error) {
      if (own !== turn || error.status === 401) return;
      replace(plots);
      replace(result, failure(error, draw));
    }
  }

  replace(root, h("h1", { tabindex: "-1" }, title),
    h("div", { class: "choices" }, selects.map((select, i) => h("div", { class: `choice series-${i}` },
      h("label", { for: select.id }, SIDES[i].toUpperCase()), select)), swap),
    plots, result);
  await draw();
  return {
    close() { turn++; },
    update(next) {
      query = next.query;
      return draw();
    },
  };
}
