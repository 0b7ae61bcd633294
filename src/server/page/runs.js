// All runs: those in work with live bars, the rest as a table, and what the limiter does.

import { get, post } from "./api.js";
import { h, notice, replace } from "./dom.js";
import { ago, clock, count, dollars, duration, percent } from "./format.js";
import { limiter } from "./lanes.js";
import { watch } from "./live.js";
import { follow } from "./pace.js";
import { badge, batched, button, empty, failure, figures, keyed, table } from "./parts.js";
import {
  acceptance, finished, isInWork, legend, originOf, planAhead, progressBar, tellEvent,
} from "./progress.js";

export const title = "Runs";

const PAGE = 50;
const LIMITS_MS = 2000, RELOAD_MS = 5000;    // how often is asked while something runs

const link = (run) => h("a", { href: `#/runs/${run.id}` }, run.name ?? run.id.slice(0, 8));

/** A run in work: made once, then changed in place, so that nothing jumps and focus stays. */
function makeCard() {
  const bar = progressBar("Progress");
  const head = h("div", { class: "card-head" }), words = h("div"), numbers = h("div");
  const told = h("p", { class: "told" });
  const node = h("li", { class: "card" }, head, bar.node, h("div", { class: "state-row" }, words, told), numbers);
  let name = "";

  function set(run, pace, happening) {
    const { progress } = run, done = finished(progress), left = Math.max(progress.planned - done, 0);
    const rate = pace.perMinute(), spent = progress.spent ?? 0;
    const key = `${run.name} ${run.state}`;
    if (key !== name) {
      name = key;
      replace(head, h("h3", null, link(run)), badge(run.state, run.stateReason),
        h("span", { class: "quiet" }, originOf(run)));
      bar.node.setAttribute("aria-label", `Progress of ${run.name ?? "a run"}`);
    }
    bar.set(progress);
    replace(words, legend({ ...progress, pending: left }));
    replace(numbers, figures([
      ["Done", `${count(done)} of ${count(progress.planned)}`],
      ["Rate", rate === null ? "–" : `${count(Math.round(rate))} / min`],
      ["Time left", rate > 0 && run.state === "running" ? duration(left / rate * 60e3) : "–"],
      ["Cost", dollars(spent), run.budget ? ` of ${dollars(run.budget)}` : ""],
      ["At the end", done > 0 ? `≈ ${dollars(spent / done * progress.planned)}` : "–"],
      ["Accepted", percent(acceptance(progress))],
    ]));
    told.textContent = happening ?? "";
  }
  return { node, set };
}

function row(run) {
  const progress = run.progress, bar = progressBar(`Progress of ${run.name ?? "a run"}`);
  bar.set(progress);
  return h("tr", null,
    h("th", { scope: "row" }, link(run), h("small", null, originOf(run))),
    h("td", null, badge(run.state, run.stateReason)),
    h("td", { class: "wide" }, bar.node),
    h("td", { class: "number" }, count(finished(progress)), h("small", null, ` of ${count(progress.planned)}`)),
    h("td", { class: "number" }, percent(acceptance(progress))),
    h("td", { class: "number" }, dollars(progress.spent)),
    h("td", { class: "number wide" }, duration(run.summary.totalDuration)),
    h("td", { class: "number" },
      h("time", { datetime: run.createdAt, title: clock(run.createdAt) }, ago(run.createdAt))));
}

const HEADS = [["Run"], ["State"], ["Progress", "wide"], ["Items", "number"], ["Accepted", "number"],
  ["Cost", "number"], ["Took", "number wide"], ["Started", "number"]];
const said = (run) => JSON.stringify([run.state, run.progress, ago(run.createdAt)]);

export async function show(root) {
  const runs = new Map(), cards = new Map(), paces = new Map(), happenings = new Map();
  let defined = [], shown = PAGE, total = 0, timer = 0, isClosed = false;
  const active = h("ul", { class: "cards" }), limits = h("div"), problem = h("div");
  const activeSection = h("section", { "aria-labelledby": "in-work" }, h("h2", { id: "in-work" }, "In work"), active);
  const limitsSection = h("section", { "aria-labelledby": "limits" }, h("h2", { id: "limits" }, "Limits"), limits);
  const names = h("div", { class: "names" });
  const start = (name) => button(`Start ${name}`, () => begin(name));
  const syncDefined = keyed(names, { key: String, said: String, make: start });
  const ready = h("section", { "aria-labelledby": "defined", hidden: true },
    h("h2", { id: "defined" }, "Defined by the script"), names);
  const earlierHead = h("h2", { id: "earlier" }, "Earlier");
  const body = h("tbody"), list = table("runs", HEADS, body);
  const sync = keyed(body, { key: (run) => run.id, said, make: row });
  const more = button("Show more", () => { shown += PAGE; load(); });
  const none = empty("No runs yet. Start one with ", h("code", null, "confab run script.lua"), ", over ",
    h("code", null, "POST /api/runs"), ", or try a template in the ",
    h("a", { href: "#/playground" }, "Playground"), ".");
  const earlierSection = h("section", { "aria-labelledby": "earlier" }, earlierHead, list, more, none);

  const paceOf = (id) => {
    if (!paces.has(id)) paces.set(id, follow());
    return paces.get(id);
  };

  function draw() {
    drawActive();
    drawDefined();
    drawEarlier();
  }

  /** What was told live of how many there are to be is more than the database knows yet. */
  function keep(list) {
    for (const run of list) run.progress = planAhead(run, runs.get(run.id));
    runs.clear();
    for (const run of list) runs.set(run.id, run);
  }

  function drawActive() {
    if (isClosed) return;
    const now = [...runs.values()].filter(isInWork);
    for (const [id, card] of cards) {
      if (!now.some((run) => run.id === id)) { card.node.remove(); cards.delete(id); }
    }
    for (const run of now) {
      if (!cards.has(run.id)) {
        cards.set(run.id, makeCard());
        active.append(cards.get(run.id).node);
      }
      const pace = paceOf(run.id);
      pace.note(finished(run.progress));
      cards.get(run.id).set(run, pace, happenings.get(run.id) ?? happenings.get(null));
    }
    activeSection.hidden = now.length === 0;
  }

  function drawEarlier() {
    const then = [...runs.values()].filter((run) => !isInWork(run));
    earlierSection.hidden = then.length === 0 && runs.size > 0;
    earlierHead.hidden = then.length === runs.size;
    sync(then);
    list.hidden = then.length === 0;
    none.hidden = runs.size > 0;
    more.hidden = total <= runs.size;
  }

  /** What the script defines and was never begun. */
  function drawDefined() {
    const names = new Set([...runs.values()].map((run) => run.name));
    const fresh = defined.filter((name) => !names.has(name));
    ready.hidden = fresh.length === 0;
    syncDefined(fresh);
  }

  async function begin(name) {
    try {
      await post("/api/runs", { name });
    } catch (error) {
      notice(error.message);
    }
    load();
  }

  async function loadLimits() {
    try {
      const { data } = await get("/api/limits");
      const shown = limiter(data);
      limitsSection.hidden = shown === null;
      replace(limits, shown);
    } catch (error) {
      limitsSection.hidden = true;
    }
  }

  async function load() {
    try {
      const reply = await get("/api/runs", { limit: shown });
      if (isClosed) return;
      keep(reply.data);
      total = reply.total;
      replace(problem);
      draw();
    } catch (error) {
      if (error.status !== 401) replace(problem, failure(error, load));
    }
  }

  /** Runs of other processes tell nothing, and without the socket none does: they are read again. */
  async function tick() {
    const isBusy = [...runs.values()].some(isInWork);
    if (!document.hidden) await Promise.all([load(), isBusy && loadLimits()]);
    if (!isClosed) timer = setTimeout(tick, isBusy ? LIMITS_MS : RELOAD_MS);
  }

  const redraw = batched(drawActive), reload = batched(() => { load(); loadLimits(); }, 500);
  function on(event) {
    const words = tellEvent(event), run = runs.get(event.run);
    if (words !== null) happenings.set(event.run, words);
    const isCount = event.type === "item" || event.type === "kept";
    if (isCount && run) {
      Object.assign(run.progress, event.data.counts, { spent: event.data.spent });
      happenings.delete(event.run);
    }
    if (event.type === "run" || event.type === "connected" || (isCount && !run)) reload();
    if (isCount || words !== null) redraw();
  }

  replace(root, h("h1", { tabindex: "-1" }, title), problem, activeSection, limitsSection, ready, earlierSection);
  const [reply, offered] = await Promise.all([
    get("/api/runs", { limit: shown }), get("/api/conversations/generate-batch").catch(() => null), loadLimits(),
  ]);
  keep(reply.data);
  total = reply.total;
  defined = offered?.data.runs ?? [];
  draw();
  const unwatch = watch(on);
  timer = setTimeout(tick, LIMITS_MS);
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      redraw.stop();
      reload.stop();
      unwatch();
    },
  };
}
