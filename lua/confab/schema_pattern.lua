--- Patterns of JSON Schema, which are ECMAScript's, as PCRE2 takes them.
---
--- The two differ in what their names for characters mean (`\d` and `\w` are ASCII here, `\s` is not), in `$`, in
--- `\u`, and in names of properties. What ECMAScript does not have is refused.
local core = require "confab.core"

local pattern = {}

local LINE_ENDS = [[\n\r\x{2028}\x{2029}]]

-- What stands for many characters, as ranges: they mean the same within [ ] and without.
local SETS = {
  d = [[0-9]],
  D = [[\x{0}-\x{2f}\x{3a}-\x{10ffff}]],
  w = [[A-Za-z0-9_]],
  W = [[\x{0}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{5e}\x{60}\x{7b}-\x{10ffff}]],
  s = [[\x{9}-\x{d}\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]],
  S = [[\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}]] ..
    [[\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}]],
}

local WORD = "[" .. SETS.w .. "]"
local EDGE = ("(?:(?<=%s)(?!%s)|(?<!%s)(?=%s))"):format(WORD, WORD, WORD, WORD)
local NO_EDGE = ("(?:(?<=%s)(?=%s)|(?<!%s)(?!%s))"):format(WORD, WORD, WORD, WORD)

-- Escapes that stand for the same in both.
local SAME = "[tnvfr0-9]"

local LONG_NAMES = {
  letter = "L", uppercase_letter = "Lu", lowercase_letter = "Ll", titlecase_letter = "Lt", modifier_letter = "Lm",
  other_letter = "Lo", mark = "M", nonspacing_mark = "Mn", spacing_mark = "Mc", enclosing_mark = "Me", number = "N",
  decimal_number = "Nd", digit = "Nd", letter_number = "Nl", other_number = "No", punctuation = "P", symbol = "S",
  math_symbol = "Sm", currency_symbol = "Sc", separator = "Z", space_separator = "Zs", other = "C", control = "Cc",
  alphabetic = "L", white_space = "Xps",
}

local function property(name)
  name = name:match "^General_Category=(.+)$" or name:match "^gc=(.+)$" or name:match "^Script=(.+)$" or
    name:match "^sc=(.+)$" or name
  return LONG_NAMES[name:lower()] or name
end

-- A code point from \u: in braces, four digits, or two surrogates that make one.
local function unicode(text, at)
  local digits, after = text:match("^{(%x+)}()", at)
  if digits then return digits, after end
  digits, after = text:match("^(%x%x%x%x)()", at)
  if not digits then return nil end
  local high = tonumber(digits, 16)
  local low, behind = text:match("^\\u(%x%x%x%x)()", after)
  low = low and tonumber(low, 16)
  if high >= 0xD800 and high < 0xDC00 and low and low >= 0xDC00 and low < 0xE000 then
    return ("%x"):format(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00), behind
  end
  return digits, after
end

-- What follows a backslash at `at`: what it is for PCRE2, and where to go on; nil and why not.
local function escape(text, at, in_class)
  local char = text:sub(at, at)
  if SETS[char] then return in_class and SETS[char] or "[" .. SETS[char] .. "]", at + 1 end
  if char == "b" then return in_class and "\\x{8}" or EDGE, at + 1 end
  if char == "B" and not in_class then return NO_EDGE, at + 1 end
  if char == "u" then
    local digits, after = unicode(text, at + 1)
    if not digits then return nil, "\\u without four digits" end
    return "\\x{" .. digits .. "}", after
  end
  if char == "x" then
    local digits = text:match("^%x%x", at + 1)
    if not digits then return nil, "\\x without two digits" end
    return "\\x{" .. digits .. "}", at + 3
  end
  if char == "p" or char == "P" then
    local name, after = text:match("^{([%w_=]+)}()", at + 1)
    if not name then return nil, "\\" .. char .. " without a {name}" end
    return ("\\%s{%s}"):format(char, property(name)), after
  end
  if char == "c" then
    local letter = text:match("^%a", at + 1)
    if not letter then return nil, "\\c without a letter" end
    return "\\c" .. letter, at + 2
  end
  if char == "k" then
    local name, after = text:match("^<([%w_]+)>()", at + 1)
    if not name then return nil, "\\k without a <name>" end
    return "\\k<" .. name .. ">", after
  end
  if char:find(SAME) or char:find "^%p$" then return "\\" .. char, at + 1 end
  if char == "" then return nil, "a backslash at the end" end
  return nil, "\\" .. char .. ", which ECMAScript does not have"
end

--- The pattern as PCRE2 takes it; nil and why it is none.
---@param text string
---@return string? pattern
---@return string? why
function pattern.translate(text)
  local out, at, in_class = {}, 1, false
  while at <= #text do
    local char = text:sub(at, at)
    if char == "\\" then
      local written, after = escape(text, at + 1, in_class)
      if not written then return nil, after end
      out[#out + 1], at = written, after
    elseif in_class then
      in_class = char ~= "]"
      out[#out + 1], at = char == "[" and "\\[" or char, at + 1
    elseif text:find("^%[%^?%]", at) then
      local is_all = text:sub(at + 1, at + 1) == "^"
      out[#out + 1], at = is_all and "(?s:.)" or "(?!)", at + (is_all and 3 or 2)
    elseif char == "[" then
      local opening = text:match("^%[%^?", at)
      out[#out + 1], at, in_class = opening, at + #opening, true
    elseif char == "$" then
      out[#out + 1], at = "\\z", at + 1
    elseif char == "." then
      out[#out + 1], at = "[^" .. LINE_ENDS .. "]", at + 1
    else
      out[#out + 1], at = char, at + 1
    end
  end
  return table.concat(out)
end

--- A function that tells whether a text matches somewhere: true or false, or nil and why it cannot be told.
--- nil and why where the pattern is none.
---@param text string
---@return (fun(text: string): boolean?, string?)? matcher
---@return string? why
function pattern.compile(text)
  local written, why = pattern.translate(text)
  if not written then return nil, why end
  local ok, regex = pcall(core.regex, written)
  if not ok then return nil, (regex.message or tostring(regex)):gsub("^confab%.regex: ", "") end
  return function(value)
    local matched, first = pcall(regex.find, regex, value)
    if matched then return first ~= nil end
    return nil, ((first.message or tostring(first)):gsub("^regex: ", ""))
  end
end

return pattern
