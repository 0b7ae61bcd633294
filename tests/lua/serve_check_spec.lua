local check = require "confab.serve_check"
local core = require "confab.core"

local null = core.json.null

local function request(changes)
  local made = {
    templateId = "chat", persona = "Ann", emotion = "calm", topic = "tea", tier = "template", parameters = {},
  }
  for name, value in pairs(changes or {}) do made[name] = value end
  return made
end

--- "path: reason", sorted.
local function told(problems)
  local list = {}
  for i, problem in ipairs(problems) do list[i] = problem.path .. ": " .. problem.reason end
  table.sort(list)
  return list
end

local function objections(value)
  local problems = check.problems()
  check.request(value, problems)
  return told(problems)
end

describe("a request for a conversation", function()
  it("is taken with all its fields", function()
    local problems = check.problems()
    local given = request { temperature = 0.5, maxTokens = 100.0, documentId = "d", chunkId = "c" }
    local made = check.request(given, problems)
    assert.same({}, told(problems))
    assert.same("integer", math.type(made.maxTokens))
    assert.equal("d", made.documentId)
  end)

  it("is taken at the ends of its ranges", function()
    for _, changes in ipairs {
      { temperature = 0 }, { temperature = 1 }, { maxTokens = 100 }, { maxTokens = 8192 },
      { persona = ("ä"):rep(500) }, { tier = "scenario" }, { tier = "edge_case" },
    } do
      assert.same({}, objections(request(changes)))
    end
  end)

  it("may have null for what is optional", function()
    local problems = check.problems()
    local made = check.request(request { temperature = null, maxTokens = null, documentId = null }, problems)
    assert.same({}, told(problems))
    assert.is_nil(made.temperature)
  end)

  it("is told of everything that is wrong at once", function()
    assert.same({
      "colour: is not known; the fields are templateId, persona, emotion, topic, tier, parameters, temperature, " ..
        "maxTokens, documentId, chunkId",
      "emotion: is empty",
      "maxTokens: must be a whole number",
      "parameters: must be an object, not a list",
      "persona: must be text, not a number",
      "temperature: must be from 0 to 1",
      "templateId: is missing",
      'tier: must be one of template, scenario, edge_case, not "gold"',
    }, objections {
      persona = 7, emotion = "  ", topic = "tea", tier = "gold", parameters = core.json.array {}, temperature = 1.1,
      maxTokens = 500.5, colour = "red",
    })
  end)

  local rows = {
    { "temperature", -0.1, "must be from 0 to 1" },
    { "temperature", "0.5", "must be a number, not text" },
    { "temperature", 0 / 0, "must be from 0 to 1" },
    { "maxTokens", 99, "must be from 100 to 8192" },
    { "maxTokens", 8193, "must be from 100 to 8192" },
    { "maxTokens", true, "must be a number, not true or false" },
    { "documentId", "", "is empty" },
    { "chunkId", {}, "must be text, not an object" },
    { "topic", ("x"):rep(501), "must be at most 500 characters long, not 501" },
    { "topic", null, "is missing" },
    { "tier", 3, "must be one of template, scenario, edge_case, not a number" },
    { "parameters", "x", "must be an object, not text" },
  }
  for _, row in ipairs(rows) do
    local field, value, reason = table.unpack(row)
    it(("is refused with %s = %s"):format(field, tostring(value):sub(1, 20)), function()
      assert.same({ field .. ": " .. reason }, objections(request { [field] = value }))
    end)
  end

  it("is refused if it is no object", function()
    assert.same({ ": must be an object, not a list" }, objections(core.json.array {}))
    assert.same({ ": must be an object, not null" }, objections(null))
    assert.same({ ": must be an object, not text" }, objections "x")
  end)
end)

describe("a request that is the whole body", function()
  it("may say how it is answered, which is no part of it", function()
    local problems = check.problems()
    local made, manner = check.single(request { stream = true, async = false }, problems)
    assert.same({}, told(problems))
    assert.same(request(), made)
    assert.same({ stream = true, is_async = false }, manner)
  end)

  it("is answered as ever where nothing is said", function()
    local problems = check.problems()
    local made, manner = check.single(request { stream = null }, problems)
    assert.same({}, told(problems))
    assert.same(request(), made)
    assert.same({ stream = false, is_async = false }, manner)
  end)

  it("is told of what is wrong there, too", function()
    local problems = check.problems()
    check.single(request { stream = "no", async = 1, topic = null }, problems)
    assert.same({ "async: must be true or false, not a number", "stream: must be true or false, not text",
      "topic: is missing" }, told(problems))
    problems = check.problems()
    assert.is_nil((check.single(core.json.array {}, problems)))
    assert.same({ ": must be an object, not a list" }, told(problems))
  end)
end)

describe("a batch", function()
  -- The requests are taken out of the body before.
  local function batch(value, count, most)
    local problems = check.problems()
    return check.batch(value, count, most or 10, problems), told(problems)
  end

  it("has defaults", function()
    local made, problems = batch({ requests = core.json.array {} }, 1)
    assert.same({}, problems)
    assert.same({ 3, false, false }, { made.concurrency, made.stop_on_error, made.is_async })
    made = batch({ requests = core.json.array {}, options = { concurrency = 10, async = true, stopOnError = true } }, 1)
    assert.same({ 10, true, true }, { made.concurrency, made.stop_on_error, made.is_async })
  end)

  local rows = {
    { "no object", core.json.array {}, 0, { ": must be an object, not a list" } },
    { "no requests", {}, 0, { "requests: is missing" } },
    { "an empty list", { requests = core.json.array {} }, 0, { "requests: is empty" } },
    { "requests that are no list", { requests = {} }, 0, { "requests: must be a list, not an object" } },
    { "a name with escapes", { requests = core.json.array { 1 } }, 0, { "requests: must be named without escapes" } },
    { "too many", { requests = core.json.array {} }, 3,
      { "requests: there are 3 of them; at most 2 are taken at a time" } },
    { "options that are none", { requests = core.json.array {}, options = 3 }, 1,
      { "options: must be an object, not a number" } },
    { "wrong options", { requests = core.json.array {}, options = { concurrency = 0, async = 1, fast = true } }, 1,
      { "options.async: must be true or false, not a number", "options.concurrency: must be from 1 to 10",
        "options.fast: is not known; the fields are concurrency, stopOnError, async" } },
    { "unknown fields", { requests = core.json.array {}, more = 1 }, 1,
      { "more: is not known; the fields are requests, options" } },
  }
  for _, row in ipairs(rows) do
    it("is refused with " .. row[1], function()
      local _, problems = batch(row[2], row[3], 2)
      assert.same(row[4], problems)
    end)
  end

  it("is told of at most a hundred problems", function()
    local problems = check.problems()
    for i = 1, 60 do check.request({}, problems, ("requests[%d]."):format(i)) end
    assert.equal(100, #problems)
  end)
end)

describe("an Idempotency-Key", function()
  it("is 1 to 200 signs without spaces", function()
    assert.is_nil(check.key "a")
    assert.is_nil(check.key(("x"):rep(200)))
    for _, key in ipairs { "", "a b", "a\tb", "ä", ("x"):rep(201) } do assert.is_string(check.key(key)) end
  end)
end)
