// The playground: one conversation from a template, its cost told before, its text seen while it comes.

import { get, post } from "./api.js";
import { marks, prose, scoreTable, summary, turnList } from "./chat.js";
import { h, replace } from "./dom.js";
import { draftTurns } from "./draft.js";
import { count, dollars, duration, score } from "./format.js";
import { bind } from "./keys.js";
import { watch } from "./live.js";
import { badge, batched, empty, failure, scrolling, table } from "./parts.js";
import { requestForm } from "./playground_form.js";
import { loadStyles } from "./styles.js";
import { templateText } from "./template_text.js";

export const title = "Playground";

const ESTIMATE_MS = 400;    // a pause in typing after which the cost is asked for
const DRAW_MS = 80;         // between two drawings of a text that comes

// What outlives a visit to another view.
const kept = { templateId: null, values: new Map(), made: [] };

function randomKey() {
  const bytes = [...crypto.getRandomValues(new Uint8Array(12))];
  return `playground-${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Templates in a select: the newest versions first, older ones in a group of their own. */
function templateSelect(rows, onchange) {
  const option = (row) => h("option", { value: row.id }, `${row.name} v${row.version}`);
  const newest = rows.filter((row) => row.isNewest), older = rows.filter((row) => !row.isNewest);
  return h("select", { id: "playground-template", onchange }, newest.map(option),
    older.length > 0 && h("optgroup", { label: "Older versions" }, older.map(option)));
}

const mostUsed = (rows) =>
  rows.filter((row) => row.isNewest).reduce((most, row) => (row.usageCount > most.usageCount ? row : most));

// --- before: what it will cost ---

function promptOf(data) {
  const plain = (content) =>
    (typeof content === "string" ? content : content.map((block) => block.text ?? "").join("\n"));
  const part = (name, content) =>
    [h("h3", null, name), h("div", { class: "template-text", dir: "auto" }, plain(content))];
  return [
    data.system && part("System", data.system),
    data.messages.map((message) => part(message.role === "user" ? "Prompt" : message.role, message.content)),
  ];
}

function estimateOf(data) {
  return [
    h("p", { class: "estimate-cost" }, "About ", h("strong", null, dollars(data.cost.expected)), ", at most ",
      h("strong", null, dollars(data.cost.highest))),
    h("p", { class: "quiet" },
      `${data.model} · ${count(data.inputTokens)} tokens in, about ${count(data.outputTokens)} out`),
  ];
}

// --- after ---

function resultOf(conv, metadata, estimate) {
  return [
    h("div", { class: "reading-line" }, badge(conv.status), marks(conv), summary(conv),
      estimate && h("span", { class: "quiet" }, `about ${dollars(estimate.cost.expected)} was expected`),
      h("a", { class: "button", href: `#/conversations?id=${conv.id}` }, "Review it")),
    turnList(conv.turns),
    scoreTable(conv),
  ];
}

const MADE_HEADS = [["Conversation"], ["Template", "wide"], ["Score", "number"], ["Turns", "number wide"],
  ["Cost", "number"], ["Time", "number wide"]];

const madeRow = ({ conv, metadata, name }) => h("tr", null,
  h("th", { scope: "row" }, h("a", { href: `#/conversations?id=${conv.id}`, dir: "auto", class: "made-name" },
    [conv.persona, conv.emotion, conv.topic].join(" · "))),
  h("td", { class: "wide" }, name),
  h("td", { class: "number" }, score(conv.qualityScore)), h("td", { class: "number wide" }, count(conv.turnCount)),
  h("td", { class: "number" }, dollars(metadata.cost)), h("td", { class: "number wide" }, duration(metadata.duration)));

const madeTable = (made) => [h("h2", null, "Made here"),
  scrolling("Made here", table(null, MADE_HEADS, h("tbody", null, made.map(madeRow))))];

/** Calls onText(text) with the text of one request as it comes, at most every DRAW_MS, until the function
 * that it returns is called. */
function follow(key, onText) {
  const state = { text: "", call: null };
  const draw = batched(() => onText(state.text), DRAW_MS);
  const stop = watch(({ type, data }) => {
    if (type !== "text" || data.item !== key) return;
    const call = `${data.call}/${data.attempt}`;
    state.text = state.call === call ? state.text + data.text : data.text;    // another attempt begins anew
    state.call = call;
    draw();
  });
  return () => {
    stop();
    draw.stop();
  };
}

export async function show(root, place) {
  const { data: rows } = await get("/api/templates");
  await Promise.all([loadStyles("conversations.css"), loadStyles("templates.css"), loadStyles("playground.css")]);
  if (rows.length === 0) {
    root.append(h("h1", { tabindex: "-1" }, title), empty("No templates yet. Serve a script that makes some: ",
      h("code", null, "confab serve script.lua"), "."));
    return { close() {} };
  }
  const select = templateSelect(rows, () => { location.replace(`#/playground?template=${select.value}`); });
  const form = requestForm(kept.values, { onInput: estimateSoon, onSend: generate });
  const prompt = h("div", { class: "prompt-shown" }), cost = h("div", { class: "estimate", "aria-live": "polite" });
  const send = h("button", { class: "primary", type: "submit" },
    "Generate ", h("kbd", { "aria-hidden": "true" }, "Ctrl Enter"));
  const status = h("p", { class: "status", role: "status" });
  const result = h("div", { class: "result" }), made = h("div", { class: "made" });
  let template = null, timer = 0, asked = 0, estimate = null, isBusy = false, isClosed = false;
  let unanswered = null;    // the key of a request that may have been made: sent again, it is not paid twice

  // --- the template ---

  async function useTemplate(id) {
    const row = rows.find((one) => one.id === id || one.name === id)
      ?? rows.find((one) => one.id === kept.templateId) ?? mostUsed(rows);
    select.value = row.id;
    template = (await get(`/api/templates/${encodeURIComponent(row.id)}`)).data;
    kept.templateId = template.id;
    unanswered = null;
    form.useTemplate(template);
    send.disabled = template.isOffered === false;
    replace(prompt, template.system && [h("h3", null, "System"), templateText(template.system)],
      h("h3", null, "Prompt"), templateText(template.prompt ?? ""));
    if (send.disabled) {
      replace(cost, h("p", { class: "problem" },
        "This version has functions that only its script knows. Serve that script to use it."));
      return;
    }
    await estimateNow();
  }

  // --- the estimate ---

  function estimateSoon() {
    unanswered = null;
    clearTimeout(timer);
    timer = setTimeout(estimateNow, ESTIMATE_MS);
  }

  async function estimateNow() {
    const own = ++asked, missing = form.missing();
    estimate = null;
    if (missing.length > 0) {
      const names = missing.join(", ").replace(/, ([^,]*)$/, " and $1");
      replace(cost, h("p", { class: "quiet" }, `Fill in ${names} to see what it will cost.`));
      return;
    }
    try {
      const { data } = await post("/api/estimate", form.read());
      if (own !== asked) return;
      estimate = data;
      replace(cost, estimateOf(data));
      replace(prompt, promptOf(data));
    } catch (error) {
      if (own !== asked) return;
      const reasons = error.details?.map((one) =>
        `${one.path} ${one.reason}`.replace(/^parameters(?= )/, "variables:"));
      replace(cost, h("p", { class: "quiet" }, reasons?.length > 0 ? reasons.join("; ") : error.message));
    }
  }

  // --- generating ---

  function showDraft(text) {
    const turns = draftTurns(text);
    status.textContent = "The reply comes…";
    const words = turns.length > 0 ? `turn ${turns.length}, ` : "";
    replace(result,
      h("div", { class: "reading-line" },
        h("span", { class: "quiet" }, `${words}${count(text.length)} characters so far`)),
      h("div", { class: "draft", "aria-busy": "true" }, turns.length > 0 ? turnList(turns) : prose(text)));
  }

  async function generate() {
    if (isBusy || send.disabled) return;
    const body = form.read(), key = unanswered ?? randomKey(), before = estimate;
    const name = `${template.name} v${template.version}`;
    isBusy = true;
    send.setAttribute("aria-disabled", "true");
    form.clear();
    status.textContent = "Waiting for the reply…";
    status.scrollIntoView({ block: "nearest" });
    result.setAttribute("aria-busy", "true");
    const stop = follow(key, showDraft);
    try {
      const { data, metadata } = await post("/api/conversations/generate", { ...body, stream: true },
        { "Idempotency-Key": key });
      unanswered = null;
      kept.made.unshift({ conv: data, metadata, name });
      stop();
      if (isClosed) return;
      status.textContent = `Done in ${duration(metadata.duration)} by ${data.model}`;
      replace(result, resultOf(data, metadata, before));
      replace(made, madeTable(kept.made));
    } catch (error) {
      stop();
      unanswered = error.status === 0 ? key : null;
      if (isClosed) return;
      status.textContent = "";
      if (error.status === 400) {
        form.explain(error);
        replace(result, empty("Something is wrong with the request; each field says what."));
      } else {
        const wait = error.retryAfter ? ` It may be tried again in ${error.retryAfter} s.` : "";
        replace(result, failure({ message: `${error.message}${wait}` }, generate));
      }
    } finally {
      isBusy = false;
      send.removeAttribute("aria-disabled");
      result.removeAttribute("aria-busy");
    }
  }

  root.append(
    h("h1", { tabindex: "-1" }, title),
    h("div", { class: "playground" },
      h("div", { class: "playground-request" },
        h("div", { class: "request-field" }, h("label", { for: select.id }, "Template"), select), form.root),
      h("div", { class: "playground-result", role: "region", "aria-label": "Result" }, status, result, made)));
  form.root.append(cost, h("div", { class: "send" }, send),
    h("details", { class: "prompt" }, h("summary", null, "The prompt as it is sent"), prompt));
  replace(result, empty("What the template makes of your input appears here, word by word."));
  if (kept.made.length > 0) replace(made, madeTable(kept.made));
  const unwatch = watch(() => {});    // the connection is there before the first text
  const unbind = bind({ "Ctrl Enter": ["Generate", generate] });
  await useTemplate(place.query.get("template"));

  return {
    update: (to) => useTemplate(to.query.get("template"))
      .catch((error) => replace(cost, h("p", { class: "problem" }, error.message))),
    close() {
      isClosed = true;
      asked++;
      clearTimeout(timer);
      unwatch();
      unbind();
    },
  };
}
