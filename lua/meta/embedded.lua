---@meta

---@class confab.core.embedded
local embedded = {}

--- The text of a file that is compiled in, by its path within lua/; an error if there is none.
---@param path string  Such as "meta/confab.lua".
---@return string
function embedded.read(path) end

return embedded
