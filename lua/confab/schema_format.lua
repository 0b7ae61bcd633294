--- The formats of JSON Schema that a provider holds a text to: dates and times of RFC 3339, addresses, names.
---
--- Names in `xn--` are taken as they are: what they stand for is not decoded.
local format = {}

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local MONTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(text)
  local year, month, day = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)$"
  if not year then return false end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local days = MONTHS[month]
  if month == 2 and is_leap(year) then days = 29 end
  return days ~= nil and day >= 1 and day <= days
end

local function is_time(text)
  local hour, minute, second, rest = text:match "^(%d%d):(%d%d):(%d%d)(.*)$"
  if not hour then return false end
  rest = rest:gsub("^%.%d+", "")
  local sign, off_hour, off_minute = rest:match "^([+-])(%d%d):(%d%d)$"
  if not sign then
    if not rest:find "^[Zz]$" then return false end
    sign, off_hour, off_minute = "+", 0, 0
  end
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  off_hour, off_minute = tonumber(off_hour), tonumber(off_minute)
  if hour > 23 or minute > 59 or second > 60 or off_hour > 23 or off_minute > 59 then return false end
  if second < 60 then return true end

  -- A leap second is the last one of a day in UTC.
  local offset = (off_hour * 60 + off_minute) * (sign == "+" and -1 or 1)
  return (hour * 60 + minute + offset) % 1440 == 1439
end

local function is_date_time(text)
  local date, time = text:match "^(.-)[Tt](.*)$"
  return date ~= nil and is_date(date) and is_time(time)
end

-- A part of a duration: numbers with these units, in this order, without a gap; whether there was any.
local function reads_units(text, units)
  local at, last = 1, nil
  while at <= #text do
    local unit, after = text:match("^%d+(%u)()", at)
    local index = unit and units:find(unit, 1, true)
    if not index or (last and index ~= last + 1) then return false end
    at, last = after, index
  end
  return last ~= nil
end

local function is_duration(text)
  if text:find "^P%d+W$" then return true end
  local date, time = text:match "^P([^T]*)T(.*)$"
  if not date then
    date = text:match "^P(.*)$"
    return date ~= nil and reads_units(date, "YMD")
  end
  return (date == "" or reads_units(date, "YMD")) and reads_units(time, "HMS")
end

local function is_ipv4(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 or (#part > 1 and part:sub(1, 1) == "0") then return false end
  end
  return #parts == 4
end

-- Groups of an IPv6 address between colons; nil if one is none.
local function count_groups(text)
  if text == "" then return 0 end
  local count = 0
  for group in (text .. ":"):gmatch "(.-):" do
    if not group:find "^%x%x?%x?%x?$" then return nil end
    count = count + 1
  end
  return count
end

local function is_ipv6(text)
  local most = 8
  local front, ipv4 = text:match "^(.*:)([^:]*%.[^:]*)$"
  if front then
    if not is_ipv4(ipv4) then return false end
    most = 6
    text = front:sub(-2) == "::" and front or front:sub(1, -2)
  end
  local before, after = text:match "^(.-)::(.*)$"
  if not before then return count_groups(text) == most end
  local left, right = count_groups(before), count_groups(after)
  return left ~= nil and right ~= nil and left + right < most
end

local function is_hostname(text)
  if #text == 0 or #text > 253 then return false end
  for label in (text .. "."):gmatch "(.-)%." do
    if #label == 0 or #label > 63 or not label:find "^[%w-]+$" or label:find "^%-" or label:find "%-$" then
      return false
    end
  end
  return true
end

local function is_email(text)
  local name, host = text:match "^(.+)@([^@]+)$"
  if not name then return false end
  local quoted = name:match '^"(.*)"$'
  if quoted then
    quoted = quoted:gsub('\\[%g ]', "")
    if quoted:find '[^%g ]' or quoted:find '["\\]' then return false end
  elseif name:find "[^%w!#$%%&'*+/=?^_`{|}~.-]" or name:find "^%." or name:find "%.$" or name:find("..", 1, true) then
    return false
  end
  local literal = host:match "^%[(.*)%]$"
  if not literal then return is_hostname(host) end
  return is_ipv4(literal) or (literal:find "^IPv6:" ~= nil and is_ipv6(literal:sub(6)))
end

local UNRESERVED = "%w%-._~!$&'()*+,;=:%%"

local function is_authority(text)
  local user, rest = text:match "^([^@]*)@(.*)$"
  if user and user:find("[^" .. UNRESERVED .. "]") then return false end
  rest = rest or text
  local literal, port = rest:match "^%[(.*)%](.*)$"
  if literal then
    return (is_ipv6(literal) or literal:find "^[vV]%x+%.[%w%-._~!$&'()*+,;=:]+$" ~= nil) and
      port:find "^:?%d*$" ~= nil and (port == "" or port:sub(1, 1) == ":")
  end
  local host, number = rest:match "^([^:]*):?(.*)$"
  return not host:find("[^" .. UNRESERVED .. "]") and number:find "^%d*$" ~= nil
end

local function is_uri(text)
  if text:find "[^\x21-\x7E]" or text:find '[\\"<>{}^`|]' then return false end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then return false end
  local rest = text:match "^%a[%w+.-]*:(.*)$"
  if not rest then return false end
  local path, fragment = rest:match "^([^#]*)#?(.*)$"
  if fragment:find "[#%[%]]" then return false end
  path = path:gsub("%?.*$", "")
  local authority, behind = path:match "^//([^/]*)(.*)$"
  if authority then
    if not is_authority(authority) then return false end
    path = behind
  end
  return not path:find "[%[%]]"
end

local function is_uuid(text)
  return text:find("^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "$") ~= nil
end

---@type table<string, fun(text: string): boolean>
format.checks = {
  ["date-time"] = is_date_time, date = is_date, time = is_time, duration = is_duration, email = is_email,
  hostname = is_hostname, ipv4 = is_ipv4, ipv6 = is_ipv6, uri = is_uri, uuid = is_uuid,
}

return format
