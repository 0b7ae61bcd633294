// The request of the playground as a form: fields for what every request has and for what the template is
// filled in with; what is wrong with one is said at it.

import { h, replace } from "./dom.js";

const TIERS = [["template", "Template"], ["scenario", "Scenario"], ["edge_case", "Edge case"]];
const OWN = new Map([
  ["document_id", "documentId"], ["chunk_id", "chunkId"], ["documentId", "documentId"], ["chunkId", "chunkId"],
]);
const ASKED = new Set(["persona", "emotion", "topic", "tier"]);    // they have fields of their own

/** What is typed as a value: numbers, true, false, null, lists and objects as JSON has them; text else. */
export function valueOf(typed) {
  const text = typed.trim();
  if (/^(-?\d|true$|false$|null$|[[{])/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      return typed;    // "3 days", "[sic]"
    }
  }
  return typed;
}

/** Puts a value where a dotted name says: ("persona.name", "Ann") as {persona: {name: "Ann"}}. */
function put(object, name, value) {
  const path = name.split(".");
  for (const key of path.slice(0, -1)) {
    if (typeof object[key] !== "object" || object[key] === null) object[key] = {};
    object = object[key];
  }
  object[path.at(-1)] = value;
}

/** onInput(): something was typed; onSend(): it is to be sent. values: a Map of what was typed before, by
 * field; kept up to date. */
export function requestForm(values, { onInput, onSend }) {
  const fields = new Map();    // by the path that the server names them with
  const variables = h("fieldset", { class: "variables-fields" }), general = h("p", { class: "problem", role: "alert" });

  function labelled(path, text, field, note) {
    const id = `request-${path.replace(/[^\w-]/g, "-")}`;
    const problem = h("p", { class: "problem", id: `${id}-problem` });
    field.id = id;
    field.dataset.path = path;
    field.setAttribute("aria-describedby", problem.id);
    if (values.has(path)) field.value = values.get(path);
    field.addEventListener("input", () => {
      values.set(path, field.value);
      mark(path, "");
      onInput();
    });
    fields.set(path, { field, problem });
    return h("div", { class: "request-field" },
      h("label", { for: id }, text, note && h("small", null, ` ${note}`)), field, problem);
  }

  function mark(path, reason) {
    const { field, problem } = fields.get(path);
    problem.textContent = reason;
    if (reason) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  const line = (more) => h("input", { type: "text", autocomplete: "off", dir: "auto", ...more });
  const number = (more) => h("input", { type: "number", inputmode: "decimal", ...more });
  const tier = h("select", null, TIERS.map(([value, text]) => h("option", { value }, text)));
  const maxTokens = number({ min: 100, max: 8192, step: 1 });
  const root = h("form", {
    class: "request", novalidate: true, "aria-label": "Request",
    onsubmit: (event) => { event.preventDefault(); onSend(); },
    onkeydown: (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      onSend();
    },
  },
    labelled("persona", "Persona", line({ placeholder: "a nurse" })),
    labelled("emotion", "Emotion", line({ placeholder: "worried" })),
    labelled("topic", "Topic", line({ placeholder: "refunds" })), labelled("tier", "Tier", tier), variables,
    labelled("temperature", "Temperature",
      number({ min: 0, max: 1, step: 0.1, placeholder: "the model's own" }), "0 to 1"),
    labelled("maxTokens", "Max tokens", maxTokens), general);
  let names = [], templateId = null;

  function read() {
    const body = { templateId, parameters: {} };
    for (const [path, { field }] of fields) {
      const typed = field.value;
      if (typed.trim() === "") continue;
      if (path === "temperature" || path === "maxTokens") body[path] = Number(typed);
      else if (!path.startsWith("parameters.")) body[path] = typed;
      else if (OWN.has(path.slice(11))) body[OWN.get(path.slice(11))] = typed;
      else put(body.parameters, path.slice(11), valueOf(typed));
    }
    return body;
  }

  /** The field that a problem is about, by its path or a name that its reason quotes. */
  function fieldOf({ path, reason }) {
    if (fields.has(path)) return path;
    for (const [name, own] of OWN) if (own === path && fields.has(`parameters.${name}`)) return `parameters.${name}`;
    if (!path.startsWith("parameters")) return null;
    const named = names.filter((name) => reason.includes(`"${name}"`) || reason.includes(`{{${name}}}`));
    return named.length > 0 ? `parameters.${named[0]}` : null;
  }

  return {
    root, read,
    /** Fields for this template; what was typed stays. */
    useTemplate(template) {
      for (const path of [...fields.keys()]) if (path.startsWith("parameters.")) fields.delete(path);
      templateId = template.id;
      names = (template.variables ?? []).filter((name) => !ASKED.has(name) && name !== ".");
      replace(variables, names.length > 0 && [h("legend", null, "Variables of the template"),
        names.map((name) => labelled(`parameters.${name}`, h("code", null, name),
          h("textarea", { rows: 1, dir: "auto", spellcheck: "false" }))),
        h("p", { class: "quiet hint" }, "Text, a number, true or false, or JSON.")]);
      variables.hidden = names.length === 0;
      maxTokens.placeholder = template.maxTokens ?? "";
      if (!values.has("tier") && TIERS.some(([value]) => value === template.tier)) tier.value = template.tier;
      this.clear();
    },
    /** Names of the fields that every request needs and that are empty. */
    missing: () => ["persona", "emotion", "topic"].filter((path) => fields.get(path).field.value.trim() === ""),
    clear() {
      for (const path of fields.keys()) mark(path, "");
      general.textContent = "";
    },
    /** Says each problem at its field and puts the focus on the first; the rest, and what an error says that
     * has no details, stands below. */
    explain(error) {
      this.clear();
      const others = [], marked = [];
      for (const problem of error.details) {
        const path = fieldOf(problem);
        if (path === null) others.push(`${problem.path} ${problem.reason}`.trim());
        else mark(path, problem.reason), marked.push(fields.get(path).field);
      }
      general.textContent = error.details.length > 0 ? others.join("; ") : error.message;
      const first = [...fields.values()].map(({ field }) => field).find((field) => marked.includes(field));
      first?.focus();
    },
  };
}
