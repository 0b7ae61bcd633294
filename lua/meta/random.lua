---@meta

---@class confab.core.random
local random = {}

--- Like math.random: a float in [0, 1), an integer in 1..low or low..high, any integer for 0.
--- Draws from the state of the run or step.
---@param low? integer
---@param high? integer
---@return number
function random.random(low, high) end

--- Like math.randomseed, but without arguments the next seed comes from the state, not the time.
---@param seed? number
---@param more? number
---@return integer, integer
function random.randomseed(seed, more) end

--- random and randomseed with a state of their own.
---@param seed number
---@return fun(low?: integer, high?: integer): number
---@return fun(seed?: number, more?: number): integer, integer
function random.new(seed) end

return random
