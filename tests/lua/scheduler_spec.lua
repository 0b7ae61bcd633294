local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("the scheduler", function()
  after_each(script.clean)

  --- What the step raises, in a run of one item.
  local function raised_in_step(body)
    return script.text([[
      confab.run { name = "r", items = topics(1), step = function(item)
        local ok, err = pcall(function() ]] .. body .. [[ end)
        say(ok, err and err.kind, err and err.message)
      end }
    ]])
  end

  local suspended = "false script_error %s cannot wait here: %s cannot be suspended; " ..
    "call %s first and pass the answers in"
  local ask, generate = "confab.ask", "confab.generate"
  local handler = "a message handler of xpcall"

  local rows = {
    { "a sort", [[table.sort({ 3, 2, 1 }, function(a, b)
        confab.ask { prompt = "x" }
        return a < b
      end)]], suspended:format(ask, "table.sort", ask) },
    { "a gsub", [[string.gsub("abc", "b", function()
        confab.generate { template = chat, params = item }
      end)]], suspended:format(generate, "string.gsub", generate) },
    { "a pcall in a sort", [[table.sort({ 3, 2, 1 }, function(a, b)
        local ok, err = pcall(confab.ask, { prompt = "x" })
        error(err, 0)
      end)]], suspended:format(ask, "table.sort", ask) },
    { "a coroutine in a sort", [[table.sort({ 3, 2, 1 }, function(a, b)
        return coroutine.wrap(function() return confab.ask { prompt = "x" } end)()
      end)]], suspended:format(ask, "table.sort", ask) },
    { "a sort in a coroutine", [[coroutine.wrap(function()
        table.sort({ 3, 2, 1 }, function(a, b) return confab.ask { prompt = "x" } end)
      end)()]], suspended:format(ask, "table.sort", ask) },
    { "a wrapped coroutine that sorts", [[
      table.sort({ 3, 2, 1 }, coroutine.wrap(function() confab.ask { prompt = "x" } end))]],
      suspended:format(ask, "table.sort", ask) },
    { "tostring", [[tostring(setmetatable({}, { __tostring = function() confab.ask { prompt = "x" } end }))]],
      suspended:format(ask, "tostring", ask) },
    { "a reader of load", [[
      local _, err = load(function() confab.ask { prompt = "x" } end)
      error(err, 0)]], suspended:format(ask, "load", ask) },
    { "the handler of an error that Lua raised", [[
      local _, err = xpcall(function() local x; x() end, function()
        return select(2, pcall(confab.ask, { prompt = "x" }))
      end)
      error(err, 0)]], suspended:format(ask, handler, ask) },
    { "the handler of an error that was raised by error", [[
      local _, err = xpcall(error, function() return select(2, pcall(confab.ask, { prompt = "x" })) end)
      error(err, 0)]], suspended:format(ask, handler, ask) },
    { "a coroutine that is closed", [[
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() confab.ask { prompt = "x" } end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      error(select(2, coroutine.close(co)), 0)]], suspended:format(ask, "coroutine.close", ask) },
  }
  for _, row in ipairs(rows) do
    it("says that a call cannot wait inside " .. row[1], function()
      assert.equal(row[3], raised_in_step(row[2]))
    end)
  end

  it("begins nothing where it cannot wait", function()
    assert.equal("0", script.text [[
      confab.run { name = "r", items = topics(1), step = function()
        pcall(table.sort, { 1, 2 }, function() confab.run { items = topics(1), template = chat } end)
        pcall(table.sort, { 1, 2 }, function() confab.ask { prompt = "x" } end)
      end }
      say(#confab.store:runs() - 1)
    ]])
  end)

  it("lets calls wait in the script's own coroutines, however deep", function()
    assert.equal("true nil nil", raised_in_step [[
      local function questions(n)
        return coroutine.wrap(function()
          for i = 1, n do coroutine.yield(i, confab.ask { prompt = "question " .. i }.text) end
        end)
      end
      local seen = 0
      for i, text in questions(3) do
        assert(#text > 0)
        seen = seen + i
      end
      assert(seen == 6)
      local outer = coroutine.create(function(a)
        local inner = coroutine.wrap(function(b)
          local first = confab.ask { prompt = b }.text
          local c = coroutine.yield(#first)
          return c, confab.ask { prompt = c }.text
        end)
        local d = coroutine.yield(inner(a))
        return inner(d)
      end)
      local _, length = coroutine.resume(outer, "one")
      assert(length > 0)
      local ok, again, text = coroutine.resume(outer, "two")
      assert(ok and again == "two" and #text > 0)
      assert(coroutine.status(outer) == "dead")
    ]])
  end)

  it("lets runs wait in them, and in the main chunk of an interpreter, too", function()
    assert.equal("2 true", script.text [[
      local run = coroutine.wrap(function() return confab.run { name = "r", items = topics(2), template = chat } end)()
      local text = coroutine.wrap(function()
        return coroutine.wrap(function() return confab.ask { prompt = "x" }.text end)()
      end)()
      say(run.account.accepted, #text > 0)
    ]])
  end)

  it("raises what a call raises where it stands", function()
    assert.equal("api_error true", script.text([[
      confab.run { name = "r", items = topics(1), step = function()
        local co = coroutine.wrap(function()
          local ok, err = pcall(confab.ask, { prompt = "x" })
          coroutine.yield(err.kind)
          confab.ask { prompt = "y" }
        end)
        local kind = co()
        local ok, err = pcall(co)
        say(kind, not ok and err.kind == "api_error")
      end }
    ]], "faults=400:100%"))
  end)

  it("does not let others touch a coroutine that waits", function()
    assert.equal("true normal false cannot resume a coroutine that waits for a reply false " ..
      "cannot close a coroutine that waits for a reply dead", script.text [[
      confab.run { name = "r", items = topics(1), step = function()
        local co = coroutine.create(function() return confab.ask { prompt = "x" }.text end)
        local ok, others = confab.parallel {
          function() return (coroutine.resume(co)) end,
          function()
            local status, resumed, why = coroutine.status(co), coroutine.resume(co)
            return { status, resumed, why, pcall(coroutine.close, co) }
          end,
        }
        say(ok, others[1], others[2], others[3], others[4], others[5], coroutine.status(co))
      end }
    ]])
  end)

  it("lets calls wait through pcall, metamethods and iterators", function()
    assert.equal("true nil nil", raised_in_step [[
      local t = setmetatable({}, { __index = function(_, k) return confab.ask { prompt = k } end,
        __add = function(_, n) return confab.ask { prompt = "+" .. n } end })
      local ok, text = pcall(function() return t.one.text end)
      assert(ok and #text > 0)
      for reply in function(_, last) return not last and t.two or nil end do assert(reply.text) end
      assert((t + 1).text)
    ]])
  end)

  it("works in coroutines of the script that do not wait", function()
    assert.equal("true nil nil", raised_in_step [[
      local numbers = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
      assert(numbers() + numbers() + numbers() == 6)
    ]])
  end)

  it("keeps the meaning of Lua's own functions", function()
    assert.equal("dead true true 3 cannot resume dead coroutine|false oops|true false oops| nil x:1: bad", script.text [[
      local co = coroutine.create(function(...) return select("#", ...) end)
      local ok, n = coroutine.resume(co, 1, nil, nil)
      local status = coroutine.status(co)
      local _, dead = coroutine.resume(co)
      local bad = coroutine.create(function() error("oops", 0) end)
      local _, oops = coroutine.resume(bad)
      local closed, why = coroutine.close(bad)
      local open = coroutine.create(function() coroutine.yield() end)
      coroutine.resume(open)
      local fails = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() error("oops", 0) end })
        coroutine.yield()
      end)
      coroutine.resume(fails)
      local closes = coroutine.close(open)
      local failed, told = coroutine.close(fails)
      local _, where = pcall(coroutine.wrap(load("error 'bad'", "=x")))
      say(status, ok, coroutine.isyieldable(open), n, dead .. "|" .. tostring(closed), oops .. "|" .. tostring(closes),
        failed, told .. "|", why and "nil" or "", where)
    ]])
  end)

  it("takes a step that yields for a mistake", function()
    local lines = script.run [[
      local run = confab.run { name = "r", items = topics(2), step = function(item)
        if item.topic == "topic 1" then coroutine.yield("nobody takes this") end
        return confab.generate { template = chat, params = item }
      end }
      say(run.account.failed, run.account.accepted)
    ]]
    assert.equal("1 1", lines[#lines])
  end)

  it("runs one run after the other, and one inside a step", function()
    assert.equal("2 3 1", script.text [[
      local a = confab.run { name = "a", items = topics(2), template = chat }
      local inner
      local b = confab.run { name = "b", items = topics(1), step = function(item)
        inner = confab.run { name = "c", items = topics(3), template = chat }
        return confab.generate { template = chat, params = item }
      end }
      say(a.account.accepted, inner.account.accepted, b.account.accepted)
    ]])
  end)

  it("frees what came back when the interpreter ends in the middle", function()
    local text = script.text([[
      confab.run { name = "r", items = topics(30), step = function(item)
        confab.ask { prompt = item.topic }
        if item.topic == "topic 2" then os.exit(true, true) end
      end }
    ]], "latency=uniform:0:30,faults=500:20%")
    assert.equal("", text)
    assert.equal("0", script.text [[
      say(count "calls WHERE state = 'sent'")
    ]])
  end)
end)
