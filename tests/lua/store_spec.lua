-- The store as scripts see it, over the database of tests/data/schema.
local confab = require "confab"
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local store = require "confab.store"

local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")
local data = os.getenv "TEST_DATA"

local function copy_of(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  return support.file(bytes, "store.db")
end

local function raised(fn, ...)
  local err = support.raised(fn, ...)
  assert.is_true(errors.is(err), tostring(err))
  return err
end

local function matches(pattern, err)
  assert.truthy(tostring(err):find(pattern, 1, true), ("%q in %q"):format(pattern, tostring(err)))
end

describe("confab.store", function()
  setup(function() flags.db = copy_of(data .. "/schema/v1.db") end)
  teardown(function()
    flags.db = nil
    support.clean()
  end)

  it("lists runs with their sums", function()
    local runs = store:runs()
    assert.equal(1, #runs)
    local run = runs[1]
    assert.equal("demo", run.name)
    assert.equal(36, #run.id)
    assert.equal("integer", math.type(run.row))
    assert.is_false(run.simulated)
    local a = run.account
    assert.equal(a.planned, a.accepted + a.needs_revision + a.failed + a.pending + a.skipped)
    assert.equal(40, a.spent_pico)
    assert.equal(4.0e-11, a.spent)
    assert.equal(10, a.input_tokens)
  end)

  it("gives a run by row, name, uuid and the start of one, the newest without", function()
    local uuid = store:runs()[1].id
    for _, id in ipairs { 1, "demo", uuid, uuid:sub(1, 8) } do
      assert.equal(uuid, core.store.run(id).uuid)
    end
    assert.equal(uuid, core.store.run().uuid)
    assert.is_nil(core.store.run "other")
    assert.is_nil(core.store.run(99))
  end)

  it("iterates over conversations with their fields", function()
    local seen = {}
    for conv in store:conversations() do seen[#seen + 1] = conv end
    assert.equal(1, #seen)
    local conv = seen[1]
    assert.equal("demo", conv.run)
    assert.equal(store:runs()[1].id, conv.run_id)
    assert.equal("number", type(conv.score))
    assert.equal("string", type(conv.key))
    assert.equal(#conv, #conv.turns)
    assert.is_true(#conv > 0)
    assert.is_false(conv.truncated)
    assert.same({}, conv.tags)
    assert.truthy(conv:text():find(conv.turns[1].content, 1, true))
  end)

  -- SQLite may keep one descriptor of a file for reuse while another connection has it locked.
  local SPARE = 1

  local function open_files()
    local pipe = assert(io.popen "ls /proc/$PPID/fd | wc -l")
    local count = tonumber(pipe:read "a")
    pipe:close()
    return count
  end

  it("closes the cursor on break and on error at once", function()
    for _ in store:conversations() do break end
    local before = open_files()
    collectgarbage "stop"
    for _ = 1, 20 do
      for _ in store:conversations() do break end
      pcall(function() for _ in store:conversations() do error "stop" end end)
    end
    assert.is_true(open_files() <= before + SPARE)
    collectgarbage "restart"
  end)

  it("closes a cursor that is forgotten with the garbage", function()
    collectgarbage()
    local before = open_files()
    for _ = 1, 20 do store:conversations()() end
    collectgarbage()
    collectgarbage()
    assert.is_true(open_files() <= before + SPARE)
  end)

  it("may be called again when it has ended", function()
    local next_one = store:conversations()
    while next_one() do end
    assert.is_nil(next_one())
  end)

  it("narrows conversations down", function()
    local function count(where)
      local n = 0
      for _ in store:conversations { where = where } do n = n + 1 end
      return n
    end
    local status
    for conv in store:conversations() do status = conv.status end
    assert.equal(1, count { status = status })
    assert.equal(1, count { status = { "generated", "approved", "needs_revision" }, run = "demo" })
    assert.equal(0, count { status = "rejected" })
    assert.equal(0, count { simulated = true })
    assert.equal(1, count { simulated = false })
    assert.equal(0, count { tag = "none" })
    assert.equal(1, count { run = store:runs()[1] })
  end)

  local mistakes = {
    { "a misspelt field", { stats = "approved" },
      'where: unknown option "stats"; did you mean "status"?' },
    { "a misspelt status", { status = "aproved" }, 'did you mean "approved"?' },
    { "a misspelt status in a list", { status = { "aproved" } }, 'did you mean "approved"?' },
    { "a score that is none", { min_score = 11 }, "min_score must be from 0 to 10, not 11" },
    { "a run that is not there", { run = "nothing" }, 'there is no run "nothing"' },
    { "a table that is no run", { run = {} }, "run must be a run, its id or its name" },
  }
  for _, row in ipairs(mistakes) do
    it("names " .. row[1], function()
      local err = raised(store.conversations, store, { where = row[2] })
      assert.equal("config_error", err.kind)
      matches(row[3], err)
    end)
  end

  it("says that a call needs a colon", function()
    matches("confab.store:runs(...)", raised(store.runs))
    matches("confab.store:sql(...)", raised(store.sql, "SELECT 1"))
  end)

  describe("sql", function()
    it("binds values in their order and gives rows by name", function()
      assert.same({ { a = 1, b = 2.5, c = "x", d = 1, t = "integer" } },
        store:sql("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, typeof(?1) AS t",
          1, 2.5, "x", true, nil))
    end)

    it("gives an empty list for no rows", function()
      assert.same({}, store:sql("SELECT 1 WHERE 0"))
    end)

    it("takes null for NULL and bytes as they are", function()
      assert.same({ { t = "null" } }, store:sql("SELECT typeof(?) AS t", confab.null))
      local bytes = "\xff\0\xfe"
      assert.same({ { t = "blob", x = bytes } },
        store:sql("SELECT typeof(?1) AS t, ?1 AS x", bytes))
      assert.same({ { x = "a\0b" } }, store:sql("SELECT ? AS x", "a\0b"))
    end)

    local refused = {
      { "DELETE FROM runs", "sql reads only: use SELECT" },
      { "ATTACH 'x.db' AS x", "sql reads only" },
      { "PRAGMA journal_mode = DELETE", "sql reads only" },
      { "BEGIN", "sql reads only" },
      { "SELECT 1; SELECT 2", "sql: one statement at a time" },
      { "", "sql: the text holds no statement" },
      { "SELEC 1", 'sql: near "SELEC": syntax error' },
      { "SELECT * FROM absent", "sql: no such table: absent" },
      { "SELECT ?", "sql: the query has 1 parameter, 0 given" },
      { "SELECT json('{')", "sql: malformed JSON" },
      { "WITH RECURSIVE t AS (VALUES (1) UNION ALL SELECT 1 FROM t LIMIT 100001) SELECT 1 FROM t",
        "sql: more than 100000 rows; add LIMIT to the query" },
    }
    for _, row in ipairs(refused) do
      it("refuses " .. (row[1] == "" and "nothing" or row[1]:sub(1, 40)), function()
        local err = raised(store.sql, store, row[1])
        assert.equal("config_error", err.kind)
        matches(row[2], err)
      end)
    end

    it("refuses a value that SQL has none for", function()
      matches("sql: parameter 1 is a table", raised(store.sql, store, "SELECT ?", {}))
    end)

    it("reads again after a query that failed", function()
      raised(store.sql, store, "SELECT json('{')")
      assert.equal(1, store:sql("SELECT count(*) AS n FROM runs")[1].n)
    end)
  end)

  describe("export", function()
    local function write(request)
      core.store.open(flags.db)
      request.path = request.path or flags.db .. ".jsonl"
      return core.export.write(request)
    end

    it("tells what was written and where", function()
      local result = write { statuses = { "generated", "needs_revision" } }
      assert.equal(1, result.written + result.skipped)
      assert.same({ flags.db .. ".jsonl" }, result.files)
      assert.same({ result.written }, result.written_to)
      assert.truthy(result.summary:find(result.written .. " written", 1, true))
      os.remove(flags.db .. ".jsonl")
    end)

    it("takes a split as text or as a table", function()
      for _, split in ipairs { "train=0.5,val=0.5", { train = 0.5, val = 0.5 } } do
        local result = write { split = split, path = flags.db .. "-{split}.jsonl" }
        table.sort(result.files)
        assert.same({ flags.db .. "-train.jsonl", flags.db .. "-val.jsonl" }, result.files)
        for _, path in ipairs(result.files) do assert(os.remove(path)) end
      end
    end)

    local bad = {
      { { format = "mesages" }, "messages, sharegpt, alpaca" },
      { { split = { 0.5, 0.5 } }, "split must give each name its share" },
      { { split = { train = 0.5 } }, "" },
      { { split = true }, "split must be text or a table" },
      { { system = "drop" }, 'system must be "fold" or "keep"' },
      { { statuses = { "aproved" } }, 'did you mean "approved"?' },
      { { run = "nothing" }, 'there is no run "nothing"' },
    }
    for i, row in ipairs(bad) do
      it(("refuses mistake %d and writes nothing"):format(i), function()
        local err = raised(write, row[1])
        assert.equal("config_error", err.kind)
        matches(row[2], err)
        assert.is_nil(io.open(flags.db .. ".jsonl"))
      end)
    end

    it("is not possible without a path", function()
      matches("path is missing", raised(core.export.write, {}))
    end)
  end)

  it("says what to do where there is no database", function()
    local known = flags.db
    flags.db = known .. ".missing"
    local err = raised(store.runs, store)
    flags.db = known
    assert.equal("config_error", err.kind)
    matches("there is no database at", err)
    assert.equal(1, #store:runs())
  end)
end)
