---@meta

---@class confab.core.hash
local hash = {}

--- A hash that never changes between versions. Compare with math.ult: it is unsigned.
---@param seed integer
---@param bytes string
---@return integer
function hash.hash64(seed, bytes) end

---@param bytes string
---@return string  64 lower-case hexadecimal digits.
function hash.sha256hex(bytes) end

--- The indexes 1..#hashes in the order of the unsigned hashes, equal ones as they stood.
---@param hashes integer[]
---@return integer[]
function hash.order(hashes) end

return hash
