--- Words of command lines, for the hints that name a command.
local words = {}

--- The text as a shell takes it for one word.
---@param text string
---@return string
function words.shell(text)
  if text:find "^[%w_./:,=+@%%-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

return words
