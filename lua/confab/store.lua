--- The database, read-only: `confab.store`.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"
local settings = require "confab.settings"

local store = {}

---@alias confab.Status "generated"|"needs_revision"|"approved"|"rejected"

---@class confab.Where
---@field run? string|integer|confab.Run  Its id, its name (newest generation), or the Run itself.
---@field status? confab.Status|confab.Status[]
---@field min_score? number  From 0 to 10; conversations without a score are left out.
---@field tier? string
---@field tag? string  Name of a tag.
---@field persona? string

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

--- What a condition on conversations may say, in `confab.store:conversations` and `run:export`.
store.where_specs = {
  run = { type = { "string", "integer", "table" } },
  status = { type = { "string", "list" } },
  min_score = { type = "number", min = 0, max = 10 },
  tier = { type = "string" }, tag = { type = "string" }, persona = { type = "string" },
}

local status_spec = {
  type = "string", one_of = { "generated", "needs_revision", "approved", "rejected" },
}

--- Checks a `where` table and gives it as core.store and core.export take it.
---@param where table?
---@param what string  The call that takes it.
---@param specs? table<string, confab.OptionSpec>  Default: store.where_specs.
---@return table filter
function store.filter(where, what, specs)
  local filter = options.check(where, specs or store.where_specs, what)
  if filter.status ~= nil then
    filter.statuses = type(filter.status) == "string" and { filter.status } or filter.status
    for _, status in ipairs(filter.statuses) do
      options.check({ status = status }, { status = status_spec }, what)
    end
    filter.status = nil
  end
  if type(filter.run) == "table" then
    filter.run = filter.run.id
    if filter.run == nil then
      errors.misuse(what .. ": run must be a run, its id or its name, not a table")
    end
  end
  return filter
end

local stored_specs = { simulated = { type = "boolean" }, superseded = { type = "boolean" } }
for name, spec in next, store.where_specs do stored_specs[name] = spec end

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
  local filter = store.filter(checked.where, what .. ": where", stored_specs)
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
