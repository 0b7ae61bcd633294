--- Which item the running code works for: each worker's coroutine has one; the script's main chunk
--- has the item "" of the script's own run.
local again = require "confab.again"
local control = require "confab.control"
local core = require "confab.core"
local flags = require "confab.flags"
local settings = require "confab.settings"

local context = {}

---@class confab.Context
---@field run table  The core's run.
---@field item userdata  The core's item.
---@field scoring? confab.Scoring
---@field on_truncated? string
---@field tries? integer
---@field on_retry? boolean
---@field alerts? confab.Alerts
---@field stopped? confab.Error  Met by a call of the item: no call can succeed any more.
---@field on_held? fun(call: { why: string, changed?: string, bound: integer }, request: table)  Nothing is sent: gets a call that would be, and does not return.
---@field params? table  The item's own parameters.

--- Under `confab estimate`: gets the first call outside every run that would be sent, and does not return.
---@type fun(call: table, request: table)?
context.on_held = nil

local by_coroutine = setmetatable({}, { __mode = "k" })
local own    -- of the script's own run

--- Makes ctx the context of the running coroutine; nil: none.
---@param ctx confab.Context?
function context.set(ctx)
  by_coroutine[coroutine.running()] = ctx
end

--- "pipeline" for "examples/pipeline.lua"; "confab" where there is no script.
---@return string
function context.script_name()
  local path = flags.script
  if not path then return "confab" end
  return (path:match "([^/]+)$" or path):gsub("%.lua$", "")
end

--- Opens a run with the script, its arguments and options. With --failed the last replies of what failed
--- on content do not serve again.
---@param opts table  Fields of core.run.open: name, model, seed.
---@return table run  The core's run.
---@return confab.Since since
function context.open_run(opts)
  opts.script, opts.script_text, opts.args = flags.script, flags.script_text, flags.args
  opts.script_hash = flags.script_text and core.hash.sha256hex(flags.script_text) or nil
  opts.options, opts.fresh = flags.options, flags.fresh
  local run = core.run.open(opts)
  if flags.plan then return run, { changes = {}, is_same = true } end
  local since = again.since(run, opts.model)
  if flags.failed and run.continued then run:set_aside() end
  control.watch(run)
  return run, since
end

--- The context of the running code.
---@return confab.Context
function context.get()
  local ctx = by_coroutine[coroutine.running()]
  if ctx then return ctx end
  if not own then
    settings.open()
    local run = context.open_run {
      -- A name of its own: a confab.run without a name has the script's, and ends by itself.
      name = context.script_name() .. " (calls)", model = settings.model(), seed = 0,
    }
    local item = run:draw { { key = "", ordinal = -1, params = "{}" } }[1]
    run:load(item)
    -- It only holds the calls: nothing of it is ever pending.
    if item.state ~= "done" and not flags.plan then run:finish(item, { state = "done" }) end
    own = { run = run, item = item, on_held = context.on_held, on_retry = settings.given "on_retry" ~= nil }
  end
  return own
end

return context
