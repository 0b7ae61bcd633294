// Two kinds of plots as SVG, each with its numbers as a table for those who do not see it.

import { h, replace, s } from "./dom.js";
import { clock, count } from "./format.js";

const HEIGHT = 180, TOP = 10, BOTTOM = 24, RIGHT = 8, LETTER = 7;    // pixels
const STEPS = [1, 2, 2.5, 5, 10];

/** The round numbers of an axis from 0 to at least `most`, about four steps. */
export function ticks(most, isWhole) {
  if (!(most > 0)) return [0, 1];
  const rough = most / 4, power = 10 ** Math.floor(Math.log10(rough));
  let step = STEPS.find((each) => each * power >= rough * 0.999) * power;
  if (isWhole) step = Math.max(1, Math.ceil(step));
  const list = [];
  for (let i = 0; i === 0 || list.at(-1) < most * 0.9999; i++) list.push(Number((i * step).toPrecision(12)));
  return list;
}

/** A figure that draws itself anew when its width changes: letters keep their size. */
function figure(title, note, names, table, draw) {
  const place = h("div"), said = h("span", null, title, note && [" ", h("small", null, note)]);
  let drawn = 0;
  const node = h("figure", { class: "plot" },
    h("figcaption", null, said), place,
    names.length > 1 && h("ul", { class: "names" }, names.map(([name, kind]) => h("li", { class: `series-${kind}` }, name))),
    h("details", null, h("summary", null, "Numbers"), h("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${title}: numbers` }, table)));
  new ResizeObserver(() => {
    const width = Math.floor(place.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    replace(place, draw(width));
  }).observe(place);
  return node;
}

/** Puts these figures in the place of the ones there; tables that were open stay open. */
export function showPlots(place, figures) {
  const open = [...place.querySelectorAll("details")].map((details) => details.open);
  figures.forEach((node, i) => { node.querySelector("details").open = open[i] ?? false; });
  replace(place, figures);
}

function frame(width, left, top, label, format) {
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top.at(-1));
  const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": label },
    top.map((value) => [
      s("line", { class: value === 0 ? "axis" : "grid", x1: left, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      s("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    ]));
  return { svg, y };
}

const widest = (texts) => Math.max(...texts.map((text) => text.length)) * LETTER + 12;

/** A small table: heads, then rows; the first column names the row. */
function numbers(heads, rows) {
  return h("table", null,
    h("thead", null, h("tr", null, heads.map((text, i) => h("th", { scope: "col", class: i > 0 && "number" }, text)))),
    h("tbody", null, rows.map(([first, ...rest]) => h("tr", null, h("th", { scope: "row" }, first),
      rest.map((text) => h("td", { class: "number" }, text))))));
}

/** Distributions over the edges of all of them: one may begin or end where another does not. */
export function overCommonEdges(plots) {
  const edges = [...new Set(plots.flatMap((plot) => plot.edges))].sort((a, b) => a - b);
  const hasLast = plots.some((plot) => plot.counts.length === plot.edges.length);
  const counts = (plot) => edges.slice(0, hasLast ? undefined : -1).map((edge) => plot.counts[plot.edges.indexOf(edge)] ?? 0);
  return { edges, counts: plots.map(counts) };
}

/** How often values fall between edges: counts[i] between edges[i] and edges[i + 1]; with as many counts as
 * edges, at an edge and up to the next. Bins are of equal width whatever the edges say, which suits scores
 * and a 1-2-5 scale. With `series`, [{name, counts}],
 * two stand side by side as shares, so that runs of unequal size compare. format: of an edge. */
export function histogram({ title, edges, counts, unit, series, format = String }) {
  const all = series ?? [{ name: title, counts }];
  const sums = all.map((each) => each.counts.reduce((sum, n) => sum + n, 0));
  const isShare = all.length > 1;
  const value = (k, i) => (isShare ? (sums[k] > 0 ? all[k].counts[i] / sums[k] * 100 : 0) : all[k].counts[i]);
  const bins = Math.max(...all.map((each) => each.counts.length)), isPoint = bins === edges.length;
  const last = Math.max(...all.map((each) => each.counts.findLastIndex((n) => n > 0)), 0);
  const first = Math.min(...all.map((each) => each.counts.findIndex((n) => n > 0)).filter((i) => i >= 0), last);
  const [from, to] = isPoint || edges.length <= 12 ? [0, bins] : [Math.max(first - 1, 0), Math.min(last + 2, bins)];
  const shown = Array.from({ length: to - from }, (_, i) => from + i);
  const top = ticks(Math.max(...all.flatMap((_, k) => shown.map((i) => value(k, i)))), !isShare);
  const label = (i) => (isPoint ? format(edges[i]) : i + 1 < edges.length ? `${format(edges[i])} – ${format(edges[i + 1])}` : `over ${format(edges[i])}`);
  const table = numbers([unit ?? title, ...all.map((each) => (isShare ? each.name : "Count"))],
    shown.map((i) => [label(i), ...all.map((each, k) => count(each.counts[i] ?? 0) + (isShare ? ` (${Math.round(value(k, i))}%)` : ""))]));

  function draw(width) {
    const axis = (each) => (isShare ? `${each}%` : count(each)), left = widest(top.map(axis));
    const slot = (width - left - RIGHT) / shown.length, gap = Math.min(slot * 0.16, 6);
    const { svg, y } = frame(width, left, top, `${title}: ${sums.map((sum, k) => `${isShare ? `${all[k].name}, ` : ""}${count(sum)} in all`).join("; ")}`, axis);
    shown.forEach((i, at) => all.forEach((_, k) => {
      const bar = (slot - gap) / all.length, x = left + at * slot + gap / 2 + k * bar, height = y(0) - y(value(k, i));
      if (height > 0) {
        svg.append(s("rect", { class: `bin series-${k}`, x, y: y(value(k, i)), width: Math.max(bar - (isShare ? 1 : 0), 1), height, rx: 1 },
          s("title", null, `${isShare ? `${all[k].name}: ` : ""}${label(i)}: ${count(all[k].counts[i])}`)));
      }
    }));
    const marks = isPoint ? shown : [...shown, to].filter((i) => i < edges.length);
    const every = Math.ceil(Math.max(...marks.map((i) => format(edges[i]).length * LETTER + 8)) / slot);
    marks.filter((i) => (i - from) % every === 0).forEach((i) => {
      const text = format(edges[i]), x = left + (i - from + (isPoint ? 0.5 : 0)) * slot;
      svg.append(s("text", { x: Math.min(x, width - text.length * LETTER / 2), y: HEIGHT - 6, "text-anchor": "middle" }, text));
    });
    return svg;
  }
  return figure(title, unit, all.map((each, k) => [each.name, k]), table, draw);
}

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

function elapsed(ms, step) {
  const seconds = Math.round(ms / 1000);
  if (step >= 86400) return `${seconds / 86400} d`;
  if (step >= 3600) return `${seconds / 3600} h`;
  if (step >= 60) return `${seconds / 60} min`;
  return `${seconds} s`;
}

/** Values over time. points: [{at, …}], at ISO times in order; series: [{name, key, kind?}], where kind
 * is "good", "warn" or "bad"; format: of a value. */
export function lines({ title, points, series, unit, format = count }) {
  const times = points.map((point) => Date.parse(point.at)), begin = times[0] ?? 0, span = Math.max((times.at(-1) ?? 0) - begin, 1);
  const most = Math.max(0, ...series.flatMap(({ key }) => points.map((point) => point[key] ?? 0)));
  const top = ticks(most, format === count);
  const kind = (each, k) => each.kind ?? k;
  const table = numbers(["Time", ...series.map((each) => each.name)],
    points.map((point) => [clock(point.at), ...series.map(({ key }) => format(point[key]))]));

  function draw(width) {
    const left = widest(top.map(format)), right = RIGHT + 12;
    const { svg, y } = frame(width, left, top, `${title}: ${series.map((each) => `${each.name} ${format(points.at(-1)?.[each.key])}`).join(", ")} at the end`, format);
    const x = (i) => left + (width - left - right) * (times[i] - begin) / span;
    series.forEach((each, k) => {
      const path = points.map((point, i) => `${i > 0 ? "L" : "M"}${x(i).toFixed(1)} ${y(point[each.key] ?? 0).toFixed(1)}`).join("");
      if (path === "") return;
      if (series.length === 1) svg.append(s("path", { class: `area series-${kind(each, k)}`, d: `${path}L${x(points.length - 1).toFixed(1)} ${y(0)}L${x(0)} ${y(0)}Z` }));
      svg.append(s("path", { class: `curve series-${kind(each, k)}`, d: path }));
    });
    const seconds = span / 1000, fits = Math.max(Math.floor((width - left) / 90), 1);
    const step = SPANS.find((each) => seconds / each <= fits) ?? SPANS.at(-1);
    for (let t = 0; t <= seconds && points.length > 1; t += step) {
      svg.append(s("text", { x: left + (width - left - right) * t / seconds, y: HEIGHT - 6, "text-anchor": t === 0 ? "start" : "middle" },
        elapsed(t * 1000, step)));
    }
    return svg;
  }
  return figure(title, unit, series.map((each, k) => [each.name, kind(each, k)]), table, draw);
}
