--- What a request for a conversation would send and cost: for those who want to see it before they pay.
local core = require "confab.core"
local forecast = require "confab.forecast"
local serve_templates = require "confab.serve_templates"

local serve_estimate = {}

local ONE_CALL = { low = 1, expected = 1, high = 1, sampling = 0 }

local function whole(n) return math.floor(n + 0.5) end

local function dollars(pico)
  return pico and pico >= 0 and pico / 1e12 or core.json.null
end

local function messages_of(request)
  local messages = core.json.array {}
  for i, message in ipairs(request.messages or { { role = "user", content = request.prompt } }) do
    messages[i] = { role = message.role, content = message.content }
  end
  return messages
end

--- Measures the call that the request would make. Nothing is sent or stored.
---@param request confab.serve.Request  Checked.
---@return table data
function serve_estimate.of(request)
  local tmpl, call = serve_templates.request(request)
  local measured = core.call.measure(call)
  local tries = tmpl.tries or 1
  local bound = measured.bound < 0 and -1 or measured.bound * tries
  local sum = forecast.of({ {
    run = "", template = tmpl.name, model = measured.model, calls = 1, input = measured.input_tokens,
    input_squares = measured.input_tokens * measured.input_tokens, room = measured.output_room,
    bytes = measured.bytes, bound = bound, bound_most = bound,
  } }, ONE_CALL, 1)
  return {
    template = tmpl.name, model = measured.model, system = call.system or core.json.null,
    messages = messages_of(call), temperature = call.temperature or core.json.null, maxTokens = call.max_tokens,
    inputTokens = whole(sum.input_tokens.expected), outputTokens = whole(sum.output_tokens.expected),
    cost = { expected = dollars(sum.cost_pico and sum.cost_pico.expected), highest = dollars(bound) },
    basis = core.json.array(sum.basis),
  }
end

return serve_estimate
