---@meta

---@class confab.core.hash
local hash = {}

--- A hash that never changes between versions. Compare with math.ult: it is unsigned.
---@param seed integer
---@param bytes string
---@return integer
function hash.hash64(seed, bytes) end

--- What a parameter adds to the hash of its item: hash64 of `"name":value` in canonical JSON.
---@param seed integer
---@param name string
---@param value any
---@return integer
function hash.digest(seed, name, value) end

--- The hash of an item: of a table of parameters the sum of their digests, its bits mixed; of
--- another value hash64 of its canonical JSON. It depends on no order, and never changes.
---@param seed integer
---@param item any
---@return integer
function hash.item(seed, item) end

---@class confab.core.product
---@operator len: integer  Combinations in all.
local product = {}

--- The next combination whose hash is in its group's band: its hash, its place (from 0, the
--- last axis fastest) and its group. False and the place reached if a slice held none, nil at the end.
---@return integer|false? hash
---@return integer? place
---@return integer? group
function product:next() end

--- From here on the group shows hashes from low to high, both unsigned and included (at first: all).
---@param group integer
---@param low integer
---@param high integer
function product:band(group, low, high) end

--- Goes back to the first combination.
function product:rewind() end

--- A walk through the product of axes: a list of digests for each of them. With `by`, the number
--- of an axis, `groups` has the group (1, 2, ...) of each of its values; else all are of group 1.
---@param digests integer[][]
---@param by? integer
---@param groups? integer[]
---@return confab.core.product
function hash.product(digests, by, groups) end

---@param bytes string
---@return string  64 lower-case hexadecimal digits.
function hash.sha256hex(bytes) end

--- The indexes 1..#hashes in the order of the unsigned hashes, equal ones as they stood.
---@param hashes integer[]
---@return integer[]
function hash.order(hashes) end

return hash
