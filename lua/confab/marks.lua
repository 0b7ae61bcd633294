--- A set of ordinals, a bit each: a million items fit in a few hundred KB.
local marks = {}

---@class confab.Marks
---@field count integer
local Marks = {}
Marks.__index = Marks

---@return confab.Marks
function marks.new()
  return setmetatable({ count = 0, words = {} }, Marks)
end

--- Adds a number that is not in the set yet.
---@param ordinal integer  From 0.
function Marks:add(ordinal)
  local at = ordinal >> 6
  for fill = #self.words, at do self.words[fill + 1] = 0 end
  self.words[at + 1] = self.words[at + 1] | 1 << (ordinal & 63)
  self.count = self.count + 1
end

--- Adds the first n numbers to an empty set.
---@param n integer
function Marks:add_first(n)
  for at = 0, (n >> 6) - 1 do self.words[at + 1] = -1 end
  if n & 63 > 0 then self.words[(n >> 6) + 1] = (1 << (n & 63)) - 1 end
  self.count = n
end

---@param ordinal integer
---@return boolean
function Marks:has(ordinal)
  local word = self.words[(ordinal >> 6) + 1]
  return word ~= nil and word & 1 << (ordinal & 63) ~= 0
end

return marks
