--- How a run is doing: a bar on a terminal, plain lines elsewhere, JSON lines for programs.
local budget = require "confab.budget"
local control = require "confab.control"
local core = require "confab.core"
local flags = require "confab.flags"

local progress = {}

local BAR_MS = 200
local PLAIN_MS = 10000

---@class confab.Progress
---@field state confab.RunState
---@field mode "bar"|"plain"|"json"|"none"
local Progress = {}
Progress.__index = Progress

local function mode_of()
  local mode = flags.progress or "auto"
  if mode ~= "auto" then return mode end
  return core.progress.width() and os.getenv "TERM" ~= "dumb" and "bar" or "plain"
end

local function duration(ms)
  local s = math.floor(ms / 1000 + 0.5)
  if s >= 3600 then return ("%d h %02d min"):format(s // 3600, s % 3600 // 60) end
  if s >= 60 then return ("%d min %02d s"):format(s // 60, s % 60) end
  return ("%d s"):format(s)
end
progress.duration = duration

local function window_text(ms)
  return ms == 60000 and "a minute" or ms == 1000 and "a second" or "in " .. duration(ms)
end

--- What holds the run back, in a few words.
local function held_back(self, status)
  local state = self.state
  if core.scheduler.stopping() then
    return ("waiting for %d replies worth up to %s; Ctrl-C again to give them up"):format(status.in_flight, core.text.money(status.at_stake))
  end
  if status.held then return "paused by " .. (control.paused_by or "somebody") end
  if status.disk_low then return "storage: the disk is almost full, nothing new is sent" end
  if status.storage_full then return "storage: replies wait for room on the disk" end
  if status.away_ms > 0 then
    return ("outage: service away for %s, %s"):format(duration(status.away_ms),
      status.probe_ms > 0 and "next probe in " .. duration(status.probe_ms) or "probing")
  end
  if status.pause_ms > 0 then return ("paused %s by the provider"):format(duration(status.pause_ms)) end
  if status.waiting > 0 then
    return ("limit %d %s (%s)"):format(status.limit, window_text(status.window_ms),
      status.limit_source or "default")
  end
  if status.waiting_for_budget > 0 then return "budget: calls wait for others to settle" end
  if status.backing_off > 0 and status.in_flight == 0 then return "retry" end
  if state.free == 0 then return ("concurrency %d"):format(state.concurrency) end
  return "script"
end

function Progress:numbers()
  local counts, now = self.state.counts, core.scheduler.now()
  local done = counts.accepted + counts.needs_revision + counts.failed + counts.skipped
  local account, status = self.state.core:account(), core.engine.status()
  local elapsed = math.max(now - self.began, 1)
  local worked = done - counts.replayed
  return {
    run = self.state.core.name, done = done, total = self.total or counts.planned,
    total_known = self.total ~= nil or self.state.planned == true,
    accepted = counts.accepted, needs_revision = counts.needs_revision, failed = counts.failed, skipped = counts.skipped,
    replayed = counts.replayed, rate_per_minute = worked * 60000 / elapsed,
    budget = budget.of(account), money = budget.text(account), spent = account.spent, at_risk = account.at_risk,
    retries = account.retries, refusals = account.refusals, elapsed_ms = elapsed, in_flight = status.in_flight,
    held_back = held_back(self, status),
    left_ms = worked > 0 and self.total and (self.total - done) * elapsed // worked or nil,
  }
end

local function retries_text(n)
  return n == 1 and "1 retry" or ("%d retries"):format(n)
end

local function bar_text(n)
  local share = n.total_known and n.total > 0 and n.done / n.total or 0
  local filled = math.floor(share * 16 + 0.5)
  local parts = {
    ("%s [%s%s] %d/%s%d"):format(n.run, ("#"):rep(filled), ("-"):rep(16 - filled), n.done, n.total_known and "" or "≥", n.total),
    ("%.0f/min"):format(n.rate_per_minute), n.money,
  }
  if n.failed > 0 then parts[#parts + 1] = ("%d failed"):format(n.failed) end
  if n.retries + n.refusals > 0 then parts[#parts + 1] = retries_text(n.retries + n.refusals) end
  if n.left_ms then parts[#parts + 1] = duration(n.left_ms) .. " left" end
  parts[#parts + 1] = n.held_back
  return table.concat(parts, " · ")
end

function Progress:tick()
  local n = self:numbers()
  if self.mode == "bar" then
    core.progress.draw(bar_text(n))
  elseif self.mode == "json" then
    core.progress.say(core.json.encode(n))
  elseif core.scheduler.now() >= self.next_plain then
    self.next_plain = core.scheduler.now() + PLAIN_MS
    core.progress.say(bar_text(n))
  end
end

--- Begins to show how a run is doing.
---@param state confab.RunState
---@return confab.Progress
function progress.start(state)
  local self = setmetatable({ state = state, mode = mode_of(), began = core.scheduler.now() }, Progress)
  self.next_plain = self.began + PLAIN_MS
  local ok, total = pcall(function() return #state.items end)
  self.total = ok and total or nil
  if self.mode ~= "none" then
    core.scheduler.set_tick(self.mode == "bar" and BAR_MS or 1000, function() self:tick() end)
  end
  return self
end

function Progress:stop()
  if self.has_stopped then return end
  self.has_stopped = true
  if self.mode == "none" then return end
  core.scheduler.set_tick(1000, nil)
  if self.mode == "bar" then core.progress.clear() end
  if self.mode == "json" then self:tick() end
end

Progress.__close = Progress.stop

return progress
