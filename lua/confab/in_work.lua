--- The runs of this process that are being worked on.
local control = require "confab.control"
local core = require "confab.core"
local errors = require "confab.errors"
local events = require "confab.events"
local interrupted = require "confab.interrupted"
local plan = require "confab.plan"

local in_work = {}

local states = {}    -- of lua/confab/run.lua, in the order in which they began

---@param state confab.RunState
function in_work.add(state) states[#states + 1] = state end

---@param state confab.RunState
function in_work.remove(state)
  events.finish(state)
  for i = #states, 1, -1 do
    if states[i] == state then table.remove(states, i) end
  end
  control.forget(state.core)
end

--- The run of that uuid; nil: it is not being worked on here.
---@param uuid string
---@return confab.RunState?
function in_work.find(uuid)
  for _, state in ipairs(states) do
    if state.core.uuid == uuid then return state end
  end
  return nil
end

--- Ends a run in good order: nothing new is begun, what waits to be sent is not, what is in flight is awaited and
--- stored, the run is booked as stopped.
---@param state confab.RunState
---@param reason string
function in_work.cancel(state, reason)
  local why = errors.new("cancelled", reason)
  if not state.halted then state.stopper = why end
  plan.halt(state, why)
  state.core:return_waiting()
end

local function length_of(items)
  local ok, length = pcall(function() return #items end)
  return ok and length or nil
end

--- Says how far the runs are that did not come to their end, as a signal ended them.
function in_work.tell()
  for _, state in ipairs(states) do
    local a = core.store.run(state.core.id).account
    local total = math.max(a.planned, length_of(state.items) or 0)
    local worked = a.accepted + a.needs_revision + a.failed + a.skipped
    local text = ("run %q: %s of %s items are done, %s of them failed; %s spent, %s at risk"):format(state.core.name,
      core.text.number(worked), core.text.number(total), core.text.number(a.failed), core.text.money(a.spent_pico),
      core.text.money(a.at_risk_pico))
    core.progress.say(text)
  end
end

--- What is being worked on was interrupted: each run can be gone on with.
function in_work.interrupt()
  for _, state in ipairs(states) do
    control.set_tuner(state.core, nil)
    pcall(state.core.set_state, state.core, "interrupted", "interrupted at the prompt", nil, true)
  end
  states = {}
  interrupted.happened()
end

return in_work
