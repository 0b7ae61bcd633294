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
  local own = "false script_error %s cannot wait here, inside a coroutine of the script's own"
  local ask, generate, run = "confab.ask", "confab.generate", "confab.run"

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
    { "a coroutine of the script's own", [[coroutine.wrap(function()
        confab.ask { prompt = "x" }
      end)()]], own:format(ask) },
    { "a run in such a coroutine", [[coroutine.wrap(function()
        confab.run { items = topics(1), template = chat }
      end)()]], own:format(run) },
  }
  for _, row in ipairs(rows) do
    it("says that a call cannot wait inside " .. row[1], function()
      assert.equal(row[3], raised_in_step(row[2]))
    end)
  end

  it("begins nothing where it cannot wait", function()
    assert.equal("0", script.text [[
      pcall(coroutine.wrap(function() confab.run { items = topics(1), template = chat } end))
      pcall(coroutine.wrap(function() confab.ask { prompt = "x" } end))
      say(#(io.open("test.db") and confab.store:runs() or {}))
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
