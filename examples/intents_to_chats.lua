-- Intents to support chats: each line of a labelled file becomes the customer's first words.
-- Try it without a key: confab run examples/intents_to_chats.lua --simulate
-- Another file: confab run examples/intents_to_chats.lua FILE.csv, with the columns text and category, or the two named
-- behind it: confab run examples/intents_to_chats.lua FILE.csv question intent
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local file, text, category = arg[1] or here .. "intents.csv", arg[2] or "text", arg[3] or "category"

local chat = confab.template {
  name = "intent-chat", tier = "template",
  system = "You write realistic chats between a bank's customer and a support agent, as JSON.",
  prompt = [[
Write a chat of {{turns}} turns about {{category}}. The customer speaks first, with these words: "{{text}}"
The agent asks what is missing, solves it, and has the last word. Answer with JSON only:
{"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]],
  columns = { topic = "{{category}}" },
  max_tokens = 2048,
}

local intents = confab.csv(file):sample(200, { seed = 1, by = category })

local run = confab.run {
  name = "intents", template = chat,
  items = intents:map(function(row)
    return { text = row[text], category = row[category]:gsub("_", " "), turns = 8 }
  end),
}
print(run.summary)
run:export("intents-{split}.jsonl", { split = { train = 0.8, val = 0.2 }, where = { min_score = 6 } })
