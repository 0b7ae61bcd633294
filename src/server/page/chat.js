// A conversation as it is read: its turns, what it is about, how it was scored. Makes elements and asks
// for nothing. Whatever a model or a person wrote goes in as text.

import { h, replace } from "./dom.js";
import { count, dollars, score } from "./format.js";

const SHOWN = 6000;    // characters of a turn at first: some have 100,000, and nobody scrolls past those

const ROLES = { user: "User", assistant: "Assistant", system: "System" };
const MARKS = {
  superseded: "Older version", orphan: "No longer drawn", surplus: "Surplus", truncated: "Cut off",
  simulated: "Simulated",
};

/** A status in a sentence. */
export const statusText = (status) => (status ?? "none").replaceAll("_", " ");

/** What sets it apart from an ordinary one, as small marks. */
export const marks = (conv) =>
  Object.keys(MARKS).filter((name) => conv[name]).map((name) => h("span", { class: "mark" }, MARKS[name]));

/** What a conversation is called: the best of what is known of it. */
export const nameOf = (conv) => conv.persona ?? conv.topic ?? conv.item ?? conv.id;

/** What else it is about, in a line. */
export const aboutOf = (conv) =>
  [conv.emotion, conv.persona === null ? null : conv.topic].filter(Boolean).join(" · ");

const isLeadSurrogate = (code) => code >= 0xd800 && code < 0xdc00;

/** Puts a text into an element: of a long one the first characters, about `most`, and a button for all. */
export function fill(box, text, most) {
  if (text.length <= most * 1.5) {
    replace(box, text);
    return box;
  }
  const cut = most - (isLeadSurrogate(text.charCodeAt(most - 1)) ? 1 : 0);
  const all = () => {
    replace(box, text);
    box.tabIndex = -1;
    box.focus({ preventScroll: true });
  };
  replace(box, text.slice(0, cut), "… ",
    h("button", { type: "button", class: "link", onclick: all }, `Show all ${count(text.length)} characters`));
  return box;
}

/** A text of any length, in any script. */
export const prose = (text) => fill(h("div", { class: "prose", dir: "auto" }), text, SHOWN);

/** One turn. more: elements beside its number, such as a button to edit it. */
export function turnItem(turn, index, ...more) {
  const role = Object.hasOwn(ROLES, turn.role) ? turn.role : "other";
  return h("li", { class: `turn role-${role}`, "data-turn": index, tabindex: "-1" },
    h("div", { class: "turn-head" },
      h("span", { class: "turn-role" }, ROLES[turn.role] ?? turn.role),
      h("span", { class: "turn-number" }, h("span", { class: "unseen" }, "turn "), index + 1),
      more),
    prose(turn.content));
}

/** All turns. more(turn, index): see turnItem. */
export const turnList = (turns, more = () => null) =>
  h("ol", { class: "turns" }, turns.map((turn, index) => turnItem(turn, index, more(turn, index))));

function scorePart(part) {
  const share = part.max > 0 ? Math.min(Math.max(part.points / part.max, 0), 1) : 0;
  return h("tr", null,
    h("th", { scope: "row" }, part.name),
    h("td", { class: "number" }, `${score(part.points)} of ${score(part.max)}`),
    h("td", { "aria-hidden": "true" },
      h("span", { class: "meter" }, h("span", { style: { "inline-size": `${share * 100}%` } }))),
    h("td", { class: "quiet" }, part.error ?? part.note ?? ""));
}

/** How the score came about; null where nobody knows. */
export function scoreTable(conv) {
  const parts = Array.isArray(conv.qualityBreakdown) ? conv.qualityBreakdown : [];
  if (parts.length === 0) return null;
  return h("table", { class: "score-parts" },
    h("caption", { class: "unseen" }, "How the score came about"),
    h("tbody", null, parts.map(scorePart)));
}

/** Pairs of a name and what stands beside it; what is null or empty is left out. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

/** Score, turns and cost in a line. */
export const summary = (conv) =>
  h("p", { class: "chat-summary" },
    h("span", null, h("strong", null, score(conv.qualityScore)), " of 10"),
    h("span", null, `${count(conv.turnCount)} ${conv.turnCount === 1 ? "turn" : "turns"}`),
    h("span", null, dollars(conv.cost)));
