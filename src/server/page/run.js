// One run: how it stands, how it went, what failed, its items.

import { get, post } from "./api.js";
import { h, notice, replace } from "./dom.js";
import { ago, clock, count, dollars, duration, percent, score } from "./format.js";
import { watch } from "./live.js";
import { follow } from "./pace.js";
import { acceptance, badge, batched, empty, failure, figures, finished, isInWork, keyed, legend, originOf, planAhead, progressBar, tellEvent } from "./parts.js";
import { histogram, lines, showPlots } from "./plot.js";

export const title = "Run";

const OF_CONTENT = new Set(["refusal", "validation_error", "parse_error", "script_error"]);
const PAGE = 50, PAGE_MOST = 500, EXAMPLES = 3;
const RELOAD_MS = 3000;    // figures and plots while it is in work
const STATES = [["", "All"], ["done", "Done"], ["failed", "Failed"], ["pending", "Waiting"], ["skipped", "Skipped"]];

const latency = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

function plotsOf({ scores, latency: times, time }) {
  return [
    histogram({ title: "Quality scores", unit: "conversations", edges: scores.edges, counts: scores.counts }),
    histogram({ title: "Latency", unit: "replies", edges: times.edges, counts: times.counts, format: latency }),
    lines({ title: "Cost over time", unit: "dollars", points: time, series: [{ name: "Cost", key: "cost" }], format: dollars }),
    lines({ title: "Items over time", unit: "in all", points: time, series: [
      { name: "accepted", key: "accepted", kind: "good" }, { name: "need revision", key: "needsRevision", kind: "warn" },
      { name: "failed", key: "failed", kind: "bad" }] }),
  ];
}

function figuresOf(run, rate) {
  const { progress, summary } = run, done = finished(progress), left = Math.max(progress.planned - done, 0);
  const took = summary.totalDuration, overall = took > 0 ? done / took * 60e3 : null, isRunning = run.state === "running";
  const perMinute = isRunning ? rate ?? null : overall;
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

/** Kinds with their counts, and of each a few items with what they failed with. */
function failuresOf(kinds, items, id) {
  return kinds.map(({ kind, count: sum, item, message }) => {
    const examples = items.filter((each) => each.errorKind === kind).slice(0, EXAMPLES);
    if (examples.length === 0) examples.push({ item, errorMessage: message });
    return h("li", { class: "kind" },
      h("div", { class: "kind-head" }, h("code", null, kind), h("b", null, count(sum)), sum === 1 ? " item" : " items",
        h("a", { href: `#/runs/${id}?state=failed` }, "Show")),
      h("ul", null, examples.map((each) => h("li", null, h("span", null, each.errorMessage), h("small", null, words(each))))));
  });
}

const settled = (item) => (item.state !== "done" ? item.state : item.accepted ? "accepted" : item.surplus ? "surplus" : "needs_revision");
const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
/** What the item was made from; its key if it was made from nothing. */
const words = ({ parameters, item }) =>
  Object.entries(parameters ?? {}).map(([name, value]) => `${name}: ${plain(value)}`).join(" · ") || item;

function itemRow(item, id) {
  const made = item.conversations, scores = made.map((each) => each.qualityScore).filter((each) => each !== null);
  const open = made.length > 0 ? `#/conversations?run=${id}&id=${made[0].id}` : null;
  return h("tr", null,
    h("td", { class: "number" }, item.ordinal === null ? "–" : item.ordinal + 1),
    h("th", { scope: "row" }, h(open ? "a" : "span", { class: "words", href: open }, words(item)),
      item.errorMessage && h("small", null, `${item.errorKind}: ${item.errorMessage}`)),
    h("td", { class: "wide" }, h("code", { class: "key" }, item.item)),
    h("td", null, badge(settled(item))),
    h("td", { class: "number" }, score(scores.length > 0 ? scores.reduce((a, b) => a + b) / scores.length : null)),
    h("td", { class: "number wide" }, count(made.length > 0 ? made.reduce((sum, each) => sum + each.turnCount, 0) : null)),
    h("td", { class: "number" }, dollars(made.length > 0 ? made.reduce((sum, each) => sum + (each.cost ?? 0), 0) : null)),
    h("td", { class: "number wide" }, count(item.attempts)),
    h("td", { class: "number wide" }, h("time", { title: clock(item.finishedAt) }, ago(item.finishedAt))));
}

/** The items, by state, a page at a time. Rows that did not change stay the same elements. */
function makeItems(id) {
  const body = h("tbody"), chips = h("div", { class: "chips", role: "group", "aria-label": "Items by state" });
  const heads = [["#", "number"], ["Item"], ["Key", "wide"], ["State"], ["Score", "number"], ["Turns", "number wide"], ["Cost", "number"],
    ["Attempts", "number wide"], ["Finished", "number wide"]];
  const table = h("table", { class: "items" },
    h("thead", null, h("tr", null, heads.map(([text, kind]) => h("th", { scope: "col", class: kind }, text)))), body);
  const syncRows = keyed(body, {
    key: (item) => item.itemId, make: (item) => itemRow(item, id),
    said: (item) => JSON.stringify([item.state, item.accepted, item.attempts, item.conversations.map((each) => [each.id, each.qualityScore])]),
  });
  const syncChips = keyed(chips, {
    key: ([name]) => name, said: (chip) => chip.join(), make: ([name, text]) => h("button", { type: "button", "data-state": name,
      onclick: () => { location.hash = `#/runs/${id}${name ? `?state=${name}` : ""}`; } }, text, " ", h("span")),
  });
  const place = h("div"), none = empty("No items in this state."), more = h("button", { type: "button", onclick: () => { pages++; load(); } }, "Show more");
  let state = "", pages = 1;

  function draw(items, hasMore) {
    syncRows(items);
    more.hidden = !hasMore;
    table.hidden = items.length === 0;
    none.hidden = items.length > 0;
    if (!table.isConnected) replace(place, table, more, none);
  }

  async function load() {
    const items = [];
    let cursor = null, asked = state;
    try {
      do {
        const limit = Math.min(pages * PAGE - items.length, PAGE_MOST);
        const reply = await get(`/api/runs/${id}/results`, { state, limit, cursor, turns: "false" });
        items.push(...reply.data);
        cursor = reply.nextCursor;
      } while (cursor !== null && items.length < pages * PAGE);
      if (asked === state) draw(items, cursor !== null);
    } catch (error) {
      if (error.status !== 401) replace(place, failure(error, load));
    }
  }

  function setCounts({ planned, pending, failed, skipped, ...rest }) {
    const counts = { "": planned, done: finished({ ...rest, failed: 0, skipped: 0 }), failed, pending, skipped };
    const chosen = STATES.filter(([name]) => name === "" || name === state || counts[name] > 0);
    syncChips(chosen.map(([name, text]) => [name, text]));
    for (const [name] of chosen) chips.querySelector(`[data-state="${name}"] span`).textContent = count(counts[name]);
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.state === state));
  }

  function setState(now) {
    state = STATES.some(([name]) => name === now) ? now : "";
    pages = 1;
    return load();
  }

  return { chips, place, load, setCounts, setState };
}

export async function show(root, place) {
  const first = (await get(`/api/runs/${encodeURIComponent(place.path[1])}`)).data, id = first.id;
  let run = first, sums = [], drawn = "", timer = 0, isClosed = false, happening = "";
  const pace = follow(), items = makeItems(id), bar = progressBar("Progress");
  const head = h("div", { class: "title" }), facts = h("p", { class: "quiet facts" }), told = h("p", { class: "told" });
  const key = h("div"), numbers = h("div"), plots = h("div", { class: "plots" }), kinds = h("ul", { class: "kinds" });
  const failed = h("section", { "aria-labelledby": "failures", hidden: true }, h("h2", { id: "failures" }, "Failures"), kinds);
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

  function drawHead() {
    const goOn = canGoOn(), now = [run.state, run.stateReason, run.startedAt, goOn].join();
    if (drawn === now) return;
    drawn = now;
    const had = head.contains(document.activeElement) && document.activeElement.dataset.does;
    replace(head,
      head.querySelector("h1") ?? h("h1", { tabindex: "-1" }, run.name ?? id), badge(run.state, run.stateReason),
      h("div", { class: "actions" },
        isInWork(run) && h("button", { type: "button", class: "danger", "data-does": "work",
          onclick: () => ask("cancel", "Nothing new is sent; what is in flight is finished and stored.") }, "Cancel"),
        goOn && h("button", { type: "button", class: run.state === "done" ? "" : "primary", "data-does": "work",
          onclick: () => ask("resume", "The run goes on.") }, goOn),
        h("a", { class: "button", href: `#/compare?a=run:${id}` }, "Compare"),
        h("a", { class: "button", href: `#/conversations?run=${id}` }, "Conversations")));
    if (had) head.querySelector(`[data-does="${had}"]`)?.focus();
    replace(facts, [originOf(run), `started ${clock(run.startedAt ?? run.createdAt)}`, run.generation > 1 && `generation ${run.generation}`,
      run.stateReason].filter(Boolean).join(" · "));
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
    sums = [];
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

  async function tick() {
    if (isInWork(run) && !document.hidden) await load();
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
    h("section", { "aria-labelledby": "items" }, h("div", { class: "title" }, h("h2", { id: "items" }, "Items"), items.chips), items.place));
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
