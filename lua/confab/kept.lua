--- Finished items of a template that are left as they are: asked for again, each would be answered
--- with the reply that it has. That is told by the hash of its call, without reading the reply.
local drawing = require "confab.drawing"
local template = require "confab.template"
local template_call = require "confab.template_call"

local kept = {}

--- Whether finished items of a run may be left without a look at their conversations. A callback is
--- to see them, so they are made again.
---@param state confab.RunState
---@return boolean
local function is_possible(state)
  return state.opts.template ~= nil and state.opts.on_item == nil
end

--- Whether an item stands as it is, and whether it is accepted.
---@param state confab.RunState
---@param entry confab.Entry
---@return boolean stands
---@return boolean? accepted
function kept.stands(state, entry)
  if not is_possible(state) or drawing.state(entry) ~= "done" then return false end
  local hash = template_call.hash(state.plain, state.opts.template, entry.params)
  if not hash then return false end
  return state.drawing:stands(entry, hash)
end

--- For the planner, which makes no functions of a template draw random numbers: whether the item is
--- kept and needs no worker. It is counted then.
---@param state confab.RunState
---@param entry confab.Entry
---@return boolean
local function keep(state, entry)
  local stands, accepted = kept.stands(state, entry)
  if stands then state.count_kept(state, accepted) end
  return stands
end

--- What the planner is to ask of finished items; nil if all go through the workers.
---@param state confab.RunState
---@return (fun(state: confab.RunState, entry: confab.Entry): boolean)?
function kept.of(state)
  return is_possible(state) and template.is_plain(state.opts.template) and keep or nil
end

return kept
