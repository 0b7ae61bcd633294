-- The limiter as scripts see it. What it grants and when is tested in C on a clock of its own; here
-- windows are a few milliseconds, and only order and outcome are looked at.
require "confab"
local core = require "confab.core"
local errors = require "confab.errors"
local limiter = require "confab.limiter"

local HOUR_MS = 3600000

--- A limiter that has n requests for the next hour.
local function hourly(n, opts)
  local limits = { max_requests = n, window_ms = HOUR_MS, pacing = "burst", pause_threshold = 1 }
  for name, value in pairs(opts or {}) do limits[name] = value end
  return limiter.new(limits)
end

--- A limiter whose next turn comes within the twinkling of an eye.
local function quick(n, opts)
  local limits = { max_requests = n, window_ms = 20, pacing = "burst", pause_threshold = 1 }
  for name, value in pairs(opts or {}) do limits[name] = value end
  return limiter.new(limits)
end

local function failure(fn, ...)
  local ok, raised = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(raised), tostring(raised))
  return raised
end

describe("confab.limiter", function()
  it("counts what was acquired, in each lane for itself", function()
    local limits = hourly(3)
    limits:acquire "a"
    limits:acquire "a"
    limits:acquire()
    local status = limits:status "a"
    assert.same({ 2, 1, 3, 0, 0 },
      { status.used, status.remaining, status.limit, status.queued, status.in_flight })
    assert.equal("config", status.source)
    assert.is_true(status.reset_ms > HOUR_MS / 2)
    assert.is_nil(status.paused_until)
    assert.is_nil(status.input)
    assert.equal(1, limits:status().used)
    assert.equal(0, limits:status("never used").used)
  end)

  it("has 50 requests a minute unless told otherwise", function()
    assert.equal(50, limiter.new():status().limit)
  end)

  it("forgets one lane on reset and all on clear_all", function()
    local limits = hourly(5)
    for _, key in ipairs { "a", "b", "c" } do limits:acquire(key) end
    assert.equal(0, limits:reset "a")
    assert.same({ 0, 1 }, { limits:status("a").used, limits:status("b").used })
    assert.equal(0, limits:clear_all())
    assert.same({ 0, 0 }, { limits:status("b").used, limits:status("c").used })
  end)

  it("refuses with the wait when there is no queue", function()
    local limits = hourly(1, { enable_queue = false })
    limits:acquire()
    for _, method in ipairs { "acquire", "reserve" } do
      local raised = failure(limits[method], limits)
      assert.equal("rate_limit_error", raised.kind)
      assert.is_true(raised.retryable)
      assert.is_true(raised.retry_after > HOUR_MS / 2000)
    end
  end)

  it("lets a call wait for its turn", function()
    local limits = quick(1)
    for _ = 1, 3 do limits:acquire() end
    assert.is_true(limits:status().used <= 1)
  end)

  it("lets a reservation wait for its turn", function()
    local limits = quick(9, { concurrency = 1 })
    local first, order, done = limits:reserve(), {}, core.scheduler.ticket()
    core.scheduler.spawn(function()
      local second = limits:reserve()
      order[#order + 1] = "second"
      second:release()
      core.scheduler.wake(done, true)
    end)
    core.scheduler.spawn(function()
      order[#order + 1] = "release"
      first:release()
    end)
    core.scheduler.wait(done)
    assert.same({ "release", "second" }, order)
    assert.equal(0, limits:status().in_flight)
  end)

  it("waits for room without taking it", function()
    local limits = quick(1)
    limits:acquire()
    limits:wait_for_capacity()
    assert.equal(0, limits:status().used)
    limits:wait_for_capacity()
    assert.equal(0, limits:status().used)
  end)

  it("counts reservations as in flight until they are released", function()
    local limits = hourly(9, { max_input_tokens = 1000 })
    local reservation = limits:reserve("a", { input = 100 })
    assert.equal(1, limits:status("a").in_flight)
    assert.same({ used = 100, limit = 1000 }, limits:status("a").input)
    reservation:sent()
    reservation:settle { input = 250 }
    reservation:release()
    local status = limits:status "a"
    assert.same({ 0, 1, 250 }, { status.in_flight, status.used, status.input.used })
  end)

  it("gives back what was never sent", function()
    local limits = hourly(9, { max_input_tokens = 1000 })
    limits:reserve("a", { input = 100 }):release "never_sent"
    assert.same({ 0, 0 }, { limits:status("a").used, limits:status("a").input.used })
  end)

  it("keeps request and input of what failed, and drops its output", function()
    local limits = hourly(9, { max_input_tokens = 1000, max_output_tokens = 1000 })
    limits:reserve("a", { input = 100, output = 50 }):release "failed"
    local status = limits:status "a"
    assert.same({ 1, 100, 0 }, { status.used, status.input.used, status.output.used })
  end)

  it("releases a reservation that is closed or lost", function()
    local limits = hourly(9)
    do
      local _ <close> = limits:reserve()
      assert.equal(1, limits:status().in_flight)
    end
    assert.equal(0, limits:status().in_flight)
    limits:reserve()
    collectgarbage()
    collectgarbage()
    assert.same({ 0, 2 }, { limits:status().in_flight, limits:status().used })
  end)

  it("holds calls back while as many are in flight as may be", function()
    local limits = hourly(9, { concurrency = 1, enable_queue = false })
    local reservation = limits:reserve()
    local raised = failure(limits.acquire, limits)
    assert.equal("rate_limit_error", raised.kind)
    assert.is_nil(raised.retry_after)
    assert.is_nil(limits:status().wait_ms)
    reservation:release()
    limits:acquire()
  end)

  it("pauses the lane of a refused call, which goes first afterwards", function()
    local limits = quick(9)      -- after a pause the rate begins low
    local reservation = limits:reserve "a"
    local order = {}
    local done = core.scheduler.ticket()
    core.scheduler.spawn(function()
      reservation:refused(200)
      order[#order + 1] = "refused"
      reservation:release()
    end)
    core.scheduler.spawn(function()
      local status = limits:status "a"
      order[#order + 1] = status.paused_until >= os.time() - 1 and "paused" or "not paused"
      limits:acquire "a"
      order[#order + 1] = "later"
      core.scheduler.wake(done, true)
    end)
    core.scheduler.wait(done)
    assert.same({ "paused", "refused", "later" }, order)
  end)

  it("lets other coroutines go on meanwhile", function()
    local limits = quick(1)
    limits:acquire()
    local order, left, done = {}, 3, core.scheduler.ticket()
    local function finish(name)
      order[#order + 1] = name
      left = left - 1
      if left == 0 then core.scheduler.wake(done, true) end
    end
    core.scheduler.spawn(function() limits:acquire() finish "first" end)
    core.scheduler.spawn(function() limits:acquire() finish "second" end)
    core.scheduler.spawn(function() finish "other" end)
    core.scheduler.wait(done)
    assert.same({ "other", "first", "second" }, order)
  end)

  it("says where it cannot wait", function()
    local limits = hourly(1)
    limits:acquire()
    local raised
    local done = core.scheduler.ticket()
    core.scheduler.spawn(function()
      raised = failure(table.sort, { 2, 1 }, function(a, b)
        limits:acquire()
        return a < b
      end)
      core.scheduler.wake(done, true)
    end)
    core.scheduler.wait(done)
    assert.equal("script_error", raised.kind)
    assert.truthy(raised.message:find("limiter:acquire cannot wait here", 1, true), raised.message)
    assert.equal(0, limits:status().queued)
  end)

  local misuse = {
    { { max_request = 1 }, 'unknown option "max_request"; did you mean "max_requests"?' },
    { { max_requests = 0 }, "confab.limiter: max_requests must be at least 1, not 0" },
    { { pause_threshold = 1.5 }, "pause_threshold must be at most 1, not 1.5" },
    { { pacing = "smoth" }, 'did you mean "smooth"?' },
    { { max_requests = 1e7 }, "max_requests is 10000000" },
    { 5, "options must be a table, not 5" },
  }
  for _, row in ipairs(misuse) do
    it("refuses: " .. row[2], function()
      local raised = failure(limiter.new, row[1])
      assert.equal("config_error", raised.kind)
      assert.truthy(raised.message:find(row[2], 1, true), raised.message)
    end)
  end

  local arguments = {
    { { "acquire", "" }, "a key is text without NUL, not empty" },
    { { "acquire", "a\0b" }, "a key is text without NUL, not empty" },
    { { "acquire", "a", { tokens = 1 } }, "amounts are of requests, input and output" },
    { { "acquire", "a", { input = -1 } }, "amounts are whole numbers from 0 up" },
    { { "reserve", "a", 5 }, "table expected, got number" },
  }
  for i, row in ipairs(arguments) do
    it("checks arguments, row " .. i .. ": " .. row[2], function()
      local limits = hourly(1)
      local ok, raised = pcall(limits[row[1][1]], limits, table.unpack(row[1], 2))
      assert.is_false(ok)
      assert.truthy(raised:find(row[2], 1, true), raised)
      assert.equal(0, limits:status("a").in_flight)
    end)
  end

  it("refuses amounts that no window holds", function()
    assert.equal("config_error", failure(hourly(2).acquire, hourly(2), "a", { requests = 3 }).kind)
  end)

  it("refuses a reservation that is released already", function()
    local reservation = hourly(1):reserve()
    reservation:release()
    for _, method in ipairs { "sent", "settle", "release", "refused" } do
      local ok, raised = pcall(reservation[method], reservation, method == "settle" and {} or nil)
      assert.is_false(ok)
      assert.truthy(tostring(raised):find("this reservation is released", 1, true), raised)
    end
  end)
end)
