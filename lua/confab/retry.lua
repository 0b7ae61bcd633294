--- The retry manager for a script's own use.
local core = require "confab.core"
local options = require "confab.options"
local shared = require "confab.shared_options"

local retry = {}

---@class confab.RetryOptions: confab.Retry
---@field seed? integer  For the jitter (default: math.random's generator).

local specs = { seed = { type = "integer" } }
for name, spec in next, shared.retry do specs[name] = spec end

--- A retry for one call: says after each failure whether to try again, and after how long.
--- Example: `local again = confab.retry { max_attempts = 5 }; local delay_ms = again:next(err)`
---@param opts? confab.RetryOptions
---@return confab.RetryManager
function retry.new(opts)
  return core.retry.new(options.check(opts, specs, "confab.retry"))
end

return retry
