--- The calls that templates make of items, and what is stored of an item together with the reply to its call.
local ask = require "confab.ask"
local core = require "confab.core"
local flags = require "confab.flags"
local scoring = require "confab.scoring"
local settings = require "confab.settings"
local template = require "confab.template"

local template_call = {}

local rows = setmetatable({}, { __mode = "k" })

--- The database's row of a template; written at its first use.
---@param tmpl confab.Template
---@return integer?
function template_call.row(tmpl)
  if flags.plan then return nil end
  local row = rows[tmpl]
  if not row then
    row = core.run.template(template.row(tmpl, settings.model()))
    rows[tmpl] = row
  end
  return row
end

--- Of a plain template the request is made once; only its texts change from item to item.
local function request_for(plain, tmpl, params)
  local request = plain[tmpl]
  if request then
    local texts = tmpl:render(params)
    request.system, request.prompt = texts.system, texts.prompt
    return request
  end
  request = ask.request({}, template.call(tmpl, params))
  if template.is_plain(tmpl) then plain[tmpl] = request end
  return request
end

local function hash_of(plain, tmpl, params)
  return core.call.hash(request_for(plain, tmpl, params))
end

--- The hash of the call that a template makes of an item; nil where that takes a closer look. An item
--- that is done with this one call, and its reply whole, is left as it is (core.call.stands).
---@param plain table  Empty at first; one for a run, in which settings do not change.
---@param tmpl confab.Template
---@param params table
---@return string?
function template_call.hash(plain, tmpl, params)
  local ok, hash = pcall(hash_of, plain, tmpl, params)
  return ok and hash or nil
end

--- For generate.with_template: the template says all.
template_call.as_it_is = {}

--- Whether the script has no say in what becomes of an item's reply: no functions, no rules of its own. Then an item
--- ends with the first reply that serves, in one transaction, without coming back to Lua (src/engine/ending.h).
---@param ctx confab.Context
---@param tmpl confab.Template
---@return boolean
function template_call.ends_item(ctx, tmpl)
  local by = tmpl.scoring or ctx.scoring
  return ctx.takes_no_look and ctx.on_text == nil and template.is_plain(tmpl) and tmpl.schema == nil
    and (by == nil or by == scoring.default)
end

--- What the template and what wins over it come to, and the request that is made of them. Of a plain
--- template as it is a worker makes both once; from item to item only texts and columns change.
---@param ctx confab.Context
---@param tmpl confab.Template
---@param params table
---@param overrides table
---@return table call
---@return table request
function template_call.prepare(ctx, tmpl, params, overrides)
  local made = overrides == template_call.as_it_is and ctx.made
  if made then
    template.refill(tmpl, params, made.call)
    made.request.system, made.request.prompt = made.call.system, made.call.prompt
  else
    local call = tmpl:resolve(params)
    for name, value in next, overrides do call[name] = value end
    call.tries = overrides.tries or tmpl.tries or ctx.tries or 1
    call.template, call.template_name = template_call.row(tmpl), tmpl.name
    made = { call = call, request = ask.request(ctx, call) }
    if overrides ~= template_call.as_it_is or not template.is_plain(tmpl) then return call, made.request end
    if template_call.ends_item(ctx, tmpl) then made.ending = { template = call.template, columns = call.columns } end
    ctx.made = made
  end
  if made.ending then
    local columns = made.ending.columns
    columns.tier = columns.tier or tmpl.tier
    made.ending.parameters = core.json.encode(params)
    made.request.ending = made.ending
  end
  return made.call, made.request
end

return template_call
