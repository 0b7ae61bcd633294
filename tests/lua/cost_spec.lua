local cost = require "confab.cost"
local errors = require "confab.errors"
local models = require "confab.models"

local function failure(fn, ...)
  local ok, raised = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(raised, "config_error"), tostring(raised))
  return raised.message
end

local price = {
  input = "3", output = 15, cache_write_5m = "3.75", cache_read = "0.3", batch_input = "1.5",
}
local tiered = { input = 1, output = 1, tiers = { { threshold_prompt_tokens = 1000, input = 2 } } }

describe("confab.cost", function()
  local rows = {
    { { 1000, 500, price }, 10500000000 },
    { { 0, 0, price }, 0 },
    { { 1, 0, price }, 3000000 },
    { { { input = 10, cache_write_5m = 1000, cache_read = 2000 }, nil, price }, 4380000000 },
    { { { input = 10, batch = true }, nil, price }, 15000000 },
    { { { input = 10, us = true }, nil, price }, 33000000 },
    { { 5, 5, "free" }, 0 },
    { { 1000, 0, tiered }, 1000000000 },
    { { { input = 1001 }, nil, tiered }, 2002000000 },
  }
  for i, row in ipairs(rows) do
    it("counts exactly, row " .. i, function()
      local dollars, pico = cost.cost(row[1][1], row[1][2], row[1][3])
      assert.equal(row[2], pico)
      assert.equal(row[2] / 1e12, dollars)
    end)
  end

  it("knows the models of the table by name and alias", function()
    for id, entry in pairs(models.models) do
      local dollars = cost.cost(1000, 0, id)
      local wanted = entry.price and entry.price.input and tonumber(entry.price.input) / 1000
      assert.equal(wanted ~= nil, dollars ~= nil, id)
      if wanted then assert.is_true(math.abs(dollars - wanted) < 1e-12, id) end
      for _, alias in ipairs(entry.aliases) do
        assert.equal(dollars, (cost.cost(1000, 0, alias)), alias)
      end
    end
  end)

  it("is nil, not zero, where a price is not known", function()
    assert.is_nil(cost.cost(1, 1, { input = 3 }))
    assert.is_nil(cost.cost({ input = 1, cache_write_1h = 1 }, nil, price))
    assert.is_nil(cost.cost(1 << 40, 1, price))
  end)

  it("takes models of the script's own", function()
    cost.add_models { ["my-model"] = { price = { input = 1, output = 2 } }, ["no-price"] = {} }
    assert.equal(3e-6, (cost.cost(1, 1, "my-model")))
    assert.is_nil(cost.cost(1, 1, "no-price"))
  end)

  local misuse = {
    { { 1, 1, "claude-haiku-5.5" },
      'unknown model "claude-haiku-5.5"; did you mean "claude-haiku-5-5"?' },
    { { 1, 1, "zzzzzzzzzzzz" }, "give its price instead of a name" },
    { { 1, 1, nil }, 'confab.cost: a price must be a table or "free", not nil' },
    { { 1, 1, { inptu = 1 } }, 'confab.cost: unknown price "inptu"; did you mean "input"?' },
    { { -1, 1, price }, "confab.cost: input must be at least 0, not -1" },
    { { 1.5, 1, price }, "confab.cost: input must be a whole number, not 1.5" },
    { { 1, nil, price }, "confab.cost: output is missing" },
    { { { inputs = 1 }, nil, price }, 'unknown option "inputs"; did you mean "input"?' },
  }
  for _, row in ipairs(misuse) do
    it("refuses: " .. row[2], function()
      local message = failure(cost.cost, row[1][1], row[1][2], row[1][3])
      assert.truthy(message:find(row[2], 1, true), message)
      assert.truthy(message:find("cost_spec.lua", 1, true), message)
    end)
  end
end)

describe("confab.estimate_tokens", function()
  it("counts 1.3 tokens a word, rounded up", function()
    assert.equal(0, cost.estimate_tokens " \n ")
    assert.equal(2, cost.estimate_tokens "one")
    assert.equal(13, cost.estimate_tokens "a b c d e f g h i j")
  end)

  it("takes texts only", function()
    assert.truthy(failure(cost.estimate_tokens, 5):find("a text was expected", 1, true))
  end)
end)
