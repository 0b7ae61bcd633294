--- Coroutines that wait for one another: a list of tickets, woken in the order of their coming. An
--- empty table is an empty list. Waiting and waking take no longer if many wait.
local core = require "confab.core"

local waiters = {}

---@class confab.Waiters  Tickets at first, first + 1, ... last.
---@field first? integer
---@field last? integer

--- Waits in the list until it is this coroutine's turn.
---@param list confab.Waiters
function waiters.wait(list)
  local ticket = core.scheduler.ticket()
  local last = (list.last or 0) + 1
  list.last, list[last] = last, ticket
  return core.scheduler.wait(ticket)
end

--- Whether any waits.
---@param list confab.Waiters
---@return boolean
function waiters.are_there(list)
  return (list.first or 1) <= (list.last or 0)
end

--- Lets the first go on, if there is one.
---@param list confab.Waiters
function waiters.wake_one(list)
  if not waiters.are_there(list) then return end
  local first = list.first or 1
  local ticket = list[first]
  list[first], list.first = nil, first + 1
  core.scheduler.wake(ticket)
end

--- Lets all go on.
---@param list confab.Waiters
function waiters.wake_all(list)
  while waiters.are_there(list) do waiters.wake_one(list) end
end

--- Lets the others have a turn.
function waiters.breathe()
  local ticket = core.scheduler.ticket()
  core.scheduler.wake(ticket)
  core.scheduler.wait(ticket)
end

return waiters
