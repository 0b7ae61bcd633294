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

/** A figure that draws itself anew when its width changes: letters keep their size. names: [[name, kind]]
 * of the series, told where there are several. */
function figure({ title, unit, names, table, draw }) {
  const place = h("div");
  let drawn = 0;
  const node = h("figure", { class: "plot" },
    h("figcaption", null, title, unit && [" ", h("small", null, unit)]),
    place,
    names.length > 1 && h("ul", { class: "names" },
      names.map(([name, kind]) => h("li", { class: `series-${kind}` }, name))),
    h("details", null, h("summary", null, "Numbers"),
      h("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${title}: numbers` }, table)));
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

/** The picture with its grid and the numbers at its left; y(value) is where a value lies. */
function frame(width, left, top, label, format) {
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top.at(-1));
  const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": label },
    top.map((value) => [
      s("line", { class: value === 0 ? "axis" : "grid", x1: left, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      s("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    ]));
  return { svg, y };
}

/** A number under the axis, kept within the picture. */
function mark(width, x, text, anchor = "middle") {
  const most = width - (anchor === "middle" ? text.length * LETTER / 2 : 0);
  return s("text", { x: Math.min(x, most), y: HEIGHT - 6, "text-anchor": anchor }, text);
}

const widest = (texts) => Math.max(...texts.map((text) => text.length)) * LETTER + 12;

/** A small table: heads, then rows; the first column names the row. */
function numbers(heads, rows) {
  return h("table", null,
    h("thead", null, h("tr", null, heads.map((text, i) => h("th", { scope: "col", class: i > 0 && "number" }, text)))),
    h("tbody", null, rows.map(([first, ...rest]) => h("tr", null, h("th", { scope: "row" }, first),
      rest.map((text) => h("td", { class: "number" }, text))))));
}

// --- histograms ---

/** Distributions over the edges of all of them: one may begin or end where another does not. */
export function overCommonEdges(plots) {
  const edges = [...new Set(plots.flatMap((plot) => plot.edges))].sort((a, b) => a - b);
  const hasLast = plots.some((plot) => plot.counts.length === plot.edges.length);
  const bins = hasLast ? edges : edges.slice(0, -1);
  return { edges, counts: plots.map((plot) => bins.map((edge) => plot.counts[plot.edges.indexOf(edge)] ?? 0)) };
}

/** The bins worth showing: all of a short scale, of a long one those between the first and last count. */
function range(all, bins, isShort) {
  if (isShort) return Array.from({ length: bins }, (_, i) => i);
  const used = all.flatMap(({ counts }) => counts.flatMap((n, i) => (n > 0 ? [i] : [])));
  const from = Math.max(Math.min(...used, bins) - 1, 0), to = Math.min(Math.max(...used, 0) + 2, bins);
  return Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i);
}

/** How often values fall between edges: counts[i] between edges[i] and edges[i + 1]; with as many counts as
 * edges, at an edge and up to the next. Bins are of equal width whatever the edges say, which suits scores
 * and a 1-2-5 scale. With `series`, [{name, counts}], two stand side by side as shares, so that runs of
 * unequal size compare. format: of an edge. */
export function histogram({ title, edges, counts, unit, series, format = String }) {
  const all = series ?? [{ name: title, counts }], isShare = all.length > 1;
  const sums = all.map((each) => each.counts.reduce((sum, n) => sum + n, 0));
  const bins = Math.max(...all.map((each) => each.counts.length)), isPoint = bins === edges.length && bins > 0;
  const shown = range(all, bins, isPoint || edges.length <= 12);

  /** The height of a bar: a count, or the share of its series in 100. */
  function value(k, i) {
    const n = all[k].counts[i] ?? 0;
    if (!isShare) return n;
    return sums[k] > 0 ? n / sums[k] * 100 : 0;
  }
  const top = ticks(Math.max(0, ...all.flatMap((_, k) => shown.map((i) => value(k, i)))), !isShare);
  const axis = (each) => (isShare ? `${each}%` : count(each));
  const name = (i) => (isPoint ? format(edges[i]) : `${format(edges[i])} – ${format(edges[i + 1])}`);
  const told = (k, i) => count(all[k].counts[i] ?? 0) + (isShare ? ` (${Math.round(value(k, i))}%)` : "");
  const label = all.map((each, k) => `${isShare ? `${each.name}, ` : ""}${count(sums[k])} in all`).join("; ");

  function bar(svg, y, x, width, k, i) {
    const height = y(0) - y(value(k, i));
    if (height <= 0) return;
    svg.append(s("rect", { class: `bin series-${k}`, x, y: y(value(k, i)), width: Math.max(width, 1), height, rx: 1 },
      s("title", null, `${isShare ? `${all[k].name}: ` : ""}${name(i)}: ${told(k, i)}`)));
  }

  function draw(width) {
    const left = widest(top.map(axis)), slot = (width - left - RIGHT) / Math.max(shown.length, 1);
    const gap = Math.min(slot * 0.16, 6), breadth = (slot - gap) / all.length;
    const { svg, y } = frame(width, left, top, `${title}: ${label}`, axis);
    shown.forEach((i, at) => all.forEach((_, k) =>
      bar(svg, y, left + at * slot + gap / 2 + k * breadth, breadth - (isShare ? 1 : 0), k, i)));
    const marks = isPoint || shown.length === 0 ? shown : [...shown, shown.at(-1) + 1];
    const every = Math.ceil(Math.max(...marks.map((i) => format(edges[i]).length * LETTER + 14)) / slot);
    marks.filter((_, at) => at % every === 0).forEach((i) =>
      svg.append(mark(width, left + (i - shown[0] + (isPoint ? 0.5 : 0)) * slot, format(edges[i]))));
    return svg;
  }

  const table = numbers([unit ?? title, ...all.map((each) => (isShare ? each.name : "Count"))],
    shown.map((i) => [name(i), ...all.map((_, k) => told(k, i))]));
  return figure({ title, unit, names: all.map((each, k) => [each.name, k]), table, draw });
}

// --- lines ---

const SPANS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800,
];    // seconds between two marks

function elapsed(seconds, step) {
  if (step >= 86400) return `${seconds / 86400} d`;
  if (step >= 3600) return `${seconds / 3600} h`;
  if (step >= 60) return `${seconds / 60} min`;
  return `${Number(seconds.toFixed(1))} s`;
}

/** Values over time. points: [{at, …}], at ISO times in order; series: [{name, key, kind?}], where kind
 * is "good", "warn" or "bad"; format: of a value. */
export function lines({ title, points, series, unit, format = count }) {
  const times = points.map((point) => Date.parse(point.at)), begin = times[0] ?? 0;
  const span = Math.max((times.at(-1) ?? 0) - begin, 1);
  const most = Math.max(0, ...series.flatMap(({ key }) => points.map((point) => point[key] ?? 0)));
  const top = ticks(most, format === count), kinds = series.map((each, k) => each.kind ?? k);
  const label = series.map((each) => `${each.name} ${format(points.at(-1)?.[each.key])}`).join(", ");

  function draw(width) {
    const left = widest(top.map(format)), right = width - RIGHT - 12;
    const { svg, y } = frame(width, left, top, `${title}: ${label} at the end`, format);
    const x = (ms) => (left + (right - left) * (ms - begin) / span).toFixed(1);
    series.forEach(({ key }, k) => {
      if (points.length === 0) return;
      const path = `M${points.map((point, i) => `${x(times[i])} ${y(point[key] ?? 0).toFixed(1)}`).join("L")}`;
      if (series.length === 1) {
        const area = `${path}L${x(times.at(-1))} ${y(0)}L${x(begin)} ${y(0)}Z`;
        svg.append(s("path", { class: `area series-${kinds[k]}`, d: area }));
      }
      svg.append(s("path", { class: `curve series-${kinds[k]}`, d: path }));
    });
    const seconds = span / 1000, fits = Math.max(Math.floor((width - left) / 90), 1);
    const step = SPANS.find((each) => seconds / each <= fits) ?? SPANS.at(-1);
    for (let t = 0; t <= seconds && points.length > 1; t += step) {
      svg.append(mark(width, x(begin + t * 1000), elapsed(t, step), t === 0 ? "start" : "middle"));
    }
    return svg;
  }

  const table = numbers(["Time", ...series.map((each) => each.name)],
    points.map((point) => [clock(point.at), ...series.map(({ key }) => format(point[key]))]));
  return figure({ title, unit, names: series.map((each, k) => [each.name, kinds[k]]), table, draw });
}
