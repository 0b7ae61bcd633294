// The list of conversations: read page by page behind a cursor, so that what arrives meanwhile moves
// nothing; it is announced instead. What was loaded, how far it was scrolled and what is selected outlive
// a visit to another view.

import { get } from "./api.js";
import { aboutOf, nameOf, statusText } from "./chat.js";
import { addressOf } from "./conversation_filters.js";
import { h, notice, replace } from "./dom.js";
import { count, score } from "./format.js";
import { watch } from "./live.js";
import { badge, failure, time } from "./parts.js";

const PAGE = 50, LOOK = 100;       // rows of a page; rows looked at for new ones
const FAR = 500;                   // rows searched for the open conversation of a link
const LOOK_MS = 1500;              // new ones are looked for that often at most,
const LOOK_REST = 9;               // and in no more than a tenth of the time: a search may be slow

const kept = { key: null, rows: [], cursor: null, total: 0, scroll: 0, selected: new Map() };

const path = "/api/conversations";
const read = (filters, more) => get(path, { ...filters, turns: false, ...more });

/** events: open(id, isByKey), select(): the selection has changed. */
export function conversationList(events) {
  const ul = h("ul", { class: "rows" });
  const heading = h("h2", { class: "rows-count", "aria-live": "polite" });
  const fresh = h("button", { type: "button", class: "fresh", hidden: true, onclick: showFresh });
  const more = h("button", { type: "button", class: "rows-more", hidden: true, onclick: () => loadMore() });
  const all = h("input", { type: "checkbox", "aria-label": "Select all that are listed", onchange: selectListed });
  const scroller = h("div", { class: "rows-scroller" }, ul, more);
  const head = h("div", { class: "rows-head" }, all, heading, fresh);
  const root = h("div", { class: "rows-pane", role: "region", "aria-label": "List" }, head, scroller);

  let filters = {}, openId = null, items = new Map(), loading = null, asked = 0, lookAgain = 0, timer = 0;
  let newer = [];                  // conversations that have come since, newest first

  // --- rows ---

  function rowItem(conv) {
    const check = h("input", {
      type: "checkbox", "aria-label": `Select ${nameOf(conv)}, ${aboutOf(conv)}`,
      onclick: (event) => choose(conv, event),
    });
    check.checked = kept.selected.has(conv.id);
    const words = [nameOf(conv), aboutOf(conv), `score ${score(conv.qualityScore)}`, statusText(conv.status),
      `${count(conv.turnCount)} turns`];
    const link = h("a", { href: addressOf(filters, conv.id), class: "row-link",
      "aria-label": words.filter(Boolean).join(", ") },
      h("span", { class: "row-name", dir: "auto" }, nameOf(conv)),
      h("span", { class: "row-score", title: "Score" }, score(conv.qualityScore)),
      h("span", { class: "row-about", dir: "auto" }, aboutOf(conv) || (conv.template ?? conv.run ?? "")),
      badge(conv.status),
      h("span", { class: "row-foot" },
        `${count(conv.turnCount)} turns`, h("span", null, tagsOf(conv)),
        time(conv.createdAt)));
    if (conv.id === openId) link.setAttribute("aria-current", "true");
    return h("li", { class: "row" }, check, link);
  }

  const tagsOf = (conv) => Object.keys(conv.tags).slice(0, 3).map((name) => `#${name}`).join(" ");

  function add(convs, isNewer) {
    const made = convs.filter((conv) => !items.has(conv.id)).map((conv) => {
      const item = rowItem(conv);
      items.set(conv.id, item);
      return item;
    });
    if (isNewer) ul.prepend(...made);
    else ul.append(...made);
  }

  function showHead() {
    const word = kept.total === 1 ? "conversation" : "conversations";
    heading.textContent = `${count(kept.total)} ${word}`;
    const left = kept.total - kept.rows.length;
    more.hidden = kept.cursor === null || left <= 0;
    more.textContent = `Show ${count(Math.min(PAGE, left))} more`;
    all.checked = kept.rows.length > 0 && kept.rows.every((conv) => kept.selected.has(conv.id));
    all.indeterminate = kept.selected.size > 0 && !all.checked;
    all.disabled = kept.rows.length === 0;
  }

  function showEmpty() {
    const isFiltered = Object.keys(filters).length > 0;
    const text = isFiltered
      ? ["No conversation fits these filters. ", h("a", { href: "#/conversations" }, "Show all"), "."]
      : ["No conversations yet. Start a run with ", h("code", null, "confab run script.lua"), " or make one in the ",
        h("a", { href: "#/playground" }, "playground"), "."];
    replace(ul, h("li", { class: "empty" }, text));
  }

  function showAll() {
    items = new Map();
    replace(ul);
    if (kept.rows.length === 0) showEmpty();
    else add(kept.rows, false);
    events.suggest([...new Set(kept.rows.map((conv) => conv.persona).filter(Boolean))]);
    showHead();
  }

  function showFailure(error) {
    replace(ul, h("li", null, failure(error, () => load(filters, true))));
    more.hidden = true;
    heading.textContent = "Conversations";
  }

  // --- reading ---

  async function load(wanted, again = false) {
    const key = JSON.stringify(wanted), own = ++asked;
    filters = wanted;
    newer = [];
    fresh.hidden = true;
    if (kept.key === key && !again) {
      showAll();
      scrollWhenShown(kept.scroll);
      lookSoon();
      return;
    }
    root.setAttribute("aria-busy", "true");
    try {
      const page = await read(filters, { limit: PAGE });
      if (own !== asked) return;
      if (kept.key !== null && kept.key !== key) clearSelection();
      Object.assign(kept, { key, rows: page.data, cursor: page.nextCursor, total: page.total, scroll: 0 });
      showAll();
      scroller.scrollTop = 0;
    } catch (error) {
      if (own !== asked) return;
      kept.key = null;
      showFailure(error);
    } finally {
      if (own === asked) root.removeAttribute("aria-busy");
    }
  }

  /** A view is read before it is shown, and what is not shown does not scroll. */
  function scrollWhenShown(top) {
    new ResizeObserver((_, observer) => {
      if (scroller.clientHeight === 0) return;
      scroller.scrollTop = top;
      observer.disconnect();
    }).observe(scroller);
  }

  /** Resolves to whether there were more. */
  function loadMore(limit = PAGE) {
    if (kept.cursor === null) return Promise.resolve(false);
    loading ??= (async () => {
      const own = asked;
      try {
        const page = await read(filters, { limit, cursor: kept.cursor, total: false });
        if (own !== asked) return false;
        kept.rows.push(...page.data);
        kept.cursor = page.nextCursor;
        add(page.data, false);
        showHead();
        return page.data.length > 0;
      } catch (error) {
        notice(error.message);
        return false;
      } finally {
        loading = null;
      }
    })();
    return loading;
  }

  // --- what arrives ---

  async function look() {
    const own = asked, newest = kept.rows[0]?.createdAt ?? "", begun = Date.now();
    const page = await read(filters, { limit: LOOK, total: false }).catch(() => null);
    timer = 0;
    lookAgain = Date.now() + Math.max(LOOK_MS, LOOK_REST * (Date.now() - begun));
    if (page === null || own !== asked) return;
    const known = page.data.findIndex((conv) => items.has(conv.id));
    newer = known < 0 ? page.data.filter((conv) => conv.createdAt > newest) : page.data.slice(0, known);
    fresh.hidden = newer.length === 0;
    fresh.textContent = `${newer.length === LOOK ? `${LOOK}+` : count(newer.length)} new`;
    fresh.setAttribute("aria-label", `Show ${fresh.textContent}`);
  }

  function lookSoon() {
    if (timer === 0) timer = setTimeout(look, Math.max(0, lookAgain - Date.now()));
  }

  function showFresh() {
    if (newer.length === LOOK || kept.rows.length === 0) {    // there may be more of them in between
      load(filters, true);
      return;
    }
    kept.rows.unshift(...newer);
    kept.total += newer.length;
    add(newer, true);
    newer = [];
    fresh.hidden = true;
    showHead();
    scroller.scrollTop = 0;
    ul.querySelector("a")?.focus();
  }

  const unwatch = watch((event) => {
    if (event.type === "connected" || (event.type === "item" && event.data.conversations !== 0)) lookSoon();
  });

  // --- selection ---

  let anchor = null;               // of a range, chosen with shift

  function set(conv, is) {
    if (is) kept.selected.set(conv.id, conv);
    else kept.selected.delete(conv.id);
    const check = items.get(conv.id)?.querySelector("input");
    if (check) check.checked = is;
  }

  function choose(conv, event) {
    const is = event.target.checked, at = kept.rows.findIndex((one) => one.id === conv.id);
    const from = kept.rows.findIndex((one) => one.id === anchor);
    const range = event.shiftKey && from >= 0 ? kept.rows.slice(Math.min(at, from), Math.max(at, from) + 1) : [conv];
    for (const one of range) set(one, is);
    anchor = conv.id;
    changed();
  }

  function changed() {
    showHead();
    events.select();
  }

  function selectListed() {
    for (const conv of kept.rows) set(conv, all.checked);
    changed();
  }

  function clearSelection() {
    for (const conv of [...kept.selected.values()]) set(conv, false);
    changed();
  }

  // --- the open one ---

  function mark(id) {
    items.get(openId)?.querySelector("a").removeAttribute("aria-current");
    openId = id;
    const item = items.get(id);
    item?.querySelector("a").setAttribute("aria-current", "true");
    item?.scrollIntoView({ block: "nearest" });
  }

  /** Shows a conversation as it has become; it keeps its place, whether it still fits the filters or not. */
  function update(conv) {
    const at = kept.rows.findIndex((one) => one.id === conv.id), item = items.get(conv.id);
    if (at < 0) return;
    kept.rows[at] = conv;
    if (kept.selected.has(conv.id)) kept.selected.set(conv.id, conv);
    if (!item) return;
    const focused = item.contains(document.activeElement) ? document.activeElement.localName : null;
    const made = rowItem(conv);
    item.replaceWith(made);
    items.set(conv.id, made);
    if (focused) made.querySelector(focused)?.focus({ preventScroll: true });
  }

  /** The id of the next conversation (step 1) or the one before (-1); null at an end. */
  async function neighbour(step) {
    if (kept.rows.length === 0) return null;
    let at = kept.rows.findIndex((conv) => conv.id === openId);
    if (at < 0) return kept.rows[step > 0 ? 0 : kept.rows.length - 1].id;
    at += step;
    if (at >= kept.rows.length && !(await loadMore())) return null;
    return kept.rows[at]?.id ?? null;
  }

  scroller.addEventListener("scroll", () => { kept.scroll = scroller.scrollTop; }, { passive: true });

  return {
    root, load, mark, neighbour, clearSelection,
    /** None is open any more: back to where the last one stands. */
    leave() {
      const link = items.get(openId)?.querySelector("a");
      mark(null);
      link?.focus({ preventScroll: true });
      link?.scrollIntoView({ block: "nearest" });
    },
    selected: () => [...kept.selected.values()],
    total: () => kept.total,
    /** Reads on until the conversation of a link is listed, if it is not too far away. */
    async reveal(id) {
      if (!items.has(id) && kept.cursor !== null) await loadMore(FAR);
      mark(id);
    },
    toggle(id) {
      const conv = kept.rows.find((one) => one.id === id);
      if (!conv) return;
      set(conv, !kept.selected.has(id));
      anchor = id;
      changed();
    },
    update,
    /** The same for many, by what was done to them. */
    apply(ids, { status, tags }) {
      const changed = new Set(ids);
      for (const conv of kept.rows.filter((one) => changed.has(one.id)))
        update({ ...conv, status: status ?? conv.status, tags: { ...conv.tags, ...tags?.set } });
    },
    close() {
      unwatch();
      clearTimeout(timer);
      asked++;
    },
  };
}
