--- Errors as scripts catch them: tables with fields and a readable tostring.
local core = require "confab.core"

local errors = {}

---@alias confab.ErrorKind
---| "api_error"          # The provider, or the way to it, failed.
---| "rate_limit_error"   # The local limiter refused.
---| "parse_error"        # A text could not be understood.
---| "validation_error"   # Understood, but not a valid conversation.
---| "refusal"            # The model declined.
---| "budget_error"       # The budget does not allow it.
---| "config_error"       # Wrong use, option, file or setting.
---| "script_error"       # A mistake in the user's Lua.
---| "storage_error"      # Database or disk.
---| "cancelled"          # Stopped on request.

---@class confab.Error
---@field kind confab.ErrorKind
---@field message string
---@field retryable boolean
---@field status? integer  HTTP status, if a reply arrived.
---@field retry_after? number  Seconds that the server asked for.
---@field details? table
---@field file? string  Where the mistake is: an input file or a script.
---@field line? integer
---@field byte? integer  Offset in the file, from 0.
---@field traceback? string

local metatable = core.raise.metatable

local kinds = {
  api_error = true, rate_limit_error = true, parse_error = true, validation_error = true,
  refusal = true, budget_error = true, config_error = true, script_error = true,
  storage_error = true, cancelled = true,
}

-- Frames of these sources are ours; the first other one is the script's.
local own_sources = debug.getinfo(1, "S").source:gsub("errors%.lua$", "")

--- The script's line that called into confab: "pipeline.lua", 12; nothing if there is none.
---@return string? file
---@return integer? line
function errors.where()
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    local is_own = info.what == "C" or info.source:sub(1, #own_sources) == own_sources
    if not is_own and info.currentline > 0 then return info.short_src, info.currentline end
    level = level + 1
  end
end

--- Makes an error table; `error(errors.new(...))` raises it.
---@param kind confab.ErrorKind
---@param message string  One line, no full stop.
---@param fields? table  Further fields, such as file, line, status, details.
---@return confab.Error
function errors.new(kind, message, fields)
  assert(kinds[kind], kind)
  local made = { kind = kind, message = message, retryable = false }
  for name, value in pairs(fields or {}) do made[name] = value end
  return setmetatable(made, metatable)
end

local function raise_at_script(kind, message, details)
  local file, line = errors.where()
  if file then message = ("%s:%d: %s"):format(file, line, message) end
  error(errors.new(kind, message, { file = file, line = line, details = details }), 0)
end

--- Raises a config_error for wrong use, with the script's file and line in front.
---@param message string
---@param details? table
function errors.misuse(message, details)
  raise_at_script("config_error", message, details)
end

--- Raises a script_error, likewise: for what is a mistake in the Lua rather than in a value.
---@param message string
function errors.mistake(message)
  raise_at_script("script_error", message)
end

--- Whether value is one of confab's error tables (of that kind, if given).
---@param value any
---@param kind? confab.ErrorKind
---@return boolean
function errors.is(value, kind)
  if type(value) ~= "table" or getmetatable(value) ~= metatable then return false end
  return kind == nil or value.kind == kind
end

--- Fills in file and line from an error's message, which begins with them if Lua raised it.
---@param err confab.Error
---@return confab.Error err
function errors.locate(err)
  local file, line = err.message:match "^([^\n:]+):(%d+): "
  if file and not err.file then err.file, err.line = file, math.tointeger(line) end
  return err
end

--- What was raised, for people, if it is no error of ours.
local function told(raised)
  if type(raised) == "string" then return raised end
  local mt = debug.getmetatable(raised)
  local ok, text = pcall(tostring, raised)
  return type(mt) == "table" and mt.__tostring and ok and text or errors.show(raised)
end

--- A message handler: what code of the script raises, as an error with file, line and traceback.
---@param raised any
---@param level? integer  Where the traceback begins (default: 2, for a handler of xpcall).
---@return confab.Error
function errors.in_script(raised, level)
  local is_ours = errors.is(raised)
  local err = is_ours and raised or errors.new("script_error", told(raised))
  if not is_ours then errors.locate(err) end
  if not err.file then err.file, err.line = errors.where() end
  local is_mistake = err.kind == "config_error" or err.kind == "script_error"
  if is_mistake and not err.traceback then err.traceback = debug.traceback(nil, level or 2) end
  return err
end

--- The frames of a traceback that are the script's own; nothing if there are none, or only one
--- that the message names already.
---@param traceback string
---@param message string
---@return string frames  With a newline in front.
function errors.script_frames(traceback, message)
  local frames = {}
  for line in traceback:gmatch "[^\n]+" do
    local is_ours = line:find "^%s*confab/" or line:find("[C]", 1, true) or line:find "^%s*%(%.%.%."
    if line:find "^%s" and not is_ours then frames[#frames + 1] = "\n" .. line end
  end
  local place = #frames == 1 and frames[1]:match "^%s*(.-:%d+:)"
  if place and message:find(place, 1, true) then return "" end
  return table.concat(frames)
end

--- A value as short JSON for a message; what is not JSON as tostring has it.
---@param value any
---@param max_bytes? integer  Default: 200.
---@return string
function errors.show(value, max_bytes)
  local ok, text = pcall(core.json.encode, value)
  if not ok then text = tostring(value) end
  max_bytes = max_bytes or 200
  if #text <= max_bytes then return text end
  local cut = text:sub(1, max_bytes)
  return cut:sub(1, core.text.valid_prefix(cut)) .. "…"
end

local function with_traceback(raised)
  if errors.is(raised) then return raised end
  return { raised = raised, traceback = debug.traceback(nil, 2) }
end

local function finish(what, item, ok, ...)
  if ok then return ... end
  local failure = ...
  if errors.is(failure) then error(failure, 0) end
  local message = ("%s failed for %s: %s"):format(what, errors.show(item), tostring(failure.raised))
  local fields = { traceback = failure.traceback, details = { item = item } }
  error(errors.new("script_error", message, fields), 0)
end

--- Calls a function of the script with an item. What it raises becomes a script_error that
--- names the function's part and the item; confab's own errors pass unchanged.
---@param what string  Such as "where".
---@param fn function
---@param item any
---@return any ...
function errors.guard(what, fn, item, ...)
  return finish(what, item, xpcall(fn, with_traceback, item, ...))
end

return errors
