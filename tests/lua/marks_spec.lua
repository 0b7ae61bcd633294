local marks = require "confab.marks"

describe("a set of ordinals", function()
  after_each(function() collectgarbage() end)

  it("has what was added, and nothing else", function()
    local set = marks.new()
    local added = { [0] = true, [1] = true, [63] = true, [64] = true, [127] = true, [1000] = true }
    for _, ordinal in ipairs { 1000, 0, 64, 1, 127, 63 } do set:add(ordinal) end
    assert.equal(6, set.count)
    for ordinal = 0, 1100 do assert.equal(added[ordinal] == true, set:has(ordinal)) end
  end)

  it("is empty at first", function()
    local set = marks.new()
    assert.equal(0, set.count)
    assert.is_false(set:has(0))
  end)

  it("takes the first n at once", function()
    for _, n in ipairs { 0, 1, 63, 64, 65, 128, 200 } do
      local set = marks.new()
      set:add_first(n)
      assert.equal(n, set.count)
      for ordinal = 0, 300 do assert.equal(ordinal < n, set:has(ordinal)) end
      set:add(n + 5)
      assert.equal(n + 1, set.count)
      assert.is_true(set:has(n + 5))
      assert.is_false(set:has(n + 4))
    end
  end)
end)
