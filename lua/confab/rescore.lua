--- `confab score`: scores the stored conversations of a run anew and shows how the scores moved. Nothing is
--- sent; nothing is stored unless that is asked for.
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local scoring = require "confab.scoring"
local settings = require "confab.settings"
local standing = require "confab.standing"
local step_limits = require "confab.step_limits"

local rescore = {}

local BATCH = 500         -- conversations a transaction
local BAR_WIDTH = 24
local TELL_EVERY_MS = 1000

--- The scoring that a file returns; without a file the default rules.
local function load_rules(path)
  if path == "" then return scoring.default end
  local file, missing = io.open(path, "rb")
  if not file then error(errors.new("config_error", "--rules: " .. missing), 0) end
  file:close()
  local chunk, why = loadfile(path, "t")
  if not chunk then error(errors.new("script_error", why), 0) end
  local by = chunk()
  local ok, made = pcall(scoring.new, { by })
  if not ok then
    error(errors.new("config_error", ("%s must return what confab.rule or confab.scoring gives, such as "
      .. "`return confab.scoring.default + confab.rule { ... }`"):format(path)), 0)
  end
  return made
end

local function new_side() return { count = 0, sum = 0, bars = {}, scores = {} } end

local function add(side, score)
  if not score then return end
  side.count, side.sum = side.count + 1, side.sum + score
  local bar = math.floor(score)
  side.bars[bar] = (side.bars[bar] or 0) + 1
  local rounded = math.floor(score * 100 + 0.5)    -- scores by the hundredth: memory stays bounded
  side.scores[rounded] = (side.scores[rounded] or 0) + 1
end

local function median(side)
  local seen = 0
  for rounded = 0, 1000 do
    seen = seen + (side.scores[rounded] or 0)
    if seen > 0 and seen * 2 >= side.count then return rounded / 100 end
  end
end

local function summary(side)
  local list = core.json.array()
  for bar = 0, 10 do
    if side.bars[bar] then list[#list + 1] = { score = bar, conversations = side.bars[bar] } end
  end
  return { conversations = side.count, mean = side.count > 0 and side.sum / side.count or nil, median = median(side),
    histogram = list }
end

--- Adds up what each rule gave.
local function add_parts(rules, breakdown)
  for _, part in ipairs(breakdown) do
    local rule = rules[part.name]
    if not rule then
      rule = { name = part.name, max = part.max, sum = 0, count = 0, errors = 0 }
      rules[part.name], rules[#rules + 1] = rule, rule
    end
    rule.sum, rule.count = rule.sum + part.points, rule.count + 1
    if part.error then rule.errors = rule.errors + 1 end
  end
end

--- Scores all conversations that count; calls keep for each whose score or breakdown changed.
local function walk(run, by, keep)
  local result = {
    total = 0, changed = 0, before = new_side(), after = new_side(), moved = {}, reviewed = 0, rules = {},
  }
  local told = core.scheduler.now()
  for conv in core.store.conversations { run = run.id } do
    local fields = core.conversation.fields(conv)
    local score, breakdown = scoring.score(conv, by)
    result.total = result.total + 1
    add(result.before, fields.score)
    add(result.after, score)
    add_parts(result.rules, breakdown)
    local status = standing.status(score)
    if fields.status == "approved" or fields.status == "rejected" then
      result.reviewed = result.reviewed + 1
    elseif status ~= fields.status then
      local move = fields.status .. " -> " .. status
      result.moved[move] = (result.moved[move] or 0) + 1
    end
    local text = core.json.encode(breakdown)
    if score ~= fields.score or text ~= core.json.encode(fields.breakdown) then
      result.changed = result.changed + 1
      keep { row = fields.row, score = score, status = status, breakdown = text }
    end
    if core.scheduler.now() - told >= TELL_EVERY_MS then
      told = core.scheduler.now()
      core.progress.say(("%s conversations scored"):format(core.text.number(result.total)))
    end
    if core.scheduler.stopping() then error(errors.new("cancelled", "stopped"), 0) end
  end
  return result
end

local function bar(count, most)
  if not count then return "" end
  return ("#"):rep(math.max(1, math.floor(count / most * BAR_WIDTH)))
end

local function number(value) return value and ("%.2f"):format(value) or "-" end

local function print_distribution(result)
  local before, after = result.before, result.after
  local most = 1
  for point = 0, 10 do most = math.max(most, before.bars[point] or 0, after.bars[point] or 0) end
  print(("  %8s  %8s %-" .. BAR_WIDTH .. "s  %8s"):format("score", "before", "", "after"))
  for point = 10, 0, -1 do
    local one, two = before.bars[point], after.bars[point]
    if one or two then
      local line = ("  %8d  %8s %-" .. BAR_WIDTH .. "s  %8s %s"):format(point, core.text.number(one or 0),
        bar(one, most), core.text.number(two or 0), bar(two, most))
      print((line:gsub("%s+$", "")))
    end
  end
  local empty = (" "):rep(BAR_WIDTH)
  print(("  %8s  %8s %s  %8s"):format("mean", number(summary(before).mean), empty, number(summary(after).mean)))
  print(("  %8s  %8s %s  %8s"):format("median", number(median(before)), empty, number(median(after))))
end

local function print_rules(result)
  print("\nrules")
  for _, rule in ipairs(result.rules) do
    local trouble = rule.errors > 0 and ("  (an error for %s)"):format(core.text.number(rule.errors)) or ""
    print(("  %-28s %6.2f of %g on average%s"):format(rule.name, rule.sum / rule.count, rule.max, trouble))
  end
end

local function print_moves(result)
  print()
  local moves = {}
  for move in next, result.moved do moves[#moves + 1] = move end
  table.sort(moves)
  for _, move in ipairs(moves) do print(("  %-32s %8s"):format(move, core.text.number(result.moved[move]))) end
  if #moves == 0 then print "  no status moves" end
  if result.reviewed > 0 then
    print(("  %-32s %8s"):format("reviewed, their status stays", core.text.number(result.reviewed)))
  end
end

local function print_people(run, result, applies)
  print(("run %q: %s conversations"):format(run.name, core.text.number(result.total)))
  if result.total == 0 then return end
  print_distribution(result)
  print_rules(result)
  print_moves(result)
  if applies then
    print(("\n%s scores were stored."):format(core.text.number(result.changed)))
  elseif result.changed > 0 then
    print(("\nNothing was stored; --apply stores the %s scores that changed."):format(core.text.number(result.changed)))
  else
    print "\nNo score changes."
  end
end

local function print_json(run, result, applies)
  local rules, moved = core.json.array(), core.json.array()
  for i, rule in ipairs(result.rules) do
    rules[i] = { name = rule.name, max = rule.max, mean = rule.sum / rule.count, errors = rule.errors }
  end
  for move, count in next, result.moved do
    local from, to = move:match "^(.-) %-> (.*)$"
    moved[#moved + 1] = { from = from, to = to, conversations = count }
  end
  table.sort(moved, function(a, b) return a.from .. a.to < b.from .. b.to end)
  print(core.json.encode {
    run = run.uuid, name = run.name, conversations = result.total, before = summary(result.before),
    after = summary(result.after), rules = rules, moved = moved, reviewed = result.reviewed, changed = result.changed,
    applied = applies,
  })
end

--- The command, from its words: each "" if it was not given.
---@param name string  A run's name or the start of its id; "": the newest run.
---@param rules string  Path of a file that returns a scoring.
---@param how string  "apply" stores the scores.
---@param format string  "json"
function rescore.command(name, rules, how, format)
  local applies, path = how == "apply", settings.db()
  local by = load_rules(rules)
  scoring.limits = step_limits.of(nil, settings.given "step_limits")
  core.store.open(path)
  local run = core.store.run(name ~= "" and name or nil)
  if not run then
    error(errors.new("config_error", name ~= "" and ("there is no run %q; `confab runs` lists them"):format(name)
      or "the database has no runs yet; `confab run SCRIPT.lua` makes one"), 0)
  end
  local batch = {}
  local function flush()
    if #batch > 0 then core.review.rescore(path, batch) end
    batch = {}
  end
  local result = walk(run, by, function(row)
    if not applies then return end
    batch[#batch + 1] = row
    if #batch == BATCH then flush() end
  end)
  flush()
  if format == "json" then print_json(run, result, applies) else print_people(run, result, applies) end
  scoring.tell_troubles(scoring.take_troubles())
  flags.failed_items = 0
end

return rescore
