--- Reads text files in blocks and checks what comes in, so that every input fails alike.
local core = require "confab.core"
local errors = require "confab.errors"

local text = core.text

local reader = {}

-- The ids of documents are made from blocks of this size: changing it changes them.
local BLOCK_BYTES = 65536
local LINE_BYTES_MAX = 64 * 1024 * 1024    -- what a JSON text may be at most

---@class confab.Reader
---@field path string
---@field number integer  Of the line that line() gave last.
local Reader = {}
Reader.__index = Reader

local encodings = {
  ["utf-8"] = "utf-8", utf8 = "utf-8",
  latin1 = "latin1", ["latin-1"] = "latin1", ["iso-8859-1"] = "latin1",
}

--- How an `encoding` option is checked.
---@type confab.OptionSpec
reader.encoding_spec = {
  type = "string", default = "utf-8",
  check = function(name)
    if encodings[name:lower()] then return nil end
    return ('must be "utf-8" or "latin1", not %q'):format(name)
  end,
}

--- Raises a config_error about an input file.
---@param path string
---@param line? integer
---@param message string
---@param fields? table
function reader.fail(path, line, message, fields)
  fields = fields or {}
  fields.file, fields.line = path, line
  local where = line and ("%s:%d: "):format(path, line) or path .. ": "
  error(errors.new("config_error", where .. message, fields), 0)
end

--- Opens a file for one reading from its beginning.
---@param path string
---@param encoding? string  "utf-8" (the default) or "latin1".
---@return confab.Reader
function reader.open(path, encoding)
  local kind, why = core.fs.kind(path)
  if not kind then reader.fail(path, nil, why) end
  if kind == "directory" then reader.fail(path, nil, "this is a directory, not a file") end
  local file, refused = io.open(path, "rb")
  if not file then
    reader.fail(path, nil, (refused:gsub("^" .. path:gsub("%p", "%%%0") .. ": ", "")))
  end

  return setmetatable({
    path = path, file = file, is_latin1 = encodings[(encoding or "utf-8"):lower()] == "latin1",
    carry = "",      -- the beginning of a character that the last block cut in two
    lines = 0,       -- ends of lines before the block to come
    bytes = 0,       -- bytes of the file before the block to come, carry included
    text = "", at = 1, number = 0,    -- what line() has not given yet
  }, Reader)
end

--- Closes the file; twice is fine.
function Reader:close()
  if io.type(self.file) == "file" then self.file:close() end
end

---@param line? integer
---@param message string
---@param fields? table
function Reader:fail(line, message, fields)
  self:close()
  reader.fail(self.path, line, message, fields)
end

local function line_at(self, block, position)
  return self.lines + text.newlines(block:sub(1, position - 1)) + 1
end

local function check_nul(self, block)
  local nul = block:find("\0", 1, true)
  if nul then
    local offset = self.bytes + nul - 1
    self:fail(line_at(self, block, nul),
      ("a NUL byte at byte %d of the file; this is no text file"):format(offset), { byte = offset })
  end
end

--- The longest part of the block that is whole characters; the rest is carried over.
local function check_utf8(self, block, is_last)
  local valid = text.valid_prefix(block)
  if valid == #block then return block, "" end
  if not is_last and #block - valid < 4 then return block:sub(1, valid), block:sub(valid + 1) end

  local offset = self.bytes + valid
  local message = ("invalid UTF-8: byte 0x%02X at byte %d of the file; "):format(
    block:byte(valid + 1), offset) .. 'if the file is in Latin-1, say encoding = "latin1"'
  self:fail(line_at(self, block, valid + 1), message, { byte = offset })
end

local function check_start(self, block)
  if block == "" then self:fail(nil, "the file is empty") end
  local mark = block:sub(1, 2)
  if mark == "\xFF\xFE" or mark == "\xFE\xFF" then
    self:fail(nil, "the file is in UTF-16; save it as UTF-8")
  end
end

--- The next block of text in UTF-8, without a byte order mark; never cut inside a character or
--- between CR and LF. Nil at the end. Raises a config_error for what is no text.
---@return string?
function Reader:read()
  if io.type(self.file) ~= "file" then return nil end
  local is_first = self.bytes == 0 and self.carry == ""
  local raw, why = self.file:read(BLOCK_BYTES)
  if not raw and why then self:fail(nil, why) end
  if raw and raw:byte(-1) == 13 then raw = raw .. (self.file:read(1) or "") end
  if is_first then check_start(self, raw or "") end

  local block, carry = self.carry .. (raw or ""), ""
  check_nul(self, block)
  if not self.is_latin1 then block, carry = check_utf8(self, block, raw == nil) end
  self.carry = carry
  self.bytes = self.bytes + #block
  self.lines = self.lines + text.newlines(block)
  if not raw then
    self:close()
    return nil
  end

  if self.is_latin1 then return text.from_latin1(block) end
  if is_first and block:sub(1, 3) == "\xEF\xBB\xBF" then
    block = block:sub(4)
    if block == "" then self:fail(nil, "the file is empty") end
  end
  return block
end

--- The next block with every end of line as LF.
---@return string?
function Reader:read_lf()
  local block = self:read()
  if block and block:find("\r", 1, true) then block = block:gsub("\r\n?", "\n") end
  return block
end

--- The next line without its end (LF, CR LF or CR); nil at the end. Its number is in `number`.
---@return string?
function Reader:line()
  local parts, size = nil, 0
  while true do
    local stop = self.text:find("\n", self.at, true)
    if stop then
      local line = self.text:sub(self.at, stop - 1)
      self.at = stop + 1
      self.number = self.number + 1
      if not parts then return line end
      parts[#parts + 1] = line
      return table.concat(parts)
    end

    local rest = self.text:sub(self.at)
    if rest ~= "" then
      parts = parts or {}
      parts[#parts + 1] = rest
      size = size + #rest
    end
    if size > LINE_BYTES_MAX then
      local megabytes = LINE_BYTES_MAX // 1024 // 1024
      self:fail(self.number + 1, ("a line of more than %d MB"):format(megabytes))
    end
    self.text, self.at = self:read_lf(), 1
    if not self.text then
      self.text = ""
      if not parts then return nil end
      self.number = self.number + 1
      return table.concat(parts)
    end
  end
end

return reader
