--- What an interrupt at the prompt leaves behind: replies that are in flight, for calls of which nobody waits any
--- more. They are stored when they come, and serve whoever asks for the same next.
local core = require "confab.core"

local interrupted = {}

local LOOK_MS = 20

--- Whether there is something to be settled before the next call.
interrupted.is_open = false

local renewals = {}

--- Has f called once the replies are there.
---@param f fun()
function interrupted.on_settled(f) renewals[#renewals + 1] = f end

--- There was an interrupt.
function interrupted.happened() interrupted.is_open = true end

--- Waits until what was in flight has come.
function interrupted.settle()
  if not interrupted.is_open then return end
  interrupted.is_open = false
  if core.engine.is_open() and core.engine.status().in_flight > 0 then
    core.progress.say "waiting for the replies that are in flight"
    local done = core.scheduler.ticket()
    core.scheduler.set_tick(LOOK_MS, function()
      if not done or core.engine.status().in_flight > 0 then return end
      core.scheduler.wake(done, true)
      done = nil
    end)
    core.scheduler.wait(done)
    core.scheduler.set_tick(LOOK_MS, nil)
  end
  for _, renew in ipairs(renewals) do renew() end
end

return interrupted
