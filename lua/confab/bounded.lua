--- Code of a script's own inside something larger, such as a rule that scores: where it runs away it is ended by
--- itself, and what is around it goes on.
local core = require "confab.core"

local scheduler = core.scheduler

local bounded = {}

--- The limits for code in the running step; nil: it has none, or nothing can wait here for what is ended.
---@return confab.StepLimits?
function bounded.limits()
  local ctx = scheduler.context()
  if not ctx or not ctx.step_limits or not scheduler.is_limited() then return nil end
  return pcall(scheduler.check_wait, "a rule") and ctx.step_limits or nil
end

--- Calls a function, which must not raise, in a fiber of its own with the context of this one; waits for it.
---@param limits confab.StepLimits
---@param seed integer  Of its random numbers: those of the step stay as they are.
---@param fn fun()
---@return confab.Error? ended  It was ended by a limit, for this reason.
function bounded.call(limits, seed, fn)
  local ctx, done, fiber, ended = scheduler.context(), scheduler.ticket(), nil, nil
  local function finish()
    if ctx and ctx.fibers then ctx.fibers[fiber] = nil end
    scheduler.wake(done)
  end
  scheduler.spawn(function()
    fiber = scheduler.fiber()
    if ctx then
      scheduler.set_context(ctx)
      if ctx.fibers then ctx.fibers[fiber] = true end
    end
    scheduler.seed(seed)
    scheduler.limit(function(why)
      ended = why
      finish()
    end, limits.seconds, limits.memory_mb)
    fn()
    scheduler.limit()
    finish()
  end)
  scheduler.wait(done)
  return ended
end

return bounded
