local complete = require "confab.complete"
local confab = require "confab"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")

local globals = {
  confab = confab, string = string, print = print, conv = confab.conversation { turns = {} },
  chat = confab.template { name = "t", prompt = "x" }, items = confab.list {}, settings = { inner = { deep = 1 } },
}

local function candidates(text)
  local from, list = complete.candidates(text, globals)
  return text:sub(from), table.concat(list, "|")
end

describe("completion", function()
  after_each(support.clean)

  local rows = {
    { "pri", "pri", "print" },
    { "x = con", "con", "confab|conv" },
    { "wh", "wh", "while" },
    { "confab.ru", "ru", "rule|run" },
    { "string.forma", "forma", "format" },
    { "settings.inner.d", "d", "deep" },
    { "conv:te", "te", "text" },
    { "conv.tu", "tu", "turns" },
    { "chat:ren", "ren", "render" },
    { "items:sam", "sam", "sample" },
    { "items.so", "so", "" },
    { "confab.json.", "", "array|decode|encode" },
    { "confab.run { stop_on", "stop_on", "stop_on_error = " },
    { "confab.run({\n  name = 'x',\n  stop_on", "stop_on", "stop_on_error = " },
    { "confab.run { items = con", "con", "confab|conv" },
    { 'run:export("x", { for', "for", "format = " },
    { "nothing.x", "x", "" },
    { "", "", "" },
    { "-- pri", "pri", "print" },
  }
  for _, row in ipairs(rows) do
    it(("of %q"):format(row[1]), function()
      local word, list = candidates(row[1])
      assert.equal(row[2], word)
      assert.equal(row[3], list)
    end)
  end

  it("offers each option of a call", function()
    local _, list = candidates "confab.generate { "
    assert.truthy(("|" .. list .. "|"):find("|template = |", 1, true))
    assert.truthy(("|" .. list .. "|"):find("|params = |", 1, true))
  end)

  it("offers files in a string, hidden ones only if asked for", function()
    local folder = support.file("", "topics.txt"):match "^(.*)/"
    support.file("", "topics/more.txt")
    support.file("", ".hidden")
    local word, list = candidates('confab.lines "' .. folder .. "/to")
    assert.equal(folder .. "/to", word)
    assert.equal(folder .. "/topics.txt|" .. folder .. "/topics/", list)
    assert.equal(folder .. "/.hidden", select(2, candidates('x = "' .. folder .. "/.h")))
    assert.falsy(select(2, candidates("x = '" .. folder .. "/")):find ".hidden")
  end)
end)
