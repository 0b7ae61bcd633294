--- Lazy sequences that can be walked again and again: what inputs and sweeps have in common.
---
--- A sequence is made from a source, a table of functions:
---   open()      starts a walk: returns a function that gives the next item (nil at the end) and,
---               if there is something to close, a function that closes it (twice is fine)
---   length()    the number of items, or nil where only reading would tell (optional)
---   walk(seed, by)  starts a walk by hash through places, without making the items: returns a
---               walker (core.hash.product) and the number of its groups, those of the values of
---               the parameter `by`; nil if there is no such parameter (optional)
---   at(place)   makes the item of that place of walk (with walk)
---   accepts(item)  whether an item of a place is in the sequence (optional; default: all are)
--- walk exists so that a sweep can be sampled and shuffled without ever being in memory.
local errors = require "confab.errors"
local options = require "confab.options"
local sampling = require "confab.sampling"

local sequence = {}

---@class confab.Sequence
---@operator len: integer
---@overload fun(): (fun(): any)
local Sequence = {}

local metatable = { __index = Sequence, __name = "confab.sequence" }

---@class confab.Source
---@field open fun(): (fun(): any), (fun())?
---@field length? fun(): integer?
---@field walk? fun(seed: integer, by?: any): confab.core.product, integer?
---@field at? fun(place: integer): any
---@field accepts? fun(item: any): any

--- Makes a sequence from a source.
---@param source confab.Source
---@return confab.Sequence
function sequence.new(source)
  return setmetatable({ source = source }, metatable)
end

---@param value any
---@return boolean
function sequence.is(value)
  return getmetatable(value) == metatable
end

local function check_function(fn, what)
  if type(fn) ~= "function" and not (getmetatable(fn) and getmetatable(fn).__call) then
    errors.misuse(("%s: a function was expected, not a %s"):format(what, type(fn)))
  end
end

local function check_count(n, what)
  if type(n) ~= "number" or not math.tointeger(n) or n < 0 then
    errors.misuse(("%s: a number of items was expected, not %s"):format(what, tostring(n)))
  end
  return math.tointeger(n)
end

local function nothing() end

local closer_mt = { __close = function(self) self.close() end }

--- Starts a walk: `for item in seq:iter() do ... end`. A file is closed at its end, when the
--- loop is left early, or with the garbage.
---@return fun(): any
function Sequence:iter()
  local next_item, close = self.source.open()
  if not close then return next_item end
  return next_item, nil, nil, setmetatable({ close = close }, closer_mt)
end

metatable.__call = function(self, ...)
  -- Only `for item in seq do`, without the parentheses, calls with arguments.
  if select("#", ...) > 0 then
    errors.misuse("a sequence is walked with `for item in seq:iter() do`")
  end
  return self:iter()
end

--- The number of items, by walking through all of them.
---@return integer
function Sequence:count()
  local known = self.source.length and self.source.length()
  if known then return known end
  local n = 0
  for _ in self:iter() do n = n + 1 end
  return n
end

metatable.__len = function(self)
  local known = self.source.length and self.source.length()
  if not known then
    errors.misuse("the length of this sequence is known only by reading it: use :count()")
  end
  return known
end

--- All items in a list.
---@return any[]
function Sequence:collect()
  local items = {}
  for item in self:iter() do items[#items + 1] = item end
  return items
end

--- What fn makes of each item. fn must return a value: `filter` leaves items out.
---@param fn fun(item: any): any
---@return confab.Sequence
function Sequence:map(fn)
  check_function(fn, "map")
  local source = self.source
  return sequence.new {
    open = function()
      local next_item, close = source.open()
      return function()
        local item = next_item()
        if item == nil then return nil end
        local made = errors.guard("map", fn, item)
        if made == nil then
          error(errors.new("script_error", ("map: the function returned nothing for %s; " ..
            "use :filter to leave items out"):format(errors.show(item))), 0)
        end
        return made
      end, close
    end,
    length = source.length,
  }
end

local function filtered(source, fn, what)
  check_function(fn, what)
  local count
  local made = {
    open = function()
      local next_item, close = source.open()
      return function()
        for item in next_item do
          if errors.guard(what, fn, item) then return item end
        end
        return nil
      end, close
    end,
    walk = source.walk, at = source.at,
  }
  if source.walk then
    function made.accepts(item)
      return (not source.accepts or source.accepts(item)) and errors.guard(what, fn, item)
    end
    -- Nothing is read, so the length may be found by trying all items, once.
    function made.length()
      if not count then
        local n = 0
        for _ in made.open() do n = n + 1 end
        count = n
      end
      return count
    end
  end
  return sequence.new(made)
end

--- The items for which fn returns true (anything but nil and false).
---@param fn fun(item: any): any
---@return confab.Sequence
function Sequence:filter(fn)
  return filtered(self.source, fn, "filter")
end

--- The same as filter, under the name that reads well behind a sweep.
---@param fn fun(params: table): any
---@return confab.Sequence
function Sequence:where(fn)
  return filtered(self.source, fn, "where")
end

--- The first n items. No more than that is read.
---@param n integer
---@return confab.Sequence
function Sequence:take(n)
  n = check_count(n, "take")
  local source = self.source
  return sequence.new {
    open = function()
      if n == 0 then return nothing end
      local next_item, close = source.open()
      local left = n
      return function()
        local item
        if left > 0 then item = next_item() end
        left = left - 1
        -- Closed behind the last item: nobody may ask again.
        if (item == nil or left == 0) and close then close() end
        return item
      end, close
    end,
    length = source.length and function()
      local known = source.length()
      return known and math.min(known, n)
    end,
  }
end

--- The whole sequence n times over. Equal items become items of their own: `key`, `key#2`, ...
---@param n integer
---@return confab.Sequence
function Sequence:times(n)
  n = check_count(n, "times")
  local source = self.source
  return sequence.new {
    open = function()
      if n == 0 then return nothing end
      local round = 1
      local next_item, close = source.open()
      return function()
        local item = next_item()
        while item == nil and round < n do
          round = round + 1
          if close then close() end
          next_item, close = source.open()
          item = next_item()
        end
        return item
      end, function() if close then close() end end
    end,
    length = source.length and function()
      local known = source.length()
      return known and known * n
    end,
  }
end

--- Walks other sequences alongside: item i gets, under each name, that sequence's value i. They
--- must be at least as long. Items must be tables of named values.
--- Example: `sweep:zip { opening = confab.lines "openings.txt" }`
---@param others table<string, confab.Sequence|any[]>
---@return confab.Sequence
function Sequence:zip(others)
  if type(others) ~= "table" or sequence.is(others) or next(others) == nil then
    errors.misuse("zip: a table of named sequences was expected, such as { topic = ... }")
  end
  local names = {}
  for name, values in pairs(others) do
    if type(name) ~= "string" then
      errors.misuse("zip: each sequence needs a name, such as { topic = ... }")
    end
    if type(values) ~= "table" then
      errors.misuse(("zip: %s must be a sequence or a list"):format(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  local source = self.source

  return sequence.new {
    open = function()
      local next_item, close_first = source.open()
      local columns, closers, place = {}, { close_first }, 0
      for i, name in ipairs(names) do
        local values = sequence.is(others[name]) and others[name] or sequence.list(others[name])
        local close
        columns[i], close = values.source.open()
        closers[#closers + 1] = close
      end
      return function()
        local item = next_item()
        if item == nil then return nil end
        place = place + 1
        if type(item) ~= "table" then
          errors.misuse("zip: items must be tables of named values, not " .. errors.show(item))
        end
        local made = {}
        for name, value in next, item do made[name] = value end
        for i, name in ipairs(names) do
          local value = columns[i]()
          if value == nil then
            errors.misuse(("zip: %s has only %d values, and there are more items")
              :format(name, place - 1))
          end
          if made[name] ~= nil then
            errors.misuse(("zip: items already have a value named %q"):format(name))
          end
          made[name] = value
        end
        return made
      end, #closers > 0 and function()
        for _, close in ipairs(closers) do close() end
      end or nil
    end,
    length = source.length,
  }
end

local seed_spec = { type = "integer", default = 0 }
local by_spec = { type = { "string", "callable" } }

--- All items in the order of a hash of their parameters and the seed: a longer input changes the
--- order of the others in nothing. Holds the items of a file in memory, of a sweep only numbers.
---@param opts? { seed?: integer }  seed: default 0.
---@return confab.Sequence
function Sequence:shuffle(opts)
  local seed = options.check(opts, { seed = seed_spec }, "shuffle").seed
  local source = self.source

  return sequence.new {
    open = function()
      local order, kept, i
      return function()
        if not order then
          order, kept = sampling.order(source, seed)
          i = 0
        end
        i = i + 1
        local entry = kept[order[i]]
        if entry == nil or not source.at then return entry end
        return source.at(entry)
      end
    end,
    length = source.length,
  }
end

--- n items, or all if there are fewer: those with the smallest hash of their parameters and the
--- seed, in the order of the input, so that a longer input changes few of them. With `by`, the
--- name of a parameter or a function of the item, its values get equal shares as far as they go.
---@param n integer
---@param opts? { seed?: integer, by?: string|fun(item: any): any }  seed: default 0.
---@return confab.Sequence
function Sequence:sample(n, opts)
  n = check_count(n, "sample")
  opts = options.check(opts, { seed = seed_spec, by = by_spec }, "sample")
  local source, chosen, are_places = self.source, nil, false

  local function choose()
    if not chosen then chosen, are_places = sampling.pick(source, n, opts.seed, opts.by) end
    return chosen
  end
  return sequence.new {
    open = function()
      local i = 0
      return function()
        i = i + 1
        local entry = choose()[i]
        return entry ~= nil and are_places and source.at(entry) or entry
      end
    end,
    length = function() return #choose() end,
  }
end

--- A sequence of the entries of a list, which is not copied.
---@param items any[]
---@return confab.Sequence
function sequence.list(items)
  return sequence.new {
    open = function()
      local i = 0
      return function()
        i = i + 1
        return items[i]
      end
    end,
    length = function() return #items end,
  }
end

metatable.__tostring = function() return "confab.sequence" end

return sequence
