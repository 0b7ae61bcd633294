--- `accept = n`: a run that goes on until n of its items are accepted, and asks for no more than that
--- takes. How many may be in work follows from how many were accepted so far; which of them count is
--- settled at the end, by their order in the plan.
local core = require "confab.core"
local flags = require "confab.flags"
local waiters = require "confab.waiters"

local acceptance = {}

---@class confab.Acceptance
---@field target? integer  nil: the run works through all of its items.
---@field accepted integer
---@field judged integer  Finished so far, accepted or not.
---@field in_work integer  Begun, and not yet counted.
---@field counts_replayed boolean  What was finished before is looked at again, and counted then.
---@field turn integer[]  Workers that wait until another item may be begun.
local Acceptance = {}
Acceptance.__index = Acceptance

--- Why a run ends early that has what it asked for; no error.
acceptance.reached = setmetatable({}, { __tostring = function() return "enough items are accepted" end })

--- Begins to count.
---@param run table  The core's run.
---@param target? integer
---@param must_look boolean  All items are looked at before anything is sent.
---@return confab.Acceptance
function acceptance.new(run, target, must_look)
  local self = { target = target, accepted = 0, judged = 0, in_work = 0, counts_replayed = must_look, turn = {} }
  if target and run.continued and not must_look then
    local a = core.store.run(run.id).account
    self.accepted = a.accepted + a.surplus
    self.judged = self.accepted + a.needs_revision + a.failed + a.skipped
  end
  return setmetatable(self, Acceptance)
end

--- Whether as many are accepted as were asked for.
---@return boolean
function Acceptance:is_reached()
  return self.target ~= nil and self.accepted >= self.target
end

--- The most items that may be in work: (n - accepted) / share accepted so far, at least 1. Before the
--- first has come back all are taken for good, so that no more are begun than are needed.
---@return integer
function Acceptance:room()
  local share = (self.accepted + 1) / (self.judged + 1)
  return math.max(1, math.floor((self.target - self.accepted) / share))
end

--- Waits until one more item may be begun; at once where there is no number to reach.
---@param state confab.RunState
function Acceptance:begin(state)
  while self.target and self.in_work >= self:room() and not state.halted do waiters.wait(self.turn) end
  self.in_work = self.in_work + 1
end

--- Counts an item that is finished; one that was counted before only if all are looked at again.
---@param accepted boolean
---@param found string  Its state before.
function Acceptance:count(accepted, found)
  if not self.counts_replayed and found == "done" then return end
  self.judged = self.judged + 1
  if accepted then self.accepted = self.accepted + 1 end
end

--- An item that was begun is over, counted or to stay as it is.
function Acceptance:finish()
  self.in_work = self.in_work - 1
  waiters.wake_all(self.turn)
end

--- Books which items count, once nothing is in work.
---@param run table  The core's run.
function Acceptance:settle(run)
  if self.target or core.store.run(run.id).account.surplus > 0 then
    run:accept(self.target, self:is_reached())
  end
end

local function percent(share)
  return ("%.4g %%"):format(100 * share)
end

--- Says whether a run has as many accepted items as it and --min-acceptance ask for, and notes for the
--- exit status if it has not.
---@param name string  The run's.
---@param account table<string, integer>
---@param target? integer
function acceptance.check(name, account, target)
  local accepted = account.accepted
  if target and accepted < target then
    core.progress.warn(("run %q: the inputs gave %d accepted items of the %d asked for"):format(name, accepted, target))
  end
  local least = flags.min_acceptance
  local asked = target or accepted + account.needs_revision + account.failed + account.skipped
  if not least or asked == 0 or accepted / asked >= least then return end
  flags.too_few_accepted = true
  core.progress.warn(("run %q: %d of %d are accepted, %s; --min-acceptance asks for %s"):format(name, accepted, asked,
    percent(accepted / asked), percent(least)))
end

return acceptance
