// Turns of a reply that is still being written: read out of its JSON as far as it goes. Only for showing;
// what counts is what the server makes of the whole.

const ROLE = new Set(["role", "speaker", "from", "sender"]);
const CONTENT = new Set(["content", "text", "value", "message"]);
const USER = /^(user|human|customer|client|person)$/i, ASSISTANT = /^(assistant|ai|bot|agent|gpt|model)$/i;
const ESCAPES = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

/** The JSON string that begins at `at`, behind its quote: [value, where it ends]. It may be cut off. */
function readString(text, at) {
  let value = "";
  while (at < text.length && text[at] !== '"') {
    if (text[at] !== "\\") {
      value += text[at++];
    } else if (text[at + 1] === "u") {
      const code = text.slice(at + 2, at + 6);
      if (/^[0-9a-f]{4}$/i.test(code)) value += String.fromCharCode(parseInt(code, 16));
      at += 6;
    } else {
      value += ESCAPES[text[at + 1]] ?? text[at + 1] ?? "";
      at += 2;
    }
  }
  return [value, at + 1];
}

function roleOf(said, turns) {
  if (said !== null && USER.test(said)) return "user";
  if (said !== null && ASSISTANT.test(said)) return "assistant";
  return said ?? (turns.at(-1)?.role === "user" ? "assistant" : "user");
}

/** The turns so far, [{role, content}], the last one perhaps cut off; none if this is no such JSON. */
export function draftTurns(text) {
  const turns = [], colon = /\s*:/y;
  let key = null, role = null, at = 0;
  while ((at = text.indexOf('"', at)) >= 0) {
    const [value, end] = readString(text, at + 1);
    colon.lastIndex = at = end;
    if (colon.test(text)) {
      key = value;
      continue;
    }
    if (ROLE.has(key)) {
      role = value;
    } else if (CONTENT.has(key)) {
      turns.push({ role: roleOf(role, turns), content: value });
      role = null;
    }
    key = null;
  }
  return turns;
}
