--- Coroutines that wait for one another: a list of tickets, woken in the order of their coming.
local core = require "confab.core"

local waiters = {}

--- Waits in the list until it is this coroutine's turn.
---@param list integer[]
function waiters.wait(list)
  local ticket = core.scheduler.ticket()
  list[#list + 1] = ticket
  return core.scheduler.wait(ticket)
end

--- Lets the first go on, if there is one.
---@param list integer[]
function waiters.wake_one(list)
  local ticket = table.remove(list, 1)
  if ticket then core.scheduler.wake(ticket) end
end

--- Lets all go on.
---@param list integer[]
function waiters.wake_all(list)
  while #list > 0 do waiters.wake_one(list) end
end

return waiters
