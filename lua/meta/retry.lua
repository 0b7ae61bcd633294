---@meta

--- The retry manager: core.retry, and what confab.retry{} gives.
---@class confab.core.retry
local core_retry = {}

---@param policy confab.RetryOptions
---@return confab.RetryManager
function core_retry.new(policy) end

---@class confab.RetryManager
local retry = {}

---@alias confab.Verdict
---| "retry"      # Try again after the delay.
---| "wait"       # The same for a 429, which is no failed attempt.
---| "fail_item"  # This call cannot succeed, or its attempts are used up.
---| "key_out"    # No call with this key can.
---| "stop_run"   # No call can: unknown model, wrong address.
---| "cancelled"

---@class confab.RetryStep
---@field verdict confab.Verdict
---@field attempt integer  The number of the attempt that failed, from 1.
---@field reason string  Such as "rate limit" or "server error".

---@class confab.Failure
---@field status? integer  HTTP status.
---@field retry_after? number  Seconds that the server asked for.
---@field type? string  The reply's error.type.
---@field code? string  The reply's error.code.
---@field message? string
---@field retryable? boolean  false: not tried again whatever the status.

--- Counts a failure. Returns how long to wait before the next attempt, or nil if there is to be
--- none; and why, unless the failure never had to do with a server.
---@param error confab.Error|confab.Failure
---@return integer? delay_ms
---@return confab.RetryStep? step
function retry:next(error) end

--- The delay before retry n, jitter included.
---@param n integer  From 1.
---@param retry_after? number  Seconds that the server asked for.
---@return integer delay_ms
function retry:delay(n, retry_after) end

--- Failures counted so far.
---@return integer
function retry:attempts() end

--- Begins anew.
function retry:reset() end

return core_retry
