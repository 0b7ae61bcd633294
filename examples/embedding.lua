-- confab as a module of plain Lua: lua5.4 embedding.lua, with confab.so on the path (LUA_CPATH) and a key in the
-- environment. Without a key: run `confab mock` and set ANTHROPIC_BASE_URL to the address that it prints, and any key.
local confab = require "confab"

confab.setup { db = "embedding.db", limits = { max_requests = 1000 } }

local chat = confab.template {
  name = "chat", prompt = "Write a chat of {{turns}} turns about {{topic}}, as JSON with a list of turns.",
}

local run = confab.run {
  name = "embedded", template = chat, concurrency = 4,
  items = confab.sweep { topic = { "tea", "bread", "jam" }, turns = { 8 } },
}

local sum = 0
for conv in run:results() do sum = sum + conv.score end
print(("%d conversations, mean score %.1f, $%.4f"):format(run.account.accepted, sum / math.max(run.account.accepted, 1),
  run.account.spent))
