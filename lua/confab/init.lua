--- confab: datasets of conversations, from a script.
local ask = require "confab.ask"
local conversation = require "confab.conversation"
local core = require "confab.core"
local cost = require "confab.cost"
local dialogue = require "confab.dialogue"
local estimate = require "confab.estimate"
local generate = require "confab.generate"
local errors = require "confab.errors"
local inputs = require "confab.inputs"
local judge = require "confab.judge"
local limiter = require "confab.limiter"
local options = require "confab.options"
local parallel = require "confab.parallel"
local retry = require "confab.retry"
local run = require "confab.run"
local schema = require "confab.schema"
local scoring = require "confab.scoring"
local settings = require "confab.settings"
local store = require "confab.store"
local sweep = require "confab.sweep"
local template = require "confab.template"
local times = require "confab.times"
local text = require "confab.text"

local confab = {
  setup = settings.setup,
  lines = inputs.lines, csv = inputs.csv, jsonl = inputs.jsonl, list = inputs.list, chunks = inputs.chunks,
  sweep = sweep.new,
  template = template.new, template_file = template.file,
  run = run.run, generate = generate.generate, ask = ask.ask, dialogue = dialogue.dialogue, judge = judge.judge,
  parallel = parallel.parallel, map = parallel.map, now = times.now,
  conversation = conversation.new, parse = conversation.parse,
  rule = scoring.rule, scoring = scoring, score = scoring.score, text = text, regex = core.regex,
  limiter = limiter.new, retry = retry.new,
  cost = cost.cost, estimate_tokens = cost.estimate_tokens, estimate = estimate.estimate,
  rate_limit_status = settings.rate_limit_status, reset_rate_limiter = settings.reset_rate_limiter,
  store = store,
  schema = { check = schema.check },
  json = { encode = core.json.encode, decode = core.json.decode, array = core.json.array }, null = core.json.null,
}

--- A misspelt name names the nearest one, instead of being nil until it is called. Whether a name is
--- there is asked with `rawget(confab, name)`.
local function refuse(_, name)
  local names = {}
  for known in next, confab do names[#names + 1] = known end
  local near = type(name) == "string" and options.nearest(name, names)
  local hint = near and ("; did you mean confab.%s?"):format(near) or ""
  errors.mistake(("there is no confab.%s%s"):format(tostring(name), hint))
end

return setmetatable(confab, { __index = refuse })
