--- The database, read-only: `confab.store`.
local condition = require "confab.condition"
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"
local settings = require "confab.settings"

local store = {}

---@class confab.store.Where: confab.Where
---@field simulated? boolean  true: only simulated ones; false: only real ones; absent: both.
---@field superseded? boolean  Also what no longer counts: older versions, orphans, surplus.

---@class confab.StoredRun
---@field id string  UUID.
---@field row integer
---@field name string
---@field generation integer
---@field provider string
---@field simulated boolean
---@field state string
---@field state_reason? string
---@field model? string
---@field account table<string, number>  planned = accepted + needs_revision + failed + pending +
---  skipped; calls, attempts, replies; spent and at_risk in dollars, spent_pico and at_risk_pico
---  exactly; tokens.
---@field created_at string

local stored_specs = { simulated = { type = "boolean" }, superseded = { type = "boolean" } }
for name, spec in next, condition.specs do stored_specs[name] = spec end

local function open() core.store.open(settings.db()) end

local function check_self(self, name)
  if self ~= store then
    errors.misuse(("call it with a colon: confab.store:%s(...)"):format(name))
  end
end

--- Iterates over stored conversations in order of the plan, one in memory at a time.
--- Example: `for conv in confab.store:conversations { where = { min_score = 8 } } do ... end`
---@param opts? { where?: confab.store.Where }
---@return fun(): confab.Conversation? next
function store:conversations(opts)
  check_self(self, "conversations")
  local what = "confab.store:conversations"
  local checked = options.check(opts, { where = { type = "table" } }, what)
  local filter = condition.check(checked.where, what .. ": where", stored_specs)
  open()
  return core.store.conversations(filter)
end

--- All runs, newest first.
---@return confab.StoredRun[]
function store:runs()
  check_self(self, "runs")
  open()
  local runs = core.store.runs()
  for _, run in ipairs(runs) do run.row, run.id, run.uuid = run.id, run.uuid, nil end
  return runs
end

--- The rows of a query as tables by column name; NULL columns are absent. Reads only, at most
--- 100,000 rows. Views with readable columns: run_view, item_view, conversation_view, turn_view,
--- call_view, log_view, template_view.
--- Example: `confab.store:sql("SELECT count(*) AS n FROM conversation_view WHERE run = ?", "demo")`
---@param query string
---@param ... any  Values of the query's `?`, in their order.
---@return table<string, any>[]
function store:sql(query, ...)
  check_self(self, "sql")
  if type(query) ~= "string" then
    errors.misuse("confab.store:sql: the query must be a string, not " .. type(query))
  end
  open()
  return core.store.sql(query, ...)
end

return store
