// One run: how it stands, how it went, what failed, its items.

import { get, post } from "./api.js";
import { h, notice, replace } from "./dom.js";
import { clock, count, dollars, duration, percent } from "./format.js";
import { makeItems, words } from "./items.js";
import { watch } from "./live.js";
import { follow } from "./pace.js";
import { badge, batched, button, failure, figures } from "./parts.js";
import { histogram, lines, showPlots } from "./plot.js";
import {
  acceptance, finished, isInWork, legend, originOf, planAhead, progressBar, tellEvent,
} from "./progress.js";

export const title = "Run";

const OF_CONTENT = new Set(["refusal", "validation_error", "parse_error", "script_error"]);
const EXAMPLES = 3;
const RELOAD_MS = 3000;    // figures and plots while it is in work

const latency = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

function plotsOf({ scores, latency: times, time }) {
  return [
    histogram({ title: "Quality scores", unit: "conversations", edges: scores.edges, counts: scores.counts }),
    histogram({ title: "Latency", unit: "replies", edges: times.edges, counts: times.counts, format: latency }),
    lines({ title: "Cost over time", unit: "dollars", points: time, format: dollars,
      series: [{ name: "Cost", key: "cost" }] }),
    lines({ title: "Items over time", unit: "in all", points: time, series: [
      { name: "accepted", key: "accepted", kind: "good" },
      { name: "need revision", key: "needsRevision", kind: "warn" },
      { name: "failed", key: "failed", kind: "bad" },
    ] }),
  ];
}

function figuresOf(run, rate) {
  const { progress, summary } = run, done = finished(progress), left = Math.max(progress.planned - done, 0);
  const took = summary.totalDuration, isRunning = run.state === "running";
  const overall = took > 0 ? done / took * 60e3 : null, perMinute = isRunning ? rate : overall;
  return figures([
    ["Items", count(done), ` of ${count(progress.planned)}`],
    ["Accepted", percent(acceptance(progress))],
    ["Rate", perMinute === null ? "–" : count(Math.round(perMinute)), perMinute === null ? "" : " / min"],
    isRunning ? ["Time left", perMinute > 0 ? duration(left / perMinute * 60e3) : "–"] : ["Took", duration(took)],
    ["Cost", dollars(progress.spent), run.budget ? ` of ${dollars(run.budget)}` : ""],
    isRunning ? ["At the end", done > 0 ? `≈ ${dollars(progress.spent / done * progress.planned)}` : "–"]
      : ["Per conversation", dollars(summary.successful > 0 ? summary.avgCostPerConversation : null)],
    ["Tokens in", count(progress.inputTokens)],
    ["Tokens out", count(progress.outputTokens)],
    ["Attempts", count(progress.attempts), progress.failures > 0 ? ` · ${count(progress.failures)} failed` : ""],
    progress.atRisk > 0 && ["At risk", dollars(progress.atRisk)],
    progress.unknownCostReplies > 0 && ["Cost unknown", count(progress.unknownCostReplies), " replies"],
  ]);
}

/** Kinds with their counts, and of each what its items met most often, with one that did. */
function failuresOf(alike, items, id) {
  const known = new Map(items.map((each) => [each.item, each]));
  return [...Map.groupBy(alike, ({ kind }) => kind)].map(([kind, groups]) => {
    const sum = groups.reduce((total, group) => total + group.count, 0);
    return h("li", { class: "kind" },
      h("div", { class: "kind-head" }, h("code", null, kind), h("b", null, count(sum)), sum === 1 ? " item" : " items",
        h("a", { href: `#/runs/${id}?state=failed` }, "Show")),
      h("ul", null, groups.slice(0, EXAMPLES).map((group) =>
        h("li", null, h("span", null, group.message), h("small", null,
          group.count > 1 ? `${count(group.count)} items, first ` : "", words(known.get(group.item) ?? group))))));
  });
}

export async function show(root, place) {
  const first = (await get(`/api/runs/${encodeURIComponent(place.path[1])}`)).data, id = first.id;
  let run = first, sums = [], drawn = "", timer = 0, isClosed = false, happening = "";
  const pace = follow(), items = makeItems(id), bar = progressBar("Progress");
  const head = h("div", { class: "title" }), facts = h("p", { class: "quiet facts" }), told = h("p", { class: "told" });
  const key = h("div"), numbers = h("div"), plots = h("div", { class: "plots" }), kinds = h("ul", { class: "kinds" });
  const failed = h("section", { "aria-labelledby": "failures", hidden: true },
    h("h2", { id: "failures" }, "Failures"), kinds);
  root.dataset.title = run.name ?? "Run";

  /** Of a run that is done, failures on the way to a reply are worth another try; a reply is a result. */
  function canGoOn() {
    if (isInWork(run)) return null;
    if (run.state !== "done") return "Resume";
    return sums.some(({ kind }) => !OF_CONTENT.has(kind)) ? "Try failed again" : null;
  }

  async function ask(what, said) {
    try {
      await post(`/api/runs/${id}/${what}`);
      notice(said);
    } catch (error) {
      notice(error.message);
    }
    load();
  }

  const cancel = () => ask("cancel", "Nothing new is sent; what is in flight is finished and stored.");
  const resume = () => ask("resume", "The run goes on.");

  function drawHead() {
    const goOn = canGoOn(), now = [run.state, run.stateReason, run.startedAt, goOn].join();
    if (drawn === now) return;
    drawn = now;
    const had = head.contains(document.activeElement) && document.activeElement.dataset.does;
    replace(head,
      head.querySelector("h1") ?? h("h1", { tabindex: "-1" }, run.name ?? id), badge(run.state, run.stateReason),
      h("div", { class: "actions" },
        isInWork(run) && button("Cancel", cancel, { class: "danger", "data-does": "work" }),
        goOn && button(goOn, resume, { class: run.state === "done" ? "" : "primary", "data-does": "work" }),
        h("a", { class: "button", href: `#/compare?a=run:${id}` }, "Compare"),
        h("a", { class: "button", href: `#/conversations?run=${id}` }, "Conversations")));
    if (had) head.querySelector(`[data-does="${had}"]`)?.focus();
    replace(facts, [
      originOf(run), `started ${clock(run.startedAt ?? run.createdAt)}`,
      run.generation > 1 && `generation ${run.generation}`, run.stateReason,
    ].filter(Boolean).join(" · "));
  }

  function draw() {
    if (isClosed) return;
    pace.note(finished(run.progress));
    drawHead();
    bar.set(run.progress);
    replace(key, legend(run.progress));
    replace(numbers, figuresOf(run, pace.perMinute()));
    items.setCounts(run.progress);
    told.textContent = happening;
    told.hidden = !isInWork(run);
  }

  async function loadPlots() {
    try {
      const { data } = await get(`/api/runs/${id}/plots`);
      if (!isClosed) showPlots(plots, plotsOf(data));
    } catch (error) {
      if (!isClosed && error.status !== 401) replace(plots, failure(error, loadPlots));
    }
  }

  async function loadFailures() {
    failed.hidden = run.progress.failed === 0;
    if (failed.hidden) return;
    const [reply, examples] = await Promise.all([get(`/api/runs/${id}/failures`),
      get(`/api/runs/${id}/results`, { state: "failed", limit: 100, turns: "false" })]);
    sums = reply.data;
    replace(kinds, failuresOf(sums, examples.data, id));
  }

  async function load() {
    try {
      const { data } = await get(`/api/runs/${id}`);
      run = { ...data, progress: planAhead(data, run) };
      draw();
      await Promise.all([loadPlots(), loadFailures(), items.load()]);
      drawHead();
    } catch (error) {
      if (error.status !== 401) happening = error.message;
    }
  }

  /** Another process may go on with it. */
  async function hasChanged() {
    const reply = await get(`/api/runs/${id}`).catch(() => null);
    return reply !== null && reply.data.state !== run.state;
  }

  async function tick() {
    if (!document.hidden && (isInWork(run) || await hasChanged())) await load();
    if (!isClosed) timer = setTimeout(tick, RELOAD_MS);
  }

  const redraw = batched(draw), reload = batched(load, 500);
  function on(event) {
    if (event.type === "connected" || (event.type === "run" && event.run === id)) reload();
    if (event.run !== id && event.run !== null) return;
    const said = tellEvent(event), isCount = event.type === "item" || event.type === "kept";
    if (said !== null) happening = said;
    if (isCount) {
      const { counts, spent } = event.data, progress = { ...run.progress, ...counts, spent };
      progress.pending = Math.max(progress.planned - finished(progress), 0);
      run = { ...run, progress };
      happening = "";
    }
    if (said !== null || isCount) redraw();
  }

  replace(root,
    h("div", { class: "run-head" }, head, facts, bar.node, h("div", { class: "state-row" }, key, told)), numbers,
    h("section", { "aria-label": "Plots" }, plots), failed,
    h("section", { "aria-labelledby": "items" },
      h("div", { class: "title" }, h("h2", { id: "items" }, "Items"), items.chips), items.place));
  const loading = items.setState(place.query.get("state") ?? "");
  draw();
  await Promise.all([loadPlots(), loadFailures(), loading]);
  drawHead();
  const unwatch = watch(on);
  timer = setTimeout(tick, RELOAD_MS);
  return {
    async update(next) {
      const loading = items.setState(next.query.get("state") ?? "");
      items.setCounts(run.progress);
      await loading;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      redraw.stop();
      reload.stop();
      unwatch();
    },
  };
}
