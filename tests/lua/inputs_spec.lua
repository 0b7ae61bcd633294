local core = require "confab.core"
local inputs = require "confab.inputs"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised, plain = support.raised, support.plain

local latin1_hint = '; if the file is in Latin-1, say encoding = "latin1"'

local function json_of(seq)
  return core.json.encode(core.json.array(seq:collect()))
end

describe("inputs", function()
  after_each(function()
    collectgarbage()
    support.clean()
  end)

  describe("lines", function()
    local rows = {
      { "gives lines without their ends", "one\ntwo\n", '["one","two"]' },
      { "takes a last line without an end", "one\ntwo", '["one","two"]' },
      { "takes CR LF, LF and CR", "a\r\nb\nc\rd", '["a","b","c","d"]' },
      { "leaves blank lines out", "\n a \n\n \t\nb\n\n", '[" a ","b"]' },
      { "keeps blank lines if asked", "a\n\nb\n", '["a","","b"]', { keep_blank = true } },
      { "drops a byte order mark", "\xEF\xBB\xBFa\n", '["a"]' },
      { "reads Latin-1 if told", "caf\xe9\n", '["café"]', { encoding = "Latin1" } },
      { "keeps characters whole across blocks", ("x"):rep(65535) .. "é\n" .. ("y"):rep(65533) ..
        "😀\n",
        '["' .. ("x"):rep(65535) .. 'é","' .. ("y"):rep(65533) .. '😀"]' },
      { "keeps CR LF whole across blocks", ("x"):rep(65535) .. "\r\nb\n", '["' ..
        ("x"):rep(65535) .. '","b"]' },
      { "takes a line longer than many blocks", ("z"):rep(500000) .. "\nb", '["' ..
        ("z"):rep(500000) .. '","b"]' },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        assert.equal(row[3], json_of(inputs.lines(support.file(row[2]), row[4])))
      end)
    end

    local failures = {
      { "an empty file", "", "config_error: FILE: the file is empty" },
      { "a byte order mark alone", "\xEF\xBB\xBF", "config_error: FILE: the file is empty" },
      { "only blank lines", "\n \n", "config_error: FILE: the file holds only blank lines" },
      { "a NUL byte", "ab\nc\0d\n",
        "config_error: FILE:2: a NUL byte at byte 4 of the file; this is no text file", 2, 4 },
      { "invalid UTF-8", "ab\r\ncaf\xe9\n",
        'config_error: FILE:2: invalid UTF-8: byte 0xE9 at byte 7 of the file' ..
          latin1_hint, 2, 7 },
      { "a character cut off by the end", "ab\n\xe6\x97",
        'config_error: FILE:2: invalid UTF-8: byte 0xE6 at byte 3 of the file' ..
          latin1_hint, 2, 3 },
      { "invalid UTF-8 behind several blocks", ("x\n"):rep(100000) .. "\xff\n",
        'config_error: FILE:100001: invalid UTF-8: byte 0xFF at byte 200000 of the file' ..
          latin1_hint, 100001, 200000 },
      { "UTF-16", "\xFF\xFEa\0", "config_error: FILE: the file is in UTF-16; save it as UTF-8" },
    }
    for _, row in ipairs(failures) do
      it("refuses " .. row[1], function()
        local path = support.file(row[2])
        local err = raised(function() inputs.lines(path):collect() end)
        assert.equal(row[3], plain(err, path))
        assert.equal("config_error", err.kind)
        assert.equal(path, err.file)
        assert.equal(row[4], err.line)
        assert.equal(row[5], err.byte)
      end)
    end

    it("refuses a missing file, a directory and what is no path", function()
      assert.equal("config_error: /nowhere/x: No such file or directory",
        tostring(raised(function() inputs.lines("/nowhere/x"):collect() end)))
      assert.equal("config_error: /tmp: this is a directory, not a file",
        tostring(raised(function() inputs.lines("/tmp"):collect() end)))
      assert.truthy(tostring(raised(inputs.lines,
        5)):find("confab.lines: a path was expected, not a number", 1, true))
      assert.truthy(tostring(raised(inputs.lines, "x",
        { encoding = "utf-9" })):find('must be "utf-8" or "latin1"', 1, true))
    end)

    it("opens the file anew at each walk", function()
      local path = support.file("a\n")
      local seq = inputs.lines(path)
      assert.equal('["a"]', json_of(seq))
      support.file("b\nc\n")
      assert.equal('["b","c"]', json_of(seq))
      assert.equal(2, seq:count())
    end)

    it("closes the file at the end, when a loop is left early, and when an error is raised",
      function()
      local function open_files()
        local n = 0
        for _, path in ipairs(core.fs.glob "/proc/self/fd/*") do
          if core.fs.kind(path) == "file" then n = n + 1 end
        end
        return n
      end
      collectgarbage()
      collectgarbage "stop"
      local before = open_files()
      local seq = inputs.lines(support.file("a\nb\n"))
      for line in seq:iter() do
        if line == "a" then break end
      end
      assert.equal(before, open_files())
      seq:map(function(x) return x end):filter(function() return true end):take(1):collect()
      assert.equal(before, open_files())
      seq:collect()
      assert.equal(before, open_files())
      pcall(function() inputs.lines(support.file("\xff")):collect() end)
      assert.equal(before, open_files())
      collectgarbage "restart"
    end)
  end)

  describe("csv", function()
    local rows = {
      { "names fields by the header", "name,age\nAda,36\n", '[{"age":"36","name":"Ada"}]' },
      { "takes quotes, doubled quotes and separators inside", 'a,b\n"x, ""y""",""\n',
        '[{"a":"x, \\"y\\"","b":""}]' },
      { "keeps line breaks inside quotes as they are", 'a,b\r\n"1\n2\r\n3",z\r\n',
        '[{"a":"1\\n2\\r\\n3","b":"z"}]' },
      { "takes LF, CR LF and CR mixed", "a\n1\r\n2\r3", '[{"a":"1"},{"a":"2"},{"a":"3"}]' },
      { "drops a byte order mark", "\xEF\xBB\xBFa,b\n1,2\n", '[{"a":"1","b":"2"}]' },
      { "drops it before a quoted name", '\xEF\xBB\xBF"a",b\n1,2\n', '[{"a":"1","b":"2"}]' },
      { "trims names, not values", " a , b\n 1 , 2\n", '[{"a":" 1 ","b":" 2"}]' },
      { "takes empty fields, also at the end", "a,b,c\n,,\n1,,\n,,3",
        '[{"a":"","b":"","c":""},{"a":"1","b":"","c":""},{"a":"","b":"","c":"3"}]' },
      { "leaves blank lines out", "\na,b\n\n1,2\n  \n\n", '[{"a":"1","b":"2"}]' },
      { "keeps a quoted empty field of one column", 'a\n""\nx\n', '[{"a":""},{"a":"x"}]' },
      { "takes a quote inside a plain field as it is", 'a,b\n5" pipe,x\n',
        '[{"a":"5\\" pipe","b":"x"}]' },
      { "takes a quoted last field without a line end", 'a,b\n1,"2"', '[{"a":"1","b":"2"}]' },
      { "takes another separator", "a;b\n1,5;2\n", '[{"a":"1,5","b":"2"}]', { separator = ";" } },
      { "takes tabs", "a\tb\n1\t2\n", '[{"a":"1","b":"2"}]', { separator = "\t" } },
      { "takes a separator that patterns know", "a^b]\n1^2\n", '[{"a":"1","b]":"2"}]',
        { separator = "^" } },
      { "takes a semicolon in the name of an only column if told", "a;b\nx\n", '[{"a;b":"x"}]',
        { separator = "," } },
      { "gives lists without a header", "1,2\n3,4\n", '[["1","2"],["3","4"]]', { header = false } },
      { "takes names for a file without a header", "1,2\n", '[{"x":"1","y":"2"}]',
        { header = { "x", "y" } } },
      { "reads Latin-1 if told", "a\ncaf\xe9\n", '[{"a":"café"}]', { encoding = "latin1" } },
      { "takes a field of 150 KB", 'a,b\n"' .. ("x"):rep(150000) .. '\n""",2\n', '[{"a":"' ..
        ("x"):rep(150000) .. '\\n\\"","b":"2"}]' },
      { "takes a plain field of 150 KB", "a,b\n" .. ("x"):rep(150000) .. ",2\n", '[{"a":"' ..
        ("x"):rep(150000) .. '","b":"2"}]' },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        assert.equal(row[3], json_of(inputs.csv(support.file(row[2]), row[4])))
      end)
    end

    it("cuts blocks anywhere", function()
      -- A record of every shape slides over the border between two blocks.
      for shift = 0, 24 do
        local filler = ("f"):rep(65536 - 20 + shift)
        local text = "a,b\n" .. filler .. ",\n\"q\"\"q\",\"x\r\ny\"\r\n,é\r\nlast,\"\""
        assert.equal('[{"a":"' .. filler ..
          '","b":""},{"a":"q\\"q","b":"x\\r\\ny"},{"a":"","b":"é"},{"a":"last","b":""}]',
          json_of(inputs.csv(support.file(text))))
      end
    end)

    local failures = {
      { "an empty file", "", "FILE: the file is empty" },
      { "blank lines alone", "\n\n", "FILE: the file holds only blank lines" },
      { "a header alone", "a,b\n", "FILE: the file has no records" },
      { "a record that is too short", "a,b,c\n1,2,3\n\"x\ny\",2,3\n1,2\n",
        "FILE:5: found 2 fields where the header has 3", 5 },
      { "a record that is too long", "a,b\n1,2,3\n",
        "FILE:2: found 3 fields where the header has 2", 2 },
      { "a record of one field", "a,b\nx\n", "FILE:2: found 1 field where the header has 2", 2 },
      { "uneven records without a header", "1,2\n3\n",
        "FILE:2: found 1 field where the first record has 2", 2, { header = false } },
      { "an unclosed quote", 'a,b\n1,2\n3,"x\ny\nz\n',
        "FILE:3: the quote opened on this line is never closed", 3 },
      { "an unclosed quote at the very end", 'a,b\n1,"',
        "FILE:2: the quote opened on this line is never closed", 2 },
      { "text behind a closing quote", 'a,b\n"x"y,2\n',
        "FILE:2: text follows a closing quote; a quote inside a quoted field is written twice", 2 },
      { "two columns of one name", "a,b,a\n1,2,3\n",
        'FILE:1: columns 1 and 3 of the header are both called "a"', 1 },
      { "a column without a name", "a,,c\n1,2,3\n", "FILE:1: column 2 has no name in the header",
        1 },
      { "a header with another separator", "a;b;c\n1;2;3\n",
        'FILE:1: the header is one column, "a;b;c"; ' ..
          'say separator = ";" if that separates columns, or ","', 1 },
      { "a header with tabs", "a\tb\n1\t2\n",
        'FILE:1: the header is one column, "a\\tb"; ' ..
          'say separator = "\\t" if that separates columns, or ","', 1 },
      { "a NUL byte", "a,b\n1,\0\n",
        "FILE:2: a NUL byte at byte 6 of the file; this is no text file", 2 },
      { "invalid UTF-8", "a,b\n1,\xe9x\n",
        'FILE:2: invalid UTF-8: byte 0xE9 at byte 6 of the file' .. latin1_hint, 2 },
      { "a quoted field without end", 'a,b\n1,"' .. ("x"):rep(5 * 1024 * 1024),
        "FILE:2: a field of more than 4 MB begins here; is its quote closed?", 2 },
    }
    for _, row in ipairs(failures) do
      it("refuses " .. row[1], function()
        local path = support.file(row[2])
        local err = raised(function() inputs.csv(path, row[5]):collect() end)
        assert.equal("config_error: " .. row[3], plain(err, path))
        assert.equal(row[4], err.line)
      end)
    end

    it("says how many fields were expected and found", function()
      local err = raised(function() inputs.csv(support.file "a,b\n1\n"):collect() end)
      assert.equal(2, err.expected)
      assert.equal(1, err.found)
    end)

    it("names the nearest option", function()
      local err = raised(inputs.csv, "x.csv", { seperator = ";" })
      local expected = 'confab.csv: unknown option "seperator"; did you mean "separator"?'
      assert.truthy(err.message:find(expected, 1, true))
      for _, bad in ipairs { "", ",,", '"', "x", "\n" } do
        assert.truthy(raised(inputs.csv, "x.csv",
          { separator = bad }).message:find("must be one character", 1, true))
      end
    end)

    it("gives what was read before an error", function()
      local seq = inputs.csv(support.file "a,b\n1,2\n3\n")
      local seen = 0
      raised(function() for _ in seq:iter() do seen = seen + 1 end end)
      assert.equal(1, seen)
    end)
  end)

  describe("jsonl", function()
    it("gives values of every kind and leaves blank lines out", function()
      local path = support.file '{"a":{},"b":[]}\r\n\n[1,2.5]\n"x"\nnull\n 7 \nfalse'
      local values = inputs.jsonl(path):collect()
      assert.equal('[{"a":{},"b":[]},[1,2.5],"x",null,7,false]', core.json.encode(values))
    end)

    local failures = {
      { "bad JSON", '{"a":1}\n\n{"a":1,}\n',
        "FILE:3: bad JSON: column 8: a key in double quotes was expected", 3 },
      { "a value over two lines", '{"a":\n1}\n',
        "FILE:1: bad JSON: column 6: the text ends too early", 1 },
      { "an empty file", "", "FILE: the file is empty" },
      { "blank lines alone", "\n\n", "FILE: the file holds only blank lines" },
      { "invalid UTF-8", '"\xff"\n',
        'FILE:1: invalid UTF-8: byte 0xFF at byte 1 of the file' .. latin1_hint, 1 },
    }
    for _, row in ipairs(failures) do
      it("refuses " .. row[1], function()
        local path = support.file(row[2])
        local err = raised(function() inputs.jsonl(path):collect() end)
        assert.equal("config_error: " .. row[3], plain(err, path))
        assert.equal(row[4], err.line)
      end)
    end
  end)

  describe("list", function()
    it("walks a list, whose length is known", function()
      assert.equal(3, #inputs.list { 1, 2, 3 })
      assert.equal("[1,2,3]", json_of(inputs.list { 1, 2, 3 }))
      assert.equal(0, #inputs.list {})
    end)

    it("refuses what is no list", function()
      for _, bad in ipairs { { 1, nil, 3 }, { a = 1 }, "x" } do
        assert.equal("config_error", raised(inputs.list, bad).kind)
      end
    end)
  end)

  describe("real files", function()
    local function with(name, check)
      it(name, function()
        local path = support.shared(name)
        if not path then return pending("the shared data is absent") end
        check(path)
      end)
    end

    with("prompts.csv", function(path)
      local records, longest, types, placeholders = 0, 0, {}, 0
      for row in inputs.csv(path):iter() do
        records = records + 1
        types[row.type] = (types[row.type] or 0) + 1
        for _, field in pairs(row) do
          longest = math.max(longest, #field)
          if field:find("${", 1, true) then placeholders = placeholders + 1 end
        end
      end
      assert.equal(778, records)
      assert.equal(33072, longest)
      assert.same({ TEXT = 660, STRUCTURED = 96, IMAGE = 22 }, types)
      assert.equal(233, placeholders)
    end)
    with("banking77.csv", function(path)
      local records, categories, breaks = 0, {}, 0
      for row in inputs.csv(path):iter() do
        records = records + 1
        categories[row.category] = true
        if row.text:find("[\r\n]") then breaks = breaks + 1 end
      end
      local n = 0
      for _ in pairs(categories) do n = n + 1 end
      assert.same({ 10003, 77, 10 }, { records, n, breaks })
    end)
    with("personas.jsonl", function(path) assert.equal(1905, inputs.jsonl(path):count()) end)
    with("seed_tasks.jsonl", function(path) assert.equal(175, inputs.jsonl(path):count()) end)
    with("mt_bench_questions.jsonl", function(path)
      local with_reference = inputs.jsonl(path):filter(function(q) return q.reference end)
      assert.equal(80, inputs.jsonl(path):count())
      assert.equal(39, with_reference:count())
    end)
    with("dialogues_taskmaster4.jsonl",
      function(path) assert.equal(3210, inputs.jsonl(path):count()) end)
    with("documents/sherlock_holmes.latin1.txt", function(path)
      assert.equal(13053, inputs.lines(path, { encoding = "latin1", keep_blank = true }):count())
      assert.equal("config_error", raised(function() inputs.lines(path):count() end).kind)
    end)
  end)
end)
