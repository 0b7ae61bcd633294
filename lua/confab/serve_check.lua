--- Requests over HTTP, checked: every field that is wrong is named, with its path, before anything is begun.
local core = require "confab.core"

local serve_check = {}

---@class confab.serve.Problem
---@field path string  "requests[3].temperature"; "" is the body as a whole.
---@field reason string

---@class confab.serve.Request  One conversation, as it stands in items.params.
---@field templateId string
---@field persona string
---@field emotion string
---@field topic string
---@field tier "template"|"scenario"|"edge_case"
---@field parameters table<string, any>
---@field temperature? number
---@field maxTokens? integer
---@field documentId? string
---@field chunkId? string

local null = core.json.null

local PROBLEMS_MAX = 100          -- told; ten thousand requests may be wrong in each
local NAME_MAX = 500              -- characters of a persona, an emotion, a topic
local KEY_MAX = 200

local function is_object(value) return type(value) == "table" and not core.json.is_array(value) end

local function type_name(value)
  if value == nil or value == null then return "null" end
  if core.json.is_array(value) then return "a list" end
  local names = { table = "an object", string = "text", number = "a number", boolean = "true or false" }
  return names[type(value)] or type(value)
end

--- The problems of one body, up to PROBLEMS_MAX of them.
---@return { count: integer, [integer]: confab.serve.Problem }
function serve_check.problems()
  return core.json.array { }
end

--- Notes one more.
---@param problems confab.serve.Problem[]
---@param path string
---@param reason string
function serve_check.add(problems, path, reason)
  if #problems < PROBLEMS_MAX then problems[#problems + 1] = { path = path, reason = reason } end
end
local add = serve_check.add

local function text_rule(most)
  return function(value)
    if type(value) ~= "string" then return "must be text, not " .. type_name(value) end
    if not value:find "%S" then return "is empty" end
    if utf8.len(value) > most then return ("must be at most %d characters long, not %d"):format(most, utf8.len(value)) end
  end
end

local function one_of(...)
  local allowed, list = {}, { ... }
  for _, word in ipairs(list) do allowed[word] = true end
  return function(value)
    if type(value) == "string" and allowed[value] then return nil end
    local given = type(value) == "string" and #value <= 100 and ("%q"):format(value) or type_name(value)
    return ("must be one of %s, not %s"):format(table.concat(list, ", "), given)
  end
end

local function number_rule(low, high, is_whole)
  return function(value)
    if type(value) ~= "number" then return "must be a number, not " .. type_name(value) end
    if is_whole and not math.tointeger(value) then return "must be a whole number" end
    if not (value >= low and value <= high) then return ("must be from %d to %d"):format(low, high) end
  end
end

local function object(value)
  if not is_object(value) then return "must be an object, not " .. type_name(value) end
end

local function boolean(value)
  if type(value) ~= "boolean" then return "must be true or false, not " .. type_name(value) end
end

---@class confab.serve.Rule
---@field [1] string  Name of the field.
---@field [2] fun(value: any): string?  Why it will not do.
---@field [3]? "optional"

---@type confab.serve.Rule[]
local request_rules = {
  { "templateId", text_rule(200) }, { "persona", text_rule(NAME_MAX) }, { "emotion", text_rule(NAME_MAX) },
  { "topic", text_rule(NAME_MAX) }, { "tier", one_of("template", "scenario", "edge_case") },
  { "parameters", object }, { "temperature", number_rule(0, 1), "optional" },
  { "maxTokens", number_rule(100, 8192, true), "optional" }, { "documentId", text_rule(200), "optional" },
  { "chunkId", text_rule(200), "optional" },
}

--- How the request for one conversation is answered: no part of what is stored.
---@type confab.serve.Rule[]
local manner_rules = { { "stream", boolean, "optional" }, { "async", boolean, "optional" } }

---@type confab.serve.Rule[]
local single_rules = table.move(manner_rules, 1, #manner_rules, #request_rules + 1, { table.unpack(request_rules) })

---@type confab.serve.Rule[]
local option_rules = {
  { "concurrency", number_rule(1, 10, true), "optional" }, { "stopOnError", boolean, "optional" },
  { "async", boolean, "optional" },
}

local function names_of(rules)
  local names = {}
  for i, rule in ipairs(rules) do names[i] = rule[1] end
  return table.concat(names, ", ")
end

local function check_known(value, rules, path, problems)
  local unknown = {}
  for name in next, value do
    local is_known = false
    for _, rule in ipairs(rules) do is_known = is_known or rule[1] == name end
    if not is_known then unknown[#unknown + 1] = name end
  end
  table.sort(unknown)
  for _, name in ipairs(unknown) do
    add(problems, path .. (#name <= 100 and name or name:sub(1, core.text.valid_prefix(name:sub(1, 100)))),
      "is not known; the fields are " .. names_of(rules))
  end
end

--- The fields of an object as the rules want them; what is null is not given.
local function check_fields(value, rules, path, problems)
  local checked = {}
  for _, rule in ipairs(rules) do
    local name, objection, optional = rule[1], rule[2], rule[3]
    local given = value[name]
    if given == null then given = nil end
    if given ~= nil then
      local why = objection(given)
      if why then add(problems, path .. name, why) end
      checked[name] = given
    elseif not optional then
      add(problems, path .. name, "is missing")
    end
  end
  check_known(value, rules, path, problems)
  if math.type(checked.maxTokens) == "float" then checked.maxTokens = math.tointeger(checked.maxTokens) end
  if math.type(checked.concurrency) == "float" then checked.concurrency = math.tointeger(checked.concurrency) end
  return checked
end

--- The request for one conversation.
---@param value any  Decoded JSON.
---@param problems confab.serve.Problem[]  Those found are added.
---@param path? string  In front of names of fields: "requests[3]."
---@return confab.serve.Request?
function serve_check.request(value, problems, path)
  path = path or ""
  if not is_object(value) then
    add(problems, path:gsub("%.$", ""), "must be an object, not " .. type_name(value))
    return nil
  end
  return check_fields(value, request_rules, path, problems)
end

---@class confab.serve.Manner
---@field stream boolean  Its text is told to those who watch, while it comes.
---@field is_async boolean  The answer does not wait for it.

--- The request for one conversation that is the whole body.
---@param value any  Decoded JSON.
---@param problems confab.serve.Problem[]  Those found are added.
---@return confab.serve.Request?
---@return confab.serve.Manner? manner
function serve_check.single(value, problems)
  if not is_object(value) then return serve_check.request(value, problems) end
  local request = check_fields(value, single_rules, "", problems)
  local manner = { stream = request.stream == true, is_async = request.async == true }
  request.stream, request.async = nil, nil
  return request, manner
end

---@class confab.serve.Batch
---@field concurrency integer
---@field stop_on_error boolean
---@field is_async boolean

local batch_rules = { { "requests" }, { "options" } }

--- A batch, but for its requests, which were taken out of it: see serve_batch.
---@param value any
---@param count integer  How many there are.
---@param most integer  How many are taken.
---@param problems confab.serve.Problem[]
---@return confab.serve.Batch?
function serve_check.batch(value, count, most, problems)
  if not is_object(value) then
    add(problems, "", "must be an object, not " .. type_name(value))
    return nil
  end
  local requests, options = value.requests, value.options
  if requests == nil or requests == null then
    add(problems, "requests", "is missing")
  elseif not core.json.is_array(requests) then
    add(problems, "requests", "must be a list, not " .. type_name(requests))
  elseif #requests > 0 then
    add(problems, "requests", "must be named without escapes")
  elseif count == 0 then
    add(problems, "requests", "is empty")
  elseif count > most then
    add(problems, "requests", ("there are %d of them; at most %d are taken at a time"):format(count, most))
  end
  local checked = {}
  if options ~= nil and options ~= null then
    local why = object(options)
    if why then
      add(problems, "options", why)
    else
      checked = check_fields(options, option_rules, "options.", problems)
    end
  end
  check_known(value, batch_rules, "", problems)
  return {
    concurrency = checked.concurrency or 3, stop_on_error = checked.stopOnError or false,
    is_async = checked.async or false,
  }
end

local run_rules = { { "name", text_rule(200) } }

--- The name of the run that is to be started.
---@param value any
---@param problems confab.serve.Problem[]
---@return string?
function serve_check.run_name(value, problems)
  if not is_object(value) then
    add(problems, "", "must be an object, not " .. type_name(value))
    return nil
  end
  return check_fields(value, run_rules, "", problems).name
end

--- Why a value of Idempotency-Key will not do; nil: it does.
---@param key string
---@return string?
function serve_check.key(key)
  if #key < 1 or #key > KEY_MAX then return ("must be 1 to %d characters long"):format(KEY_MAX) end
  if key:find "[^\33-\126]" then return "must be letters, digits and signs, without spaces" end
end

return serve_check
