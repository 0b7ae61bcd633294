--- `confab.run`: items drawn, worked on by many coroutines at once, finished one by one.
---
--- The planner (lua/confab/plan.lua) hands the items out, workers take them from there. The main chunk
--- waits until the last worker is done.
local acceptance = require "confab.acceptance"
local again = require "confab.again"
local budget = require "confab.budget"
local concurrency = require "confab.concurrency"
local context = require "confab.context"
local control = require "confab.control"
local core = require "confab.core"
local defined = require "confab.defined"
local drawing = require "confab.drawing"
local duration = require "confab.duration"
local errors = require "confab.errors"
local events = require "confab.events"
local flags = require "confab.flags"
local generate = require "confab.generate"
local in_work = require "confab.in_work"
local interrupted = require "confab.interrupted"
local inputs = require "confab.inputs"
local kept = require "confab.kept"
local options = require "confab.options"
local plan = require "confab.plan"
local progress = require "confab.progress"
local rehearsal = require "confab.rehearsal"
local results = require "confab.results"
local scoring = require "confab.scoring"
local sequence = require "confab.sequence"
local settings = require "confab.settings"
local standing = require "confab.standing"
local step_limits = require "confab.step_limits"
local step_result = require "confab.step_result"
local template = require "confab.template"
local template_call = require "confab.template_call"
local times = require "confab.times"
local waiters = require "confab.waiters"
local words = require "confab.words"

local scheduler = core.scheduler

local run = {}

local halt = plan.halt

local COMMITTING = 32          -- workers beyond those, that wait for commits while others use the slots

---@class confab.RunOptions
---@field items confab.Sequence|any[]
---@field template? confab.Template  What to ask for each item; or
---@field step? fun(item: any): confab.Conversation|confab.Conversation[]|nil  a function that does the work.
---@field name? string  Default: the script's file name.
---@field key? fun(item: any): string|integer  What identifies an item (default: its parameters).
---@field concurrency? integer|"auto"  Items in work at once.
---@field stop_on_error? boolean  The first failed item ends the run (default: false).
---@field score? confab.Scoring|confab.Rule
---@field accept? integer  The run ends when so many items are accepted (default: with the last item).
---@field tries? integer  How often a reply that does not serve is asked for (default: 1).
---@field on_truncated? "salvage"|"continue"|"fail"
---@field on_item? fun(result: { item: any, key: string, state: string, conversations: confab.Conversation[], error?: confab.Error })
---@field on_retry? fun(attempt: integer, error: confab.Error, delay_ms: integer)
---@field budget? number  The most that it may cost in its whole life, in dollars.
---@field alert_at? number[]  Shares of the budget to be told of, such as { 0.5, 0.9 }.
---@field on_alert? fun(share: number, spent: number, budget: number)
---@field max_outage? number|string  How long the service may be away: seconds, or "6h" (the default).
---@field seed? integer  Of math.random in steps (default: 0).
---@field step_limits? confab.StepLimits|false  What a step may take between two waits, under `confab`.

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
  accept = { type = "integer", min = 1 },
  tries = { type = "integer", min = 1, max = 100, default = 1 },
  on_truncated = { type = "string", one_of = { "salvage", "continue", "fail" } },
  on_item = { type = "callable" }, on_retry = { type = "callable" },
  budget = budget.specs.budget, alert_at = budget.specs.alert_at, on_alert = budget.specs.on_alert,
  max_outage = duration.spec, seed = { type = "integer", default = 0 }, step_limits = step_limits.spec,
}

--- What one confab.run holds while it works.
---@class confab.RunState
---@field core table  The core's run.
---@field ready table[]  Drawn items, first to last; [first..last].
---@field drawing confab.Drawing
---@field is_kept? fun(state: confab.RunState, entry: confab.Entry): boolean  See kept.of.
---@field unfinished confab.Marks  Ordinals of items for a later pass; and
---@field finished confab.Marks  of those that were finished before, the first `passed_over` items with them.
---@field passed_over integer
---@field since confab.Since
---@field again? confab.Again  Set if all items are looked at before anything is sent.
---@field concurrency integer  Items in work at once; `free` of them are not in use.
---@field at_once confab.Concurrency
---@field counts table<string, integer>
---@field acceptance confab.Acceptance
---@field plain table<confab.Template, table>  Requests of plain templates, see generate.call_hash.
---@field rehearsal confab.Rehearsal

--- --- the workers ---

local NONE = {}

local function do_step(state, ctx, params)
  if state.opts.template then
    local conv, ended = generate.with_template(ctx, state.opts.template, params, template_call.as_it_is)
    return conv and { conv } or NONE, ended
  end
  local convs = step_result.conversations(state.opts.step, state.opts.step(params))
  for _, conv in ipairs(convs) do
    local fields = core.conversation.fields(conv)
    if fields.score == nil then generate.score(conv, ctx.scoring) end
    fields.parameters = fields.parameters or params
  end
  return convs
end

--- Whether an item that was finished before came to the same end, with nothing asked for: it is left as it is.
local function is_as_found(item, outcome_state)
  return item.existed and item.state == outcome_state and item.new_calls == 0
end

--- The conversations of an item, and their rows for the database if they are to be stored; or what it has ended
--- with, see generate.with_template.
local function work_on(state, ctx, params)
  local convs, ended = do_step(state, ctx, params)
  if ended then return NONE, NONE, ended end
  if is_as_found(ctx.item, #convs > 0 and "done" or "skipped") then return convs, {} end
  return convs, generate.rows(convs)
end

--- Offline an item that failed on the way to a reply is left as it is: it is finished, too.
local function kept_failure(state, entry)
  local kind, message = state.core:failure(entry.key)
  return { state = "failed", error = errors.new(kind, message), convs = {}, rows = {}, is_kept = true }
end

--- What the script's functions are told of the time and of chance is the item's. Of an item that ends with its reply
--- there are none.
local function begin_again(state, ctx, entry)
  if ctx.made and ctx.made.ending then return end
  scheduler.seed(core.hash.hash64(state.core.seed, entry.key))
  if ctx.times then ctx.times:rewind() else ctx.times = times.new(state.core, entry.item, entry.key) end
end

local function try(state, ctx, entry)
  ctx.item, ctx.params = entry.item, entry.params
  ctx.times = nil
  state.core:load(entry.item)
  if entry.item.state == "done" and state.opts.template then
    if not template.is_plain(state.opts.template) then begin_again(state, ctx, entry) end
    local stands, accepted = kept.stands(state, entry)
    if stands then return { state = "done", convs = {}, rows = {}, is_kept = true, accepted = accepted } end
  end
  begin_again(state, ctx, entry)    -- also after a look: the template's functions may have drawn from it
  ctx.stopped = nil
  local ok, result, rows, ended = xpcall(work_on, errors.in_script, state, ctx, entry.params)
  if ctx.times then ctx.times:flush() end
  if not ok and not errors.is(result) then result = errors.new("script_error", tostring(result)) end    -- no memory
  if ctx.stopped then                  -- whatever the step made of it
    local is_kept = flags.offline and entry.item.state == "failed" and ctx.stopped.unsent
    if is_kept then return kept_failure(state, entry) end
    halt(state, ctx.stopped)
    return nil
  end
  if ok then
    return { state = (ended or #result > 0) and "done" or "skipped", convs = result, rows = rows, ended = ended }
  end
  if result.kind == "cancelled" then return nil end
  return { state = "failed", error = result, convs = {}, rows = {} }
end

--- Works on one item: its outcome, or nil if it is to stay pending.
local function attempt(state, ctx, entry)
  context.begin_step(ctx)
  local outcome = try(state, ctx, entry)
  context.end_step()
  return outcome
end

--- The same for a step that was ended by its limits.
local function killed(state, ctx, why)
  if ctx.stopped then                  -- it went on for ever about that
    halt(state, ctx.stopped)
    return nil
  end
  return { state = "failed", error = errors.locate(why), convs = {}, rows = {} }
end

--- Often the first failure is one that every item meets; --verbose tells the others, too. What failed in an earlier run
--- was told then, but for a mistake in the script or in its settings.
local function tell_failure(state, entry, failure, is_replayed)
  local is_mistake = failure.kind == "config_error" or failure.kind == "script_error"
  local tell = (state.told or (is_replayed and not is_mistake)) and core.progress.detail or core.progress.warn
  state.told = state.told or tell == core.progress.warn and failure.message or nil
  tell(("item %s failed: %s%s"):format(errors.show(entry.params, 80), failure.message,
    errors.script_frames(failure.traceback or "", failure.message)))
end

local function is_accepted(conv)
  local status = core.conversation.fields(conv).status
  return status ~= "needs_revision" and status ~= "rejected"
end

--- What is left as it is counts as the database has it, else as it has just come out.
local function is_outcome_accepted(item, outcome)
  if outcome.state ~= "done" then return false end
  if outcome.ended then return standing.is_enough(outcome.ended.score) end
  if outcome.is_kept or is_as_found(item, "done") then return item.accepted end
  for _, conv in ipairs(outcome.convs) do
    if not is_accepted(conv) then return false end
  end
  return true
end

local function count(state, outcome_state, accepted, found)
  local name = outcome_state ~= "done" and outcome_state or accepted and "accepted" or "needs_revision"
  state.counts[name] = state.counts[name] + 1
  state.acceptance:count(accepted, found)
  if state.acceptance:is_reached() then halt(state, acceptance.reached) end
end

--- Counts an item that the planner leaves as it is.
local function count_kept(state, accepted)
  state.counts.replayed = state.counts.replayed + 1
  count(state, "done", accepted, "done")
  events.kept(state)
end

--- Whether it was left as it is.
local function store(state, entry, outcome)
  if outcome.is_kept or is_as_found(entry.item, outcome.state) then
    state.counts.replayed = state.counts.replayed + 1
    return true
  end
  if outcome.ended then return false end
  local failure = outcome.error
  state.core:finish(entry.item, {
    state = outcome.state, conversations = outcome.rows,
    error_kind = failure and failure.kind, error_message = failure and failure.message,
  })
end

local function tell_script(state, entry, outcome)
  if not state.opts.on_item then return end
  local ok, raised = xpcall(state.opts.on_item, errors.in_script, {
    item = entry.params, key = entry.key, state = outcome.state, conversations = outcome.convs, error = outcome.error,
  })
  if not ok then halt(state, raised) end
end

local function finish(state, entry, outcome)
  local failure = outcome.error
  if failure then
    failure.details = failure.details or {}
    failure.details.item = entry.params
  end
  -- Before the commit is waited for: others would begin their items meanwhile.
  if outcome.state == "failed" and state.opts.stop_on_error then
    state.stopper = outcome.error
    halt(state, outcome.error)
  end
  if not outcome.is_kept then state.counts.sent = state.counts.sent + entry.item.new_calls end
  local ok, result = pcall(store, state, entry, outcome)
  if not ok then
    state.halted = nil    -- it outweighs what the item has met
    halt(state, result)
    return
  end
  local accepted = is_outcome_accepted(entry.item, outcome)
  count(state, outcome.state, accepted, entry.item.state)
  events.item(state, entry, outcome, accepted)
  if outcome.error then tell_failure(state, entry, outcome.error, result) end
  tell_script(state, entry, outcome)
end

local function new_context(state)
  return {
    run = state.core, scoring = state.opts.score, on_truncated = state.opts.on_truncated, tries = state.opts.tries,
    on_retry = state.on_retry, alerts = state.alerts, step_limits = state.step_limits,
    takes_no_look = state.opts.on_item == nil,
  }
end

local function settle(state, entry, outcome)
  state.free = state.free + 1
  waiters.wake_one(state.slots)
  if outcome then finish(state, entry, outcome) end
  state.acceptance:finish()
  state.rehearsal:finish(state.core, entry, outcome)
end

local spawn

local function work(state)
  local ctx, entry = new_context(state), nil
  context.set(ctx)
  function ctx.on_killed(why)          -- with the step its worker is gone: another takes its place
    state.alive = state.alive - 1
    spawn(state, function()
      settle(state, entry, killed(state, ctx, why))
      work(state)
    end)
  end
  while true do
    entry = plan.take(state)
    if not entry then break end
    state.rehearsal:begin(state)
    state.acceptance:begin(state)
    while state.free <= 0 and not state.halted do waiters.wait(state.slots) end
    if state.halted then break end
    state.free = state.free - 1
    settle(state, entry, attempt(state, ctx, entry))
  end
  state.rehearsal:release()
  waiters.wake_all(state.slots)
end

--- --- the whole ---

function spawn(state, fn)
  state.alive = state.alive + 1
  scheduler.spawn(function()
    local ok, raised = xpcall(fn, errors.in_script, state)
    if not ok then halt(state, raised) end
    if fn == plan.run then plan.close(state) end
    state.alive = state.alive - 1
    if state.alive == 0 then scheduler.wake(state.done) end
  end)
end

--- So many items are in work at once, from now on.
local function set_concurrency(state, items)
  state.free = state.free + items - state.concurrency
  state.concurrency = items
  local wanted = items + math.min(items, COMMITTING)
  while state.workers < wanted do
    state.workers = state.workers + 1
    spawn(state, work)
  end
  waiters.wake_all(state.slots)
end

local function work_through(state)
  state.done = scheduler.ticket()
  spawn(state, plan.run)
  set_concurrency(state, state.at_once.items)
  local function look()
    local items = state.at_once:look(scheduler.now(), core.engine.status(), state.free)
    local has_more = not state.planned or state.first <= state.last or waiters.are_there(state.slots)
    if items ~= state.concurrency and has_more then set_concurrency(state, items) end
  end
  control.set_tuner(state.core, function(wanted)
    state.at_once:set(wanted)
    look()
  end, look)
  scheduler.wait(state.done)
  control.set_tuner(state.core, nil)
end

local function as_items(items)
  if not sequence.is(items) then
    if type(items) ~= "table" then errors.misuse "confab.run: items must be a sequence or a list" end
    items = inputs.list(items)
  end
  return flags.limit and items:take(flags.limit) or items
end

local names_used = {}

--- Its own name, else the script's, the second time with a number. One name twice would set the items
--- of the first aside.
local function name_of(opts)
  local name = opts.name or context.script_name()
  if opts.name and names_used[name] then
    errors.misuse(("confab.run: this script has a run %q already; give each its own name"):format(name))
  end
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
    core.progress.say(("run %q was interrupted: %d %s an unknown outcome, worth up to %s"):format(core_run.name,
      core_run.unknown_calls, core_run.unknown_calls == 1 and "call has" or "calls have",
      core.text.money(core_run.unknown_cost)))
  end
end

local function check(opts)
  opts = options.check(opts, run_specs, "confab.run")
  if (opts.template == nil) == (opts.step == nil) then errors.misuse "confab.run: give either template or step" end
  if opts.score then opts.score = scoring.new { opts.score } end
  return opts
end

--- What can be known of the template's calls before anything is sent.
local function check_template(tmpl, limit)
  if type(tmpl.model) == "function" then return end
  local model = settings.check_model(settings.model(tmpl.model))
  if limit and not model.is_priced then
    errors.misuse(("template %q: the price of %q is not known, so no budget can be kept; give it " ..
      "one with confab.setup { models = { [%q] = { price = ... } } }"):format(tmpl.name, model.name, model.name))
  end
  local room = tmpl.max_tokens
  if type(room) == "number" and model.max_output > 0 and room > model.max_output then
    errors.misuse(("template %q: max_tokens is %d: %s takes at most %d")
      :format(tmpl.name, room, model.name, model.max_output))
  end
end

local function work_off(opts, name)
  scheduler.check_wait "confab.run"
  interrupted.settle()
  local items = as_items(opts.items)
  local limit = budget.in_force(opts.budget)
  if opts.template then
    check_template(opts.template, limit or budget.in_force(settings.given "budget"))
  end
  settings.open()

  local wanted = flags.concurrency or opts.concurrency
  local state = {
    opts = opts, items = items, concurrency = 0, free = 0, workers = 0,
    model = settings.model(opts.template and type(opts.template.model) == "string" and opts.template.model or nil),
    plain = {}, ready = {}, first = 1, last = 0, idle = {}, full = {}, slots = {}, alive = 0,
    on_retry = opts.on_retry ~= nil or settings.given "on_retry" ~= nil,
    counts = { planned = 0, accepted = 0, needs_revision = 0, failed = 0, skipped = 0, replayed = 0, sent = 0 },
    attempt = attempt, killed = killed, finish = finish, count_kept = count_kept,
    step_limits = step_limits.of(opts.step_limits, settings.given "step_limits"),
  }
  state.core, state.since = context.open_run {
    name = name, seed = opts.seed, model = state.model, budget = limit, source = opts.source, request = opts.request,
  }
  if opts.on_open then opts.on_open(state) end
  state.drawing, state.is_kept = drawing.new(state.core, opts.key), kept.of(state)
  function state.new_context() return new_context(state) end
  core.call.set_on_retry(opts.on_retry or settings.given "on_retry")
  if flags.plan then return require "confab.estimate".run(state) end
  state.alerts = budget.alerts(state.core, opts.alert_at or settings.given "alert_at",
    opts.on_alert or settings.given "on_alert")
  core.engine.set_max_outage(duration.ms(
    opts.max_outage or settings.given "max_outage" or duration.default_outage))
  tell_continued(state)
  state.acceptance = acceptance.new(state.core, opts.accept,
    again.must_look(state.core, state.since, opts.key ~= nil))
  if state.acceptance:is_reached() then halt(state, acceptance.reached) end

  in_work.add(state)
  local display <close> = progress.start(state)
  state.at_once = concurrency.new(wanted)
  state.rehearsal = rehearsal.new(state.core, display.total, state.at_once.items)
  work_through(state)
  display:stop()
  if state.is_cut then scheduler.wait(scheduler.ticket()) end    -- a stop before the plan was whole: nothing comes
  return run.conclude(state)
end

--- Works through the items: each is asked for, validated, scored and stored; returns when all are done.
--- Run again, it goes on where it was: what is finished is not asked for again.
--- Example: `local run = confab.run { items = items, template = support, score = confab.scoring.default }`
---@param opts confab.RunOptions
---@return confab.Run
function run.run(opts)
  opts = check(opts)
  local name = name_of(opts)
  if not flags.defines then return work_off(opts, name) end
  return defined.new(name, function(extra) return run.work_off(opts, name, extra) end, opts)
end

---@class confab.RunExtra  What a server adds to a run.
---@field source? string  "http"
---@field request? string  JSON; of a run that no script defines: what asked for it.
---@field on_open? fun(state: confab.RunState)  It stands in the database.
---@field on_drawn? fun()  All of its items do; it is whole there before its workers have caught up.

--- Works through a run that is not the script's own call: one that was defined, or asked for over HTTP.
---@param opts confab.RunOptions
---@param name string
---@param extra? confab.RunExtra
---@return confab.Run
function run.work_off(opts, name, extra)
  opts = check(opts)
  for field, value in next, extra or {} do opts[field] = value end
  return work_off(opts, name)
end

local function length_of(items)
  local ok, length = pcall(function() return #items end)
  return ok and length or nil
end

--- The names of runs may be used again: another script, or the next input at a prompt.
function run.forget_names() names_used = {} end

--- Books how it ended, and makes the object that the script gets.
function run.conclude(state)
  in_work.remove(state)
  local why, planned = state.halted, state.counts.planned
  if why == acceptance.reached then
    why, planned = nil, nil
  elseif not why and not flags.limit then
    state.drawing:close()
    again.is_whole(state.core, state.model)
  end
  state.acceptance:settle(state.core)
  local stopped_by_item = why and why == state.stopper
  local is_spent = why and why.kind == "budget_error"
  if is_spent then budget.suggest(state.core, length_of(state.items)) end
  local state_name = not why and "done" or is_spent and "budget" or stopped_by_item and "stopped"
    or "failed"
  local ok, raised = pcall(state.core.set_state, state.core, state_name, why and why.message or nil,
    planned, true)
  if not ok then error(why or raised, 0) end
  local account = core.store.run(state.core.id).account
  local failed = account.failed
  flags.failed_items = (flags.failed_items or 0) + failed
  if failed > 0 and not why then
    local reasons = table.concat(results.failure_lines(state.core.id, state.told), "; ")
    core.progress.warn(("run %q: %s of %s items failed: %s; \"confab show %s%s\" tells more"):format(state.core.name,
      core.text.number(failed), core.text.number(account.planned), reasons, words.shell(state.core.name),
      settings.db_flag()))
  end
  scoring.tell_troubles(scoring.take_troubles())
  acceptance.check(state.core.name, account, state.opts.accept)
  local made = results.new(state.core.id, { accept = state.opts.accept, counts = state.counts })
  if why and not stopped_by_item then
    core.progress.say(tostring(made.summary))
    error(why, 0)
  end
  return made
end

return run
