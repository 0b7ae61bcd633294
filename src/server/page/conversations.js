// Conversations: found by filters, read as chats, reviewed one by one or many at once.

import { bulkBar } from "./bulk.js";
import { addressOf, filterForm, filtersOf } from "./conversation_filters.js";
import { conversationList } from "./conversation_list.js";
import { h, notice } from "./dom.js";
import { bind } from "./keys.js";
import { reviewPane } from "./review.js";
import { loadStyles } from "./styles.js";

export const title = "Conversations";

/** place.query: the filters, and the id of the conversation that is open. */
export async function show(root, place) {
  let filters = filtersOf(place.query), id = place.query.get("id");

  const form = filterForm((wanted) => location.replace(addressOf(wanted, id)));
  const list = conversationList({ select: () => bulk.show(), suggest: (personas) => form.suggest(personas) });
  const pane = reviewPane({ change: (conv) => list.update(conv), next: () => step(1), step, filters: () => filters });
  const bulk = bulkBar(list, { filters: () => filters, change: changeMany });
  const panes = h("div", { class: "panes" }, list.root, pane.root);
  list.root.append(bulk.root);
  root.append(h("h1", { tabindex: "-1" }, title), form.root, panes);

  function changeMany(ids, body) {
    list.apply(ids, body);
    if (ids.includes(id)) pane.show(id);
  }

  /** Opens the one behind (1) or before (-1) at once, so that the next key is about it already. */
  async function step(by) {
    const next = await list.neighbour(by);
    if (next === null) {
      notice(by > 0 ? "That was the last one" : "That was the first one");
      return;
    }
    id = next;
    showPlace({ reload: false, focus: true });
    location.replace(addressOf(filters, id));
  }

  async function showPlace({ reload, focus }) {
    root.classList.toggle("has-open", id !== null);
    form.show(filters);
    if (id === null) pane.showNothing("Choose a conversation, or press j.");
    if (id !== null && !reload) list.mark(id);
    await Promise.all([reload && list.load(filters), id !== null && id !== pane.id() && pane.show(id, { focus })]);
    if (id === null) list.leave();
    else await list.reveal(id);
    bulk.show();
  }

  const unbind = bind({
    j: ["Next conversation", () => step(1)],
    k: ["Previous conversation", () => step(-1)],
    a: ["Approve", () => pane.approve()],
    r: ["Reject", () => pane.reject()],
    u: ["Undo the review", () => pane.undo()],
    e: ["Edit the turn (the first, or that of n and p)", () => pane.edit()],
    t: ["Add a tag", () => pane.tag()],
    n: ["Next turn", () => pane.turn(1)],
    p: ["Previous turn", () => pane.turn(-1)],
    x: ["Select the conversation, or not", () => id !== null && list.toggle(id)],
    A: ["Approve the selected", () => bulk.start("approve")],
    R: ["Reject the selected", () => bulk.start("reject")],
    "/": ["Search", () => form.focus()],
  });

  await loadStyles("conversations.css");
  await showPlace({ reload: true, focus: false });

  return {
    async update(to) {
      const wanted = filtersOf(to.query), opened = to.query.get("id");
      const reload = JSON.stringify(wanted) !== JSON.stringify(filters), focus = opened !== id;
      filters = wanted;
      id = opened;
      await showPlace({ reload, focus });
    },
    close() {
      unbind();
      form.close();
      list.close();
      pane.close();
    },
  };
}
