--- The rate limiter for a script's own use: the one that keeps runs within the provider's limits.
local core = require "confab.core"
local options = require "confab.options"
local shared = require "confab.shared_options"

local limiter = {}

--- A limiter with these limits for each of its lanes.
--- Example: `local limiter = confab.limiter { max_requests = 50 }; limiter:acquire("openai")`
---@param opts? confab.Limits
---@return confab.Limiter
function limiter.new(opts)
  return core.limiter.new(options.check(opts, shared.limits, "confab.limiter"))
end

return limiter
