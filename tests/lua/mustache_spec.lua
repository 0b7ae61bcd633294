-- The published Mustache specification: all its files, as it wants them rendered (lenient, HTML
-- escaped), and as confab renders unless told otherwise, with each case that then differs named.
local core = require "confab.core"
local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")

local files = {
  "comments", "delimiters", "interpolation", "inverted", "partials", "sections",
  "~dynamic-names", "~inheritance", "~lambdas",
}

-- The functions of ~lambdas, which the file has in other languages.
local lambdas = {
  ["Interpolation"] = function() return "world" end,
  ["Interpolation - Expansion"] = function() return "{{planet}}" end,
  ["Interpolation - Alternate Delimiters"] = function() return "|planet| => {{planet}}" end,
  ["Interpolation - Multiple Calls"] = function(calls)
    return function()
      calls.count = (calls.count or 0) + 1
      return calls.count
    end
  end,
  ["Escaping"] = function() return ">" end,
  ["Section"] = function(text) return text == "{{x}}" and "yes" or "no" end,
  ["Section - Expansion"] = function(text) return text .. "{{planet}}" .. text end,
  ["Section - Alternate Delimiters"] = function(text)
    return text .. "{{planet}} => |planet|" .. text
  end,
  ["Section - Multiple Calls"] = function(text) return "__" .. text .. "__" end,
  ["Inverted Section"] = function() return false end,
}

local escaping = "DESIGN: nothing is escaped unless asked for"
local missing = "DESIGN: a variable that the parameters lack is an error"
local null = "DESIGN: a variable that the parameters lack is an error, and null is no value"
local no_partial = "DESIGN: strict; a partial that is not there is an error"

-- What DESIGN decides otherwise: the case, why, and the error or the text.
local otherwise = {
  ["interpolation"] = {
    ["HTML Escaping"] = { escaping, text = 'These characters should be HTML escaped: & " < >\n' },
    ["Implicit Iterators - HTML Escaping"] = {
      escaping, text = 'These characters should be HTML escaped: & " < >\n',
    },
    ["Basic Null Interpolation"] = { null, error = 'no value for "cannot": it is null' },
    ["Triple Mustache Null Interpolation"] = { null, error = 'no value for "cannot": it is null' },
    ["Ampersand Null Interpolation"] = { null, error = 'no value for "cannot": it is null' },
    ["Basic Context Miss Interpolation"] = { missing, error = 'no value for "cannot"' },
    ["Triple Mustache Context Miss Interpolation"] = { missing, error = 'no value for "cannot"' },
    ["Ampersand Context Miss Interpolation"] = { missing, error = 'no value for "cannot"' },
    ["Dotted Names are never single keys"] = { missing, error = 'no value for "a.b"' },
    ["Dotted Names - Broken Chains"] = { missing, error = 'no value for "a.b.c"' },
    ["Dotted Names - Broken Chain Resolution"] = { missing, error = 'no value for "a.b.c.name"' },
    ["Dotted Names - Context Precedence"] = { missing, error = 'no value for "b.c"' },
  },
  ["partials"] = {
    ["Failed Lookup"] = { no_partial, error = 'there is no partial "text"' },
  },
  ["sections"] = {
    ["Implicit Iterator - HTML Escaping"] = { escaping, text = '"(&)(")(<)(>)"' },
  },
  ["~dynamic-names"] = {
    ["Context Misses - Partial"] = { missing, error = 'no value for "missing"' },
    ["Failed Lookup - Partial"] = { no_partial, error = 'there is no partial "content"' },
    ["Dotted Names - Operator Precedence"] = { missing, error = 'no value for "foo.bar.baz"' },
    ["Dotted Names - Failed Lookup"] = { missing, error = 'no value for "text"' },
    ["Dotted names - Context Stacking Failed Lookup"] = {
      missing, error = 'no value for "value"',
    },
    ["Dynamic Names - Double Dereferencing"] = { missing, error = 'no value for "*dynamic"' },
    ["Dynamic Names - Composed Dereferencing"] = { missing, error = 'no value for "foo.*bar"' },
  },
  ["~lambdas"] = { ["Escaping"] = { escaping, text = "<>>" } },
}

local function read(name)
  local path = support.shared("mustache_spec/specs/" .. name .. ".json")
  if not path then return nil end
  local file = assert(io.open(path, "rb"))
  local spec = core.json.decode(file:read "a")
  file:close()
  return spec.tests
end

local function data_of(test, file)
  if file ~= "~lambdas" then return test.data end
  local data = {}
  for name, value in pairs(test.data) do data[name] = value end
  data.lambda = assert(lambdas[test.name], test.name)
  if test.name == "Interpolation - Multiple Calls" then data.lambda = data.lambda {} end
  return data
end

local function render(test, file, opts)
  opts.partials = test.partials
  return core.template.compile("spec", test.template, opts):render(data_of(test, file))
end

describe("the Mustache specification", function()
  for _, file in ipairs(files) do
    local tests = read(file)
    if not tests then
      it("has " .. file, function() pending("the shared data is absent") end)
    end
    local cases = otherwise[file] or {}
    local seen = {}
    for _, test in ipairs(tests or {}) do
      local title = ("%s: %s (%s)"):format(file, test.name, test.desc:gsub("%s+", " "))

      it("holds for " .. title, function()
        assert.equal(test.expected, render(test, file, { strict = false, escape = "html" }))
      end)

      local case = cases[test.name]
      seen[test.name] = true
      it((case and "is decided otherwise for " or "holds, strict, for ") .. title, function()
        if case and case.error then
          local raised = support.raised(render, test, file, {})
          assert.equal("config_error", raised.kind)
          assert.truthy(raised.message:find(case.error, 1, true), raised.message)
        else
          assert.equal(case and case.text or test.expected, render(test, file, {}))
        end
      end)
    end
    it("has each case of " .. file .. " that is decided otherwise", function()
      if not tests then return pending("the shared data is absent") end
      for name in pairs(cases) do assert.is_true(seen[name], name) end
    end)
  end
end)
