--- What the program changes in a script's globals, before the script runs: it does the same in every
--- process (`pairs` in sorted order, random numbers from the run's seed, the time in a step as it was
--- told first), modules can wait while they load, and its end is orderly. A user's own interpreter is
--- left as it is, but for its coroutines (lua/confab/coroutines.lua).
local core = require "confab.core"
require "confab.coroutines"

pairs = core.pairs.pairs
math.random = core.random.random
math.randomseed = core.random.randomseed

-- Loaded when it is first needed: this file runs before the command line is known.
local function times() return require "confab.times" end

local function in_step() return core.scheduler.context() ~= nil end

local os_time, os_date, os_clock = os.time, os.date, os.clock

--- os.time; inside a step without a table: what is recorded with the item.
function os.time(at)
  if at == nil and in_step() then return times().seconds() end
  return os_time(at)
end

--- os.date; inside a step the time it takes by itself is recorded.
function os.date(format, at)
  if at == nil then at = os.time() end
  return os_date(format or "%c", at)
end

--- os.clock; inside a step it is recorded, in milliseconds.
function os.clock()
  if in_step() then return times().processor(os_clock) end
  return os_clock()
end

local sethook = debug.sethook

--- debug.sethook, but not in a step that has limits: they are kept by a hook.
function debug.sethook(...)
  if core.scheduler.is_limited() then
    error("debug.sethook cannot be used in a step: its limits are kept by a hook (step_limits = false takes them away)", 2)
  end
  return sethook(...)
end

require = require "confab.require"

--- Ends the script as returning would: what is in flight is awaited and stored.
---@param code? boolean|integer
function os.exit(code)
  if code == nil or code == true then code = 0 elseif code == false then code = 1 end
  core.scheduler.exit(code)
end

return true
