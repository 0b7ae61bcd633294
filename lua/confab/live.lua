--- A reply whose text a script sees while it arrives: what `on_text` is told, and when.
local core = require "confab.core"

local live = {}

---@class confab.live.Shown
---@field on_text fun(text: string, begun: integer)
---@field begun integer  How often a text began.
---@field attempt? integer  That the text which is being shown is of.
---@field failed? { raised: any }  What on_text raised; it is not called any more.

--- What on_text of one call of the script was told so far: nothing.
---@param on_text fun(text: string, begun: integer)
---@return confab.live.Shown
function live.shown(on_text)
  return { on_text = on_text, begun = 0 }
end

-- By this name it stands in the error of what would wait in it.
local function call(on_text, shown, text)
  on_text(shown.on_text, text, shown.begun)
end

local function show(shown, text, attempt)
  if shown.failed or text == "" then return end
  if shown.attempt ~= attempt then
    shown.attempt, shown.begun = attempt, shown.begun + 1
  end
  local ok, raised = pcall(call, core.live.call, shown, text)
  if not ok then shown.failed = { raised = raised } end
end

--- As core.call.ask, showing the text of the reply while it comes; that of a reply from the journal, or of a service
--- that does not stream, at once. What on_text raised is raised when the call is over and its reply stored.
---@param item userdata
---@param request table
---@param shown confab.live.Shown  One for all requests that a call of the script makes.
---@return confab.Reply
function live.ask(item, request, shown)
  shown.attempt = nil
  request.live = true
  local got, is_live = core.call.ask(item, request)
  if not is_live then
    if not got.held then show(shown, got.text, 1) end
  else
    local reply = got
    repeat
      local text, attempt = core.live.next(reply)
      got = text
      if attempt then show(shown, text, attempt) end
    until not attempt
    if shown.attempt ~= got.attempts then show(shown, got.text, got.attempts) end
  end
  if shown.failed then error(shown.failed.raised, 0) end
  return got
end

return live
