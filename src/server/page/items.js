// The items of a run: by state, a page at a time.

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, clock, count, dollars, score } from "./format.js";
import { badge, button, empty, failure, keyed, table } from "./parts.js";
import { finished } from "./progress.js";

const PAGE = 50, PAGE_MOST = 500;
const STATES = [["", "All"], ["done", "Done"], ["failed", "Failed"], ["pending", "Waiting"], ["skipped", "Skipped"]];
const HEADS = [["#", "number"], ["Item"], ["Key", "wide"], ["State"], ["Score", "number"], ["Turns", "number wide"],
  ["Cost", "number"], ["Attempts", "number wide"], ["Finished", "number wide"]];

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** What an item was made from; its key if it was made from nothing. */
export const words = ({ parameters, item }) =>
  Object.entries(parameters ?? {}).map(([name, value]) => `${name}: ${plain(value)}`).join(" · ") || item;

function outcome(item) {
  if (item.state !== "done") return item.state;
  if (item.accepted) return "accepted";
  return item.surplus ? "surplus" : "needs_revision";
}

/** The sum of a field of the conversations, null if there are none that have it. */
function sum(conversations, name) {
  const values = conversations.map((each) => each[name]).filter((each) => each !== null);
  return values.length > 0 ? values.reduce((a, b) => a + b) : null;
}

function row(item, id) {
  const made = item.conversations, scored = made.filter((each) => each.qualityScore !== null);
  const open = made.length > 0 ? `#/conversations?run=${id}&id=${made[0].id}` : null;
  return h("tr", null,
    h("td", { class: "number" }, item.ordinal === null ? "–" : item.ordinal + 1),
    h("th", { scope: "row" }, h(open ? "a" : "span", { class: "words", href: open }, words(item)),
      item.errorMessage && h("small", null, `${item.errorKind}: ${item.errorMessage}`)),
    h("td", { class: "wide" }, h("code", { class: "key" }, item.item)),
    h("td", null, badge(outcome(item))),
    h("td", { class: "number" }, score(scored.length > 0 ? sum(scored, "qualityScore") / scored.length : null)),
    h("td", { class: "number wide" }, count(sum(made, "turnCount"))),
    h("td", { class: "number" }, dollars(sum(made, "cost"))),
    h("td", { class: "number wide" }, count(item.attempts)),
    h("td", { class: "number wide" }, h("time", { title: clock(item.finishedAt) }, ago(item.finishedAt))));
}

const said = (item) => JSON.stringify([item.state, item.accepted, item.attempts,
  item.conversations.map((each) => [each.id, each.qualityScore])]);

/** The table of the run's items (place) and the choice of their state (chips). load() reads again what is
 * shown, setState(name) shows others, setCounts(progress) tells how many there are of each. */
export function makeItems(id) {
  const body = h("tbody"), chips = h("div", { class: "chips", role: "group", "aria-label": "Items by state" });
  const place = h("div"), list = table("items", HEADS, body), none = empty("No items in this state.");
  const more = button("Show more", () => { pages++; load(); });
  const syncRows = keyed(body, { key: (item) => item.itemId, said, make: (item) => row(item, id) });
  const syncChips = keyed(chips, { key: ([name]) => name, said: String, make: chip });
  let state = "", pages = 1;

  function chip([name, text]) {
    const go = () => { location.hash = `#/runs/${id}${name ? `?state=${name}` : ""}`; };
    return h("button", { type: "button", "data-state": name, onclick: go }, text, " ", h("span"));
  }

  function draw(items, hasMore) {
    syncRows(items);
    more.hidden = !hasMore;
    list.hidden = items.length === 0;
    none.hidden = items.length > 0;
    if (list.parentNode !== place) replace(place, list, more, none);
  }

  async function load() {
    const items = [], asked = state;
    let cursor = null;
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
    syncChips(STATES.filter(([name]) => name === "" || name === state || counts[name] > 0));
    for (const each of chips.children) {
      each.querySelector("span").textContent = count(counts[each.dataset.state]);
      each.setAttribute("aria-pressed", String(each.dataset.state === state));
    }
  }

  function setState(now) {
    state = STATES.some(([name]) => name === now) ? now : "";
    pages = 1;
    return load();
  }

  return { chips, place, load, setCounts, setState };
}
