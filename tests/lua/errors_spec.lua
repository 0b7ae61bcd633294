local core = require "confab.core"
local errors = require "confab.errors"
local keys = require "confab.keys"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised

describe("an error", function()
  after_each(function() collectgarbage() end)

  it("has fields and a readable tostring", function()
    local err = errors.new("rate_limit_error", "wait a little",
      { retryable = true, retry_after = 2.5 })
    assert.equal("rate_limit_error: wait a little", tostring(err))
    assert.is_true(err.retryable)
    assert.equal(2.5, err.retry_after)
    assert.is_false(errors.new("refusal", "no").retryable)
  end)

  it("is told from other tables, and from other kinds", function()
    local err = errors.new("config_error", "x")
    assert.is_true(errors.is(err))
    assert.is_true(errors.is(err, "config_error"))
    assert.is_false(errors.is(err, "refusal"))
    assert.is_false(errors.is({ kind = "config_error", message = "x" }))
    assert.is_false(errors.is("config_error"))
  end)

  it("from C is of the same make", function()
    assert.is_true(errors.is(raised(core.json.decode, "["), "parse_error"))
  end)

  it("bears being tampered with", function()
    local err = errors.new("refusal", "x")
    err.message = {}
    assert.equal("confab error", tostring(err))
  end)

  it("must be of a known kind", function()
    assert.has_error(function() errors.new("oops", "x") end)
  end)

  it("of wrong use names the script's line", function()
    local err = raised(errors.misuse, "bad idea", { a = 1 })
    assert.truthy(err.message:find("support.lua:%d+: bad idea$")
      or err.message:find("errors_spec.lua:%d+: bad idea$"), err.message)
    assert.equal(1, err.details.a)
    assert.is_number(err.line)
  end)

  it("shows values in short, never cutting a character", function()
    assert.equal('{"a":1}', errors.show { a = 1 })
    assert.equal('"' .. ("é"):rep(4) .. "…", errors.show(("é"):rep(200), 10))
    assert.truthy(errors.show(print):find "function: ")
    assert.equal("nil", errors.show(nil))
  end)

  it("of a guarded function names the part, the item and where it happened", function()
    local err = raised(errors.guard, "where", function(p) return p.a.b.c end, { a = 1 })
    assert.equal("script_error", err.kind)
    local expected = '^where failed for {"a":1}: .*errors_spec.lua:%d+: attempt to index'
    assert.truthy(err.message:find(expected), err.message)
    assert.truthy(err.traceback:find "errors_spec.lua")
    assert.same({ 1, nil, 3 }, { errors.guard("f", function(...) return ... end, 1, nil, 3) })
  end)
end)

describe("a key", function()
  after_each(function() collectgarbage() end)

  it("comes from the item's parameters, whatever their order", function()
    assert.equal(keys.of { a = 1, b = { "x" } }, keys.of { b = { "x" }, a = 1.0 })
    assert.not_equal(keys.of { a = 1 }, keys.of { a = 2 })
    assert.equal("015abd7f5cc57a2d", keys.of { a = 1 })
    assert.equal(16, #keys.of "plain text")
  end)

  it("cannot come from what is not data", function()
    local err = raised(keys.of, { f = print })
    assert.equal("config_error", err.kind)
    local expected = "item has no key: cannot be written as JSON: a value of type function, at f"
    assert.truthy(err.message:find(expected, 1, true), err.message)
  end)

  it("numbers equal items from the second on", function()
    assert.equal("k", keys.occurrence("k", 1))
    assert.equal("k#2", keys.occurrence("k", 2))
  end)

  it("may be given by the script", function()
    assert.equal("id-1", keys.from(function(item) return "id-" .. item.id end, { id = 1 }))
    assert.equal("7", keys.from(function() return 7 end, {}))
  end)

  local bad = {
    { "raises", function() error "boom" end, "script_error", "key failed for {}: " },
    { "returns nothing", function() end, "script_error", "not nothing, for {}" },
    { "returns a table", function() return {} end, "script_error", "not a table, for {}" },
    { "returns a fraction", function() return 1.5 end, "script_error", "not a float, for {}" },
    { "returns an empty text", function() return "" end, "config_error",
      'key must be 1 to 256 bytes of text without control characters, not "", for {}' },
    { "returns a line break", function() return "a\nb" end, "config_error",
      "key must be 1 to 256 bytes" },
    { "returns invalid UTF-8", function() return "\xff" end, "config_error",
      "key must be 1 to 256 bytes" },
    { "returns too much", function() return ("x"):rep(257) end, "config_error",
      "key must be 1 to 256 bytes" },
  }
  for _, row in ipairs(bad) do
    it("is refused from a function that " .. row[1], function()
      local err = raised(keys.from, row[2], {})
      assert.equal(row[3], err.kind)
      assert.truthy(err.message:find(row[4], 1, true), err.message)
    end)
  end

  it("that two items share is an error naming both", function()
    local err = keys.duplicate("k", { a = 1 }, { a = 2 })
    assert.equal('config_error: two items have the key "k": {"a":1} and {"a":2}', tostring(err))
  end)
end)

describe("the frames of a traceback", function()
  it("are those of the script", function()
    local traceback = table.concat({
      "stack traceback:", "\t[C]: in function 'error'", "\tpipeline.lua:5: in field 'step'",
      "\tconfab/run.lua:185: in function <confab/run.lua:183>", "\t(...tail calls...)",
      "\t/home/ann/confab/pipeline.lua:9: in main chunk", "\t[C]: in ?",
    }, "\n")
    assert.equal("\n\tpipeline.lua:5: in field 'step'" ..
      "\n\t/home/ann/confab/pipeline.lua:9: in main chunk", errors.script_frames(traceback, "pipeline.lua:5: no"))
  end)

  it("are none where only confab's own stand", function()
    assert.equal("", errors.script_frames("stack traceback:\n\t[C]: in ?", ""))
    assert.equal("", errors.script_frames("", ""))
    local single = "stack traceback:\n\t[C]: in ?\n\tpipeline.lua:5: in main chunk"
    assert.equal("", errors.script_frames(single, "pipeline.lua:5: no topic"))
    assert.equal("\n\tpipeline.lua:5: in main chunk", errors.script_frames(single, "no topic"))
  end)
end)
