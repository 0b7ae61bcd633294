--- What a step may take between two waits, so that one that runs away (a loop without end, memory
--- without end) does not take the run with it. Under `confab` only: see src/lua/limits.h.
local errors = require "confab.errors"
local options = require "confab.options"

local step_limits = {}

-- Far beyond what a step does in earnest: it mostly waits.
local DEFAULT_SECONDS, DEFAULT_MEMORY_MB = 60, 1024

---@class confab.StepLimits
---@field seconds? number  Of computing, between two waits (default: 60).
---@field memory_mb? number  By which memory may grow, between two waits (default: 1024).

local specs = {
  seconds = { type = "number", min = 0.05, max = 1e6, default = DEFAULT_SECONDS },
  memory_mb = { type = "number", min = 1, max = 1e7, default = DEFAULT_MEMORY_MB },
}

--- How options name it: a table, or false for no limits.
step_limits.spec = { type = "any", check = function(value)
  if value == false then return nil end
  if type(value) ~= "table" then return "must be a table such as { seconds = 60, memory_mb = 1024 }, or false" end
  local ok, why = pcall(options.check, value, specs, "step_limits")
  if not ok then return "is not right: " .. (errors.is(why) and why.message or tostring(why)) end
end }

--- The limits in force.
---@param of_run? confab.StepLimits|false
---@param of_script? confab.StepLimits|false  For runs that name none.
---@return confab.StepLimits?  nil: none.
function step_limits.of(of_run, of_script)
  local given = of_run
  if given == nil then given = of_script end
  if given == false then return nil end
  return options.check(given or {}, specs, "step_limits")
end

return step_limits
