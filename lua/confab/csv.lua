--- CSV as people have it, record by record, from a reader.
local core = require "confab.core"

local byte, find, sub = string.byte, string.find, string.sub

local csv = {}

-- A quote that nobody closed would swallow the file: this much, then it is an error.
local FIELD_BYTES_MAX = 4 * 1024 * 1024

local QUOTE, CR, LF = 34, 13, 10

--- Returns a function that gives the fields of the next record, the line where it began and
--- whether its first field was quoted; nil at the end. Ends of records are LF, CR LF or CR, mixed
--- as they come; inside quotes they belong to the field and stay as they are.
---@param reader confab.Reader
---@param separator string  One byte.
---@return fun(): string[]?, integer, boolean
function csv.records(reader, separator)
  local separator_byte = byte(separator)
  local plain_end = "[%" .. separator .. "\r\n]"
  local text, at, line = "", 1, 1    -- what is not yet taken begins at `at`

  -- Adds a block; positions count from `at`, which becomes 1. False at the end of the file.
  local function more()
    local block = reader:read()
    if not block then return false end
    text = sub(text, at) .. block
    at = 1
    return true
  end

  local function check_size(opened)
    if #text - at > FIELD_BYTES_MAX then
      reader:fail(opened, ("a field of more than %d MB begins here; is its quote closed?")
        :format(FIELD_BYTES_MAX // 1024 // 1024))
    end
  end

  -- The field whose opening quote is at `at`. Leaves `at` behind the closing one.
  local function quoted()
    local opened, from, doubled = line, at + 1, false
    while true do
      local stop = find(text, '"', from, true)
      if not stop then
        local seen = #text - at + 1
        check_size(opened)
        if not more() then reader:fail(opened, "the quote opened on this line is never closed") end
        from = seen + 1
      else
        if stop == #text then
          local length = stop - at
          more()
          stop = at + length
        end
        if byte(text, stop + 1) ~= QUOTE then
          local value = sub(text, at + 1, stop - 1)
          at = stop + 1
          if doubled then value = value:gsub('""', '"') end
          if find(value, "[\r\n]") then line = line + core.text.newlines(value) end
          return value
        end
        doubled = true
        from = stop + 2
      end
    end
  end

  local function plain()
    local stop = find(text, plain_end, at)
    while not stop and more() do
      check_size(line)
      stop = find(text, plain_end, at)
    end
    stop = stop or #text + 1
    local value = sub(text, at, stop - 1)
    at = stop
    return value
  end

  return function()
    if at > #text and not more() then return nil end
    local fields, n, opened = {}, 0, line
    local first_is_quoted = byte(text, at) == QUOTE

    while true do
      n = n + 1
      fields[n] = byte(text, at) == QUOTE and quoted() or plain()
      if at > #text then more() end

      local stop = byte(text, at)
      if stop == separator_byte then
        at = at + 1
        if at > #text then more() end
      elseif stop == CR or stop == LF then
        at = at + (stop == CR and byte(text, at + 1) == LF and 2 or 1)
        line = line + 1
        return fields, opened, first_is_quoted
      elseif stop == nil then
        return fields, opened, first_is_quoted
      else
        reader:fail(line,
          "text follows a closing quote; a quote inside a quoted field is written twice")
      end
    end
  end
end

return csv
