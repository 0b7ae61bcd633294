--- Chooses and orders the items of a sequence's source by a seeded hash of their parameters.
local core = require "confab.core"
local errors = require "confab.errors"

local hash64, canonical = core.hash.hash64, core.json.canonical

local sampling = {}

--- A walk by hash for a source without one: each item is read and hashed by its canonical JSON.
local function walk_of(source, seed)
  if source.walk then return source.walk(seed), nil end
  local next_item, close = source.open()
  local item
  local function make() return item end
  return function()
    item = next_item()
    if item == nil then return nil end
    return hash64(seed, canonical(item)), make, nil
  end, close
end

-- Places are kept as one integer where the source can make items from them, else as the items.
local function keep(source, make, place)
  local item = make()
  if item == nil then return nil end
  if source.at then return place, item end
  return item, item
end

--- All items by hash: the order, as indexes into what was kept of them, which are places where the
--- source can make items from places, else the items.
---@param source confab.Source
---@param seed integer
---@return integer[] order
---@return any[] kept
function sampling.order(source, seed)
  local hashes, kept = {}, {}
  local step, close = walk_of(source, seed)
  for hash, make, place in step do
    local entry = keep(source, make, place)
    if entry ~= nil then
      hashes[#hashes + 1] = hash
      kept[#kept + 1] = entry
    end
  end
  if close then close() end
  return core.hash.order(hashes), kept
end

-- A heap with the largest (hash, number) on top, in three lists side by side. Hashes are
-- unsigned; with the top bit turned they compare as Lua's integers do.
local Heap = {}
Heap.__index = Heap

local function new_heap(most)
  return setmetatable({ most = most, size = 0, hashes = {}, numbers = {}, entries = {} }, Heap)
end

local function less(heap, a, b)
  local x, y = heap.hashes[a], heap.hashes[b]
  return x < y or (x == y and heap.numbers[a] < heap.numbers[b])
end

local function swap(heap, a, b)
  local hashes, numbers, entries = heap.hashes, heap.numbers, heap.entries
  hashes[a], hashes[b] = hashes[b], hashes[a]
  numbers[a], numbers[b] = numbers[b], numbers[a]
  entries[a], entries[b] = entries[b], entries[a]
end

--- Whether an item of this hash would be kept; of equal hashes the first one is.
function Heap:has_room(hash)
  return self.size < self.most or (self.size > 0 and hash < self.hashes[1])
end

function Heap:sift_down(i)
  while 2 * i <= self.size do
    local child = 2 * i
    if child < self.size and less(self, child, child + 1) then child = child + 1 end
    if not less(self, i, child) then return end
    swap(self, i, child)
    i = child
  end
end

function Heap:push(hash, number, entry)
  if self.size < self.most then
    self.size = self.size + 1
    local i = self.size
    self.hashes[i], self.numbers[i], self.entries[i] = hash, number, entry
    while i > 1 and less(self, i // 2, i) do
      swap(self, i, i // 2)
      i = i // 2
    end
  else
    self.hashes[1], self.numbers[1], self.entries[1] = hash, number, entry
    self:sift_down(1)
  end
end

--- Leaves only the n smallest.
function Heap:shrink(n)
  while self.size > n do
    swap(self, 1, self.size)
    self.hashes[self.size], self.numbers[self.size], self.entries[self.size] = nil, nil, nil
    self.size = self.size - 1
    self:sift_down(1)
  end
end

--- How many each stratum gives when n are shared as evenly as their sizes allow; what is left
--- over goes to the strata that came first.
local function shares(strata, n)
  local given, left = {}, n
  for i = 1, #strata do given[i] = 0 end
  local open = true
  while left > 0 and open do
    local room = 0
    for i, heap in ipairs(strata) do room = room + (given[i] < heap.size and 1 or 0) end
    open = room > 0
    local each = open and math.max(1, left // room) or 0
    for i, heap in ipairs(strata) do
      local more = math.min(each, heap.size - given[i], left)
      given[i] = given[i] + more
      left = left - more
    end
  end
  return given
end

local function stratum_of(item, by)
  if type(by) ~= "string" then return canonical(errors.guard("sample by", by, item)) end
  local value = type(item) == "table" and item[by]
  if value == nil or type(item) ~= "table" then
    errors.misuse(("sample: by = %q, but there is an item without it: %s")
      :format(by, errors.show(item)))
  end
  return canonical(value)
end

--- The n items of the smallest hashes, in the order of the input; with `by`, equal shares of its
--- values.
---@param source confab.Source
---@param n integer
---@param seed integer
---@param by? string|fun(item: any): any
---@return { number: integer, entry: any }[]  An entry is a place or an item, as in order.
function sampling.pick(source, n, seed, by)
  local strata, names = {}, {}
  if not by then strata[1] = new_heap(n) end
  local step, close = walk_of(source, seed)
  local number = 0

  for hash, make, place in step do
    number = number + 1
    hash = hash ~ math.mininteger
    if by then
      local entry, item = keep(source, make, place)
      if entry ~= nil then
        local name = stratum_of(item, by)
        local heap = names[name]
        if not heap then
          heap = new_heap(n)
          names[name] = heap
          strata[#strata + 1] = heap
        end
        if heap:has_room(hash) then heap:push(hash, number, entry) end
      end
    elseif strata[1]:has_room(hash) then
      local entry = keep(source, make, place)
      if entry ~= nil then strata[1]:push(hash, number, entry) end
    end
  end
  if close then close() end

  local chosen = {}
  local given = shares(strata, n)
  for i, heap in ipairs(strata) do
    heap:shrink(given[i])
    for j = 1, heap.size do
      chosen[#chosen + 1] = { number = heap.numbers[j], entry = heap.entries[j] }
    end
  end
  table.sort(chosen, function(a, b) return a.number < b.number end)
  return chosen
end

return sampling
