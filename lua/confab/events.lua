--- What a run tells those who watch it live, over `confab serve`. Nothing is put together while nobody does.
local core = require "confab.core"
local flags = require "confab.flags"

local events = {}

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

--- An item has come to its end.
---@param state confab.RunState
---@param entry confab.Entry
---@param outcome table
---@param accepted boolean
function events.item(state, entry, outcome, accepted)
  if not core.events.is_wanted() then return end
  local score, cost = sums(outcome)
  local failure = outcome.error
  publish(state.core.id, "item", {
    key = entry.key, state = outcome.state, accepted = accepted, conversations = outcome.ended and 1 or #outcome.convs, qualityScore = score,
    cost = cost, replayed = outcome.is_kept or false, errorKind = failure and failure.kind,
    message = failure and failure.message, counts = counts(state), spent = state.core:account().spent / 1e12,
  })
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
