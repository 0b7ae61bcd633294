--- The exports that stand in a script's text, as far as they stand there literally: read before anything is
--- sent, nothing of the script is run for it.
local script_exports = {}

-- What a name stands for is not known here; nor is anything that is made of it.
local unknown = setmetatable({}, {})
for _, event in ipairs { "index", "concat", "len", "unm", "add", "sub", "mul", "div", "mod", "pow", "idiv" } do
  getmetatable(unknown)["__" .. event] = function() return unknown end
end
local names = setmetatable({}, { __index = function() return unknown end })

--- The value of an expression without calls; nil if it is not known, or no expression.
local function value_of(text)
  if text:find "[%(%)]" then return nil end
  local chunk = load("return " .. text, "=export", "t", names)
  local ok, value = pcall(chunk or error)
  if not ok or value == unknown then return nil end
  return value
end

local function has_unknown(value)
  if type(value) ~= "table" then return false end
  if value == unknown then return true end
  for name, inner in next, value do
    if name == unknown or has_unknown(inner) then return true end
  end
  return false
end

--- Without the fields that are not known; those of `where` say something each for itself. And whether
--- all are there.
local function known_of(options)
  local known, is_whole = {}, true
  for name, value in next, options do
    if name == "where" and type(value) == "table" and value ~= unknown then
      known[name], is_whole = known_of(value), is_whole and not has_unknown(value)
    elseif name ~= unknown and not has_unknown(value) then
      known[name] = value
    else
      is_whole = false
    end
  end
  return known, is_whole
end

--- The exports in a text: line, path if it is literal, options as far as they are, and whether there
--- is nothing else.
---@param text string
---@return { line: integer, path?: string, options: table, is_whole: boolean }[]
function script_exports.of(text)
  local code = text:gsub("%-%-[^\n]*", "")
  local found, line, at = {}, 1, 1
  for start, arguments in code:gmatch "():export%s*(%b())" do
    line = line + select(2, code:sub(at, start - 1):gsub("\n", ""))
    at = start
    local path, rest = arguments:match "^%(%s*([\"'].-[\"'])%s*([,)].*)$"
    path = path and value_of(path)
    local given = (rest or arguments):match ",%s*(%b{})%s*%)$"
    local value = given and value_of(given)
    local export = { line = line, path = type(path) == "string" and path or nil, options = {}, is_whole = rest == ")" }
    if type(value) == "table" then export.options, export.is_whole = known_of(value) end
    export.is_whole = export.is_whole and export.path ~= nil
    found[#found + 1] = export
  end
  return found
end

return script_exports
