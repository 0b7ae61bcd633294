--- Templates in files of their own: the prompt's text, below a few settings between `---` lines.
---
---     ---
---     name: support-chat
---     max_tokens: 2048
---     system: |
---       You write realistic customer-support conversations as JSON.
---     ---
---     Write a chat about {{topic}}.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"
local template = require "confab.template"

local template_file = {}

local FENCE = "---"

-- What may stand above the text, and whether it is a number.
local keys = {
  name = false, tier = false, model = false, max_tokens = true, temperature = true, system = false, schema = false,
}

local function fail(path, line, message)
  local where = line and ("%s:%d: "):format(path, line) or path .. ": "
  error(errors.new("config_error", where .. message, { file = path, line = line }), 0)
end

local function read(path)
  local file, why = io.open(path, "rb")
  local text
  if file then
    text, why = file:read("a")
    file:close()
  end
  if not text then fail(path, nil, (why:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", ""))) end
  return text
end

local function line_at(text, position)
  return core.text.newlines(text:sub(1, position - 1)) + 1
end

--- The lines of a text without their ends; each with the position behind it.
local function split(text)
  local lines, from = {}, 1
  while from <= #text do
    local stop = text:find("\n", from, true) or #text + 1
    lines[#lines + 1] = { text = text:sub(from, stop - 1):gsub("\r$", ""), next = stop + 1 }
    from = stop + 1
  end
  return lines
end

local function unquote(value)
  return value:match('^"(.*)"$') or value:match("^'(.*)'$") or value
end

--- The indented lines from `first` on as one text, the number of the line behind them, and the
--- column at which the text begins.
local function block(lines, first)
  local texts, indent, at = {}, nil, first
  while lines[at] and (lines[at].text:find("^%s") or lines[at].text == "") do
    indent = indent or lines[at].text:match("^%s+")
    local line = lines[at].text
    local is_deeper = indent and line:sub(1, #indent) == indent
    texts[#texts + 1] = is_deeper and line:sub(#indent + 1) or line:match("^%s*(.*)$")
    at = at + 1
  end
  while texts[#texts] == "" do texts[#texts] = nil end
  return table.concat(texts, "\n"), at, #(indent or "") + 1
end

local function unknown(path, at, key)
  local names = {}
  for name in next, keys do names[#names + 1] = name end
  table.sort(names)
  local near = options.nearest(key, names)
  fail(path, at, ("unknown setting %q; %s"):format(key,
    near and ("did you mean %q?"):format(near) or "there are " .. table.concat(names, ", ")))
end

--- The settings between the first two fences, the number of the line that closes them, and where
--- the system prompt begins.
local function read_settings(path, lines)
  local settings, at = {}, 2
  local system
  while lines[at] and lines[at].text ~= FENCE do
    local line = lines[at].text
    local key, value = line:match("^([%w_]+)%s*:%s*(.-)%s*$")
    if line:find("^%s*$") or line:find("^#") then
      at = at + 1
    elseif not key then
      fail(path, at, ("a line like \"name: value\" was expected, not %s")
        :format(errors.show(line, 60)))
    else
      if keys[key] == nil then unknown(path, at, key) end
      if settings[key] ~= nil then fail(path, at, ("%s is given twice"):format(key)) end
      local number = tonumber(value)
      if keys[key] and not number then
        fail(path, at, ("%s must be a number, not %s"):format(key, errors.show(value, 60)))
      end
      if (key == "system" or key == "schema") and (value == "" or value == "|") then
        local place = { file = path, line = at + 1 }
        settings[key], at, place.column = block(lines, at + 1)
        if key == "system" then system = place end
      else
        settings[key] = keys[key] and number or unquote(value)
        if key == "system" then
          local start = line:find(settings.system, #key + 1, true)
          system = { file = path, line = at, column = utf8.len(line, 1, start) }
        end
        at = at + 1
      end
    end
  end
  if not lines[at] then fail(path, 1, "the settings have no closing --- line") end
  return settings, at, system
end

--- The name of a file without folder and extension.
local function name_of(path)
  local name = path:match("[^/]*$")
  return name:match("^(.+)%.[^.]*$") or name
end

--- The template in a file. Its name is that of the file unless the settings give one; what stands
--- in `opts` wins over the file.
--- Example: `local t = confab.template_file("prompts/support-chat.md")`
---@param path string
---@param opts? confab.TemplateOptions  Whatever confab.template takes but the prompt.
---@return confab.Template
function template_file.load(path, opts)
  if type(path) ~= "string" then errors.misuse("confab.template_file: a path was expected") end
  if opts ~= nil and type(opts) ~= "table" then
    errors.misuse("confab.template_file: the options must be a table")
  end

  local text = read(path):gsub("^\xEF\xBB\xBF", "")
  local bad = core.text.invalid_at(text)
  if bad then fail(path, line_at(text, bad), "not valid UTF-8") end

  local fields, lines, first, system = {}, split(text), 1, nil
  if lines[1] and lines[1].text == FENCE then
    local closing
    fields, closing, system = read_settings(path, lines)
    text, first = text:sub(lines[closing].next), closing + 1
  end
  fields.prompt = text:gsub("\r?\n$", "")
  if not fields.prompt:find("%S") then fail(path, first, "there is no prompt") end

  fields.name = fields.name or name_of(path)
  local places = { prompt = { file = path, line = first, column = 1 }, system = system }
  for name, value in next, opts or {} do
    fields[name] = value
    places[name] = nil
  end
  local ok, made = pcall(template.new, fields, places)
  if ok then return made end
  if not errors.is(made) then error(made, 0) end
  local message = made.message:gsub("^[^\n]-:%d+: ", "", 1)    -- without the script's line
  local line = message:match(", line (%d+), column ")
  if line and message:sub(1, #path + 10) == "template " .. path .. "," then
    error(errors.new("config_error", message, { file = path, line = tonumber(line) }), 0)
  end
  return fail(path, nil, message)
end

return template_file
