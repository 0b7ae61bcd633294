// A turn under the hands of an editor: its text in a field, saved against what it read before. Whoever
// was faster is not overwritten: both texts are shown, and the editor decides.

import { prose } from "./chat.js";
import { h, replace } from "./dom.js";

const drafts = new Map();    // what was typed and not saved, by conversation and turn, wherever one went meanwhile

const keyOf = (id, index) => `${id}/${index}`;

/** Whether a turn has a text that was typed and not saved. */
export const hasDraft = (id, index) => drafts.has(keyOf(id, index));

/** Puts a form in the place of the text of a turn of conversation `id`. save(content, before): a promise of
 * the saving; reread(): of the content as it is now; done(): the form is gone, the turn is shown again. */
export function editTurn(item, id, content, { save, reread, done, takesFocus = true }) {
  const index = Number(item.dataset.turn), key = keyOf(id, index);
  const shown = item.querySelector(".prose");
  const problem = h("div", { class: "edit-problem", "aria-live": "polite" });
  const field = h("textarea", {
    class: "edit-text", dir: "auto", rows: 3, spellcheck: "true", "aria-label": `Text of turn ${index + 1}`,
    oninput: () => { drafts.set(key, field.value); },
    onkeydown: (event) => {
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
  });
  const saving = h("button", { type: "submit", class: "primary" }, "Save");
  const form = h("form", { class: "edit", onsubmit: (event) => { event.preventDefault(); send(); } },
    field, problem,
    h("div", { class: "edit-buttons" }, saving,
      h("button", { type: "button", onclick: close }, "Cancel"),
      h("span", { class: "quiet" }, h("kbd", null, "Ctrl"), " ", h("kbd", null, "Enter"), " saves, ",
        h("kbd", null, "Esc"), " cancels")));
  let before = content;

  function close() {
    drafts.delete(key);
    form.remove();
    shown.hidden = false;
    done();
  }

  async function send() {
    if (field.value === before) {
      close();
      return;
    }
    saving.disabled = true;
    replace(problem);
    try {
      const draft = field.value;
      drafts.delete(key);
      await save(draft, before);    // it shows the conversation anew
    } catch (error) {
      drafts.set(key, field.value);
      if (error.status === 409) await showBoth(error);
      else replace(problem, h("p", { class: "problem" }, error.details?.[0]?.reason ?? error.message));
    } finally {
      saving.disabled = false;
    }
  }

  async function showBoth(error) {
    const now = await reread().catch(() => null);
    if (now === null || now === before) {    // it is not about the text: an older version, say
      replace(problem, h("p", { class: "problem" }, error.message));
      return;
    }
    before = now;
    const theirs = () => { field.value = now; replace(problem); field.focus(); };
    replace(problem,
      h("p", { class: "problem" }, "Somebody else has changed this turn meanwhile. It reads now:"),
      h("blockquote", { class: "edit-theirs" }, prose(now)),
      h("p", null, "Yours stands above; saving again puts it in the place of theirs. ",
        h("button", { type: "button", class: "link", onclick: theirs }, "Take theirs")));
    problem.scrollIntoView({ block: "nearest" });
  }

  field.value = drafts.get(key) ?? content;
  shown.hidden = true;
  shown.after(form);
  field.style.setProperty("block-size", `${Math.min(field.scrollHeight + 4, innerHeight * 0.6)}px`);
  if (!takesFocus) return;
  field.focus({ preventScroll: true });
  field.setSelectionRange(field.value.length, field.value.length);
  item.scrollIntoView({ block: "nearest" });
}
