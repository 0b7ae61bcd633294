--- Chooses and orders the items of a sequence's source by a seeded hash of their parameters.
local core = require "confab.core"
local errors = require "confab.errors"

local canonical = core.json.canonical

local sampling = {}

local SAY_AFTER_MS, SAY_EVERY_MS = 2000, 10000

--- Says how far a long look at all items is. Returns a function of the number looked at.
---@param total? integer  nil: it is not known.
local function teller(what, total)
  local next_ms = core.scheduler.now() + SAY_AFTER_MS
  return function(count)
    local now = core.scheduler.now()
    if now < next_ms then return end
    next_ms = now + SAY_EVERY_MS
    local of = total and (" of %s combinations (%d %%)"):format(core.text.number(total),
      count * 100 // total) or " items"
    core.progress.say(("%s: looked at %s%s so far"):format(what, core.text.number(count), of))
  end
end

local TELL_EVERY = 4096    -- items, between two looks at the clock

--- All items by hash: the order, as indexes into what was kept of them, which are places where the
--- source can make items from places, else the items.
---@param source confab.Source
---@param seed integer
---@return integer[] order
---@return any[] kept
function sampling.order(source, seed)
  local hashes, kept = {}, {}
  if source.walk then
    local walker = source.walk(seed)
    local tell = teller("shuffling", #walker)
    for hash, place in walker.next, walker do
      if hash and (not source.accepts or source.accepts(source.at(place))) then
        hashes[#hashes + 1] = hash
        kept[#kept + 1] = place
      end
      if not hash or place % TELL_EVERY == 0 then tell(place) end
    end
  else
    local tell = teller "shuffling"
    local next_item, close = source.open()
    for item in next_item do
      hashes[#hashes + 1] = core.hash.item(seed, item)
      kept[#kept + 1] = item
      if #kept % TELL_EVERY == 0 then tell(#kept) end
    end
    if close then close() end
  end
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

local function stratum_of(item, by)
  if type(by) ~= "string" then return canonical(errors.guard("sample by", by, item)) end
  local value = type(item) == "table" and item[by]
  if value == nil or type(item) ~= "table" then
    errors.misuse(("sample: by = %q, but there is an item without it: %s")
      :format(by, errors.show(item)))
  end
  return canonical(value)
end

--- What was found of a stratum; entries are places or items.
---@class confab.Stratum
---@field hashes integer[]
---@field numbers integer[]  Where they stand in the input.
---@field entries any[]

local function permuted(list, order)
  local made = {}
  for i, at in ipairs(order) do made[i] = list[at] end
  return made
end

--- --- the items of a file or list: all are read ---

--- The items one after the other, each behind its hash. A sweep knows the hashes without reading.
local function hashed(source, seed)
  if not source.walk then
    local next_item, close = source.open()
    local tell, number = teller "sampling", 0
    return function()
      local item = next_item()
      if item == nil then return nil end
      number = number + 1
      if number % TELL_EVERY == 0 then tell(number) end
      return core.hash.item(seed, item), item
    end, close
  end
  local walker = source.walk(seed)
  local tell = teller("sampling", #walker)
  return function()
    for hash, place in walker.next, walker do
      if place % TELL_EVERY == 0 then tell(place) end
      local item = hash and source.at(place)
      if hash and (not source.accepts or source.accepts(item)) then return hash, item end
    end
  end
end

--- The n smallest of each stratum, in the order of the input.
---@return confab.Stratum[]
local function pick_items(source, n, seed, by)
  local heaps, by_name, number = {}, {}, 0
  local next_hashed, close = hashed(source, seed)
  for hash, item in next_hashed do
    number = number + 1
    hash = hash ~ math.mininteger
    local name = by and stratum_of(item, by) or ""
    local heap = by_name[name]
    if not heap then
      heap = new_heap(n)
      by_name[name] = heap
      heaps[#heaps + 1] = heap
    end
    if heap:has_room(hash) then heap:push(hash, number, item) end
  end
  if close then close() end

  for i, heap in ipairs(heaps) do
    for j, hash in ipairs(heap.hashes) do heap.hashes[j] = hash ~ math.mininteger end
    local order = core.hash.order(heap.numbers)
    heaps[i] = { hashes = permuted(heap.hashes, order), numbers = permuted(heap.numbers, order),
      entries = permuted(heap.entries, order) }
  end
  return heaps
end

--- --- the places of a sweep: the smallest hashes first, as far as it takes ---

local LARGEST = -1    -- unsigned

--- A number of places that `count` of them rarely fall short of.
local function with_margin(count) return count + 4 * math.sqrt(count) + 8 end

--- The hash below which that share of all hashes lies.
local function hash_at(share)
  return share >= 1 and LARGEST or math.floor(share * 2 ^ 53) << 11
end

--- Shows the hashes up to a share to the groups that have less than wanted: those they have not
--- seen yet. False if all have enough, or have seen as much.
local function show(walker, groups, wanted, share)
  local any = false
  for number, group in ipairs(groups) do
    group.is_open = #group.hashes < wanted and group.share < share
    any = any or group.is_open
    if group.is_open then
      walker:band(number, group.share > 0 and hash_at(group.share) + 1 or 0, hash_at(share))
      group.share = share
    else
      walker:band(number, LARGEST, LARGEST)
    end
  end
  return any
end

--- Looks at what the walker shows; only there items are made, where the source does not accept all.
local function look(walker, source, groups, tell)
  walker:rewind()
  for hash, place, number in walker.next, walker do
    local group = hash and groups[number]
    if group and group.is_open and (not source.accepts or source.accepts(source.at(place))) then
      local i = #group.hashes + 1
      group.hashes[i], group.numbers[i] = hash, place
    end
    if not hash or place % TELL_EVERY == 0 then tell(place) end
  end
end

--- How far to look next, by how many were accepted of what was seen.
local function next_share(groups, wanted)
  local share = 0
  for _, group in ipairs(groups) do
    if #group.hashes < wanted then
      local factor = with_margin(wanted) / math.max(#group.hashes, 1)
      share = math.max(share, group.share * math.min(math.max(factor, 2), 16))
    end
  end
  return math.min(share, 1)
end

--- The smallest hashes of each group, at least as many as its share of n is, as far as there are.
---@return confab.Stratum[]
local function pick_places(source, walker, group_count, n)
  local groups = {}
  for i = 1, group_count do groups[i] = { hashes = {}, numbers = {}, share = 0 } end
  local tell = teller("sampling", #walker)
  local wanted = -(-n // group_count)
  local share = math.min(with_margin(wanted) * group_count / #walker, 1)
  while true do
    while show(walker, groups, wanted, share) do
      look(walker, source, groups, tell)
      share = next_share(groups, wanted)
    end
    -- What the small groups lack, the others give.
    local missing, open = n, 0
    for _, group in ipairs(groups) do
      missing = missing - math.min(#group.hashes, wanted)
      open = open + (group.share < 1 and 1 or 0)
    end
    if missing <= 0 or open == 0 then break end
    wanted = wanted - (-missing // open)
    share = next_share(groups, wanted)
  end
  for _, group in ipairs(groups) do
    local order = core.hash.order(group.numbers)
    group.hashes, group.numbers = permuted(group.hashes, order), permuted(group.numbers, order)
    group.entries = group.numbers
  end
  return groups
end

--- --- the whole ---

--- How many each stratum gives when n are shared as evenly as their sizes allow; what is left
--- over goes to those whose next hash is the smallest.
local function shares(strata, orders, n)
  local given, left = {}, n
  for i = 1, #strata do given[i] = 0 end
  while left > 0 do
    local room = {}
    for i, order in ipairs(orders) do
      if given[i] < #order then room[#room + 1] = i end
    end
    if #room == 0 then break end
    local each = left // #room
    if each == 0 then
      local next_hash = {}
      for j, i in ipairs(room) do next_hash[j] = strata[i].hashes[orders[i][given[i] + 1]] end
      local order = core.hash.order(next_hash)
      for j = 1, left do given[room[order[j]]] = given[room[order[j]]] + 1 end
      break
    end
    for _, i in ipairs(room) do
      local more = math.min(each, #orders[i] - given[i])
      given[i] = given[i] + more
      left = left - more
    end
  end
  return given
end

--- The n items of the smallest hashes, in the order of the input; with `by`, equal shares of its
--- values.
---@param source confab.Source
---@param n integer
---@param seed integer
---@param by? string|fun(item: any): any
---@return any[] entries  Items, or
---@return boolean are_places  places for source.at.
function sampling.pick(source, n, seed, by)
  if n == 0 then return {}, false end
  local walker, group_count, strata
  if source.walk then walker, group_count = source.walk(seed, by) end
  if group_count then
    strata = pick_places(source, walker, group_count, n)
  else
    strata = pick_items(source, n, seed, by)
  end

  local orders, numbers, entries = {}, {}, {}
  for i, stratum in ipairs(strata) do orders[i] = core.hash.order(stratum.hashes) end
  for i, count in ipairs(shares(strata, orders, n)) do
    for j = 1, count do
      local at = orders[i][j]
      numbers[#numbers + 1], entries[#entries + 1] = strata[i].numbers[at], strata[i].entries[at]
    end
  end
  return permuted(entries, core.hash.order(numbers)), group_count ~= nil
end

return sampling
