--- `confab.dialogue`: two models, or one in two roles, talk with each other; each hears the other as its user.
local ask = require "confab.ask"
local checks = require "confab.dialogue_checks"
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local generate = require "confab.generate"
local options = require "confab.options"
local template = require "confab.template"
local template_call = require "confab.template_call"

local dialogue = {}

local OPENING = "Begin now: write your first message, and nothing else."
local OBJECTION = "\n\nYour last attempt at this turn was refused: it %s. Write the turn anew, and only your own side of it."
local TURNS_MAX = 200

local side_specs = {
  system = { type = "string" }, template = { type = "table" }, model = { type = "string" },
  temperature = { type = "number", min = 0, max = 1 }, top_p = { type = "number", min = 0, max = 1 },
  top_k = { type = "integer", min = 0 }, max_tokens = { type = "integer", min = 1 },
  thinking = { type = "string", one_of = { "disabled", "between_tools", "adaptive", "enabled" } },
  thinking_budget = { type = "integer", min = 1024 },
  effort = { type = "string", one_of = { "low", "medium", "high", "xhigh", "max" } },
  cache = { type = { "boolean", "string" }, one_of = { "5m", "1h" } },
}

local specs = {
  user = { type = { "string", "table" }, required = true }, assistant = { type = { "string", "table" }, required = true },
  params = { type = "table" }, turns = { type = "integer", min = 2, max = TURNS_MAX, default = 8, check = function(value)
    if value % 2 == 1 then return "must be even: the assistant has the last word" end
  end },
  stop = { type = { "string", "callable" }, check = function(value)
    if value == "" then return "must not be empty" end
  end },
  first = { type = "string", check = function(value) if value:match "^%s*$" then return "must not be empty" end end },
  from = { type = "any", check = function(value)
    if type(value) ~= "userdata" then return "must be a conversation" end
  end },
  at = { type = "integer", min = 1 },
  check = { type = "callable" }, tries = { type = "integer", min = 1, max = 20, default = 3 },
}
for name, spec in next, generate.column_specs do specs[name] = spec end

--- A side as a table, checked.
local function check_side(role, side)
  local what = "confab.dialogue: " .. role
  if type(side) == "string" then side = { system = side } end
  side = options.check(side, side_specs, what)
  if side.template == nil and side.system == nil then errors.misuse(what .. " needs a system prompt or a template") end
  if side.template and not template.is(side.template) then
    errors.misuse(what .. ": template must come from confab.template")
  end
  return side
end

--- What a side's calls have in common: its settings, its template filled in.
local function call_of(side, params)
  if not side.template then return side end
  local tmpl = side.template
  local call = tmpl:resolve(params)
  local texts = {}
  for _, text in ipairs { call.system or "", call.prompt or "", side.system or "" } do
    if text ~= "" then texts[#texts + 1] = text end
  end
  for name, value in next, side do call[name] = value end
  call.system = table.concat(texts, "\n\n")
  call.prompt, call.messages, call.schema = nil, nil, nil
  call.template, call.template_name = template_call.row(tmpl), tmpl.name
  return call
end

--- The turns so far as this side hears them: itself as the assistant, the other as its user.
local function messages_for(role, turns)
  local messages = {}
  if role == "user" then messages[1] = { role = "user", content = OPENING } end
  for _, turn in ipairs(turns) do
    if turn.role ~= "system" then
      messages[#messages + 1] = { role = turn.role == role and "assistant" or "user", content = turn.content }
    end
  end
  return messages
end

--- What one confab.dialogue holds while it goes on.
---@class confab.Talk
---@field turns confab.Turn[]
---@field calls table[]  { first, last, call }: turns from 0, and the row of the call that made them.
---@field problems { turn: integer, reason: string }[]
---@field cost integer  Picodollars; negative: unknown.
---@field usage table<string, integer>

local function count_usage(talk, reply)
  talk.cost = ask.add_cost(talk.cost, reply)
  for name, count in next, reply.usage or {} do talk.usage[name] = (talk.usage[name] or 0) + count end
end

--- The text without the stop mark at its end, and whether it was there.
local function take_stop(talk, text)
  local stop = type(talk.opts.stop) == "string" and talk.opts.stop
  if not stop then return text, false end
  local bare = text:match "^(.-)[%s%.!%*\"']*$"
  if bare:sub(-#stop):lower() ~= stop:lower() then
    bare = text    -- the mark may end in what was taken off
    if bare:sub(-#stop):lower() ~= stop:lower() then return text, false end
  end
  return bare:sub(1, -#stop - 1):match "^(.-)[%s%*\"']*$", true
end

local function objection(talk, role, text, ended, is_cut)
  local stop = type(talk.opts.stop) == "string" and talk.opts.stop or nil
  if is_cut then return "was cut off at max_tokens" end
  if text == "" and ended and role == "user" then
    if #talk.turns == 0 then return "ends the talk before it has begun" end
    return nil
  end
  local why = checks.turn(role, text, talk.turns, stop)
  if why or not talk.opts.check then return why end
  local reason = talk.opts.check(role, text, talk.turns)
  if reason ~= nil and type(reason) ~= "string" then
    errors.mistake("confab.dialogue: check must return a reason or nil, not a " .. type(reason))
  end
  return reason
end

--- Asks one side for the next turn, again if it will not do. The last attempt is taken as it is, and why it
--- would not do is recorded, unless nothing is left of it.
---@return string text
---@return boolean ended  It had the stop mark.
local function say(talk, role)
  local side, why = talk.sides[role], nil
  for try = 1, talk.opts.tries do
    local call = {}
    for name, value in next, side do call[name] = value end
    call.messages = messages_for(role, talk.turns)
    if why then call.system = (side.system or "") .. OBJECTION:format(why) end
    local reply, refusal = ask.once(talk.ctx, ask.request(talk.ctx, call))
    count_usage(talk, reply)
    local text, ended = "", false
    if refusal then
      why = "was declined by the model"
    else
      text, ended = take_stop(talk, checks.tidy(role, reply.text))
      why = objection(talk, role, text, ended, reply.is_cut)
    end
    local is_last = try == talk.opts.tries
    if not why or is_last and text ~= "" then
      if why then talk.problems[#talk.problems + 1] = { turn = #talk.turns + 1, reason = why } end
      if text ~= "" then
        talk.calls[#talk.calls + 1] = { first = #talk.turns, last = #talk.turns, call = reply.call }
        if role == "assistant" then talk.model = reply.model end
      end
      return text, ended
    end
    local failure = refusal or errors.new("validation_error", ("turn %d (%s) %s"):format(#talk.turns + 1, role, why))
    ask.reject(talk.ctx, reply, failure)
    if is_last then error(failure, 0) end
  end
end

local function add_turn(talk, role, text)
  talk.turns[#talk.turns + 1] = { role = role, content = text }
end

local function is_over(talk)
  if type(talk.opts.stop) ~= "string" and talk.opts.stop then return talk.opts.stop(talk.turns) end
  return false
end

local function spoken(talk)
  local system = talk.turns[1] and talk.turns[1].role == "system" and 1 or 0
  return #talk.turns - system
end

local function go_on(talk)
  local ended = false
  while spoken(talk) < talk.opts.turns and not ended do
    local last = talk.turns[#talk.turns]
    if not last or last.role ~= "user" then
      local text
      if not last and talk.opts.first then text = talk.opts.first else text, ended = say(talk, "user") end
      if text == "" then break end
      add_turn(talk, "user", text)
    end
    local text, answer_ends = say(talk, "assistant")
    add_turn(talk, "assistant", text)
    ended = ended or answer_ends or is_over(talk)
  end
end

--- The turns that another conversation lends.
local function prefix_of(opts)
  local turns = {}
  if not opts.from then
    if opts.at then errors.misuse "confab.dialogue: at needs from, the conversation to go on with" end
    return turns
  end
  if opts.first then errors.misuse "confab.dialogue: give either first or from" end
  local count = opts.at or #opts.from
  if count > #opts.from then
    errors.misuse(("confab.dialogue: at is %d, but the conversation has %d turns"):format(count, #opts.from))
  end
  for i = 1, count do turns[i] = opts.from.turns[i] end
  return turns
end

local function record_problems(fields, problems)
  if #problems == 0 then return end
  local texts = {}
  for i, problem in ipairs(problems) do texts[i] = ("turn %d %s"):format(problem.turn, problem.reason) end
  fields.tag_rows = { { name = "problem", text = table.concat(texts, "; ") } }
  fields.tags = { problem = fields.tag_rows[1].text }
end

local function make(ctx, opts, params)
  local talk = { ctx = ctx, opts = opts, turns = prefix_of(opts), calls = {}, problems = {}, cost = 0, usage = {} }
  local lent = #talk.turns
  talk.sides = { user = call_of(opts.user, params), assistant = call_of(opts.assistant, params) }
  go_on(talk)
  local conv = core.conversation.new(talk.turns)
  local fields = core.conversation.fields(conv)
  local side = talk.sides.assistant
  fields.usage, fields.model, fields.cost_pico = talk.usage, talk.model, talk.cost
  fields.cost = talk.cost >= 0 and talk.cost / 1e12 or nil
  fields.template, fields.template_row = side.template_name, side.template
  fields.parameters, fields.calls, fields.truncated = params, talk.calls, false
  if opts.from then fields.branch = { of = opts.from, turn = lent } end
  for name in next, generate.column_specs do fields[name] = opts[name] end
  record_problems(fields, talk.problems)
  generate.score(conv, ctx.scoring)
  return conv
end

--- What an item outside a run is known by.
local function identity_of(opts)
  local function of_side(side)
    local plain = {}
    for name, value in next, side do plain[name] = value end
    plain.template = side.template and side.template.name
    return plain
  end
  return {
    dialogue = { user = of_side(opts.user), assistant = of_side(opts.assistant) }, params = opts.params,
    turns = opts.turns, first = opts.first, at = opts.at, from = opts.from and opts.from:text() or nil,
  }
end

--- A conversation of two model roles. Each has a system prompt of its own (or a template), and hears the other as its
--- user; the user begins. Each turn is checked, and one that will not do is asked for again, up to `tries` times; then it is
--- taken and the tag `problem` says why it would not do. `from` and `at` go on with the first turns of another conversation.
--- Example: `confab.dialogue { user = "You are Kim, whose parcel is late.", assistant = "You are a support agent.", turns = 8 }`
---@param opts confab.DialogueOptions
---@return confab.Conversation
function dialogue.dialogue(opts)
  opts = options.check(opts, specs, "confab.dialogue")
  opts.user, opts.assistant = check_side("user", opts.user), check_side("assistant", opts.assistant)
  core.scheduler.check_wait "confab.dialogue"
  local ctx = context.get()
  if ctx.params == nil then
    local params = opts.params or {}
    return generate.alone(ctx, identity_of(opts), params, function(own) return make(own, opts, params) end)
  end
  generate.fill_columns(opts, ctx.params)
  return make(ctx, opts, opts.params or ctx.params)
end

return dialogue
