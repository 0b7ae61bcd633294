local rehearsal = require "confab.rehearsal"

describe("the exports of a script", function()
  after_each(function() collectgarbage() end)

  local rows = {
    { "are found with path and format", [[run:export("a/b.jsonl", { format = "alpaca" })]], { { line = 1, path = "a/b.jsonl", format = "alpaca" } } },
    { "may be written with single quotes", [[run:export('b.jsonl', {format='sharegpt'})]], { { line = 1, path = "b.jsonl", format = "sharegpt" } } },
    { "are told with their line", "\n\n run:export(\n'x.jsonl')\nrun:export 'y'\nrun : export('z')", { { line = 3, path = "x.jsonl" } } },
    { "count line by line", "a:export('1')\nb:export('2')\n\nc:export('3')", { { line = 1, path = "1" }, { line = 2, path = "2" }, { line = 4, path = "3" } } },
    { "are not known where they are not literal", [[run:export(name .. ".jsonl", { format = kind })]], { { line = 1 } } },
    { "are no literal with something behind it", [[run:export("a" .. b)]], { { line = 1 } } },
    { "do not stand in comments", "-- run:export('x', { format = 'y' })\n", {} },
    { "are not other options", [[run:export("x", { my_format = "y" })]], { { line = 1, path = "x" } } },
    { "need not be there", "print 'hello'", {} },
  }
  for _, row in ipairs(rows) do
    it(row[1], function() assert.same(row[3], rehearsal.exports_of(row[2])) end)
  end
end)
