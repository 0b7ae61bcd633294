local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("conv:tag", function()
  after_each(script.clean)

  it("gives a bare tag, a text or a number; the last holds, and false takes it away", function()
    local tags = '{"again":2,"bare":true,"number":1.5,"text":"x"}'
    assert.same({ tags, tags, '{"again":2,"number":1.5,"text":"y"}' }, script.run [[
      local run = confab.run { name = "r", items = topics(1), step = function(item)
        local conv = confab.generate { template = chat, params = item }
        conv:tag("bare"):tag("text", "x"):tag("number", 1.5):tag("again"):tag("again", 2)
        conv:tag("gone", 1):tag("gone", false)
        say(conv.tags)
        return conv
      end }
      for conv in run:results() do
        say(conv.tags)
        conv:tag("bare", false):tag("text", "y")
      end
      for conv in run:results() do say(conv.tags) end
    ]])
  end)
end)
