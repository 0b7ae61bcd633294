---@meta

---@class confab.core.pairs
local pairs_ = {}

--- Like Lua's pairs, in an order that is the same in every process: 1..n by index where these are
--- all keys, else numbers, then strings by their bytes, then false and true. Tables, functions and
--- userdata as keys come last, in no lasting order. __pairs is honoured; entries may be set to nil
--- on the way.
---@param t table
---@return fun(t: table, key?: any): any, any
---@return table
---@return nil
function pairs_.pairs(t) end

return pairs_
