// What has happened to a conversation: edits and reviews, versions, the calls that it came from.

import { fill, statusText } from "./chat.js";
import { addressOf } from "./conversation_filters.js";
import { difference } from "./difference.js";
import { h } from "./dom.js";
import { count, dollars, duration, score } from "./format.js";
import { scrolling, table, time } from "./parts.js";

const CONTEXT = 60, SHOWN = 800;    // characters on either side of a change, and of a change at first

function changed(edit) {
  const piece = (tag, text) => text ? fill(h(tag), text, SHOWN) : null;
  if (edit.before === null || edit.after === null) return [piece("del", edit.before), piece("ins", edit.after)];
  const [head, old, now, tail] = difference(edit.before, edit.after);
  return [
    head.length > CONTEXT ? `…${head.slice(-CONTEXT)}` : head,
    piece("del", old), old && now ? " " : null, piece("ins", now),
    tail.length > CONTEXT ? `${tail.slice(0, CONTEXT)}…` : tail,
  ];
}

const points = (text) => (text === null ? "none" : score(Number(text)));

/** What was edited, in a line: a status or a score from one to another, or which turn. */
function subject(one) {
  if (one.field === "status") return [statusText(one.before), " → ", h("strong", null, statusText(one.after))];
  if (one.field === "quality_score") return ["Score ", points(one.before), " → ", h("strong", null, points(one.after))];
  return h("strong", null, one.field === "turn" ? `Turn ${one.turnIndex + 1}` : one.field);
}

function edit(one) {
  return h("li", null,
    h("p", null, subject(one),
      h("span", { class: "quiet" }, one.author ? ` · ${one.author}` : "", " · ", time(one.createdAt))),
    one.field !== "status" && one.field !== "quality_score" && h("p", { class: "change", dir: "auto" }, changed(one)),
    one.note && h("p", { class: "note", dir: "auto" }, one.note));
}

function version(one, openId) {
  const text = `Version ${one.version}`;
  return h("li", null,
    one.id === openId ? h("strong", null, text) : h("a", { href: addressOf({}, one.id) }, text),
    h("span", { class: "quiet" }, one.isCurrent ? " · current" : "", ` · ${statusText(one.status)} · score `,
      score(one.qualityScore), " · ", time(one.createdAt)));
}

const CALL_HEADS = [["Turns"], ["Model"], ["In", "number"], ["Out", "number"], ["Cost", "number"], ["Time", "number"],
  ["Ended by"], ["Request"]];

const turnsOf = ({ firstTurn: first, lastTurn: last }) =>
  (first === last ? `${first + 1}` : `${first + 1}–${last + 1}`);

const callRow = (call) => h("tr", null,
  h("td", null, turnsOf(call)), h("td", null, call.model),
  h("td", { class: "number" }, count(call.inputTokens)), h("td", { class: "number" }, count(call.outputTokens)),
  h("td", { class: "number" }, dollars(call.cost)), h("td", { class: "number" }, duration(call.latencyMs)),
  h("td", null, call.stopReason ?? "–"), h("td", null, h("code", null, call.requestId ?? "–")));

const calls = (list) => scrolling("Calls", table("calls", CALL_HEADS, h("tbody", null, list.map(callRow))));

const section = (title, body) => h("section", null, h("h3", null, title), body);

/** All of it, as sections; those that would be empty are left out. */
export function historyOf(conv) {
  const edits = conv.edits.toReversed();
  return h("div", { class: "history" },
    edits.length > 0 && section("History", h("ol", { class: "edits" }, edits.map(edit))),
    conv.versions.length > 1 && section("Versions",
      h("ul", { class: "versions" }, conv.versions.map((one) => version(one, conv.id)))),
    conv.calls.length > 0 && section("Calls", calls(conv.calls)));
}
