local core = require "confab.core"

describe("pairs", function()
  after_each(function() collectgarbage() end)
  local pairs = core.pairs.pairs

  local function keys_of(t)
    local keys = {}
    for key in pairs(t) do keys[#keys + 1] = tostring(key) end
    return table.concat(keys, " ")
  end

  local tables = {
    { "a list", { 9, 8, 7 }, "1 2 3" },
    { "an empty table", {}, "" },
    { "names in order of bytes", { b = 1, a = 1, B = 1, ab = 1, ["é"] = 1 }, "B a ab b é" },
    { "numbers before names, booleans last",
      { "x", z = 1, [1.5] = 1, [-2] = 1, [true] = 1, [false] = 1 }, "-2 1 1.5 z false true" },
    { "a list with a hole and names", { 1, nil, 3, x = 1 }, "1 3 x" },
    { "large integers beside floats",
      { [math.maxinteger] = 1, [2 ^ 62 + 0.0] = 1, [1e300] = 1, [math.mininteger] = 1 },
      "-9223372036854775808 4611686018427387904 9223372036854775807 1e+300" },
  }
  for _, row in ipairs(tables) do
    it("visits " .. row[1], function() assert.equal(row[3], keys_of(row[2])) end)
  end

  it("lets entries be removed on the way", function()
    for _, t in ipairs { { 1, 2, 3, 4 }, { a = 1, b = 2, c = 3 } } do
      local seen = 0
      for key in pairs(t) do
        seen = seen + 1
        t[key] = nil
        collectgarbage()
      end
      assert.is_true(seen >= 3)
      assert.is_nil(next(t))
    end
  end)

  it("skips entries that were removed ahead", function()
    local t, seen = { a = 1, b = 2, c = 3 }, ""
    for key in pairs(t) do
      seen = seen .. key
      t.b = nil
    end
    assert.equal("ac", seen)
    t, seen = { 1, 2, 3 }, ""
    for key in pairs(t) do
      seen = seen .. key
      t[2] = nil
    end
    assert.equal("13", seen)
  end)

  it("honours __pairs", function()
    local t = setmetatable({},
      { __pairs = function() return function(_, k) return not k and 7 or nil end, nil, nil end })
    assert.equal("7", keys_of(t))
  end)

  it("visits keys without an order last, each once", function()
    local t = { a = 1, [{}] = 2, [print] = 3 }
    local n = 0
    for _ in pairs(t) do n = n + 1 end
    assert.equal(3, n)
    assert.equal("a", (pairs(t))(t))
  end)

  it("refuses what is no table", function()
    assert.has_error(function() pairs(nil) end)
    assert.has_error(function() pairs(5) end)
  end)

  it("sorts many keys", function()
    local t, expected = {}, {}
    for i = 1000, 5999 do
      t["k" .. i] = i
      expected[#expected + 1] = "k" .. i
    end
    assert.equal(table.concat(expected, " "), keys_of(t))
  end)
end)

describe("random", function()
  after_each(function() collectgarbage() end)
  local random = core.random

  it("repeats itself by seed", function()
    local a, b = random.new(5), random.new(5)
    for _ = 1, 100 do assert.equal(a(1000000), b(1000000)) end
    assert.not_equal(a(0), random.new(6)(0))
  end)

  it("gives the numbers that it always gave", function()
    local draw = random.new(7)
    local first = { draw(100), draw(100), draw(100) }
    random.randomseed(7)
    assert.same(first, { random.random(100), random.random(100), random.random(100) })
  end)

  it("keeps to the ranges of math.random", function()
    local draw = random.new(1)
    for _ = 1, 1000 do
      local unit = draw()
      assert.is_true(unit >= 0 and unit < 1)
      local n = draw(3)
      assert.is_true(n >= 1 and n <= 3 and math.type(n) == "integer")
      n = draw(-2, 2)
      assert.is_true(n >= -2 and n <= 2)
    end
    assert.equal(4, draw(4, 4))
    assert.equal("integer", math.type(draw(0)))
    assert.equal("integer", math.type(draw(math.mininteger, math.maxinteger)))
    assert.equal(2, draw(2.0, 2.0))
  end)

  it("refuses what math.random refuses", function()
    local draw = random.new(1)
    for _, args in ipairs { { 2, 1 }, { -1 }, { 1.5 }, { "x" }, { 1, 2, 3 } } do
      assert.has_error(function() draw(table.unpack(args)) end)
    end
  end)

  it("seeds again without the time when no seed is given", function()
    local draw, seed = random.new(3)
    seed()
    local first = draw(0)
    draw, seed = random.new(3)
    local x, y = seed()
    assert.equal(first, draw(0))
    assert.equal("integer", math.type(x))
    assert.equal(0, y)
  end)

  it("takes floats and two parts as a seed", function()
    local draw, seed = random.new(1)
    seed(1.5)
    local a = draw(0)
    seed(1, 2)
    local b = draw(0)
    seed(1.5)
    assert.equal(a, draw(0))
    assert.not_equal(a, b)
    assert.has_error(function() seed {} end)
  end)
end)

describe("hash", function()
  after_each(function() collectgarbage() end)

  it("hashes as the standard says", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      core.hash.sha256hex "abc")
  end)

  it("never changes the order of samples", function()
    assert.equal(4258557881403305461, core.hash.hash64(1, "a"))
    assert.not_equal(core.hash.hash64(2, "a"), core.hash.hash64(1, "a"))
  end)

  it("hashes parameters without regard to their order", function()
    local sum = core.hash.digest(1, "a", "x") + core.hash.digest(1, "b", { 1, 2 })
    assert.equal(core.hash.hash64(1, '"b":[1,2]'), core.hash.digest(1, "b", { 1, 2 }))
    assert.equal(core.hash.item(1, { a = "x", b = { 1, 2 } }), core.hash.product({ { sum } }):next())
    assert.equal(core.hash.item(1, { a = "x", b = { 1, 2 } }), core.hash.item(1, { b = { 1.0, 2 }, a = "x" }))
    assert.not_equal(core.hash.item(1, { a = "x" }), core.hash.item(2, { a = "x" }))
    assert.equal(-3988505753862422208, core.hash.item(1, { a = "x" }))
  end)

  it("hashes what has no parameters by its JSON", function()
    for _, value in ipairs { "x", 5, true, { 1, 2 }, core.json.array {}, {}, core.json.null } do
      assert.equal(core.hash.hash64(3, core.json.canonical(value)), core.hash.item(3, value))
    end
    assert.has_error(function() core.hash.item(1, { [true] = 1 }) end)
    assert.has_error(function() core.hash.item(1, { a = { b = print } }) end)
  end)

  it("walks a product within bands of hashes", function()
    local digests = { { 1, 2, 3 }, { 10, 20 } }
    local walker = core.hash.product(digests)
    local hashes = {}
    for hash, place in walker.next, walker do
      assert.equal(#hashes, place)
      hashes[#hashes + 1] = hash
    end
    assert.equal(6, #walker)
    assert.equal(6, #hashes)
    local order = core.hash.order(hashes)
    walker:band(1, hashes[order[2]], hashes[order[4]])
    walker:rewind()
    local seen = {}
    for _, place, group in walker.next, walker do
      assert.equal(1, group)
      seen[place + 1] = true
    end
    assert.same({ [order[2]] = true, [order[3]] = true, [order[4]] = true }, seen)

    for by, groups in ipairs { { 1, 2, 1 }, { 2, 1 } } do
      walker = core.hash.product(digests, by, groups)
      walker:band(1, -1, -1)
      for _, place, group in walker.next, walker do
        assert.equal(2, group)
        assert.equal(2, groups[by == 1 and place // 2 + 1 or place % 2 + 1])
      end
    end
  end)

  it("refuses a product that is none", function()
    for _, args in ipairs { { {} }, { { {} } }, { { 1 } }, { { { 1 } }, 2, { 1 } }, { { { 1 } }, 1, {} },
      { { { 1 } }, 1, { 2 } } } do
      assert.has_error(function() core.hash.product(table.unpack(args, 1, 3)) end)
    end
    local walker = core.hash.product { { 1 } }
    assert.has_error(function() walker:band(2, 0, 1) end)
    assert.has_error(function() walker:band(1, 1, 0) end)
  end)

  it("orders unsigned, equal ones as they stood", function()
    assert.same({ 3, 2, 5, 4, 1 }, core.hash.order { -1, 5, 0, math.mininteger, 5 })
    assert.same({}, core.hash.order {})
    assert.has_error(function() core.hash.order { "x" } end)
  end)
end)

describe("text", function()
  after_each(function() collectgarbage() end)
  local text = core.text

  it("finds the first byte that is not UTF-8", function()
    for _, row in ipairs {
      { "", nil }, { "abc é 日本 😀", nil }, { "ab\xffcd", 3 }, { "\xc3", 1 }, { "é\xed\xa0\x80", 3 },
        { "x\xc0\x80", 2 },
    } do
      assert.equal(row[2], text.invalid_at(row[1]))
    end
    assert.equal(2, text.valid_prefix "ab\xff")
  end)

  it("turns Latin-1 into UTF-8", function()
    assert.equal("é£ÿ a", text.from_latin1 "\xe9\xa3\xff a")
    assert.equal("", text.from_latin1 "")
  end)

  it("counts characters", function()
    assert.equal(0, text.length "")
    assert.equal(5, text.length "aé日😀z")
  end)

  it("counts words, each character where none are spaced", function()
    for _, row in ipairs {
      { "", 0 }, { "  \n ", 0 }, { "one two\tthree\n", 3 }, { "日本語", 3 }, { "API設計 入門x", 6 },
        { "a\u{3000}b\u{a0}c", 3 }, { "한국어 문장", 2 },
    } do
      assert.equal(row[2], text.words(row[1]), row[1])
    end
  end)

  it("skips words", function()
    assert.same({ 8, 2 }, { text.skip_words("one two three", 1, 2) })
    assert.same({ 14, 3 }, { text.skip_words("one two three  ", 1, 9) })
    assert.same({ 4, 0 }, { text.skip_words("abc", 4, 1) })
    assert.has_error(function() text.skip_words("abc", 5, 1) end)
    assert.has_error(function() text.skip_words("abc", 1, -1) end)
  end)

  it("counts ends of lines of every kind", function()
    assert.equal(4, text.newlines "a\nb\r\nc\rd\r")
    assert.equal(0, text.newlines "")
  end)

  it("estimates tokens", function()
    assert.equal(0, text.tokens "")
    assert.is_true(text.tokens "four words are here" >= 5)
  end)
end)

describe("fs", function()
  after_each(function() collectgarbage() end)

  it("tells files from directories", function()
    assert.equal("directory", core.fs.kind "/")
    assert.equal("file", core.fs.kind(arg[0] or "/etc/passwd"))
    assert.equal("other", core.fs.kind "/dev/null")
    assert.same({ n = 2, [2] = "No such file or directory" },
      table.pack(core.fs.kind "/nowhere/at/all"))
  end)

  it("gives no paths where nothing matches", function()
    assert.same({}, core.fs.glob "/nowhere-*")
  end)
end)
