--- Checks tables of options: names, types, ranges. A misspelt name is answered with the nearest.
local errors = require "confab.errors"

local options = {}

---@alias confab.OptionType
---| "string" | "number" | "integer" | "boolean" | "table" | "function" | "any"
---| "callable"   # A function, or what can be called like one.
---| "list"       # A table with the keys 1..n only.

---@class confab.OptionSpec
---@field type confab.OptionType|confab.OptionType[]
---@field required? boolean
---@field default? any  Used where the option is absent.
---@field min? number  Smallest value allowed.
---@field max? number  Largest value allowed.
---@field above? number  The value must be greater than this.
---@field one_of? any[]  The values allowed.
---@field check? fun(value: any): string?  A reason why the value will not do.

--- Edits (insert, delete, replace, swap neighbours) between two short names.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

--- The name nearest to a misspelt one, if any is near enough to be meant.
---@param name string
---@param names string[]
---@return string? nearest
function options.nearest(name, names)
  local best, best_distance
  for _, candidate in ipairs(names) do
    local d = #name <= 64 and distance(name:lower(), candidate:lower()) or math.huge
    if not best or d < best_distance or (d == best_distance and candidate < best) then
      best, best_distance = candidate, d
    end
  end
  if best and best_distance <= math.max(1, math.min(#name, #best) // 2) then return best end
  return nil
end

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local orders = setmetatable({}, { __mode = "k" })

--- The names of specs in their order, sorted once: a step checks options for each of its calls.
local function order_of(specs)
  local names = orders[specs]
  if not names then
    names = sorted_names(specs)
    orders[specs] = names
  end
  return names
end

function options.is_callable(value)
  if type(value) == "function" then return true end
  local mt = getmetatable(value)
  return type(mt) == "table" and mt.__call ~= nil
end

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _ in next, value do count = count + 1 end
  return count == #value
end

local function has_type(value, wanted)
  if wanted == "any" then return true end
  if wanted == "integer" then return type(value) == "number" and math.tointeger(value) ~= nil end
  if wanted == "number" then return type(value) == "number" and value == value end
  if wanted == "callable" then return options.is_callable(value) end
  if wanted == "list" then return is_list(value) end
  return type(value) == wanted
end

local type_names = {
  string = "a string", number = "a number", integer = "a whole number", boolean = "true or false",
  table = "a table", ["function"] = "a function", callable = "a function", list = "a list",
}

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "table" and is_list(value) and #value > 0 then return "a list" end
  if type(value) == "table" or type(value) == "function" or type(value) == "userdata" then
    return type(value) == "userdata" and "an object" or "a " .. type(value)
  end
  return tostring(value)
end

local function describe_types(types)
  local words = {}
  for i, name in ipairs(types) do words[i] = type_names[name] end
  if #words == 1 then return words[1] end
  return table.concat(words, ", ", 1, #words - 1) .. " or " .. words[#words]
end

local function fits(value, wanted)
  if type(wanted) == "string" then return has_type(value, wanted) end
  for _, name in ipairs(wanted) do
    if has_type(value, name) then return true end
  end
  return false
end

--- Why the value will not do for the spec, or nil.
local function objection(value, spec)
  if not fits(value, spec.type) then
    local types = type(spec.type) == "table" and spec.type or { spec.type }
    return ("must be %s, not %s"):format(describe_types(types), shown(value))
  end

  if type(value) == "number" then
    local low, high = spec.min, spec.max
    if low and high and (value < low or value > high) then
      return ("must be from %s to %s, not %s"):format(low, high, value)
    end
    local above = spec.above
    if low and value < low then return ("must be at least %s, not %s"):format(low, value) end
    if high and value > high then return ("must be at most %s, not %s"):format(high, value) end
    if above and value <= above then
      return ("must be more than %s, not %s"):format(above, value)
    end
  end
  if spec.one_of then
    local allowed = {}
    for i, choice in ipairs(spec.one_of) do
      if choice == value then return nil end
      allowed[i] = shown(choice)
    end
    if type(value) ~= "string" and type(spec.type) == "table" then return nil end
    local message = ("must be one of %s, not %s"):format(table.concat(allowed, ", "), shown(value))
    local near = type(value) == "string" and options.nearest(value, spec.one_of)
    return near and ("%s; did you mean %q?"):format(message, near) or message
  end
  return spec.check and spec.check(value)
end

--- Checks options against their specs and returns a new table with the defaults filled in.
--- A mistake raises a config_error that names `what`, the option and the script's line.
--- Example: `opts = options.check(opts, { seed = { type = "integer", default = 0 } }, "sample")`
---@param opts table?
---@param specs table<string, confab.OptionSpec>
---@param what string  The call that takes the options, such as "confab.run".
---@return table checked
function options.check(opts, specs, what)
  if opts == nil then opts = {} end
  if type(opts) ~= "table" then
    errors.misuse(("%s: options must be a table, not %s"):format(what, shown(opts)))
  end

  local checked, unknown = {}, {}
  for name, value in next, opts do
    if specs[name] == nil then
      unknown[#unknown + 1] = type(name) == "string" and name or shown(name)
    end
    checked[name] = value
  end
  if #unknown > 0 then
    table.sort(unknown)    -- the same one is named in every process
    local names = order_of(specs)
    local near = options.nearest(unknown[1], names)
    local hint = near and ("did you mean %q?"):format(near)
    hint = hint or "it takes " .. table.concat(names, ", ")
    errors.misuse(("%s: unknown option %q; %s"):format(what, unknown[1], hint),
      { option = unknown[1], nearest = near })
  end

  for _, name in ipairs(order_of(specs)) do
    local spec = specs[name]
    if checked[name] == nil then checked[name] = spec.default end
    local value = checked[name]
    if value == nil then
      if spec.required then
        errors.misuse(("%s: %s is missing"):format(what, name), { option = name })
      end
    else
      local why = objection(value, spec)
      if why then errors.misuse(("%s: %s %s"):format(what, name, why), { option = name }) end
      if math.type(value) == "float" and spec.type == "integer" then
        checked[name] = math.tointeger(value)
      end
    end
  end
  return checked
end

return options
