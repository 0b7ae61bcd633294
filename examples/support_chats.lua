-- Support chats over every persona, emotion and topic: a template, a sweep, a score, an export.
-- Try it without a key: confab run examples/support_chats.lua --simulate
-- Other people: confab run examples/support_chats.lua FILE.jsonl, each line of it {"id": "...", "facts": ["...", ...]}
local confab = require "confab"

-- The input files lie beside this script, wherever it is started from.
local here = arg[0]:match "^(.*/)" or ""

confab.setup { limits = { max_requests = 1000 } }

local support = confab.template {
  name = "support-chat",
  tier = "template",
  system = "You write realistic customer-support conversations as JSON.",
  prompt = [[
Write a chat of {{turns}} turns between a customer, who feels {{emotion}}, and a support agent, about {{topic}}.
This is known of the customer:
{{#persona.facts}}
- {{.}}
{{/persona.facts}}
The customer speaks first, the agent last. Answer with JSON only:
{"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]],
  columns = { persona = "{{persona.id}}" },
  max_tokens = 2048,
}

-- A persona is an id and what is known of it, whichever file it comes from.
local personas = arg[1] and confab.jsonl(arg[1]) or confab.csv(here .. "personas.csv"):map(function(row)
  return { id = row.name, facts = {
    ("%s is %s, %s in %s."):format(row.name, row.age, row.job, row.city), ("%s %s."):format(row.name, row.trait),
  } }
end)

local items = confab.sweep {
  persona = personas,
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
