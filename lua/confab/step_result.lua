--- What a step may return.
local errors = require "confab.errors"

local step_result = {}

--- The conversations that a step returned, checked. One behind the first would be lost.
---@param result any
---@param further any
---@return confab.Conversation[]
function step_result.conversations(result, further)
  if type(further) == "userdata" then
    error(errors.new("script_error", "the step returned several conversations; return them as a list: { a, b }"), 0)
  end
  if result == nil then return {} end
  if type(result) == "userdata" then return { result } end
  if type(result) == "table" and (#result > 0 or next(result) == nil) then
    for i, conv in ipairs(result) do
      if type(conv) ~= "userdata" then
        error(errors.new("script_error", ("the step returned a list whose entry %d is no conversation"):format(i)), 0)
      end
    end
    return result
  end
  local what = type(result) == "table" and "a table of names" or "a " .. type(result)
  error(errors.new("script_error", ("the step must return a conversation, a list of them, or nothing, not %s")
    :format(what)), 0)
end

return step_result
