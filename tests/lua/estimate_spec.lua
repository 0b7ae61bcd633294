local script = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "script.lua")

describe("confab.estimate", function()
  after_each(script.clean)

  local numbers = [[
    local function numbers(made)
      return made.items, made.calls.expected, made.sampled, made.cost.low < made.cost.expected,
        made.cost.expected < made.cost.high, made.cost.high < made.cost_bound
    end
  ]]

  it("measures every item without sending anything", function()
    assert.same({ "20 20 nil true true true", "0" }, script.run(numbers .. [[
      say(numbers(confab.estimate { items = topics(20), template = chat }))
      say(count "calls")
    ]]))
  end)

  it("takes a sample of many, the same each time, and states its error", function()
    assert.same({ "2500 2500 1000 true true true", "true", "a sample of 1000 of the 2500 items, ±0 %" }, script.run(numbers .. [[
      local made = confab.estimate { items = topics(2500), template = chat }
      say(numbers(made))
      say(made.cost.expected == confab.estimate { items = topics(2500), template = chat }.cost.expected)
      say(made.covers[1])
    ]]))
  end)

  it("states a wider error the more the items of a sample differ", function()
    local lines = script.run [[
      local items = topics(2500)
      for i = 1, #items, 7 do items[i].topic = ("a long topic "):rep(200) end
      say(confab.estimate { items = items, template = chat }.covers[1]:match "±(%d+) %%")
    ]]
    assert.is_true(tonumber(lines[1]) > 5, lines[1])
  end)

  it("learns from replies what the next ones use", function()
    local lines = script.run [[
      local before = confab.estimate { items = topics(40), template = chat }
      confab.run { items = topics(30), template = chat }
      local after = confab.estimate { items = topics(40), template = chat }
      say((before.output_tokens.high - before.output_tokens.low) > 4 * (after.output_tokens.high - after.output_tokens.low))
      say((before.input_tokens.high - before.input_tokens.low) > 4 * (after.input_tokens.high - after.input_tokens.low))
      local run = rows("SELECT output_tokens * 40 / 30 AS output, input_tokens * 40 / 30 AS input FROM runs WHERE replies > 0")[1]
      say(after.output_tokens.low <= run.output and run.output <= after.output_tokens.high,
        after.input_tokens.low <= run.input and run.input <= after.input_tokens.high)
      say(after.basis[1]:find("learnt from 30 replies", 1, true) ~= nil, after.basis[2]:find("the last 30 of template", 1, true) ~= nil)
    ]]
    assert.same({ "true", "true", "true true", "true true" }, lines)
  end)

  it("is asked of a template for one item", function()
    assert.same({ "1 1 nil true true true" }, script.run(numbers .. [[
      say(numbers(chat:estimate { topic = "tea", turns = 8 }))
    ]]))
  end)

  it("raises what rendering raises, and refuses what is no template", function()
    local lines = script.run [[
      say(select(2, pcall(confab.estimate, { items = { {} }, template = chat })).message)
      say(select(2, pcall(confab.estimate, { items = { {} }, template = {} })).message)
      say(select(2, pcall(confab.estimate, { items = 7, template = chat })).message)
    ]]
    assert.truthy(lines[1]:find "turns")
    assert.truthy(lines[2]:find "must come from confab.template")
    assert.truthy(lines[3]:find "items must be")
  end)

  it("counts the tries in the bound, and no item is no cost", function()
    assert.same({ "true", "0 0" }, script.run [[
      local once = confab.estimate { items = topics(5), template = chat }
      local thrice = confab.estimate { items = topics(5), template = chat, tries = 3 }
      say(thrice.cost_bound == 3 * once.cost_bound and thrice.cost.expected == once.cost.expected)
      local none = confab.estimate { items = {}, template = chat }
      say(none.items, none.cost.high // 1 | 0)
    ]])
  end)

  it("keeps to the limits in force for the time", function()
    assert.same({ "true true" }, script.run [[
      local made = confab.estimate { items = topics(200), template = chat, concurrency = 100 }
      say(made.limit.source == "configured", made.time_ms.expected < 60000)
    ]])
  end)
end)
