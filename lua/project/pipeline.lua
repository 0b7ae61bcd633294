-- Support chats: every persona of personas.csv with every topic and feeling.
-- Try it without a key: confab run pipeline.lua --simulate
local confab = require "confab"

local chat = confab.template_file("prompts/support_chat.mustache", {
  columns = { persona = "{{persona.name}}" },
})

local items = confab.sweep {
  persona = confab.csv "personas.csv",
  topic   = { "a late parcel", "a refund that has not arrived", "a change of the address" },
  emotion = { "calm", "worried", "angry" },
  turns   = { 8 },
}

local asks_something = confab.rule {
  name = "asks something", points = 1,
  check = function(conv) return conv:text():find "?" ~= nil end,
}

local run = confab.run {
  name = "support-chats",
  items = items:sample(24, { seed = 1 }),
  template = chat,
  score = confab.scoring.default + asks_something,
  tries = 2,
}

print(run.summary)
run:export("support-chats.jsonl", { format = "messages", where = { min_score = 6 } })
