local options = require "confab.options"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised

local specs = {
  name = { type = "string", required = true },
  seed = { type = "integer", default = 7 },
  share = { type = "number", min = 0, max = 1 },
  size = { type = "integer", min = 1 },
  wait = { type = "number", max = 60 },
  budget = { type = "number", above = 0 },
  pacing = { type = "string", one_of = { "auto", "smooth", "burst" } },
  concurrency = { type = { "integer", "string" }, one_of = { "auto" } },
  tags = { type = "list" },
  on_item = { type = "callable" },
  strict = { type = "boolean" },
  extra = { type = "any" },
  limits = { type = "table", check = function(t) return t.bad and "must not be bad" or nil end },
}

describe("options", function()
  after_each(function() collectgarbage() end)

  it("come back in a new table with the defaults", function()
    local given = { name = "x" }
    local checked = options.check(given, specs, "f")
    assert.same({ name = "x", seed = 7 }, checked)
    assert.same({ name = "x" }, given)
    assert.same({ seed = 7 }, options.check(nil, { seed = specs.seed }, "f"))
  end)

  it("keep what was given, false included", function()
    local call = setmetatable({}, { __call = print })
    local given = {
      name = "x", seed = 0, share = 1, size = 3.0, wait = -5, budget = 0.01, pacing = "burst",
        concurrency = 8, tags = { "a" },
      on_item = call, strict = false, extra = print, limits = {},
    }
    local checked = options.check(given, specs, "f")
    assert.equal("integer", math.type(checked.size))
    assert.is_false(checked.strict)
    assert.equal("auto",
      options.check({ name = "x", concurrency = "auto" }, specs, "f").concurrency)
    assert.equal(0, checked.seed)
  end)

  local bad = {
    { { }, "name is missing" },
    { { name = 5 }, "name must be a string, not 5" },
    { { name = "x", nmae = 1 }, 'unknown option "nmae"; did you mean "name"?' },
    { { name = "x", Seed = 1 }, 'unknown option "Seed"; did you mean "seed"?' },
    { { name = "x", concurency = 1 }, 'unknown option "concurency"; did you mean "concurrency"?' },
    { { name = "x", onitem = 1 }, 'unknown option "onitem"; did you mean "on_item"?' },
    { { name = "x", temperature = 1 },
      'unknown option "temperature"; it takes budget, concurrency, extra,' },
    { { name = "x", "y" }, 'unknown option "1"; it takes' },
    { { name = "x", seed = 1.5 }, "seed must be a whole number, not 1.5" },
    { { name = "x", seed = "1" }, 'seed must be a whole number, not "1"' },
    { { name = "x", seed = 0 / 0 }, "seed must be a whole number" },
    { { name = "x", seed = 2 ^ 63 }, "seed must be a whole number" },
    { { name = "x", share = 1.5 }, "share must be from 0 to 1, not 1.5" },
    { { name = "x", share = 0 / 0 }, "share must be a number" },
    { { name = "x", size = 0 }, "size must be at least 1, not 0" },
    { { name = "x", wait = 61 }, "wait must be at most 60, not 61" },
    { { name = "x", budget = 0 }, "budget must be more than 0, not 0" },
    { { name = "x", pacing = "brust" },
      'pacing must be one of "auto", "smooth", "burst", not "brust"; did you mean "burst"?' },
    { { name = "x", pacing = "qqqqq" },
      'pacing must be one of "auto", "smooth", "burst", not "qqqqq"' },
    { { name = "x", concurrency = "aut" },
      'concurrency must be one of "auto", not "aut"; did you mean "auto"?' },
    { { name = "x", concurrency = {} },
      "concurrency must be a whole number or a string, not a table" },
    { { name = "x", tags = { a = 1 } }, "tags must be a list, not a table" },
    { { name = "x", tags = { 1, nil, 3 } }, "tags must be a list" },
    { { name = "x", on_item = {} }, "on_item must be a function, not a table" },
    { { name = "x", strict = 1 }, "strict must be true or false, not 1" },
    { { name = "x", strict = io.stdout }, "strict must be true or false, not an object" },
    { { name = "x", limits = { bad = true } }, "limits must not be bad" },
    { { name = "x", limits = { 1, 2 }, share = { 1 } }, "share must be a number, not a list" },
    { "x", 'options must be a table, not "x"' },
  }
  for _, row in ipairs(bad) do
    it("say: " .. row[2], function()
      local err = raised(options.check, row[1], specs, "confab.f")
      assert.equal("config_error", err.kind)
      assert.truthy(err.message:find("confab.f: " .. row[2], 1, true), err.message)
    end)
  end

  it("name the nearest name, if one is near", function()
    local names = { "temperature", "template", "tries", "tier" }
    for _, row in ipairs {
      { "temprature", "temperature" }, { "tempalte", "template" }, { "tire", "tier" },
        { "TRIES", "tries" }, { "qqqq", nil },
      { "", nil }, { ("x"):rep(1000), nil },
    } do
      assert.equal(row[2], options.nearest(row[1], names))
    end
    assert.is_nil(options.nearest("x", {}))
  end)
end)
