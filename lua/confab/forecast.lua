--- From measured requests to what a run is going to take: tokens, cost, time, disk, each as a low,
--- an expected and a high value. Arithmetic on what the database knows of earlier replies; where it
--- knows nothing a guess, which is stated.
local core = require "confab.core"
local cost = require "confab.cost"
local flags = require "confab.flags"
local settings = require "confab.settings"

local forecast = {}

---@class confab.Range
---@field low number
---@field expected number
---@field high number

---@class confab.CallGroup  Calls of one template, or of none, to one model, that would be sent.
---@field template? string
---@field run string
---@field model string
---@field calls integer  Measured ones.
---@field input number  Sums over them: expected input tokens,
---@field input_squares number
---@field room number  room for output tokens,
---@field bytes number  bytes of the requests,
---@field bound integer  and the highest possible cost in pico-dollars; -1: not known.
---@field bound_most integer  Of one call.
---@field history? confab.CallHistory  Where the calls themselves are a guess from earlier ones.

---@class confab.Scale  How many calls there are for each measured one.
---@field low number
---@field expected number
---@field high number
---@field sampling number  Relative error of the measured part, 0 if all were measured.

local HISTORY = 1000           -- earlier replies that are looked at
local SURE = 5                 -- replies from which on their spread is believed
local LEAST_ERROR = 0.05       -- of what is known well: later items differ a little from earlier ones
local OUTPUT_GUESS = 1 / 3     -- of the room for output, while nothing is known
local OUTPUT_LOW = 1 / 10
local FIRST_TOKEN_MS, TOKENS_PER_S = 1500, 70    -- of a model's reply, while nothing is known
local STORED_PER_TOKEN, STORED_PER_CALL = 8, 2500    -- bytes: the raw reply, its turns, the rows around them

forecast.ends = { "low", "expected", "high" }

local function range(low, expected, high) return { low = low, expected = expected, high = high } end

---@class confab.CallHistory
---@field count integer
---@field mean number  Output tokens.
---@field deviation number
---@field latency_ms? number

--- What earlier replies of the group's template had of output, and how long they took.
---@return confab.CallHistory
local function history_of(group)
  if group.history then return group.history end
  local row = core.store.sql([[
    SELECT count(*) AS count, avg(output) AS mean, avg(output * output) AS squares, avg(latency_ms) AS latency_ms
    FROM (SELECT c.output_tokens * 1.0 AS output, c.latency_ms FROM calls c
      JOIN items i ON i.id = c.item JOIN runs r ON r.id = i.run LEFT JOIN templates t ON t.id = c.template
      WHERE c.id > (SELECT max(id) FROM calls) - 20 * ?1 AND c.state = 'done' AND c.output_tokens IS NOT NULL
        AND c.model = ?2 AND r.simulated = ?3 AND CASE WHEN ?4 IS NULL THEN t.name IS NULL AND r.name = ?5 ELSE t.name = ?4 END
      ORDER BY c.id DESC LIMIT ?1)]], HISTORY, group.model, core.engine.is_simulated() and 1 or 0, group.template, group.run)[1]
  local mean = row.mean or 0
  return { count = row.count, mean = mean, deviation = math.sqrt(math.max((row.squares or 0) - mean * mean, 0)),
    latency_ms = row.latency_ms }
end

--- The error of a sum of n like things of which so many were seen, with that deviation relative to the mean.
local function sum_error(deviation, n, seen)
  return math.max(LEAST_ERROR, 2 * deviation * math.sqrt(1 / math.max(n, 1) + 1 / math.max(seen, 1)))
end

local function input_of(group, scale)
  local samples, ratio, off = core.call.calibration(group.model)
  local mean = group.input / group.calls
  local n = group.calls * scale.expected
  local known = samples >= 2 and sum_error(off, n, samples) or off
  local wide = math.sqrt(known * known + scale.sampling * scale.sampling)
  local basis = samples >= 2 and ("1.3 tokens a word times %.2f, learnt from %d replies of %s, ±%.0f %%")
    :format(ratio, samples, group.model, 100 * known) or ("1.3 tokens a word, ±%.0f %%: no replies of %s are known yet")
    :format(100 * known, group.model)
  local sum = group.calls * mean
  return range(sum * scale.low * math.max(0, 1 - wide), sum * scale.expected, sum * scale.high * (1 + wide)), basis
end

local function output_of(group, scale, history)
  local what = group.template and ("template %q"):format(group.template) or "such calls"
  local sum = group.room
  if history.count == 0 then
    return range(sum * scale.low * OUTPUT_LOW, sum * scale.expected * OUTPUT_GUESS, sum * scale.high),
      ("a third of max_tokens, a guess: no replies of %s are known yet"):format(what)
  end
  local room = group.room / group.calls
  local mean = math.min(history.mean, room)
  local n = group.calls * scale.expected
  local wide = history.count >= SURE and sum_error(history.deviation / math.max(history.mean, 1), n, history.count) or 0.5
  wide = math.sqrt(wide * wide + scale.sampling * scale.sampling)
  local low, high = mean * math.max(0, 1 - wide), math.min(mean * (1 + wide), room)
  return range(group.calls * scale.low * low, group.calls * scale.expected * mean, group.calls * scale.high * high),
    ("%.0f tokens a reply, as the last %d of %s had, ±%.0f %%"):format(mean, history.count, what, 100 * wide)
end

--- What an input and an output token of a group's calls cost; nil if a price is not known. Long prompts
--- may be dearer, so it is asked for a prompt of their length.
local function prices_of(group)
  local prompt = math.ceil(math.max(group.input / group.calls, 1))
  local _, input = cost.cost(prompt, 0, group.model)
  local _, both = cost.cost(prompt, 1000, group.model)
  if not input or not both then return nil end
  return input / prompt, (both - input) / 1000
end

--- --- time ---

---@class confab.LimitInForce
---@field requests integer  In a window.
---@field input_tokens? integer
---@field output_tokens? integer
---@field window_ms integer
---@field source "default"|"configured"|"learnt"|"simulator"

--- The limits that calls of a class are going to meet, as far as is known before the first reply.
---@param limit_class string
---@return confab.LimitInForce
function forecast.limits(limit_class)
  local given = settings.given "limits" or {}
  local window_ms = given.window_ms or 60000
  local limit = { window_ms = window_ms, requests = given.max_requests, source = given.max_requests and "configured",
    input_tokens = given.max_input_tokens ~= 0 and given.max_input_tokens or nil,
    output_tokens = given.max_output_tokens ~= 0 and given.max_output_tokens or nil }
  local function lower(name, amount, source)
    amount = amount and amount * window_ms // 60000
    if not amount or amount < 1 or limit[name] and limit[name] <= amount then return end
    limit[name] = amount
    if name == "requests" then limit.source = source end
  end
  if flags.simulate then
    for name, key in pairs { requests = "rpm", input_tokens = "itpm", output_tokens = "otpm" } do
      lower(name, tonumber((flags.simulate:match("%f[%w]" .. key .. "=(%d+)"))), "simulator")
    end
  else
    local row = core.store.sql([[SELECT max_requests, max_input_tokens, max_output_tokens, window_ms FROM lanes
      WHERE base_url = ? AND limit_class = ? ORDER BY learnt_at DESC LIMIT 1]], settings.base_url(), limit_class)[1]
    for name, amount in pairs(row and { requests = row.max_requests, input_tokens = row.max_input_tokens,
        output_tokens = row.max_output_tokens } or {}) do
      lower(name, amount * 60000 // (row.window_ms or 60000), "learnt")
    end
  end
  if not limit.requests then limit.requests, limit.source = 50, "default" end
  return limit
end

--- How long the simulator says that it takes; nil if it does not.
local function simulated_latency()
  if not flags.simulate then return nil end
  local kind, first, second = flags.simulate:match "latency=(%a+):([%d.]+):?([%d.]*)"
  if not kind then return 0 end
  return kind == "uniform" and (first + (tonumber(second) or first)) / 2 or tonumber(first)
end

local function latency_of(group, history)
  if history.latency_ms then return history.latency_ms end
  local tokens = history.count > 0 and history.mean or group.room / group.calls * OUTPUT_GUESS
  return simulated_latency() or FIRST_TOKEN_MS + tokens / TOKENS_PER_S * 1000
end

--- How long calls of one lane take: what the tightest of its limits allows, then one reply more.
local function lane_ms(lane, at, concurrency)
  local limit = lane.limit
  local windows = lane.calls[at] / limit.requests
  if limit.input_tokens then windows = math.max(windows, lane.input[at] / limit.input_tokens) end
  if limit.output_tokens then windows = math.max(windows, lane.output[at] / limit.output_tokens) end
  local one = lane.calls[at] > 0 and lane.work_ms[at] / lane.calls[at] or 0
  return math.max(windows * limit.window_ms, lane.work_ms[at] / concurrency) + one
end

--- --- the whole ---

local function add(sum, part)
  for _, at in ipairs(forecast.ends) do sum[at] = sum[at] + part[at] end
end

local function nothing() return range(0, 0, 0) end

local function rounded(sum, up)
  for _, at in ipairs(forecast.ends) do sum[at] = math.floor(sum[at] + (up and 0.999999 or 0.5)) end
  return sum
end

--- What measured calls come to.
---@param groups confab.CallGroup[]
---@param scale confab.Scale
---@param concurrency integer
---@return table forecast  calls, input_tokens, output_tokens, cost_pico (nil: not known), bound_pico, time_ms, disk_bytes,
---limit, basis.
function forecast.of(groups, scale, concurrency)
  local sum = { calls = nothing(), input_tokens = nothing(), output_tokens = nothing(), cost_pico = nothing(),
    disk_bytes = nothing(), time_ms = nothing(), bound_pico = 0, basis = {} }
  local lanes, is_priced = {}, true
  for _, group in ipairs(groups) do
    local history = history_of(group)
    local input, input_basis = input_of(group, scale)
    local output, output_basis = output_of(group, scale, history)
    local limit_class = core.call.model(group.model).limit_class
    local lane = lanes[limit_class] or { limit = forecast.limits(limit_class), calls = nothing(), input = nothing(),
      output = nothing(), work_ms = nothing() }
    lanes[limit_class] = lane
    local latency = latency_of(group, history)
    local input_pico, output_pico = prices_of(group)
    is_priced = is_priced and input_pico ~= nil
    for _, at in ipairs(forecast.ends) do
      local calls = group.calls * scale[at]
      sum.calls[at] = sum.calls[at] + calls
      lane.calls[at], lane.work_ms[at] = lane.calls[at] + calls, lane.work_ms[at] + calls * latency
      sum.disk_bytes[at] = sum.disk_bytes[at] + group.bytes * scale[at] + output[at] * STORED_PER_TOKEN +
        calls * STORED_PER_CALL
      if is_priced then
        sum.cost_pico[at] = sum.cost_pico[at] + input[at] * input_pico + output[at] * output_pico
      end
    end
    add(lane.input, input)
    add(lane.output, output)
    add(sum.input_tokens, input)
    add(sum.output_tokens, output)
    -- Of what was not measured each call may be the dearest one.
    local bound = scale.sampling > 0 and group.bound_most * group.calls * scale.high or group.bound * scale.high
    sum.bound_pico = (sum.bound_pico < 0 or group.bound < 0) and -1 or sum.bound_pico + bound
    sum.basis[#sum.basis + 1] = "input: " .. input_basis
    sum.basis[#sum.basis + 1] = "output: " .. output_basis
  end
  for _, lane in pairs(lanes) do
    sum.limit = sum.limit or lane.limit
    for _, at in ipairs(forecast.ends) do
      sum.time_ms[at] = math.max(sum.time_ms[at], lane_ms(lane, at, concurrency))
    end
  end
  if not is_priced then sum.cost_pico, sum.bound_pico = nil, -1 end
  sum.bound_pico = math.ceil(sum.bound_pico)
  for _, name in ipairs { "calls", "input_tokens", "output_tokens", "cost_pico", "disk_bytes", "time_ms" } do
    if sum[name] then rounded(sum[name]) end
  end
  return sum
end

return forecast
