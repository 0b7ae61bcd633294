local inputs = require "confab.inputs"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised, plain = support.raised, support.plain

local latin1_hint = '; if the file is in Latin-1, say encoding = "latin1"'

local function texts_of(path, opts)
  return inputs.chunks(path, opts):map(function(chunk) return chunk.text end):collect()
end

local function squeeze(text)
  return (text:gsub("%s+", ""))
end

local function longest(texts)
  local most = 0
  for _, text in ipairs(texts) do most = math.max(most, utf8.len(text)) end
  return most
end

describe("chunks", function()
  after_each(function()
    collectgarbage()
    support.clean()
  end)

  local rows = {
    { "gives a short text whole", "Hello.\n", { size = 100 }, { "Hello." } },
    { "ends behind a paragraph", "One two three.\n\nFour five.", { size = 20 },
      { "One two three.", "Four five." } },
    { "ends behind a sentence", "One two three. Four five six seven.", { size = 20 },
      { "One two three.", "Four five six seven." } },
    { "keeps quotes with their sentence", 'He said "no way." Then he left us.', { size = 25 },
      { 'He said "no way."', "Then he left us." } },
    { "ends between words", "alpha beta gamma delta", { size = 12 },
      { "alpha beta", "gamma delta" } },
    { "cuts a word only if it must", "abcdefghij", { size = 4 }, { "abcd", "efgh", "ij" } },
    { "ends behind a Japanese sentence", "今日は晴れです。明日は雨が降るでしょう。", { size = 12 },
      { "今日は晴れです。", "明日は雨が降るでしょう。" } },
    { "keeps a closing bracket with its sentence", "「今日は晴れ。」明日は雨が降る。", { size = 10 },
      { "「今日は晴れ。」", "明日は雨が降る。" } },
    { "ends behind a Japanese comma", "赤い花、白い花が咲いている", { size = 6 }, { "赤い花、", "白い花が咲い", "ている" } },
    { "cuts between characters, never inside", "日本語日本語日", { size = 3 }, { "日本語", "日本語", "日" } },
    { "makes every end of line LF", "a\r\nb\rc", { size = 100 }, { "a\nb\nc" } },
    { "repeats the end of a chunk", "aaa bbb ccc ddd eee", { size = 12, overlap = 4 },
      { "aaa bbb ccc", "ccc ddd eee" } },
    { "repeats characters where no word begins", "一二三四五六七八", { size = 5, overlap = 2 },
      { "一二三四五", "四五六七八" } },
    { "counts words", "one two three four five", { by = "words", size = 2 },
      { "one two", "three four", "five" } },
    { "repeats words", "one two three four five", { by = "words", size = 3, overlap = 1 },
      { "one two three", "three four five" } },
    { "counts Japanese characters as words", "日本語です API", { by = "words", size = 3 },
      { "日本語", "です API" } },
    { "counts lines", "1\n2\n3\n4\n5", { by = "lines", size = 2 }, { "1\n2", "3\n4", "5" } },
    { "repeats lines", "1\n2\n3\n4\n5\n", { by = "lines", size = 3, overlap = 1 },
      { "1\n2\n3", "3\n4\n5" } },
    { "counts paragraphs", "\n\na\nb\n\n\nc\n \nd\n", { by = "paragraphs", size = 1 },
      { "a\nb", "c", "d" } },
    { "repeats paragraphs", "a\n\nb\n\nc\n\nd", { by = "paragraphs", size = 2, overlap = 1 },
      { "a\n\nb", "b\n\nc", "c\n\nd" } },
    { "keeps the indent of a first line", "\n\n    code\n", {}, { "    code" } },
    { "reads Latin-1 if told", "caf\xe9", { encoding = "latin1" }, { "café" } },
  }
  for _, row in ipairs(rows) do
    it(row[1], function() assert.same(row[4], texts_of(support.file(row[2]), row[3])) end)
  end

  it("names documents by their file and text, and numbers the chunks", function()
    local path = support.file("text\n# The title \n\nmore", "guide.md")
    local chunk = inputs.chunks(path, { size = 1000 }):collect()[1]
    assert.truthy(chunk.document_id:find("^guide%-%x%x%x%x%x%x%x%x$"))
    assert.equal(chunk.document_id .. "#1", chunk.chunk_id)
    assert.equal(1, chunk.index)
    assert.equal("The title", chunk.title)
    local changed = inputs.chunks(support.file("other", "guide.md")):collect()[1]
    assert.not_equal(chunk.document_id, changed.document_id)
    assert.equal("guide", changed.title)
  end)

  it("takes all files of a pattern in order of their names", function()
    support.file("bb", "b.txt")
    support.file("x", "sub.txt/x")
    local path = support.file("aa", "a.txt")
    local pattern = path:gsub("a%.txt$", "*.txt")
    assert.same({ "aa", "bb" }, texts_of(pattern))
  end)

  it("takes a file whose name looks like a pattern", function()
    assert.same({ "x" }, texts_of(support.file("x", "a[1].txt")))
  end)

  local failures = {
    { "an empty file", "", {}, "FILE: the file is empty" },
    { "invalid UTF-8 before the first chunk", ("word "):rep(50000) .. "\n\xe9", {},
      'FILE:2: invalid UTF-8: byte 0xE9 at byte 250001 of the file' .. latin1_hint },
    { "a NUL byte", "a\0", {}, "FILE:1: a NUL byte at byte 1 of the file; this is no text file" },
  }
  for _, row in ipairs(failures) do
    it("refuses " .. row[1], function()
      local path, given = support.file(row[2]), 0
      local err = raised(function() for _ in inputs.chunks(path,
        row[3]):iter() do given = given + 1 end end)
      assert.equal("config_error: " .. row[4], plain(err, path))
      assert.equal(0, given)
    end)
  end

  it("refuses wrong options, missing files and patterns without a match", function()
    local function says(words, ...) assert.truthy(tostring(raised(...)):find(words, 1, true)) end
    says("overlap (5) must be less than size (5)", inputs.chunks, "x", { size = 5, overlap = 5 })
    says("size must be from 1 to 1000000, not 0", inputs.chunks, "x", { size = 0 })
    says('did you mean "words"?', inputs.chunks, "x", { by = "wrods" })
    says('did you mean "overlap"?', inputs.chunks, "x", { overlapp = 5 })
    says("a path was expected", inputs.chunks, nil)
    says("No such file", function() texts_of("/nowhere/x.txt") end)
    says("no file matches this pattern", function() texts_of("/nowhere/*.txt") end)
    says("this is a directory", function() texts_of("/tmp") end)
    says("this is no regular file", function() texts_of("/dev/null") end)
  end)

  local documents = {
    { "documents/sherlock_holmes.latin1.txt", "latin1" }, { "documents/system_design_primer.md" },
    { "documents/system_design_primer.ja.md" },
  }
  for _, document in ipairs(documents) do
    it("loses nothing of " .. document[1], function()
      local path = support.shared(document[1])
      if not path then return pending("the shared data is absent") end
      local whole = squeeze(table.concat(inputs.lines(path, { encoding = document[2] }):collect(),
        "\n"))
      for _, opts in ipairs {
        { size = 700 }, { size = 37 }, { by = "words", size = 120 }, { by = "lines", size = 20 },
          { by = "paragraphs", size = 3 },
      } do
        opts.encoding = document[2]
        local texts = texts_of(path, opts)
        assert.is_true(whole == squeeze(table.concat(texts)))
        assert.is_true(opts.by ~= nil or longest(texts) <= opts.size)
      end
    end)

    it("moves on and stays within bounds with any overlap in " .. document[1], function()
      local path = support.shared(document[1])
      if not path then return pending("the shared data is absent") end
      local texts, ids, equal_ids = {}, {}, 0
      for chunk in inputs.chunks(path,
        { size = 400, overlap = 300, encoding = document[2] }):iter() do
        texts[#texts + 1] = chunk.text
        equal_ids = equal_ids + (ids[chunk.chunk_id] and 1 or 0)
        ids[chunk.chunk_id] = true
      end
      assert.equal(0, equal_ids)
      assert.is_true(longest(texts) <= 400)
    end)
  end
end)
