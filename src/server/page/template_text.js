// The text of a template with its tags marked: what is filled in, what opens and closes a block.

import { h } from "./dom.js";

const KINDS = { "#": "block", "^": "block", "/": "block", "<": "block", "$": "block", ">": "partial", "!": "comment", "=": "comment" };

/** Cuts a text into [text, kind]: kind null for plain text, "variable", "block", "partial", "comment". Set
 * delimiters are obeyed. What is no whole tag is plain text. */
export function parts(text) {
  const found = [];
  let open = "{{", close = "}}", at = 0;
  const plain = (end) => { if (end > at) found.push([text.slice(at, end), null]); };
  for (;;) {
    const start = text.indexOf(open, at);
    if (start < 0) break;
    const isTriple = open === "{{" && text[start + 2] === "{", sign = text[start + open.length];
    const ending = isTriple ? "}}}" : sign === "=" ? `=${close}` : close;
    const end = text.indexOf(ending, start + open.length + (sign === "=" ? 1 : 0));
    if (end < 0) break;
    plain(start);
    found.push([text.slice(start, end + ending.length), KINDS[sign] ?? "variable"]);
    if (sign === "=") [open, close] = text.slice(start + open.length + 1, end).trim().split(/\s+/);
    at = end + ending.length;
    if (!open || !close) break;
  }
  plain(text.length);
  return found;
}

/** The same as elements. */
export const templateText = (text) =>
  h("div", { class: "template-text", dir: "auto" },
    parts(text).map(([piece, kind]) => (kind === null ? piece : h("mark", { class: `tag-${kind}` }, piece))));
