---@meta

---@class confab.core.json
---@field null userdata  JSON's null, the same value everywhere; tostring gives "null".
local json = {}

--- The value of a JSON text. Arrays are marked, so that `[]` stays an array; integers of 64 bits
--- are exact; null becomes `json.null`. Raises a parse_error with line and column.
---@param text string
---@return any
function json.decode(text) end

--- The JSON of a value, object keys in order of their bytes. `{}` is an object unless marked as an
--- array. Raises a config_error that names the place of what cannot be JSON: functions, NaN, infinity,
--- cycles, lists with holes, mixed keys, invalid UTF-8, more than 64 levels.
---@param value any
---@param opts? { indent?: integer }  Spaces a level, 0 to 16 (default: 0, one line).
---@return string
function json.encode(value, opts) end

--- The form of which equal values have equal bytes: sorted keys, shortest numbers (1.0 is 1).
---@param value any
---@return string
function json.canonical(value) end

--- Marks a table (default: a new one) as an array and returns it.
---@param list? any[]
---@return any[]
function json.array(list) end

--- Whether the value is a table marked as an array.
---@param value any
---@return boolean
function json.is_array(value) end

return json
