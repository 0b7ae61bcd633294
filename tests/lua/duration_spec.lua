local duration = require "confab.duration"

describe("a span of time", function()
  for span, ms in pairs { [90] = 90000, [0.5] = 500, ["90"] = 90000, ["90s"] = 90000,
    ["30m"] = 1800000, ["6h"] = 21600000, ["1.5 h"] = 5400000, ["2d"] = 172800000, [0.0001] = 1 } do
    it(("%s is %d ms"):format(span, ms), function() assert.are.equal(ms, duration.ms(span)) end)
  end

  for _, span in ipairs { 0, -1, 1 / 0, 0 / 0, "", "h", "6w", "six h", "0s", "1.2.3", "400d" } do
    it(("%s is none"):format(span), function()
      assert.is_nil(duration.ms(span))
      assert.is_string(duration.spec.check(span))
    end)
  end

  it("is six hours unless something is said", function()
    assert.are.equal(6 * 3600 * 1000, duration.ms(duration.default_outage))
  end)
end)
