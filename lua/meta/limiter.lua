---@meta

--- Makes the limiter of confab.limiter{}, which confab.lua here describes.
---@class confab.core.limiter
local core_limiter = {}

---@param limits confab.Limits
---@return confab.Limiter
function core_limiter.new(limits) end

return core_limiter
