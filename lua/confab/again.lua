--- Going on with a run: what is to be said, and allowed, before anything is sent.
---
--- If nothing that the program can see has changed (script, arguments, model, templates), finished
--- items are what they were, and counts from the database say what is left: the first request goes
--- out at once, however many items there are. Otherwise, and wherever an exact number is needed, a
--- pass over all items asks the journal first: each step runs up to the first call that would have
--- to be sent.
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local template = require "confab.template"

local again = {}

-- Failures on what a reply said: the same reply would fail again.
local on_content = {
  parse_error = true, validation_error = true, refusal = true, script_error = true,
}

--- Whether an item is to be asked for again, or for the first time.
---@param state? string  As it was found; nil: it is new.
---@param error_kind? string  Of one that failed.
---@return boolean
function again.is_unfinished(state, error_kind)
  if not state or state == "pending" then return true end
  return state == "failed" and (flags.failed or not on_content[error_kind])
end

--- --- what a run was made with ---

--- What a run keeps, beside the options for `confab resume`: what decided its calls.
---@class confab.Kept
---@field made_with? table<string, string>  Of all finished items; or
---@field mixed? boolean  of some of them only: a pass with something else began and did not end.

local parts = { "script", "arguments", "model", "templates" }

local function made_with(model)
  return {
    script = flags.script_text and core.hash.sha256hex(flags.script_text) or "",
    arguments = flags.args or "", model = model, templates = template.fingerprint(),
  }
end

--- The parts in which what is now differs from what the finished items were made with.
local function compare(before, now)
  local changes = {}
  for _, part in ipairs(parts) do
    if before[part] ~= now[part] then changes[#changes + 1] = part end
  end
  return changes
end

local function keep(run, with, is_mixed)
  local kept = flags.options and core.json.decode(flags.options) or {}
  kept.made_with, kept.mixed = with, is_mixed or nil
  run:keep(core.json.encode(kept))
end

---@class confab.Since  A run that is gone on with, against the last time.
---@field changes string[]
---@field is_same boolean  All finished items were made with what is there now.

--- Compares a run with the last time, and keeps with it what it is made with now.
---@param run table  The core's run, just opened.
---@param model string
---@return confab.Since
function again.since(run, model)
  local now = made_with(model)
  if not run.continued then
    keep(run, now)
    return { changes = {}, is_same = true }
  end
  local kept = run.previous_options and core.json.decode(run.previous_options) or {}
  local changes = compare(kept.made_with or {}, now)
  local is_same = #changes == 0 and not kept.mixed
  keep(run, kept.made_with or now, not is_same)
  return { changes = kept.made_with and changes or {}, is_same = is_same }
end

--- Keeps with a run that came to its end what all of it is made with.
---@param run table
---@param model string
function again.is_whole(run, model)
  keep(run, made_with(model))
end

--- Whether all items must be looked at before anything is sent. Keys that do not come from the
--- parameters say nothing about whether those have changed.
---@param run table
---@param since confab.Since
---@param has_keys boolean  The run has `key =`.
---@return boolean
function again.must_look(run, since, has_keys)
  if flags.offline then return false end    -- nothing is sent in any case
  if flags.max_new then return true end
  return run.continued and (has_keys or not since.is_same)
end

local number = core.text.number

local function plural(n, one, many)
  return ("%s %s"):format(number(n), n == 1 and one or many)
end

--- --- from the database ---

local function failed_on_content(run)
  local count = 0
  for _, failure in ipairs(core.store.failures(run.id)) do
    if on_content[failure.kind] then count = count + failure.count end
  end
  return count
end

--- Says how far the run is, by what the database counts.
---@param run table
---@param total? integer  Items of the inputs, if that is known.
function again.tell_counts(run, total)
  local account = core.store.run(run.id).account
  total = math.max(total or 0, account.planned)
  local replayed = account.accepted + account.needs_revision + account.skipped
  if not flags.failed then replayed = replayed + failed_on_content(run) end
  local left = total - replayed
  if left <= 0 then
    core.progress.say(("run %q is finished: its %s are replayed")
      :format(run.name, plural(replayed, "item", "items")))
    return
  end
  local cost = replayed > 0 and (", for about %s, as the others were"):format(
    core.text.money(account.spent_pico // replayed * left)) or ""
  core.progress.say(("run %q goes on: %s of %s are replayed, %s to go%s")
    :format(run.name, number(replayed), plural(total, "item", "items"), number(left), cost))
end

--- --- from a look at all items ---

---@class confab.Again  What was found so far.
---@field replayed integer
---@field to_send integer  Items with a call to send.
---@field bound integer  The most that these calls may cost, in pico-dollars; -1: not known.
---@field kinds table<string, integer>
---@field fields table<string, integer>  Of the changed ones.
local Again = {}
Again.__index = Again

---@return confab.Again
function again.new()
  return setmetatable({ replayed = 0, to_send = 0, bound = 0, kinds = {}, fields = {} }, Again)
end

local function kind_of(item, held)
  if held.why == "set aside" then return "asked anew" end
  if held.why == "cut off" then return "cut off before" end
  if not item.existed then return "new" end
  if item.state == "pending" then return "unfinished" end
  if held.why == "unfinished" then return "failed before" end
  return held.why == "changed" and "changed" or "with further calls"
end

local kinds = {
  "new", "unfinished", "failed before", "asked anew", "cut off before", "with further calls", "changed",
}

--- Counts an item whose first new call is `held`.
---@param item table
---@param held { why: string, changed?: string, bound: integer }
function Again:count(item, held)
  local kind = kind_of(item, held)
  self.to_send = self.to_send + 1
  self.kinds[kind] = (self.kinds[kind] or 0) + 1
  if kind == "changed" then
    local field = held.changed or "request"
    self.fields[field] = (self.fields[field] or 0) + 1
  end
  self.bound = (self.bound < 0 or held.bound < 0) and -1 or self.bound + held.bound
end

local function fields_text(fields)
  local names, counted = {}, {}
  for name in next, fields do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if fields[a] ~= fields[b] then return fields[a] > fields[b] end
    return a < b
  end)
  for i, name in ipairs(names) do counted[i] = ("%s %s"):format(name, number(fields[name])) end
  return table.concat(counted, "; ")
end

function Again:text(is_exact)
  local found = { number(self.replayed) .. " replayed" }
  for _, kind in ipairs(kinds) do
    local n = self.kinds[kind]
    if n then found[#found + 1] = ("%s %s"):format(number(n), kind) end
  end
  local text = table.concat(found, ", ")
  if self.kinds.changed then text = ("%s (%s)"):format(text, fields_text(self.fields)) end
  if self.to_send == 0 then return text .. "; nothing to send" end
  local cost = self.bound < 0 and "of unknown cost" or "for at most " .. core.text.money(self.bound)
  return ("%s; %s%s to send, %s%s"):format(text, is_exact and "" or "at least ",
    plural(self.to_send, "call", "calls"), is_exact and "" or "the first of each item ", cost)
end

--- Says what is to be done.
---@param run table
---@param since confab.Since
---@param is_exact boolean  An item has one call.
---@return confab.Error? refusal  It is more than --max-new allows.
function Again:tell(run, since, is_exact)
  local changes = table.concat(since.changes, ", ")
  local because = changes ~= "" and (" (changed: %s)"):format(changes) or ""
  local text = self:text(is_exact)
  core.progress.say(("run %q%s: %s"):format(run.name, because, text))
  if not flags.max_new then return end
  local allowed = flags.max_new - core.engine.status().new_calls
  if self.to_send > allowed then
    local message = ("--max-new %d: run %q has %s to send; nothing of it was sent")
      :format(flags.max_new, run.name, plural(self.to_send, "call", "calls"))
    return errors.new("config_error", message, { traceback = "" })
  end
end

return again
