--- The rate limiter for a script's own use: the one that keeps runs within the provider's limits.
local core = require "confab.core"
local options = require "confab.options"

local limiter = {}

local count = { type = "integer", min = 0 }
--- The checks of `limits` wherever they may be given.
limiter.specs = {
  max_requests = { type = "integer", min = 1 }, max_input_tokens = count,
  max_output_tokens = count, window_ms = { type = "integer", min = 1 }, concurrency = count,
  enable_queue = { type = "boolean" }, pause_threshold = { type = "number", above = 0, max = 1 },
  pacing = { type = "string", one_of = { "auto", "smooth", "burst" } },
}

--- A limiter with these limits for each of its lanes.
--- Example: `local limiter = confab.limiter { max_requests = 50 }; limiter:acquire("openai")`
---@param opts? confab.Limits
---@return confab.Limiter
function limiter.new(opts)
  return core.limiter.new(options.check(opts, limiter.specs, "confab.limiter"))
end

setmetatable(limiter, { __call = function(_, opts) return limiter.new(opts) end })

return limiter
