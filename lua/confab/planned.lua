--- The run that a script gets under `confab estimate`: it has the shape of a Run, shows what earlier runs
--- have stored, and writes nothing.
local core = require "confab.core"

local planned = {}

---@class confab.PlannedRun: confab.Run
local Planned = {}

local empty_account = {
  planned = 0, accepted = 0, needs_revision = 0, failed = 0, pending = 0, skipped = 0, surplus = 0, orphans = 0,
  calls = 0, attempts = 0, replies = 0, failures = 0, unknown_cost_replies = 0, spent = 0.0, at_risk = 0.0,
  spent_pico = 0, at_risk_pico = 0, input_tokens = 0, output_tokens = 0, cache_write_5m_tokens = 0,
  cache_write_1h_tokens = 0, cache_read_tokens = 0, thinking_tokens = 0,
}

local metatable = { __name = "confab.run" }

function metatable.__index(self, name)
  if Planned[name] then return Planned[name] end
  local run, estimate = rawget(self, "core"), rawget(self, "estimate")
  if name == "name" then return run.name end
  if name == "state" then return "planned" end
  if name == "id" then return run.id ~= 0 and run.uuid or nil end
  if name == "estimate" then return estimate end
  if name == "summary" then return require "confab.estimate_text".text(estimate) end
  if name == "simulated" then return core.engine.is_simulated() end
  if name ~= "account" then return nil end
  if run.id ~= 0 then return core.store.run(run.id).account end
  local account = {}
  for field, value in next, empty_account do account[field] = value end
  account.planned, account.pending = estimate.items, estimate.items
  return account
end

function metatable.__tostring(self) return self.summary end

---@param run table  The core's run.
---@param estimate confab.Estimate
---@return confab.PlannedRun
function planned.new(run, estimate)
  return setmetatable({ core = run, estimate = estimate }, metatable)
end

local function nothing() end

--- What is stored so far.
function Planned:results(where)
  if rawget(self, "core").id == 0 then return nothing end
  return require "confab.results".new(rawget(self, "core").id):results(where)
end

function Planned:failures()
  return rawget(self, "core").id ~= 0 and core.store.failures(rawget(self, "core").id) or {}
end

--- Writes nothing, but refuses what the run's own export would refuse.
function Planned:export(path, opts)
  return require "confab.results".export_nothing(path, opts, "this is an estimate")
end

function Planned:report(path)
  return require "confab.results".report_nothing(path, "this is an estimate")
end

return planned
