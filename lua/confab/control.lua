--- What is asked of a run from another terminal: `confab pause`, `tune`, `stop`. Rows of the
--- database say so; they are looked for every quarter of a second, and done with as soon as they
--- are obeyed.
local core = require "confab.core"

local control = {}

local WATCH_MS = 250
local MINUTE_MS = 60000

local runs = {}      -- the core's runs, by row
local tuners = {}    -- what sets the items in work of a run, by row
local lookers = {}   -- what is to look at how it is doing as often

--- Who has paused the sending; nil: nobody.
---@type string?
control.paused_by = nil

--- Ends one run of several, where that is not the end of the script (lua/confab/serve.lua).
---@type fun(run: table, by: string)?
control.on_stop = nil

local commands = {}

function commands.pause(run, by)
  core.engine.hold(true)
  control.paused_by = by
  run:set_state("paused", "paused by " .. by)
  core.progress.say(("run %q is paused by %s; `confab pause --off` lets it go on")
    :format(run.name, by))
end

commands["continue"] = function(run, by)
  core.engine.hold(false)
  control.paused_by = nil
  run:set_state("running")
  core.progress.say(("run %q goes on, says %s"):format(run.name, by))
end

function commands.stop(run, by)
  core.progress.say(("run %q is stopped by %s"):format(run.name, by))
  if control.on_stop then return control.on_stop(run, by) end
  core.scheduler.stop()
end

local amounts = { rpm = "max_requests", itpm = "max_input_tokens", otpm = "max_output_tokens" }

function commands.tune(run, by, arguments)
  local limits, parts = {}, {}
  for name, field in pairs(amounts) do
    local per_minute = arguments[name]
    if per_minute then
      limits[field] = math.max(per_minute * core.engine.status().window_ms // MINUTE_MS, 1)
      parts[#parts + 1] = ("%s %d"):format(name, per_minute)
    end
  end
  if next(limits) then core.engine.tune(limits) end
  local tune = arguments.concurrency and tuners[run.id]
  if tune then
    tune(arguments.concurrency)
    parts[#parts + 1] = ("concurrency %d"):format(arguments.concurrency)
  end
  table.sort(parts)
  core.progress.say(("run %q is tuned by %s: %s"):format(run.name, by, table.concat(parts, ", ")))
end

local function obey(row)
  local arguments = row.arguments and core.json.decode(row.arguments) or {}
  local run, command = runs[row.run], commands[row.command]
  if not run or not command then return end    -- of a newer confab
  command(run, type(arguments.by) == "string" and arguments.by or "somebody", arguments)
end

local function poll()
  for row in core.run.control do
    local ok, why = pcall(obey, row)
    if not ok then core.progress.warn(("%s: %s"):format(row.command, tostring(why))) end
    core.run.controlled(row.id)    -- which is news, so that the next is looked for
  end
  for _, look in next, lookers do look() end
end

--- Looks for what is asked of a run of this process from now on.
---@param run table  The core's run.
function control.watch(run)
  runs[run.id] = run
  core.scheduler.set_watch(WATCH_MS, poll)
end

--- The run is over: nothing is asked of it any more.
---@param run table
function control.forget(run)
  runs[run.id] = nil
end

--- Sets what changes the number of items in work of a run; nil: nothing does.
---@param run table
---@param tune? fun(concurrency: integer)
---@param look? fun()  Called each time it was looked for what is asked.
function control.set_tuner(run, tune, look)
  tuners[run.id], lookers[run.id] = tune, look
end

return control
