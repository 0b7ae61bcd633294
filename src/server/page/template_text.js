// The text of a template with its tags marked: what is filled in, what opens and closes a block.

import { common } from "./difference.js";
import { h } from "./dom.js";

const KINDS = {
  "#": "block", "^": "block", "/": "block", "<": "block", "$": "block", ">": "partial", "!": "comment", "=": "comment",
};

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

/** The same with plain text cut into words and spaces: what two texts are compared by. */
const words = (text) =>
  parts(text).flatMap(([piece, kind]) =>
    (kind === null ? piece.match(/\s+|\S+/g).map((word) => [word, null]) : [[piece, kind]]));

const element = ([piece, kind]) => (kind === null ? piece : h("mark", { class: `tag-${kind}` }, piece));

/** Pieces with those that are not common in elements of this tag, neighbours together. */
function marked(pieces, isCommon, tag) {
  const found = [];
  let run = null;
  pieces.forEach((piece, i) => {
    if (isCommon[i]) {
      run = null;
      found.push(element(piece));
      return;
    }
    if (run === null) found.push(run = h(tag));
    run.append(element(piece));
  });
  return found;
}

const box = (...children) => h("div", { class: "template-text", dir: "auto" }, children);

/** A template's text as an element. */
export const templateText = (text) => box(parts(text).map(element));

/** Two of them, with what the first alone has as <del>, the second alone as <ins>. */
export function templateTexts(before, after) {
  const a = words(before), b = words(after);
  const isCommon = common(a.map(([piece]) => piece), b.map(([piece]) => piece));
  if (isCommon === null) return [templateText(before), templateText(after)];
  return [box(marked(a, isCommon[0], "del")), box(marked(b, isCommon[1], "ins"))];
}
