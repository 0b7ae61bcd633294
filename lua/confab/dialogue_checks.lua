--- What is wrong with one turn of a dialogue, if anything: the faults that two models talking to each other
--- fall into. Likeness and labels are found in any language, phrases in English.
local core = require "confab.core"

local checks = {}

local similarity, length = core.text.similarity, core.text.length

local ALIKE = 0.85          -- of two turns that say the same in other words little changes
local SHORT = 20            -- characters: "Thank you!" may come twice
local LABEL_MAX = 24        -- bytes of a name before a colon

--- How helpers talk, and those they help do not.
local helper_phrases = {
  "how can i help", "how may i help", "how can i assist", "how may i assist", "what can i help you",
  "i'd be happy to help you", "i'm here to help", "anything else i can help", "anything else i can do for you",
  "anything else i can assist", "as an ai", "as a language model", "thank you for contacting us", "thank you for reaching out",
}

local greetings = { "hello", "hi there", "hi", "good morning", "good afternoon", "good evening", "welcome to" }

local labels = {
  user = { "user", "human", "customer", "client", "me" },
  assistant = { "assistant", "ai", "agent", "bot", "helper", "support", "support agent" },
}

local other = { user = "assistant", assistant = "user" }

--- The role whose name stands before a colon at the beginning of a line, as in "**User:** hello".
local function label_of(line)
  local name = line:sub(1, LABEL_MAX + 8):match "^[%s%*_#%[<]*([%a][%a ]*)[%*_%]>]*%s*:"
  if not name then return nil end
  name = name:lower():gsub("%s+$", "")
  for role, list in next, labels do
    for _, known in ipairs(list) do
      if name == known then return role end
    end
  end
end

--- The text without white space around and without its own role's label before it.
---@param role "user"|"assistant"
---@param text string
---@return string
function checks.tidy(role, text)
  text = text:match "^%s*(.-)%s*$"
  if label_of(text) == role then text = text:match "^[^:]*:[%*_%s]*(.*)$" end
  return text
end

local function other_side(role, text)
  local whole = core.conversation.parse(text, false)    -- as JSON, or with a label before each turn
  if whole and #whole >= 2 then return "speaks for both sides" end
  for line in text:gmatch "[^\n]+" do
    if label_of(line) then return ("speaks for both sides: %q"):format(line:sub(1, core.text.valid_prefix(line:sub(1, 60)))) end
  end
  if role == "user" then
    local lower = text:lower():gsub("’", "'")
    for _, phrase in ipairs(helper_phrases) do
      if lower:find(phrase, 1, true) then return ("the user talks as the helper: %q"):format(phrase) end
    end
  end
end

local function greets(text)
  local lower = text:sub(1, 40):lower()
  for _, greeting in ipairs(greetings) do
    if lower:find("^" .. greeting .. "%f[%W]") then return greeting end
  end
end

local function again(role, text, turns)
  local first
  for i, turn in ipairs(turns) do
    local is_own = turn.role == role
    if is_own and not first then first = i end
    if turn.content == text and length(text) >= SHORT or
      length(text) >= SHORT and similarity(turn.content, text) >= ALIKE then
      if i == first and #turns > 2 then return "starts the talk again: it is like turn " .. i end
      return "repeats turn " .. i
    end
  end
  if first and greets(text) then return ("starts the talk again: %q"):format(greets(text)) end
end

--- Why the text will not do as the next turn; nil if it will.
---@param role "user"|"assistant"
---@param text string  Tidy, without the stop mark at its end.
---@param turns confab.Turn[]  Those before.
---@param stop? string  The stop mark.
---@return string? reason
function checks.turn(role, text, turns, stop)
  if text == "" then return "is empty" end
  if stop and text:lower():find(stop:lower(), 1, true) then return ("has the stop mark %q in its midst"):format(stop) end
  return other_side(role, text) or again(role, text, turns)
end

checks.other = other

return checks
