-- Two models talk: one plays a customer, the other the agent; each turn is asked for by itself.
-- Try it without a key: confab run examples/two_models.lua --simulate
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local customer = confab.template {
  name = "customer",
  prompt = [[
You are {{name}}, {{age}}, {{job}} in {{city}}. You {{trait}}. You write to a shop's support about {{topic}}.
Write one short message at a time, as {{name}} would, and never as the helper. When your question is answered, thank them and
write [END].]],
}

local agent = "You are a support agent of a shop. You are kind and brief, ask for what you need, one thing at a time, and " ..
  "never promise what you cannot know."

local items = confab.sweep {
  persona = confab.csv(here .. "personas.csv"),
  topic   = confab.lines(here .. "topics.txt"),
}:sample(12, { seed = 3 })

local run = confab.run {
  name = "two-models", items = items,
  step = function(item)
    local params = { topic = item.topic }
    for name, value in pairs(item.persona) do params[name] = value end
    return confab.dialogue {
      user = { template = customer, max_tokens = 300 },
      assistant = { system = agent, max_tokens = 500 },
      params = params, persona = item.persona.name, turns = 8, stop = "[END]",
    }
  end,
}
print(run.summary)
run:export "dialogues.jsonl"
