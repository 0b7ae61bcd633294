--- Asking a model: the request of a call, one reply to it, and `confab.ask`.
local context = require "confab.context"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local interrupted = require "confab.interrupted"
local live = require "confab.live"
local options = require "confab.options"
local settings = require "confab.settings"
local structured = require "confab.structured"

local ask = {}

ask.default_max_tokens = 4096

--- Is shown the text of calls that have no on_text of their own; the prompt of the REPL sets it.
---@type fun(text: string, begun: integer)?
ask.on_text = nil

---@class confab.Reply
---@field text string  All text of the reply.
---@field json any  The reply as a Lua value; nil if it is not JSON.
---@field usage { input?: integer, output?: integer, cache_read?: integer, cache_write?: integer, thinking?: integer }
---@field cost? number  Dollars, of all tries; nil if the price is not known.
---@field stop_reason? string
---@field model string  The model that answered.
---@field latency_ms? integer
---@field replayed boolean  It came from the journal.

--- The request of a call, from its settings.
---@param ctx confab.Context  Where the call stands; an empty table for one that is only measured.
---@param call table  Fields as in confab.ask's options or a template's.
---@return table
function ask.request(ctx, call)
  local model = settings.model(call.model)
  settings.check_model(model)
  return {
    model = model, system = call.system, prompt = call.prompt, messages = call.messages,
    max_tokens = call.max_tokens or ask.default_max_tokens, temperature = call.temperature,
    top_p = call.top_p, top_k = call.top_k, stop = call.stop, thinking = call.thinking,
    schema = structured.text(call.schema),
    thinking_budget = call.thinking_budget, effort = call.effort,
    cache = call.cache == true and "5m" or call.cache or nil, template = call.template,
    on_retry = ctx.on_retry, template_name = call.template_name, tries = call.tries,
    shown = ctx.on_text and live.shown(ctx.on_text),
  }
end

local spent = 0

--- What the calls of this process have cost so far, in picodollars; those of unknown cost do not count.
---@return integer
function ask.spent() return spent end

--- One reply; a refusal is an error of its own kind. What every other call would meet is kept in the
--- context as well: a script that catches it must not finish its item.
---@param ctx confab.Context
---@param request table  Of ask.request.
---@return confab.Reply
---@return confab.Error? refusal
function ask.once(ctx, request)
  if interrupted.is_open then interrupted.settle() end
  request.hold, request.branch = ctx.on_held ~= nil, ctx.branch
  if ctx.times and not request.hold then ctx.times:flush() end
  local ok, reply = pcall(request.shown and live.ask or core.call.ask, ctx.item, request, request.shown)
  if ctx.alerts then ctx.alerts:check() end
  if not ok then
    if type(reply) == "table" and reply.stops_run then ctx.stopped = reply end
    error(reply, 0)
  end
  if reply.held then ctx.on_held(reply, request) end    -- does not return
  if not reply.replayed then spent = spent + math.max(reply.cost_pico, 0) end
  local refusal = reply.refusal
  if not refusal then return reply end
  local message = ("the model declined (%s)%s"):format(refusal.category or "no category given",
    refusal.explanation and ": " .. refusal.explanation or "")
  return reply, errors.new("refusal", message, { details = { category = refusal.category } })
end

--- Leaves a log row that says why a reply does not serve. A replayed one has it, unless the process
--- died before it was written; then its item is still pending.
---@param ctx confab.Context
---@param reply confab.Reply
---@param why confab.Error
function ask.reject(ctx, reply, why)
  if flags.plan or reply.replayed and ctx.item.state ~= "pending" then return end
  core.call.reject(ctx.item, reply.call, why.kind, why.message)
end

--- What was paid for, added up; unknown as soon as one part is.
---@param sum integer  Picodollars; negative: unknown.
---@param reply confab.Reply
---@return integer
function ask.add_cost(sum, reply)
  if sum < 0 or reply.cost_pico < 0 then return -1 end
  return sum + reply.cost_pico
end

local ask_specs = {
  prompt = { type = "string" }, messages = { type = "list" }, system = { type = "string" },
  model = { type = "string" }, temperature = { type = "number", min = 0, max = 1 },
  top_p = { type = "number", min = 0, max = 1 }, top_k = { type = "integer", min = 0 },
  max_tokens = { type = "integer", min = 1 }, stop = { type = { "string", "list" } },
  json = { type = "boolean" }, schema = { type = { "table", "string" }, check = structured.refuses },
  tries = { type = "integer", min = 1, default = 1 },
  thinking = { type = "string", one_of = { "disabled", "between_tools", "adaptive", "enabled" } },
  thinking_budget = { type = "integer", min = 1024 },
  effort = { type = "string", one_of = { "low", "medium", "high", "xhigh", "max" } },
  cache = { type = { "boolean", "string" }, one_of = { "5m", "1h" } }, on_text = { type = "function" },
}

--- A reply of a model to a prompt. With `json` a reply that is not JSON is asked for again, up to `tries`
--- times in all, then it is a parse_error. With `schema` it must fit that JSON Schema, too; one that does not is sent
--- back with what is wrong, and the last one is a validation_error. `on_text(text, begun)` sees the text while it
--- comes, piece by piece, and cannot wait; where `begun` (1 at first) goes up, the text begins again. The text of a
--- stored reply comes in one piece.
--- Example: `local reply = confab.ask { prompt = "Name three kinds of tea, as a JSON list.", json = true }`
---@param opts { prompt?: string, messages?: { role: string, content: string }[], system?: string, model?: string, max_tokens?: integer, temperature?: number, top_p?: number, top_k?: integer, stop?: string|string[], json?: boolean, schema?: table|string, tries?: integer, thinking?: confab.Thinking, thinking_budget?: integer, effort?: confab.Effort, cache?: boolean|"5m"|"1h", on_text?: fun(text: string, begun: integer) }
---@return confab.Reply
function ask.ask(opts)
  opts = options.check(opts, ask_specs, "confab.ask")
  core.scheduler.check_wait "confab.ask"
  if (opts.prompt == nil) == (opts.messages == nil) then errors.misuse("confab.ask: give either prompt or messages") end
  if type(opts.stop) == "string" then opts.stop = { opts.stop } end
  local ctx = context.get()
  local request = ask.request(ctx, opts)
  local on_text = opts.on_text or ask.on_text
  request.shown = on_text and live.shown(on_text)
  local first, earlier = request, nil
  for try = 1, opts.tries do
    local reply, why = ask.once(ctx, request)
    if earlier then core.call.add_earlier(reply, earlier) end
    earlier = reply
    if not why and (opts.json or opts.schema) then why = structured.objection(reply, opts.schema) end
    if not why then return reply end
    ask.reject(ctx, reply, why)
    if try == opts.tries then error(why, 0) end
    if opts.schema then request = structured.again(first, reply, why) end
  end
end

return ask
