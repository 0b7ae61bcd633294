--- The plan of a run: its items drawn from the inputs, in which order they are worked on.
---
--- One coroutine, the planner, walks through the inputs. The first pass draws every item
--- (lua/confab/drawing.lua) and gives the workers what is new or unfinished; what is finished waits
--- for a later pass, as a mark at its ordinal. What comes before the first unfinished item of the
--- last time is finished, unless the inputs have changed: it is not even drawn before its pass. If
--- it must be known first what there is to send, the first pass hands nothing out: it looks, and
--- later passes do the rest. What a plain template would ask for again is compared by the planner;
--- everything else that is finished goes through the workers as well.
local again = require "confab.again"
local context = require "confab.context"
local core = require "confab.core"
local drawing = require "confab.drawing"
local errors = require "confab.errors"
local flags = require "confab.flags"
local marks = require "confab.marks"
local waiters = require "confab.waiters"

local scheduler = core.scheduler

local plan = {}

local DRAW_AHEAD = 128         -- items that lie ready for the workers
local SPAN = 256               -- places between the first and the last item of a batch

--- Nothing new is to be begun: an error, a stop, or the end of the plan.
---@param state confab.RunState
---@param why any
function plan.halt(state, why)
  state.halted = state.halted or why
  waiters.wake_all(state.idle)
  waiters.wake_all(state.full)
end

--- --- the queue between planner and workers ---

--- What lies ready and is far from its turn is not kept: its parameters stand in the database.
local function put_away(entry) entry.params, entry.json = nil, nil end

local function fetch(state, entry)
  if entry.params == nil then entry.params = core.json.decode(state.core:params(entry.key)) end
end

local function push_ready(state, entry)
  drawing.item(entry)
  if state.opts.on_drawn and state.last - state.first >= DRAW_AHEAD then put_away(entry) end    -- see wait_for_room
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
  fetch(state, entry)
  return entry
end

--- A run that is to be whole in the database first does not wait for its workers.
local function wait_for_room(state)
  if state.opts.on_drawn then return end
  while state.last - state.first >= DRAW_AHEAD and not state.halted do waiters.wait(state.full) end
end

--- The plan is whole.
---@param state confab.RunState
function plan.close(state)
  state.planned = true
  waiters.wake_all(state.idle)
end

--- --- what becomes of a batch ---

local function is_unfinished(entry)
  return again.is_unfinished(drawing.state(entry))
end

local function mark_for_later(state, entry)
  local later = is_unfinished(entry) and state.unfinished or state.finished
  later:add(entry.ordinal)
end

--- Of the first pass: what is new or unfinished is worked on.
local function hand_out(state, batch)
  for _, entry in ipairs(batch) do
    if is_unfinished(entry) then
      push_ready(state, entry)
    else
      mark_for_later(state, entry)
    end
  end
  wait_for_room(state)
end

--- Takes out of a batch what is finished as it is.
local function without_kept(state, batch)
  if not state.is_kept then return batch end
  local left = {}
  for _, entry in ipairs(batch) do
    if not state.is_kept(state, entry) then left[#left + 1] = entry end
  end
  return left
end

--- Runs each item's step as far as the journal answers, all at once. What comes to its end is
--- finished as it is elsewhere; of the others the first new call is counted.
local function look_at(state, batch)
  local results, left, all = {}, #batch, scheduler.ticket()
  local function tell(i, result)
    results[i] = result
    left = left - 1
    if left == 0 then scheduler.wake(all) end
  end
  for i, entry in ipairs(batch) do
    drawing.item(entry)
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

--- Of the first pass, if all is to be looked at.
local function look(state, batch)
  local left = without_kept(state, batch)
  state.again.replayed = state.again.replayed + #batch - #left
  if #left > 0 then look_at(state, left) end
end

--- Of a later pass: what is not kept as it is is worked on.
local function hand_on(state, batch)
  for _, entry in ipairs(without_kept(state, batch)) do
    if state.halted then return end
    push_ready(state, entry)
  end
  wait_for_room(state)
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

--- Collects entries, and deals them out in batches. The first one of new items is small, so that
--- work begins.
local function collector(state, deal)
  local batch = {}
  local size = state.drawing:batch_size()
  if not state.core.continued then size = math.min(size, state.concurrency) end
  local function flush()
    if #batch == 0 or state.halted then return end
    deal(batch)
    batch, size = {}, state.drawing:batch_size()
    waiters.breathe()
  end
  local function add(params, ordinal)
    if #batch > 0 and ordinal - batch[1].ordinal >= SPAN then flush() end
    batch[#batch + 1] = state.drawing:entry(params, ordinal)
    if #batch >= size then flush() end
  end
  return add, flush
end

--- Collects entries that are drawn.
local function drawer(state, deal)
  return collector(state, function(batch)
    state.drawing:draw(batch)
    state.counts.planned = state.drawing.drawn
    deal(state, batch)
  end)
end

local function first_pass(state)
  local add, flush = drawer(state, state.again and look or hand_out)
  local is_whole, count = walk(state, function(params, ordinal)
    if ordinal >= state.passed_over then add(params, ordinal) end
  end)
  flush()
  if is_whole and count == 0 then
    error(errors.new("config_error", ("run %q: there are no items"):format(state.core.name)), 0)
  end
  return is_whole and not state.halted
end

--- Hands out the items that are marked: draws those that were passed over, finds the others.
local function later_pass(state, marked)
  if marked.count == 0 then return true end
  state.drawing:look_again()
  local left, lost = marked.count, 0
  local draw, draw_rest = drawer(state, hand_on)
  local find, find_rest = collector(state, function(batch)
    local found = state.drawing:find(batch)
    lost = lost + #batch - #found
    hand_on(state, found)
  end)
  local is_whole, count = walk(state, function(params, ordinal)
    if ordinal == state.passed_over then draw_rest() end
    if not marked:has(ordinal) then return false end
    local add = ordinal < state.passed_over and draw or find
    add(params, ordinal)
    left = left - 1
    return left == 0
  end)
  draw_rest()
  find_rest()
  if is_whole and count < state.passed_over then left = 0 end    -- a shorter input now: the rest are orphans
  if is_whole and lost + left > 0 then
    core.progress.warn(("run %q: %d items did not come up again: its inputs give others each time")
      :format(state.core.name, lost + left))
  end
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
  if state.opts.on_drawn then state.opts.on_drawn() end
  if state.again then tell(state) end
  if later_pass(state, state.unfinished) then later_pass(state, state.finished) end
end

return plan
