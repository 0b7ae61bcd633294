// Many conversations reviewed or tagged at once: those that are selected, or all that fit the filters. In
// batches, each all or nothing; what has been done before a failure or a stop stays done, and is told.

import { get, patch } from "./api.js";
import { h, notice, replace } from "./dom.js";
import { count } from "./format.js";
import { author, parseTag, unreviewed } from "./review.js";

const BATCH = 1000, PAGE = 500;

const plural = (n) => `${count(n)} ${n === 1 ? "conversation" : "conversations"}`;

/** Sends one batch. What has meanwhile been taken by a newer version or is gone is left out. */
async function send(ids, body) {
  try {
    return (await patch("/api/conversations", { ...body, ids, author: author() })).data.updated;
  } catch (error) {
    const gone = new Set(error.details?.map((one) => Number(/^ids\[(\d+)\]$/.exec(one.path)?.[1])));
    if (![404, 409].includes(error.status) || gone.size === 0 || gone.has(NaN)) throw error;
    const left = ids.filter((_, index) => !gone.has(index));
    return left.length > 0 ? send(left, body) : 0;
  }
}

/** All that fit the filters, in batches, as they are read. */
async function* matching(filters) {
  let cursor = null, batch = [];
  do {
    const page = await get("/api/conversations", { ...filters, limit: PAGE, cursor, turns: false, total: false });
    batch.push(...page.data);
    cursor = page.nextCursor;
    if (batch.length >= BATCH || (cursor === null && batch.length > 0)) {
      yield batch;
      batch = [];
    }
  } while (cursor !== null);
}

async function* inBatches(convs) {
  for (let at = 0; at < convs.length; at += BATCH) yield convs.slice(at, at + BATCH);
}

/** What is done to a batch: [[ids, body], …]. A review that is taken back depends on the conversation. */
const actions = {
  approve: (convs) => [[convs.map((conv) => conv.id), { status: "approved" }]],
  reject: (convs) => [[convs.map((conv) => conv.id), { status: "rejected" }]],
  undo: (convs) => ["generated", "needs_revision"].map((status) => [convs.filter((conv) =>
    ["approved", "rejected"].includes(conv.status) && unreviewed(conv) === status).map((conv) => conv.id), { status }]),
  tag: (convs, set) => [[convs.map((conv) => conv.id), { tags: { set } }]],
};

const WORDS = {
  approve: ["Approve", "approved"], reject: ["Reject", "rejected"], tag: ["Tag", "tagged"],
  undo: ["Take back the reviews of", "set back"],
};

/** list: see conversation_list.js; events: filters(), change(ids, body): that was done to these. */
export function bulkBar(list, events) {
  const heading = h("p", { class: "bulk-count" });
  const everything = h("button", { type: "button", class: "link", onclick: () => { isAll = !isAll; show(); } });
  const field = h("input", {
    type: "text", size: 10, placeholder: "Tag", "aria-label": "Tag: name, or name=value", autocomplete: "off",
  });
  const progress = h("p", { class: "bulk-progress", role: "status", hidden: true });
  const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title" });
  const button = (text, name, key) => h("button", {
    type: "button", onclick: () => start(name), "aria-keyshortcuts": key && `Shift+${key}`, class: name,
  }, text, key && [" ", h("kbd", { "aria-hidden": "true" }, key)]);
  const buttons = h("div", { class: "bulk-buttons" },
    button("Approve", "approve", "A"), button("Reject", "reject", "R"), button("Undo review", "undo"),
    h("form", { class: "bulk-tag", onsubmit: (event) => { event.preventDefault(); start("tag"); } },
      field, h("button", null, "Tag")),
    h("button", { type: "button", class: "quiet", onclick: () => list.clearSelection() }, "Clear"));
  const root = h("div", { class: "bulk", role: "group", "aria-label": "Selected conversations", hidden: true },
    heading, buttons, progress, dialog);
  let isAll = false, isWorking = false;

  function show() {
    const size = list.selected().length;
    if (size === 0) isAll = false;
    root.hidden = size === 0 && !isWorking;
    everything.textContent = isAll ? `only the ${count(size)} selected` : `all ${count(list.total())} that match`;
    replace(heading, isAll ? `All ${plural(list.total())} that match` : `${count(size)} selected`,
      list.total() > size ? [" · ", everything] : null);
  }

  /** How many fit the filters now: those that were changed may have ceased to. */
  const countMatching = async () =>
    (await get("/api/conversations", { ...events.filters(), limit: 1, turns: false })).total;

  /** Resolves to whether the dialog was agreed to. */
  function confirm(name, total) {
    const agree = h("button", { type: "button", class: "primary" }, `${WORDS[name][0]} ${count(total)}`);
    const cancel = h("button", { type: "button", autofocus: true }, "Cancel");
    replace(dialog, h("h2", { id: "confirm-title" }, `${WORDS[name][0]} all ${plural(total)} that match?`),
      h("p", null, "The filters decide which, those that are not listed yet included. ",
        "The history of each keeps what was before."),
      h("div", { class: "dialog-buttons" }, agree, cancel));
    agree.onclick = () => dialog.close("yes");
    cancel.onclick = () => dialog.close("");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  async function work(name, set, total) {
    const batches = isAll ? matching(events.filters()) : inBatches(list.selected());
    let done = 0, isStopped = false;
    const stop = h("button", { type: "button", onclick: () => { isStopped = true; } }, "Stop");
    const said = h("span", null, "Working…");
    replace(progress, said, " ", total > BATCH && stop);
    progress.hidden = false;
    try {
      for await (const convs of batches) {
        if (isStopped) break;
        for (const [ids, body] of actions[name](convs, set)) {
          if (ids.length === 0) continue;
          done += await send(ids, body);
          events.change(ids, body);
        }
        said.textContent = `${count(done)} of ${count(total)} ${WORDS[name][1]}`;
      }
      notice(`${plural(done)} ${WORDS[name][1]}${isStopped ? "; stopped there" : ""}`);
    } catch (error) {
      notice(`${error.message}${done > 0 ? `; ${plural(done)} had been ${WORDS[name][1]} before` : ""}`);
    } finally {
      progress.hidden = true;
    }
  }

  async function start(name) {
    if (isWorking || list.selected().length === 0) return;
    const set = name === "tag" ? parseTag(field.value) : null;
    if (name === "tag" && set === null) {
      field.focus();
      return;
    }
    isWorking = true;
    for (const one of buttons.querySelectorAll("button")) one.disabled = true;
    try {
      const total = isAll ? await countMatching() : list.selected().length;
      if (!isAll || await confirm(name, total)) {
        await work(name, set, total);
        if (name === "tag") field.value = "";
        list.clearSelection();
      }
    } catch (error) {
      notice(error.message);
    }
    for (const one of buttons.querySelectorAll("button")) one.disabled = false;
    isWorking = false;
    show();
  }

  return { root, show, start };
}
