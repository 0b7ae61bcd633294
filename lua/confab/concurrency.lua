--- How many items are in work at once.
---
--- A number that was set holds. "auto" keeps just so many that a call is always in line for its lane:
--- as many as the limits take at the latency seen, which the engine works out from the replies, some
--- to lie in line, and more if the items do other things than wait for replies. Where no limit is
--- near it doubles as long as that brings more replies, up to a bound: each item in work takes
--- memory, and its call a connection.
local concurrency = {}

local FIRST = 32          -- before a reply has come
local MOST = 512          -- of "auto"; a number may be larger
concurrency.most = MOST

local SPARE = 4           -- calls in line
local HELPED = 1.05       -- so many times the replies, else more items are of no use
local PERIOD_MS = 250     -- at least so long replies are counted, to compare
local AGAIN_MS = 30000    -- after which more are tried again
local UNDECIDED = 2       -- further items: what these calls wait for is what two others meet

---@class confab.Concurrency
---@field items integer  In work at once, from now on.
---@field number? integer  What was set; nil: "auto".
---@field chosen integer  Without those that come on top.
---@field since? integer  When the replies were begun to be counted,
---@field replies integer  and how many there had been.
---@field rate? number  Replies a millisecond of the period before.
---@field last? integer  The number before the last doubling,
---@field before_last? integer  and the one before that.
---@field enough_until integer  More were of no use.
local Concurrency = {}
Concurrency.__index = Concurrency

--- Begins with a number, or with what is good before anything is known.
---@param wanted? integer|"auto"
---@return confab.Concurrency
function concurrency.new(wanted)
  local number = math.type(wanted) == "integer" and wanted or nil
  local items = number or FIRST
  return setmetatable({ items = items, chosen = items, number = number, replies = 0, enough_until = 0 }, Concurrency)
end

--- From now on this number holds.
---@param number integer
function Concurrency:set(number)
  self.number = number
  self.items, self.chosen = number, number
end

--- What has nothing to do with how many there are.
local function is_held_up(status)
  return status.held or status.disk_low or status.storage_full or status.away_ms > 0 or status.pause_ms > 0
    or status.waiting_for_budget > 0
end

--- Doubles, as long as that helps. Replies are seen a latency later: what is compared are the last two
--- numbers before this one, so if it was of no use the first of them is gone back to.
function Concurrency:grow(now, status)
  local elapsed = now - (self.since or now)
  if self.since and elapsed < math.max(PERIOD_MS, status.latency_ms) then return end
  local rate = self.since and (status.replies - self.replies) / elapsed
  if rate and self.rate and rate < self.rate * HELPED then
    self.chosen, self.enough_until = self.before_last, now + AGAIN_MS
    self:rest()
    return
  end
  self.since, self.replies, self.rate = now, status.replies, rate
  if self.chosen >= MOST or now < self.enough_until then
    self:rest()
  else
    self.before_last, self.last = self.last or self.chosen, self.chosen
    self.chosen = math.min(self.chosen * 2, MOST)
  end
end

--- Nothing is compared.
function Concurrency:rest()
  self.since, self.rate, self.before_last, self.last = nil, nil, nil, nil
end

function Concurrency:adapt(now, status, free)
  if status.calls_wanted == 0 or is_held_up(status) then
    self:rest()
    return
  end
  local wanted = math.min(status.calls_wanted, MOST)
  local surplus = status.waiting - SPARE
  if surplus > wanted // 4 then
    self:rest()
    self.chosen = math.max(self.chosen - surplus // 2, math.min(self.chosen, wanted))
  elseif status.waiting > 0 or free > self.chosen // 8 then
    self:rest()      -- there are enough
  elseif wanted < MOST and self.chosen < wanted + SPARE then
    self.chosen = wanted + SPARE
  else
    self:grow(now, status)
  end
end

--- Looks at how the engine is doing; `items` is what follows.
---@param now integer  Milliseconds.
---@param status table  core.engine.status()
---@param free integer  Of the items in work, how many could be begun.
---@return integer items
function Concurrency:look(now, status, free)
  if not self.number then self:adapt(now, status, free) end
  self.items = self.chosen + math.min(status.undecided, UNDECIDED)
  return self.items
end

return concurrency
