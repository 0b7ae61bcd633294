--- What a step may return.
local errors = require "confab.errors"

local step_result = {}

--- What it returned is wrong: the place is that of the step, of which nothing runs any more.
local function refuse(step, message)
  local info = type(step) == "function" and debug.getinfo(step, "S")
  local place = info and info.linedefined > 0 and { file = info.short_src, line = info.linedefined } or nil
  error(errors.new("script_error", message, place), 0)
end

--- The conversations that a step returned, checked. One behind the first would be lost.
---@param step function
---@param result any
---@param further any
---@return confab.Conversation[]
function step_result.conversations(step, result, further)
  if type(further) == "userdata" then
    refuse(step, "the step returned several conversations; return them as a list: { a, b }")
  end
  if result == nil then return {} end
  if type(result) == "userdata" then return { result } end
  if type(result) == "table" and (#result > 0 or next(result) == nil) then
    for i, conv in ipairs(result) do
      if type(conv) ~= "userdata" then
        refuse(step, ("the step returned a list whose entry %d is no conversation"):format(i))
      end
    end
    return result
  end
  local what = type(result) == "table" and "a table of names" or "a " .. type(result)
  refuse(step, ("the step must return a conversation, a list of them, or nothing, not %s"):format(what))
end

return step_result
