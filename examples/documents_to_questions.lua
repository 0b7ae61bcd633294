-- Documents to question-and-answer: from each chunk first the facts, then a chat that rests on them.
-- Try it without a key: confab run examples/documents_to_questions.lua --simulate
-- Other documents: confab run examples/documents_to_questions.lua 'docs/*.md'
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local chat = confab.template {
  name = "document-chat", tier = "scenario",
  system = "You write chats in which a helper answers a customer from a handbook, as JSON.",
  prompt = [[
Write a chat of {{turns}} turns. The customer asks about "{{title}}" in everyday words; the helper answers from
these facts alone, and says so where they do not tell:
{{#facts}}
- {{.}}
{{/facts}}
Answer with JSON only: {"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]],
  max_tokens = 2048,
}

local run = confab.run {
  name = "questions",
  items = confab.chunks(arg[1] or here .. "handbook/*.md", { size = 120, overlap = 20, encoding = arg[2] }):take(20),
  step = function(chunk)
    local facts = confab.ask {
      prompt = "List the facts of this text that a customer may ask about, each as one sentence:\n\n" .. chunk.text,
      schema = {
        type = "object", required = { "facts" }, additionalProperties = false,
        properties = {
          facts = { type = "array", minItems = 1, maxItems = 8, items = { type = "string", minLength = 1 } },
        },
      },
      tries = 3, max_tokens = 1000,
    }.json.facts
    local conv = confab.generate {
      template = chat, params = { title = chunk.title or chunk.document_id, facts = facts, turns = 6 },
    }
    return conv:tag("facts", #facts)
  end,
}
print(run.summary)
run:export "questions.jsonl"
