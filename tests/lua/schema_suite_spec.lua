-- confab.schema.check against the JSON Schema suite, for each keyword that is claimed. The files are read where they
-- are; without the shared folder they are counted as skipped.
local core = require "confab.core"
local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local schema = require "confab.schema"
local support = dofile(folder .. "support.lua")

-- Files of which every test is passed.
local whole = {
  "additionalProperties", "allOf", "anyOf", "boolean_schema", "const", "contains", "default", "dependentRequired",
  "dependentSchemas", "enum", "exclusiveMaximum", "exclusiveMinimum", "if-then-else", "infinite-loop-detection",
  "items", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength",
  "minProperties", "minimum", "multipleOf", "oneOf", "pattern", "patternProperties", "prefixItems", "properties",
  "propertyNames", "required", "type", "uniqueItems", "optional/bignum", "optional/ecmascript-regex",
  "optional/float-overflow", "optional/non-bmp-regex", "optional/format/date", "optional/format/date-time",
  "optional/format/duration", "optional/format/email", "optional/format/ipv4", "optional/format/ipv6",
  "optional/format/time", "optional/format/uri", "optional/format/uuid",
}

-- Files with schemas that are refused: how many, and for which keywords. Of `format` only what holds where a format is
-- a promise; of `hostname` what does not ask to decode xn-- names.
local partly = {
  { "anchor", 4, "$ref" },
  { "content", 4, "contentEncoding contentMediaType" },
  { "defs", 1, "$ref" },
  { "not", 1, "unevaluatedProperties" },
  { "ref", 17, "$id $ref unevaluatedProperties" },
  { "refRemote", 15, "$id $ref" },
  { "format", 9, "format", but = "only an annotation by default", failed = 10 },
  { "optional/format/hostname", 0, "", but = "A%-label", failed = 23 },
}

local function groups_of(name)
  local path = support.shared("json_schema_test_suite/tests/draft2020-12/" .. name .. ".json")
  if not path then return nil end
  local file = assert(io.open(path, "rb"))
  -- U+0000 cannot stand in a text here; another control character serves the tests as well.
  local text = file:read("a"):gsub("\\u0000", "\\u0001")
  file:close()
  return core.json.decode(text)
end

-- Runs a file: how many tests passed, those that failed, the refusals.
local function try(groups)
  local passed, failed, refused = 0, {}, {}
  for _, group in ipairs(groups) do
    local ok, err = pcall(schema.compile, group.schema, "suite")
    if not ok then
      refused[#refused + 1] = err
    else
      for _, test in ipairs(group.tests) do
        local result, faults = schema.check(test.data, group.schema)
        if result == test.valid and (result or #faults > 0) then
          passed = passed + 1
        else
          failed[#failed + 1] = ("%s: %s: %s"):format(group.description, test.description, tostring(faults))
        end
      end
    end
  end
  return passed, failed, refused
end

describe("the JSON Schema suite", function()
  after_each(function() collectgarbage() end)

  for _, name in ipairs(whole) do
    it(name, function()
      local groups = groups_of(name)
      if not groups then return pending("the suite is not there") end
      local passed, failed, refused = try(groups)
      assert.same({}, failed)
      assert.same({}, refused)
      assert.truthy(passed > 0)
    end)
  end

  for _, row in ipairs(partly) do
    it(row[1] .. ", as far as it is supported", function()
      local groups = groups_of(row[1])
      if not groups then return pending("the suite is not there") end
      local _, failed, refused = try(groups)
      for _, text in ipairs(failed) do assert.truthy(row.but and text:find(row.but), text) end
      assert.equal(row.failed or 0, #failed)

      local seen, names = {}, {}
      for _, err in ipairs(refused) do
        assert.equal("config_error", err.kind)
        local name = err.message:match 'the keyword "(.-)"' or err.message:match "the schema: (%S+)"
        if not seen[name] then names[#names + 1] = name end
        seen[name] = true
      end
      table.sort(names)
      assert.equal(row[3], table.concat(names, " "))
      assert.equal(row[2], #refused)
    end)
  end
end)
