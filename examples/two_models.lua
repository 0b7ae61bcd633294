-- Two models talk: one plays a customer, the other the agent; each turn is asked for by itself.
-- Try it without a key: confab run examples/two_models.lua --simulate
-- Other people: confab run examples/two_models.lua FILE.jsonl, each line of it {"id": "...", "facts": ["...", ...]}
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local customer = confab.template {
  name = "customer",
  prompt = [[
You write to a shop's support about {{topic}}. This is known of you:
{{#persona.facts}}
- {{.}}
{{/persona.facts}}
Write one short message at a time, as this person would, and never as the helper. When your question is answered,
thank them and write [END].]],
}

local agent = "You are a support agent of a shop. You are kind and brief, ask for what you need, one thing at a " ..
  "time, and never promise what you cannot know."

-- A persona is an id and what is known of it, whichever file it comes from.
local personas = arg[1] and confab.jsonl(arg[1]) or confab.csv(here .. "personas.csv"):map(function(row)
  return { id = row.name, facts = {
    ("%s is %s, %s in %s."):format(row.name, row.age, row.job, row.city), ("%s %s."):format(row.name, row.trait),
  } }
end)

local items = confab.sweep {
  persona = personas,
  topic   = confab.lines(here .. "topics.txt"),
}:sample(12, { seed = 3 })

local run = confab.run {
  name = "two-models", items = items,
  step = function(item)
    return confab.dialogue {
      user = { template = customer, max_tokens = 300 },
      assistant = { system = agent, max_tokens = 500 },
      params = item, persona = item.persona.id, turns = 8, stop = "[END]",
    }
  end,
}
print(run.summary)
run:export "dialogues.jsonl"
