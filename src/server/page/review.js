// One conversation, read and reviewed: approved, rejected, taken back, tagged, a turn edited. Each change
// is saved at once; the server keeps what was before.

import { get, patch } from "./api.js";
import { aboutOf, facts, marks, nameOf, scoreTable, summary, turnList } from "./chat.js";
import { addressOf } from "./conversation_filters.js";
import { h, notice, replace } from "./dom.js";
import { clock } from "./format.js";
import { historyOf } from "./history.js";
import { badge, failure, time } from "./parts.js";
import { editTurn, hasDraft } from "./turn_edit.js";

const AUTHOR = "confab-reviewer", ADVANCE = "confab-review-advances";    // remembered by the browser

const NAMED = 200;    // characters of a topic or a note where it is one fact among others; parameters have all

const isReviewed = (status) => status === "approved" || status === "rejected";

/** The status that a conversation has without a review. */
export function unreviewed(conv) {
  const edits = (conv.edits ?? []).filter((one) => one.field === "status" && !isReviewed(one.before));
  return edits.at(-1)?.before ?? (conv.qualityScore >= 6 ? "generated" : "needs_revision");
}

/** Whose name stands in the history; undefined: nobody's. */
export const author = () => localStorage.getItem(AUTHOR)?.trim() || undefined;

/** "name" or "name=value" as {name: value}: a number where it is one; true without a value. */
export function parseTag(text) {
  const at = text.indexOf("="), name = (at < 0 ? text : text.slice(0, at)).trim();
  const value = at < 0 ? true : text.slice(at + 1).trim();
  if (name === "") return null;
  return { [name]: value !== true && value !== "" && Number.isFinite(Number(value)) ? Number(value) : value };
}

/** events: change(conv), next(): go on to the next conversation, filters() -> those of the list. */
export function reviewPane(events) {
  const root = h("div", { class: "reading-pane", role: "region", "aria-label": "Conversation" });
  let conv = null, asked = 0, changes = Promise.resolve();
  const editing = new Set();            // turns with an open form
  let wanted = null, loading = null;    // the id that is shown or being read; the reading

  const address = (id) => `/api/conversations/${encodeURIComponent(id)}`;
  const short = (text) => (text.length > NAMED ? `${text.slice(0, NAMED)}…` : text);
  const link = (filter, text) => h("a", { href: addressOf(filter), dir: "auto" }, short(text));

  // --- changes ---

  /** Sends one change and shows what has become of the conversation; raises if it could not be. */
  async function send(id, body) {
    const { data } = await patch(address(id), { ...body, author: author() });
    if (data.id === wanted) await settled();    // what is being read may be of before
    if (data.id === conv?.id) {
      conv = data;
      render();
    }
    events.change(data);
  }

  /** For what needs the turns that are coming. */
  async function settled() {
    while (loading !== null) await loading;
  }

  /** Changes, one after the other: none is lost because the one before is still on its way. make(): what to
   * send; null for nothing. Resolves to whether it was done; says what went wrong. */
  function change(id, make, text) {
    const own = changes.then(async () => {
      const body = await make();
      if (body === null) return false;
      await send(id, body);
      notice(text);
      return true;
    }).catch((error) => {
      notice(error.details?.[0]?.reason ?? error.message);
      return false;
    });
    changes = own;
    return own;
  }

  const isOlder = (id) => conv?.id === id && conv.superseded;

  /** Keys may be faster than the server: a review is of the conversation that was asked for last, read or not. */
  async function review(status) {
    const id = wanted;
    if (id === null || isOlder(id)) return;
    const note = (conv?.id === id && root.querySelector(".review-note")?.value.trim()) || undefined;
    const text = status === "approved" ? "Approved; u takes it back" : "Rejected; u takes it back";
    const isDone = await change(id, () => ({ status, note }), text);
    if (isDone && wanted === id && localStorage.getItem(ADVANCE) === "yes") events.next();
  }

  async function undo() {
    const id = wanted;
    if (id === null || isOlder(id)) return;
    await change(id, async () => {
      const now = conv?.id === id ? conv : (await get(address(id))).data;
      return isReviewed(now.status) ? { status: unreviewed(now) } : null;
    }, "The review is taken back");
  }

  async function tag(text) {
    const set = parseTag(text);
    if (set !== null && await change(conv.id, () => ({ tags: { set } }), `Tagged ${Object.keys(set)[0]}`))
      root.querySelector(".tag-field")?.focus({ preventScroll: true });
  }

  function edit(index, takesFocus = true) {
    const item = root.querySelector(`[data-turn="${index}"]`), id = conv.id;
    if (!item || conv.superseded) return;
    const field = item.querySelector(".edit-text");
    if (field) {
      field.focus();
      return;
    }
    const done = () => {
      editing.delete(index);
      item.querySelector(".turn-edit").textContent = "Edit";
      focusTurn(index);
    };
    editing.add(index);
    editTurn(item, id, conv.turns[index].content, {
      takesFocus, done,
      save: async (content, before) => {
        editing.delete(index);
        try {
          await send(id, { turn: { index, content, before } });
        } catch (error) {
          editing.add(index);
          throw error;
        }
        notice(`Turn ${index + 1} is saved`);
        focusTurn(index);
      },
      reread: async () => (await get(address(id))).data.turns[index].content,
    });
  }

  // --- what is shown ---

  function focusTurn(index) {
    const item = root.querySelector(`[data-turn="${index}"]`);
    item?.focus({ preventScroll: true });
    item?.scrollIntoView({ block: "nearest" });
  }

  const turnOfFocus = () => Number(document.activeElement?.closest?.("[data-turn]")?.dataset.turn ?? -1);

  function tagChip([name, value]) {
    const text = value === null || value === true ? name : `${name} = ${value}`;
    const drop = () => change(conv.id, () => ({ tags: { remove: [name] } }), `${name} is taken off`);
    return h("li", { class: "tag" }, h("span", { dir: "auto" }, text),
      !conv.superseded && h("button", {
        type: "button", class: "quiet", "aria-label": `Remove tag ${name}`, onclick: drop,
      }, "×"));
  }

  function tags() {
    const field = h("input", { class: "tag-field", type: "text", maxlength: 200, placeholder: "Add a tag", size: 12,
      "aria-label": "Add a tag: name, or name=value", autocomplete: "off" });
    return h("div", { class: "tags" },
      h("ul", { "aria-label": "Tags" }, Object.entries(conv.tags).map(tagChip)),
      !conv.superseded && h("form", {
        onsubmit: (event) => { event.preventDefault(); tag(field.value); },
      }, field));
  }

  const provenance = () => facts([
    ["Topic", conv.topic && conv.persona && link({ topic: conv.topic }, conv.topic)],
    ["Emotion", conv.emotion && link({ emotion: conv.emotion }, conv.emotion)],
    ["Persona", conv.persona && link({ persona: conv.persona }, conv.persona)],
    ["Tier", conv.tier && link({ tier: conv.tier }, conv.tier.replace("_", " "))],
    ["Template", conv.template &&
      h("a", { href: `#/templates?id=${conv.templateId}` }, `${conv.template} v${conv.templateVersion}`)],
    ["Run", conv.run && h("a", { href: `#/runs/${conv.runId}` }, conv.run)],
    ["Item", conv.item && h("code", null, conv.part > 1 ? `${conv.item} part ${conv.part}` : conv.item)],
    ["Model", conv.model],
    ["Document", conv.documentId && [conv.documentId, conv.chunkId && ` · ${conv.chunkId}`]],
    ["Made", h("time", { datetime: conv.createdAt }, clock(conv.createdAt))],
    ["Reviewed", conv.reviewedAt && time(conv.reviewedAt)],
    ["Note", conv.reviewNote && h("span", { dir: "auto" }, short(conv.reviewNote))],
  ]);

  function parameters() {
    if (!conv.parameters || Object.keys(conv.parameters).length === 0) return null;
    return h("details", null, h("summary", null, "Parameters"),
      h("pre", { class: "scroll", tabindex: "0", dir: "auto" }, JSON.stringify(conv.parameters, null, 2)));
  }

  function reviewFields() {
    const name = h("input", { type: "text", maxlength: 200, autocomplete: "name", value: author() ?? "",
      onchange: () => localStorage.setItem(AUTHOR, name.value) });
    const advance = h("input", { type: "checkbox",
      onchange: () => localStorage.setItem(ADVANCE, advance.checked ? "yes" : "no") });
    advance.checked = localStorage.getItem(ADVANCE) === "yes";
    return h("div", { class: "review-fields" },
      h("label", null, "Note with the review",
        h("input", { class: "review-note", type: "text", maxlength: 1000, dir: "auto" })),
      h("label", null, "Your name, for the history", name),
      h("label", { class: "check" }, advance, "Go on to the next after a review"));
  }

  const button = (text, key, onclick, more) => h("button",
    { type: "button", onclick, "aria-keyshortcuts": key, ...more },
    text, " ", h("kbd", { "aria-hidden": "true" }, key));

  /** Where there is little room the word gives way to the sign. */
  const stepButton = (sign, word, key, by) => button(
    [h("span", { class: "step-sign", "aria-hidden": "true" }, sign), h("span", { class: "step-word" }, word)],
    key, () => events.step(by), { class: "quiet step", "aria-label": `${word} conversation` });

  const reviewBar = () => h("div", { class: "review-bar", role: "group", "aria-label": "Review" },
    button("Approve", "a", () => review("approved"),
      { class: "approve", "aria-pressed": String(conv.status === "approved") }),
    button("Reject", "r", () => review("rejected"),
      { class: "reject", "aria-pressed": String(conv.status === "rejected") }),
    button("Undo review", "u", undo, { class: "quiet", disabled: !isReviewed(conv.status) }),
    h("span", { class: "spring" }), stepButton("←", "Previous", "k", -1), stepButton("→", "Next", "j", 1));

  function render() {
    const edited = new Set(conv.edits.filter((one) => one.field === "turn").map((one) => one.turnIndex));
    const newest = conv.versions.find((one) => one.isCurrent);
    const hadFocus = root.contains(document.activeElement) ? document.activeElement : null;
    const focusClass = hadFocus?.className, note = root.querySelector(".review-note")?.value;
    replace(root,
      h("a", { class: "back", href: addressOf(events.filters()) }, "← All conversations"),
      h("header", { class: "reading-head" },
        h("h2", { tabindex: "-1", dir: "auto" }, nameOf(conv)),
        h("p", { class: "about", dir: "auto" }, aboutOf(conv)),
        h("div", { class: "reading-line" }, badge(conv.status), marks(conv), summary(conv)),
        conv.superseded && h("p", { class: "hint" }, "A newer version has taken the place of this one. ",
          newest && h("a", { href: addressOf(events.filters(), newest.id) }, "Open it"))),
      tags(),
      turnList(conv.turns, (turn, index) => [
        edited.has(index) && h("span", { class: "mark" }, "Edited"),
        !conv.superseded && h("button", {
          type: "button", class: "quiet turn-edit", "aria-label": `Edit turn ${index + 1}`, onclick: () => edit(index),
        }, hasDraft(conv.id, index) && !editing.has(index) ? "Go on editing" : "Edit"),
      ]),
      !conv.superseded && reviewBar(),
      !conv.superseded && reviewFields(),
      h("div", { class: "reading-foot" },
        conv.qualityBreakdown && h("section", null, h("h3", null, "Score"), scoreTable(conv)),
        h("section", null, h("h3", null, "Where it comes from"), provenance(), parameters()),
        historyOf(conv)));
    for (const index of [...editing]) edit(index, false);    // forms that were open are again, with what was typed
    if (note && !isReviewed(conv.status)) root.querySelector(".review-note").value = note;
    if (hadFocus && !root.contains(document.activeElement))    // where the keyboard was, it is again
      (focusClass && root.querySelector(`.${CSS.escape(focusClass.split(" ")[0])}`) || root.querySelector("h2"))
        ?.focus({ preventScroll: true });
  }

  /** Reads and shows the conversation of that id; the one before stays until then. */
  function show(id, { focus = false } = {}) {
    wanted = id;
    const own = loading = read(id, focus).finally(() => { if (loading === own) loading = null; });
    return own;
  }

  async function read(id, focus) {
    const own = ++asked;
    root.setAttribute("aria-busy", "true");
    try {
      const { data } = await get(address(id));
      if (own !== asked) return;
      const isOther = conv?.id !== data.id;
      conv = data;
      if (isOther) editing.clear();
      render();
      if (focus) root.querySelector("h2").focus({ preventScroll: true });
      if (isOther) {    // which of the two scrolls depends on the width
        root.scrollTop = 0;
        scrollTo({ top: 0 });
      }
    } catch (error) {
      if (own !== asked) return;
      conv = null;
      replace(root, h("a", { class: "back", href: addressOf(events.filters()) }, "← All conversations"),
        failure(error, () => show(id)));
    } finally {
      if (own === asked) root.removeAttribute("aria-busy");
    }
  }

  function showNothing(text) {
    asked++;
    conv = wanted = null;
    editing.clear();
    replace(root, text && h("p", { class: "empty" }, text));
  }

  return {
    root, undo, showNothing,
    id: () => wanted,
    approve: () => review("approved"),
    reject: () => review("rejected"),
    /** Edits the turn that has the focus, or the first. */
    async edit() {
      await settled();
      if (conv !== null) edit(Math.max(0, turnOfFocus()));
    },
    tag() { root.querySelector(".tag-field")?.focus(); },
    /** To the next turn (1) or the one before (-1). */
    turn(step) {
      if (conv === null) return;
      const at = turnOfFocus(), last = conv.turns.length - 1, first = step > 0 ? 0 : last;
      focusTurn(at < 0 ? first : Math.min(Math.max(at + step, 0), last));
    },
    show,
    close() { asked++; },
  };
}
