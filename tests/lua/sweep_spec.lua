local core = require "confab.core"
local inputs = require "confab.inputs"
local sweep = require("confab.sweep").new

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised

local function json_of(seq)
  return core.json.encode(core.json.array(seq:collect()))
end

describe("sweep", function()
  after_each(function()
    collectgarbage()
    support.clean()
  end)

  local rows = {
    { "goes through axes by name, the last one fastest", { b = { 1, 2 }, a = { "x", "y" } },
      '[{"a":"x","b":1},{"a":"x","b":2},{"a":"y","b":1},{"a":"y","b":2}]' },
    { "goes through axes as written", { { "b", { 1, 2 } }, { "a", { "x", "y" } } },
      '[{"a":"x","b":1},{"a":"y","b":1},{"a":"x","b":2},{"a":"y","b":2}]' },
    { "puts written axes before named ones", { { "z", { 1, 2 } }, a = { "x", "y" } },
      '[{"a":"x","z":1},{"a":"y","z":1},{"a":"x","z":2},{"a":"y","z":2}]' },
    { "takes a single value as an axis", { a = 5, b = { true, false } },
      '[{"a":5,"b":true},{"a":5,"b":false}]' },
    { "takes a record as a single value", { p = { name = "Ada" }, n = { 1, 2 } },
      '[{"n":1,"p":{"name":"Ada"}},{"n":2,"p":{"name":"Ada"}}]' },
    { "takes records as values", { p = { { name = "Ada" }, { name = "Bo" } } },
      '[{"p":{"name":"Ada"}},{"p":{"name":"Bo"}}]' },
    { "takes a sequence", { a = inputs.list({ 1, 2, 3 }):take(2) }, '[{"a":1},{"a":2}]' },
    { "takes a sweep as an axis", { p = sweep { x = { 1, 2 } }, y = 3 },
      '[{"p":{"x":1},"y":3},{"p":{"x":2},"y":3}]' },
    { "takes null", { a = core.json.null }, '[{"a":null}]' },
    { "takes false", { a = false }, '[{"a":false}]' },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local made = sweep(row[2])
      assert.equal(row[3], json_of(made))
      assert.equal(row[3], json_of(made))
      assert.equal(#made, made:count())
      assert.equal(#made, #made:collect())
    end)
  end

  local base = sweep { persona = { { name = "Ada" }, { name = "Bo" } },
    emotion = { "calm", "angry", "sad" }, turns = { 8, 12 } }

  it("counts its combinations", function()
    assert.equal(12, #base)
    assert.equal(24, #base:times(2))
    assert.equal(8, #base:where(function(p) return p.emotion ~= "sad" end))
    assert.equal(16, #base:where(function(p) return p.emotion ~= "sad" end):times(2))
    assert.equal(5, #base:sample(5))
    assert.equal(12, #base:sample(50))
    assert.equal(3, #base:take(3))
    assert.equal(12, #base:shuffle())
    assert.equal(0, #base:where(function() return false end):sample(3))
  end)

  it("counts what could never be walked", function()
    local many = {}
    for i = 1, 1000 do many[i] = i end
    assert.equal(10 ^ 15 // 1, #sweep { a = many, b = many, c = many, d = many, e = many })
    assert.equal(3, #sweep({ a = many, b = many, c = many, d = many, e = many }):take(3):collect())
    assert.truthy(raised(sweep,
      { a = many, b = many, c = many, d = many, e = many, f = many }).message:find("more than 2^53",
      1, true))
  end)

  it("samples and shuffles like a list of the same items", function()
    local list = inputs.list(base:collect())
    for seed = 1, 5 do
      assert.equal(json_of(list:sample(5, { seed = seed })),
        json_of(base:sample(5, { seed = seed })))
      assert.equal(json_of(list:shuffle { seed = seed }), json_of(base:shuffle { seed = seed }))
      assert.equal(json_of(list:sample(5, { seed = seed, by = "emotion" })),
        json_of(base:sample(5, { seed = seed, by = "emotion" })))
      local function calm(p) return p.emotion == "calm" end
      assert.equal(json_of(list:where(calm):sample(2, { seed = seed })),
        json_of(base:where(calm):sample(2, { seed = seed })))
      assert.equal(json_of(list:where(calm):shuffle { seed = seed }),
        json_of(base:where(calm):shuffle { seed = seed }))
    end
  end)

  it("shares a sample among values like a list, however few of a value there are", function()
    local numbers = {}
    for i = 1, 40 do numbers[i] = i end
    local kinds = { "a", "b", "c", "b" }
    local axes = sweep { kind = kinds, n = numbers, m = { 1, 2, 3 } }
    local function some(p) return p.kind ~= "a" or p.n * p.m == 6 end
    local filters = { axes, axes:where(some), axes:where(some):where(function(p) return p.kind ~= "c" end) }
    for _, seq in ipairs(filters) do
      local list = inputs.list(seq:collect())
      for _, n in ipairs { 1, 2, 5, 7, 50, 333, 1000 } do
        for _, by in ipairs { "kind", "n", "m", function(p) return p.n % 7 end } do
          local opts = { seed = n, by = by }
          assert.equal(json_of(list:sample(n, opts)), json_of(seq:sample(n, opts)))
        end
      end
    end
  end)

  it("samples in an order that never changes", function()
    local picked = sweep({ a = { 1, 2, 3, 4, 5 }, b = { "x", "y", "z" } }):sample(4, { seed = 7 })
    assert.equal('[{"a":1,"b":"x"},{"a":1,"b":"y"},{"a":1,"b":"z"},{"a":2,"b":"y"}]', json_of(picked))
  end)

  it("samples what could never be walked item by item", function()
    local many = {}
    for i = 1, 3000 do many[i] = i end
    local seq = sweep({ a = many, b = many, c = { 1, 2, 3 } }):where(function(p) return p.c == 3 end)
    local started = os.clock()
    assert.equal(100, #seq:sample(100):collect())
    assert.is_true(os.clock() - started < 5)
  end)

  it("asks where only about items that a sample has room for", function()
    local many, asked = {}, 0
    for i = 1, 1000 do many[i] = i end
    local picked = sweep({ a = many,
      b = { 1, 2, 3 } }):where(function() asked = asked + 1 return true end):sample(5)
    assert.equal(5, #picked:collect())
    assert.is_true(asked < 200, asked)
  end)

  it("gives items of their own, with values that are shared", function()
    local items = base:collect()
    items[1].emotion = "changed"
    assert.equal("calm", items[2].emotion == "changed" and "changed" or base:collect()[1].emotion)
    assert.equal(items[1].persona, items[2].persona)
  end)

  it("does not notice when a list changes later", function()
    local list = { 1, 2 }
    local made = sweep { a = list }
    list[3] = 3
    assert.equal(2, #made)
    assert.equal(2, made:count())
  end)

  it("zips further values to its items", function()
    assert.equal('[{"a":1,"s":"x"},{"a":2,"s":"y"}]',
      json_of(sweep({ a = { 1, 2 } }):zip { s = { "x", "y" } }))
  end)

  it("reads a file once", function()
    local path = support.file("a\nb\n")
    local made = sweep { t = inputs.lines(path) }
    support.clean()
    assert.equal('[{"t":"a"},{"t":"b"}]', json_of(made))
  end)

  local failures = {
    { "no axes", {}, "there is no axis" },
    { "an empty list", { a = {} }, 'axis "a" is empty' },
    { "an empty sequence", { a = inputs.list {} }, 'axis "a" is empty' },
    { "a function", { a = print },
      'axis "a" must be a list, a sequence or one value, not a function' },
    { "a list with a hole", { a = { 1, nil, 3 } }, 'axis "a" is a list with holes' },
    { "a list with names", { a = { 1, 2, x = 3 } },
      'axis "a" is a list with holes or names in it' },
    { "other keys in a record", { a = { [true] = 1 } }, 'axis "a" is a list with holes' },
    { "a written axis without values", { { "a" } }, "entry 1 must be an axis such as" },
    { "a written axis without a name", { { { 1 }, { 2 } } }, "entry 1 must be an axis such as" },
    { "an axis that is there twice", { { "a", { 1 } }, a = { 2 } }, 'axis "a" is there twice' },
    { "an axis without a name", { [true] = { 1 } }, "an axis needs a name, not true" },
    { "what is no table", "abc", "a table of axes was expected" },
    { "a sequence", inputs.list { 1 }, "a table of axes was expected" },
  }
  for _, row in ipairs(failures) do
    it("refuses " .. row[1], function()
      local err = raised(sweep, row[2])
      assert.equal("config_error", err.kind)
      assert.truthy(err.message:find("confab.sweep: " .. row[3], 1, true), err.message)
    end)
  end

  it("refuses a file that cannot be read", function()
    local err = raised(sweep, { a = inputs.lines "/nowhere/x.txt" })
    assert.equal("config_error: /nowhere/x.txt: No such file or directory", tostring(err))
  end)

  it("says for which parameters where failed", function()
    local err = raised(function() return #base:where(function(p) return p.nothing.x end) end)
    assert.equal("script_error", err.kind)
    local expected = 'where failed for {"emotion":"calm","persona":{"name":"Ada"},"turns":8}: '
    assert.truthy(err.message:find(expected, 1, true), err.message)
  end)

  it("sweeps real personas over real questions", function()
    local personas, questions = support.shared "personas.jsonl", support.shared "banking77.csv"
    if not personas or not questions then return pending("the shared data is absent") end
    local made = sweep { persona = inputs.jsonl(personas), question = inputs.csv(questions),
      emotion = { "calm", "angry" } }
    assert.equal(1905 * 10003 * 2, #made)
    local first = made:take(1):collect()[1]
    assert.equal("spc-valid-0000", first.persona.id)
    assert.equal("card_arrival", first.question.category)
  end)
end)
