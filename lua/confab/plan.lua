--- The plan of a run: its items drawn from the inputs, in which order they are worked on.
---
--- One coroutine, the planner, walks through the inputs. The first pass writes every item to the
--- database, in batches, and gives the workers what is new or unfinished; what is finished waits
--- for a later pass, as a mark at its ordinal. What comes before the first unfinished item of the
--- last time is finished, unless the inputs have changed: it is not even drawn before its pass. If
--- it must be known first what there is to send, the first pass hands nothing out: it looks, and
--- later passes do the rest.
local again = require "confab.again"
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local keys = require "confab.keys"
local marks = require "confab.marks"
local waiters = require "confab.waiters"

local scheduler = core.scheduler

local plan = {}

local DRAW_BATCH = 64          -- items in one transaction
local DRAW_AHEAD = 128         -- items that lie ready for the workers

---@class confab.Entry  An item on its way to a worker.
---@field params any
---@field key string
---@field base string  The key without an occurrence number.
---@field ordinal integer
---@field item userdata  The core's item, once it is drawn.

--- Nothing new is to be begun: an error, a stop, or the end of the plan.
---@param state confab.RunState
---@param why any
function plan.halt(state, why)
  state.halted = state.halted or why
  waiters.wake_all(state.idle)
  waiters.wake_all(state.full)
end

--- --- the queue between planner and workers ---

local function push_ready(state, entry)
  state.last = state.last + 1
  state.ready[state.last] = entry
  waiters.wake_one(state.idle)
end

--- The next item to work on; waits for it. nil: there is none any more.
---@param state confab.RunState
---@return confab.Entry?
function plan.take(state)
  while state.first > state.last do
    if state.planned or state.halted then return nil end
    waiters.wait(state.idle)
  end
  if state.halted then return nil end
  local entry = state.ready[state.first]
  state.ready[state.first] = nil
  state.first = state.first + 1
  if state.last - state.first < DRAW_AHEAD then waiters.wake_one(state.full) end
  return entry
end

local function wait_for_room(state)
  while state.last - state.first >= DRAW_AHEAD and not state.halted do waiters.wait(state.full) end
end

--- The plan is whole.
---@param state confab.RunState
function plan.close(state)
  state.planned = true
  waiters.wake_all(state.idle)
end

--- --- drawing ---

--- An item whose key this pass has drawn already: equal items are numbered, equal `key=` is a
--- mistake.
local function draw_again(state, entry)
  if state.opts.key then
    local first = state.core:params(entry.key)
    error(keys.duplicate(entry.key, first and core.json.decode(first), entry.params), 0)
  end
  local base, item = entry.base, nil
  repeat
    state.repeats[base] = (state.repeats[base] or 1) + 1
    entry.key = keys.occurrence(base, state.repeats[base])
    item = state.core:draw { { key = entry.key, ordinal = entry.ordinal, params = entry.json } }[1]
  until item
  return item
end

local function key_of(state, params)
  if params == core.json.null then errors.misuse "confab.run: an item is null" end
  if state.opts.key then return keys.from(state.opts.key, params) end
  return keys.of(params)
end

local function entry_of(state, params, ordinal)
  local key, json = key_of(state, params)
  json = json or core.json.encode(params)
  return { params = params, key = key, base = key, ordinal = ordinal, json = json }
end

local function draw(state, batch)
  local rows = {}
  for i, entry in ipairs(batch) do
    rows[i] = { key = entry.key, ordinal = entry.ordinal, params = entry.json }
  end
  local items = state.core:draw(rows)
  for i, entry in ipairs(batch) do
    entry.item = items[i] or draw_again(state, entry)
    entry.json = nil
    state.counts.planned = state.counts.planned + 1
  end
end

--- --- what becomes of a batch of the first pass ---

local function mark_for_later(state, entry)
  local later = again.is_unfinished(entry.item) and state.unfinished or state.finished
  later:add(entry.ordinal)
end

local function hand_out(state, batch)
  for _, entry in ipairs(batch) do
    if again.is_unfinished(entry.item) then
      push_ready(state, entry)
    else
      mark_for_later(state, entry)
    end
  end
  wait_for_room(state)
end

--- Runs each item's step as far as the journal answers, all at once. What comes to its end is
--- finished as it is elsewhere; of the others the first new call is counted.
local function look(state, batch)
  local results, left, all = {}, #batch, scheduler.ticket()
  local function tell(i, result)
    results[i] = result
    left = left - 1
    if left == 0 then scheduler.wake(all) end
  end
  for i, entry in ipairs(batch) do
    local ctx = state.new_context()
    function ctx.on_held(call)    -- of one that branches: the first that comes to a call
      if not results[i] then tell(i, { held = call, ctx = ctx }) end
      scheduler.wait(scheduler.ticket())      -- and never goes on
    end
    function ctx.on_killed(why)
      tell(i, { outcome = state.killed(state, ctx, why) })
    end
    scheduler.spawn(function()
      context.set(ctx)
      local ok, outcome = pcall(state.attempt, state, ctx, entry)
      if not ok then plan.halt(state, outcome) end
      tell(i, { outcome = ok and outcome or nil })
    end)
  end
  scheduler.wait(all)
  for i, entry in ipairs(batch) do
    local result = results[i]
    if result.held then
      context.discard(result.ctx)
      state.again:count(entry.item, result.held)
      mark_for_later(state, entry)
    elseif result.outcome then
      state.again.replayed = state.again.replayed + 1
      state.finish(state, entry, result.outcome)
    end
  end
end

--- --- the passes ---

--- Walks through the inputs; false if a stop or an error came in between.
local function walk(state, visit)
  local ordinal = 0
  for params in state.items:iter() do
    if state.halted then return false end
    if scheduler.stopping() then
      state.is_cut = true
      return false
    end
    if visit(params, ordinal) then break end
    ordinal = ordinal + 1
  end
  return not state.halted, ordinal
end

--- Collects entries, and draws and deals them out in batches.
local function new_drawer(state, deal)
  local batch, size = {}, math.min(state.concurrency, DRAW_BATCH)
  local function flush()
    if #batch == 0 or state.halted then return end
    draw(state, batch)
    deal(state, batch)
    batch, size = {}, DRAW_BATCH
  end
  local function add(params, ordinal)
    batch[#batch + 1] = entry_of(state, params, ordinal)
    if #batch >= size then flush() end
  end
  return add, flush
end

local function first_pass(state)
  local add, flush = new_drawer(state, state.again and look or hand_out)
  local is_whole, count = walk(state, function(params, ordinal)
    if ordinal >= state.passed_over then add(params, ordinal) end
  end)
  flush()
  if is_whole and count == 0 then
    error(errors.new("config_error", ("run %q: there are no items"):format(state.core.name)), 0)
  end
  return is_whole and not state.halted
end

local function push_all(state, batch)
  for _, entry in ipairs(batch) do push_ready(state, entry) end
  wait_for_room(state)
end

--- Hands out the items that are marked: draws those that were passed over, finds the others, whose
--- keys get the numbers of the first pass again.
local function later_pass(state, marked)
  if marked.count == 0 then return true end
  local add, flush = new_drawer(state, push_all)
  local numbered, seen, left = {}, {}, marked.count
  for base in next, state.repeats do numbered[base] = true end
  local has_numbered = next(numbered) ~= nil

  local function find(params, ordinal, is_marked)
    local base = key_of(state, params)
    local key = base
    if numbered[base] then
      seen[base] = (seen[base] or 0) + 1
      key = keys.occurrence(base, seen[base])
    end
    local item = is_marked and state.core:find(key)    -- nil: the inputs are not what they were
    if item then
      push_ready(state, { params = params, key = key, base = base, ordinal = ordinal, item = item })
      wait_for_room(state)
    end
  end

  local is_whole = walk(state, function(params, ordinal)
    local is_marked = marked:has(ordinal)
    if ordinal < state.passed_over then
      if is_marked then add(params, ordinal) end
    else
      if ordinal == state.passed_over then flush() end
      if is_marked or has_numbered then find(params, ordinal, is_marked) end
    end
    if is_marked then left = left - 1 end
    return left == 0
  end)
  flush()
  return is_whole and not state.halted
end

local function length_of(items)
  local ok, length = pcall(function() return #items end)
  return ok and length or nil
end

--- Says what is to be done. If that is refused, the run is left as it was.
local function tell(state)
  local refusal = state.again:tell(state.core, state.since, state.opts.template ~= nil)
  if not refusal then return end
  state.core:take_back()
  state.counts.planned = nil
  error(refusal, 0)
end

--- The planner: draws all items and hands them out, unfinished and new ones first.
---@param state confab.RunState
function plan.run(state)
  state.unfinished, state.finished, state.passed_over = marks.new(), marks.new(), 0
  if again.must_look(state.core, state.since, state.opts.key ~= nil) then
    state.again = again.new()
  elseif state.core.continued then
    state.passed_over = state.core:first_unfinished(flags.failed)
    state.finished:add_first(state.passed_over)
    if not flags.offline then again.tell_counts(state.core, length_of(state.items)) end
  end
  if not first_pass(state) then return end
  if state.again then tell(state) end
  if later_pass(state, state.unfinished) then later_pass(state, state.finished) end
end

return plan
