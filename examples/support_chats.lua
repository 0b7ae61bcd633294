-- Support chats over every persona, emotion and topic: a template, a sweep, a score, an export.
-- Try it without a key: confab run examples/support_chats.lua --simulate
local confab = require "confab"

-- The input files lie beside this script, wherever it is started from.
local here = arg[0]:match "^(.*/)" or ""

confab.setup { limits = { max_requests = 1000 } }

local support = confab.template {
  name = "support-chat",
  tier = "template",
  system = "You write realistic customer-support conversations as JSON.",
  prompt = [[
Write a chat of {{turns}} turns between {{persona.name}} and a support agent, about {{topic}}.
{{persona.name}} is {{persona.age}}, works as {{persona.job}}, lives in {{persona.city}},
{{persona.trait}}, and feels {{emotion}}.
The customer speaks first, the agent last. Answer with JSON only:
{"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]],
  columns = { persona = "{{persona.name}}" },
  max_tokens = 2048,
}

local items = confab.sweep {
  persona = confab.csv(here .. "personas.csv"),
  emotion = { "calm", "worried", "angry" },
  topic   = confab.lines(here .. "topics.txt"),
  turns   = { 8, 12 },
}:where(function(p)
  return not (p.emotion == "angry" and p.topic == "saying thanks for good help")
end):sample(200, { seed = 7 })

local run = confab.run {
  name = "support-v1",
  items = items,
  template = support,
  score = confab.scoring.default + confab.rule {
    name = "asks something",
    points = 1,
    check = function(conv) return conv:text():find "?" and 1 or 0 end,
  },
}

print(run.summary)
run:export("support.jsonl", { format = "messages", where = { min_score = 6 } })
