--- From a JSON Schema to a function that checks values: the compiler, and what a check keeps on its way.
local core = require "confab.core"
local errors = require "confab.errors"
local keywords = require "confab.schema_keywords"
local options = require "confab.options"

local compile = {}

local DEPTH_MAX = 64            -- levels of a value; JSON that is read has no more
local NESTED_MAX = 2000         -- schemas within schemas; one that refers to itself without end goes past it
local STEPS_MAX = 1000000       -- schemas applied in one check: a second or so
local FAULTS_MAX = 32           -- that are told

local array_metatable = getmetatable(core.json.array())

--- Kinds and words --------------------------------------------------------------------------------------

-- "null", "boolean", "number", "string", "array", "object"; nil for what JSON does not have. As in confab.json an empty
-- table is an object unless it is marked.
local function kind_of(value)
  local is = type(value)
  if is == "table" then
    if getmetatable(value) == array_metatable then return "array" end
    local name = next(value)
    return (name == nil or type(name) == "string") and "object" or "array"
  end
  if is == "string" or is == "boolean" then return is end
  if is == "number" then return value - value == 0 and "number" or nil end
  return value == core.json.null and "null" or nil
end

local NAMES = {
  null = "null", boolean = "true or false", number = "a number", integer = "a whole number", string = "a string",
  array = "an array", object = "an object",
}

local function show(value)
  local kind = kind_of(value)
  if kind == "object" and next(value) == nil then return "an empty object" end
  if kind == "array" or kind == "object" then return NAMES[kind] end
  if kind == nil then return type(value) == "number" and tostring(value) or "a " .. type(value) end
  return errors.show(value, 60)
end

--- A check on its way -----------------------------------------------------------------------------------

---@class confab.schema.Fault
---@field path string  JSON pointer to what does not fit; "" is the whole value.
---@field reason string
---@field is_type? boolean  It is not even of the type.

---@class confab.schema.Run
---@field faults confab.schema.Fault[]
---@field fixes_case boolean  Names of an enum in other capitals are put right in the value.
---@field is_quiet? boolean  Only whether the value fits is asked.
---@field root any
local Run = {}
Run.__index = Run

Run.show = show

--- The JSON pointer to the value that is checked now.
function Run:pointer()
  local parts = {}
  for i = 1, self.depth do
    local key = self.path[i]
    parts[i] = type(key) == "number" and key - 1 or key:gsub("~", "~0"):gsub("/", "~1")
  end
  return #parts == 0 and "" or "/" .. table.concat(parts, "/")
end

--- Adds a fault; returns false.
---@param fault confab.schema.Fault
function Run:add(fault)
  if #self.faults < FAULTS_MAX then self.faults[#self.faults + 1] = fault end
  return false
end

--- A fault of the value that is checked now; returns false.
function Run:fault(reason, is_type)
  if self.is_quiet then return false end
  return self:add { path = self:pointer(), reason = reason, is_type = is_type }
end

--- A fault of one of its members; returns false.
function Run:fault_at(container, key, reason)
  if self.is_quiet then return false end
  self:enter(container, key)
  self:fault(reason)
  self.depth = self.depth - 1
  return false
end

function Run:enter(container, key)
  self.depth = self.depth + 1
  self.path[self.depth], self.holders[self.depth] = key, container
end

--- Checks a member.
function Run:into(container, key, node)
  if self.depth == DEPTH_MAX then return self:fault(("is nested over %d levels deep"):format(DEPTH_MAX)) end
  self:enter(container, key)
  local ok = node(rawget(container, key), self)
  self.depth = self.depth - 1
  return ok
end

--- Whether a value (or its member at key) fits, without a fault of this run.
function Run:tries(node, value, key)
  local was_quiet, ok = self.is_quiet, nil
  self.is_quiet = true
  if key == nil then ok = node(value, self) else ok = self:into(value, key, node) end
  self.is_quiet = was_quiet
  return ok
end

--- The faults of a value, kept apart from those of this run.
function Run:faults_of(node, value)
  local faults = self.faults
  self.faults = {}
  node(value, self)
  local own = self.faults
  self.faults = faults
  return own
end

--- Whether the value is one of these but for its capitals; then it is put right where it stands.
function Run:takes_case(value, values)
  if not self.fixes_case or type(value) ~= "string" then return false end
  local found
  for _, each in ipairs(values) do
    if type(each) == "string" and each:lower() == value:lower() then
      if found then return false end
      found = each
    end
  end
  if not found then return false end
  if self.depth == 0 then self.root = found else self.holders[self.depth][self.path[self.depth]] = found end
  return true
end

-- Raised out of a check that goes on and on.
local TOO_MUCH, ENDLESS = {}, {}

function Run:step()
  self.steps = self.steps + 1
  self.nested = self.nested + 1
  if self.steps > STEPS_MAX then error(TOO_MUCH, 0) end
  if self.nested > NESTED_MAX then error(ENDLESS, 0) end
end

--- The compiler -----------------------------------------------------------------------------------------

---@class confab.schema.Compiler
---@field root any
---@field nodes table<table, function>  By schema, those in the making too.
---@field place string  JSON pointer in the schema.
local Compiler = {}
Compiler.__index = Compiler

local function raise(message)
  error(errors.new("config_error", "the schema: " .. message), 0)
end

local function at(place)
  return place == "" and "" or " at " .. place
end

--- Raises: the keyword will not do.
function Compiler:refuse(name, why)
  raise(("%s%s %s"):format(name, at(self.place), why))
end

function Compiler:number(schema, name)
  local value = schema[name]
  if kind_of(value) ~= "number" then self:refuse(name, "must be a number, not " .. show(value)) end
  return value
end

function Compiler:count(schema, name)
  local value = math.type(schema[name]) and math.tointeger(schema[name])
  if not value or value < 0 then
    self:refuse(name, "must be a whole number of 0 or more, not " .. show(schema[name]))
  end
  return value
end

function Compiler:flag(schema, name)
  if type(schema[name]) ~= "boolean" then self:refuse(name, "must be true or false, not " .. show(schema[name])) end
  return schema[name]
end

function Compiler:text(schema, name)
  if type(schema[name]) ~= "string" then self:refuse(name, "must be a string, not " .. show(schema[name])) end
  return schema[name]
end

function Compiler:list(schema, name)
  local is_list = kind_of(schema[name]) == "array" or (type(schema[name]) == "table" and next(schema[name]) == nil)
  if not is_list then self:refuse(name, "must be an array, not " .. show(schema[name])) end
  return schema[name]
end

function Compiler:object(schema, name)
  if kind_of(schema[name]) ~= "object" then self:refuse(name, "must be an object, not " .. show(schema[name])) end
  return schema[name]
end

function Compiler:names(schema, name)
  for _, each in ipairs(self:list(schema, name)) do
    if type(each) ~= "string" then self:refuse(name, "must have strings only, not " .. show(each)) end
  end
  return schema[name]
end

local function escaped(name)
  return (tostring(name):gsub("~", "~0"):gsub("/", "~1"))
end

function Compiler:node_at(schema, ...)
  local outer = self.place
  for _, step in ipairs { ... } do self.place = self.place .. "/" .. escaped(step) end
  local node = self:node(schema)
  self.place = outer
  return node
end

--- The schema that stands under a keyword.
function Compiler:node_of(schema, name)
  return self:node_at(schema[name], name)
end

function Compiler:node_list(schema, name)
  local nodes = {}
  for i, each in ipairs(self:list(schema, name)) do nodes[i] = self:node_at(each, name, i - 1) end
  if #nodes == 0 then self:refuse(name, "must have at least one schema") end
  return nodes
end

function Compiler:node_map(schema, name)
  local nodes = {}
  for key, each in next, self:object(schema, name) do nodes[key] = self:node_at(each, name, key) end
  return nodes
end

--- The schema that a $ref points to; only places in the schema itself are found.
function Compiler:reference(schema)
  local ref = self:text(schema, "$ref")
  local pointer = ref:match "^#(.*)$"
  if not pointer or (pointer ~= "" and pointer:sub(1, 1) ~= "/") then
    self:refuse("$ref", ("is %q: only places in the schema itself, such as \"#/$defs/turn\", are supported")
      :format(ref))
  end
  pointer = pointer:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  local target = self.root
  for step in pointer:gmatch "/([^/]*)" do
    step = step:gsub("~1", "/"):gsub("~0", "~")
    if kind_of(target) == "array" then step = step:find "^%d+$" and tonumber(step) + 1 or 0 end
    if type(target) ~= "table" then target = {} end
    target = rawget(target, step)
    if target == nil then break end
  end
  if target == nil then self:refuse("$ref", ("is %q, which is not there"):format(ref)) end
  local place = self.place
  self.place = pointer
  local node = self:node(target)
  self.place = place
  return node
end

-- The types that a schema allows, as a set and in words; nil: all.
local function types_of(compiler, schema)
  if schema.type == nil then return nil end
  local given = type(schema.type) == "string" and { schema.type } or compiler:list(schema, "type")
  local types, words = {}, {}
  for i, name in ipairs(given) do
    if not NAMES[name] then
      local known = { "array", "boolean", "integer", "null", "number", "object", "string" }
      local near = type(name) == "string" and options.nearest(name, known)
      compiler:refuse("type", "is " .. show(name) .. (near and ("; did you mean %q?"):format(near) or
        ": the types are " .. table.concat(known, ", ")))
    end
    types[name], words[i] = true, NAMES[name]
  end
  return types, table.concat(words, " or ")
end

local function has_type(types, kind, value)
  if types[kind] then return true end
  return kind == "number" and types.integer and value == math.floor(value)
end

local function check_names(compiler, schema)
  local known = {}
  for _, keyword in ipairs(keywords.list) do known[keyword.name] = true end
  local names = {}
  for name in next, schema do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local is_known = known[name] or keywords.notes[name] or name == "type" or (name == "$id" and compiler.place == "")
    if not is_known then
      local all = { "type" }
      for other in next, known do all[#all + 1] = other end
      local near = options.nearest(name, all)
      raise(("the keyword %q%s is not supported%s"):format(name, at(compiler.place),
        near and ("; did you mean %q?"):format(near) or ""))
    end
  end
end

local function accept() return true end

local function refuse(_, run)
  return run:fault "is not allowed here"
end

--- The function that checks one schema.
---@return fun(value: any, run: confab.schema.Run): boolean
function Compiler:node(schema)
  if schema == true then return accept end
  if schema == false then return refuse end
  if kind_of(schema) ~= "object" then
    raise(("a schema must be an object%s, not %s"):format(at(self.place), show(schema)))
  end
  if self.nodes[schema] then return self.nodes[schema] end

  local any, by_kind = {}, { null = {}, boolean = {}, number = {}, string = {}, array = {}, object = {} }
  local types, words

  local function node(value, run)
    run:step()
    local kind = kind_of(value)
    if kind == nil then
      run.nested = run.nested - 1
      return run:fault("is no JSON value: " .. show(value), true)
    end
    if types and not has_type(types, kind, value) then
      run.nested = run.nested - 1
      return run:fault(("must be %s, not %s"):format(words, show(value)), true)
    end
    local ok = true
    for _, test in ipairs(any) do ok = test(value, run) and ok end
    for _, test in ipairs(by_kind[kind]) do ok = test(value, run) and ok end
    run.nested = run.nested - 1
    return ok
  end
  self.nodes[schema] = node

  check_names(self, schema)
  types, words = types_of(self, schema)
  for _, keyword in ipairs(keywords.list) do
    if schema[keyword.name] ~= nil then
      local test = keyword.make(schema, self)
      local into = keyword.kind and by_kind[keyword.kind] or any
      into[#into + 1] = test
    end
  end
  return node
end

local faults_metatable = {
  __tostring = function(faults)
    local lines = {}
    for i, fault in ipairs(faults) do
      lines[i] = (fault.path == "" and "" or fault.path .. " ") .. fault.reason
    end
    return table.concat(lines, "; ")
  end,
}

--- Compiles a decoded schema; raises a config_error that names the keyword that will not do.
--- The result checks a value: true, the value; or false and the faults. With `fixes_case` names of an enum that
--- differ in their capitals only are put right in the value.
---@param schema any
---@return fun(value: any, fixes_case?: boolean): boolean, any
function compile.compile(schema)
  local compiler = setmetatable({ root = schema, nodes = {}, place = "" }, Compiler)
  local node = compiler:node(schema)
  return function(value, fixes_case)
    local run = setmetatable({
      faults = {}, path = {}, holders = {}, depth = 0, steps = 0, nested = 0, root = value, fixes_case = fixes_case,
    }, Run)
    local done, ok = pcall(node, value, run)
    if not done then
      if ok == ENDLESS then raise "it refers to itself without end" end
      if ok ~= TOO_MUCH then error(ok, 0) end
      run.faults = { { path = "", reason = ("takes over %d steps to check"):format(STEPS_MAX) } }
    end
    if done and ok then return true, run.root end
    return false, setmetatable(run.faults, faults_metatable)
  end
end

return compile
