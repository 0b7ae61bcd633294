local confab = require "confab"
local show = require "confab.show"

local screen = { width = 40, height = 6, color = false }

local function shown(value, on) return show.text(value, on or screen) end

describe("shown values", function()
  after_each(function() collectgarbage() end)

  it("are scalars as Lua writes them", function()
    assert.equal('"a\\n\\"b\\""', shown 'a\n"b"')
    assert.equal("nil", shown(nil))
    assert.equal("1.5", shown(1.5))
    assert.equal("confab.null", shown { confab.null }:match "confab%.null")
  end)

  it("are tables on one line, or on several with their keys in order", function()
    assert.equal('{ 1, a = "x", ["b c"] = {} }', shown { 1, a = "x", ["b c"] = {} })
    assert.equal('{\n  a = "' .. ("x"):rep(20) .. '"\n  b = "' .. ("y"):rep(20) .. '"\n}',
      shown { b = ("y"):rep(20), a = ("x"):rep(20) })
  end)

  it("are cut to the screen", function()
    local long = {}
    for i = 1, 100 do long[i] = { number = i, text = ("word "):rep(4) } end
    local lines = {}
    for line in (shown(long) .. "\n"):gmatch "(.-)\n" do
      lines[#lines + 1] = line
      assert.is_true(utf8.len(line) <= 44)
    end
    assert.equal(6, #lines)
    assert.equal("... (100 entries)", lines[6])
  end)

  it("end where a table holds itself", function()
    local t = { name = "t" }
    t.me = t
    assert.equal('{ me = { ... }, name = "t" }', shown(t))
  end)

  it("are conversations as turns, whole", function()
    local turns = {}
    for i = 1, 10 do turns[i] = { role = i % 2 == 1 and "user" or "assistant", content = "turn number " .. i } end
    local text = shown(confab.conversation { turns = turns })
    assert.truthy(text:find("^user\n  turn number 1\nassistant\n  turn number 2\n"))
    assert.truthy(text:find("turn number 10\n10 turns"))
  end)

  it("wrap long turns at words", function()
    local text = shown(confab.conversation { turns = { { role = "user", content = ("word "):rep(20) } } })
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 40) end
  end)

  it("count characters that are two columns wide, or none, as such", function()
    local wide = ("\u{65E5}"):rep(30)
    local lines = {}
    for line in (shown(confab.conversation { turns = { { role = "user", content = wide } } }) .. "\n"):gmatch "(.-)\n" do
      lines[#lines + 1] = line
    end
    assert.same({ "user", "  " .. ("\u{65E5}"):rep(19), "  " .. ("\u{65E5}"):rep(11) }, { lines[1], lines[2], lines[3] })
    assert.equal('{\n  a = "' .. ("\u{65E5}"):rep(15) .. '"\n  b = 1\n}', shown { a = ("\u{65E5}"):rep(15), b = 1 })
    assert.equal('{ a = "' .. ("e\u{301}"):rep(20) .. '", b = 1 }', shown { a = ("e\u{301}"):rep(20), b = 1 })
  end)

  it("are long strings whole, up to a screen full", function()
    local large = { width = 100, height = 20, color = false }
    assert.equal('"' .. ("x"):rep(1900) .. '"', shown(("x"):rep(1900), large))
    assert.equal('"' .. ("x"):rep(1999) .. '…"', shown(("x"):rep(9000), large))
  end)

  it("cannot steer the terminal", function()
    local text = shown(confab.conversation { turns = { { role = "user", content = "a\27[2Jb\rc\xC2\x9B31md" } } })
    assert.truthy(text:find("a\\x1B[2Jb\\x0Dc\\u{9B}31md", 1, true))
    assert.equal('"\\x1B]0;x\\x07"', shown "\27]0;x\7")
  end)

  it("are the first items of a sequence", function()
    assert.equal("6 items\n  { a = 1 }\n  { a = 2 }\n  { a = 3 }\n  { a = 4 }\n... (2 more lines)",
      shown(confab.sweep { a = { 1, 2, 3, 4, 5, 6 } }))
    assert.equal("2 items\n  1\n  2", shown(confab.list { 1, 2 }))
  end)

  it("are templates with their variables", function()
    assert.equal("template t\nprompt\n  About {{topic}}\nvariables: topic",
      shown(confab.template { name = "t", prompt = "About {{topic}}" }))
  end)

  it("are errors by kind and message", function()
    local _, raised = pcall(confab.run, {})
    assert.truthy(shown(raised):find "config_error: ")
    assert.truthy(show.text(raised, { width = 40, height = 6, color = true }):find("\27[31m", 1, true))
  end)
end)
