--- The product of axes, such as personas x emotions x topics, without ever being in memory.
local core = require "confab.core"
local errors = require "confab.errors"
local sequence = require "confab.sequence"

local sweep = {}

-- Places are counted in integers that a double holds exactly, as JSON readers need them.
local COMBINATIONS_MAX = 2 ^ 53

---@class confab.Axis
---@field name string
---@field values any[]

local function is_list(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  return count == #value and count > 0
end

--- What an axis is made of: a sequence is read once, a list is copied, all else is the one value.
local function values_of(name, axis)
  if sequence.is(axis) then
    local values = axis:collect()
    if #values == 0 then errors.misuse(("confab.sweep: axis %q is empty"):format(name)) end
    return values
  end
  local kind = type(axis)
  local is_plain = kind == "string" or kind == "number" or kind == "boolean"
  if is_plain or rawequal(axis, core.json.null) then
    return { axis }
  end
  if kind ~= "table" then
    errors.misuse(("confab.sweep: axis %q must be a list, a sequence or one value, not a %s")
      :format(name, kind))
  end
  if next(axis) == nil then errors.misuse(("confab.sweep: axis %q is empty"):format(name)) end
  if is_list(axis) then return table.move(axis, 1, #axis, 1, {}) end
  if #axis > 0 then
    errors.misuse(("confab.sweep: axis %q is a list with holes or names in it"):format(name))
  end
  for key in next, axis do
    if type(key) ~= "string" then
      errors.misuse(("confab.sweep: axis %q is a list with holes"):format(name))
    end
  end
  return { axis }
end

--- The axes in their order: those written as { name, values } first, then the named ones by name.
---@return confab.Axis[]
local function read_axes(spec)
  local axes, seen, names = {}, {}, {}
  local function add(name, axis)
    if seen[name] then errors.misuse(("confab.sweep: axis %q is there twice"):format(name)) end
    seen[name] = true
    axes[#axes + 1] = { name = name, values = values_of(name, axis) }
  end

  for i, pair in ipairs(spec) do
    if type(pair) ~= "table" or type(pair[1]) ~= "string" or pair[2] == nil then
      errors.misuse(("confab.sweep: entry %d must be an axis such as " ..
        '{ "emotion", { "calm", "angry" } }'):format(i))
    end
    add(pair[1], pair[2])
  end
  for name in next, spec do
    if type(name) == "string" then
      names[#names + 1] = name
    elseif not math.tointeger(name) or name < 1 or name > #spec then
      errors.misuse("confab.sweep: an axis needs a name, not " .. tostring(name))
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do add(name, spec[name]) end
  if #axes == 0 then errors.misuse("confab.sweep: there is no axis") end
  return axes
end

local function total_of(axes)
  local total = 1
  for _, axis in ipairs(axes) do
    if #axis.values > COMBINATIONS_MAX // total then
      errors.misuse("confab.sweep: more than 2^53 combinations")
    end
    total = total * #axis.values
  end
  return total
end

--- Sets picked[i] to the number of axis i's value for a place, which counts from 0. The last axis
--- varies fastest.
local function locate(axes, place, picked)
  for i = #axes, 1, -1 do
    local n = #axes[i].values
    picked[i] = place % n + 1
    place = place // n
  end
end

--- Goes on to the next place. False behind the last one.
local function advance(axes, picked)
  for i = #axes, 1, -1 do
    if picked[i] < #axes[i].values then
      picked[i] = picked[i] + 1
      return true
    end
    picked[i] = 1
  end
  return false
end

local function item_of(axes, picked)
  local item = {}
  for i = 1, #axes do item[axes[i].name] = axes[i].values[picked[i]] end
  return item
end

--- The group of each value of an axis: equal values have the same, counted from 1 by appearance.
local function groups_of(axis)
  local groups, known, count = {}, {}, 0
  for j, value in ipairs(axis.values) do
    local text = core.json.canonical(value)
    if not known[text] then
      count = count + 1
      known[text] = count
    end
    groups[j] = known[text]
  end
  return groups, count
end

--- A walk by hash: the walker and its number of groups, one for each value of the axis `by`; nil
--- if there is no such axis.
local function walk(axes, seed, by)
  local digests, by_axis, groups = {}, nil, nil
  local count = not by and 1 or nil
  for i, axis in ipairs(axes) do
    digests[i] = {}
    for j, value in ipairs(axis.values) do
      digests[i][j] = core.hash.digest(seed, axis.name, value)
    end
    if axis.name == by then
      by_axis = i
      groups, count = groups_of(axis)
    end
  end
  return core.hash.product(digests, by_axis, groups), count
end

--- All combinations of the axes' values, one table of parameters each, as a sequence with a
--- length. An axis is a list, a sequence (read once) or a single value. Axes come in the order of
--- their names, or as written if written as `{ name, values }`; the last one varies fastest. Values
--- that are tables are shared between items: do not change them.
--- Example: `confab.sweep { emotion = { "calm", "angry" }, topic = confab.lines "topics.txt" }`
---@param spec table<string|integer, any>
---@return confab.Sequence
function sweep.new(spec)
  if type(spec) ~= "table" or sequence.is(spec) then
    errors.misuse("confab.sweep: a table of axes was expected")
  end
  local axes = read_axes(spec)
  local total = total_of(axes)

  return sequence.new {
    open = function()
      local picked, started, is_over = {}, false, false
      return function()
        if is_over then return nil end
        if started then
          is_over = not advance(axes, picked)
        else
          started = true
          locate(axes, 0, picked)
        end
        if is_over then return nil end
        return item_of(axes, picked)
      end
    end,
    length = function() return total end,
    walk = function(seed, by) return walk(axes, seed, by) end,
    at = function(place)
      local picked = {}
      locate(axes, place, picked)
      return item_of(axes, picked)
    end,
  }
end

return sweep
