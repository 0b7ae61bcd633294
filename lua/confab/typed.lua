--- What was typed at the prompt of `confab repl`, and ran: kept, and made into a script that does the same.
local typed = {}

local inputs = {}    -- { text, and of those that gave values: expression }

--- What an input asks to see: itself, without a "=" or "return" before it.
---@param text string
---@return string
function typed.expression(text)
  return text:match "^%s*=(.*)$" or text:match "^%s*return%f[^%w_](.*)$" or text
end

--- Keeps an input.
---@param text string
---@param kind? string  "value": it is an expression.
---@param count integer  How many values it gave.
function typed.keep(text, kind, count)
  if text:find "^%s*help%s*[%({\"']" or text:find "^%s*reload%s*%(" then return end
  local expression = kind == "value" and typed.expression(text):match "^%s*(.-)[%s;]*$"
  if expression and count == 0 and load(text) then expression = nil end    -- a call without results, a comment
  if expression == "" then return end
  inputs[#inputs + 1] = { text = text, expression = expression or nil }
end

---@return integer
function typed.count() return #inputs end

--- The text of the script. Where an input refers to `_`, what gives a value sets it as the prompt does.
---@return string
function typed.script()
  local has_last = false
  for _, input in ipairs(inputs) do has_last = has_last or input.text:find "%f[%w_]_%f[^%w_]" end
  local lines = { 'local confab = require "confab"', "" }
  for _, input in ipairs(inputs) do
    local text, expression = input.text, input.expression
    if expression and has_last then
      text = ("_ = %s\nprint(_)"):format(expression)
    elseif expression then
      text = ("print(%s%s)"):format(expression, expression:find("--", 1, true) and "\n" or "")
    elseif not load(text .. "\nlocal _") then    -- a "return" ends it, which it may not within a script
      text = ("print((function()\n%s\nend)())"):format(text)
    end
    lines[#lines + 1] = text
  end
  return table.concat(lines, "\n") .. "\n"
end

return typed
