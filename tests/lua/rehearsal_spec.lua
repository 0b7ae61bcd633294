local script_exports = require "confab.script_exports"

describe("the exports of a script", function()
  after_each(function() collectgarbage() end)

  local rows = {     -- name, script, exports
    { "are found with path and options", [[run:export("a/b.jsonl", { format = "alpaca" })]],
      { { line = 1, path = "a/b.jsonl", options = { format = "alpaca" }, is_whole = true } } },
    { "may be written with single quotes", [[run:export('b.jsonl', {format='sharegpt'})]],
      { { line = 1, path = "b.jsonl", options = { format = "sharegpt" }, is_whole = true } } },
    { "are told with their line", "\n\n run:export(\n'x.jsonl')\nrun:export 'y'\nrun : export('z')",
      { { line = 3, path = "x.jsonl", options = {}, is_whole = true } } },
    { "count line by line", "a:export('1')\nb:export('2')\n\nc:export('3')",
      { { line = 1, path = "1", options = {}, is_whole = true }, { line = 2, path = "2", options = {}, is_whole = true },
        { line = 4, path = "3", options = {}, is_whole = true } } },
    { "keep what is literal of the rest", [[run:export(name .. ".jsonl", { format = kind, seed = 3,
        where = { min_score = LEAST.score, tag = "x" }, split = { train = share, val = 0.1 } })]],
      { { line = 1, options = { seed = 3, where = { tag = "x" } }, is_whole = false } } },
    { "call nothing", [[run:export("x", { format = os.exit() })]],
      { { line = 1, path = "x", options = {}, is_whole = false } } },
    { "may come from elsewhere", [[run:export("x", opts)]], { { line = 1, path = "x", options = {}, is_whole = false } } },
    { "have no literal path with something behind it", [[run:export("a" .. b)]],
      { { line = 1, options = {}, is_whole = false } } },
    { "may be no Lua at all", [[run:export("a", { = })]], { { line = 1, path = "a", options = {}, is_whole = false } } },
    { "do not stand in comments", "-- run:export('x', { format = 'y' })\n", {} },
    { "need not be there", "print 'hello'", {} },
  }
  for _, row in ipairs(rows) do
    it(row[1], function() assert.same(row[3], script_exports.of(row[2])) end)
  end
end)
