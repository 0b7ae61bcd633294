--- What tokens cost, for reading and planning; the ledger itself counts in the core.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"

local cost = {}

---@class confab.TokenCounts
---@field input? integer  Tokens neither read from the cache nor written to it.
---@field output? integer
---@field cache_write_5m? integer
---@field cache_write_1h? integer
---@field cache_read? integer
---@field batch? boolean  At batch prices.
---@field us? boolean  Served in the US only, at 1.1 times the price.

local count = { type = "integer", min = 0 }
local pair_specs = {
  input = { type = "integer", min = 0, required = true },
  output = { type = "integer", min = 0, required = true },
}
local usage_specs = {
  input = count, output = count, cache_write_5m = count, cache_write_1h = count, cache_read = count,
  batch = { type = "boolean" }, us = { type = "boolean" },
}

-- Models of the script's own, which go before the shipped ones.
local added = {}

local by_alias
local function aliases()
  if by_alias then return by_alias end
  by_alias = {}
  for _, entry in next, require "confab.models".models do
    for _, alias in ipairs(entry.aliases) do by_alias[alias] = entry end
  end
  return by_alias
end

local function unknown(name)
  local names = {}
  for id in next, require "confab.models".models do names[#names + 1] = id end
  for id in next, added do names[#names + 1] = id end
  for alias in next, aliases() do names[#names + 1] = alias end
  local near = options.nearest(name, names)
  return errors.misuse(("unknown model %q; %s"):format(name,
    near and ("did you mean %q?"):format(near) or "give its price instead of a name"))
end

local function read_price(price, what)
  local ok, read = pcall(core.cost.price, price)
  return ok and read or errors.misuse(what .. ": " .. read.message)
end

--- The price of a model, as core.cost takes it; nil if none is stated.
local function price_of(model)
  if type(model) ~= "string" or model == "free" then return read_price(model, "confab.cost") end
  local entry = added[model] or require "confab.models".models[model] or aliases()[model]
  if not entry then unknown(model) end
  return entry.price and read_price(entry.price, ("model %q"):format(model))
end

--- Adds models, or replaces them, for confab.cost.
---@param models table<string, { price?: confab.ModelPrice|"free" }>
function cost.add_models(models)
  for id, entry in next, models do added[id] = entry end
end

--- What tokens cost in dollars; nil if it is not known. The second result is exact: 10^-12 dollars.
--- Example: `confab.cost(1200, 800, "claude-haiku-5-5")`
---@param input integer|confab.TokenCounts  Input tokens, or all kinds of tokens in a table.
---@param output? integer  Output tokens; nil with a table.
---@param model string|confab.ModelPrice  A model's name, a table of prices, or "free".
---@return number? dollars
---@return integer? pico_dollars
function cost.cost(input, output, model)
  local usage
  if type(input) == "table" and output == nil then
    usage = options.check(input, usage_specs, "confab.cost")
  else
    usage = options.check({ input = input, output = output }, pair_specs, "confab.cost")
  end
  local price = price_of(model)
  if not price then return nil end
  return core.cost.of(price, usage)
end

--- The expected number of tokens of a text: 1.3 a word, more where words are long or the script
--- has no spaces.
---@param text string
---@return integer
function cost.estimate_tokens(text)
  if type(text) ~= "string" then errors.misuse("confab.estimate_tokens: a text was expected") end
  return core.text.tokens(text)
end

return cost
