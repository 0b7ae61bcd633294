--- `confab.run`: items drawn, worked on by many coroutines at once, finished one by one.
---
--- One coroutine, the planner, walks through the items and writes them to the database in batches;
--- workers take them from there. The main chunk waits until the last worker is done.
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local generate = require "confab.generate"
local inputs = require "confab.inputs"
local keys = require "confab.keys"
local options = require "confab.options"
local progress = require "confab.progress"
local scoring = require "confab.scoring"
local sequence = require "confab.sequence"
local settings = require "confab.settings"
local template = require "confab.template"

local scheduler = core.scheduler

local run = {}

local AUTO_CONCURRENCY = 32    -- items in work at once; the limiter decides what is sent
local DRAW_BATCH = 64          -- items in one transaction
local DRAW_AHEAD = 128         -- items that lie ready for the workers

---@class confab.RunOptions
---@field items confab.Sequence|any[]
---@field template? confab.Template  What to ask for each item; or
---@field step? fun(item: any): confab.Conversation|confab.Conversation[]|nil  a function that does the work.
---@field name? string  Default: the script's file name.
---@field key? fun(item: any): string|integer  What identifies an item (default: its parameters).
---@field concurrency? integer|"auto"  Items in work at once.
---@field stop_on_error? boolean  The first failed item ends the run (default: false).
---@field score? confab.Scoring|confab.Rule
---@field tries? integer  How often a reply that does not serve is asked for (default: 1).
---@field on_truncated? "salvage"|"continue"|"fail"
---@field on_item? fun(result: { item: any, key: string, state: string, conversations: confab.Conversation[], error?: confab.Error })
---@field on_retry? fun(attempt: integer, error: confab.Error, delay_ms: integer)
---@field seed? integer  Of math.random in steps (default: 0).

local run_specs = {
  items = { type = { "table", "callable" }, required = true },
  template = { type = "any", check = function(value)
    if not template.is(value) then return "must come from confab.template" end
  end },
  step = { type = "callable" },
  name = { type = "string", check = function(name)
    if name == "" or #name > 200 or name:find("%c") then return "must be 1 to 200 bytes without control characters" end
  end },
  key = { type = "callable" },
  concurrency = { type = { "integer", "string" }, min = 1, max = 10000, check = function(value)
    if type(value) == "string" and value ~= "auto" then return ("must be a number or \"auto\", not %q"):format(value) end
  end },
  stop_on_error = { type = "boolean", default = false },
  score = { type = "any", check = function(value)
    if not pcall(scoring.new, { value }) then return "must come from confab.scoring or confab.rule" end
  end },
  tries = { type = "integer", min = 1, max = 100, default = 1 },
  on_truncated = { type = "string", one_of = { "salvage", "continue", "fail" } },
  on_item = { type = "callable" }, on_retry = { type = "callable" }, seed = { type = "integer", default = 0 },
}

--- What one confab.run holds while it works.
---@class confab.RunState
---@field core table  The core's run.
---@field ready table[]  Drawn items, first to last; [first..last].
---@field counts table<string, integer>

-- A queue of coroutines that wait for something.
local function wait_in(list)
  local ticket = scheduler.ticket()
  list[#list + 1] = ticket
  return scheduler.wait(ticket)
end

local function wake_one(list)
  local ticket = table.remove(list, 1)
  if ticket then scheduler.wake(ticket) end
end

local function wake_all(list)
  while #list > 0 do wake_one(list) end
end

--- Nothing new is to be begun: an error, a stop, or the end of the plan.
local function halt(state, why)
  state.halted = state.halted or why
  wake_all(state.idle)
  wake_all(state.full)
end

--- --- the planner ---

local function push_ready(state, entry)
  state.last = state.last + 1
  state.ready[state.last] = entry
  wake_one(state.idle)
end

local function take_ready(state)
  while state.first > state.last do
    if state.planned or state.halted then return nil end
    wait_in(state.idle)
  end
  if state.halted then return nil end
  local entry = state.ready[state.first]
  state.ready[state.first] = nil
  state.first = state.first + 1
  if state.last - state.first < DRAW_AHEAD then wake_one(state.full) end
  return entry
end

--- An item whose key this pass has drawn already: equal items are numbered, equal `key=` is a mistake.
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

local function draw(state, batch)
  local rows = {}
  for i, entry in ipairs(batch) do rows[i] = { key = entry.key, ordinal = entry.ordinal, params = entry.json } end
  local items = state.core:draw(rows)
  for i, entry in ipairs(batch) do
    entry.item = items[i] or draw_again(state, entry)
    entry.json = nil
    state.counts.planned = state.counts.planned + 1
    push_ready(state, entry)
  end
end

local function entry_of(state, params, ordinal)
  if params == core.json.null then errors.misuse "confab.run: an item is null" end
  local key = state.opts.key and keys.from(state.opts.key, params) or keys.of(params)
  return { params = params, key = key, base = key, ordinal = ordinal, json = core.json.encode(params) }
end

local function plan(state)
  local batch, ordinal, size = {}, 0, math.min(state.concurrency, DRAW_BATCH)
  for params in state.items:iter() do
    if state.halted then break end
    if scheduler.stopping() then
      state.is_cut = true
      break
    end
    batch[#batch + 1] = entry_of(state, params, ordinal)
    ordinal = ordinal + 1
    if #batch >= size then
      draw(state, batch)
      batch, size = {}, DRAW_BATCH
      while state.last - state.first >= DRAW_AHEAD and not state.halted do wait_in(state.full) end
    end
  end
  if #batch > 0 and not state.halted then draw(state, batch) end
  if ordinal == 0 and not state.is_cut and not state.halted then
    error(errors.new("config_error", ("run %q: there are no items"):format(state.core.name)), 0)
  end
end

--- --- the workers ---

local function with_traceback(raised)
  if errors.is(raised) then
    local is_mistake = raised.kind == "config_error" or raised.kind == "script_error"
    if is_mistake and not raised.traceback then raised.traceback = debug.traceback(nil, 2) end
    return raised
  end
  local message = type(raised) == "string" and raised or errors.show(raised)
  return errors.new("script_error", message, { traceback = debug.traceback(nil, 2) })
end

--- The conversations that a step returned, checked.
local function conversations_of(result)
  if result == nil then return {} end
  if type(result) == "userdata" then return { result } end
  if type(result) == "table" and (#result > 0 or next(result) == nil) then
    for i, conv in ipairs(result) do
      if type(conv) ~= "userdata" then
        error(errors.new("script_error", ("the step returned a list whose entry %d is no conversation"):format(i)), 0)
      end
    end
    return result
  end
  local what = type(result) == "table" and "a table of names" or "a " .. type(result)
  error(errors.new("script_error", ("the step must return a conversation, a list of them, or nothing, not %s")
    :format(what)), 0)
end

local function do_step(state, ctx, params)
  if state.opts.template then return { generate.with_template(ctx, state.opts.template, params, {}) } end
  local convs = conversations_of(state.opts.step(params))
  for _, conv in ipairs(convs) do
    local fields = core.conversation.fields(conv)
    if fields.score == nil then generate.score(conv, ctx.scoring) end
    fields.parameters = fields.parameters or params
  end
  return convs
end

--- The conversations of an item, and their rows for the database.
local function work_on(state, ctx, params)
  local convs, rows = do_step(state, ctx, params), {}
  for i, conv in ipairs(convs) do rows[i] = generate.row(conv, i) end
  return convs, rows
end

--- Works on one item: its outcome, or nil if it is to stay pending.
local function attempt(state, ctx, entry)
  ctx.item, ctx.params = entry.item, entry.params
  state.core:load(entry.item)
  scheduler.seed(core.hash.hash64(state.core.seed, entry.key))
  ctx.stopped = nil
  local ok, result, rows = xpcall(work_on, with_traceback, state, ctx, entry.params)
  if ctx.stopped then                  -- whatever the step made of it
    halt(state, ctx.stopped)
    return nil
  end
  if ok then return { state = #result > 0 and "done" or "skipped", convs = result, rows = rows } end
  if result.kind == "cancelled" then return nil end
  return { state = "failed", error = result, convs = {}, rows = {} }
end

--- A mistake in the script, or in its settings, is most often one that every item meets.
local function tell_first(state, entry, failure)
  local is_mistake = failure.kind == "config_error" or failure.kind == "script_error"
  if not is_mistake or state.told then return end
  state.told = true
  core.progress.warn(("item %s failed: %s%s"):format(errors.show(entry.params, 80), failure.message,
    errors.script_frames(failure.traceback or "")))
end

local function count(state, outcome)
  local counts = state.counts
  if outcome.state == "done" then
    local accepted = true
    for _, conv in ipairs(outcome.convs) do
      local status = core.conversation.fields(conv).status
      accepted = accepted and status ~= "needs_revision" and status ~= "rejected"
    end
    local name = accepted and "accepted" or "needs_revision"
    counts[name] = counts[name] + 1
  else
    counts[outcome.state] = counts[outcome.state] + 1
  end
end

local function store(state, entry, outcome)
  -- What was found finished, and was only replayed, is left as it is.
  local found = entry.item.state
  if found == outcome.state and entry.item.new_calls == 0 and entry.item.existed then
    state.counts.replayed = state.counts.replayed + 1
    return
  end
  local failure = outcome.error
  state.core:finish(entry.item, {
    state = outcome.state, conversations = outcome.rows,
    error_kind = failure and failure.kind, error_message = failure and failure.message,
  })
end

local function tell_script(state, entry, outcome)
  if not state.opts.on_item then return end
  local ok, raised = xpcall(state.opts.on_item, with_traceback, {
    item = entry.params, key = entry.key, state = outcome.state, conversations = outcome.convs, error = outcome.error,
  })
  if not ok then halt(state, raised) end
end

local function finish(state, entry, outcome)
  -- Before the commit is waited for: others would begin their items meanwhile.
  if outcome.state == "failed" and state.opts.stop_on_error then
    state.stopper = outcome.error
    halt(state, outcome.error)
  end
  local ok, raised = pcall(store, state, entry, outcome)
  if not ok then
    state.halted = nil    -- it outweighs what the item has met
    halt(state, raised)
    return
  end
  count(state, outcome)
  if outcome.error then tell_first(state, entry, outcome.error) end
  tell_script(state, entry, outcome)
end

local function work(state)
  local ctx = {
    run = state.core, scoring = state.opts.score, on_truncated = state.opts.on_truncated, tries = state.opts.tries,
    on_retry = state.on_retry,
  }
  context.set(ctx)
  while true do
    local entry = take_ready(state)
    if not entry then break end
    while state.free == 0 and not state.halted do wait_in(state.slots) end
    if state.halted then break end
    state.free = state.free - 1
    local outcome = attempt(state, ctx, entry)
    state.free = state.free + 1
    wake_one(state.slots)
    if outcome then finish(state, entry, outcome) end
  end
  wake_all(state.slots)
end

--- --- the whole ---

local function spawn(state, what, fn)
  state.alive = state.alive + 1
  scheduler.spawn(function()
    local ok, raised = xpcall(fn, with_traceback, state)
    if not ok then halt(state, raised) end
    if what == "planner" then
      state.planned = true
      wake_all(state.idle)
    end
    state.alive = state.alive - 1
    if state.alive == 0 then scheduler.wake(state.done) end
  end)
end

local function work_through(state)
  state.done = scheduler.ticket()
  spawn(state, "planner", plan)
  -- Workers beyond the slots wait for commits while others use the slots.
  for _ = 1, state.concurrency + math.min(state.concurrency, 32) do spawn(state, "worker", work) end
  scheduler.wait(state.done)
end

local function as_items(items)
  if not sequence.is(items) then
    if type(items) ~= "table" then errors.misuse "confab.run: items must be a sequence or a list" end
    items = inputs.list(items)
  end
  return flags.limit and items:take(flags.limit) or items
end

local names_used = {}

local function name_of(opts)
  local name = opts.name or context.script_name()
  if not opts.name and names_used[name] then
    local base, n = name, 2
    repeat
      name, n = ("%s-%d"):format(base, n), n + 1
    until not names_used[name]
  end
  names_used[name] = true
  return name
end

local function tell_continued(state)
  local core_run = state.core
  if core_run.unknown_calls > 0 then
    core.progress.say(("run %q was interrupted: %d calls have an unknown outcome, worth up to %s"):format(core_run.name,
      core_run.unknown_calls, core.text.money(core_run.unknown_cost)))
  end
end

local function check(opts)
  opts = options.check(opts, run_specs, "confab.run")
  if (opts.template == nil) == (opts.step == nil) then errors.misuse "confab.run: give either template or step" end
  if opts.score then opts.score = scoring.new { opts.score } end
  return opts
end

--- What can be known of the template's calls before anything is sent.
local function check_template(tmpl)
  if type(tmpl.model) == "function" then return end
  local model = settings.check_model(settings.model(tmpl.model))
  local room = tmpl.max_tokens
  if type(room) == "number" and model.max_output > 0 and room > model.max_output then
    errors.misuse(("template %q: max_tokens is %d: %s takes at most %d")
      :format(tmpl.name, room, model.name, model.max_output))
  end
end

--- Works through the items: each is asked for, validated, scored and stored; returns when all are done.
--- Run again, it goes on where it was: what is finished is not asked for again.
--- Example: `local run = confab.run { items = items, template = support, score = confab.scoring.default }`
---@param opts confab.RunOptions
---@return confab.Run
function run.run(opts)
  opts = check(opts)
  scheduler.check_wait "confab.run"
  local items = as_items(opts.items)
  if opts.template then check_template(opts.template) end
  settings.open()

  local wanted = flags.concurrency or opts.concurrency
  local state = {
    opts = opts, items = items, concurrency = type(wanted) == "number" and wanted or AUTO_CONCURRENCY,
    core = core.run.open(context.add_script {
      name = name_of(opts), model = settings.model(opts.template and type(opts.template.model) == "string" and opts.template.model or nil),
      seed = opts.seed, fresh = flags.fresh,
    }),
    ready = {}, first = 1, last = 0, repeats = {}, idle = {}, full = {}, slots = {}, alive = 0,
    on_retry = opts.on_retry ~= nil or settings.given "on_retry" ~= nil,
    counts = { planned = 0, accepted = 0, needs_revision = 0, failed = 0, skipped = 0, replayed = 0 },
  }
  state.free = state.concurrency
  core.call.set_on_retry(opts.on_retry or settings.given "on_retry")
  tell_continued(state)

  local display <close> = progress.start(state)
  work_through(state)
  display:stop()
  if state.is_cut then scheduler.wait(scheduler.ticket()) end    -- a stop before the plan was whole: nothing comes
  return run.conclude(state)
end

--- Books how it ended, and makes the object that the script gets.
function run.conclude(state)
  local why = state.halted
  if not why and not flags.limit then state.core:orphans() end
  local stopped_by_item = why and why == state.stopper
  local state_name = not why and "done" or stopped_by_item and "stopped" or "failed"
  local ok, raised = pcall(state.core.set_state, state.core, state_name, why and why.message or nil,
    state.counts.planned, true)
  if not ok then error(why or raised, 0) end
  local account = core.store.run(state.core.id).account
  local failed = account.failed
  flags.failed_items = (flags.failed_items or 0) + failed
  if failed > 0 and not why then
    core.progress.warn(("run %q: %d of %d items failed; \"confab show %s\" tells why")
      :format(state.core.name, failed, account.planned, state.core.name))
  end
  local made = require "confab.results".new(state.core.id)
  if why and not stopped_by_item then
    core.progress.say(tostring(made.summary))
    error(why, 0)
  end
  return made
end

return run
