--- The keywords of JSON Schema (2020-12) that confab checks: what each takes, and what it asks of a value.
---
--- A keyword's `make` gets the schema it stands in and the compiler, and returns a test `fn(value, run) -> ok`
--- that adds a fault to the run where the value does not fit. Tests of a kind see values of that kind only.
local core = require "confab.core"
local errors = require "confab.errors"
local format = require "confab.schema_format"
local pattern = require "confab.schema_pattern"

local keywords = {}

local LISTED_MAX = 8     -- values of an enum, alternatives, that a reason names

---@class confab.schema.Keyword
---@field name string
---@field kind? "number"|"string"|"array"|"object"  Values of other kinds always fit; nil: all kinds.
---@field make fun(schema: table, compiler: confab.schema.Compiler): (fun(value: any, run: table): boolean)?

---@type confab.schema.Keyword[]
keywords.list = {}

local function add(kind, name, make)
  keywords.list[#keywords.list + 1] = { kind = kind, name = name, make = make }
end

local function plural(count, one, many)
  return ("%d %s"):format(count, count == 1 and one or many or one .. "s")
end

local function joined(words, last)
  if #words == 1 then return words[1] end
  return table.concat(words, ", ", 1, #words - 1) .. " " .. last .. " " .. words[#words]
end

-- Values as short JSON, not too many.
local function listed(values, last)
  local words = {}
  for i = 1, math.min(#values, LISTED_MAX) do words[i] = errors.show(values[i], 40) end
  if #values > LISTED_MAX then words[#words + 1] = ("%d more"):format(#values - LISTED_MAX) end
  return joined(words, last)
end

-- Equal values have equal texts: 1 and 1.0, objects whatever the order of their keys.
local function canonical(value)
  local ok, text = pcall(core.json.canonical, value)
  return ok and text or nil
end

--- Any value -------------------------------------------------------------------------------------------

add(nil, "const", function(schema)
  local wanted = canonical(schema.const)
  return function(value, run)
    if canonical(value) == wanted then return true end
    if run:takes_case(value, { schema.const }) then return true end
    return run:fault("must be " .. errors.show(schema.const, 60) .. ", not " .. run.show(value))
  end
end)

add(nil, "enum", function(schema, compiler)
  local values, is_in = compiler:list(schema, "enum"), {}
  for _, value in ipairs(values) do is_in[canonical(value)] = true end
  return function(value, run)
    if is_in[canonical(value) or 0] or run:takes_case(value, values) then return true end
    if #values == 0 then return run:fault "cannot be: the schema's enum is empty" end
    return run:fault("must be " .. listed(values, "or") .. ", not " .. run.show(value))
  end
end)

--- Numbers ---------------------------------------------------------------------------------------------

local function bound(name, words, fits)
  add("number", name, function(schema, compiler)
    local limit = compiler:number(schema, name)
    return function(value, run)
      return fits(value, limit) or run:fault(("must be %s %s, not %s"):format(words, run.show(limit), run.show(value)))
    end
  end)
end

bound("minimum", "at least", function(value, limit) return value >= limit end)
bound("maximum", "at most", function(value, limit) return value <= limit end)
bound("exclusiveMinimum", "more than", function(value, limit) return value > limit end)
bound("exclusiveMaximum", "less than", function(value, limit) return value < limit end)

local EPSILON = 2.220446049250313e-16    -- of a double

local function is_multiple(value, step)
  if math.type(value) == "integer" and math.type(step) == "integer" then return value % step == 0 end
  local times = value / step
  if times == math.huge or times == -math.huge then return math.fmod(value, step) == 0 end
  return math.abs(times - math.floor(times + 0.5)) <= 4 * EPSILON * math.abs(times)
end

add("number", "multipleOf", function(schema, compiler)
  local step = compiler:number(schema, "multipleOf")
  if step <= 0 then compiler:refuse("multipleOf", "must be more than 0, not " .. errors.show(step)) end
  return function(value, run)
    return is_multiple(value, step) or
      run:fault(("must be a multiple of %s, not %s"):format(run.show(step), run.show(value)))
  end
end)

--- The two bounds of a count: "minItems" and "maxItems".
local function counted(kind, what, one, many, count_of)
  local function add_bound(name, words, fits)
    add(kind, name, function(schema, compiler)
      local limit = compiler:count(schema, name)
      return function(value, run)
        local count = count_of(value)
        return fits(count, limit) or
          run:fault(("must have at %s %s, has %d"):format(words, plural(limit, one, many), count))
      end
    end)
  end
  add_bound("min" .. what, "least", function(count, limit) return count >= limit end)
  add_bound("max" .. what, "most", function(count, limit) return count <= limit end)
end

--- Texts -----------------------------------------------------------------------------------------------

counted("string", "Length", "character", "characters", core.text.length)

local function matcher_of(compiler, name, text)
  local matches, why = pattern.compile(text)
  return matches or compiler:refuse(name, ("cannot be used: %s (%s)"):format(errors.show(text, 80), why))
end

add("string", "pattern", function(schema, compiler)
  local text = compiler:text(schema, "pattern")
  local matches = matcher_of(compiler, "pattern", text)
  return function(value, run)
    local fits, why = matches(value)
    if fits == nil then return run:fault(("cannot be matched with the pattern %s: %s"):format(text, why)) end
    return fits or run:fault("must match the pattern " .. text)
  end
end)

add("string", "format", function(schema, compiler)
  local name = compiler:text(schema, "format")
  local fits = format.checks[name]
  if not fits then
    local known = {}
    for other in next, format.checks do known[#known + 1] = other end
    table.sort(known)
    compiler:refuse("format", ("%q is not supported; the formats are %s"):format(name, joined(known, "and")))
  end
  return function(value, run)
    return fits(value) or run:fault(("must be of the format %s, not %s"):format(name, run.show(value)))
  end
end)

--- Arrays ----------------------------------------------------------------------------------------------

counted("array", "Items", "item", "items", function(value) return #value end)

add("array", "uniqueItems", function(schema, compiler)
  if not compiler:flag(schema, "uniqueItems") then return nil end
  return function(value, run)
    local seen, ok = {}, true
    for i = 1, #value do
      local text = canonical(value[i])
      if text and seen[text] then
        ok = run:fault(("the items %d and %d are equal; each must be different"):format(seen[text], i - 1))
      elseif text then
        seen[text] = i - 1
      end
    end
    return ok
  end
end)

add("array", "prefixItems", function(schema, compiler)
  local nodes = compiler:node_list(schema, "prefixItems")
  return function(value, run)
    local ok = true
    for i = 1, math.min(#nodes, #value) do ok = run:into(value, i, nodes[i]) and ok end
    return ok
  end
end)

add("array", "items", function(schema, compiler)
  local first = type(schema.prefixItems) == "table" and #schema.prefixItems or 0
  if schema.items == false then
    return function(value, run)
      return #value <= first or run:fault(("must have at most %s, has %d"):format(plural(first, "item"), #value))
    end
  end
  local node = compiler:node_of(schema, "items")
  return function(value, run)
    local ok = true
    for i = first + 1, #value do ok = run:into(value, i, node) and ok end
    return ok
  end
end)

add("array", "contains", function(schema, compiler)
  local node = compiler:node_of(schema, "contains")
  local least = schema.minContains ~= nil and compiler:count(schema, "minContains") or 1
  local most = schema.maxContains ~= nil and compiler:count(schema, "maxContains") or math.huge
  return function(value, run)
    local count = 0
    for i = 1, #value do
      if run:tries(node, value, i) then count = count + 1 end
    end
    if count < least then
      return run:fault(("must have at least %s as `contains` says, has %d"):format(plural(least, "item"), count))
    end
    return count <= most or
      run:fault(("must have at most %s as `contains` says, has %d"):format(plural(most, "item"), count))
  end
end)

-- Both go with `contains`, and say nothing without it.
add("array", "minContains", function(schema, compiler) compiler:count(schema, "minContains") end)
add("array", "maxContains", function(schema, compiler) compiler:count(schema, "maxContains") end)

--- Objects ---------------------------------------------------------------------------------------------

-- The names of an object in order, so that faults come in the same order everywhere.
local function names_of(value)
  local names = {}
  for name in next, value do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function count_names(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  return count
end

local function missing(value, names, run, because)
  local ok = true
  for _, name in ipairs(names) do
    if rawget(value, name) == nil then ok = run:fault(("%q is missing%s"):format(name, because or "")) end
  end
  return ok
end

add("object", "required", function(schema, compiler)
  local names = compiler:names(schema, "required")
  return function(value, run) return missing(value, names, run) end
end)

add("object", "dependentRequired", function(schema, compiler)
  local lists = {}
  for _, name in ipairs(names_of(compiler:object(schema, "dependentRequired"))) do
    lists[#lists + 1] = { name = name, names = compiler:names(schema.dependentRequired, name) }
  end
  return function(value, run)
    local ok = true
    for _, each in ipairs(lists) do
      if rawget(value, each.name) ~= nil then
        ok = missing(value, each.names, run, (", which goes with %q"):format(each.name)) and ok
      end
    end
    return ok
  end
end)

add("object", "dependentSchemas", function(schema, compiler)
  local nodes = compiler:node_map(schema, "dependentSchemas")
  local names = names_of(nodes)
  return function(value, run)
    local ok = true
    for _, name in ipairs(names) do
      if rawget(value, name) ~= nil then ok = nodes[name](value, run) and ok end
    end
    return ok
  end
end)

counted("object", "Properties", "property", "properties", count_names)

add("object", "propertyNames", function(schema, compiler)
  local node = compiler:node_of(schema, "propertyNames")
  return function(value, run)
    local ok = true
    for _, name in ipairs(names_of(value)) do
      if not run:tries(node, { name }, 1) then
        local why = run.is_quiet and "" or run:faults_of(node, name)[1].reason
        ok = run:fault_at(value, name, "is not a name that may stand here: " .. why)
      end
    end
    return ok
  end
end)

add("object", "properties", function(schema, compiler)
  local nodes = compiler:node_map(schema, "properties")
  local names = names_of(nodes)
  return function(value, run)
    local ok = true
    for _, name in ipairs(names) do
      if rawget(value, name) ~= nil then ok = run:into(value, name, nodes[name]) and ok end
    end
    return ok
  end
end)

local function patterns_of(schema, compiler)
  local list = {}
  local nodes = compiler:node_map(schema, "patternProperties")
  for _, text in ipairs(names_of(nodes)) do
    list[#list + 1] = { matches = matcher_of(compiler, "patternProperties", text), node = nodes[text], text = text }
  end
  return list
end

add("object", "patternProperties", function(schema, compiler)
  local list = patterns_of(schema, compiler)
  return function(value, run)
    local ok = true
    for _, name in ipairs(names_of(value)) do
      for _, each in ipairs(list) do
        local matches, why = each.matches(name)
        if matches == nil then
          ok = run:fault(("%q cannot be matched with the pattern %s: %s"):format(name, each.text, why))
        elseif matches then
          ok = run:into(value, name, each.node) and ok
        end
      end
    end
    return ok
  end
end)

add("object", "additionalProperties", function(schema, compiler)
  if schema.additionalProperties == true then return nil end
  local node = schema.additionalProperties ~= false and compiler:node_of(schema, "additionalProperties") or nil
  local known = type(schema.properties) == "table" and schema.properties or {}
  local list = schema.patternProperties ~= nil and patterns_of(schema, compiler) or {}
  local names = names_of(known)

  local function is_additional(name)
    if known[name] ~= nil then return false end
    for _, each in ipairs(list) do
      if each.matches(name) then return false end
    end
    return true
  end
  return function(value, run)
    local ok = true
    for _, name in ipairs(names_of(value)) do
      if is_additional(name) then
        if node then
          ok = run:into(value, name, node) and ok
        else
          local allowed = #names > 0 and "; the properties are " .. joined(names, "and") or ""
          ok = run:fault_at(value, name, "is not allowed" .. allowed)
        end
      end
    end
    return ok
  end
end)

--- Schemas together ------------------------------------------------------------------------------------

add(nil, "$ref", function(schema, compiler) return compiler:reference(schema) end)

add(nil, "allOf", function(schema, compiler)
  local nodes = compiler:node_list(schema, "allOf")
  return function(value, run)
    local ok = true
    for _, node in ipairs(nodes) do ok = node(value, run) and ok end
    return ok
  end
end)

-- Adds the faults of the alternative that was meant, the only one of the value's type; else what each says first.
local function explain(nodes, value, run)
  if run.is_quiet then return false end
  local place, meant, count, said = run:pointer(), nil, 0, {}
  for _, node in ipairs(nodes) do
    local faults = run:faults_of(node, value)
    if not faults[1].is_type or faults[1].path ~= place then meant, count = faults, count + 1 end
    if #said < LISTED_MAX then said[#said + 1] = faults[1].reason end
  end
  if count ~= 1 then
    return run:fault(("fits none of %d alternatives: %s"):format(#nodes, table.concat(said, "; or ")))
  end
  for _, fault in ipairs(meant) do run:add(fault) end
  return false
end

add(nil, "anyOf", function(schema, compiler)
  local nodes = compiler:node_list(schema, "anyOf")
  return function(value, run)
    for _, node in ipairs(nodes) do
      if run:tries(node, value) then return true end
    end
    return explain(nodes, value, run)
  end
end)

add(nil, "oneOf", function(schema, compiler)
  local nodes = compiler:node_list(schema, "oneOf")
  return function(value, run)
    local first
    for i, node in ipairs(nodes) do
      local ok = run:tries(node, value)
      if ok and first then
        return run:fault(("fits the alternatives %d and %d; it must be one only"):format(first, i))
      end
      if ok then first = i end
    end
    return first ~= nil or explain(nodes, value, run)
  end
end)

add(nil, "not", function(schema, compiler)
  local node = compiler:node_of(schema, "not")
  return function(value, run)
    return not run:tries(node, value) or run:fault "is what the schema's `not` excludes"
  end
end)

add(nil, "if", function(schema, compiler)
  local condition = compiler:node_of(schema, "if")
  local yes = schema["then"] ~= nil and compiler:node_of(schema, "then") or nil
  local no = schema["else"] ~= nil and compiler:node_of(schema, "else") or nil
  return function(value, run)
    local node = no
    if run:tries(condition, value) then node = yes end
    return node == nil or node(value, run)
  end
end)

-- They go with `if`, and say nothing without it.
add(nil, "then", function(schema, compiler) compiler:node_of(schema, "then") end)
add(nil, "else", function(schema, compiler) compiler:node_of(schema, "else") end)

-- Places for schemas that `$ref` points to.
add(nil, "$defs", function(schema, compiler) compiler:node_map(schema, "$defs") end)
add(nil, "definitions", function(schema, compiler) compiler:node_map(schema, "definitions") end)

--- What says nothing about a value.
keywords.notes = {
  title = true, description = true, default = true, examples = true, ["$schema"] = true, ["$comment"] = true,
  deprecated = true, readOnly = true, writeOnly = true,
}

return keywords
