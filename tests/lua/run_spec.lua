local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("confab.run", function()
  after_each(script.clean)

  local account = [[
    local a = run.account
    say(run.state, a.planned, a.accepted, a.needs_revision, a.failed, a.pending, a.skipped)
  ]]

  it("asks for each item, stores what came, and asks for nothing again", function()
    local text = [[
      local run = confab.run { name = "r", items = topics(30), template = chat,
        score = confab.scoring.default }
    ]] .. account .. [[
      local n = 0
      for conv in run:results() do n = n + (conv.score >= 6 and #conv == 8 and 1 or 0) end
      say(n, run.account.attempts, count "calls WHERE state = 'done'")
    ]]
    for _ = 1, 2 do
      assert.same({ "done 30 30 0 0 0 0", "30 30 30" }, script.run(text))
    end
  end)

  it("gives the conversations in the order of the items", function()
    assert.equal("topic 1,topic 2,topic 3,topic 4,topic 5", script.text([[
      local run = confab.run { items = topics(5), template = chat, concurrency = 3 }
      local order = {}
      for conv in run:results() do order[#order + 1] = conv.parameters.topic end
      say(table.concat(order, ","))
    ]], "latency=uniform:0:20"))
  end)

  it("refuses one name for two runs of a script", function()
    assert.truthy(script.text([[
      confab.run { name = "r", items = topics(1), template = chat }
      local ok, why = pcall(confab.run, { name = "r", items = topics(2), template = chat })
      say(ok, why.kind, why.message)
    ]]):find('false config_error .*this script has a run "r" already'))
  end)

  it("works through steps: conversations, several, or none", function()
    assert.same({ "done 4 3 0 0 0 1", "1 1,2 1,2 2,4 1" }, script.run([[
      local n = 0
      local run = confab.run { name = "r", items = { { n = 1 }, { n = 2 }, { n = 3 }, { n = 4 } },
        step = function(item)
          if item.n == 3 then return nil end
          local params = { topic = "x" .. item.n, turns = 8 }
          local conv = confab.generate { template = chat, params = params }
          if item.n ~= 2 then return conv end
          return { conv, confab.generate { template = chat, params = params } }
        end }
    ]] .. account .. [[
      local parts = {}
      for _, row in ipairs(rows [=[SELECT params, part FROM conversations c
          JOIN items i ON i.id = c.item ORDER BY i.ordinal, part]=]) do
        parts[#parts + 1] = confab.json.decode(row.params).n .. " " .. row.part
      end
      say(table.concat(parts, ","))
    ]]))
  end)

  it("fails the item whose step raises, with file, line and traceback, and goes on", function()
    local lines = script.run([[

      local failed
      local run = confab.run { name = "r", items = topics(3),
        step = function(item)
          if item.topic == "topic 2" then local x = nil + 1 end
          return confab.generate { template = chat, params = item }
        end,
        on_item = function(result) if result.error then failed = result end end }
    ]] .. account .. [[
      say(failed.state, failed.item.topic, failed.error.kind, failed.error.message)
      say(failed.error.traceback:find("script.lua:5: in field 'step'", 1, true) ~= nil)
    ]])
    local what = 'item {"topic":"topic 2","turns":8} failed: script.lua:5:'
    assert.truthy(lines[1]:find(what, 1, true))
    assert.equal("done 3 2 0 1 0 0", lines[#lines - 2])
    what = "failed topic 2 script_error script.lua:5: attempt"
    assert.truthy(lines[#lines - 1]:find(what, 1, true))
    assert.equal("true", lines[#lines])
  end)

  it("ends at the first failure when told so, and goes on where it was", function()
    local text = [[
      local stop = STOP
      local run = confab.run { name = "r", items = topics(20), concurrency = 1,
        stop_on_error = stop, step = function(item)
          if item.topic == "topic 3" and stop then error("no") end
          return confab.generate { template = chat, params = item }
        end }
    ]] .. account
    local lines = script.run((text:gsub("STOP", "true")))
    local planned, pending = lines[#lines]:match "^stopped (%d+) 2 0 1 (%d+) 0$"
    assert.equal(3, planned - pending)
    lines = script.run((text:gsub("STOP", "false")))
    assert.equal("done 20 20 0 0 0 0", lines[#lines])
  end)

  it("ends when a callback raises", function()
    local lines = script.run [[
      local ok, err = pcall(confab.run, { name = "r", items = topics(5), template = chat,
        stop_on_error = true, on_item = function() error "oh" end })
      say(ok, err.kind, err.message)
      say(rows("SELECT state FROM runs")[1].state)
    ]]
    assert.same({ "false script_error script.lua:2: oh", "failed" },
      { lines[#lines - 1], lines[#lines] })
  end)

  it("leaves items pending whose calls met what every call would meet", function()
    local text = [[
      local ok, err = pcall(confab.run, { name = "r", items = topics(40),
        step = function(item)
          local ok, conv = pcall(confab.generate, { template = chat, params = item })
          return ok and conv or nil      -- a script that catches everything
        end })
      say(ok, ok or err.kind, ok or err.status)
      local run = confab.store:runs()[1]
      local a = run.account
      say(run.state, a.failed, a.skipped, a.accepted + a.pending == a.planned, a.pending > 0)
    ]]
    local lines = script.run(text, "faults=401@10-99")
    assert.same({ "false api_error 401", "failed 0 0 true true" },
      { lines[#lines - 1], lines[#lines] })
    assert.same({ "true true true", "done 0 0 true false" }, script.run(text))
  end)

  it("names both items that have one key", function()
    local text = script.text [[
      local ok, err = pcall(confab.run, { name = "r", items = topics(5), template = chat,
        key = function(item) return item.topic == "topic 5" and "topic 2" or item.topic end })
      say(ok, err.kind, err.message)
    ]]
    assert.truthy(text:find('false config_error two items have the key "topic 2": ', 1, true))
    assert.truthy(text:find('"topic 2"', 1, true) and text:find('"topic 5"', 1, true))
  end)

  it("numbers equal items", function()
    assert.same({ "done 4 4 0 0 0 0", "2 3" }, script.run([[
      local items = { topics(1)[1], topics(2)[2], topics(1)[1], topics(1)[1] }
      local run = confab.run { name = "r", items = items, template = chat }
    ]] .. account .. [[
      local keys = rows("SELECT key FROM items WHERE key LIKE '%#%' ORDER BY ordinal")
      say(keys[1].key:match("#(.*)"), keys[2].key:match("#(.*)"))
    ]]))
  end)

  it("sets aside what is drawn no longer", function()
    local text = [[
      local run = confab.run { name = "r", items = topics(N), template = chat }
    ]] .. account
    assert.equal("done 5 5 0 0 0 0", script.text((text:gsub("N", "5"))))
    assert.equal("done 2 2 0 0 0 0", script.text((text:gsub("N", "2"))))
    assert.equal("done 6 6 0 0 0 0", script.text((text:gsub("N", "6"))))
  end)

  it("asks again for a reply that does not serve, each paid and logged", function()
    local text = [[
      local run = confab.run { name = "r", items = topics(6), template = chat, tries = 3 }
    ]] .. account .. [[
      say(run.account.calls, count "generation_logs WHERE status = 'rejected'",
        count "calls WHERE cost_pico > 0")
      say(rows("SELECT DISTINCT error_kind AS k FROM items WHERE error_kind <> ''")[1].k)
    ]]
    for _ = 1, 2 do      -- what failed on its content is not asked for again by itself
      local lines = script.run(text, "faults=malformed:missing_role")
      assert.same({ "done 6 0 0 6 0 0", "18 18 18", "validation_error" },
        { lines[#lines - 2], lines[#lines - 1], lines[#lines] })
    end
  end)

  it("asks again for what failed on its way", function()
    -- Of more than one call it would be an outage, and waited for.
    local text = [[
      local run = confab.run { name = "r", items = topics(1), template = chat }
    ]] .. account
    local lines = script.run(text, "faults=500")
    assert.equal("done 1 0 0 1 0 0", lines[#lines])
    assert.equal("done 1 1 0 0 0 0", script.text(text))
  end)

  it("takes a reply that was cut off as told", function()
    local text = [[
      local run = confab.run { name = "HOW", items = topics(4), template = chat,
        on_truncated = "HOW" }
    ]] .. account .. [[
      local cut = 0
      for conv in run:results() do cut = cut + (conv.truncated and 1 or 0) end
      say(cut, run.account.calls)
    ]]
    local spec = "faults=max_tokens@1-4"
    local lines = script.run((text:gsub("HOW", "salvage")), spec)
    assert.same({ "done 4 4 0 0 0 0", "4 4" }, { lines[#lines - 1], lines[#lines] })
    lines = script.run((text:gsub("HOW", "fail")), spec)
    assert.same({ "done 4 0 0 4 0 0", "0 4" }, { lines[#lines - 1], lines[#lines] })
    lines = script.run((text:gsub("HOW", "continue")), spec)
    assert.truthy(lines[#lines]:match " 8$")
  end)

  it("gives each item random numbers of its own, whatever runs beside it", function()
    local lines = script.run([[
      local random = require "confab.core".random.random
      local function draw(name, concurrency)
        local seen = {}
        local function step(item)
          local before = random(1000000)
          confab.ask { prompt = item.topic }
          seen[item.topic] = before .. " " .. random(1000000)
        end
        confab.run { name = name, items = topics(8), concurrency = concurrency, step = step }
        return seen
      end
      say(draw("a", 4))
      say(draw("b", 1))
    ]], "latency=uniform:0:10")
    assert.equal(lines[1], lines[2])
  end)

  it("may ask while it draws its items", function()
    assert.same({ "done 3 3 0 0 0 0", "3 3" }, script.run([[
      local items = confab.list(topics(3)):map(function(p)
        return { topic = confab.ask { prompt = "Refine " .. p.topic }.text:sub(1, 20), turns = 8 }
      end)
      local run = confab.run { name = "r", items = items, template = chat }
    ]] .. account .. [[
      local own = count "calls c JOIN items i ON i.id = c.item WHERE key = ''"
      say(own, count "calls" - own)
    ]]))
  end)

  it("says that there are no items", function()
    local lines = script.run [[
      local ok, err = pcall(confab.run, { name = "r", items = {}, template = chat })
      say(ok, err.kind, err.message)
    ]]
    assert.equal('false config_error run "r": there are no items', lines[#lines])
  end)

  it("tells every retry", function()
    assert.same({ "done 20 20 0 0 0 0", "8 true" }, script.run([[
      local told, sane = 0, true
      local run = confab.run { name = "r", items = topics(20), template = chat,
        on_retry = function(attempt, err, delay_ms)
          told = told + 1
          sane = sane and attempt >= 1 and err.kind == "api_error" and delay_ms >= 0
        end }
    ]] .. account .. [[ say(told, sane) ]], "faults=500@1-5;529@7-9"))
  end)
end)
