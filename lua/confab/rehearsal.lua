--- Early warning: what would go wrong at the end of a run is looked for at its beginning.
---
--- Before anything is sent, the exports that stand in the script are read: wrong options and folders
--- that are not there. As soon as the first new item has come through its step, its scoring and the
--- database, it is exported to a file that is thrown away, in each of these ways. In a large run that
--- first item goes alone, so that at most it was paid for when the warning comes.
---
--- An export that comes later in a script cannot be run ahead: what it is given may depend on everything
--- before it. So it is read from the script's text, as far as it stands there literally.
local core = require "confab.core"
local flags = require "confab.flags"
local script_exports = require "confab.script_exports"
local waiters = require "confab.waiters"

local rehearsal = {}

local ALONE_FROM = 100    -- times the items in work: waiting for one reply is then at most 1 % of the run
local all_statuses = { "generated", "needs_revision", "approved", "rejected" }

local function warn(text) core.progress.warn("early warning: " .. text) end

local function folder_of(path)
  local folder = path:match "^(.*)/[^/]*$"
  return folder and not folder:find("{split}", 1, true) and folder or ""
end

--- Reads the script's exports, once: where there is a mistake that can be seen, and what is to be tried.
---@return { opts: table, names_split: boolean }[]
local function read_script()
  local tried, seen = { { opts = { format = "messages" } } }, { ["messages nil nil false"] = true }
  for _, export in ipairs(script_exports.of(flags.script_text or "")) do
    local where = ("%s:%d: "):format(flags.script, export.line)
    local folder = export.path and folder_of(export.path) or ""
    if folder ~= "" and core.fs.kind(folder) ~= "directory" then
      warn(("%sthere is no folder %q yet for the export to %q"):format(where, folder, export.path))
    end
    local ok, opts = pcall(require "confab.results".check_export, export.path or "x", export.options)
    if ok then
      local names_split = opts.split ~= nil or export.is_whole and export.path:find("{split}", 1, true) ~= nil
      local id = ("%s %s %s %s"):format(opts.format, opts.system, opts.split and core.json.encode(opts.split), names_split)
      if not seen[id] then tried[#tried + 1] = { opts = opts, names_split = names_split } end
      seen[id] = true
    else
      warn(where .. opts.message)
    end
  end
  return tried
end

local exports    -- of this script, once they are read

---@class confab.Rehearsal
---@field is_over boolean  Nothing is left to be looked at, nobody to wait.
---@field is_alone boolean  The first item is in work, or to be, and others wait for it.
---@field turn integer[]
local Rehearsal = {}
Rehearsal.__index = Rehearsal

--- Begins to look; reads the script.
---@param run table  The core's run.
---@param total? integer  Items, if that is known.
---@param concurrency integer
---@return confab.Rehearsal
function rehearsal.new(run, total, concurrency)
  exports = exports or read_script()
  local is_large = total ~= nil and total >= ALONE_FROM * concurrency
  return setmetatable({ is_over = run.continued, is_alone = is_large and not run.continued, turn = {} }, Rehearsal)
end

--- Lets others go on.
function Rehearsal:release()
  self.is_alone = false
  waiters.wake_all(self.turn)
end

--- Waits while another item goes alone.
---@param state confab.RunState
function Rehearsal:begin(state)
  if not self.is_alone then return end
  if not self.has_pilot then
    self.has_pilot = true
    return
  end
  while self.is_alone and not state.halted do waiters.wait(self.turn) end
end

local function reason_of(result)
  local reasons = {}
  for reason in pairs(result.skipped_by) do reasons[#reasons + 1] = reason end
  return #reasons > 0 and table.concat(reasons, ", ") or "nothing was written"
end

local function try_export(run, item, export)
  local path, opts, format = os.tmpname(), export.opts, export.opts.format
  local ok, result = pcall(core.export.write, {
    run = run.id, item = item.id, path = export.names_split and path .. "-{split}" or path, format = format,
    system = opts.system, split = opts.split, seed = opts.seed, statuses = all_statuses, simulated = true,
    truncated = true,
  })
  os.remove(path)
  for _, file in ipairs(ok and result.files or {}) do os.remove(file) end
  if not ok then
    warn(("an export as %s fails: %s"):format(format, type(result) == "table" and result.message or tostring(result)))
  elseif result.written == 0 then
    warn(("the first conversation cannot be exported as %s: %s"):format(format, reason_of(result)))
  end
end

--- An item is over, and stored; the first one with a conversation is exported.
---@param run table  The core's run.
---@param entry confab.Entry
---@param outcome? table
function Rehearsal:finish(run, entry, outcome)
  if self.is_over then return end
  if outcome and outcome.state == "done" and (outcome.ended or #outcome.convs > 0) then
    self.is_over = true
    for _, export in ipairs(exports) do try_export(run, entry.item, export) end
  end
  self:release()
end

return rehearsal
