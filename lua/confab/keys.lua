--- Item keys: what an item is called in the database, from its own parameters, never its place.
local core = require "confab.core"
local errors = require "confab.errors"

local keys = {}

local KEY_BYTES_MAX = 256    -- keys stand in an index of the database

--- The key of an item by its parameters: 16 hexadecimal digits, the same wherever and in
--- whatever order the item turns up.
---@param item any  A value that can be JSON.
---@return string key
---@return string json  The parameters, in the form that the key was made from.
function keys.of(item)
  local ok, canonical = pcall(core.json.canonical, item)
  if not ok then
    local why = errors.is(canonical) and canonical.message or tostring(canonical)
    local advice = "give the run a key function or keep such values out of items"
    error(errors.new("config_error", ("item has no key: %s; %s"):format(why, advice)), 0)
  end
  return core.hash.sha256hex(canonical):sub(1, 16), canonical
end

--- The key that a `key =` function gives to an item.
---@param fn fun(item: any): string|number
---@param item any
---@return string key
function keys.from(fn, item)
  local key = errors.guard("key", fn, item)
  if math.type(key) == "integer" then key = tostring(key) end
  if type(key) ~= "string" then
    local what = key == nil and "nothing" or "a " .. (math.type(key) or type(key))
    error(errors.new("script_error", ("key must return a string or a whole number, not %s, for %s")
      :format(what, errors.show(item))), 0)
  end
  if key == "" or #key > KEY_BYTES_MAX or key:find("%c") or core.text.invalid_at(key) then
    local rule = "key must be 1 to %d bytes of text without control characters, not %s, for %s"
    local message = rule:format(KEY_BYTES_MAX, errors.show(key, 60), errors.show(item))
    error(errors.new("config_error", message), 0)
  end
  return key
end

--- The key of the n-th item that has the same parameters: `key`, `key#2`, `key#3`.
---@param key string
---@param n integer  From 1.
---@return string
function keys.occurrence(key, n)
  return n == 1 and key or ("%s#%d"):format(key, n)
end

--- The error for two items to which `key =` gives one key.
---@param key string
---@param first any
---@param second any
---@return confab.Error
function keys.duplicate(key, first, second)
  local message = ("two items have the key %q: %s and %s")
    :format(key, errors.show(first), errors.show(second))
  local details = { key = key, first = first, second = second }
  return errors.new("config_error", message, { details = details })
end

return keys
