--- Conversations from templates: asked for, parsed, validated and scored (`confab.generate`).
local ask = require "confab.ask"
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local interrupted = require "confab.interrupted"
local keys = require "confab.keys"
local live = require "confab.live"
local options = require "confab.options"
local scoring = require "confab.scoring"
local standing = require "confab.standing"
local structured = require "confab.structured"
local template = require "confab.template"
local template_call = require "confab.template_call"

local generate = {}

local CONTINUE_MAX = 3    -- rounds of asking for the rest of a reply that was cut off
local CONTINUE_PROMPT = "Your reply was cut off. Go on exactly where it stopped, without repeating anything and " ..
  "without any remark."

local function add_usage(sum, more)
  for kind, tokens in next, more do sum[kind] = (sum[kind] or 0) + tokens end
end

--- Asks for the rest of a reply that was cut off and puts the pieces together; adds to usage what they used.
local function continue(ctx, request, reply, calls, cost, usage)
  local text = reply.text
  for _ = 1, CONTINUE_MAX do
    if text == "" then break end
    local again = structured.follow(request, text, CONTINUE_PROMPT)
    again.schema = nil    -- the rest of a value is no value
    local more, refused = ask.once(ctx, again)
    calls[#calls + 1] = more.call
    cost = ask.add_cost(cost, more)
    add_usage(usage, more.usage)
    if refused then return text, true, cost, refused end
    text = text .. more.text
    if not more.is_cut then return text, false, cost end
  end
  return text, true, cost
end

--- The conversation of a reply, or of a text put together from several; or nil and why it does not serve.
local function conversation_of(said, is_cut, on_truncated, schema)
  if is_cut and on_truncated == "fail" then
    return nil, errors.new("validation_error", "the reply was cut off at max_tokens")
  end
  local conv, why = core.conversation.parse(said, is_cut)
  if not conv and why.refusal_like then
    return nil, errors.new("refusal", "the model declined in prose: " .. why.message)
  end
  local value
  if schema and not is_cut then
    local misfit
    value, misfit = structured.value(said, schema)
    if misfit then return nil, misfit end
    if not conv then why.message = why.message .. ": a schema needs a list of turns, each with a role and a content" end
  end
  if not conv then return nil, why end
  core.conversation.fields(conv).json = value
  local valid
  valid, why = core.conversation.validate(conv, conv.truncated)
  if not valid then return nil, why end
  return conv
end

--- Fills in the score and the status that follows from it.
---@param conv confab.Conversation
---@param by? confab.Scoring
function generate.score(conv, by)
  local fields = core.conversation.fields(conv)
  if by == nil or by == scoring.default then    -- the breakdown is made of its JSON when it is read
    fields.breakdown, fields.score, fields.breakdown_json = nil, core.conversation.score(conv)
  else
    fields.breakdown_json, fields.score, fields.breakdown = nil, scoring.score(conv, by)
  end
  if fields.status ~= "approved" and fields.status ~= "rejected" then
    fields.status = standing.status(fields.score)
  end
end

--- The request that a template makes of an item, for measuring it.
---@param tmpl confab.Template
---@param params table
---@return table request
function generate.request(tmpl, params)
  return ask.request({}, tmpl:resolve(params))
end

local COLUMNS = { "persona", "emotion", "topic", "tier", "document_id", "chunk_id" }

--- Asks until a reply serves or the tries are used up; raises the last objection.
---@param ctx confab.Context
---@param tmpl confab.Template
---@param params table
---@param overrides table  Fields of the call that win over the template's; template_call.as_it_is: none, and
---  one call at a time, of always the same template, in this context.
---@return confab.Conversation?  nil: the item has ended with the reply; and
---@return { score: integer, cost_pico: integer, cost?: number }? ended  with this.
function generate.with_template(ctx, tmpl, params, overrides)
  local call, first = template_call.prepare(ctx, tmpl, params, overrides)
  local request, tries = first, call.tries
  if overrides.on_text then first.shown = live.shown(overrides.on_text) end

  local calls, cost = {}, 0
  for try = 1, tries do
    local reply, why = ask.once(ctx, request)
    if reply.score then return nil, reply end
    request.ending = nil    -- what comes of several replies is put together here
    local on_truncated = overrides.on_truncated or tmpl.on_truncated or ctx.on_truncated or "salvage"
    calls[#calls + 1] = reply.call
    cost = ask.add_cost(cost, reply)
    local conv, usage
    if not why then
      local said, is_cut = reply, reply.is_cut
      usage = reply.usage
      if is_cut and on_truncated == "continue" then
        said, is_cut, cost, why = continue(ctx, request, reply, calls, cost, usage)
      end
      if not why then conv, why = conversation_of(said, is_cut, on_truncated, call.schema) end
    end
    if conv then
      local fields = core.conversation.fields(conv)
      fields.usage, fields.model, fields.cost_pico = usage, reply.model, cost
      fields.cost = cost >= 0 and cost / 1e12 or nil
      fields.template, fields.template_row = tmpl.name, call.template
      fields.parameters, fields.calls = params, calls
      for _, name in ipairs(COLUMNS) do fields[name] = overrides[name] or call.columns[name] end
      fields.tier = fields.tier or (type(tmpl.tier) == "string" and tmpl.tier) or nil
      generate.score(conv, tmpl.scoring or ctx.scoring)
      return conv
    end
    ask.reject(ctx, reply, why)
    if try == tries then
      why.call = reply.call
      error(why, 0)
    end
    if call.schema then request = structured.again(first, reply, why) end
  end
end

--- A conversation as a row for core.run's finish.
---@param conv confab.Conversation
---@param part integer
function generate.row(conv, part)
  local fields = core.conversation.fields(conv)
  local calls = {}
  for i, call in ipairs(fields.calls or {}) do
    calls[i] = type(call) == "table" and call or { first = 0, last = math.max(#conv - 1, 0), call = call }
  end
  local row = {
    conversation = conv, part = part, template = fields.template_row, status = fields.status,
    score = fields.score,
    breakdown = fields.breakdown_json or fields.breakdown and core.json.encode(fields.breakdown) or nil,
    cost_pico = fields.cost_pico, model = fields.model, truncated = fields.truncated, calls = calls,
    parameters = fields.parameters and core.json.encode(fields.parameters) or nil, tags = fields.tag_rows,
  }
  for _, name in ipairs(COLUMNS) do
    if fields[name] ~= nil then row[name] = tostring(fields[name]) end
  end
  if fields.branch then
    row.branch_turn = fields.branch.turn
    row.branch_of = core.conversation.fields(fields.branch.of).row
  end
  return row
end

--- The rows of the conversations that an item made.
---@param convs confab.Conversation[]
---@return table[]
function generate.rows(convs)
  local rows, part_of = {}, {}
  for i, conv in ipairs(convs) do
    rows[i], part_of[conv] = generate.row(conv, i), i
    local branch = core.conversation.fields(conv).branch
    if branch and not rows[i].branch_of then rows[i].branch_part = part_of[branch.of] end
  end
  return rows
end

local text_or_number = { type = { "string", "number" } }

--- The options that are columns of a conversation.
generate.column_specs = {}
for _, name in ipairs(COLUMNS) do generate.column_specs[name] = text_or_number end

--- Fills in the columns that the options leave open from the item's parameters.
---@param opts table
---@param params any
function generate.fill_columns(opts, params)
  if type(params) ~= "table" then return end    -- an item may be a number or a text
  for _, name in ipairs(COLUMNS) do
    local value = params[name]
    if opts[name] == nil and (type(value) == "string" or type(value) == "number") then opts[name] = value end
  end
end

local generate_specs = {
  template = { type = "table", required = true },
  params = { type = "table", default = {}, check = template.refuses },
  model = { type = "string" }, temperature = { type = "number", min = 0, max = 1 },
  max_tokens = { type = "integer", min = 1 }, tries = { type = "integer", min = 1 },
  on_truncated = { type = "string", one_of = { "salvage", "continue", "fail" } },
  schema = { type = { "table", "string" }, check = structured.refuses }, on_text = { type = "function" },
}
for name, spec in next, generate.column_specs do generate_specs[name] = spec end

-- Items outside a run, by their keys: those that are being worked on, and those whose work an interrupt has ended.
local worked_on, left = {}, {}

interrupted.on_settled(function()
  for key, item in next, worked_on do left[key] = item end
  worked_on = {}
end)

--- The next item of that identity: one that an interrupt has left, or a new one.
local function own_item(own, base, params)
  local n = 0
  while true do
    n = n + 1
    local key = keys.occurrence(base, n)
    local item = left[key]
    if item then
      left[key] = nil
      own.run:renew(item)
      return key, item
    end
    item = own.run:draw { { key = key, ordinal = -1, params = core.json.encode(params) } }[1]
    if item then
      own.run:load(item)
      return key, item
    end
  end
end

--- Outside a run each conversation is an item of the script's own run, stored before it is returned.
---@param own confab.Context
---@param identity any  What the item is known by; JSON.
---@param params any  Its parameters; JSON.
---@param make fun(ctx: confab.Context): confab.Conversation
---@return confab.Conversation
function generate.alone(own, identity, params, make)
  if own.branch then identity = { identity, branch = own.branch } end
  interrupted.settle()
  local key, item = own_item(own, keys.of(identity), params)
  local ctx = setmetatable({ item = item }, { __index = own })
  worked_on[key] = item
  local ok, conv = pcall(make, ctx)
  worked_on[key] = nil
  if not ok then
    if not flags.plan and errors.is(conv) and not conv.stops_run then
      own.run:finish(item, { state = "failed", error_kind = conv.kind, error_message = conv.message })
    end
    error(conv, 0)
  end
  if item.state == "done" and item.new_calls == 0 then
    for stored in core.store.conversations { item = item.id } do
      core.conversation.fields(stored).json = core.conversation.fields(conv).json
      return stored
    end
  end
  if flags.plan then return conv end
  own.run:finish(item, { state = "done", conversations = generate.rows { conv } })
  return conv
end

--- A conversation from a template: asked for, parsed, validated and scored.
--- Inside a step it is stored when the step returns it; outside a run at once.
--- With a schema, here or in the template, the reply must fit it, and have turns in it; it is conv.json then.
--- `on_text(text, begun)` sees the reply while it comes, as in confab.ask.
--- Example: `local conv = confab.generate { template = support, params = { topic = "refunds", turns = 8 } }`
---@param opts { template: confab.Template, params?: table, persona?: string, emotion?: string, topic?: string, tier?: string, document_id?: string, chunk_id?: string, model?: string, temperature?: number, max_tokens?: integer, tries?: integer, on_truncated?: "salvage"|"continue"|"fail", schema?: table|string, on_text?: fun(text: string, begun: integer) }
---@return confab.Conversation
function generate.generate(opts)
  opts = options.check(opts, generate_specs, "confab.generate")
  core.scheduler.check_wait "confab.generate"
  if not template.is(opts.template) then errors.misuse("confab.generate: template must come from confab.template") end
  local ctx = context.get()
  local overrides = {}
  for name, value in next, opts do
    if name ~= "template" and name ~= "params" then overrides[name] = value end
  end
  if ctx.params == nil then
    return generate.alone(ctx, { template = opts.template.name, params = opts.params }, opts.params, function(own)
      return generate.with_template(own, opts.template, opts.params, overrides)
    end)
  end
  generate.fill_columns(overrides, ctx.params)
  return generate.with_template(ctx, opts.template, opts.params, overrides)
end

return generate
