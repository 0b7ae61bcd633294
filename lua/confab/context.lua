--- Which item the running code works for: each worker's coroutine has one; the script's main chunk
--- has the item "" of the script's own run.
local again = require "confab.again"
local control = require "confab.control"
local core = require "confab.core"
local flags = require "confab.flags"
local interrupted = require "confab.interrupted"
local settings = require "confab.settings"
local waiters = require "confab.waiters"
require "confab.coroutines"

local context = {}

---@class confab.Context
---@field run table  The core's run.
---@field item userdata  The core's item.
---@field scoring? confab.Scoring
---@field on_truncated? string
---@field tries? integer
---@field on_retry? boolean
---@field on_text? fun(text: string, begun: integer)  Calls that generate conversations are streamed, and it sees them.
---@field alerts? confab.Alerts
---@field stopped? confab.Error  Met by a call of the item: no call can succeed any more.
---@field on_held? fun(call: { why: string, changed?: string, bound: integer }, request: table)  Nothing is sent: gets a call that would be, and does not return.
---@field params? table  The item's own parameters.
---@field step_limits? confab.StepLimits
---@field on_killed? fun(why: confab.Error)  Its step was ended by a limit.
---@field made? { call: table, request: table, ending?: table }  Of the run's template, see template_call.as_it_is.
---@field takes_no_look? boolean  The script looks at nothing that becomes of an item.
---@field on_limit? fun(why: confab.Error)  Ends the rest of the step, and says so to on_killed.
---@field branch? string  Of a step that branches: "2", and "2.1" in a branch of that branch.
---@field fibers? table<thread, boolean>  Those that work on the item now: its step's, and its branches'.
---@field times? confab.Times|false  What its step is told of the time; false: outside a step.

--- Under `confab estimate`: gets the first call outside every run that would be sent, and does not return.
---@type fun(call: table, request: table)?
context.on_held = nil

local scheduler = core.scheduler

--- Makes ctx the context of what runs in this fiber, also in coroutines of the script's own.
---@param ctx confab.Context
function context.set(ctx)
  scheduler.set_context(ctx)
  ctx.fibers = { [scheduler.fiber()] = true }
end

local own_proxy = {
  times = false, step_limits = false, fibers = setmetatable({}, { __mode = "k" }),
}

--- The context of this fiber from now on, which is to work on branches of the parent's; all but their
--- name is the parent's.
---@param parent? confab.Context  nil: the script's main chunk.
---@return confab.Context
function context.enter_branch(parent)
  parent = parent or own_proxy
  local ctx = setmetatable({ branch = "" }, { __index = parent, __newindex = parent })
  parent.fibers[scheduler.fiber()] = true
  scheduler.set_context(ctx)
  return ctx
end

--- This fiber is done with its branches.
---@param ctx confab.Context
function context.leave_branch(ctx)
  ctx.fibers[scheduler.fiber()] = nil
end

--- Ends what still waits in an item's step.
---@param ctx confab.Context
function context.discard(ctx)
  local fibers = ctx.fibers
  ctx.fibers = {}
  for fiber in next, fibers do
    if fiber ~= scheduler.fiber() then scheduler.discard(fiber) end
  end
end

--- This fiber begins to work on an item's step, or on a branch of it, within the limits of steps. What is
--- ended by a limit is the whole step: `ctx.on_killed(error)` is called in a fiber of its own once
--- nothing of it runs any more.
---@param ctx confab.Context
function context.begin_step(ctx)
  local limits = ctx.step_limits
  if not limits then return end
  ctx.on_limit = ctx.on_limit or function(why)    -- also for its branches: theirs is the step's
    context.discard(ctx)
    ctx.on_killed(why)
  end
  scheduler.limit(ctx.on_limit, limits.seconds, limits.memory_mb)
end

--- It is over.
function context.end_step()
  scheduler.limit()
end

--- "pipeline" for "examples/pipeline.lua"; "confab" where there is no script.
---@return string
function context.script_name()
  local path = flags.script
  if not path then return "confab" end
  return (path:match "([^/]+)$" or path):gsub("%.lua$", "")
end

--- Opens a run with the script, its arguments and options. With --failed the last replies of what failed
--- on content do not serve again. A run that a request over HTTP made has that in place of arguments.
---@param opts table  Fields of core.run.open: name, model, seed, source; request: JSON.
---@return table run  The core's run.
---@return confab.Since since
function context.open_run(opts)
  opts.script, opts.args = flags.script, opts.request or flags.args
  opts.script_text = not opts.request and flags.script_text or nil    -- so many of them would fill the database
  opts.script_hash = flags.script_text and core.hash.sha256hex(flags.script_text) or nil
  opts.options, opts.fresh = flags.options, flags.fresh
  local run = core.run.open(opts)
  if flags.plan then return run, { changes = {}, is_same = true } end
  local since = again.since(run, opts.model)
  if flags.failed and run.continued then run:set_aside() end
  control.watch(run)
  return run, since
end

local own, opening    -- of the script's own run; those who wait until it is open

local function open_own()
  settings.open()
  local run = context.open_run {
    -- A name of its own: a confab.run without a name has the script's, and ends by itself.
    name = context.script_name() .. " (calls)", model = settings.model(), seed = 0,
  }
  local item = run:draw { { key = "", ordinal = -1, params = "{}" } }[1]
  run:load(item)
  -- It only holds the calls: nothing of it is ever pending.
  if item.state ~= "done" and not flags.plan then run:finish(item, { state = "done" }) end
  return { run = run, item = item, on_held = context.on_held, on_retry = settings.given "on_retry" ~= nil }
end

interrupted.on_settled(function()
  opening = nil    -- who was about to open it is gone
  if own then own.run:renew(own.item) end
end)

local function get_own()
  while opening do waiters.wait(opening) end
  if own then return own end
  opening = {}
  local ok, result = pcall(open_own)
  local waiting = opening
  own, opening = ok and result or nil, nil
  waiters.wake_all(waiting)
  return own or error(result, 0)
end

setmetatable(own_proxy, {
  __index = function(_, name) return get_own()[name] end,
  __newindex = function(_, name, value) get_own()[name] = value end,
})

--- The context of the running code.
---@return confab.Context
function context.get()
  return scheduler.context() or get_own()
end

--- The same, without opening anything; nil: the script's main chunk.
---@return confab.Context?
function context.peek()
  return scheduler.context()
end

return context
