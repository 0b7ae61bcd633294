local concurrency = require "confab.concurrency"

local function status(fields)
  local all = {
    held = false, disk_low = false, storage_full = false, away_ms = 0, pause_ms = 0, waiting_for_budget = 0,
    undecided = 0, waiting = 0, in_flight = 0, calls_wanted = 0, replies = 0, latency_ms = 0,
  }
  for name, value in pairs(fields or {}) do all[name] = value end
  return all
end

describe("a set number of items in work", function()
  it("holds, whatever the engine does", function()
    local items = concurrency.new(4)
    assert.equal(4, items:look(0, status { calls_wanted = 100 }, 0))
    assert.equal(4, items:look(9000, status { calls_wanted = 1, waiting = 100 }, 0))
  end)

  it("is exceeded by up to two while it is open whose failure a last one was", function()
    local items = concurrency.new(1)
    assert.equal(2, items:look(0, status { undecided = 1 }, 0))
    assert.equal(3, items:look(250, status { undecided = 2 }, 0))
    assert.equal(3, items:look(500, status { undecided = 9 }, 0))
    assert.equal(1, items:look(750, status(), 0))
  end)

  it("can be set in the middle", function()
    local items = concurrency.new "auto"
    items:set(3)
    assert.equal(3, items:look(0, status { calls_wanted = 100 }, 0))
  end)
end)

--- A service behind limits: how many items end up in work, and the most in between. Time goes by looks.
local function simulate(service)
  local items, now, most, replies = concurrency.new "auto", 0, 0, 0
  local in_work = items.items
  for look = 1, service.looks or 400 do
    now = now + 250
    local calls = math.floor(in_work * (service.share or 1))    -- the others do something else
    local in_flight = math.min(calls, math.ceil(service.rate * service.latency_ms))
    local done = math.min(in_flight / math.max(service.latency_ms, 1), service.most_rate or math.huge) * 250
    replies = replies + done
    in_work = items:look(now, status {
      calls_wanted = look == 1 and 0 or math.max(math.ceil(service.rate * service.latency_ms * 1.1) + 2, 1),
      in_flight = in_flight, waiting = calls - in_flight, replies = math.floor(replies),
      latency_ms = service.latency_ms,
    }, service.free or 0)
    most = math.max(most, in_work)
  end
  return in_work, most
end

describe("auto", function()
  local rows = {
    { "50 a minute of 5 s need a handful", { rate = 50 / 60000, latency_ms = 5000 }, 5, 12 },
    { "1000 a minute of 6 s need a hundred and some", { rate = 1000 / 60000, latency_ms = 6000 }, 110, 140 },
    { "a limit that is far off is not reached beyond the bound", { rate = 100, latency_ms = 2000 }, 512, 512 },
    { "items that are in a call for a fifth of their time need five times as many",
      { rate = 1000 / 60000, latency_ms = 1200, share = 0.2 }, 100, 240 },
    { "what does not answer faster for more gets no more",
      { rate = 100, latency_ms = 10, most_rate = 5 }, 32, 128 },
    { "items that wait for nothing grow in vain, and are left as they are",
      { rate = 100, latency_ms = 2000, free = 32 }, 32, 32 },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local in_work = simulate(row[2])
      assert.is_true(in_work >= row[3] and in_work <= row[4], in_work)
    end)
  end

  it("never passes its bound on the way", function()
    local _, most = simulate { rate = 100, latency_ms = 2000 }
    assert.equal(512, most)
  end)

  it("has enough from the second look on where the limits say how many", function()
    local in_work = simulate { rate = 1000 / 60000, latency_ms = 6000, looks = 2 }
    assert.is_true(in_work >= 110, in_work)
  end)

  for _, why in ipairs { "held", "disk_low", "storage_full" } do
    it("stays as it is while the run is held up: " .. why, function()
      local items = concurrency.new "auto"
      for now = 250, 20000, 250 do
        assert.equal(32, items:look(now, status { [why] = true, calls_wanted = 400, replies = now }, 0))
      end
    end)
  end

  it("stays as it is in an outage, a pause and while calls wait for the budget", function()
    local items = concurrency.new "auto"
    for _, name in ipairs { "away_ms", "pause_ms", "waiting_for_budget" } do
      assert.equal(32, items:look(250, status { [name] = 1, calls_wanted = 400 }, 0))
    end
  end)

  it("follows limits that fall and rise", function()
    local items = concurrency.new "auto"
    items:look(250, status { calls_wanted = 200 }, 0)
    assert.equal(204, items.items)
    for now = 500, 5000, 250 do
      items:look(now, status { calls_wanted = 20, in_flight = 18, waiting = items.items - 18 }, 0)
    end
    assert.is_true(items.items >= 20 and items.items <= 32, items.items)
    items:look(5250, status { calls_wanted = 100, in_flight = items.items }, 0)
    assert.equal(104, items.items)
  end)
end)
