--- Quality scores of conversations: rules that give points, and their sum on a scale of 1 to 10.
local bounded = require "confab.bounded"
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"

local now = core.scheduler.now

local scoring = {}

---@class confab.Rule
---@field name string
---@field points number  The most it gives.
---@field check fun(conv: confab.Conversation): number|boolean, string?  Points, and a note.

---@class confab.Scoring
---@field rules confab.Rule[]
---@field tiers? table<string, confab.Rule[]>  Of conversations of these tiers, instead.

---@class confab.ScorePart  One rule's share of a score.
---@field name string
---@field points number
---@field max number
---@field note? string
---@field error? string  Why the rule gave no points: it raised an error, returned no number or ran away.

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

local function is_scoring(value)
  local mt = getmetatable(value)
  return mt == rule_mt or mt == scoring_mt
end

local function rules_of(value, tier)
  if getmetatable(value) == rule_mt then return { value } end
  return value.tiers and value.tiers[tier] or value.rules
end

local function join(lists, what)
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
  return rules
end

--- One scoring of several rules and scorings; of each tier that one of them tells apart, too.
local function make(parts, what)
  local function joined(tier)
    local lists = {}
    for i, part in ipairs(parts) do lists[i] = rules_of(part, tier) end
    return join(lists, what)
  end
  local tiers
  for _, part in ipairs(parts) do
    for tier in next, part.tiers or {} do
      tiers = tiers or {}
      tiers[tier] = tiers[tier] or joined(tier)
    end
  end
  return setmetatable({ rules = joined(), tiers = tiers }, scoring_mt)
end

local function add(a, b)
  if not is_scoring(a) or not is_scoring(b) then
    errors.misuse("scoring: only rules and scorings can be added")
  end
  return make({ a, b }, "scoring")
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
  if is_scoring(list) then return make({ list }, "confab.scoring") end
  for i, entry in ipairs(list) do
    if not is_scoring(entry) then errors.misuse(("confab.scoring: entry %d is no rule"):format(i)) end
  end
  if #list == 0 or next(list, #list) ~= nil then
    errors.misuse("confab.scoring: a list of at least one rule was expected")
  end
  return make(list, "confab.scoring")
end

--- A scoring that goes by a conversation's tier; `default` (else the default rules) is for the others.
--- Example: `confab.scoring.by_tier { edge_case = confab.scoring.default + odd, default = confab.scoring.default }`
---@param tiers table<string, confab.Scoring|confab.Rule>
---@return confab.Scoring
function scoring.by_tier(tiers)
  local what = "confab.scoring.by_tier"
  if type(tiers) ~= "table" or is_scoring(tiers) then
    errors.misuse(what .. ": a table of scorings by tier was expected")
  end
  local of_tier = {}
  for tier, by in next, tiers do
    if type(tier) ~= "string" then errors.misuse(what .. ": each scoring needs the name of a tier") end
    if not is_scoring(by) then errors.misuse(("%s: what %s has is no scoring"):format(what, tier)) end
    if by.tiers then errors.misuse(("%s: the scoring of %s goes by tier itself"):format(what, tier)) end
    of_tier[tier] = join({ rules_of(by) }, what)
  end
  local otherwise = of_tier.default or scoring.default.rules
  of_tier.default = nil
  return setmetatable({ rules = otherwise, tiers = of_tier }, scoring_mt)
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

--- The rules that every conversation is scored by unless the script says otherwise. What they give stands
--- in C, which scores by them alone in one step (core.conversation.score).
---@type confab.Scoring
scoring.default = scoring.new {
  scoring.rule { name = "turn count", points = 3, check = function(conv)
    local n, mean, alternates = measure(conv)
    local points = core.conversation.points(n, mean, alternates)
    return points, n .. (n == 1 and " turn" or " turns")
  end },
  scoring.rule { name = "turn length", points = 3, check = function(conv)
    local n, mean, alternates = measure(conv)
    local _, points = core.conversation.points(n, mean, alternates)
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

local SLOW_MS = 20    -- a rule runs on the one thread of the script: at 20 ms, 50 conversations a second
local ENDED_MAX = 3   -- a rule that runs away so often is not asked any more: each time takes all of its limit

---@class confab.RuleTrouble
---@field name string
---@field errors integer  Conversations for which it raised an error, returned no points, or ran away.
---@field first? string  The first of these errors.
---@field ended integer  How often it was ended by a limit.
---@field beyond integer  Conversations for which it gave more points than it has, or less than none.
---@field slow integer  Conversations for which it took 20 ms or more.
---@field worst_ms integer

---@type table<confab.Rule, confab.RuleTrouble>
local troubles = {}

local function trouble_of(rule)
  local trouble = troubles[rule]
  if not trouble then
    trouble = { name = rule.name, errors = 0, ended = 0, beyond = 0, slow = 0, worst_ms = 0 }
    troubles[rule] = trouble
  end
  return trouble
end

--- The first error is told at once, so that it can be mended before the run has gone on for hours.
local function count_error(rule, why)
  local trouble = trouble_of(rule)
  trouble.errors = trouble.errors + 1
  if trouble.first then return end
  trouble.first = why
  core.progress.warn(("rule %q gives no points: %s"):format(rule.name, why))
end

--- Told at once, too: the scores are not what its author thinks.
local function count_beyond(rule, points)
  local trouble = trouble_of(rule)
  trouble.beyond = trouble.beyond + 1
  if trouble.beyond > 1 then return end
  core.progress.warn(("rule %q gave %g points; it has 0 to %g, what is beyond is cut off")
    :format(rule.name, points, rule.points))
end

local function count_slow(rule, took_ms)
  local trouble = trouble_of(rule)
  trouble.slow = trouble.slow + 1
  trouble.worst_ms = math.max(trouble.worst_ms, took_ms)
end

--- What rules have been slow, raised errors or gave points beyond theirs since this was asked last, by name.
---@return confab.RuleTrouble[]
function scoring.take_troubles()
  local list = {}
  for _, trouble in next, troubles do list[#list + 1] = trouble end
  table.sort(list, function(a, b) return a.name < b.name end)
  troubles = {}
  return list
end

--- Tells people of them, a line each.
---@param list confab.RuleTrouble[]
function scoring.tell_troubles(list)
  local function conversations(n)
    return n == 1 and "1 conversation" or ("%s conversations"):format(core.text.number(n))
  end
  for _, trouble in ipairs(list) do
    if trouble.errors > 1 then
      core.progress.warn(("rule %q gave no points to %s, for errors such as that")
        :format(trouble.name, conversations(trouble.errors)))
    end
    if trouble.beyond > 1 then
      core.progress.warn(("rule %q gave more points than it has, or less than none, to %s")
        :format(trouble.name, conversations(trouble.beyond)))
    end
    if trouble.slow > 0 then
      core.progress.warn(("rule %q took %d ms or more for %s, %d ms at worst")
        :format(trouble.name, SLOW_MS, conversations(trouble.slow), trouble.worst_ms))
    end
  end
end

local function without_points(rule, why)
  count_error(rule, why)
  return { name = rule.name, points = 0, max = rule.points, error = why }
end

---@return confab.ScorePart
local function apply(rule, conv)
  if troubles[rule] and troubles[rule].ended >= ENDED_MAX then
    return without_points(rule, "it is not asked any more: it ran away from " .. ENDED_MAX .. " conversations")
  end
  local part = { name = rule.name, points = 0, max = rule.points }
  local started = now()
  local ok, result, note = pcall(rule.check, conv)
  local took = now() - started
  if took >= SLOW_MS then count_slow(rule, took) end

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
    if part.points ~= result then count_beyond(rule, result) end
  end
  if ok and note ~= nil then part.note = one_line(note) end
  if part.error then count_error(rule, part.error) end
  return part
end

--- Applies all rules within limits: one that runs away is ended, and the others go on.
local function apply_within(limits, rules, conv, breakdown)
  local raised
  local function go_on()
    for i = #breakdown + 1, #rules do
      local ok, part = pcall(apply, rules[i], conv)
      if not ok then
        raised = { part }
        return
      end
      breakdown[i] = part
    end
  end
  local said = type(conv) == "userdata" and conv:text() or conv.turns[1] and conv.turns[1].content
  local seed = core.hash.hash64(0, said or "")
  while #breakdown < #rules do
    local ended = bounded.call(limits, seed, go_on)
    if raised then error(raised[1], 0) end
    if ended then
      local rule = rules[#breakdown + 1]
      trouble_of(rule).ended = trouble_of(rule).ended + 1
      local why = one_line(ended.message):gsub("the step was ended", "it was ended")
      breakdown[#breakdown + 1] = without_points(rule, why)
    end
  end
end

--- Of rules outside a step; nil: as much as they want. `confab score` sets them.
---@type confab.StepLimits?
scoring.limits = nil

--- Scores a conversation: max(1, 10 x sum / sum of the most possible), and how it came about.
--- A rule that raises an error, or runs away in a step with limits, gives no points and says so in its part; it
--- stops nothing.
---@param conv confab.Conversation|{ turns: confab.Turn[] }
---@param by? confab.Scoring|confab.Rule  Default: scoring.default.
---@return number score  1 to 10.
---@return confab.ScorePart[] breakdown  Plain data, ready for JSON.
function scoring.score(conv, by)
  if by ~= nil and not is_scoring(by) then
    errors.misuse("confab.score: the scoring must come from confab.scoring or confab.rule")
  end
  conv = as_conversation(conv)
  local rules = rules_of(by or scoring.default, conv.tier)

  local breakdown, sum, most = core.json.array(), 0, 0
  local limits = bounded.limits() or scoring.limits
  if limits then apply_within(limits, rules, conv, breakdown) end
  for i, rule in ipairs(rules) do
    breakdown[i] = breakdown[i] or apply(rule, conv)
    sum = sum + breakdown[i].points
    most = most + rule.points
  end
  return tidy(math.max(1, 10 * sum / most)), breakdown
end

setmetatable(scoring, { __call = function(_, list) return scoring.new(list) end })

return scoring
