---@meta

--- The rate limiter: core.limiter, and what confab.limiter{} gives.
---@class confab.core.limiter
local core_limiter = {}

---@param limits confab.Limits
---@return confab.Limiter
function core_limiter.new(limits) end

---@class confab.Limiter
local limiter = {}

---@class confab.Amounts
---@field requests? integer  Default: 1.
---@field input? integer  Tokens (default: 0).
---@field output? integer  Tokens (default: 0).

---@class confab.LimitStatus
---@field used integer  Requests in the window.
---@field remaining integer
---@field limit integer
---@field reset_ms integer  Until the window is empty, if nothing more is sent.
---@field wait_ms? integer  Until one more could go; absent if that depends on a release.
---@field queued integer
---@field in_flight integer
---@field paused_until? number  Unix seconds; absent without a pause.
---@field source string  Where the limit comes from: "default", "config".
---@field input? { used: integer, limit: integer }  Tokens, where they are limited.
---@field output? { used: integer, limit: integer }

--- Waits for its turn and takes it: what it takes counts as sent now.
--- Raises a rate_limit_error with retry_after where there is no queue.
---@param key? string  The lane (default: "default").
---@param amounts? confab.Amounts
function limiter:acquire(key, amounts) end

--- The same for a call that is then in flight until it is released.
---@param key? string
---@param amounts? confab.Amounts
---@return confab.Reservation
function limiter:reserve(key, amounts) end

--- Waits until a call would go at once; takes nothing.
---@param key? string
function limiter:wait_for_capacity(key) end

---@param key? string
---@return confab.LimitStatus
function limiter:status(key) end

--- Forgets what the lane has counted, its pause and its pace.
---@param key? string
---@return integer queued  How many wait in it.
function limiter:reset(key) end

--- The same for every lane.
---@return integer queued
function limiter:clear_all() end

--- A call that was let through. To be released; may be a `<close>` variable.
---@class confab.Reservation
local reservation = {}

--- The request was written whole: the window counts from here.
function reservation:sent() end

--- What the call really used, in place of what was reserved. Before the release.
---@param amounts confab.Amounts
function reservation:settle(amounts) end

---@alias confab.Release
---| "done"        # A reply came: all of it counts.
---| "never_sent"  # Nothing counts.
---| "failed"      # The server saw it and made no reply: request and input count.
---| "unknown"     # Nobody knows: all of it counts.

---@param how? confab.Release  Default: "done".
function reservation:release(how) end

--- The server refused it with a 429: pauses the whole lane, waits, and has its turn again first.
---@param wait_ms? integer  What the server asked for (default: 0).
function reservation:refused(wait_ms) end

return core_limiter
