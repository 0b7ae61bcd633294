local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("on_text", function()
  after_each(script.clean)

  -- `texts[n]` is what was shown of the n-th beginning, `pieces` how many calls that took.
  local listen = [[
    local texts, pieces = {}, 0
    local function on_text(text, begun)
      texts[begun] = (texts[begun] or "") .. text
      pieces = pieces + 1
    end
  ]]

  it("sees the text of the reply, and that of a stored one in one piece", function()
    local text = listen .. [[
      local reply = confab.ask { prompt = "Write a chat of 12 turns about tea", on_text = on_text }
      say(#texts, texts[1] == reply.text, pieces > PIECES, reply.replayed, reply.attempts)
    ]]
    assert.same({ "1 true true false 1" }, script.run((text:gsub("PIECES", "1")), "faults=trickle,trickle=200ms"))
    assert.same({ "1 true true true 1" }, script.run((text:gsub("PIECES", "0"))))
    assert.same({ "1 true false true 1" }, script.run((text:gsub("PIECES", "1"))))
  end)

  it("is told when the text begins again", function()
    -- The wait before the next attempt is the time to see the text of the first, which is dropped then.
    local text = listen .. [[
      confab.setup { retry = { base_delay_ms = 700, jitter_ms = 0 } }
      local reply = confab.ask { prompt = "Write a chat of 6 turns about tea", on_text = on_text }
      say(#texts, #texts[1] < #texts[2], texts[2] == reply.text, reply.attempts)
    ]]
    for _, fault in ipairs { "stream_error@1", "cut@1" } do
      assert.same({ "2 true true 2" }, script.run(text, "faults=" .. fault))
      script.clean()
    end
  end)

  it("counts from 1 where nothing was shown of attempts that failed", function()
    assert.same({ "1 true 2" }, script.run(listen .. [[
      local reply = confab.ask { prompt = "x", on_text = on_text }
      say(#texts, texts[1] == reply.text, reply.attempts)
    ]], "faults=529@1"))
  end)

  it("sees each try of a reply that is to be JSON", function()
    local text = listen .. [[
      local reply = confab.ask { prompt = "Write a chat, as JSON", json = true, tries = 3, on_text = on_text }
      say(#texts, texts[1] ~= texts[2], texts[2] == reply.text)
    ]]
    assert.same({ "2 true true" }, script.run(text, "faults=malformed:refusal_text@1"))
    assert.same({ "2 true true" }, script.run(text))
  end)

  it("is not called for a reply without text", function()
    assert.same({ "0 end_turn" }, script.run(listen .. [[
      local reply = confab.ask { prompt = "x", on_text = on_text }
      say(pieces, reply.stop_reason)
    ]], "faults=empty"))
  end)

  it("does not change which reply serves", function()
    assert.same({ "true true 1" }, script.run(listen .. [[
      local plain = confab.ask { prompt = "x" }
      say(true, not plain.replayed, count "calls")
    ]]))
    assert.same({ "true true 1" }, script.run(listen .. [[
      local reply = confab.ask { prompt = "x", on_text = on_text }
      say(reply.replayed, texts[1] == reply.text, count "calls")
    ]]))
  end)

  it("raises its error when the reply is stored, and is not called any more", function()
    assert.same({ "false boom 1 1", "true 1" }, script.run([[
      local calls = 0
      local ok, err = pcall(confab.ask, { prompt = "Write a chat of 20 turns", on_text = function()
        calls = calls + 1
        error("boom", 0)
      end })
      say(ok, err, calls, rows("SELECT count(*) AS n FROM calls WHERE state = 'done'")[1].n)
      local reply = confab.ask { prompt = "x", on_text = function() end }
      say(not reply.replayed, confab.ask { prompt = "x" }.text == reply.text and 1)
    ]], "faults=trickle,trickle=100ms"))
    assert.same({ "false boom" }, script.run [[
      local function on_text() error("boom", 0) end
      local ok, err = pcall(confab.ask, { prompt = "Write a chat of 20 turns", on_text = on_text })
      say(ok, err)
    ]])
  end)

  it("cannot wait", function()
    local text = script.run [[
      local function ask() confab.ask { prompt = "y" } end
      local function why(on_text) return tostring(select(2, pcall(confab.ask, { prompt = "x", on_text = on_text }))) end
      say(why(ask))
      say(why(function() coroutine.wrap(ask)() end))
      say(confab.ask { prompt = "y" }.replayed)
    ]]
    assert.same({
      "script_error: confab.ask cannot wait here: on_text cannot be suspended; call confab.ask first and pass the answers in",
      "script_error: confab.ask cannot wait here", "false",
    }, { text[1], text[2]:sub(1, 41), text[3] })
  end)

  it("keeps apart what many steps are told at once", function()
    local text = [[
      local run = confab.run { items = topics(40), name = "steps", concurrency = 8, step = function(item)
        local texts, base = {}, confab.ask { prompt = "Name " .. item.topic }.text
        local reply = confab.ask { prompt = "Write a chat about " .. item.topic .. base, on_text = function(text, begun)
          texts[begun] = (texts[begun] or "") .. text
        end }
        assert(texts[#texts] == reply.text)
        local function seen(topic)
          local text, last = "", 1
          local got = confab.ask { prompt = topic, on_text = function(piece, begun)
            text, last = begun == last and text .. piece or piece, begun
          end }
          return text == got.text
        end
        assert(coroutine.wrap(seen)(item.topic))
        local a, b = confab.parallel { function() return seen "a" end, function() return seen "b" end }
        assert(a and b)
        return nil
      end }
      say(run.state, #run:failures())
    ]]
    assert.same({ "done 0" }, script.run(text, "faults=stream_error:10%;cut:5%"))
    assert.same({ "done 0" }, script.run(text))
  end)

  it("gives up with the error of the call", function()
    assert.same({ "false api_error true 3" }, script.run(listen .. [[
      local ok, err = pcall(confab.ask, { prompt = "x", on_text = on_text })
      say(ok, err.kind, err.message:find("overloaded", 1, true) ~= nil, #texts)
    ]], "faults=stream_error"))
    script.clean()
    assert.same({ "false refusal" }, script.run(listen .. [[
      local ok, err = pcall(confab.ask, { prompt = "x", on_text = on_text })
      say(ok, err.kind)
    ]], "faults=refusal"))
  end)

  it("is a function", function()
    assert.matches("on_text", script.text [[
      local ok, err = pcall(confab.ask, { prompt = "x", on_text = "print" })
      say(ok, err)
    ]])
  end)

  it("is not needed for a stream: long outputs are streamed anyway", function()
    assert.same({ "0 1" }, script.run [[
      confab.ask { prompt = "x", max_tokens = 18000 }
      confab.ask { prompt = "y", max_tokens = 30000 }
      local streamed = {}
      for i, row in ipairs(rows "SELECT request FROM call_view ORDER BY call_id") do
        streamed[i] = row.request:find('"stream":true', 1, true) and 1 or 0
      end
      say(table.concat(streamed, " "))
    ]])
  end)
end)
