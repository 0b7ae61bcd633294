---@meta

--- Makes the retry manager of confab.retry{}, which confab.lua here describes.
---@class confab.core.retry
local core_retry = {}

---@param policy confab.RetryOptions
---@return confab.RetryManager
function core_retry.new(policy) end

return core_retry
