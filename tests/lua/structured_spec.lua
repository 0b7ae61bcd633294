-- Replies that are held to a JSON Schema: what is sent, checked, sent back, and replayed.
local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

local HEAD = [[
  local verdict = {
    type = "object", required = { "reasons", "score" }, additionalProperties = false,
    properties = {
      score = { type = "integer", minimum = 1, maximum = 5 }, reasons = { type = "string", minLength = 20 },
    },
  }
  local talk = {
    type = "object", required = { "title", "turns" },
    properties = { title = { type = "string" }, turns = { type = "array", minItems = 6, items = {
      type = "object", required = { "role", "content" },
      properties = { role = { enum = { "user", "assistant" } }, content = { type = "string" } } } } },
  }
  local function talking(tries)
    local prompt = "Write a chat of {{turns}} turns about {{topic}}."
    return confab.template { name = "t", prompt = prompt, schema = talk, tries = tries }
  end
  local function judge(options)
    local opts = { prompt = "Judge this", schema = verdict, tries = 3 }
    for name, value in pairs(options or {}) do opts[name] = value end
    return confab.ask(opts)
  end
  local function sent() return rows("SELECT sum(attempts) AS n FROM calls")[1].n end
  local function logged()
    return rows("SELECT count(*) AS n FROM generation_logs WHERE error_kind = 'validation_error'")[1].n
  end
]]

local function run(text, spec) return script.run(HEAD .. text, spec) end

describe("ask with a schema", function()
  after_each(script.clean)

  for _, model in ipairs { "claude-sonnet-5-5", "claude-haiku-4-5", "claude-3-5-sonnet-20241022" } do
    it("gives a value that fits, however the model is held to it: " .. model, function()
      local text = ([[
        local reply = judge { model = %q }
        say(math.type(reply.json.score), confab.schema.check(reply.json, verdict), reply.replayed)
        local open = confab.ask { model = %q, prompt = "x", schema = { type = "object", minProperties = 0 } }
        say(type(open.json), open.text:sub(1, 1), sent())
      ]]):format(model, model)
      assert.same({ "integer true false", "table { 2" }, run(text))
      assert.same({ "integer true true", "table { 2" }, run(text))
    end)
  end

  it("sends a reply back with what does not fit, and replays the same", function()
    local text = [[
      local reply = judge()
      say(confab.schema.check(reply.json, verdict), reply.replayed, sent(), logged())
    ]]
    assert.same({ "true false 2 1" }, run(text, "faults=malformed:empty_object@1"))
    assert.same({ "true true 2 1" }, run(text))
    local last = script.text(HEAD .. [[
      local call = rows("SELECT max(id) AS id FROM calls")[1].id
      local body = rows("SELECT body FROM call_requests WHERE call = ?", call)[1].body
      for _, message in ipairs(confab.json.decode(body).messages) do print(message.role .. ": " .. message.content) end
    ]])
    assert.equal([[
user: Judge this
assistant: {}
user: Your answer does not fit what was asked for:
- the whole: "reasons" is missing
- the whole: "score" is missing
Give the whole answer again with this put right, as JSON and nothing else.]], last)
  end)

  it("asks for a reply without JSON again, too", function()
    assert.same({ "true 2" }, run([[say(confab.schema.check(judge().json, verdict), sent())]],
      "faults=malformed:refusal_text@1"))
  end)

  it("asks as before where there is nothing to send back", function()
    assert.same({ "true 3 1" }, run([[
      say(confab.schema.check(judge().json, verdict), sent(),
        rows("SELECT count(DISTINCT request_hash) AS n FROM calls")[1].n)
    ]], "faults=malformed:whitespace_only@1;refusal@2"))
  end)

  it("raises what does not fit after the last try", function()
    assert.same({
      'validation_error the reply does not fit the schema: "reasons" is missing; "score" is missing',
      ' "reasons" is missing', "2",
      "parse_error the reply is not JSON: 4 2",
    }, run([[
      local ok, err = pcall(judge, { tries = 2 })
      say(err.kind, err.message)
      say(err.details.faults[1].path, err.details.faults[1].reason)
      say(sent())
      ok, err = pcall(judge, { tries = 2, prompt = "Another" })
      say(err.kind, (err.message:gsub(": .*", "")) .. ":", sent(), logged())
    ]], "faults=malformed:empty_object@1-2;malformed:refusal_text@3-4"))
  end)

  it("puts a name right that has other capitals than its enum", function()
    assert.same({ "yes" }, run([[
      local structured = require "confab.structured"
      local value = { mood = "YES" }
      say(structured.misfit(value, { properties = { mood = { enum = { "yes", "no" } } } }) or value.mood)
    ]]))
  end)

  it("says what of a schema will not do, before anything is sent", function()
    local lines = run [[
      for _, given in ipairs { { unevaluatedItems = false }, "{", "true", { type = "strin" } } do
        local ok, err = pcall(confab.ask, { prompt = "x", schema = given })
        say(ok, err.kind, err.message)
      end
      say(tostring(select(2, pcall(confab.template, { name = "t", prompt = "x", schema = { minItems = -1 } }))))
    ]]
    assert.truthy(lines[1]:find('false config_error script.lua:%d+: confab.ask: schema will not do: ' ..
      'the keyword "unevaluatedItems" is not supported'), lines[1])
    assert.truthy(lines[2]:find("schema will not do: .*is not JSON"), lines[2])
    assert.truthy(lines[3]:find("schema must be an object"), lines[3])
    assert.truthy(lines[4]:find('did you mean "string"?', 1, true), lines[4])
    assert.truthy(lines[5]:find('template "t": schema will not do: minItems must be a whole number', 1, true), lines[5])
    assert.equal(5, #lines)    -- and there is no database
  end)
end)

describe("generate with a schema", function()
  after_each(script.clean)

  it("makes a conversation of the value, which stays at hand", function()
    local text = [[
      local conv = confab.generate { template = chat, params = topics(1)[1], schema = talk, tries = 2 }
      local same = conv.turns[1].content == conv.json.turns[1].content
      say(#conv, conv.status, type(conv.json.title), #conv.json.turns, same)
      say(sent(), logged(), count "conversations")
    ]]
    assert.same({ "8 generated string 8 true", "1 0 1" }, run(text))
  end)

  it("sends a reply back that does not fit, and one that is no conversation", function()
    local text = [[
      local t = talking(3)
      local conv = confab.generate { template = t, params = topics(1)[1] }
      say(#conv, conv.status, sent(), logged())
      say(rows("SELECT count(*) AS n FROM turn_calls")[1].n > 0)
    ]]
    assert.same({ "8 generated 3 2", "true" }, run(text, "faults=malformed:empty_object@1;malformed:missing_role@2"))
    assert.same({ "8 generated 3 2", "true" }, run(text))
  end)

  it("checks what else the reply says, and tells the model what of it does not fit", function()
    assert.same({
      "false validation_error the reply does not fit the schema: /title must match the pattern ^ZZ",
      "user assistant user", "- /title: must match the pattern ^ZZ",
    }, run([[
      talk.properties.title.pattern = "^ZZ"
      local ok, err = pcall(confab.generate, { template = chat, params = topics(1)[1], schema = talk, tries = 2 })
      say(ok, err.kind, err.message)
      local messages, roles = confab.json.decode(rows("SELECT body FROM call_requests WHERE call = 2")[1].body).messages, {}
      for i, message in ipairs(messages) do roles[i] = message.role end
      say(table.concat(roles, " "))
      say(messages[3].content:match "\n(- .-)\n")
    ]]))
  end)

  it("says that a schema has no room for turns", function()
    local lines = run [[
      local ok, err = pcall(confab.generate, { template = chat, params = topics(1)[1], schema = verdict })
      say(ok, err.kind, err.message)
    ]]
    assert.equal("false validation_error the reply is JSON, but no conversation is in it: " ..
      "a schema needs a list of turns, each with a role and a content", lines[1])
  end)

  it("keeps what is whole of a reply that was cut off, without the schema", function()
    assert.same({ "true true 1" }, run([[
      local conv = confab.generate { template = chat, params = topics(1)[1], schema = talk, max_tokens = 300 }
      say(conv.truncated, #conv > 0, sent())
    ]], "faults=max_tokens@1"))
  end)

  it("asks for the rest of a reply that was cut off without the schema", function()
    assert.same({ "true false", "user assistant user" }, run([[
      pcall(confab.generate, { template = chat, params = topics(1)[1], schema = talk, on_truncated = "continue" })
      local bodies = rows "SELECT body FROM call_requests ORDER BY call"
      local first, rest = confab.json.decode(bodies[1].body), confab.json.decode(bodies[2].body)
      local roles = {}
      for i, message in ipairs(rest.messages) do roles[i] = message.role end
      say(first.output_config.format ~= nil, (rest.output_config or {}).format ~= nil)
      say(table.concat(roles, " "))
    ]], "faults=max_tokens@1"))
  end)

  it("reads a text that was put together from pieces", function()
    assert.same({ "1 nil", "nil parse_error" }, run([[
      local structured = require "confab.structured"
      local value, why = structured.value('{"a":' .. '1}', { required = { "a" } })
      say(value.a, why)
      value, why = structured.value("{", { required = { "a" } })
      say(value, why.kind)
    ]]))
  end)

  it("works for the items of a run", function()
    local text = [[
      local t = talking(2)
      local run = confab.run { name = "r", items = topics(4), template = t }
      say(run.summary.succeeded or run.state, sent(), logged())
    ]]
    assert.same(run(text, "faults=malformed:empty_object@2"), run(text))
  end)
end)
