--- Conditions on conversations: `where` of `confab.store:conversations` and `run:export`.
local errors = require "confab.errors"
local options = require "confab.options"

local condition = {}

---@alias confab.Status "generated"|"needs_revision"|"approved"|"rejected"

---@class confab.Where
---@field run? string|integer|confab.Run  Its id, its name (newest generation), or the Run itself.
---@field status? confab.Status|confab.Status[]
---@field min_score? number  From 0 to 10; conversations without a score are left out.
---@field tier? string
---@field tag? string  Name of a tag.
---@field persona? string

--- What a condition on conversations may say, in `confab.store:conversations` and `run:export`.
condition.specs = {
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
---@param specs? table<string, confab.OptionSpec>  Default: condition.specs.
---@return table filter
function condition.check(where, what, specs)
  local filter = options.check(where, specs or condition.specs, what)
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

return condition
