--- Items of the inputs become items of the database.
---
--- What the database has at an item's place in the plan is read first, a stretch of the plan at a
--- time, with the journal of each item: where the item there has the same key and parameters, it
--- stays as it is, and nothing is written. The others are written: new items, and those that stood
--- elsewhere. Before that, what has stayed is told to the database, so that no equal item takes its
--- place; in a run that has not changed nothing is written at all.
local core = require "confab.core"
local errors = require "confab.errors"
local keys = require "confab.keys"

local drawing = {}

local WRITE_BATCH = 64     -- items in one transaction
local READ_BATCH = 256     -- places of the plan looked at together
local TELL_BATCH = 1024    -- places told of in one transaction
local MISSES_MAX = 4       -- stretches with nothing of the inputs: then the plan is another one

---@class confab.Entry  An item on its way to a worker.
---@field params any
---@field key string
---@field ordinal integer
---@field item? userdata  The core's item, once it is drawn; see drawing.item.
---@field stretch? userdata  The stretch that the item was found in, while that is at hand.

---@class confab.Drawing
---@field core table  The core's run.
---@field key? fun(item: any): string|integer
---@field drawn integer  Items of this pass.
---@field stayed integer[][]  Places, first and last, that the database is not told of yet.
---@field misses integer
local Drawing = {}
Drawing.__index = Drawing

--- Begins a pass over the inputs of a run.
---@param core_run table
---@param key? fun(item: any): string|integer
---@return confab.Drawing
function drawing.new(core_run, key)
  return setmetatable({
    core = core_run, key = key, drawn = 0, stayed = {},
    misses = core_run.continued and 0 or MISSES_MAX,
  }, Drawing)
end

--- How many items are to be drawn together.
---@return integer
function Drawing:batch_size()
  return self.misses < MISSES_MAX and READ_BATCH or WRITE_BATCH
end

--- An item that is to be drawn.
---@param params any
---@param ordinal integer
---@return confab.Entry
function Drawing:entry(params, ordinal)
  if params == core.json.null then errors.misuse "confab.run: an item is null" end
  if self.key then
    local key = keys.from(self.key, params)
    return { params = params, key = key, ordinal = ordinal, json = core.json.encode(params) }
  end
  local key, json = keys.of(params)
  return { params = params, key = key, ordinal = ordinal, json = json }
end

--- The core's item of an entry.
---@param entry confab.Entry
---@return userdata
function drawing.item(entry)
  if not entry.item then
    entry.item = entry.stretch:item(entry.ordinal)
    entry.stretch = nil
  end
  return entry.item
end

--- State of an item as it was found, nil of a new one, and the kind of its failure.
---@param entry confab.Entry
---@return string? state
---@return string error_kind
function drawing.state(entry)
  if entry.stretch then return entry.stretch:state(entry.ordinal) end
  return entry.item.existed and entry.item.state or nil, entry.item.error_kind
end

--- Whether the item is done with the one call of this hash, and whether it is accepted.
---@param entry confab.Entry
---@param hash string
---@return boolean stands
---@return boolean accepted
function Drawing:stands(entry, hash)
  if entry.stretch then return entry.stretch:stands(entry.ordinal, hash) end
  self.core:load(entry.item)
  return core.call.stands(entry.item, hash), entry.item.accepted
end

--- --- what is there ---

--- Finds entries in the database, which are in the order of the plan and less than a stretch apart.
--- They refer to the stretch until the next call. Gives those that are not there.
---@param batch confab.Entry[]
---@return confab.Entry[] missing
function Drawing:match(batch)
  local first, missing = batch[1].ordinal, {}
  self.stretch = self.core:drawn(first, batch[#batch].ordinal - first + 1, self.stretch)
  local stretch, is_numbered = self.stretch, not self.key
  for _, entry in ipairs(batch) do
    local number = stretch:number(entry.ordinal, entry.key, entry.json, is_numbered)
    if number then
      entry.stretch, entry.json = stretch, nil
      if number > 1 then entry.key = keys.occurrence(entry.key, number) end
    else
      missing[#missing + 1] = entry
    end
  end
  return missing
end

--- Finds again entries that this pass has drawn; gives those that are still there: inputs that do
--- not repeat themselves may give others.
---@param batch confab.Entry[]
---@return confab.Entry[]
function Drawing:find(batch)
  self:match(batch)
  local found = {}
  for _, entry in ipairs(batch) do
    if entry.stretch then found[#found + 1] = entry end
  end
  return found
end

--- --- what is not ---

function Drawing:note_stay(ordinal)
  local last = self.stayed[#self.stayed]
  if last and last[2] == ordinal - 1 then
    last[2] = ordinal
  else
    self.stayed[#self.stayed + 1] = { ordinal, ordinal }
  end
end

--- Tells the database what has stayed.
function Drawing:tell()
  local stayed = self.stayed
  self.stayed = {}
  for _, places in ipairs(stayed) do
    for first = places[1], places[2], TELL_BATCH do
      self.core:stay(first, math.min(first + TELL_BATCH - 1, places[2]))
    end
  end
end

local function refuse_twice(core_run, entry)
  local first = core_run:params(entry.key)
  error(keys.duplicate(entry.key, first and core.json.decode(first), entry.params), 0)
end

function Drawing:write(batch)
  local rows = {}
  for i, entry in ipairs(batch) do
    rows[i] = {
      key = entry.key, ordinal = entry.ordinal, params = entry.json, numbered = not self.key,
    }
  end
  local items, numbers = self.core:draw(rows)
  for i, entry in ipairs(batch) do
    entry.item, entry.json = items[i] or refuse_twice(self.core, entry), nil
    if numbers[i] > 1 then entry.key = keys.occurrence(entry.key, numbers[i]) end
  end
end

--- Draws a batch of entries, which are in the order of the plan and less than a stretch apart.
---@param batch confab.Entry[]
function Drawing:draw(batch)
  local missing = batch
  if self.misses < MISSES_MAX then
    missing = self:match(batch)
    self.misses = #missing == #batch and self.misses + 1 or 0
    for _, entry in ipairs(batch) do
      if entry.stretch then self:note_stay(entry.ordinal) end
    end
  end
  if #missing > 0 then self:tell() end
  for first = 1, #missing, WRITE_BATCH do
    self:write(table.move(missing, first, math.min(first + WRITE_BATCH - 1, #missing), 1, {}))
  end
  self.drawn = self.drawn + #batch
end

--- What is known of the plan may be right again: another part of it is drawn.
function Drawing:look_again()
  if self.core.continued then self.misses = 0 end
end

--- The pass has drawn all there is: items that it did not draw are set aside.
function Drawing:close()
  if self.core:plan_size() == self.drawn then return end    -- it drew all that are there
  self:tell()
  self.core:orphans()
end

return drawing
