local core = require "confab.core"
local scoring = require "confab.scoring"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised

--- n turns of that many characters each, in proper order unless roles are given.
local function conversation(n, length, roles)
  local turns = {}
  for i = 1, n do
    local role = roles and roles[i] or (i % 2 == 1 and "user" or "assistant")
    turns[i] = { role = role, content = ("é"):rep(length) }
  end
  return { turns = turns }
end

local function points(conv, by)
  local _, breakdown = scoring.score(conv, by)
  local list = {}
  for i, part in ipairs(breakdown) do list[i] = part.points end
  return table.concat(list, " ")
end

local function one(check, most)
  local score,
    breakdown = scoring.score(conversation(8, 200),
    scoring.rule { name = "one", points = most or 2, check = check })
  return breakdown[1], score
end

describe("the default rules", function()
  after_each(function() collectgarbage() end)

  local counts = { [1] = 0, [3] = 0, [4] = 1, [5] = 1, [6] = 2, [7] = 2, [8] = 3, [12] = 3,
    [16] = 3, [17] = 2, [20] = 2, [21] = 1, [40] = 1 }
  for n, expected in pairs(counts) do
    it(("give %d for %d turns"):format(expected, n), function()
      -- One turn alone alternates with nothing.
      assert.equal(expected .. " 3 " .. (n > 1 and 4 or 0), points(conversation(n, 200)))
    end)
  end

  local lengths = { [1] = 0, [19] = 0, [20] = 1, [49] = 1, [50] = 2, [99] = 2, [100] = 3, [400] = 3,
    [401] = 2, [600] = 2, [601] = 1, [5000] = 1 }
  for length, expected in pairs(lengths) do
    it(("give %d for a mean of %d characters"):format(expected, length), function()
      assert.equal("3 " .. expected .. " 4", points(conversation(8, length)))
    end)
  end

  it("take the mean, in fractions", function()
    local conv = conversation(8, 100)
    conv.turns[1].content = ("x"):rep(99)
    assert.equal("3 2 4", points(conv))
    conv.turns[2].content = ("x"):rep(101)
    assert.equal("3 3 4", points(conv))
  end)

  local structures = {
    { "alternation", nil, 4 }, { "the assistant first", { "assistant", "user" }, 0 },
      { "one role twice", { "user", "user" }, 0 },
    { "another role", { "user", "tool" }, 0 },
  }
  for _, row in ipairs(structures) do
    it(("give %d for %s"):format(row[3], row[1]), function()
      assert.equal("3 3 " .. row[3], points(conversation(8, 200, row[2])))
    end)
  end

  it("do not count a leading system turn", function()
    local conv = conversation(8, 200)
    table.insert(conv.turns, 1, { role = "system", content = "Be brief." })
    assert.equal("3 3 4", points(conv))
    table.insert(conv.turns, 5, { role = "system", content = ("x"):rep(200) })
    assert.equal("3 3 0", points(conv))
  end)

  it("say the same of a conversation as of its plain turns", function()
    for _, n in ipairs { 1, 3, 6, 9 } do
      local plain = conversation(n, 150)
      local conv = require "confab.core".conversation.new(plain.turns)
      assert.equal(points(plain), points(conv))
    end
  end)

  it("score from 1 to 10 by their sum", function()
    for _, row in ipairs {
      { conversation(8, 200), 10 }, { conversation(6, 60), 8 }, { conversation(4, 20), 6 },
        { conversation(2, 5), 4 },
      { conversation(3, 5, { "assistant" }), 1 }, { { turns = {} }, 1 },
    } do
      local score, breakdown = scoring.score(row[1])
      assert.equal(row[2], score)
      assert.equal("integer", math.type(score))
      assert.equal(3, #breakdown)
    end
  end)

  it("give a breakdown that is JSON", function()
    local _, breakdown = scoring.score(conversation(8, 200))
    assert.equal('[{"max":3,"name":"turn count","note":"8 turns","points":3},' ..
      '{"max":3,"name":"turn length","note":"200.0 characters on average","points":3},' ..
      '{"max":4,"name":"structure","points":4}]',
      core.json.encode(breakdown))
  end)

  it("say the same when they are all that is asked for", function()
    local generate = require "confab.generate"
    for _, row in ipairs { { 0, 1 }, { 1, 7 }, { 5, 55 }, { 10, 333 }, { 22, 601 } } do
      local conv = core.conversation.new(conversation(row[1], row[2]).turns)
      local score, breakdown = scoring.score(conv)
      generate.score(conv)
      assert.equal(score, conv.score)
      assert.equal(core.json.encode(breakdown), generate.row(conv, 1).breakdown)
      assert.same(breakdown, conv.breakdown)
      assert.is_true(core.json.is_array(conv.breakdown))
      generate.score(conv, scoring.rule { name = "one", points = 1, check = function() return true end })
      assert.equal("one", conv.breakdown[1].name)
      assert.equal(core.json.encode(conv.breakdown), generate.row(conv, 1).breakdown)
    end
  end)
end)

describe("a rule", function()
  after_each(function() collectgarbage() end)

  local results = {
    { "gives its points", function() return 1.5 end, 1.5 },
    { "is cut to its most", function() return 99 end, 2 },
    { "is cut to zero", function() return -1 end, 0 },
    { "is cut at infinity", function() return math.huge end, 2 },
    { "gives all for true", function() return true end, 2 },
    { "gives none for false", function() return false end, 0 },
    { "may add a note", function() return 1, "half" end, 1, "half" },
    { "may add a note that is no string", function() return 1, 42 end, 1, "42" },
    { "cuts a note to a line of valid text", function() return 1, "a\nb" end, 1, "a" },
  }
  for _, row in ipairs(results) do
    it(row[1], function()
      local part = one(row[2])
      assert.equal(row[3], part.points)
      assert.equal(row[4], part.note)
      assert.is_nil(part.error)
      assert.equal(2, part.max)
    end)
  end

  local mistakes = {
    { "raises", function() error "boom" end, "boom" },
    { "raises a value", function() error({ 1 }) end, "table: " },
    { "raises invalid UTF-8", function() error("x\xff", 0) end, "x" },
    { "is misspelt inside", function(conv) return conv:txt() end, "attempt to call a nil value" },
    { "returns NaN", function() return 0 / 0 end, "check returned NaN" },
    { "returns nothing", function() end, "check returned nothing, not points" },
    { "returns a word", function() return "3" end, "check returned a string, not points" },
  }
  for _, row in ipairs(mistakes) do
    it("that " .. row[1] .. " gives no points and stops nothing", function()
      local part, score = one(row[2])
      assert.equal(0, part.points)
      assert.equal(1, score)
      assert.truthy(part.error:find(row[3], 1, true), part.error)
      assert.is_string(core.json.encode(part))
    end)
  end

  it("that is cancelled passes that on", function()
    local cancelled = setmetatable({ kind = "cancelled", message = "stop" }, core.raise.metatable)
    assert.equal(cancelled, raised(one, function() error(cancelled) end))
  end)

  it("sees the conversation's own text, or one made from plain turns", function()
    local part = one(function(conv) return conv:text() == nil, conv:text():sub(1, 8) end)
    assert.equal("user: é", part.note)
    local object = { turns = conversation(2, 5).turns, text = function() return "own" end }
    scoring.score(object, scoring.rule { name = "x", points = 1, check = function(conv)
      assert.equal(object, conv)
      return conv:text() == "own"
    end })
  end)

  it("may wait", function()
    local co = coroutine.wrap(function() return one(coroutine.yield).points end)
    co()
    assert.equal(1, co(1))
  end)

  local bad = {
    { {}, "check is missing" }, { { name = "a", points = 1 }, "check is missing" },
    { { name = "", points = 1, check = print }, "name must not be empty" },
    { { name = "a", points = 0, check = print }, "points must be more than 0" },
    { { name = "a", points = 0 / 0, check = print }, "points must be a number" },
    { { name = "a", points = 1, check = "x" }, "check must be a function" },
    { { name = "a", point = 1, check = print }, 'unknown option "point"; did you mean "points"?' },
    { "x", "options must be a table" },
  }
  for _, row in ipairs(bad) do
    it("is refused where " .. row[2], function()
      local err = raised(scoring.rule, row[1])
      assert.equal("config_error", err.kind)
      assert.truthy(err.message:find("confab.rule: " .. row[2], 1, true), err.message)
    end)
  end
end)

describe("a scoring", function()
  after_each(function() collectgarbage() end)
  local function rule(name, most) return scoring.rule { name = name, points = most or 1,
    check = function() return true end } end

  it("is a sum of rules and scorings", function()
    local conv = conversation(2, 5)
    assert.equal("1 1", points(conv, rule "a" + rule "b"))
    assert.equal("0 0 4 2", points(conv, scoring.default + rule("a", 2)))
    assert.equal("2 0 0 4", points(conv, rule("a", 2) + scoring.default))
    assert.equal("1 1 1", points(conv, scoring { rule "a", rule "b" + rule "c" }))
    assert.equal("1", points(conv, scoring { rule "a" }))
    assert.equal(3, #scoring.default.rules)
  end)

  it("keeps the scale when rules are added", function()
    assert.equal(10, (scoring.score(conversation(8, 200), scoring.default + rule("a", 5))))
    local none = scoring.rule { name = "none", points = 10, check = function() return 0 end }
    assert.equal(5, (scoring.score(conversation(8, 200), scoring.default + none)))
  end)

  local bad = {
    { function() return scoring {} end, "a list of at least one rule" },
    { function() return scoring { rule "a", 5 } end, "entry 2 is no rule" },
    { function() return scoring { rule "a", x = rule "b" } end, "a list of at least one rule" },
    { function() return scoring(5) end, "a list of rules was expected" },
    { function() return rule "a" + rule "a" end, 'two rules are called "a"' },
    { function() return scoring.default + 5 end, "only rules and scorings can be added" },
    { function() return scoring.score(conversation(2, 2), 5) end, "the scoring must come from" },
    { function() return scoring.score(5) end, "a conversation or { turns = ... }" },
    { function() return scoring.score {} end, "a conversation or { turns = ... }" },
    { function() return scoring.score { turns = { { role = "user" } } } end,
      "turn 1 has no role and content" },
  }
  for _, row in ipairs(bad) do
    it("is refused where " .. row[2], function()
      local err = raised(row[1])
      assert.equal("config_error", err.kind)
      assert.truthy(err.message:find(row[2], 1, true), err.message)
      assert.truthy(err.message:find("%.lua:%d+: "), err.message)
    end)
  end

  it("agrees with people who rated real dialogues in having an opinion", function()
    local path = support.shared "dialogues_topical_chat_rated.jsonl"
    if not path then return pending("the shared data is absent") end
    local n = 0
    for dialogue in require("confab.inputs").jsonl(path):take(100):iter() do
      local score, breakdown = scoring.score { turns = dialogue.messages }
      assert.is_true(score >= 1 and score <= 10)
      assert.equal(1, breakdown[1].points)    -- 21 to 29 turns
      n = n + 1
    end
    assert.equal(100, n)
  end)
end)

describe("a scoring by tier", function()
  local strict = scoring.rule { name = "strict", points = 1, check = function() return false end }
  local by = scoring.by_tier { edge_case = strict, default = scoring.default }

  local function names(conv, scores)
    local _, breakdown = scoring.score(conv, scores)
    local list = {}
    for i, part in ipairs(breakdown) do list[i] = part.name end
    return table.concat(list, ", ")
  end

  it("goes by the conversation's tier, else by the default", function()
    local conv = conversation(8, 200)
    assert.equal("turn count, turn length, structure", names(conv, by))
    conv.tier = "edge_case"
    assert.equal("strict", names(conv, by))
    assert.equal("turn count, turn length, structure", names({ turns = conv.turns }, scoring.by_tier { a = strict }))
  end)

  it("can be added to", function()
    local extra = scoring.rule { name = "extra", points = 1, check = function() return true end }
    local conv = conversation(8, 200)
    assert.equal("turn count, turn length, structure, extra", names(conv, by + extra))
    conv.tier = "edge_case"
    assert.equal("extra, strict", names(conv, extra + by))
    assert.equal("strict, extra", names(conv, scoring { by, extra }))
  end)

  it("says what is wrong", function()
    assert.truthy(raised(scoring.by_tier, 5).message:find "a table of scorings by tier")
    assert.truthy(raised(scoring.by_tier, { strict }).message:find "needs the name of a tier")
    assert.truthy(raised(scoring.by_tier, { a = 1 }).message:find "what a has is no scoring")
    assert.truthy(raised(scoring.by_tier, { a = by }).message:find "goes by tier itself")
    assert.truthy(raised(function() return by + strict end).message:find 'two rules are called "strict"')
  end)
end)

describe("troubles of rules", function()
  before_each(function() scoring.take_troubles() end)

  it("are counted by rule, with the first error", function()
    local n = 0
    local bad = scoring.rule { name = "bad", points = 1, check = function() n = n + 1 error("oops " .. n, 0) end }
    local nothing = scoring.rule { name = "a", points = 1, check = function() end }
    for _ = 1, 3 do scoring.score(conversation(8, 200), bad + nothing) end
    local list = scoring.take_troubles()
    assert.same({ name = "a", errors = 3, first = "check returned nothing, not points", ended = 0, beyond = 0, slow = 0,
      worst_ms = 0 }, list[1])
    assert.same({ name = "bad", errors = 3, first = "oops 1", ended = 0, beyond = 0, slow = 0, worst_ms = 0 }, list[2])
    assert.same({}, scoring.take_troubles())
  end)

  it("count points beyond those of a rule, which are cut off", function()
    local given = 0
    local odd = scoring.rule { name = "odd", points = 2, check = function() return given end }
    for _, case in ipairs { { 2, 2 }, { 2.5, 2 }, { -1, 0 }, { math.huge, 2 }, { 0, 0 } } do
      given = case[1]
      local _, breakdown = scoring.score(conversation(8, 200), odd)
      assert.equal(case[2], breakdown[1].points)
    end
    assert.equal(3, scoring.take_troubles()[1].beyond)
  end)

  it("count what takes 20 ms", function()
    local clock = core.scheduler.now
    local slow = scoring.rule { name = "slow", points = 1, check = function()
      local started = clock()
      while clock() - started < 20 do end
      return true
    end }
    scoring.score(conversation(8, 200), slow)
    local list = scoring.take_troubles()
    assert.equal(1, list[1].slow)
    assert.is_true(list[1].worst_ms >= 20)
  end)
end)
