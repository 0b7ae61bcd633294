--- Quality scores of conversations: rules that give points, and their sum on a scale of 1 to 10.
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"

local scoring = {}

---@class confab.Rule
---@field name string
---@field points number  The most it gives.
---@field check fun(conv: confab.Conversation): number|boolean, string?  Points, and a note.

---@class confab.Scoring
---@field rules confab.Rule[]

---@class confab.ScorePart  One rule's share of a score.
---@field name string
---@field points number
---@field max number
---@field note? string
---@field error? string  Why the rule gave no points: it raised an error or returned no number.

local rule_mt = { __name = "confab.rule" }
local scoring_mt = { __name = "confab.scoring" }

local function check_name(name)
  return name == "" and "must not be empty" or nil
end

local rule_specs = {
  name = { type = "string", required = true, check = check_name },
  points = { type = "number", required = true, above = 0, max = 1e6 },
  check = { type = "callable", required = true },
}

local function rules_of(value)
  local mt = getmetatable(value)
  if mt == rule_mt then return { value } end
  if mt == scoring_mt then return value.rules end
  return nil
end

local function make(lists, what)
  local rules, seen = {}, {}
  for _, list in ipairs(lists) do
    for _, rule in ipairs(list) do
      if seen[rule.name] then
        errors.misuse(("%s: two rules are called %q"):format(what, rule.name))
      end
      seen[rule.name] = true
      rules[#rules + 1] = rule
    end
  end
  return setmetatable({ rules = rules }, scoring_mt)
end

local function add(a, b)
  local left, right = rules_of(a), rules_of(b)
  if not left or not right then errors.misuse("scoring: only rules and scorings can be added") end
  return make({ left, right }, "scoring")
end

rule_mt.__add = add
scoring_mt.__add = add

--- A rule: `check` gets a conversation and returns points from 0 to `points` (more or less is cut
--- to that), true for all or false for none; and, if it likes, a note for the breakdown.
--- Example: `confab.rule { name = "long", points = 1, check = is_long }`
---@param opts confab.Rule
---@return confab.Rule
function scoring.rule(opts)
  return setmetatable(options.check(opts, rule_specs, "confab.rule"), rule_mt)
end

--- A scoring from rules and other scorings. `+` does the same for two.
---@param list (confab.Rule|confab.Scoring)[]
---@return confab.Scoring
function scoring.new(list)
  if type(list) ~= "table" then errors.misuse("confab.scoring: a list of rules was expected") end
  if rules_of(list) then return make({ rules_of(list) }, "confab.scoring") end
  local lists = {}
  for i, entry in ipairs(list) do
    lists[i] = rules_of(entry) or errors.misuse(("confab.scoring: entry %d is no rule"):format(i))
  end
  if #lists == 0 or next(list, #list) ~= nil then
    errors.misuse("confab.scoring: a list of at least one rule was expected")
  end
  return make(lists, "confab.scoring")
end

local function within(value, low, high)
  return value >= low and value <= high
end

--- Turn count, mean length in characters, and whether the turns alternate: by C for a conversation,
--- which remembers them, here for a plain table. A leading system turn does not count.
local function measure(conv)
  if type(conv) == "userdata" then return core.conversation.measure(conv) end
  local first = conv.turns[1] and conv.turns[1].role == "system" and 2 or 1
  local count, characters, alternates = 0, 0, true
  for i = first, #conv.turns do
    local turn = conv.turns[i]
    count = count + 1
    characters = characters + core.text.length(turn.content)
    alternates = alternates and turn.role == (count % 2 == 1 and "user" or "assistant")
  end
  return count, count > 0 and characters / count or 0, alternates and count >= 2
end

--- The rules that every conversation is scored by unless the script says otherwise.
---@type confab.Scoring
scoring.default = scoring.new {
  scoring.rule { name = "turn count", points = 3, check = function(conv)
    local n = measure(conv)
    local points = within(n, 8, 16) and 3 or within(n, 6, 20) and 2 or n >= 4 and 1 or 0
    return points, n .. (n == 1 and " turn" or " turns")
  end },
  scoring.rule { name = "turn length", points = 3, check = function(conv)
    local _, mean = measure(conv)
    local points = within(mean, 100, 400) and 3 or within(mean, 50, 600) and 2
      or mean >= 20 and 1 or 0
    return points, ("%.1f characters on average"):format(mean)
  end },
  scoring.rule { name = "structure", points = 4, check = function(conv)
    local _, _, alternates = measure(conv)
    return alternates
  end },
}

--- What rules may ask of a conversation that is only a table of turns.
local plain_mt = { __index = {
  text = function(self)
    local lines = {}
    for i, turn in ipairs(self.turns) do lines[i] = turn.role .. ": " .. turn.content end
    return table.concat(lines, "\n\n")
  end,
} }

local function check_turns(turns)
  if type(turns) ~= "table" then
    errors.misuse("confab.score: a conversation or { turns = ... } was expected")
  end
  for i, turn in ipairs(turns) do
    if type(turn) ~= "table" or type(turn.role) ~= "string" or type(turn.content) ~= "string" then
      errors.misuse(("confab.score: turn %d has no role and content"):format(i))
    end
  end
end

--- A conversation with the methods that rules use. Plain tables are seen through a view.
local function as_conversation(conv)
  if type(conv) == "userdata" then return conv end
  if type(conv) ~= "table" then
    errors.misuse("confab.score: a conversation or { turns = ... } was expected")
  end
  check_turns(conv.turns)
  if conv.text ~= nil then return conv end
  local view = {}
  for name, value in next, conv do view[name] = value end
  return setmetatable(view, plain_mt)
end

local function tidy(number)
  return math.tointeger(number) or number
end

--- The error with its first line only: a breakdown is data, not a log.
local function one_line(raised)
  local text = tostring(raised):match("[^\n]*")
  return text:sub(1, core.text.valid_prefix(text))
end

local told = setmetatable({}, { __mode = "k" })    -- rules whose first error has been told

local function tell_first(rule, why)
  if told[rule] then return end
  told[rule] = true
  core.progress.warn(("rule %q gives no points: %s"):format(rule.name, why))
end

---@return confab.ScorePart
local function apply(rule, conv)
  local part = { name = rule.name, points = 0, max = rule.points }
  local ok, result, note = pcall(rule.check, conv)

  if not ok and errors.is(result, "cancelled") then error(result, 0) end
  if not ok then
    part.error = one_line(result)
  elseif type(result) == "boolean" then
    part.points = result and rule.points or 0
  elseif type(result) ~= "number" then
    local what = result == nil and "nothing" or "a " .. type(result)
    part.error = ("check returned %s, not points"):format(what)
  elseif result ~= result then
    part.error = "check returned NaN"
  else
    part.points = tidy(math.max(0, math.min(rule.points, result)))
  end
  if ok and note ~= nil then part.note = one_line(note) end
  if part.error then tell_first(rule, part.error) end
  return part
end

--- Scores a conversation: max(1, 10 x sum / sum of the most possible), and how it came about.
--- A rule that raises an error gives no points and says so in its part; it stops nothing.
---@param conv confab.Conversation|{ turns: confab.Turn[] }
---@param by? confab.Scoring|confab.Rule  Default: scoring.default.
---@return number score  1 to 10.
---@return confab.ScorePart[] breakdown  Plain data, ready for JSON.
function scoring.score(conv, by)
  local rules = by == nil and scoring.default.rules or rules_of(by)
  if not rules then
    errors.misuse("confab.score: the scoring must come from confab.scoring or confab.rule")
  end
  conv = as_conversation(conv)

  local breakdown, sum, most = core.json.array(), 0, 0
  for i, rule in ipairs(rules) do
    breakdown[i] = apply(rule, conv)
    sum = sum + breakdown[i].points
    most = most + rule.points
  end
  return tidy(math.max(1, 10 * sum / most)), breakdown
end

setmetatable(scoring, { __call = function(_, list) return scoring.new(list) end })

return scoring
