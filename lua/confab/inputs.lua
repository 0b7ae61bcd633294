--- Input files as sequences: lines, CSV, JSON lines, lists, pieces of documents. Nothing is read
--- before a sequence is walked, files are streamed, and each walk opens them anew.
local chunks = require "confab.chunks"
local core = require "confab.core"
local csv = require "confab.csv"
local errors = require "confab.errors"
local options = require "confab.options"
local reader = require "confab.reader"
local sequence = require "confab.sequence"

local inputs = {}

local function check_path(path, what)
  if type(path) ~= "string" then
    errors.misuse(("%s: a path was expected, not a %s"):format(what, type(path)))
  end
end

--- A sequence from a file: `start(input)` returns a function that gives the items of an open
--- reader.
local function from_file(path, encoding, start)
  return sequence.new {
    open = function()
      local input, next_item
      return function()
        if not input then
          input = reader.open(path, encoding)
          next_item = start(input)
        end
        return next_item()
      end, function() if input then input:close() end end
    end,
  }
end

local function is_blank(line)
  return not line:find("%S")
end

--- The lines of a text file, without their ends. Blank lines are left out unless asked for.
---@param path string
---@param opts? { encoding?: "utf-8"|"latin1", keep_blank?: boolean }
---@return confab.Sequence
function inputs.lines(path, opts)
  check_path(path, "confab.lines")
  opts = options.check(opts, {
    encoding = reader.encoding_spec, keep_blank = { type = "boolean", default = false },
  }, "confab.lines")

  return from_file(path, opts.encoding, function(input)
    local given = 0
    return function()
      local line = input:line()
      while line and is_blank(line) and not opts.keep_blank do line = input:line() end
      if not line and given == 0 then input:fail(nil, "the file holds only blank lines") end
      given = given + 1
      return line
    end
  end)
end

local function trimmed(text)
  return text:match("^%s*(.-)%s*$")
end

--- The names of a header record; they must be usable as names.
local function check_names(input, line, fields)
  local names, columns = {}, {}
  for i, field in ipairs(fields) do
    local name = trimmed(field)
    if name == "" then input:fail(line, ("column %d has no name in the header"):format(i)) end
    if columns[name] then
      input:fail(line, ("columns %d and %d of the header are both called %q")
        :format(columns[name], i, name))
    end
    columns[name] = i
    names[i] = name
  end
  return names
end

---@class confab.CsvOpts
---@field separator? string  One character (default: a comma).
---@field header? boolean|string[]  false: records are lists; a list: names for a file without any.
---@field encoding? "utf-8"|"latin1"

local csv_specs = {
  separator = {
    type = "string",
    check = function(s)
      if #s == 1 and (s == "\t" or not s:find('[%w%s"]')) then return nil end
      return ("must be one character such as , or ; not %q"):format(s)
    end,
  },
  header = { type = { "boolean", "list" }, default = true },
  encoding = reader.encoding_spec,
}

--- The records of a CSV file as tables of strings by column name. Quoted fields may hold
--- separators, doubled quotes and line breaks; blank lines are left out; a record with more or
--- fewer fields than the header is an error that names its line.
--- Example: `for row in confab.csv("personas.csv"):iter() do print(row.name) end`
---@param path string
---@param opts? confab.CsvOpts
---@return confab.Sequence
function inputs.csv(path, opts)
  check_path(path, "confab.csv")
  opts = options.check(opts, csv_specs, "confab.csv")
  local separator = opts.separator or ","

  return from_file(path, opts.encoding, function(input)
    local next_record = csv.records(input, separator)
    local names, width, given = nil, nil, 0

    local function record()
      local fields, line, is_quoted = next_record()
      while fields and #fields == 1 and not is_quoted and is_blank(fields[1]) do
        fields, line, is_quoted = next_record()
      end
      return fields, line
    end

    local function start()
      if type(opts.header) == "table" then
        names = check_names(input, nil, opts.header)
      elseif opts.header then
        local fields, line = record()
        if not fields then input:fail(nil, "the file holds only blank lines") end
        names = check_names(input, line, fields)
        local other = #names == 1 and not opts.separator and names[1]:match("[;\t|]")
        if other then
          local message = "the header is one column, %q; " ..
            'say separator = %q if that separates columns, or ","'
          input:fail(line, (message:format(names[1], other):gsub("\\9", "\\t")))
        end
      end
      width = names and #names
    end

    return function()
      if not width then start() end
      local fields, line = record()
      if not fields then
        if given == 0 then input:fail(nil, "the file has no records") end
        return nil
      end
      width = width or #fields
      if #fields ~= width then
        local noun = #fields == 1 and "field" or "fields"
        local measure = names and "the header" or "the first record"
        input:fail(line, ("found %d %s where %s has %d"):format(#fields, noun, measure, width),
          { expected = width, found = #fields })
      end
      given = given + 1
      if not names then return core.json.array(fields) end
      local item = {}
      for i = 1, width do item[names[i]] = fields[i] end
      return item
    end
  end)
end

--- The values of a file of JSON lines; blank lines are left out.
---@param path string
---@return confab.Sequence
function inputs.jsonl(path)
  check_path(path, "confab.jsonl")
  return from_file(path, "utf-8", function(input)
    local given = 0
    return function()
      local line = input:line()
      while line and is_blank(line) do line = input:line() end
      if not line then
        if given == 0 then input:fail(nil, "the file holds only blank lines") end
        return nil
      end
      given = given + 1
      local ok, value = pcall(core.json.decode, line)
      if not ok then
        local message = errors.is(value) and value.message or tostring(value)
        input:fail(input.number, "bad JSON: " .. message:gsub("^line 1, ", ""))
      end
      return value
    end
  end)
end

--- A sequence of the entries of a list. They are not copied.
---@param items any[]
---@return confab.Sequence
function inputs.list(items)
  if type(items) ~= "table" then
    errors.misuse("confab.list: a list was expected, not a " .. type(items))
  end
  local count = 0
  for _ in next, items do count = count + 1 end
  if count ~= #items then
    errors.misuse("confab.list: a list without holes or names was expected")
  end
  return sequence.list(items)
end

inputs.chunks = chunks.new

return inputs
