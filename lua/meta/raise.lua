---@meta

---@class confab.core.raise
---@field metatable table  Of every error table, from C or Lua.
local raise = {}

return raise
