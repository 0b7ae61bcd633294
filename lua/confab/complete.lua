--- Completion of a line of the REPL: globals, fields and methods, option names, file names. Nothing is called
--- or sent for it.
local core = require "confab.core"
local help = require "confab.help"

local complete = {}

local CANDIDATES_MAX = 200

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
  "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

--- Where the text stands at its end: within a string (and what of it), and within which braces.
---@return { in_string?: string, open: { kind: string, callee?: string, at: integer }[] }
local function scan(text)
  local state, at = { open = {} }, 1
  while at <= #text do
    local c = text:sub(at, at)
    if text:find("^%-%-", at) then
      at = (text:find("\n", at, true) or #text) + 1
    elseif c == '"' or c == "'" then
      local from = at + 1
      at = from
      while at <= #text and text:sub(at, at) ~= c and text:sub(at, at) ~= "\n" do
        at = at + (text:sub(at, at) == "\\" and 2 or 1)
      end
      if at > #text then state.in_string = text:sub(from) end
      at = at + 1
    elseif text:find("^%[=*%[", at) then
      local level = text:match("^%[(=*)%[", at)
      local _, to = text:find("]" .. level .. "]", at, true)
      if not to then state.in_string = text:sub(at + #level + 2) end
      at = (to or #text) + 1
    elseif c == "{" or c == "(" then
      local callee = text:sub(1, at - 1):match "([%a_][%w_%.:]*)%s*$"
      local around = state.open[#state.open]
      if not callee and c == "{" and around and around.kind == "(" then callee = around.callee end
      state.open[#state.open + 1] = { at = at, kind = c, callee = callee }
      at = at + 1
    elseif c == "}" or c == ")" then
      state.open[#state.open] = nil
      at = at + 1
    else
      at = at + 1
    end
  end
  return state
end

--- What a value has: keys of a table, fields and methods of an object.
local function members(value)
  local names = {}
  local function add(t)
    for key in next, t do
      if type(key) == "string" and key:find "^[%a_][%w_]*$" then names[key] = t[key] end
    end
  end
  if type(value) == "string" then value = {} add(string) return names end
  local mt = getmetatable(value)
  local index = type(mt) == "table" and rawget(mt, "__index")
  if type(index) == "table" then add(index) end
  local is_private = mt and (mt.__name == "confab.run" or mt.__name == "confab.sequence")
  if type(value) == "table" and not is_private then add(value) end
  local ok, fields = pcall(core.conversation.fields, value)
  if ok then
    add(core.conversation.methods)
    add(fields)
    names.turns = {}
  end
  local results = require "confab.results"
  local template = require "confab.template"
  if mt and mt.__name == "confab.run" then
    add(results.methods)
    if rawget(value, "begin") then names.start = value.start end      -- only defined so far
    for _, name in ipairs { "id", "name", "state", "summary", "account" } do names[name] = "" end
  end
  if template.is(value) then add(template.methods) end
  return names
end

--- The value of "a.b.c" without calling anything; nil if it cannot be told.
local function value_of(path, globals)
  local value = globals
  for name in path:gmatch "[^%.:]+" do
    if value == nil then return nil end
    value = value == globals and globals[name] or members(value)[name]
  end
  return value
end

local function sorted(list)
  table.sort(list)
  local unique = {}
  for _, name in ipairs(list) do
    if name ~= unique[#unique] and #unique < CANDIDATES_MAX then unique[#unique + 1] = name end
  end
  return unique
end

local function starting(names, prefix, suffix_of)
  local list = {}
  for name, value in next, names do
    if name:sub(1, #prefix) == prefix then list[#list + 1] = name .. (suffix_of and suffix_of(value) or "") end
  end
  return list
end

--- Files and folders whose path begins so; a folder ends in a slash.
local function files(prefix)
  local folder, name = prefix:match "^(.-)([^/]*)$"
  local escaped = (folder .. name):gsub("[%*%?%[]", "[%0]")
  local list = {}
  for _, path in ipairs(core.fs.glob(escaped .. "*") or {}) do
    local is_hidden = path:match "([^/]*)$":sub(1, 1) == "." and name:sub(1, 1) ~= "."
    if not is_hidden then list[#list + 1] = path .. (core.fs.kind(path) == "directory" and "/" or "") end
  end
  return list
end

--- The option names of the call whose braces are open, if one may stand here.
local function options_here(text, state, word)
  local top = state.open[#state.open]
  if not top or top.kind ~= "{" or not top.callee or word:find "[%.:]" then return nil end
  local before = text:sub(top.at + 1, #text - #word):match "(%S?)%s*$"
  if before ~= "" and before ~= "," and before ~= ";" then return nil end
  local callee = top.callee
  local names = help.options(callee)
  if not names and callee:find ":" then    -- run:export { ... }: a method of some class
    for _, known in ipairs(help.names()) do
      if known:match ":([%w_]+)$" == callee:match ":([%w_]+)$" then names = names or help.options(known) end
    end
  end
  return names
end

--- How the text before the cursor may go on.
---@param text string  Of the whole input, up to the cursor.
---@param globals table
---@return integer from  The byte of the text from which on a candidate stands.
---@return string[] candidates
function complete.candidates(text, globals)
  local state = scan(text)
  if state.in_string then return #text - #state.in_string + 1, sorted(files(state.in_string)) end
  local word = text:match "[%a_][%w_%.:]*$" or ""
  local names = options_here(text, state, word)
  if names then
    local list = {}
    for _, name in ipairs(names) do
      if name:sub(1, #word) == word then list[#list + 1] = name .. " = " end
    end
    if #list > 0 then return #text - #word + 1, sorted(list) end
  end
  local path, separator, prefix = word:match "^(.-)([%.:])([%w_]*)$"
  local list = {}
  if path then
    local value = value_of(path, globals)
    if value ~= nil then
      for name, member in next, members(value) do
        local fits = name:sub(1, #prefix) == prefix and (separator == "." or type(member) == "function")
        if fits then list[#list + 1] = name end
      end
    end
    return #text - #prefix + 1, sorted(list)
  end
  if word == "" then return #text + 1, {} end
  list = starting(globals, word)
  for _, keyword in ipairs(keywords) do
    if keyword:sub(1, #word) == word then list[#list + 1] = keyword end
  end
  return #text - #word + 1, sorted(list)
end

return complete
