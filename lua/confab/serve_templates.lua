--- The templates that are offered over HTTP: those of the script, and stored ones that say all of themselves.
local ask = require "confab.ask"
local core = require "confab.core"
local defined = require "confab.defined"
local errors = require "confab.errors"
local generate = require "confab.generate"
local scoring = require "confab.scoring"
local template = require "confab.template"
local template_call = require "confab.template_call"

local serve_templates = {}

---@class confab.serve.Offer
---@field template confab.Template
---@field uuid string  Of its row.
---@field scoring? confab.Scoring  For what has none of its own.

---@type table<string, confab.serve.Offer>
local by_uuid, by_name = {}, {}

local function scoring_of(tmpl)
  if tmpl.scoring then return nil end
  local found, others = nil, 0
  for _, run in ipairs(defined.list) do
    local opts = defined.options(run)
    if opts.template == tmpl and opts.score then return opts.score end
    if opts.score and opts.score ~= found then
      found, others = opts.score, others + 1
    end
  end
  return others == 1 and found or scoring.default
end

local function uuid_of(row)
  return core.store.sql("SELECT uuid FROM templates WHERE id = ?", row)[1].uuid
end

--- Gives each template of the script its row.
function serve_templates.offer()
  for _, tmpl in ipairs(defined.templates) do
    local offer = { template = tmpl, uuid = uuid_of(template_call.row(tmpl)), scoring = scoring_of(tmpl) }
    by_uuid[offer.uuid], by_name[tmpl.name] = offer, offer
  end
end

--- Names of those that the script has made, in their order.
---@return string[]
function serve_templates.names()
  local names, seen = core.json.array {}, {}
  for _, tmpl in ipairs(defined.templates) do
    if not seen[tmpl.name] then names[#names + 1] = tmpl.name end
    seen[tmpl.name] = true
  end
  return names
end

--- Their uuids, in any order.
---@return string[]
function serve_templates.offered()
  local uuids = {}
  for uuid in next, by_uuid do uuids[#uuids + 1] = uuid end
  return uuids
end

local HAS_FUNCTIONS = "(a function)"    -- see template.row

local function is_whole(row, settings)
  local has_functions = settings.lambdas or row.prompt == HAS_FUNCTIONS or row.system == HAS_FUNCTIONS or
    row.tier == HAS_FUNCTIONS or settings.model == HAS_FUNCTIONS
  return not has_functions
end

--- A template of an earlier script, made again of its row. nil, why: it is not all in there.
local function from_row(row)
  local settings = row.settings and core.json.decode(row.settings) or {}
  if not is_whole(row, settings) then
    return nil, ("the template %q has functions; serve the script that makes it"):format(row.name)
  end
  local ok, made = pcall(template.new, {
    name = row.name, tier = row.tier, system = row.system, prompt = row.prompt, model = settings.model,
    max_tokens = settings.max_tokens, partials = settings.partials, escape = settings.escape, strict = settings.strict,
  })
  if not ok then return nil, tostring(made) end
  local offer = { template = made, uuid = row.uuid, scoring = scoring.default }
  by_uuid[row.uuid] = offer
  return offer
end

local function find_row(id)
  return core.store.sql([[
    SELECT uuid, name, tier, system, prompt, settings FROM templates WHERE uuid = ?1 OR name = ?1
    ORDER BY uuid = ?1 DESC, version DESC LIMIT 1]], id)[1]
end

--- The template of that uuid or name. nil, why: there is none, or it cannot be used.
---@param id string
---@return confab.serve.Offer?
---@return string? why
function serve_templates.find(id)
  local offer = by_uuid[id] or by_uuid[id:lower()] or by_name[id]
  if offer then return offer end
  local row = find_row(id:find "^%x+%-%x+%-%x+%-%x+%-%x+$" and id:lower() or id)
  if not row then return nil, "there is no template of this id or name" end
  local made, why = from_row(row)
  -- An older version whose functions are gone: the script's own takes its place.
  if not made and by_name[row.name] then return by_name[row.name] end
  return made, why
end

local COLUMNS = { documentId = "document_id", chunkId = "chunk_id" }

--- What the template is filled in with: the parameters, and the request's own fields under the names that
--- templates use, where the parameters lack them.
---@param request confab.serve.Request
---@return table<string, any> params
function serve_templates.params(request)
  local params = {}
  for name, value in next, request.parameters do params[name] = value end
  for _, name in ipairs { "persona", "emotion", "topic", "tier", "documentId", "chunkId" } do
    local given, other = request[name], COLUMNS[name]
    if given ~= nil and params[name] == nil then params[name] = given end
    if other and given ~= nil and params[other] == nil then params[other] = given end
  end
  return params
end

--- Why the template cannot be filled in; nil if it can. What is wrong with a function of it is raised.
---@param offer confab.serve.Offer
---@param request confab.serve.Request
---@return string?
function serve_templates.objection(offer, request)
  local ok, why = pcall(offer.template.resolve, offer.template, serve_templates.params(request))
  if ok then return nil end
  if errors.is(why, "config_error") then return why.message end
  error(why, 0)
end

local function find_offer(request)
  local offer, why = serve_templates.find(request.templateId)
  if not offer then error(errors.new("config_error", why), 0) end
  return offer
end

--- The template of a request, and the call that it makes, for measuring it.
---@param request confab.serve.Request
---@return confab.Template
---@return table call
function serve_templates.request(request)
  local tmpl = find_offer(request).template
  local call = tmpl:resolve(serve_templates.params(request))
  call.temperature = request.temperature or call.temperature
  call.max_tokens = request.maxTokens or call.max_tokens
  return tmpl, ask.request({}, call)
end

local function see() end    -- those who watch see the text; the script does not

--- The conversation of a request; in the step of a run.
---@param ctx confab.Context
---@param request confab.serve.Request
---@param is_streamed? boolean
---@return confab.Conversation
function serve_templates.generate(ctx, request, is_streamed)
  local offer = find_offer(request)
  local scored = setmetatable({ scoring = offer.scoring, on_text = is_streamed and see or nil },
    { __index = ctx, __newindex = ctx })
  local conv = generate.with_template(scored, offer.template, serve_templates.params(request), {
    temperature = request.temperature, max_tokens = request.maxTokens, persona = request.persona,
    emotion = request.emotion, topic = request.topic, tier = request.tier, document_id = request.documentId,
    chunk_id = request.chunkId,
  })
  core.conversation.fields(conv).parameters = request.parameters
  return conv
end

return serve_templates
