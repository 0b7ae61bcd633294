// Templates: how each version has done, and what it says, versions side by side.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { count, dollars, percent, score } from "./format.js";
import { empty, failure, scrolling, table, time } from "./parts.js";
import { histogram, overCommonEdges, showPlots } from "./plot.js";
import { loadStyles } from "./styles.js";
import { templateText, templateTexts } from "./template_text.js";

export const title = "Templates";

const latency = (ms) => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);
const mean = (x) => (x === null ? "–" : x.toFixed(2));
const share = (n, row) => (row.conversations > 0 ? percent(n / row.conversations) : "–");
const addressOf = (row) => `#/templates?id=${row.id}`;

/** [name, cell of a version, only where there is room] */
const COLUMNS = [
  ["Used", (row) => count(row.usageCount)],
  ["Success", (row) => percent(row.successRate)],
  ["Score", (row) => mean(row.meanScore)],
  ["Cost", (row) => dollars(row.meanCost)],
  ["Turns", (row) => (row.meanTurns === null ? "–" : score(Math.round(row.meanTurns * 10) / 10)), true],
  ["Out tokens", (row) => count(row.meanOutputTokens === null ? null : Math.round(row.meanOutputTokens)), true],
  ["Approved", (row) => share(row.approved, row), true],
  ["Rejected", (row) => share(row.rejected, row), true],
  ["Needs revision", (row) => share(row.needsRevision, row), true],
];

const kindOf = (isWide) => (isWide ? "number wide" : "number");
const HEADS = [["Version"], ...COLUMNS.map(([name, , isWide]) => [name, kindOf(isWide)]), ["Made", kindOf(true)]];

const versionRow = (row, first) => h("tr", null, h("th", { scope: "row" }, first),
  COLUMNS.map(([, cell, isWide]) => h("td", { class: kindOf(isWide) }, cell(row))),
  h("td", { class: kindOf(true) }, time(row.createdAt)));

/** A table of versions, in groups. first(row, i): the cell that names the row. */
const versionsTable = (label, groups, first) => scrolling(label, table("versions-table", HEADS,
  groups.map((rows) => h("tbody", null, rows.map((row, i) => versionRow(row, first(row, i)))))));

// --- all of them ---

async function showAll(root) {
  const { data } = await get("/api/templates");
  const names = [...new Set(data.map((row) => row.name))];
  replace(root, h("h1", { tabindex: "-1" }, title),
    names.length === 0
      ? empty("No templates yet. A script makes them with ", h("code", null, "confab.template"), "; start one with ",
        h("code", null, "confab run script.lua"), " or ", h("code", null, "confab serve script.lua"), ".")
      : versionsTable("Templates", names.map((name) => data.filter((row) => row.name === name)), (row, i) => [
        i === 0 && h("a", { href: addressOf(row), class: "template-name" }, row.name),
        h("a", { href: addressOf(row), class: i === 0 ? "version-link" : "version-link more" }, `v${row.version}`),
        i === 0 && row.tier && h("small", null, row.tier.replace("_", " "))]));
}

// --- one, its versions side by side ---

function settingsOf(row) {
  const { partials, ...others } = row.settings ?? {};
  const pairs = Object.entries(others).map(([name, value]) => [name.replace("_", " "),
    typeof value === "object" ? JSON.stringify(value) : String(value)]);
  if (row.tier) pairs.unshift(["tier", row.tier.replace("_", " ")]);
  return [
    Object.entries(partials ?? {}).map(([name, text]) =>
      [h("h3", null, "Partial ", h("code", null, name)), templateText(text)]),
    pairs.length > 0 && h("dl", { class: "settings" }, pairs.map(([name, value]) =>
      h("div", null, h("dt", null, name), h("dd", null, value)))),
  ];
}

/** texts: {system, prompt} as elements. */
function versionCard(row, texts) {
  const which = h("span", { class: "unseen" }, ` (version ${row.version})`);
  return h("article", { class: "version", "aria-label": `Version ${row.version}` },
    h("div", { class: "version-head" },
      h("h2", null, `Version ${row.version}`), row.isNewest && h("span", { class: "mark" }, "Newest"),
      h("a", { class: "button", href: `#/playground?template=${row.id}` }, "Try it", which),
      h("a", { class: "button", href: `#/conversations?templateId=${row.id}` }, "Conversations", which.cloneNode(true))),
    row.system && [h("h3", null, "System"), texts.system],
    h("h3", null, "Prompt"), texts.prompt, settingsOf(row));
}

/** The texts of these versions; of two, what differs is marked. */
function textsOf(rows) {
  const of = (row) => ({ system: templateText(row.system ?? ""), prompt: templateText(row.prompt ?? "") });
  if (rows.length !== 2) return rows.map(of);
  const [systems, prompts] = ["system", "prompt"].map((name) =>
    templateTexts(rows[0][name] ?? "", rows[1][name] ?? ""));
  return rows.map((_, i) => ({ system: systems[i], prompt: prompts[i] }));
}

/** Which versions are shown: the one asked for and, beside it, the one before. */
function shownAtFirst(data) {
  const at = data.versions.findIndex((row) => row.id === data.id);
  const other = data.versions[at + 1] ?? data.versions[at - 1];
  return new Set([data.id, other?.id].filter(Boolean));
}

/** One distribution of these versions: two as one plot, others each in one of its own. */
function plotsOf(rows, found, name, more) {
  const all = found.map((plots) => plots[name]), named = (row) => `v${row.version}`;
  if (rows.length !== 2)
    return rows.map((row, i) => histogram({ ...more, title: `${more.title}, ${named(row)}`, ...all[i] }));
  const { edges, counts } = overCommonEdges(all);
  return [histogram({ ...more, unit: `share of ${more.unit}`, edges,
    series: rows.map((row, i) => ({ name: named(row), counts: counts[i] })) })];
}

async function showOne(root, id) {
  const { data } = await get(`/api/templates/${encodeURIComponent(id)}`);
  const shown = shownAtFirst(data), cards = h("div", { class: "versions-side" }), plots = h("div", { class: "plots" });
  const compare = h("span");
  let asked = 0;

  function check(row) {
    const box = h("input", { type: "checkbox", "aria-label": `Show version ${row.version}`, onchange: () => {
      if (box.checked) shown.add(row.id);
      else shown.delete(row.id);
      draw();
    } });
    box.checked = shown.has(row.id);
    return h("label", { class: "check" }, box, `v${row.version}`, row.isNewest && h("small", null, "newest"));
  }

  async function draw() {
    const rows = data.versions.filter((row) => shown.has(row.id)).reverse(), own = ++asked;    // the older to the left
    const texts = textsOf(rows);
    replace(cards, rows.length > 0 ? rows.map((row, i) => versionCard(row, texts[i]))
      : empty("Choose a version above to read it."));
    const [a, b] = rows.map((row) => `template:${row.id}`);
    replace(compare, rows.length === 2 && h("a", { class: "button", href: `#/compare?a=${a}&b=${b}` },
      `Compare v${rows[0].version} with v${rows[1].version}`));
    const drawn = rows.filter((row) => row.conversations > 0);
    const found = await Promise.all(drawn.map(async (row) => (await get(`/api/templates/${row.id}/plots`)).data));
    if (own !== asked) return;
    showPlots(plots, [...plotsOf(drawn, found, "scores", { title: "Quality scores", unit: "conversations" }),
      ...plotsOf(drawn, found, "latency", { title: "Latency", unit: "replies", format: latency })]);
  }

  replace(root,
    h("div", { class: "title" }, h("h1", { tabindex: "-1" }, data.name),
      data.tier && h("span", { class: "quiet" }, data.tier.replace("_", " ")),
      h("div", { class: "actions" }, compare, h("a", { class: "button", href: "#/templates" }, "All templates"))),
    data.variables?.length > 0 && h("p", { class: "variables" }, "Filled in with ",
      data.variables.map((name) => [h("code", null, name), " "])),
    versionsTable("Versions", [data.versions], check), cards, plots);
  root.dataset.title = data.name;
  await draw().catch((error) => replace(plots, failure(error, draw)));
}

export async function show(root, place) {
  const draw = (query) => (query.get("id") ? showOne(root, query.get("id")) : showAll(root));
  await loadStyles("templates.css");
  await draw(place.query);
  return {
    async update(to) {
      delete root.dataset.title;
      try {
        await draw(to.query);
        document.title = `${root.dataset.title ?? title} · confab`;
        root.querySelector("h1").focus({ preventScroll: true });
        scrollTo(0, 0);
      } catch (error) {
        replace(root, h("h1", { tabindex: "-1" }, title), failure(error, () => this.update(to)));
      }
    },
    close() {},
  };
}
