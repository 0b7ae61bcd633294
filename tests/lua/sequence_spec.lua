local core = require "confab.core"
local inputs = require "confab.inputs"
local sequence = require "confab.sequence"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised

local function json_of(seq)
  return core.json.encode(core.json.array(seq:collect()))
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = { n = i, kind = i % 10 == 0 and "rare" or "common" } end
  return inputs.list(list)
end

--- The same items, from a source that can only be read.
local function unknown_length(seq)
  return sequence.new { open = seq.source.open }
end

describe("a sequence", function()
  after_each(function() collectgarbage() end)

  local five = inputs.list { 1, 2, 3, 4, 5 }
  local rows = {
    { "maps", five:map(function(x) return x * 2 end), "[2,4,6,8,10]", 5 },
    { "keeps false when mapped", inputs.list({ 1, 2 }):map(function(x) return x == 1 end),
      "[true,false]", 2 },
    { "filters", five:filter(function(x) return x % 2 == 1 end), "[1,3,5]" },
    { "filters by where", five:where(function(x) return x > 4 end), "[5]" },
    { "takes the first", five:take(2), "[1,2]", 2 },
    { "takes all if there are fewer", five:take(9), "[1,2,3,4,5]", 5 },
    { "takes none", five:take(0), "[]", 0 },
    { "repeats", five:take(2):times(3), "[1,2,1,2,1,2]", 6 },
    { "repeats no times", five:times(0), "[]", 0 },
    { "repeats nothing", inputs.list({}):times(3), "[]", 0 },
    { "zips lists and sequences",
      inputs.list({ { a = 1 }, { a = 2 } }):zip { b = { "x", "y", "z" }, c = five },
      '[{"a":1,"b":"x","c":1},{"a":2,"b":"y","c":2}]', 2 },
    { "chains",
      five:map(function(x) return { x = x } end):filter(function(t) return t.x > 1 end):take(2),
      '[{"x":2},{"x":3}]' },
    { "samples all if there are fewer", five:sample(10), "[1,2,3,4,5]", 5 },
    { "samples none", five:sample(0), "[]", 0 },
    { "samples nothing from nothing", inputs.list({}):sample(3), "[]", 0 },
    { "shuffles nothing", inputs.list({}):shuffle(), "[]", 0 },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      assert.equal(row[3], json_of(row[2]))
      assert.equal(row[3], json_of(row[2]))    -- and again
      if row[4] then assert.equal(row[4], #row[2]) end
    end)
  end

  it("is walked by iter and by a call", function()
    local sum = 0
    for x in five:iter() do sum = sum + x end
    for x in five() do sum = sum + x end
    assert.equal(30, sum)
    local err = raised(function() for _ in five do end end)
    assert.truthy(err.message:find("walked with `for item in seq:iter() do`", 1, true))
  end)

  it("knows its length only where that is cheap", function()
    local seq = unknown_length(five)
    assert.equal(5, seq:count())
    assert.truthy(raised(function() return #seq end).message:find("use :count()", 1, true))
    assert.truthy(raised(function() return #five:filter(print) end).message:find("use :count()", 1,
      true))
  end)

  it("reads no more than take asks for", function()
    local asked = 0
    local seq = five:map(function(x) asked = asked + 1 return x end):take(2)
    seq:collect()
    assert.equal(2, asked)
  end)

  local failures = {
    { "what map raises",
      function() five:map(function(x) if x == 3 then error "boom" end return x end):collect() end,
      "script_error", "map failed for 3: " },
    { "a map that returns nothing", function() five:map(function() end):collect() end,
      "script_error", "map: the function returned nothing for 1" },
    { "what where raises, with the parameters",
      function() numbers(2):where(function(p) return p.x.y end):collect() end,
      "script_error", 'where failed for {"kind":"common","n":1}: ' },
    { "what filter raises as a value",
      function() five:filter(function() error({}) end):collect() end, "script_error",
      "filter failed for 1: table: " },
    { "what is no function", function() five:map(5) end, "config_error",
      "map: a function was expected, not a number" },
    { "what is no number of items", function() five:take(1.5) end, "config_error",
      "take: a number of items was expected, not 1.5" },
    { "a negative number", function() five:sample(-1) end, "config_error",
      "sample: a number of items was expected, not -1" },
    { "a misspelt option", function() five:sample(1, { sed = 1 }) end, "config_error",
      'sample: unknown option "sed"; did you mean "seed"?' },
    { "a seed that is no number", function() five:shuffle { seed = "x" } end, "config_error",
      'shuffle: seed must be a whole number, not "x"' },
    { "strata that items lack", function() numbers(2):sample(1, { by = "knid" }):collect() end,
      "config_error", 'by = "knid", but there is an item without it' },
    { "strata of plain values", function() five:sample(1, { by = "kind" }):collect() end,
      "config_error", "an item without it: 1" },
    { "items that cannot be JSON",
      function() inputs.list({ { f = print } }):sample(1):collect() end, "config_error",
      "a value of type function, at f" },
    { "a zip that is too short",
      function() five:map(function(x) return { x = x } end):zip({ y = { 1, 2 } }):collect() end,
      "config_error", "zip: y has only 2 values" },
    { "a zip over a name that is there", function() numbers(1):zip({ n = { 1 } }):collect() end,
      "config_error", 'already have a value named "n"' },
    { "a zip of plain values", function() five:zip({ y = five }):collect() end, "config_error",
      "zip: items must be tables" },
    { "a zip without names", function() five:zip { five } end, "config_error",
      "zip: each sequence needs a name" },
    { "a zip of nothing", function() five:zip {} end, "config_error",
      "zip: a table of named sequences" },
    { "a zip with a sequence", function() five:zip(five) end, "config_error",
      "zip: a table of named sequences" },
    { "a zip with a word", function() five:zip { y = "abc" } end, "config_error",
      "zip: y must be a sequence or a list" },
  }
  for _, row in ipairs(failures) do
    it("reports " .. row[1], function()
      local err = raised(row[2])
      assert.equal(row[3], err.kind)
      assert.truthy(err.message:find(row[4], 1, true), err.message)
    end)
  end

  it("keeps the traceback and the item of what the script raised", function()
    local err = raised(function() numbers(1):filter(function(p) return p.x.y end):collect() end)
    assert.truthy(err.traceback:find("sequence_spec.lua", 1, true))
    assert.same({ n = 1, kind = "common" }, err.details.item)
  end)

  it("passes confab's own errors on unchanged", function()
    local inner = setmetatable({ kind = "cancelled", message = "stop" }, core.raise.metatable)
    assert.equal(inner, raised(function() five:map(function() error(inner) end):collect() end))
  end)

  it("lets a function wait", function()
    local co = coroutine.wrap(function()
      return json_of(five:map(coroutine.yield):filter(coroutine.yield):take(1))
    end)
    assert.equal(1, co())
    assert.equal("one", co "one")
    assert.equal('["one"]', co(true))
  end)
end)

describe("a sample", function()
  after_each(function() collectgarbage() end)

  it("is the same for a seed, another for another, in the order of the input", function()
    local one = json_of(numbers(100):sample(10, { seed = 1 }))
    assert.equal(one, json_of(numbers(100):sample(10, { seed = 1 })))
    assert.not_equal(one, json_of(numbers(100):sample(10, { seed = 2 })))
    local last = 0
    for item in numbers(100):sample(10, { seed = 1 }):iter() do
      assert.is_true(item.n > last)
      last = item.n
    end
  end)

  it("is the items with the smallest hashes", function()
    local all = numbers(200):collect()
    table.sort(all, function(a, b)
      return math.ult(core.hash.item(3, a), core.hash.item(3, b))
    end)
    local expected = {}
    for i = 1, 20 do expected[i] = all[i].n end
    table.sort(expected)
    local got = {}
    for item in numbers(200):sample(20, { seed = 3 }):iter() do got[#got + 1] = item.n end
    assert.same(expected, got)
  end)

  it("changes in few items when the input grows", function()
    local before, kept = {}, 0
    for item in numbers(1000):sample(100, { seed = 5 }):iter() do before[item.n] = true end
    for item in numbers(1100):sample(100, { seed = 5 }):iter() do kept = kept + (before[item.n]
      and 1 or 0) end
    assert.is_true(kept > 80, kept)
  end)

  it("gives values equal shares as far as they go", function()
    local function counts(n)
      local seen = { rare = 0, common = 0 }
      for item in numbers(100):sample(n,
        { seed = 1, by = "kind" }):iter() do seen[item.kind] = seen[item.kind] + 1 end
      return seen
    end
    assert.same({ rare = 4, common = 4 }, counts(8))
    assert.same({ rare = 4, common = 5 }, counts(9))
    assert.same({ rare = 10, common = 40 }, counts(50))
    assert.same({ rare = 10, common = 90 }, counts(500))
    assert.same({ rare = 0, common = 1 }, counts(1))
  end)

  it("takes a function for the strata", function()
    local seen = {}
    for item in numbers(100):sample(10, { by = function(p) return p.n > 50 end }):iter() do
      seen[item.n > 50] = (seen[item.n > 50] or 0) + 1
    end
    assert.same({ [true] = 5, [false] = 5 }, seen)
  end)

  it("samples a real file evenly", function()
    local path = support.shared "banking77.csv"
    if not path then return pending("the shared data is absent") end
    local counts, total = {}, 0
    for row in inputs.csv(path):sample(154, { seed = 3, by = "category" }):iter() do
      counts[row.category] = (counts[row.category] or 0) + 1
      total = total + 1
    end
    assert.equal(154, total)
    for _, n in pairs(counts) do assert.equal(2, n) end
  end)
end)

describe("a shuffle", function()
  after_each(function() collectgarbage() end)

  it("gives every item once, in an order of the seed's", function()
    local one = numbers(50):shuffle { seed = 1 }
    assert.equal(json_of(one), json_of(unknown_length(numbers(50)):shuffle { seed = 1 }))
    assert.not_equal(json_of(one), json_of(numbers(50):shuffle { seed = 2 }))
    local seen = {}
    for item in one:iter() do seen[item.n] = true end
    assert.equal(50, #seen)
  end)

  it("keeps the order of the others when an item is added", function()
    local function order(n)
      local list = {}
      for item in numbers(n):shuffle():iter() do
        if item.n <= 30 then list[#list + 1] = item.n end
      end
      return list
    end
    assert.same(order(30), order(40))
  end)
end)
