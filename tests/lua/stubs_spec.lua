-- What there is, what the editor is told, and what the reference says: the same names in all three.
local confab = require "confab"
local core = require "confab.core"

local root = debug.getinfo(1, "S").source:match("^@(.*/)") .. "../../"

local function read(path)
  local file = assert(io.open(root .. path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local stub_text, page = read("lua/meta/confab.lua"), read("README.md")
local reference = page:match("\n## Reference\n(.*)\n## Building by hand")
local stub = dofile(root .. "lua/meta/confab.lua")

local function sorted(set)
  local names = {}
  for name in next, set do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The names of the functions that a text defines for a table: `function Run:export(` is "export".
local function defined(text, name)
  local set = {}
  for found in text:gmatch("\nfunction " .. name .. "[:.]([%w_]+)%(") do set[found] = true end
  return sorted(set)
end

--- The fields that the stub gives a class, those that it inherits included.
local function fields(class)
  local title = "%-%-%-@class " .. class:gsub("%p", "%%%0") .. "[%s:]"
  local head = assert(stub_text:match("(" .. title .. ".-)\n\n"), class)
  local set = {}
  local parent = head:match("^%-%-%-@class %S+: (%S+)")
  for _, name in ipairs(parent and fields(parent) or {}) do set[name] = true end
  for name in head:gmatch("\n%-%-%-@field ([%w_]+)") do set[name] = true end
  return sorted(set)
end

--- The names in the reference's code, such as `seq:map(fn)` and `max_tokens`.
local mentioned = {}
for code in reference:gmatch("`([^`\n]+)`") do
  for name in code:gmatch("[%w_]+") do mentioned[name] = true end
end

local function check_mentioned(names, what)
  for _, name in ipairs(names) do
    assert.is_true(mentioned[name] == true, ("the reference lacks %s of %s"):format(name, what))
  end
end

--- The options that a call takes, as it says itself when it is given one that is none.
local function options(call, ...)
  local ok, raised = pcall(call, ...)
  assert.is_false(ok)
  local names = {}
  for name in assert(raised.message:match("it takes (.*)$"), raised.message):gmatch("[%w_]+") do
    names[#names + 1] = name
  end
  return names
end

describe("the names of confab", function()
  it("are those of the stub", function()
    local there, told = {}, { null = true }
    for name in pairs(confab) do there[name] = true end
    for name in pairs(stub) do told[name] = true end
    assert.same(sorted(there), sorted(told))
  end)

  it("stand in the reference", function()
    for name in pairs(confab) do
      local at = reference:find("confab." .. name, 1, true)
      assert.truthy(at, "the reference lacks confab." .. name)
    end
  end)

  it("are all that the page calls by confab's name", function()
    local files = { db = true, so = true, lua = true, fish = true }
    for name in page:gmatch("confab%.([%w_]+)") do
      assert.is_true(files[name] or rawget(confab, name) ~= nil, "the page has confab." .. name)
    end
  end)

  it("are those of the stub in json, scoring, store and text, too", function()
    local scoring = { default = true }
    for name in pairs(stub.scoring) do scoring[name] = true end
    assert.same(sorted(confab.json), sorted(stub.json))
    assert.same(sorted(confab.schema), sorted(stub.schema))
    assert.same(sorted(confab.text), sorted(stub.text))
    assert.same(sorted(confab.scoring), sorted(scoring))
    local methods = {}
    for name in pairs(confab.store) do methods[name] = true end
    assert.same(sorted(methods), sorted(stub.store))
    check_mentioned(sorted(stub.store), "confab.store")
    check_mentioned(sorted(stub.json), "confab.json")
    check_mentioned(sorted(stub.schema), "confab.schema")
    check_mentioned(sorted(stub.text), "confab.text")
  end)
end)

describe("the module", function()
  it("hides its internals", function()
    local open = { json = true, schema = true, scoring = true, store = true, text = true }    -- compared above
    for name, value in pairs(confab) do
      assert.is_true(open[name] or type(value) ~= "table", "confab." .. name .. " is a table")
    end
  end)

  it("names the nearest where a name is misspelt", function()
    local ok, raised = pcall(function() return confab.tempalte end)
    assert.is_false(ok)
    assert.equal("script_error", raised.kind)
    assert.truthy(raised.message:find "stubs_spec.lua:%d+: there is no confab.tempalte; did you mean confab.template%?$")
    ok, raised = pcall(function() return confab[1] end)
    assert.is_false(ok)
    assert.truthy(raised.message:find "there is no confab.1$")
    assert.is_nil(rawget(confab, "tempalte"))
  end)
end)

local run_methods = { start = true }       -- of one that is only defined
for name in pairs(require "confab.results".methods) do run_methods[name] = true end

describe("the methods of", function()
  local rows = {
    { "a sequence", "Sequence", sorted(getmetatable(confab.list {}).__index) },
    { "a conversation", "Conversation", sorted(core.conversation.methods) },
    { "a template", "Template", defined(read "lua/confab/template.lua", "methods") },
    { "a run", "Run", sorted(run_methods) },
    { "a regex", "Regex", sorted(getmetatable(confab.regex "a").__index) },
    { "a limiter", "Limiter", sorted(getmetatable(confab.limiter {}).__index) },
    { "a reservation", "Reservation", sorted(getmetatable(confab.limiter {}:reserve()).__index) },
    { "a retry", "RetryManager", sorted(getmetatable(confab.retry {}).__index) },
  }
  for _, row in ipairs(rows) do
    it(row[1] .. " are those of the stub and of the reference", function()
      local names = row[3]
      assert.is_true(#names > 1)
      if row[2] then assert.same(names, defined(stub_text, row[2])) end
      check_mentioned(names, row[1])
    end)
  end
end)

describe("the options of", function()
  local odd = { ["????????????????????????????????"] = 1 }
  local rows = {
    { "confab.setup", "confab.Setup", confab.setup, odd },
    { "confab.run", "confab.RunOptions", confab.run, odd },
    { "confab.template", "confab.TemplateOptions", confab.template, odd },
    { "confab.generate", "confab.GenerateOptions", confab.generate, odd },
    { "confab.ask", "confab.AskOptions", confab.ask, odd },
    { "confab.dialogue", "confab.DialogueOptions", confab.dialogue, odd },
    { "a side of a dialogue", "confab.DialogueSide", function()
      confab.dialogue { user = odd, assistant = "x" }
    end },
    { "confab.judge", "confab.JudgeOptions", confab.judge, {}, "x", odd },
    { "confab.csv", "confab.CsvOpts", confab.csv, "file", odd },
    { "confab.chunks", "confab.ChunkOpts", confab.chunks, "file", odd },
    { "confab.limiter", "confab.Limits", confab.limiter, odd },
    { "confab.retry", "confab.RetryOptions", confab.retry, odd },
    { "confab.estimate", "confab.EstimateOptions", confab.estimate, odd },
    { "confab.cost", "confab.TokenCounts", confab.cost, odd, nil, "free" },
    { "confab.lines", nil, confab.lines, "file", odd },
    { "confab.rule", "confab.Rule", confab.rule, odd },
    { "seq:sample", nil, function() confab.list({}):sample(1, odd) end },
    { "seq:shuffle", nil, function() confab.list({}):shuffle(odd) end },
    { "run:export", "confab.ExportOptions", function()
      require "confab.results".new(1):export("file", odd)
    end },
    { "where of the store", "confab.store.Where", function()
      confab.store:conversations { where = odd }
    end },
  }
  for _, row in ipairs(rows) do
    it(row[1] .. " are those of the stub and of the reference", function()
      local names = options(table.unpack(row, 3, 6))
      if row[2] then assert.same(names, fields(row[2])) end
      check_mentioned(names, row[1])
    end)
  end
end)
