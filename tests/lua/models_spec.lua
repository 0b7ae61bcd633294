-- The model table against the price list that it is made from.
local json = require "dkjson"

local models = require "confab.models"

local root = debug.getinfo(1, "S").source:match("^@(.*)tests/lua/[^/]*$") or ""
if root == "" then root = "./" end

local function read(path)
  local file = assert(io.open(root .. path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local source = assert(json.decode(read("tests/data/prices.json"))).models

local price_fields = {
  "input", "output", "cache_write_5m", "cache_write_1h", "cache_read",
  "batch_input", "batch_output",
}

-- Pico-dollars a token of decimal text, dollars per million, read digit by digit; nil if it is
-- not text of that form.
local function pico(text)
  local whole, fraction = text:match("^(%d+)%.?(%d*)$")
  if not whole or #fraction > 6 then return nil end
  return math.tointeger(whole .. fraction .. ("0"):rep(6 - #fraction))
end

local function assert_prices(expected, actual, name)
  for _, field in ipairs(price_fields) do
    local number = expected[field]
    if field == "cache_write_5m" and number == nil then number = expected.cache_write end
    local where = name .. "." .. field
    if number == nil then
      assert.is_nil(actual[field], where)
    else
      assert.is_string(actual[field], where)
      assert.equal(math.floor(number * 1e6 + 0.5), pico(actual[field]), where)
    end
  end
end

describe("the model table", function()
  after_each(function() collectgarbage() end)

  it("has exactly the models of the price list", function()
    for id in pairs(source) do assert.is_table(models.models[id], id) end
    for id, model in pairs(models.models) do
      assert.is_table(source[id], id)
      assert.equal(id, model.id)
    end
  end)

  it("has the prices of the list, to the pico-dollar", function()
    for id, expected in pairs(source) do
      local price = models.models[id].price
      assert_prices(expected, price, id)
      assert.equal(#(expected.tiers or {}), #(price.tiers or {}), id)
      for i, tier in ipairs(expected.tiers or {}) do
        assert.equal(tier.threshold_prompt_tokens, price.tiers[i].threshold_prompt_tokens)
        assert_prices(tier, price.tiers[i], id .. " tier " .. i)
      end
    end
  end)

  it("takes a computed price for the decimal that it stands for", function()
    assert.equal("1.8", models.models["gpt-5.6-luna"].price.tiers[1].output)
  end)

  it("has the limits of the list, and leaves out what is not known", function()
    for id, expected in pairs(source) do
      for _, field in ipairs { "context_window", "max_output", "min_cacheable_tokens" } do
        assert.equal(expected[field], models.models[id][field], id .. "." .. field)
      end
    end
  end)

  it("is what the generator makes", function()
    -- Without the sanitizer that may be loaded into this process: it would check Python, too.
    local pipe = assert(io.popen("env -u LD_PRELOAD python3 '" .. root .. "scripts/make-models' '" .. root
      .. "tests/data/prices.json'"))
    local made = pipe:read("a")
    assert.is_true(pipe:close())
    assert.equal(made, read("lua/confab/models.lua"))
  end)

  it("has a default that is active", function()
    assert.equal("claude-sonnet-5-5", models.default)
    assert.equal("active", models.models[models.default].status)
  end)

  it("resolves every alias to one model", function()
    assert.equal("claude-opus-4-5-20251101", models.aliases["claude-opus-4-5"])
    local count = 0
    for id, model in pairs(models.models) do
      for _, alias in ipairs(model.aliases) do
        assert.equal(id, models.aliases[alias])
        assert.is_nil(models.models[alias])
        count = count + 1
      end
    end
    for _ in pairs(models.aliases) do count = count - 1 end
    assert.equal(0, count)
  end)

  it("names an active successor for each retired model", function()
    for id, model in pairs(models.models) do
      if model.status == "retired" then
        assert.matches("^%d%d%d%d%-%d%d%-%d%d$", model.retired_on)
        assert.equal("active", models.models[model.successor].status, id)
      else
        assert.is_nil(model.successor, id)
      end
    end
    assert.equal("claude-sonnet-5-5", models.models["claude-3-5-sonnet-20241022"].successor)
    assert.equal("claude-opus-5-5", models.models["claude-opus-4-1-20250805"].successor)
    assert.equal("claude-haiku-5-5", models.models["claude-3-haiku-20240307"].successor)
  end)

  it("has Opus 4.x share their limits, Sonnet 4.x too, and no others", function()
    local members = {}
    for id, model in pairs(models.models) do
      members[model.limit_class] = (members[model.limit_class] or 0) + 1
      if id:find("^claude%-opus%-4") then assert.equal("claude-opus-4", model.limit_class) end
      if id:find("^claude%-sonnet%-4") then assert.equal("claude-sonnet-4", model.limit_class) end
    end
    for class, count in pairs(members) do
      if class ~= "claude-opus-4" and class ~= "claude-sonnet-4" then
        assert.equal(1, count, class)
      end
    end
  end)
end)

describe("the features of a model", function()
  local rows = {  -- id, sampling, prefill, forced tools, by default, always on, thinking
    { "claude-fable-5-2", "none", false, false, true, true, "adaptive" },
    { "claude-fable-5", "none", false, true, true, true, "adaptive" },
    { "claude-opus-5-5", "none", false, false, true, true, "adaptive" },
    { "claude-opus-5", "none", false, true, true, false, "disabled adaptive" },
    { "claude-opus-4-7", "none", false, true, false, false, "disabled adaptive" },
    { "claude-opus-4-6", "one", false, true, false, false, "disabled adaptive enabled" },
    { "claude-opus-4-1-20250805", "one", true, true, false, false, "enabled" },
    { "claude-opus-4-20250514", "both", true, true, false, false, "enabled" },
    { "claude-sonnet-5-5", "none", false, false, true, true, "between_tools adaptive" },
    { "claude-haiku-5-5", "none", false, nil, true, false, "disabled adaptive" },
    { "claude-haiku-4-5-20251001", "one", true, true, false, false, "enabled" },
    { "claude-3-7-sonnet-20250219", "both", true, true, false, false, "enabled" },
    { "claude-3-haiku-20240307", "both", true, true, false, false, "" },
    { "gpt-4o", "both", false, true, false, false, "" },
    { "gpt-5", "none", false, true, true, false, "" },
  }

  for _, row in ipairs(rows) do
    local id, sampling, prefill, forced_tools, by_default, always_on, thinking =
      table.unpack(row, 1, 7)
    it("are those of the reference: " .. id, function()
      local features = models.models[id].features
      assert.equal(sampling, features.sampling)
      assert.equal(prefill, features.prefill)
      assert.equal(forced_tools, features.forced_tools)
      assert.equal(by_default, features.thinks_by_default)
      assert.equal(always_on, features.thinking_always_on)
      assert.equal(thinking, table.concat(features.thinking, " "))
    end)
  end

  it("leave room for thinking exactly where it is always on", function()
    for id, model in pairs(models.models) do
      local features = model.features
      assert.equal(features.thinking_always_on and 2048 or nil, features.thinking_room, id)
    end
  end)
end)
