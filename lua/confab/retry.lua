--- The retry manager for a script's own use.
local core = require "confab.core"
local options = require "confab.options"

local retry = {}

---@class confab.RetryOptions: confab.Retry
---@field seed? integer  For the jitter (default: math.random's generator).

local count = { type = "integer", min = 0 }
--- The checks of `retry` wherever it may be given.
retry.specs = {
  max_attempts = { type = "integer", min = 1, max = 1000 }, base_delay_ms = count,
  max_delay_ms = count, jitter_ms = count,
}

local specs = { seed = { type = "integer" } }
for name, spec in next, retry.specs do specs[name] = spec end

--- A retry for one call: says after each failure whether to try again, and after how long.
--- Example: `local again = confab.retry { max_attempts = 5 }; local delay_ms = again:next(err)`
---@param opts? confab.RetryOptions
---@return confab.RetryManager
function retry.new(opts)
  return core.retry.new(options.check(opts, specs, "confab.retry"))
end

setmetatable(retry, { __call = function(_, opts) return retry.new(opts) end })

return retry
