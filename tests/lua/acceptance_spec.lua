local acceptance = require "confab.acceptance"

--- As after so many accepted and not accepted items.
local function after(target, accepted, refused, must_look)
  local self = acceptance.new({ continued = false }, target, must_look or false)
  for _ = 1, accepted do self:count(true, "pending") end
  for _ = 1, refused do self:count(false, "pending") end
  return self
end

describe("accept = n", function()
  after_each(function() collectgarbage() end)

  local rows = {
    -- name, target, accepted, refused, room
    { "as many as are asked for, before anything is known", 10, 0, 0, 10 },
    { "as many as lack while all are accepted", 10, 4, 0, 6 },
    { "twice as many as lack when every second is accepted", 21, 10, 9, 20 },
    { "one at least", 10, 9, 0, 1 },
    { "more and more while none is accepted", 10, 0, 4, 50 },
  }
  for _, row in ipairs(rows) do
    it("lets into work " .. row[1], function()
      local room = after(row[2], row[3], row[4]):room()
      assert.equal(row[5], room)
      assert.equal("integer", math.type(room))
    end)
  end

  it("never lets in more than the share accepted so far asks for", function()
    for accepted = 1, 20 do
      for refused = 0, 20 do
        local room = after(30, accepted, refused):room()
        assert.is_true(room <= (30 - accepted) * (accepted + refused) / accepted)
      end
    end
  end)

  it("is reached when the last one is there, and never without a number", function()
    assert.is_false(after(3, 2, 5):is_reached())
    assert.is_true(after(3, 3, 0):is_reached())
    assert.is_false(after(nil, 3, 0):is_reached())
  end)

  it("counts what was finished before once: when it was loaded, or when it is looked at", function()
    local self = after(5, 0, 0)
    self:count(true, "done")
    assert.equal(0, self.accepted)
    self = after(5, 0, 0, true)
    self:count(true, "done")
    assert.equal(1, self.accepted)
  end)
end)
