--- Values as people read them in a terminal: conversations as turns, replies, runs, tables cut to the screen.
local columns = require "confab.columns"
local core = require "confab.core"
local errors = require "confab.errors"
local sequence = require "confab.sequence"
local template = require "confab.template"

local show = {}

local FIRST_ITEMS = 5
local DEPTH_MAX = 6
local STRING_MAX = 400       -- characters of a string within a table

---@class confab.Screen
---@field width integer  Columns.
---@field height integer  Lines that a value may take.
---@field color boolean

local styles = { dim = "2", user = "36", assistant = "32", system = "33", error = "31", key = "34" }

local function paint(screen, style, text)
  if not screen.color then return text end
  return ("\27[%sm%s\27[0m"):format(styles[style], text)
end

--- Control characters as escapes, so that a text from a model cannot steer the terminal; tabs and newlines stay.
---@param text string
---@return string
function show.harmless(text)
  if core.text.invalid_at(text) then text = text:gsub("[\x80-\xff]", function(c) return ("\\x%02X"):format(c:byte()) end) end
  text = text:gsub("[%z\1-\8\11-\31\127]", function(c) return ("\\x%02X"):format(c:byte()) end)
  return (text:gsub("\xC2([\x80-\x9F])", function(c) return ("\\u{%X}"):format(c:byte()) end))    -- C1: some terminals obey them
end

local harmless = show.harmless

local function cut(text, room)
  if columns.fitting(text, room) == #text then return text end
  return text:sub(1, columns.fitting(text, room - 1)) .. "…"
end

--- The lines of a text, wrapped at words; a word that is longer than a line is broken.
local function wrap(text, width, indent)
  local lines = {}
  for paragraph in (text .. "\n"):gmatch "(.-)\n" do
    local line = ""
    for word in paragraph:gmatch "%S+" do
      if line ~= "" and columns.of(line) + columns.of(word) + 1 > width - #indent then
        lines[#lines + 1], line = indent .. line, ""
      end
      line = line == "" and word or line .. " " .. word
      local fits = columns.fitting(line, width - #indent)
      while fits < #line and fits > 0 do
        lines[#lines + 1], line = indent .. line:sub(1, fits), line:sub(fits + 1)
        fits = columns.fitting(line, width - #indent)
      end
    end
    lines[#lines + 1] = line == "" and "" or indent .. line
  end
  return lines
end

local function money(dollars)
  return core.text.money(core.text.dollars(("%.12f"):format(dollars)) or 0)
end

--- "$0.0019, claude-sonnet-5-5, 0.8 s"
local function made_of(value)
  local parts = {}
  if value.score then parts[#parts + 1] = ("score %.4g"):format(value.score) end
  parts[#parts + 1] = value.status
  parts[#parts + 1] = value.cost and money(value.cost) or value.model and "cost unknown" or nil
  local usage = value.usage
  if usage and usage.output then parts[#parts + 1] = ("%d tokens"):format(usage.output) end
  parts[#parts + 1] = value.model
  if value.latency_ms then parts[#parts + 1] = ("%.1f s"):format(value.latency_ms / 1000) end
  if value.replayed then parts[#parts + 1] = "from the journal" end
  return table.concat(parts, ", ")
end

local function add(out, lines) table.move(lines, 1, #lines, #out + 1, out) end

local function conversation(conv, screen)
  local out = {}
  for _, turn in ipairs(conv.turns) do
    out[#out + 1] = paint(screen, turn.role, turn.role)
    add(out, wrap(harmless(turn.content), screen.width, "  "))
  end
  local about = ("%d turns, %s"):format(#conv, made_of(conv))
  if conv.truncated then about = about .. ", cut off" end
  if conv.tags and conv.tags.problem then about = about .. "; problem: " .. harmless(tostring(conv.tags.problem)) end
  out[#out + 1] = paint(screen, "dim", about)
  return out
end

local function reply(value, screen)
  local out = wrap(harmless(value.text), screen.width, "")
  out[#out + 1] = paint(screen, "dim", made_of(value))
  return out
end

--- Whether it is what confab.ask gives.
---@param value any
---@return boolean
function show.is_reply(value)
  local mt = getmetatable(value)
  return type(value) == "userdata" and type(mt) == "table" and mt.__name == "confab.reply"
end

-- --- plain values ---

local scalar

local function short_key(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return key end
  return "[" .. scalar(key) .. "]"
end

function scalar(value, string_max)
  if type(value) == "string" then
    local text = cut(value, string_max or STRING_MAX)
    text = text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"):gsub("\t", "\\t")
    return '"' .. harmless(text) .. '"'
  end
  if value == core.json.null then return "confab.null" end
  if type(value) == "table" or type(value) == "userdata" then
    local mt = getmetatable(value)
    if type(mt) == "table" and mt.__tostring then return (tostring(value):match "[^\n]*") end
  end
  return tostring(value)
end

local function sorted_keys(t)
  local keys = {}
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= #t) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    if type(a) == "number" or type(a) == "string" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function is_plain_table(value)
  if type(value) ~= "table" or value == core.json.null then return false end
  local mt = getmetatable(value)
  return type(mt) ~= "table" or mt.__tostring == nil
end

--- On one line, or nil if it does not fit.
local function on_line(value, room, seen)
  if not is_plain_table(value) then
    local text = scalar(value)
    return columns.of(text) <= room and text or nil
  end
  if seen[value] then return "{ ... }" end
  if next(value) == nil then return "{}" end
  seen[value] = true
  local parts, used = {}, 4
  local function put(text)
    used = used + columns.of(text) + 2
    parts[#parts + 1] = text
    return used <= room + 2
  end
  local fits = true
  for i = 1, #value do
    local text = on_line(value[i], room - used, seen)
    fits = fits and text ~= nil and put(text)
    if not fits then break end
  end
  for _, key in ipairs(fits and sorted_keys(value) or {}) do
    local name = short_key(key)
    local text = on_line(value[key], room - used - columns.of(name) - 3, seen)
    fits = fits and text ~= nil and put(name .. " = " .. text)
    if not fits then break end
  end
  seen[value] = nil
  return fits and "{ " .. table.concat(parts, ", ") .. " }" or nil
end

local function add_value(out, prefix, value, screen, indent, seen)
  if #out > screen.height then return end
  local room = screen.width - #indent - columns.of(prefix)
  local line = on_line(value, room, seen)
  if line or not is_plain_table(value) then
    line = line or scalar(value)
    out[#out + 1] = indent .. prefix .. cut(line, math.max(20, room))
    return
  end
  if #indent > 2 * DEPTH_MAX then
    out[#out + 1] = indent .. prefix .. "{ ... }"
    return
  end
  out[#out + 1] = indent .. prefix .. "{"
  seen[value] = true
  for i = 1, #value do
    if #out > screen.height then break end
    add_value(out, "", value[i], screen, indent .. "  ", seen)
  end
  for _, key in ipairs(sorted_keys(value)) do
    if #out > screen.height then break end
    add_value(out, short_key(key) .. " = ", value[key], screen, indent .. "  ", seen)
  end
  seen[value] = nil
  out[#out + 1] = indent .. "}"
end

local function count_entries(t)
  local n = 0
  for _ in next, t do n = n + 1 end
  return n
end

local function plain_table(value, screen)
  local out = {}
  add_value(out, "", value, screen, "", {})
  if #out > screen.height then
    out = table.move(out, 1, screen.height - 1, 1, {})
    out[#out + 1] = paint(screen, "dim", ("... (%s entries)"):format(core.text.number(count_entries(value))))
  end
  return out
end

-- --- confab's own ---

local function items(value, screen)
  local ok, count = pcall(function() return #value end)
  local out = { ok and ("%s items"):format(core.text.number(count)) or "a sequence" }
  for item in value:take(FIRST_ITEMS):iter() do
    add_value(out, "", item, { width = screen.width, height = screen.height + #out, color = false }, "  ", {})
  end
  if not ok or count > FIRST_ITEMS then out[#out + 1] = "  ..." end
  return out
end

local function a_template(value, screen)
  local out = { ("template %s"):format(value.name) }
  for _, part in ipairs { "system", "prompt" } do
    if value[part] ~= nil then
      out[#out + 1] = paint(screen, "key", part)
      add(out, wrap(type(value[part]) == "string" and harmless(value[part]) or "(a function)", screen.width, "  "))
    end
  end
  out[#out + 1] = paint(screen, "dim", "variables: " .. table.concat(value:variables(), ", "))
  return out
end

local function limit(out, screen)
  if #out <= screen.height then return out end
  local more = #out - screen.height + 1
  out = table.move(out, 1, screen.height - 1, 1, {})
  out[#out + 1] = paint(screen, "dim", ("... (%d more lines)"):format(more))
  return out
end

--- The line below a reply or a conversation: score, cost, model.
---@param value confab.Reply|confab.Conversation
---@param screen confab.Screen
---@return string
function show.made_of(value, screen) return paint(screen, "dim", made_of(value)) end

--- The lines of a value.
---@param value any
---@param screen confab.Screen
---@return string[]
local function lines_of(value, screen)
  if errors.is(value) then return { paint(screen, "error", harmless(tostring(value))) } end
  if type(value) == "userdata" and getmetatable(value) ~= nil and pcall(core.conversation.fields, value) then
    return conversation(value, screen)
  end
  if template.is(value) then return a_template(value, screen) end
  if sequence.is(value) then return items(value, screen) end
  if show.is_reply(value) then return reply(value, screen) end
  if type(value) == "string" then return { scalar(value, math.max(STRING_MAX, screen.width * screen.height)) } end
  if is_plain_table(value) then return plain_table(value, screen) end
  return wrap(harmless(tostring(value)), 10000, "")
end

--- A value as text for a terminal.
---@param value any
---@param screen confab.Screen
---@return string
function show.text(value, screen)
  local is_whole = type(value) == "userdata"    -- a conversation, a reply are to be read to their end
  local lines = lines_of(value, screen)
  if not is_whole then lines = limit(lines, screen) end
  return table.concat(lines, "\n")
end

return show
