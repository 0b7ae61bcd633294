--- `help(what)`: what the editor's stub says of a name, for reading in a terminal.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"

local help = {}

---@class confab.HelpEntry
---@field name string  "confab.run", "Run:export".
---@field signature string  "confab.run(opts) -> confab.Run".
---@field text string[]  Lines of the description.
---@field params { name: string, type: string, text: string }[]

---@class confab.HelpClass
---@field name string
---@field parent? string
---@field text string[]
---@field fields { name: string, type: string, text: string }[]

---@type table<string, confab.HelpEntry>?
local entries
local order      -- names of entries as the stub has them
---@type table<string, confab.HelpClass>
local classes
local tables     -- by the name of a table of functions, such as "confab.json", its class

--- "{ a: b }? text" as the type and the text: a type ends at white space outside brackets.
local function split_type(rest)
  local depth = 0
  for at = 1, #rest do
    local c = rest:sub(at, at)
    if c:find "[%(%[{<]" then depth = depth + 1 elseif c:find "[%)%]}>]" then depth = depth - 1 end
    local before = rest:sub(at - 1, at - 1)
    if c:find "%s" and depth <= 0 and not before:find "[:,|]" and not rest:find("^%s*|", at) then
      return rest:sub(1, at - 1), rest:sub(at):match "^%s*(.-)%s*$"
    end
  end
  return rest, ""
end

local function named(rest)
  local name, tail = rest:match "^(%S+)%s+(.*)$"
  if not name then return { name = rest, type = "", text = "" } end
  local type_text, text = split_type(tail)
  return { name = name, type = type_text, text = text }
end

local function parse(source)
  entries, order, classes, tables = {}, {}, {}, {}
  local text, params, returns, class = {}, {}, {}, nil
  local function clear() text, params, returns, class = {}, {}, {}, nil end
  local function add(name, entry)
    entry.name, entries[name], order[#order + 1] = name, entry, name
  end
  for line in source:gmatch "([^\n]*)\n?" do
    local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
    if tag == "param" then
      params[#params + 1] = named(rest)
    elseif tag == "return" then
      returns[#returns + 1] = (split_type(rest))
    elseif tag == "class" then
      local name, parent = rest:match "^([%w_%.]+)%s*:?%s*([%w_%.]*)"
      class = { name = name, parent = parent ~= "" and parent or nil, text = text, fields = {} }
      local about = rest:match "^[%w_%.]+%s%s+(.*)$"
      if about then class.text = { about } end
      classes[name], text = class, {}
    elseif tag == "field" and class then
      class.fields[#class.fields + 1] = named(rest)
    elseif line:find "^%-%-%-[^@]" or line == "---" then
      text[#text + 1] = line:sub(4):gsub("^ ", "")
    else
      local name, args = line:match "^function ([%w_%.:]+)(%b())"
      local assigned, value = line:match "^(confab%.[%w_%.]+) = (.*)$"
      local other = entries[value]
      if name then
        local gives = #returns > 0 and " -> " .. table.concat(returns, ", ") or ""
        add(name, { signature = name .. args .. gives, text = text, params = params })
      elseif other then                          -- another name for a function
        add(assigned, { signature = assigned .. other.signature:sub(#value + 1), text = other.text, params = other.params })
      elseif value == "nil" then                 -- a value: confab.null
        add(assigned, { signature = assigned, text = text, params = {} })
      elseif assigned then
        tables[assigned] = class
      end
      if not line:find "^%-%-%-@" then clear() end
    end
  end
end

--- The stub's text: beside this file in a source tree, else compiled in.
local function stub_text()
  local root = debug.getinfo(1, "S").source:match "^@(.+/)confab/help%.lua$"
  local file = root and io.open(root .. "meta/confab.lua", "rb")
  if not file then return core.embedded.read "meta/confab.lua" end
  local text = file:read "a"
  file:close()
  return text
end

local function load_stub()
  if not entries then parse(stub_text()) end
end

--- The fields of a class, those of its parents first.
---@param name string
---@return { name: string, type: string, text: string }[]
function help.fields(name)
  load_stub()
  local class = classes[name]
  if not class then return {} end
  local fields = class.parent and help.fields(class.parent) or {}
  for _, field in ipairs(class.fields) do fields[#fields + 1] = field end
  return fields
end

--- The names of all functions and methods, in the order of the stub.
---@return string[]
function help.names()
  load_stub()
  return order
end

--- The options that a function takes in a table, by name; nil if it takes none.
---@param name string  Such as "confab.run".
---@return string[]?
function help.options(name)
  load_stub()
  local entry = entries[name]
  for _, param in ipairs(entry and entry.params or {}) do
    local fields = help.fields((param.type:gsub("%?$", "")))
    if #fields > 0 then
      local names = {}
      for i, field in ipairs(fields) do names[i] = field.name:gsub("%?$", "") end
      return names
    end
    if param.type:find "^{" then
      local names = {}
      for field in param.type:gmatch "[{,]%s*([%a_][%w_]*)%??:" do names[#names + 1] = field end
      return names
    end
  end
  return nil
end

--- Methods, by the function that a value of the class has.
local function methods_of(value)
  local mt = getmetatable(value)
  local index = type(mt) == "table" and mt.__index
  return type(index) == "table" and index or {}
end

--- The name under which the stub has a function of the running program.
local function name_of(fn)
  local confab = require "confab"
  local function search(at, prefix, separator)
    for key, value in next, at do
      if rawequal(value, fn) and entries[prefix .. separator .. tostring(key)] then
        return prefix .. separator .. key
      end
    end
  end
  local name = search(confab, "confab", ".")
  for key, value in next, confab do
    if not name and type(value) == "table" then
      if rawequal(value, fn) then return "confab." .. key end
      name = search(value, "confab." .. key, ".") or search(value, "confab." .. key, ":")
    end
  end
  local of_class = {
    Conversation = core.conversation.methods, Sequence = methods_of(confab.list {}), Regex = methods_of(confab.regex "a"),
    Run = require "confab.results".methods, Template = require "confab.template".methods,
    Limiter = methods_of(confab.limiter {}), RetryManager = methods_of(confab.retry {}),
  }
  for class, methods in next, of_class do name = name or search(methods, class, ":") end
  return name or search(require "confab.defined".methods, "Run", ":")
end

local function wrap(text, width, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and core.text.length(line) + 1 + core.text.length(word) > width - #indent then
      lines[#lines + 1], line = indent .. line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  if line ~= "" then lines[#lines + 1] = indent .. line end
  return lines
end

local function add_paragraphs(out, text, width)
  local paragraph = {}
  local function flush()
    if #paragraph > 0 then table.move(wrap(table.concat(paragraph, " "), width, "  "), 1, 1000, #out + 1, out) end
    paragraph = {}
  end
  for _, line in ipairs(text) do
    if line == "" then
      flush()
    elseif line:find "^Example:" then
      flush()
      out[#out + 1] = "  " .. line
    else
      paragraph[#paragraph + 1] = line
    end
  end
  flush()
end

local function add_table(out, rows, width)
  local widest = 0
  for _, row in ipairs(rows) do widest = math.max(widest, #row.name) end
  for _, row in ipairs(rows) do
    local indent = (" "):rep(widest + 6)
    local about = row.text ~= "" and row.text or row.type
    local lines = wrap(about, width, indent)
    lines[1] = ("    %-" .. widest .. "s  %s"):format(row.name, lines[1] and lines[1]:sub(#indent + 1) or "")
    table.move(lines, 1, #lines, #out + 1, out)
  end
end

local function text_of(entry, width)
  local out = { entry.signature, "" }
  add_paragraphs(out, entry.text, width)
  for _, param in ipairs(entry.params) do
    local fields = help.fields((param.type:gsub("%?$", "")))
    if #fields > 0 or param.text ~= "" then
      if out[#out] ~= "" then out[#out + 1] = "" end
      out[#out + 1] = ("  %s%s"):format(param.name, param.text ~= "" and ": " .. param.text or "")
      add_table(out, fields, width)
    end
  end
  while out[#out] == "" do out[#out] = nil end
  return table.concat(out, "\n")
end

local function list_text(width)
  local out = { "help(confab.run) tells of one of these:", "" }
  local widest = 0
  for _, name in ipairs(order) do widest = math.max(widest, #name) end
  for _, name in ipairs(order) do
    local about = table.concat(entries[name].text, " "):match "^(.-[^%.]%.)%s" or table.concat(entries[name].text, " ")
    local room = math.max(20, width - widest - 4)
    if core.text.length(about) > room then
      local cut = about:sub(1, room - 1)
      about = cut:sub(1, core.text.valid_prefix(cut)) .. "…"
    end
    out[#out + 1] = ("  %-" .. widest .. "s  %s"):format(name, about):gsub("%s+$", "")
  end
  return table.concat(out, "\n")
end

--- The text of `help(what)`.
---@param what any  A function or a table of confab's, a name such as "confab.run" or "run:export"; nil: all names.
---@param width? integer  Columns (default: 100).
---@return string
function help.text(what, width)
  load_stub()
  width = width or 100
  if what == nil then return list_text(width) end
  local name = type(what) == "string" and what or name_of(what)
  if not name then
    error(errors.new("config_error", "help: there is nothing to tell of that value; help() lists the names"), 0)
  end
  local entry = entries[name]
  if not entry then
    local method = name:match "[:.]([%w_]+)$"
    for _, known in ipairs(order) do
      local is_same = known:lower() == name:lower() or known == "confab." .. name
      local is_method = method and known:find(":" .. method .. "$") and not name:find "^confab%."
      if is_same or is_method then entry = entry or entries[known] end
    end
  end
  if entry then return text_of(entry, width) end

  local members = {}
  for _, known in ipairs(order) do
    if known:find("^" .. name:gsub("%p", "%%%0") .. "[:.]") then
      members[#members + 1] = { name = known, type = "", text = table.concat(entries[known].text, " "):match "^(.-[^%.]%.)%s" or
        table.concat(entries[known].text, " ") }
    end
  end
  if #members == 0 then
    local near = options.nearest(name, order)
    error(errors.new("config_error", ("help: there is no %s%s"):format(name, near and "; did you mean " .. near .. "?" or
      "; help() lists the names")), 0)
  end
  local out, class = { name, "" }, tables[name]
  if class and #class.text > 0 then
    add_paragraphs(out, class.text, width)
    out[#out + 1] = ""
  end
  for _, field in ipairs(class and class.fields or {}) do
    table.insert(members, 1, { name = name .. "." .. field.name, type = field.type, text = field.text })
  end
  add_table(out, members, width)
  return table.concat(out, "\n")
end

return help
