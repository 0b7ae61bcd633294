---@meta

--- What tokens cost: core.cost.
---@class confab.core.cost
local cost = {}

---@class confab.Price

--- Reads a price. Raises a config_error that names the field.
---@param price confab.ModelPrice|"free"
---@return confab.Price
function cost.price(price) end

--- What the tokens cost; nil if it cannot be told.
---@param price confab.Price
---@param usage confab.TokenCounts
---@return number? dollars
---@return integer? pico_dollars
function cost.of(price, usage) end

return cost
