local confab = require "confab"
local help = require "confab.help"

describe("help", function()
  it("tells of every function of the module, by value and by name", function()
    local names = {}
    for _, name in ipairs(help.names()) do names[name] = true end
    local function check(at, prefix, separators)
      for key, value in next, at do
        if type(value) == "function" then
          local name
          for separator in separators:gmatch "." do
            if names[prefix .. separator .. key] then name = prefix .. separator .. key end
          end
          assert.is_not_nil(name, "no stub has " .. prefix .. "." .. key)
          assert.equal(name, help.text(value):match "^[%w_%.:]+")
          assert.equal(name, help.text(name):match "^[%w_%.:]+")
          assert.truthy(help.text(value):find "\n\n  %S", name .. " has no description")
        end
      end
    end
    check(confab, "confab", ".")
    check(confab.json, "confab.json", ".")
    check(confab.text, "confab.text", ".")
    check(confab.store, "confab.store", ":")
  end)

  it("has signature, description and options", function()
    local text = help.text(confab.csv, 60)
    assert.truthy(text:find("^confab%.csv%(path, opts%) %-> confab%.Sequence\n\n  The records of a CSV file"))
    assert.truthy(text:find("\n    separator?  One character (default: a comma).\n", 1, true))
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 60) end
  end)

  it("finds methods, however they are called", function()
    local tag = confab.conversation { turns = {} }.tag
    for _, what in ipairs { tag, "conv:tag", "Conversation:tag", "conversation.tag" } do
      assert.truthy(help.text(what):find "^Conversation:tag%(name, value%)")
    end
    assert.truthy(help.text "run:export":find "^Run:export")
  end)

  it("lists the functions of a table, and all", function()
    assert.truthy(help.text(confab.json):find("confab.json.decode", 1, true))
    assert.truthy(help.text "confab.store":find("confab.store:sql", 1, true))
    local all = help.text()
    assert.truthy(all:find "\n  confab%.run%s+Works through")
  end)

  it("names the nearest where there is nothing", function()
    local ok, raised = pcall(help.text, "confab.rnu")
    assert.is_false(ok)
    assert.truthy(raised.message:find "did you mean confab.run%?")
    assert.truthy(select(2, pcall(help.text, print)).message:find "help%(%) lists the names")
  end)

  it("knows the options of a call", function()
    assert.same({ "name", "points", "check" }, help.options "confab.rule")
    assert.is_nil(help.options "confab.score")
  end)
end)
