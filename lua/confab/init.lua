--- confab: datasets of conversations, from a script.
local conversation = require "confab.conversation"
local core = require "confab.core"
local cost = require "confab.cost"
local estimate = require "confab.estimate"
local generate = require "confab.generate"
local inputs = require "confab.inputs"
local limiter = require "confab.limiter"
local retry = require "confab.retry"
local run = require "confab.run"
local scoring = require "confab.scoring"
local settings = require "confab.settings"
local store = require "confab.store"
local sweep = require "confab.sweep"
local template = require "confab.template"

local confab = {
  setup = settings.setup,
  lines = inputs.lines, csv = inputs.csv, jsonl = inputs.jsonl, list = inputs.list, chunks = inputs.chunks,
  sweep = sweep.new,
  template = template.new, template_file = template.file,
  run = run.run, generate = generate.generate, ask = generate.ask,
  conversation = conversation.new, parse = conversation.parse,
  rule = scoring.rule, scoring = scoring, score = scoring.score,
  limiter = limiter, retry = retry,
  cost = cost.cost, estimate_tokens = cost.estimate_tokens, estimate = estimate.estimate,
  rate_limit_status = settings.rate_limit_status, reset_rate_limiter = settings.reset_rate_limiter,
  store = store,
  json = { encode = core.json.encode, decode = core.json.decode, array = core.json.array }, null = core.json.null,
}

return confab
