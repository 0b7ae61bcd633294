--- How many columns of a terminal a text takes: East Asian characters and emoji two, marks that sit on others none.
local columns = {}

-- First and last code points, and columns, in order.
local RANGES = {
  { 0x300, 0x36F, 0 }, { 0x1100, 0x115F, 2 }, { 0x200B, 0x200F, 0 }, { 0x2E80, 0x303E, 2 }, { 0x3041, 0xA4CF, 2 },
  { 0xA960, 0xA97F, 2 }, { 0xAC00, 0xD7A3, 2 }, { 0xF900, 0xFAFF, 2 }, { 0xFE00, 0xFE0F, 0 }, { 0xFE30, 0xFE6F, 2 },
  { 0xFF01, 0xFF60, 2 }, { 0xFFE0, 0xFFE6, 2 }, { 0x1F300, 0x1F64F, 2 }, { 0x1F680, 0x1F6FF, 2 },
  { 0x1F900, 0x1F9FF, 2 }, { 0x20000, 0x3FFFD, 2 },
}

local function of_character(code)
  if code < RANGES[1][1] then return 1 end
  for _, range in ipairs(RANGES) do
    if code <= range[2] then return code >= range[1] and range[3] or 1 end
  end
  return 1
end

local function is_counted_by_bytes(text) return not text:find "[\x80-\xFF]" or not utf8.len(text) end

---@param text string
---@return integer
function columns.of(text)
  if is_counted_by_bytes(text) then return #text end
  local sum = 0
  for _, code in utf8.codes(text) do sum = sum + of_character(code) end
  return sum
end

--- The bytes at the beginning of a text that fill at most so many columns.
---@param text string
---@param room integer
---@return integer
function columns.fitting(text, room)
  if is_counted_by_bytes(text) then return math.min(#text, math.max(room, 0)) end
  for at, code in utf8.codes(text) do
    room = room - of_character(code)
    if room < 0 then return at - 1 end
  end
  return #text
end

return columns
