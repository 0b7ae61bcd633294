local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("confab.parallel", function()
  after_each(script.clean)

  it("gives what each function returned, in their order", function()
    assert.equal("true nil 3 0", script.text [[
      confab.run { name = "r", items = topics(1), step = function()
        local a, b, c = confab.parallel {
          function() return #confab.ask { prompt = "a" }.text > 0, "not this" end,
          function() return nil end,
          function() return 3 end,
        }
        say(a, b, c, select("#", confab.parallel {}))
      end }
    ]])
  end)

  it("works in the main chunk, too, in branches of branches", function()
    assert.equal("true true 1.1,1.2,2", script.text [[
      local a, b = confab.parallel {
        function()
          local x, y = confab.parallel {
            function() return confab.ask { prompt = "same" }.text end,
            function() return confab.ask { prompt = "same" }.text end,
          }
          return #x > 0 and #y > 0
        end,
        function() return #confab.ask { prompt = "same" }.text > 0 end,
      }
      local branches = {}
      for _, row in ipairs(rows "SELECT branch FROM calls ORDER BY branch") do branches[#branches + 1] = row.branch end
      say(a, b, table.concat(branches, ","))
    ]])
  end)

  it("begins all its branches before it waits for any", function()
    assert.equal("8", script.text [[
      local begun, calls = 0, {}
      for i = 1, 8 do
        calls[i] = function()
          begun = begun + 1
          confab.ask { prompt = "p" .. i }
          return begun
        end
      end
      say((confab.parallel(calls)))
    ]])
  end)

  it("raises the first error by place once all have ended", function()
    assert.equal("script_error script.lua:3: one 2 2 script.lua:4: two done", script.text [[
      local ended
      local ok, err = pcall(confab.parallel, { function() return 1 end,
        function() confab.ask { prompt = "x" } error("one") end,
        function() error("two") end,
        function() confab.ask { prompt = "y" } confab.ask { prompt = "z" } ended = "done" end,
      })
      say(err.kind, err.message, err.details.branch, #err.details.others + 1, err.details.others[1].message, ended)
    ]])
  end)

  it("raises what is no error of confab's as it is", function()
    assert.equal("mine", script.text [[
      local ok, err = pcall(confab.parallel, { function() error({ name = "mine" }) end })
      say(err.name)
    ]])
  end)

  it("gives errors the traceback of the branch", function()
    assert.equal("true", script.text [[
      local function deep() error("oops") end
      local ok, err = pcall(confab.parallel, { function() deep() end })
      say(err.traceback:find("in upvalue 'deep'", 1, true) ~= nil)
    ]])
  end)

  local rows = {
    { "no list", "print", "confab.parallel takes one list of functions: confab.parallel { f, g }" },
    { "two arguments", "print, print", "confab.parallel takes one list of functions: confab.parallel { f, g }" },
    { "a result instead of a function", "{ 1 }",
      "confab.parallel: entry 1 is a number, not a function; write function() … end around a call" },
    { "names", "{ a = print }", 'confab.parallel: "a" is no place in a list of functions' },
  }
  for _, row in ipairs(rows) do
    it("refuses " .. row[1], function()
      assert.equal("config_error script.lua:1: " .. row[3],
        script.text("local _, err = pcall(confab.parallel, " .. row[2] .. ") say(err.kind, err.message)"))
    end)
  end

  it("replays each branch exactly, whatever came back first", function()
    local text = [[
      local seen, random = {}, require "confab.core".random.random
      local run = confab.run { name = "r", items = topics(6), step = function(item)
        local parts = confab.map({ 1, 2, 3, 4, 5 }, function(n)
          local first = confab.ask { prompt = item.topic .. " same" }
          local more = confab.ask { prompt = "n" .. random(1000) .. #first.text }
          return #more.text .. confab.parallel { function() return confab.ask { prompt = "inner" }.text end }
        end, { concurrency = 3 })
        seen[#seen + 1] = item.topic .. table.concat(parts)
        return confab.generate { template = chat, params = item }
      end }
      table.sort(seen)
      say(require "confab.core".hash.sha256hex(table.concat(seen)), run.summary.sent_calls or "")
    ]]
    local first = script.text(text, "latency=uniform:0:30")
    assert.equal(first, script.text(text, "latency=uniform:0:30"))
    assert.equal("96", script.text [[say(count "calls")]])
  end)
end)

describe("confab.map", function()
  after_each(script.clean)

  it("keeps the order and the gaps, and passes the place", function()
    assert.equal("3 10 nil 30", script.text [[
      local list, n = confab.map({ 5, 5, 10 }, function(value, place)
        if place == 2 then return nil end
        confab.ask { prompt = tostring(place) }
        return place * 10
      end, { concurrency = 2 })
      say(n, list[1], list[2], list[3])
    ]])
  end)

  it("takes sequences, and empty lists", function()
    assert.equal("2 4 6 0", script.text [[
      local list = confab.map(confab.list { 1, 2, 3 }, function(value) return value * 2 end)
      say(list[1], list[2], list[3], #confab.map({}, print))
    ]])
  end)

  it("has no more at work than it may", function()
    assert.equal("2", script.text([[
      local now, most = 0, 0
      confab.map({ 1, 2, 3, 4, 5, 6 }, function(value)
        now = now + 1
        most = math.max(most, now)
        confab.ask { prompt = tostring(value) }
        now = now - 1
      end, { concurrency = 2 })
      say(most)
    ]], "latency=fixed:5"))
  end)

  it("begins nothing new after a failure", function()
    assert.equal("bad 2", script.text [[
      local begun = 0
      local ok, err = pcall(confab.map, { 1, 2, 3, 4 }, function(value)
        begun = begun + 1
        if value == 2 then error("bad", 0) end
        confab.ask { prompt = tostring(value) }
      end, { concurrency = 2 })
      say(err.message, begun)
    ]])
  end)

  it("passes the item on: columns, parameters, scoring, tags", function()
    assert.equal("topic 1 topic 1 2", script.text [[
      local run = confab.run { name = "r", items = topics(1), step = function(item)
        return confab.map({ 1, 2 }, function() return confab.generate { template = chat, params = item } end)
      end }
      local topics = {}
      for conv in run:results() do topics[#topics + 1] = conv.topic end
      say(topics[1], topics[2], #topics)
    ]])
  end)

  local rows = {
    { "a table of names", "{ a = 1 }, print", "confab.map takes a list, not a table of names" },
    { "no list", "1, print", "confab.map takes a list and a function, not a number first" },
    { "no function", "{}, 1", "confab.map takes a list and a function, not a number second" },
    { "a misspelt option", "{}, print, { concurency = 1 }",
      'confab.map: unknown option "concurency"; did you mean "concurrency"?' },
  }
  for _, row in ipairs(rows) do
    it("refuses " .. row[1], function()
      assert.equal("config_error script.lua:1: " .. row[3],
        script.text("local _, err = pcall(confab.map, " .. row[2] .. ") say(err.kind, err.message)"))
    end)
  end
end)
