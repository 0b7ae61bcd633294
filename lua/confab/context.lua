--- Which item the running code works for: each worker's coroutine has one; the script's main chunk
--- has the item "" of the script's own run.
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
---@field stopped? confab.Error  Met by a call of the item: no call can succeed any more.
---@field params? table  The item's own parameters.

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

--- Facts about the script that a run keeps.
---@param opts table  Fields of core.run.open.
---@return table opts
function context.add_script(opts)
  opts.script, opts.script_text, opts.args = flags.script, flags.script_text, flags.args
  opts.options = flags.options
  opts.script_hash = flags.script_text and core.hash.sha256hex(flags.script_text) or nil
  return opts
end

--- The context of the running code.
---@return confab.Context
function context.get()
  local ctx = by_coroutine[coroutine.running()]
  if ctx then return ctx end
  if not own then
    settings.open()
    local run = core.run.open(context.add_script {
      -- A name of its own: a confab.run without a name has the script's, and ends by itself.
      name = context.script_name() .. " (calls)", model = settings.model(), seed = 0,
      fresh = flags.fresh,
    })
    local item = run:draw { { key = "", ordinal = -1, params = "{}" } }[1]
    run:load(item)
    own = { run = run, item = item, on_retry = settings.given "on_retry" ~= nil }
  end
  return own
end

return context
