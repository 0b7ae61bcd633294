--- What a run tells those who watch it live, over `confab serve`. Nothing is put together while nobody does.
---
--- Items that end within a short while are told together, in one event: at thousands a second each would
--- cost every watcher more than it cost to make.
local core = require "confab.core"
local flags = require "confab.flags"

local events = {}

local GATHER_MS = 500             -- what ends after a while of nothing is told at once
local GATHER_BYTES = 250000       -- about; an event may have a megabyte
local ITEM_BYTES = 150            -- without key and message

---@class confab.events.Gathered  Of one run, since the last event.
---@field items table[]
---@field bytes integer
---@field kept integer  Items that the planner has left as they are.
---@field told_ms integer  When the last event was.

---@type table<confab.RunState, confab.events.Gathered>
local gathered = setmetatable({}, { __mode = "k" })

--- An event is a courtesy: what cannot be JSON is left out, and the run goes on.
local function publish(run, type, data)
  local ok, json = pcall(core.json.encode, data)
  if ok then core.events.publish(run, type, json) end
end

--- Scores and costs of an item's conversations, as the database adds them up.
local function sums(outcome)
  if outcome.ended then return outcome.ended.score, outcome.ended.cost end
  local score, scored, cost = 0, 0, nil
  for _, conv in ipairs(outcome.convs) do
    local fields = core.conversation.fields(conv)
    if fields.score then score, scored = score + fields.score, scored + 1 end
    if fields.cost then cost = (cost or 0) + fields.cost end
  end
  return scored > 0 and score / scored or nil, cost
end

--- How many items there are to be where the inputs tell, else as many as were drawn from them so far.
local function planned(state)
  if state.length == nil then
    local ok, length = pcall(function() return #state.items end)
    state.length = ok and math.min(length, flags.limit or length) or false
  end
  return math.max(state.length or 0, state.counts.planned or 0)
end

--- Where the run stands: items by how they ended, those of earlier sessions too, once they were come to.
local function counts(state)
  local all = state.counts
  return {
    planned = planned(state), successful = all.accepted + all.needs_revision, accepted = all.accepted,
    needsRevision = all.needs_revision, failed = all.failed, skipped = all.skipped, replayed = all.replayed,
  }
end

local function of(state)
  local found = gathered[state]
  if not found then
    found = { items = {}, bytes = 0, kept = 0, told_ms = math.mininteger // 2 }
    gathered[state] = found
  end
  return found
end

local function tell_kept(state, got)
  publish(state.core.id, "kept", { count = got.kept, counts = counts(state), spent = state.core:account().spent / 1e12 })
  got.kept = 0
end

local function tell_items(state, got)
  local items = got.items
  local newest = table.remove(items)
  newest.counts, newest.spent = counts(state), state.core:account().spent / 1e12
  if #items > 0 then newest.before = core.json.array(items) end
  publish(state.core.id, "item", newest)
  got.items, got.bytes = {}, 0
end

local function tell(state, got)
  if got.kept > 0 then tell_kept(state, got) end
  if #got.items > 0 then tell_items(state, got) end
  got.told_ms = core.scheduler.now()
end

local function tell_if_due(state, got)
  if got.bytes >= GATHER_BYTES or core.scheduler.now() - got.told_ms >= GATHER_MS then tell(state, got) end
end

--- An item has come to its end.
---@param state confab.RunState
---@param entry confab.Entry
---@param outcome table
---@param accepted boolean
function events.item(state, entry, outcome, accepted)
  if not core.events.is_wanted() then return end
  local score, cost = sums(outcome)
  local failure, got = outcome.error, of(state)
  got.items[#got.items + 1] = {
    key = entry.key, state = outcome.state, accepted = accepted, conversations = outcome.ended and 1 or #outcome.convs, qualityScore = score,
    cost = cost, replayed = outcome.is_kept or false, errorKind = failure and failure.kind,
    message = failure and failure.message,
  }
  got.bytes = got.bytes + ITEM_BYTES + 2 * (#entry.key + (failure and #failure.message or 0))
  tell_if_due(state, got)
end

--- The planner has left an item of an earlier session as it is.
---@param state confab.RunState
function events.kept(state)
  if not core.events.is_wanted() then return end
  local got = of(state)
  got.kept = got.kept + 1
  tell_if_due(state, got)
end

--- To be called now and then: tells what was gathered long enough ago.
function events.tick()
  for state, got in next, gathered do
    if #got.items > 0 or got.kept > 0 then tell_if_due(state, got) end
  end
end

--- Tells what was gathered: the run is about to end.
---@param state confab.RunState
function events.finish(state)
  local got = gathered[state]
  if got then tell(state, got) end
  gathered[state] = nil
end

--- A share of the budget is used.
---@param core_run table
---@param share number
---@param spent number  Dollars.
---@param budget number
function events.budget(core_run, share, spent, budget)
  if not core.events.is_wanted() then return end
  publish(core_run.id, "budget", { share = share, spent = spent, budget = budget })
end

return events
