--- Templates: what to ask, with the settings to ask it with, filled in from an item's parameters.
local core = require "confab.core"
local defined = require "confab.defined"
local errors = require "confab.errors"
local flags = require "confab.flags"
local options = require "confab.options"
local structured = require "confab.structured"

local template = {}

---@alias confab.Params any  A table, or what can be indexed like one.

--- A function gets the item's parameters; what it returns for a text is used as it is.
---@class confab.TemplateOptions
---@field name string  Stands in messages and in the database.
---@field system? string|fun(params: confab.Params): string?
---@field prompt string|fun(params: confab.Params): string
---@field tier? string|fun(params: confab.Params): string?  "template", "scenario", "edge_case", ...
---@field columns? table<confab.Column, string|fun(params: confab.Params): string|number|nil>
---@field model? string|fun(params: confab.Params): string?
---@field max_tokens? integer|fun(params: confab.Params): integer?  Room for the reply's text.
---@field temperature? number|fun(params: confab.Params): number?  0 to 1.
---@field top_p? number|fun(params: confab.Params): number?  0 to 1.
---@field top_k? integer|fun(params: confab.Params): integer?
---@field stop? string|string[]|fun(params: confab.Params): string|string[]|nil
---@field schema? table|string|fun(params: confab.Params): table|string|nil  JSON Schema.
---@field thinking? confab.Thinking|fun(params: confab.Params): confab.Thinking?
---@field thinking_budget? integer|fun(params: confab.Params): integer?  For "enabled"; tokens.
---@field effort? confab.Effort|fun(params: confab.Params): confab.Effort?
---@field cache? confab.Cache|fun(params: confab.Params): confab.Cache?  Of the system prompt.
---@field strict? boolean  What the parameters lack is an error (default: true).
---@field escape? "html"  {{x}} escapes HTML (default: nothing is escaped).
---@field partials? table<string, string>  Texts for {{> name}} and {{< name}}.
---@field lambdas? table<string, confab.Lambda>  Functions for {{name}} and {{#name}}.
---@field scoring? confab.Scoring|confab.Rule
---@field on_truncated? "salvage"|"continue"|"fail"
---@field tries? integer

--- Gets the body of the section as it is written (nil for a variable) and a function that renders a
--- text, or the body, with the values there. What it returns is read as template text unless it has
--- called `render`; of a section true shows the body, false and nil leave it out.
---@alias confab.Lambda fun(text?: string, render: confab.RenderText): confab.LambdaText
---@alias confab.RenderText fun(text?: string): string
---@alias confab.LambdaText string|number|boolean|nil

---@alias confab.Column "persona"|"emotion"|"topic"|"tier"|"document_id"|"chunk_id"
---@alias confab.Thinking "disabled"|"between_tools"|"adaptive"|"enabled"
---@alias confab.Effort "low"|"medium"|"high"|"xhigh"|"max"
---@alias confab.Cache boolean|"5m"|"1h"

---@class confab.TextPlace
---@field file string
---@field line integer
---@field column integer

---@class confab.ResolvedTemplate  Plain data for one call; fields that are not given are absent.
---@field prompt string
---@field system? string
---@field columns table<confab.Column, string>
---@field model? string
---@field max_tokens? integer
---@field stop? string[]

local COLUMNS = { "persona", "emotion", "topic", "tier", "document_id", "chunk_id" }

local function not_empty(value)
  return value == "" and "must not be empty" or nil
end

local function check_name(name)
  if name == "" then return "must not be empty" end
  if name:find("%c") or core.text.invalid_at(name) then
    return "must be text without control characters"
  end
  return nil
end

local function check_stop(stop)
  for _, text in ipairs(type(stop) == "table" and stop or { stop }) do
    if type(text) ~= "string" or not text:find("%S") then
      return "must be texts that are not only white space"
    end
  end
  return nil
end

local function check_partials(partials)
  for name, text in next, partials do
    if type(name) ~= "string" or type(text) ~= "string" then return "must be texts by name" end
  end
  return nil
end

local function check_lambdas(lambdas)
  for name, fn in next, lambdas do
    if type(name) ~= "string" or type(fn) ~= "function" then return "must be functions by name" end
  end
  return nil
end

-- Fields of a call, which may be functions of the parameters; the types are those of their values.
local call_specs = {
  system = { type = "string" },
  prompt = { type = "string", required = true },
  tier = { type = "string", check = not_empty },
  model = { type = "string", check = not_empty },
  max_tokens = { type = "integer", min = 1 },
  temperature = { type = "number", min = 0, max = 1 },
  top_p = { type = "number", min = 0, max = 1 },
  top_k = { type = "integer", min = 0 },
  stop = { type = { "string", "list" }, check = check_stop },
  schema = { type = { "table", "string" }, check = structured.refuses },
  thinking = { type = "string", one_of = { "disabled", "between_tools", "adaptive", "enabled" } },
  thinking_budget = { type = "integer", min = 1024 },
  effort = { type = "string", one_of = { "low", "medium", "high", "xhigh", "max" } },
  cache = { type = { "boolean", "string" }, one_of = { "5m", "1h" } },
}

local template_specs = {
  name = { type = "string", required = true, check = check_name },
  columns = { type = "table" },
  strict = { type = "boolean", default = true },
  escape = { type = "string", one_of = { "html" } },
  partials = { type = "table", check = check_partials },
  lambdas = { type = "table", check = check_lambdas },
  scoring = { type = "table" },
  on_truncated = { type = "string", one_of = { "salvage", "continue", "fail" } },
  tries = { type = "integer", min = 1 },
}

local function_spec = { type = "function" }

-- In a fixed order, so that functions are called, and mistakes named, in that order.
local call_fields = {}
for name in next, call_specs do call_fields[#call_fields + 1] = name end
table.sort(call_fields)

local function title(name)
  return ("template %q"):format(name)
end

--- The options checked; fields of a call that are functions are checked by what they return.
local function check_options(opts)
  local specs, what = {}, "confab.template"
  for name, spec in next, template_specs do specs[name] = spec end
  for name, spec in next, call_specs do
    local is_function = type(opts) == "table" and type(opts[name]) == "function"
    specs[name] = is_function and function_spec or spec
  end
  if type(opts) == "table" and type(opts.name) == "string" and not check_name(opts.name) then
    what = "confab." .. title(opts.name)
  end
  return options.check(opts, specs, what)
end

--- Compiles the text of one part; a mistake in it names the script's line as well as its own, or,
--- in a text of a file, the file and the line there.
local function compile(fields, part, text, place)
  local name = place and place.file or ("%q (%s)"):format(fields.name, part)
  local ok, compiled = pcall(core.template.compile, name, text, {
    strict = fields.strict, escape = fields.escape, partials = fields.partials,
    lambdas = fields.lambdas, line = place and place.line, column = place and place.column,
  })
  if ok then return compiled end
  if not errors.is(compiled) then error(compiled, 0) end
  return errors.misuse(compiled.message)
end

--- The compiled columns: templates by name, functions as they are.
local function compile_columns(fields)
  local specs, parts = {}, {}
  for _, name in ipairs(COLUMNS) do specs[name] = { type = { "string", "function" } } end
  local what = "confab." .. title(fields.name) .. ": columns"
  local columns = options.check(fields.columns, specs, what)
  for _, name in ipairs(COLUMNS) do
    local value = columns[name]
    parts[name] = type(value) == "string" and compile(fields, name, value) or value
  end
  return parts
end

--- What speaks against storing parameters, before a call is paid for; nil if nothing does.
---@param params table
---@return string?
function template.refuses(params)
  local found
  for name, value in next, params do
    local is_first = type(name) == "string" and (not found or name < found)
    if type(value) == "function" and is_first then found = name end
  end
  return found and ("must be data, for they are stored, and %q is a function; " ..
    "give functions to the template, as lambdas"):format(found)
end

---@class confab.Template: confab.TemplateOptions
local methods = {}

template.methods = methods

-- The key under which a template keeps its fields and what was compiled from them.
local STATE = {}

local metatable = {
  __name = "confab.template",
  __index = function(self, key)
    return methods[key] or rawget(self, STATE).fields[key]
  end,
  __newindex = function()
    errors.misuse("a template does not change; make another one")
  end,
  __tostring = function(self)
    return "confab." .. title(rawget(self, STATE).fields.name)
  end,
}

--- Whether value is a template.
---@param value any
---@return boolean
function template.is(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

local fingerprint = ""

--- Takes what a template says into the fingerprint; what its functions do stands in the script.
local function note(fields)
  local said, names = {}, {}
  for name in next, fields do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local ok, text = pcall(core.json.encode, fields[name])
    said[#said + 1] = ok and name .. "=" .. text or name
  end
  fingerprint = core.hash.sha256hex(fingerprint .. table.concat(said, "\n"))
end

--- Tells the templates that were made so far, in their order, from others: hexadecimal digits.
---@return string
function template.fingerprint() return fingerprint end

--- A template: texts in Mustache and the settings of the call. See confab.TemplateOptions.
--- Example: `local t = confab.template { name = "chat", prompt = "Write a chat about {{topic}}." }`
---@param opts confab.TemplateOptions
---@param places? table<string, confab.TextPlace>  Where texts that come from a file begin there.
---@return confab.Template
function template.new(opts, places)
  local fields = check_options(opts)
  if not core.scheduler.context() then note(fields) end    -- those of steps come again only where steps run
  ---@class confab.TemplateState
  ---@field given string[]  The fields of a call that this template has, in call_fields' order.
  ---@field has_functions? boolean  Some of these fields are functions, or its texts call some.
  local state = { fields = fields, columns = compile_columns(fields) }
  for _, part in ipairs { "system", "prompt" } do
    if type(fields[part]) == "string" then
      state[part] = compile(fields, part, fields[part], places and places[part])
    end
  end
  state.given = {}
  for _, name in ipairs(call_fields) do
    if fields[name] ~= nil and name ~= "tier" then state.given[#state.given + 1] = name end
    if type(fields[name]) == "function" then state.has_functions = true end
  end
  if fields.lambdas and next(fields.lambdas) then state.has_functions = true end
  local made = setmetatable({ [STATE] = state }, metatable)
  if flags.defines then defined.templates[#defined.templates + 1] = made end
  return made
end

local function state_of(self)
  return template.is(self) and rawget(self, STATE) or
    errors.misuse("a template was expected; call its methods with a colon")
end

local function check_params(state, params)
  if params == nil then return {} end
  if type(params) == "table" or type(params) == "userdata" then return params end
  return errors.misuse(("%s: the parameters must be a table, not %s")
    :format(title(state.fields.name), errors.show(params, 80)))
end

--- What a function of the script gives for a field; nil where it gives nothing.
local function call_field(state, name, fn, params, spec)
  local what = title(state.fields.name)
  local value = errors.guard(what .. ": " .. name, fn, params)
  if value == nil and not spec.required then return nil end
  local ok, checked = pcall(options.check, { [name] = value }, { [name] = spec }, what)
  if ok then return checked[name] end
  error(errors.new("script_error", checked.message, { details = checked.details }), 0)
end

--- The value of a field of a call.
local function resolve_field(state, name, params)
  if state[name] then return state[name]:render(params) end
  local value = state.fields[name]
  if type(value) ~= "function" then return value end
  return call_field(state, name, value, params, call_specs[name])
end

--- A parameter as a stored column has it; only texts and numbers are.
local function column_text(value)
  if value == nil then return nil end
  if math.type(value) == "float" then value = core.json.encode(value) end
  if math.type(value) == "integer" then value = tostring(value) end
  if type(value) == "string" and value ~= "" then return value end
  return nil
end

local column_spec = { type = { "string", "number" } }

local function resolve_column(state, name, params)
  local part = state.columns[name]
  if type(part) == "function" then
    return column_text(call_field(state, name, part, params, column_spec))
  end
  if part then return column_text(part:render(params)) end
  if name == "tier" and state.fields.tier then return resolve_field(state, name, params) end
  return column_text(params[name])
end

--- The texts filled in. A variable without a value is a config_error naming it.
---@param params table?
---@return { system?: string, prompt: string }
function methods:render(params)
  local state = state_of(self)
  params = check_params(state, params)
  return {
    system = resolve_field(state, "system", params),
    prompt = resolve_field(state, "prompt", params),
  }
end

--- Names that the texts use, each once, in order; those of the system prompt first. Names of
--- lambdas are not among them, nor those in the texts that they return.
---@return string[]
function methods:variables()
  local state = state_of(self)
  local names, seen = {}, {}
  for name in next, state.fields.lambdas or {} do seen[name] = true end
  for _, part in ipairs { "system", "prompt" } do
    for _, name in ipairs(state[part] and state[part]:variables() or {}) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  return names
end

local function call_of(state, params)
  local resolved = {}
  for _, name in ipairs(state.given) do resolved[name] = resolve_field(state, name, params) end
  if type(resolved.stop) == "string" then resolved.stop = { resolved.stop } end
  return resolved
end

--- Whether only the texts of a call depend on the parameters.
---@param tmpl confab.Template
---@return boolean
function template.is_plain(tmpl)
  return not state_of(tmpl).has_functions
end

--- Its row in the database: what it says. Of functions only the names: a change in what they do is
--- no new version.
---@param tmpl confab.Template
---@param default_model? string
---@return table
function template.row(tmpl, default_model)
  local fields = state_of(tmpl).fields
  local function text(value)
    return type(value) == "string" and value or value and "(a function)" or nil
  end
  local names = {}
  for name in next, fields.lambdas or {} do names[#names + 1] = name end
  table.sort(names)
  local settings = {
    model = text(fields.model) or default_model, escape = fields.escape,
    max_tokens = type(fields.max_tokens) == "number" and fields.max_tokens or nil,
    partials = fields.partials and next(fields.partials) and fields.partials or nil,
    lambdas = names[1] and names or nil,
  }
  if not fields.strict then settings.strict = false end
  return {
    name = fields.name, tier = text(fields.tier), system = text(fields.system),
    prompt = text(fields.prompt), settings = core.json.encode(settings),
  }
end

--- What a call says, without the columns stored beside it.
---@param tmpl confab.Template
---@param params table?
---@return table
function template.call(tmpl, params)
  local state = state_of(tmpl)
  return call_of(state, check_params(state, params))
end

--- All that a call needs: the texts filled in, fields that are functions called, and the stored
--- columns: those of `columns`, then the template's tier, then the parameters of that name.
---@param params table?
---@return confab.ResolvedTemplate
function methods:resolve(params)
  local state = state_of(self)
  params = check_params(state, params)

  local resolved, columns = call_of(state, params), {}
  for _, name in ipairs(COLUMNS) do columns[name] = resolve_column(state, name, params) end
  resolved.columns = columns
  return resolved
end

--- Of a plain template: makes what it resolved to for one item into what it does for another.
---@param tmpl confab.Template
---@param params table
---@param resolved confab.ResolvedTemplate
function template.refill(tmpl, params, resolved)
  local state = state_of(tmpl)
  params = check_params(state, params)
  if state.system then resolved.system = state.system:render(params) end
  resolved.prompt = state.prompt:render(params)
  local columns = resolved.columns
  for _, name in ipairs(COLUMNS) do columns[name] = resolve_column(state, name, params) end
end

--- What asking for one item would take: see confab.estimate.
---@param params table?
---@return confab.Estimate
function methods:estimate(params)
  state_of(self)
  return require "confab.estimate".estimate { items = { params or {} }, template = self }
end

--- The template in a file; see lua/confab/template_file.lua.
---@param path string
---@param opts? confab.TemplateOptions
---@return confab.Template
function template.file(path, opts)
  return require "confab.template_file".load(path, opts)
end

setmetatable(template, { __call = function(_, opts) return template.new(opts) end })

return template
