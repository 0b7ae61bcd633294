--- JSON Schema: checks values on this machine, whatever a provider promises (`confab.schema.check`).
local compile = require "confab.schema_compile"
local core = require "confab.core"
local errors = require "confab.errors"

local schema = {}

local BYTES_MAX = 262144        -- of a schema as JSON
local KEPT_MAX = 64             -- compiled schemas that are kept

local kept, count = {}, 0

local function message_of(err)
  return errors.is(err) and err.message or tostring(err)
end

-- What a schema must be beyond JSON is said of "the schema" by the compiler.
local function make(text)
  if #text > BYTES_MAX then return nil, ("the schema is over %d KB"):format(BYTES_MAX // 1024) end
  local ok, decoded = pcall(core.json.decode, text)
  if not ok then return nil, "the schema is not JSON: " .. decoded.message end
  local made, check = pcall(compile.compile, decoded)
  if not made then return nil, message_of(check) end
  return check
end

--- The function that checks values against a schema: a table, JSON text, true or false. It returns true and the
--- value, or false and the faults. nil and why where the schema will not do.
---@param given table|string|boolean
---@return (fun(value: any, fixes_case?: boolean): boolean, any)? check
---@return string? why
function schema.try(given)
  local ok, text = true, given
  -- Equal tables give equal texts; one that was changed gives another.
  if type(given) ~= "string" then ok, text = pcall(core.json.canonical, given) end
  if not ok then return nil, "the schema " .. message_of(text) end
  if kept[text] then return kept[text] end

  local check, why = make(text)
  if not check then return nil, why end
  if count == KEPT_MAX then kept, count = {}, 0 end
  kept[text], count = check, count + 1
  return check
end

--- As schema.try; a schema that will not do is a config_error in the name of `what`.
---@param given table|string|boolean
---@param what string
---@return fun(value: any, fixes_case?: boolean): boolean, any
function schema.compile(given, what)
  local check, why = schema.try(given)
  return check or errors.misuse(("%s: %s"):format(what, why))
end

local write

local function write_list(value)
  local items = {}
  for i, each in ipairs(value) do items[i] = write(each) end
  return "[" .. table.concat(items, ",") .. "]"
end

-- Names of an object: those of `first` in its order, then the others by bytes.
local function ordered_names(value, first)
  local rank, names = {}, {}
  for i, name in ipairs(first) do rank[name] = rank[name] or i end
  for name in next, value do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local rank_a, rank_b = rank[a] or math.huge, rank[b] or math.huge
    if rank_a ~= rank_b then return rank_a < rank_b end
    return a < b
  end)
  return names
end

function write(value, first)
  if type(value) ~= "table" then return core.json.encode(value) end
  if type(next(value)) ~= "string" then return #value > 0 and write_list(value) or core.json.encode(value) end
  local parts = {}
  for i, name in ipairs(ordered_names(value, first or {})) do
    local required = name == "properties" and type(value.required) == "table" and value.required or nil
    parts[i] = core.json.encode(name) .. ":" .. write(value[name], required)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A schema as it is sent. The properties of a table come in the order of its `required`, the others by name, since
--- a model writes them in the order of the schema; JSON text stays as it is.
---@param given table|string
---@return string json
function schema.text(given)
  if type(given) == "string" then return given end
  return write(given)
end

--- Whether a value fits a JSON Schema (2020-12): true, or false and what does not fit, each with the place as a JSON
--- pointer and the reason; `tostring` of the list is a line. A keyword that is not supported is a config_error.
--- Example: `local ok, faults = confab.schema.check(reply.json, { type = "object", required = { "title" } })`
---@param value any  As confab.json.decode gives it; a list may be a plain table, null is confab.null.
---@param given table|string|boolean  The schema: a table or JSON text.
---@return boolean ok
---@return confab.schema.Fault[]? faults
function schema.check(value, given)
  local ok, faults = schema.compile(given, "confab.schema.check")(value)
  if ok then return true end
  return false, faults
end

return schema
