local again = require "confab.again"
local flags = require "confab.flags"

local function item(state, kind)
  return { existed = state ~= nil, state = state or "pending", error_kind = kind or "" }
end

describe("what is asked for again", function()
  after_each(function()
    flags.failed, flags.offline, flags.max_new = nil, nil, nil
    collectgarbage()
  end)

  it("is new, pending, or failed on the way to a reply", function()
    assert.is_true(again.is_unfinished())
    assert.is_true(again.is_unfinished("pending"))
    assert.is_false(again.is_unfinished("done"))
    assert.is_false(again.is_unfinished("skipped"))
    for _, kind in ipairs { "api_error", "rate_limit_error", "budget_error", "config_error", "storage_error" } do
      assert.is_true(again.is_unfinished("failed", kind), kind)
    end
    for _, kind in ipairs { "parse_error", "validation_error", "refusal", "script_error" } do
      assert.is_false(again.is_unfinished("failed", kind), kind)
      flags.failed = true
      assert.is_true(again.is_unfinished("failed", kind), kind)
      flags.failed = nil
    end
  end)

  it("is looked for first where something has changed, keys are the script's, or a number is asked for", function()
    local same, other = { changes = {}, is_same = true }, { changes = { "script" }, is_same = false }
    assert.is_false(again.must_look({ continued = false }, same, true))
    assert.is_false(again.must_look({ continued = true }, same, false))
    assert.is_true(again.must_look({ continued = true }, same, true))
    assert.is_true(again.must_look({ continued = true }, other, false))
    flags.max_new = 0
    assert.is_true(again.must_look({ continued = false }, same, false))
    flags.offline = true
    assert.is_false(again.must_look({ continued = true }, other, true))
  end)
end)

describe("what was found", function()
  local function count(found, state, why, changed, bound)
    found:count(item(state, state == "failed" and "api_error" or nil), { why = why, changed = changed, bound = bound or 1000000000 })
  end

  it("is told by kind, with the fields that changed and the highest cost", function()
    local found = again.new()
    found.replayed = 1200
    count(found, nil, "new")
    count(found, "pending", "changed", "prompt")
    count(found, "failed", "unfinished")
    count(found, "failed", "set aside")
    count(found, "done", "cut off")
    count(found, "done", "new")
    for _ = 1, 2 do count(found, "done", "changed", "prompt") end
    count(found, "done", "changed", "model, system")
    count(found, "done", "changed", nil)
    assert.equal("1,200 replayed, 1 new, 1 unfinished, 1 failed before, 1 asked anew, 1 cut off before, " ..
      "1 with further calls, 4 changed (prompt 2; model, system 1; request 1); " ..
      "10 calls to send, for at most $0.01", found:text(true))
    assert.truthy(found:text(false):find("at least 10 calls to send, the first of each item for at most $0.01", 1, true))
  end)

  it("has no cost where a price is not known", function()
    local found = again.new()
    count(found, nil, "new", nil, -1)
    count(found, nil, "new")
    assert.equal("0 replayed, 2 new; 2 calls to send, of unknown cost", found:text(true))
  end)

  it("may be nothing", function()
    local found = again.new()
    found.replayed = 3
    assert.equal("3 replayed; nothing to send", found:text(true))
  end)
end)
