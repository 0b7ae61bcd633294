local errors = require "confab.errors"
local retry = require "confab.retry"

-- Policies without jitter, so that delays are exact.
local function plain(opts)
  opts = opts or {}
  opts.jitter_ms = opts.jitter_ms or 0
  return retry.new(opts)
end

describe("confab.retry", function()
  it("doubles the delay from try to try and ends after max_attempts", function()
    local again = plain { max_attempts = 5, base_delay_ms = 100, max_delay_ms = 350 }
    local delays = {}
    for i = 1, 4 do delays[i] = again:next { status = 500 } end
    assert.same({ 100, 200, 350, 350 }, delays)
    assert.is_nil(again:next { status = 500 })
    assert.equal(5, again:attempts())
  end)

  it("makes three attempts unless told otherwise", function()
    local again = plain()
    assert.equal(1000, (again:next { status = 503 }))
    assert.equal(2000, (again:next { status = 503 }))
    assert.is_nil(again:next { status = 503 })
  end)

  it("waits as long as the server asks for, rounded up", function()
    assert.equal(7000, (plain():next { status = 500, retry_after = 7 }))
    assert.equal(1500, (plain():next { status = 529, retry_after = 1.4999 }))
    assert.equal(1000, (plain():next { status = 500, retry_after = 0.2 }))
  end)

  it("does not count a 429 as a failed attempt", function()
    local again = plain { max_attempts = 1 }
    for _ = 1, 3 do
      local delay_ms, step = again:next { status = 429, retry_after = 2 }
      assert.is_true(delay_ms >= 2000)
      assert.equal("wait", step.verdict)
    end
    assert.equal(0, again:attempts())
    assert.is_nil(again:next { status = 500 })
  end)

  local verdicts = {
    { { status = 400 }, nil, "fail_item", "bad request" },
    { { status = 401 }, nil, "key_out", "key not accepted" },
    { { status = 404 }, nil, "stop_run", "model or address not found" },
    { { status = 500 }, 1000, "retry", "server error" },
    { { status = 500, retryable = false }, nil, "fail_item", "server error" },
    { { status = 429, code = "insufficient_quota" }, nil, "key_out", "spend limit reached" },
    { errors.new("api_error", "connection reset", { retryable = true }), 1000, "retry",
      "network failure" },
  }
  for _, row in ipairs(verdicts) do
    it("judges " .. errors.show(row[1]), function()
      local delay_ms, step = plain():next(row[1])
      assert.equal(row[2], delay_ms)
      assert.same({ row[3], row[4] }, { step.verdict, step.reason })
    end)
  end

  it("does not retry what never went to a server", function()
    for _, failure in ipairs { "text", 5, { kind = "script_error" }, {},
      errors.new("validation_error", "no turns"), errors.new("api_error", "refused") } do
      local again = plain()
      assert.is_nil(again:next(failure))
      assert.equal(0, again:attempts())
    end
  end)

  it("begins anew after a reset", function()
    local again = plain { max_attempts = 2 }
    again:next { status = 500 }
    assert.is_nil(again:next { status = 500 })
    again:reset()
    assert.equal(0, again:attempts())
    assert.equal(1000, (again:next { status = 500 }))
  end)

  it("tells the delay before any retry", function()
    local again = plain()
    assert.equal(1000, again:delay(1))
    assert.equal(8000, again:delay(4))
    assert.equal(300000, again:delay(1000000))
    assert.equal(9500, again:delay(1, 9.5))
    assert.is_false(pcall(again.delay, again, 0))
  end)

  it("draws the same jitter from the same seed", function()
    local function draw(seed)
      local again, delays = retry.new { seed = seed, jitter_ms = 1000000 }, {}
      for i = 1, 5 do delays[i] = again:delay(1) end
      return delays
    end
    assert.same(draw(7), draw(7))
    assert.not_same(draw(7), draw(8))
    for _, delay_ms in ipairs(draw(7)) do
      assert.is_true(delay_ms >= 1000 and delay_ms <= 1001000)
    end
  end)

  local misuse = {
    { { max_atempts = 1 }, 'unknown option "max_atempts"; did you mean "max_attempts"?' },
    { { max_attempts = 0 }, "max_attempts must be from 1 to 1000, not 0" },
    { { base_delay_ms = -1 }, "base_delay_ms must be at least 0, not -1" },
    { { jitter_ms = 1e9 }, "jitter_ms is 1000000000" },
    { 5, "options must be a table, not 5" },
  }
  for _, row in ipairs(misuse) do
    it("refuses: " .. row[2], function()
      local ok, raised = pcall(retry.new, row[1])
      assert.is_false(ok)
      assert.is_true(errors.is(raised, "config_error"))
      assert.truthy(raised.message:find(row[2], 1, true), raised.message)
    end)
  end
end)
