--- Replies that must fit a JSON Schema: checked here whatever the provider promises, and sent back with what is
--- wrong where they do not.
local core = require "confab.core"
local errors = require "confab.errors"
local schema = require "confab.schema"

local structured = {}

local SHOWN_MAX = 4      -- faults that a message names; the details have all

-- The faults of one value for people: "/turns/3/role must be ...; ...".
local function told(faults)
  local lines = {}
  for i = 1, math.min(#faults, SHOWN_MAX) do
    lines[i] = (faults[i].path == "" and "" or faults[i].path .. " ") .. faults[i].reason
  end
  if #faults > SHOWN_MAX then lines[#lines + 1] = ("%d more"):format(#faults - SHOWN_MAX) end
  return table.concat(lines, "; ")
end

--- Why a value does not fit, or nil. Names of an enum that differ in their capitals only are put right in it: a
--- provider that holds a reply to a schema does not promise them.
---@param value any
---@param given table|string  The schema.
---@return confab.Error?
function structured.misfit(value, given)
  local check = schema.compile(given, "the schema")
  local ok, faults = check(value)
  if ok then return nil end
  local fixed, whole = check(value, true)
  if fixed and whole == value then return nil end
  return errors.new("validation_error", "the reply does not fit the schema: " .. told(faults),
    { details = { faults = faults } })
end

--- Why a reply does not serve where JSON is wanted, or nil.
---@param reply confab.Reply
---@param given? table|string  The schema, if there is one.
---@return confab.Error?
function structured.objection(reply, given)
  if reply.json == nil then
    local what = reply.is_cut and "the reply was cut off at max_tokens: " or "the reply is not JSON: "
    return errors.new("parse_error", what .. errors.show(reply.text, 80))
  end
  return given and structured.misfit(reply.json, given) or nil
end

--- The value of an answer of a generated conversation, and why it does not fit.
---@param said confab.Reply|string  A reply, or a text put together from several.
---@param given table|string
---@return any value
---@return confab.Error?
function structured.value(said, given)
  if type(said) == "string" then
    local ok, value = pcall(core.json.decode, said)
    said = { text = said, json = ok and value or nil, is_cut = false }
  end
  local why = structured.objection(said, given)
  return said.json, why
end

local function lines_of(why)
  local faults = why.details and why.details.faults
  if not faults then return "- " .. why.message end
  local lines = {}
  for i, fault in ipairs(faults) do
    lines[i] = ("- %s: %s"):format(fault.path == "" and "the whole" or fault.path, fault.reason)
  end
  return table.concat(lines, "\n")
end

--- A request with two messages more: what was answered, and what is said to that.
---@param request table
---@param answer string
---@param said string
---@return table request
function structured.follow(request, answer, said)
  local copy, messages = {}, {}
  for name, value in pairs(request) do copy[name] = value end
  for i, message in ipairs(request.messages or { { role = "user", content = request.prompt } }) do
    messages[i] = message
  end
  messages[#messages + 1] = { role = "assistant", content = answer }
  messages[#messages + 1] = { role = "user", content = said }
  copy.prompt, copy.messages = nil, messages
  return copy
end

--- The request that sends a reply back with what is wrong with it. A reply that says nothing, was declined or has no
--- end is asked for as before.
---@param request table  The first one of the call.
---@param reply confab.Reply
---@param why confab.Error
---@return table request
function structured.again(request, reply, why)
  if why.kind == "refusal" or reply.is_cut or not reply.text:find "%S" then return request end
  return structured.follow(request, reply.text, "Your answer does not fit what was asked for:\n" .. lines_of(why) ..
    "\nGive the whole answer again with this put right, as JSON and nothing else.")
end

--- A schema as the request of a call has it: JSON text.
---@param given? table|string
---@return string?
function structured.text(given)
  return given ~= nil and schema.text(given) or nil
end

--- For the options of a call: why a schema will not do, or nil.
---@param given table|string
---@return string?
function structured.refuses(given)
  local ok, why = schema.try(given)
  if not ok then return "will not do: " .. why:gsub("^the schema:? ", "") end
  if type(given) == "string" and type(core.json.decode(given)) ~= "table" then return "must be an object" end
  return nil
end

return structured
