--- The time as a step is told it: recorded with the item, in the order of the asking, and told again on
--- replay. Each branch has its own record.
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"

local times = {}

local ENTRIES_MAX = 100000    -- of one branch; a loop that watches the clock gets one a millisecond

--- What an item's step was told: for each clock and branch a list of value, repeats, value, repeats …
---@class confab.Times
---@field item userdata
---@field key string
---@field run table
---@field recorded? table<string, integer[]>  nil: not read yet.
---@field places? table<string, { at: integer, used: integer }>  Of this pass.
---@field is_changed boolean
local Times = {}
Times.__index = Times

--- Of an item whose step begins.
---@param run table  The core's run.
---@param item userdata
---@param key string
---@return confab.Times
function times.new(run, item, key)
  return setmetatable({ run = run, item = item, key = key, is_changed = false }, Times)
end

--- The step begins again.
function Times:rewind()
  self.places = nil
end

local function read(self)
  local json = self.item.existed and self.run:recorded(self.key) or nil
  return json and core.json.decode(json) or {}
end

--- What is told of the clock this time; `now` if there is no record of it yet.
---@param clock string  One letter.
---@param branch string
---@param now integer
---@return integer
function Times:tell(clock, branch, now)
  self.recorded, self.places = self.recorded or read(self), self.places or {}
  local name = clock .. branch
  local list, place = self.recorded[name], self.places[name]
  if not list then
    list = {}
    self.recorded[name] = list
  end
  if not place then
    place = { at = 1, used = 0 }
    self.places[name] = place
  end
  if list[place.at] then
    local value = list[place.at]
    place.used = place.used + 1
    if place.used >= list[place.at + 1] then place.at, place.used = place.at + 2, 0 end
    return value
  end

  local last = #list - 1
  if list[last] == now then
    list[last + 1] = list[last + 1] + 1
  elseif #list >= 2 * ENTRIES_MAX then
    errors.mistake(("the step asked for the time more than %d times"):format(ENTRIES_MAX))
  else
    list[last + 2], list[last + 3] = now, 1
    place.at = #list + 1
  end
  self.is_changed = true
  return now
end

--- Gives what is new to the database; it is there before any call that follows.
function Times:flush()
  if not self.is_changed or flags.plan then return end
  self.is_changed = false
  core.run.record(self.item, core.json.encode(self.recorded))
end

local function tell(clock, now)
  local ctx = context.peek()
  local told = ctx and ctx.times
  if not told then return now end
  return told:tell(clock, ctx.branch or "", now)
end

--- The time in seconds since 1970, with milliseconds. In a step it is recorded with the item, so a replay
--- is told the same.
--- Example: `local age = confab.now() - item.created_at`
---@return number
function times.now()
  return tell("t", core.scheduler.unix_ms()) / 1000
end

--- The same in whole seconds, for os.time.
---@return integer
function times.seconds()
  return tell("t", core.scheduler.unix_ms()) // 1000
end

--- Processor time of the process in seconds, with milliseconds, for os.clock.
---@param clock fun(): number
---@return number
function times.processor(clock)
  return tell("c", math.floor(clock() * 1000)) / 1000
end

return times
