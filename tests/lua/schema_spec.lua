local core = require "confab.core"
local schema = require "confab.schema"

-- The faults of a value in one line; "fits" if there are none.
local function verdict(value, given)
  local ok, faults = schema.check(value, given)
  return ok and "fits" or tostring(faults)
end

local turn = {
  type = "object", required = { "role", "content" }, additionalProperties = false,
  properties = { role = { enum = { "user", "assistant" } }, content = { type = "string", minLength = 2 } },
}

describe("schema", function()
  after_each(function() collectgarbage() end)

  describe("check", function()
    local rows = {
      { "takes what fits", { type = "integer" }, "3", "fits" },
      { "says the type that is wanted", { type = { "string", "null" } }, "3", "must be a string or null, not 3" },
      { "takes a whole number for an integer however it is written", { type = "integer" }, "3.0", "fits" },
      { "tells an array from an object", { type = "array" }, "{}", "must be an array, not an empty object" },
      { "counts characters, not bytes", { maxLength = 2 }, '"äöü"', "must have at most 2 characters, has 3" },
      { "points to the place", { properties = { turns = { items = turn } } },
        '{"turns":[{"role":"user","content":"Hi"},{"role":"agent","content":"x"}]}',
        '/turns/1/content must have at least 2 characters, has 1; ' ..
        '/turns/1/role must be "user" or "assistant", not "agent"' },
      { "escapes names in a pointer", { additionalProperties = { type = "null" } }, '{"a/b~c":1}',
        "/a~1b~0c must be null, not 1" },
      { "names what is missing", turn, '{"role":"user"}', '"content" is missing' },
      { "names what is not allowed", turn, '{"role":"user","content":"Hi","mood":1}',
        "/mood is not allowed; the properties are content and role" },
      { "gives the faults of the alternative that was meant",
        { anyOf = { { type = "string" }, { type = "object", required = { "a" } } } }, "{}", '"a" is missing' },
      { "gives all alternatives where none was meant more", { oneOf = { { minimum = 5 }, { maximum = 1 } } }, "3",
        "fits none of 2 alternatives: must be at least 5, not 3; or must be at most 1, not 3" },
      { "says which alternatives are too many", { oneOf = { { minimum = 1 }, { maximum = 5 } } }, "3",
        "fits the alternatives 1 and 2; it must be one only" },
      { "names equal items", { uniqueItems = true }, '[{"a":1,"b":2},3,{"b":2.0,"a":1}]',
        "the items 0 and 2 are equal; each must be different" },
      { "follows a schema that refers to itself",
        { ["$ref"] = "#/$defs/node", ["$defs"] = { node = { type = "object", properties = {
          next = { ["$ref"] = "#/$defs/node" }, value = { type = "integer" } } } } },
        '{"next":{"next":{"value":"x"}}}', '/next/next/value must be a whole number, not "x"' },
      { "keeps 64-bit integers exact", { maximum = 9007199254740992 }, "9007199254740993",
        "must be at most 9007199254740992, not 9007199254740993" },
      { "takes 0.0075 for a multiple of 0.0001", { multipleOf = 0.0001 }, "0.0075", "fits" },
      { "takes patterns as ECMAScript has them", { pattern = "^\\d+\\u00e4$" }, '"12ä"', "fits" },
      { "says the pattern", { pattern = "^[A-Z]" }, '"x"', "must match the pattern ^[A-Z]" },
      { "says the format", { format = "date" }, '"2026-02-30"', 'must be of the format date, not "2026-02-30"' },
      { "refuses all with false", false, "1", "is not allowed here" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function() assert.equal(row[4], verdict(core.json.decode(row[3]), row[2])) end)
    end

    it("takes a schema as JSON text", function()
      assert.equal("must be at least 2, not 1", verdict(1, '{"minimum": 2}'))
    end)

    it("takes plain lists and objects of a script", function()
      assert.equal("fits", verdict({ { role = "user", content = "Hello" } }, { type = "array", items = turn }))
      assert.equal("fits", verdict(core.json.null, { type = "null" }))
    end)

    it("gives each fault its path and its reason", function()
      local ok, faults = schema.check({ a = "x" }, { properties = { a = { type = "integer" } } })
      assert.is_false(ok)
      assert.equal("/a", faults[1].path)
      assert.equal('must be a whole number, not "x"', faults[1].reason)
    end)

    it("says what is no JSON", function()
      assert.equal("is no JSON value: a function", verdict(print, {}))
      assert.equal("/1 is no JSON value: -nan", (verdict({ 1, 0 / 0 }, { items = {} }):gsub("%-?nan", "-nan")))
      assert.equal("is no JSON value: a nil", verdict(nil, {}))
    end)

    it("ends where a value contains itself", function()
      local list = {}
      list[1] = list
      local given = { ["$defs"] = { l = { items = { ["$ref"] = "#/$defs/l" } } }, ["$ref"] = "#/$defs/l" }
      assert.truthy(verdict(list, given):find "is nested over 64 levels deep$")
    end)

    it("ends where alternatives multiply", function()
      local given = { ["$ref"] = "#/$defs/a", ["$defs"] = { a = { anyOf = {
        { required = { "x" }, properties = { n = { ["$ref"] = "#/$defs/a" } } },
        { required = { "y" }, properties = { n = { ["$ref"] = "#/$defs/a" } } } } } } }
      local value = {}
      for _ = 1, 40 do value = { n = value } end
      assert.equal("takes over 1000000 steps to check", verdict(value, given))
    end)

    it("ends where a pattern tries for ever", function()
      local text = verdict(("a"):rep(40) .. "!", { pattern = "^(a+)+$" })
      assert.truthy(text:find("^cannot be matched with the pattern") or text:find "^must match", text)
    end)

    it("tells no more than 32 faults", function()
      local list = {}
      for i = 1, 100 do list[i] = i end
      local _, faults = schema.check(list, { items = { type = "string" } })
      assert.equal(32, #faults)
    end)

    it("sees a schema that was changed", function()
      local given = { minimum = 1 }
      assert.equal("fits", verdict(1, given))
      given.minimum = 2
      assert.equal("must be at least 2, not 1", verdict(1, given))
    end)
  end)

  describe("a schema that will not do", function()
    local rows = {
      { "has a keyword that is not supported", { unevaluatedItems = false },
        'the keyword "unevaluatedItems" is not supported' },
      { "has a misspelt keyword", { properties = { a = { minLenght = 1 } } },
        'the keyword "minLenght" at /properties/a is not supported; did you mean "minLength"?' },
      { "has an unknown type", { type = "strin" }, 'type is "strin"; did you mean "string"?' },
      { "has a count that is none", { minItems = -1 }, "minItems must be a whole number of 0 or more, not -1" },
      { "has a bound that is no number", { minimum = "1" }, 'minimum must be a number, not "1"' },
      { "has a step of nothing", { multipleOf = 0 }, "multipleOf must be more than 0, not 0" },
      { "has names that are none", { required = { 1 } }, "required must have strings only, not 1" },
      { "has no list of names", { required = "a" }, 'required must be an array, not "a"' },
      { "has no alternatives", { anyOf = {} }, "anyOf must have at least one schema" },
      { "has a list for properties", { properties = { 1 } }, "properties must be an object, not an array" },
      { "has something else for a schema", { items = 3 }, "a schema must be an object at /items, not 3" },
      { "refers to another document", { ["$ref"] = "other.json" },
        '$ref is "other.json": only places in the schema itself' },
      { "refers to nothing", { ["$ref"] = "#/$defs/x" }, '$ref is "#/$defs/x", which is not there' },
      { "has a format that is not supported", { format = "iri" }, 'format "iri" is not supported; the formats are' },
      { "has a pattern that is none", { pattern = "(" }, 'pattern cannot be used: "(" (missing closing parenthesis' },
      { "has a pattern that ECMAScript does not have", { pattern = "a\\Z" },
        'pattern cannot be used: "a\\\\Z" (\\Z, which ECMAScript does not have)' },
      { "is no JSON", "{", "the schema is not JSON: line 1, column 2" },
      { "is too long", '{"title":"' .. ("x"):rep(300000) .. '"}', "the schema is over 256 KB" },
      { "is a function", print, "cannot be written as JSON" },
    }
    for _, row in ipairs(rows) do
      it(row[1], function()
        local ok, err = pcall(schema.check, 1, row[2])
        assert.is_false(ok)
        assert.equal("config_error", err.kind)
        assert.truthy(err.message:find(row[3], 1, true), err.message)
        assert.truthy(err.message:find "schema_spec.lua:%d+: confab.schema.check: ", err.message)
      end)
    end

    it("refers to itself without end", function()
      local ok, err = pcall(schema.check, 1, { ["$ref"] = "#" })
      assert.is_false(ok)
      assert.equal("config_error", err.kind)
      assert.truthy(err.message:find("it refers to itself without end", 1, true))
    end)
  end)

  it("puts names of an enum right where only their capitals differ", function()
    local check = schema.compile({ items = { enum = { "Yes", "no" } } }, "spec")
    local value = core.json.decode '["YES","no"]'
    assert.is_false((check(value)))
    local ok, fixed = check(value, true)
    assert.is_true(ok)
    assert.equal('["Yes","no"]', core.json.encode(fixed))
    ok, fixed = schema.compile({ enum = { "Yes" } }, "spec")("yes", true)
    assert.same({ true, "Yes" }, { ok, fixed })
    assert.is_false((schema.compile({ enum = { "a", "A" } }, "spec")("b", true)))
  end)

  describe("text", function()
    it("has the properties in the order of required", function()
      assert.equal('{"properties":{"why":{"type":"string"},"score":{"type":"integer"},"more":{}},' ..
        '"required":["why","score"]}', schema.text {
          required = { "why", "score" },
          properties = { score = { type = "integer" }, more = {}, why = { type = "string" } },
        })
    end)

    it("leaves JSON as it is", function() assert.equal('{"b":1, "a":2}', schema.text '{"b":1, "a":2}') end)
  end)
end)
