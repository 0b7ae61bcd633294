--- What a script is going to take, before anything is sent: `confab estimate`, `--dry-run`,
--- `confab.estimate{}`.
---
--- Under `confab estimate` the script runs as it stands, on an engine that only reads. A run asks the
--- journal for each of its items: its step goes as far as stored replies carry it, and the first call
--- that would be sent is measured instead. Of many items a sample is taken.
local ask = require "confab.ask"
local at_once = require "confab.concurrency"
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local forecast = require "confab.forecast"
local generate = require "confab.generate"
local inputs = require "confab.inputs"
local keys = require "confab.keys"
local options = require "confab.options"
local sequence = require "confab.sequence"
local settings = require "confab.settings"
local template = require "confab.template"

local scheduler = core.scheduler

local estimate = {}

local SAMPLE = 1000            -- items that are measured; of more a sample of so many
local BATCH = 64
local ACCEPTED_GUESS = 0.8     -- share of accepted items, while nothing is known
local BYTES_PER_TOKEN = 4      -- of a request that was not measured
local AUTO_CONCURRENCY = at_once.most    -- items in work, where the script gives no number

estimate.done = {}             -- the estimates of this script's runs, in their order

---@class confab.Estimate
---@field run? string
---@field items integer
---@field sampled? integer  So many of the items were measured.
---@field new_items integer  With a call that would be sent.
---@field stored_items integer  Whose calls are all stored.
---@field failed_items integer  That come to an error before a call.
---@field calls confab.Range  Calls that would be sent.
---@field stored_calls integer
---@field input_tokens confab.Range
---@field output_tokens confab.Range
---@field cost? confab.Range  Dollars; nil: a price is not known.
---@field cost_bound? number  Dollars: the most that these calls may cost.
---@field time_ms confab.Range
---@field disk_bytes confab.Range
---@field limit? confab.LimitInForce
---@field basis string[]  What the numbers come from.
---@field covers string[]  What they leave out.

--- --- the sample ---

--- Up to SAMPLE items, each as likely as any other, the same for the same seed; and how many there are.
local function draw_sample(items, seed)
  local sample, count = {}, 0
  for params in items:iter() do
    count = count + 1
    local place = count
    if count > SAMPLE then place = (core.hash.hash64(seed, tostring(count)) & math.maxinteger) % count + 1 end
    if place <= SAMPLE then sample[place] = { params = params, ordinal = count - 1 } end
  end
  return sample, count
end

local function as_items(items)
  if sequence.is(items) then return items end
  if type(items) ~= "table" then errors.misuse "confab.estimate: items must be a sequence or a list" end
  return inputs.list(items)
end

--- --- measuring ---

---@class confab.Gathered  What was measured so far.
local function gathered() return { groups = {}, by_name = {}, new = 0, stored = 0, failed = 0, stored_calls = 0 } end

local function add_call(into, call, run, template_name, tries)
  local name = (template_name or "") .. "\0" .. call.model
  local group = into.by_name[name]
  if not group then
    group = { run = run, template = template_name, model = call.model, calls = 0, input = 0, input_squares = 0,
      room = 0, bytes = 0, bound = 0, bound_most = 0 }
    into.by_name[name] = group
    into.groups[#into.groups + 1] = group
  end
  local bound = call.bound < 0 and -1 or call.bound * (tries or 1)
  group.calls = group.calls + 1
  group.input = group.input + call.input_tokens
  group.input_squares = group.input_squares + call.input_tokens * call.input_tokens
  group.room = group.room + call.output_room
  group.bytes = group.bytes + call.bytes
  group.bound = (group.bound < 0 or bound < 0) and -1 or group.bound + bound
  group.bound_most = math.max(group.bound_most, bound)
  into.new = into.new + 1
end

local function add_failure(into, why)
  into.failed = into.failed + 1
  into.first_failure = into.first_failure or why
end

--- Lets each entry's step go as far as it comes without sending.
local function look(state, batch, into)
  local left, all, parked = #batch, scheduler.ticket(), {}
  local function done()
    left = left - 1
    if left == 0 then scheduler.wake(all) end
  end
  for _, entry in ipairs(batch) do
    local ctx = state.new_context()
    function ctx.on_held(call, request)
      if parked[ctx] then scheduler.wait(scheduler.ticket()) end    -- another branch of it has told
      parked[ctx] = true
      add_call(into, call, state.core.name, request.template_name, request.tries)
      into.stored_calls = into.stored_calls + entry.item.call_count
      parked[#parked + 1] = ctx
      done()
      scheduler.wait(scheduler.ticket())    -- and never goes on
    end
    function ctx.on_killed(why)
      add_failure(into, why)
      done()
    end
    scheduler.spawn(function()
      context.set(ctx)
      local ok, outcome = pcall(state.attempt, state, ctx, entry)
      if not ok or outcome and outcome.state == "failed" then
        add_failure(into, ok and outcome.error or outcome)
      else
        into.stored = into.stored + 1
        into.stored_calls = into.stored_calls + entry.item.call_count
      end
      done()
    end)
  end
  scheduler.wait(all)
  for _, ctx in ipairs(parked) do context.discard(ctx) end
end

local function entries_of(state, sample, first, last)
  local entries, rows, seen = {}, {}, state.seen
  for i = first, last do
    local params = sample[i].params
    local base = state.opts.key and keys.from(state.opts.key, params) or keys.of(params)
    if state.opts.key and seen[base] then error(keys.duplicate(base, seen[base].first, params), 0) end
    seen[base] = seen[base] or { first = params, count = 0 }
    seen[base].count = seen[base].count + 1
    local key = keys.occurrence(base, seen[base].count)
    entries[#entries + 1] = { params = params, key = key, base = base, ordinal = sample[i].ordinal }
    rows[#rows + 1] = { key = key, ordinal = sample[i].ordinal, params = "null" }
  end
  for i, item in ipairs(state.core:draw(rows)) do entries[i].item = item end
  return entries
end

--- --- from measures to an estimate ---

--- How many calls there are for each measured one, and how far a sample may be off.
local function scale_of(into, sampled, total)
  local scale = { low = 1, expected = 1, high = 1, sampling = 0 }
  if sampled == 0 or sampled == total then return scale end
  local share, input, squares = into.new / sampled, 0, 0
  for _, group in ipairs(into.groups) do
    input, squares = input + group.input, squares + group.input_squares
  end
  local spread = input > 0 and squares * into.new / (input * input) - 1 or 0
  local variance = share > 0 and (1 - share) / (share * sampled) + math.max(spread, 0) / into.new or 0
  scale.sampling = 2 * math.sqrt(variance * (1 - sampled / total))
  for _, at in ipairs(forecast.ends) do scale[at] = total / sampled end
  return scale
end

--- With `accept = n` only as many items are begun as n accepted ones take.
local function limit_to_accepted(scale, target, account, new_items, covers)
  local judged = account.accepted + account.surplus + account.needs_revision + account.failed + account.skipped
  local lack = math.max(target - account.accepted - account.surplus, 0)
  local share = judged > 0 and math.max(account.accepted + account.surplus, 1) / judged or ACCEPTED_GUESS
  local wanted = { low = lack, expected = lack / share, high = new_items }
  if lack == 0 then wanted.high = 0 end
  for _, at in ipairs(forecast.ends) do
    scale[at] = new_items > 0 and scale[at] * math.min(1, wanted[at] / new_items) or 0
  end
  covers[#covers + 1] = ("accept = %d: %.0f %% of the items are expected to be accepted, %s"):format(target, 100 * share,
    judged > 0 and ("as of the %d so far"):format(judged) or "a guess")
end

local no_account = { accepted = 0, surplus = 0, needs_revision = 0, failed = 0, skipped = 0, calls = 0, replies = 0 }

--- Calls beyond the first of an item: as many, and as large, as the items so far have had.
local function add_further(state, into, account, covers)
  if not state.opts.step or into.new == 0 then return end
  local finished = account.accepted + account.surplus + account.needs_revision + account.failed + account.skipped
  if finished == 0 or account.replies == 0 then
    covers[#covers + 1] = "only the first new call of each item: what a step asks after that is not known before its reply"
    return
  end
  local further = math.max(account.replies / finished - 1, 0)
  if further == 0 then return end
  local calls, input, output = into.new * further, account.input_tokens / account.replies, account.output_tokens / account.replies
  into.groups[#into.groups + 1] = {
    run = state.core.name, model = state.model, calls = calls, input = calls * input, input_squares = 0,
    room = calls * math.max(output, ask.default_max_tokens), bytes = calls * input * BYTES_PER_TOKEN, bound = -1,
    bound_most = -1, history = { count = account.replies, mean = output, deviation = output },
  }
  covers[#covers + 1] = ("the first new call of each item as it is, %.1f more each as the %d items so far had")
    :format(further, finished)
end

local function dollars(pico) return pico and pico >= 0 and pico / 1e12 or nil end

local function dollar_range(picos)
  if not picos then return nil end
  return { low = dollars(picos.low), expected = dollars(picos.expected), high = dollars(picos.high) }
end

local function make(into, sampled, total, scale, covers, concurrency)
  local sum = forecast.of(into.groups, scale, concurrency)
  local whole = sampled > 0 and total / sampled or 1
  if sampled < total then
    covers[#covers + 1] = ("a sample of %d of the %d items, ±%.0f %%"):format(sampled, total, 100 * scale.sampling)
  end
  if into.failed > 0 then
    covers[#covers + 1] = ("%d items come to an error before a call, such as: %s"):format(math.floor(into.failed * whole + 0.5),
      into.first_failure.message or tostring(into.first_failure))
  end
  local function of_all(n) return math.floor(n * whole + 0.5) end
  return {
    items = total, sampled = sampled < total and sampled or nil, new_items = of_all(into.new),
    stored_items = of_all(into.stored), failed_items = of_all(into.failed), stored_calls = of_all(into.stored_calls),
    calls = sum.calls, input_tokens = sum.input_tokens, output_tokens = sum.output_tokens,
    cost = dollar_range(sum.cost_pico), cost_bound = dollars(sum.bound_pico), time_ms = sum.time_ms,
    disk_bytes = sum.disk_bytes, limit = sum.limit, basis = core.json.array(sum.basis),
    covers = core.json.array(covers),
  }
end

--- --- runs of an estimate ---

--- Looks at a run of a planned script instead of running it.
---@param state confab.RunState
---@return table run  In state "planned".
function estimate.run(state)
  local sample, total = draw_sample(state.items, state.core.seed)
  local into = gathered()
  state.seen = {}
  for first = 1, #sample, BATCH do
    look(state, entries_of(state, sample, first, math.min(first + BATCH - 1, #sample)), into)
  end
  local account = state.core.id ~= 0 and core.store.run(state.core.id).account or no_account
  local scale, covers = scale_of(into, #sample, total), {}
  if state.opts.accept then
    limit_to_accepted(scale, state.opts.accept, account, into.new * scale.expected, covers)
  end
  add_further(state, into, account, covers)
  if total == 0 then covers[#covers + 1] = "there are no items: perhaps they come from replies that are not there yet" end
  local wanted = flags.concurrency or state.opts.concurrency
  local made = make(into, #sample, total, scale, covers, math.type(wanted) == "integer" and wanted or AUTO_CONCURRENCY)
  made.run = state.core.name
  estimate.done[#estimate.done + 1] = made
  if into.failed > 0 then flags.failed_items = (flags.failed_items or 0) + into.failed end
  return require "confab.planned".new(state.core, made)
end

--- A call outside of every run that is not stored: what follows depends on its reply, so the script ends.
function estimate.end_here(call, request)
  local into = gathered()
  add_call(into, call, context.script_name(), request.template_name, request.tries)
  local line = debug.traceback():match "\n%s*([^\n%[]-%.lua:%d+): in main chunk"
  local where = line and not line:find "^confab/" and (" (%s)"):format(line) or ""
  local made = make(into, 1, 1, scale_of(into, 1, 1), {
    ("the script up to its first call outside a run that is not stored%s, and that call; what follows depends on the reply")
      :format(where),
  }, 1)
  estimate.done[#estimate.done + 1] = made
  scheduler.exit(flags.failed_items and 1 or 0)
end

--- Prepares a script for being estimated: what it prints goes to standard error, for the estimate is the
--- result.
function estimate.begin()
  context.on_held = estimate.end_here
  io.output(io.stderr)
  function print(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    io.stderr:write(table.concat(words, "\t"), "\n")
  end
end

--- Prints what was estimated. For the program, once the script has ended.
---@param as_json boolean
function estimate.print(as_json)
  require "confab.estimate_text".print(estimate.done, as_json)
end

--- --- for scripts ---

local estimate_specs = {
  items = { type = { "table", "callable" }, required = true },
  template = { type = "any", required = true, check = function(value)
    if not template.is(value) then return "must come from confab.template" end
  end },
  accept = { type = "integer", min = 1 }, tries = { type = "integer", min = 1, max = 100, default = 1 },
  seed = { type = "integer", default = 0 }, concurrency = { type = "integer", min = 1, max = 10000 },
}

--- What it would take to ask a template for each item, without asking. Nothing is looked up in the journal.
--- Example: `print(confab.estimate { items = items, template = support }.cost.expected)`
---@param opts { items: confab.Sequence|any[], template: confab.Template, accept?: integer, tries?: integer, seed?: integer, concurrency?: integer }
---@return confab.Estimate
function estimate.estimate(opts)
  opts = options.check(opts, estimate_specs, "confab.estimate")
  local items = as_items(opts.items)
  settings.open()
  local sample, total = draw_sample(items, opts.seed)
  local into = gathered()
  for _, entry in ipairs(sample) do
    local call = core.call.measure(generate.request(opts.template, entry.params))
    add_call(into, call, context.script_name(), opts.template.name, opts.template.tries or opts.tries)
  end
  local scale, covers = scale_of(into, #sample, total), {}
  if opts.accept then limit_to_accepted(scale, opts.accept, no_account, total, covers) end
  return make(into, #sample, total, scale, covers, opts.concurrency or AUTO_CONCURRENCY)
end

return estimate
