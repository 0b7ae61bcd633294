--- What a run may cost: budgets, the alerts on the way there, and what would be enough.
local core = require "confab.core"
local errors = require "confab.errors"
local events = require "confab.events"
local flags = require "confab.flags"

local budget = {}

local NONE = -1

--- Whether a value is an amount that can be a budget: the reason why not, or nil.
---@param value any
---@return string?
function budget.objection(value)
  local pico = core.text.dollars(value)
  if pico and pico > 0 then return nil end
  return ("must be dollars above 0, up to 1000000, not %s"):format(value)
end

--- The specs of options that `confab.run` and `confab.setup` share.
budget.specs = {
  budget = { type = "number", check = budget.objection },
  alert_at = { type = "list", check = function(shares)
    for _, share in ipairs(shares) do
      if type(share) ~= "number" or not (share > 0 and share <= 1) then
        return ("must be shares above 0, up to 1, such as { 0.5, 0.9 }, not %s")
          :format(tostring(share))
      end
    end
  end },
  on_alert = { type = "callable" },
}

--- The budget in force: --budget overrules what the script states.
---@param stated? number  Dollars.
---@return integer? pico  nil: none.
function budget.in_force(stated)
  local dollars = flags.budget or stated
  return dollars and core.text.dollars(dollars) or nil
end

--- What counts against a run's budget, or, if it has none, against that of the script.
---@param account table  The core's account of a run.
---@return integer? budget
---@return integer used  Spent and at risk.
function budget.of(account)
  if account.budget ~= NONE then return account.budget, account.spent + account.at_risk end
  if account.script_budget ~= NONE then
    return account.script_budget, account.script_spent + account.script_at_risk
  end
  return nil, account.spent + account.at_risk
end

--- "$0.40" or "$0.40 of $5.00"
---@param account table  The core's account of a run.
---@return string
function budget.text(account)
  local total = budget.of(account)
  local spent = account.budget == NONE and total and account.script_spent or account.spent
  return core.text.money(spent) .. (total and " of " .. core.text.money(total) or "")
end

--- --- alerts ---

---@class confab.Alerts
---@field core table  The core's run.
---@field shares number[]  Not reached yet, smallest first.
---@field on_alert? fun(share: number, spent: number, budget: number)
local Alerts = {}
Alerts.__index = Alerts

--- The alerts of a run. What earlier sessions had reached is not told again. nil: there are none.
---@param core_run table
---@param shares? number[]
---@param on_alert? function
---@return confab.Alerts?
function budget.alerts(core_run, shares, on_alert)
  if not shares or #shares == 0 then return nil end
  local total, used = budget.of(core_run:account())
  if not total then
    errors.misuse("confab.run: alert_at is a share of the budget, and there is none: give budget, " ..
      "or --budget")
  end
  local left = {}
  for _, share in ipairs(shares) do
    if used < share * total then left[#left + 1] = share end
  end
  table.sort(left)
  return setmetatable({ core = core_run, shares = left, on_alert = on_alert }, Alerts)
end

local DOLLAR = 1000000000000

--- Tells what has been reached since it was looked at last.
function Alerts:check()
  if #self.shares == 0 then return end
  local total, used = budget.of(self.core:account())
  while self.shares[1] and used >= self.shares[1] * total do
    local share = table.remove(self.shares, 1)
    core.progress.warn(("run %q: %g %% of the budget is used: %s of %s"):format(self.core.name,
      share * 100, core.text.money(used), core.text.money(total)))
    events.budget(self.core, share, used / DOLLAR, total / DOLLAR)
    if self.on_alert then
      local ok, raised = pcall(self.on_alert, share, used / DOLLAR, total / DOLLAR)
      if not ok then core.progress.warn("on_alert: " .. errors.show(raised)) end
    end
  end
end

--- --- going on ---

--- Keeps, for the command that is printed at the end, which budget would be enough: by what the
--- items have cost so far, a tenth more, and at least half as much again as the budget was.
---@param core_run table
---@param total? integer  Items of the inputs.
function budget.suggest(core_run, total)
  local account, row = core_run:account(), core.store.run(core_run.id).account
  local limit, used = budget.of(account)
  if not limit then return end    -- it stopped for a price that is not right
  local worked = row.accepted + row.needs_revision + row.failed + row.skipped
  local left = math.max(total or 0, row.planned) - worked
  local wanted = worked > 0 and used + used / worked * left * 1.1 or 0
  local dollars = math.max(wanted, limit * 1.5) / DOLLAR
  local step = dollars >= 10 and 1 or dollars >= 0.1 and 0.01 or 0.0001
  flags.larger_budget = ("%.14g"):format(math.min(math.ceil(dollars / step) * step, 1000000))
end

return budget
