-- What scripts/bench measures: items through a template, or through a step of one call.
--   confab run pipeline.lua -- ITEMS CONCURRENCY [template|step] [varied] [LIMIT=NUMBER]...
-- "varied" asks for conversations of 4, 10 and 16 turns.
local confab = require "confab"

local count = tonumber(arg[1])
local concurrency = tonumber(arg[2]) or arg[2]
local kind, turns, limits = "template", { 10 }, {}
for i = 3, #arg do
  local name, value = arg[i]:match "^([%w_]+)=(.+)$"
  if name then limits[name] = tonumber(value) or value
  elseif arg[i] == "varied" then turns = { 4, 10, 16 }
  else kind = arg[i] end
end
confab.setup { limits = limits }

-- A request of about 2 KB.
local filler = ("The customer has been with the bank for years and writes in a plain, direct way. "):rep(20)
local chat = confab.template {
  name = "bench", max_tokens = 4096,
  prompt = "Write a chat of {{turns}} turns between {{persona}}, who feels calm, and an agent, about topic {{chapter}}.{{topic}}. "
    .. filler .. 'Answer with JSON: {"turns": [{"role": "user", "content": "..."}]}',
}

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- Two axes, so that a million items are no table of a million.
local items = confab.sweep {
  persona = { "Ann" }, chapter = numbers(math.ceil(count / 1000)), topic = numbers(math.min(count, 1000)), turns = turns,
}

confab.run {
  name = "bench-" .. kind, concurrency = concurrency,
  items = items:take(count),
  template = kind == "template" and chat or nil,
  step = kind == "step" and function(item) return confab.generate { template = chat, params = item } end or nil,
}
