local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("top-level calls", function()
  after_each(script.clean)

  local tally = [[
    say(count "calls", rows("SELECT sum(attempts) AS n FROM calls")[1].n, count "conversations")
  ]]

  it("are stored, and served from the journal the next time", function()
    local text = [[
      local reply = confab.ask { prompt = "Name three kinds of tea, as JSON", json = true }
      say(type(reply.json), reply.replayed, reply.cost > 0, reply.usage.output > 0)
      local one = confab.generate { template = chat, params = topics(1)[1] }
      local two = confab.generate { template = chat, params = topics(1)[1] }
      say(one.id ~= nil, one.id ~= two.id, one.status, one.cost > 0)
    ]] .. tally
    assert.same({ "table false true true", "true true generated true", "3 3 2" }, script.run(text))
    assert.same({ "table true true true", "true true generated true", "3 3 2" }, script.run(text))
    assert.equal("done", script.text 'say(confab.store:runs()[1].state)')
  end)

  it("tell equal questions apart by their order", function()
    assert.same({ "true", "2 2 0" }, script.run([[
      local a = confab.ask { prompt = "x" }
      local b = confab.ask { prompt = "x" }
      say(not b.replayed)
    ]] .. tally))
    assert.same({ "true true false", "3 3 0" }, script.run([[
      local said = {}
      for i = 1, 3 do said[i] = tostring(confab.ask { prompt = "x" }.replayed) end
      say(table.concat(said, " "))
    ]] .. tally))
  end)

  it("ask again for what was cut off, if there is more room now", function()
    local text = [[
      local reply = confab.ask { prompt = "x", max_tokens = ROOM }
      say(reply.stop_reason, reply.replayed)
    ]] .. tally
    local function with(room, spec) return script.run((text:gsub("ROOM", room)), spec) end
    assert.same({ "max_tokens false", "1 1 0" }, with("50", "faults=max_tokens@1"))
    assert.same({ "max_tokens true", "1 1 0" }, with "50")
    assert.same({ "end_turn false", "2 2 0" }, with "4000")
    assert.same({ "end_turn true", "2 2 0" }, with "4000")
    assert.same({ "max_tokens true", "2 2 0" }, with "50")
  end)

  it("raise a parse_error when no try brings JSON", function()
    assert.same({ "false parse_error", "2 2 0" }, script.run([[
      local ok, err = pcall(confab.ask, { prompt = "Write a chat", json = true, tries = 2 })
      say(ok, err.kind)
    ]] .. tally, "faults=malformed:whitespace_only"))
  end)

  it("raise a refusal with its category", function()
    assert.same({ "false refusal true", "1 1 0" }, script.run([[
      local ok, err = pcall(confab.ask, { prompt = "x" })
      say(ok, err.kind, err.message:find("declined", 1, true) ~= nil)
    ]] .. tally, "faults=refusal"))
  end)

  it("store a conversation that fails as a failed item", function()
    local lines = script.run([[
      local ok, err = pcall(confab.generate, { template = chat, params = topics(1)[1] })
      say(ok, err.kind)
      local item = rows("SELECT state, error_kind FROM items WHERE key <> ''")[1]
      say(item.state, item.error_kind)
    ]], "faults=malformed:missing_role")
    assert.same({ "false validation_error", "failed validation_error" }, lines)
  end)

  it("raise what the provider says", function()
    assert.same({ "false api_error 400 false" }, script.run([[
      local ok, err = pcall(confab.ask, { prompt = "x" })
      say(ok, err.kind, err.status, err.retryable)
    ]], "faults=400"))
  end)

  it("name the mistake in their options", function()
    local text = script.text [[
      for _, opts in ipairs { {}, { prompt = "a", messages = {} }, { promt = "a" },
          { prompt = "a", temperature = 1.5 }, { prompt = "a", max_tokens = 0 },
          { prompt = "a", model = "claude-sonet-5-5" }, { messages = {} } } do
        local ok, err = pcall(confab.ask, opts)
        say(ok, err.kind, err.message)
      end
    ]]
    for _, part in ipairs { "either prompt or messages", '"prompt"', "temperature", "max_tokens",
      "claude-sonnet-5-5", "needs a prompt or messages" } do
      assert.truthy(text:find(part, 1, true), part .. " in " .. text)
    end
    assert.falsy(text:find("true", 1, true))
  end)
end)
