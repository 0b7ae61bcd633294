local confab = require "confab"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local raised = support.raised
local text = confab.text

describe("sentences", function()
  local rows = {
    { "end at a full stop, a question mark, an exclamation mark", "It rains. Does it? It does!",
      { "It rains.", "Does it?", "It does!" } },
    { "do not end within a number, an address or an abbreviation in capitals", "It is $3.14 at example.com in the U.S.A. today.",
      { "It is $3.14 at example.com in the U.S.A. today." } },
    { "do not end where small letters follow", "He came e.g. yesterday. Then he left.",
      { "He came e.g. yesterday.", "Then he left." } },
    { "do not end behind an initial", "J. R. Smith wrote it. I read it.", { "J. R. Smith wrote it.", "I read it." } },
    { "take what closes with them", '"Stop!" He (the man.) ran.', { '"Stop!"', "He (the man.) ran." } },
    { "go on behind a comma", '"Really?", she asked. "Yes."', { '"Really?", she asked.', '"Yes."' } },
    { "end at the end of a line", "one\ntwo  \r\n\r\nthree", { "one", "two", "three" } },
    { "are found in Chinese", "今天天气很好。我们去公园吧！好吗？", { "今天天气很好。", "我们去公园吧！", "好吗？" } },
    { "are found in Hindi and Arabic", "यह अच्छा है। हाँ। هل تعرف؟ نعم.", { "यह अच्छा है।", "हाँ।", "هل تعرف؟", "نعم." } },
    { "go by small letters behind an ellipsis", "Well… maybe. No… Yes.", { "Well… maybe.", "No…", "Yes." } },
    { "are none in nothing", " \n\t ", {} },
    { "keep bytes that are no UTF-8", "a\xff. B", { "a\xff.", "B" } },
  }
  for _, row in ipairs(rows) do
    it(row[1], function() assert.same(row[3], text.sentences(row[2])) end)
  end
end)

describe("repeated", function()
  it("is the share of runs of words that came before", function()
    local share, phrase, count = text.repeated("The cat sat. the CAT sat, the cat ran", 3)
    assert.equal(3 / 7, share)    -- "the cat sat", "cat sat the" and "sat the cat" come again
    assert.equal("The cat sat", phrase)
    assert.equal(2, count)
  end)

  it("is nothing where no run comes twice, or there are fewer words", function()
    assert.same({ 0.0 }, { text.repeated "one two three four" })
    assert.same({ 0.0 }, { text.repeated("one", 2) })
    assert.same({ 0.0 }, { text.repeated "" })
  end)

  it("takes single words", function()
    assert.same({ 0.5, "a", 2 }, { text.repeated("a A", 1) })
  end)

  it("refuses a run of no words", function()
    assert.truthy(tostring(select(2, pcall(text.repeated, "a", 0))):find "1 to 1000000")
  end)
end)

describe("diversity", function()
  it("is the share of different words", function()
    assert.equal(0.5, text.diversity "a b A, b!")
    assert.equal(1.0, text.diversity "one two three")
    assert.equal(0.0, text.diversity "... !")
  end)

  it("is the mean over windows, so that it does not fall with length", function()
    assert.equal(2 / 3, text.diversity("a a b b", 2))    -- 1/2, 1, 1/2
    local once = text.diversity(("one two three four five "):rep(1), 5)
    assert.equal(once, text.diversity(("one two three four five "):rep(40), 5))
  end)
end)

describe("similarity", function()
  it("does not go by case, spaces and punctuation", function()
    assert.equal(1.0, text.similarity("Hello,  world!", "hello world"))
  end)

  it("is 0 where nothing is shared, and between", function()
    assert.equal(0.0, text.similarity("abc", "xyz"))
    local near = text.similarity("Where is my parcel?", "Where is my package?")
    assert.is_true(near > 0.3 and near < 1)
    assert.is_true(near > text.similarity("Where is my parcel?", "What is the price?"))
  end)

  it("is 1 for two texts without words", function()
    assert.equal(1.0, text.similarity("", "..."))
    assert.equal(0.0, text.similarity("", "word"))
  end)
end)

describe("a regex", function()
  it("finds, with its captures", function()
    local re = confab.regex("(\\w+)@(\\w+)")
    assert.same({ 4, 12, "müll", "ort" }, { re:find("An müll@ort") })
    assert.same({ "a", "b" }, { re:match("c a@b", -3) })
    assert.same({}, { re:find("nothing") })
    assert.same({}, { re:find("a@b", 9) })
    assert.same({ "ab" }, { confab.regex("a."):match "xab" })
  end)

  it("iterates and counts, empty matches too", function()
    local found = {}
    for a, b in confab.regex("(.)=(.)?"):gmatch "a=1,b=" do found[#found + 1] = a .. tostring(b) end
    assert.same({ "a1", "bnil" }, found)
    assert.equal(4, confab.regex("x*"):count "axb")
    assert.equal(2, confab.regex("é"):count "éaé")
  end)

  it("takes flags", function()
    assert.equal(2, confab.regex("^a", "im"):count "A\na")
    assert.same({ "a\nb" }, { confab.regex("a . b", "sx"):match "a\nb" })
  end)

  it("says what is wrong with a pattern, a flag, a text", function()
    local e = raised(confab.regex, "a(")
    assert.equal("config_error", e.kind)
    assert.truthy(e.message:find "missing closing parenthesis, at byte 3")
    assert.truthy(raised(confab.regex, "a", "iq").message:find 'i, m, s, x, not "iq"')
    assert.truthy(raised(confab.regex, ("a"):rep(70000)).message:find "65536")
    local re = confab.regex "a"
    assert.truthy(raised(re.find, re, "ab\xff").message:find "not valid UTF%-8 at byte 3")
  end)

  it("gives up a match that takes too long", function()
    local re = confab.regex "(a+)+$"
    local e = raised(re.find, re, ("a"):rep(40) .. "b")
    assert.equal("script_error", e.kind)
    assert.truthy(e.message:find "tries too much")
  end)
end)
