-- What scripts/bench measures: what it costs to switch from one waiting step to the next.
--   confab run switching.lua -- SWITCHES [DEPTH]
-- DEPTH: so many coroutines of the script's own lie around each wait. Prints nanoseconds a switch.
local scheduler = require "confab.core".scheduler

local count, depth = tonumber(arg[1]), tonumber(arg[2]) or 0

local function inside(levels, fn)
  if levels == 0 then return fn() end
  return coroutine.wrap(function() return inside(levels - 1, fn) end)()
end

--- Two fibers that let one another go on in turn.
local turn, left, done = {}, count, scheduler.ticket()
local function player(me, other)
  return function()
    inside(depth, function()
      while left > 0 do
        left = left - 1
        turn[me] = scheduler.ticket()
        if turn[other] then
          local ticket = turn[other]
          turn[other] = nil
          scheduler.wake(ticket)
        end
        scheduler.wait(turn[me])
      end
      if turn[other] then scheduler.wake(turn[other]) end
      turn[other] = nil
      if done then scheduler.wake(done) end
      done = nil
    end)
  end
end

local begin = os.clock()
scheduler.spawn(player(1, 2))
scheduler.spawn(player(2, 1))
scheduler.wait(done)
print(("%.0f"):format((os.clock() - begin) / count * 1e9))
