-- Judge and revise: a draft is judged by a rubric; one that falls short is written anew with the reasons at hand.
-- Try it without a key: confab run examples/judge_and_revise.lua --simulate
-- Over tasks: confab run examples/judge_and_revise.lua FILE.jsonl, of {"instruction": "..."} or {"turns": ["...", ...]}
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local ASKED_FOR = [[
Answer with JSON only: {"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]]

local draft = confab.template {
  name = "draft",
  prompt = "Write a chat of 8 turns between a customer and a support agent, about {{topic}}.\n" .. ASKED_FOR,
}

local revision = confab.template {
  name = "revision",
  prompt = [[
Here is a chat of a customer and a support agent, about {{topic}}:

{{draft}}

A reader says of it: {{reasons}}
Write it anew so that the reader is content. ]] .. ASKED_FOR,
}

local topics = arg[1] and confab.jsonl(arg[1]):map(function(task) return task.instruction or task.turns[1] end)
  or confab.lines(here .. "topics.txt")

local RUBRIC = "Is the agent's advice correct, kind, and such that the customer knows what to do next?"
local GOOD = 7

local run = confab.run {
  name = "judged", items = topics:map(function(topic) return { topic = topic } end),
  step = function(item)
    local conv = confab.generate { template = draft, params = item }
    local verdict = confab.judge(conv, RUBRIC)
    if verdict.score < GOOD then
      conv = confab.generate {
        template = revision, params = { topic = item.topic, draft = conv:text(), reasons = verdict.reasons[1] },
      }
      verdict = confab.judge(conv, RUBRIC)
      conv:tag "revised"
    end
    conv:tag("judge", verdict.score)
    return conv
  end,
}
print(run.summary)
run:export("judged.jsonl", { where = { min_score = 6 } })
