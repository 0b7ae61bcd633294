// Which conversations are listed. The filters stand in the address, so that a link shows the same.

import { get } from "./api.js";
import { h, replace } from "./dom.js";

const NAMES = ["q", "status", "run", "templateId", "tier", "minScore", "maxScore", "persona", "tag"];
const HIDDEN = ["emotion", "topic"];    // in links of conversations; shown only when set
const TYPING_MS = 350;                  // a pause in typing after which it is searched

/** The filters of an address, for the API as well. */
export function filtersOf(query) {
  const filters = {};
  for (const name of [...NAMES, ...HIDDEN]) if (query.get(name)) filters[name] = query.get(name);
  return filters;
}

/** The address of these filters, with the conversation of that id open. */
export function addressOf(filters, id) {
  const query = new URLSearchParams(filters);
  if (id) query.set("id", id);
  return query.size > 0 ? `#/conversations?${query}` : "#/conversations";
}

const option = (value, text) => h("option", { value }, text);
const statuses = [
  ["", "Any"], ["generated,needs_revision", "Not reviewed"], ["generated", "Generated"],
  ["needs_revision", "Needs revision"], ["approved", "Approved"], ["rejected", "Rejected"],
];
const tiers = [["", "Any"], ["template", "Template"], ["scenario", "Scenario"], ["edge_case", "Edge case"]];
const select = (choices) => h("select", null, choices.map(([value, text]) => option(value, text)));
const points = () => h("input", { type: "number", min: 0, max: 10, step: "any", inputmode: "decimal" });

function labelled(text, field, name) {
  field.id = `filter-${name}`;
  field.name = name;
  return h("div", { class: `filter filter-${name}` }, h("label", { for: field.id }, text), field);
}

/** The value's option of a select, made if need be: a link may name what is not listed. */
function choose(field, value) {
  if (field.localName === "select" && ![...field.options].some((one) => one.value === value))
    field.append(option(value, value));
  field.value = value;
}

async function addRuns(field) {
  const { data } = await get("/api/runs", { limit: 200 });
  const chosen = field.value;
  const text = (run) => `${run.name}${run.generation > 1 ? ` (${run.generation})` : ""}`;
  const many = data.filter((run) => run.source !== "http" || run.summary.total > 1);
  replace(field, option("", "Any"), many.map((run) => option(run.id, text(run))));
  choose(field, chosen);
}

async function addTemplates(field) {
  const { data } = await get("/api/templates");
  const chosen = field.value;
  replace(field, option("", "Any"), data.map((one) => option(one.id, `${one.name} v${one.version}`)));
  choose(field, chosen);
}

/** The form. onChange(filters): they are others now. Returns {root, show(filters), focus(), suggest(personas)}. */
export function filterForm(onChange) {
  const suggestions = h("datalist", { id: "filter-personas" });
  const fields = {
    q: h("input", { type: "search", placeholder: "Text, persona, topic", autocomplete: "off" }),
    status: select(statuses), run: select([["", "Any"]]), templateId: select([["", "Any"]]), tier: select(tiers),
    minScore: points(), maxScore: points(),
    persona: h("input", { type: "text", list: suggestions.id, placeholder: "Any", autocomplete: "off" }),
    tag: h("input", { type: "text", placeholder: "Any", autocomplete: "off" }),
  };
  let hidden = {}, timer = 0, told = "";

  const read = () => {
    const filters = { ...hidden };
    for (const name of NAMES) if (fields[name].value.trim()) filters[name] = fields[name].value.trim();
    return filters;
  };
  const tell = () => {
    clearTimeout(timer);
    const isValid = [...form.elements].every((field) => !field.willValidate || field.checkValidity());
    const filters = read();
    if (!isValid || JSON.stringify(filters) === told) return;
    told = JSON.stringify(filters);
    onChange(filters);
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, TYPING_MS);
  };
  const reset = () => {
    hidden = {};
    for (const name of NAMES) fields[name].value = "";
    tell();
    fields.q.focus();
  };

  const more = h("button", {
    type: "button", class: "filters-toggle", "aria-expanded": "false", "aria-controls": "filters-more",
    onclick: () => more.setAttribute("aria-expanded", String(more.getAttribute("aria-expanded") !== "true")),
  }, "Filters");
  const clear = h("button", { type: "button", class: "quiet filters-clear", onclick: reset, hidden: true }, "Clear");
  const others = h("span", { class: "filters-hidden" });
  const form = h("form", {
    class: "filters", role: "search", "aria-label": "Filters",
    oninput: later, onchange: tell, onsubmit: (event) => { event.preventDefault(); tell(); },
  },
    labelled("Search", fields.q, "q"), more,
    h("div", { class: "filters-more", id: "filters-more" },
      labelled("Status", fields.status, "status"), labelled("Run", fields.run, "run"),
      labelled("Template", fields.templateId, "templateId"), labelled("Tier", fields.tier, "tier"),
      h("fieldset", { class: "filter-scores" }, h("legend", null, "Score"),
        labelled("from", fields.minScore, "minScore"), labelled("to", fields.maxScore, "maxScore")),
      labelled("Persona", fields.persona, "persona"), labelled("Tag", fields.tag, "tag"), suggestions,
      others, clear));

  addRuns(fields.run).catch(() => {});            // the list says what is wrong; a link's run works all the same
  addTemplates(fields.templateId).catch(() => {});

  return {
    root: form,
    show(filters) {
      hidden = {};
      for (const name of HIDDEN) if (filters[name]) hidden[name] = filters[name];
      for (const name of NAMES)
        if (document.activeElement !== fields[name]) choose(fields[name], filters[name] ?? "");
      told = JSON.stringify(read());
      const set = Object.keys(filters);
      clear.hidden = set.length === 0;
      const inside = set.filter((name) => name !== "q").length;
      more.textContent = inside > 0 ? `Filters (${inside})` : "Filters";
      replace(others, Object.entries(hidden).map(([name, value]) => `${name}: ${value}`).join(", "));
    },
    focus() { fields.q.focus(); fields.q.select(); },
    suggest(personas) { replace(suggestions, personas.slice(0, 200).map((persona) => option(persona, persona))); },
    close() { clearTimeout(timer); },
  };
}
