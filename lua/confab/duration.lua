--- Spans of time as scripts give them: 90, "90s", "30m", "6h", "2d".
local duration = {}

local SECONDS = { s = 1, m = 60, h = 3600, d = 86400 }
local LONGEST_S = 366 * 86400

--- How long the service may be away, unless something is said.
duration.default_outage = "6h"

--- Milliseconds of a span; nil if it is none.
---@param span number|string  Seconds, or a number with s, m, h or d.
---@return integer?
function duration.ms(span)
  local number, unit = span, "s"
  if type(span) == "string" then
    number, unit = span:match "^%s*([%d.]+)%s*([smhd]?)%s*$"
    number, unit = tonumber(number), unit ~= "" and unit or "s"
  end
  local seconds = number and number * SECONDS[unit]
  if not seconds or not (seconds > 0 and seconds <= LONGEST_S) then return nil end
  return math.max(math.floor(seconds * 1000), 1)
end

duration.spec = { type = { "number", "string" }, check = function(span)
  if not duration.ms(span) then
    return ("must be a span of time above 0, up to a year, such as 90, \"30m\" or \"6h\", not %s")
      :format(type(span) == "string" and ("%q"):format(span) or tostring(span))
  end
end }

return duration
