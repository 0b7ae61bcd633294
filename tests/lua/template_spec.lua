local core = require "confab.core"
local errors = require "confab.errors"
local template = require "confab.template"
local template_file = require "confab.template_file"

local null = core.json.null
local thread = coroutine.create(print)

local function failure(fn, ...)
  local ok, raised = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(raised), tostring(raised))
  return raised
end

local function render(text, params, opts)
  return core.template.compile("t", text, opts):render(params)
end

describe("a compiled template", function()
  local rows = {
    { "{{n}}", { n = 12 }, "12" },
    { "{{n}}", { n = 12.0 }, "12" },
    { "{{n}}", { n = 0.1 }, "0.1" },
    { "{{n}}", { n = -1e300 }, "-1e300" },
    { "{{n}}", { n = math.maxinteger }, "9223372036854775807" },
    { "{{n}}", { n = 1 / 0 }, "inf" },
    { "{{b}} {{c}}", { b = true, c = false }, "true false" },
    { "{{a.b.c}}", { a = { b = { c = "deep" } } }, "deep" },
    { "{{s}}", { s = "{{n}} {{/}}" }, "{{n}} {{/}}" },
    { "{{s}}", { s = "" }, "" },
    { "{{#l}}{{.}},{{/l}}", { l = { 1, "two", 3.5 } }, "1,two,3.5," },
    { "{{#l}}{{n}}{{x}};{{/l}}", { l = { { n = 1 }, { n = 2 } }, x = "!" }, "1!;2!;" },
    { "{{#l}}[{{#.}}{{.}}{{/.}}]{{/l}}", { l = { { 1, 2 }, { 3 } } }, "[12][3]" },
    { "{{#l}}x{{/l}}{{^l}}none{{/l}}", { l = {} }, "none" },
    { "{{#l}}x{{/l}}{{^l}}none{{/l}}", { l = core.json.array() }, "none" },
    { "{{#m}}{{k}}{{/m}}", { m = { k = "in" } }, "in" },
    { "{{^b}}no{{/b}}", { b = null }, "no" },
    { "{{^b}}no{{/b}}", {}, "no" },
    { "{{#f}}yes{{/f}}{{^f}}no{{/f}}", { f = false }, "no" },
    { "{{#z}}zero is there{{/z}}", { z = 0 }, "zero is there" },
    { "a{{! not this }}b", {}, "ab" },
    { "no variables", nil, "no variables" },
    { "{{#.}}<{{.}}>{{/.}}", { 1, 2 }, "<1><2>" },
    { "{{#.}}{{a}}{{/.}}", { 1, 2, a = 3 }, "3" },
    { "{{.}}", "a text", "a text" },
    { "{{#x}}there{{/x}}", { x = thread }, "there" },
  }
  for _, row in ipairs(rows) do
    it(("renders %s of %s"):format(row[1], errors.show(row[2])), function()
      assert.equal(row[3], render(row[1], row[2]))
    end)
  end

  it("asks __index for what a table does not have", function()
    local proxy = setmetatable({}, { __index = function(_, name) return name .. "!" end })
    local params = setmetatable({ p = proxy }, getmetatable(proxy))
    assert.equal("topic! x!", render("{{topic}} {{p.x}}", params))
  end)

  it("goes through a list behind a proxy", function()
    local list = setmetatable({}, {
      __len = function() return 3 end,
      __index = function(_, i) return i * 10 end,
    })
    assert.equal("10 20 30 ", render("{{#l}}{{.}} {{/l}}", { l = list }))
  end)

  it("passes on what an __index raises and renders again afterwards", function()
    local compiled = core.template.compile("t", ("x"):rep(5000) .. "{{bad}}")
    assert.equal(5001, #compiled:render { bad = 1 })
    local params = setmetatable({}, { __index = function() error("broken proxy", 0) end })
    for _ = 1, 3 do
      local ok, raised = pcall(compiled.render, compiled, params)
      assert.is_false(ok)
      assert.equal("broken proxy", raised)
    end
    assert.equal(5002, #compiled:render { bad = "ok" })
  end)

  it("renders itself inside a rendering", function()
    local compiled = core.template.compile("t", "<{{x}}>")
    assert.equal("<first>", compiled:render { x = "first" })
    local params = setmetatable({}, { __index = function()
      return compiled:render { x = "inner" }
    end })
    assert.equal("<<inner>>", compiled:render(params))
  end)

  it("renders lists of any length without growing the stack", function()
    local list = setmetatable({}, {
      __len = function() return 1100000 end,
      __index = function(_, i) return i % 10 end,
    })
    assert.equal(1100000, #render("{{#l}}{{.}}{{/l}}", { l = list }))
  end)

  local refused = {
    { "{{turn}}", { turns = 8, topic = "x" }, 'no value for "turn"; did you mean "turns"?' },
    { "{{persona.nme}}", { persona = { name = "Ada" } },
      'no value for "persona.nme"; did you mean "persona.name"?' },
    { "{{persona.name}}", { persona = "Ada" },
      'no value for "persona.name": "persona" is text, not a map' },
    { "a\n  {{x}}", { x = null }, 'line 2, column 3: no value for "x": it is null' },
    { "{{x}}", { x = { 1 } }, '"x" is a list, which has no text' },
    { "{{x}}", { x = { k = 1 } }, '"x" is a map, which has no text' },
    { "{{x}}", { x = thread }, 'line 1, column 1: "x" is an object, which has no text' },
    { "{{#l}}{{.}}{{/l}}", { l = { thread } }, '"." is an object, which has no text' },
    { "{{x.y}}", { x = print }, 'no value for "x.y": "x" is a function, not a map' },
    { "{{>*x}}", { x = print }, '"x" is a function, which has no text' },
  }
  for _, row in ipairs(refused) do
    it(("refuses %s of %s"):format(row[1]:gsub("\n", " "), errors.show(row[2])), function()
      local raised = failure(render, row[1], row[2])
      assert.equal("config_error", raised.kind)
      assert.truthy(raised.message:find(row[3], 1, true), raised.message)
      assert.truthy(raised.message:find("template t", 1, true), raised.message)
    end)
  end

  it("suggests the same one of two equally near names every time", function()
    local raised = failure(render, "{{nam}}", { namd = 1, name = 2, nama = 3 })
    assert.truthy(raised.message:find('did you mean "nama"?', 1, true), raised.message)
  end)

  it("leaves out what is missing if it is not strict", function()
    assert.equal("[]", render("[{{x}}{{y.z}}{{t}}]", { t = { 1 } }, { strict = false }))
  end)

  it("escapes HTML only where asked to", function()
    assert.equal("<&>", render("{{x}}", { x = "<&>" }))
    assert.equal("&lt;&amp;&gt;<&>", render("{{x}}{{{x}}}", { x = "<&>" }, { escape = "html" }))
  end)

  it("includes partials", function()
    local opts = { partials = { who = "{{n}}" } }
    assert.equal("Hi Ada.", render("Hi {{> who}}.", { n = "Ada" }, opts))
  end)

  it("refuses a mistake in the text with line and column", function()
    local raised = failure(core.template.compile, "t", "ok\n{{#open}}")
    assert.equal("config_error", raised.kind)
    assert.truthy(raised.message:find("line 2, column 1", 1, true), raised.message)
  end)
end)

describe("a function of a template", function()
  it("may render the body of its section, whose values stay values", function()
    local upper = function(_, show) return show():upper() end
    assert.equal("<HI {{N}} AND {{X}}>",
      render("<{{#up}}hi {{n}} and {{m}}{{/up}}>", { up = upper, n = "{{n}}", m = "{{x}}" }))
  end)

  it("gets no text for a variable, and renders what it asks for", function()
    local got
    local fn = function(text, show)
      got = { text }
      return show("{{#l}}{{.}}{{n}};{{/l}}")
    end
    assert.equal("1x;2x;", render("{{fn}}", { fn = fn, l = { 1, 2 }, n = "x" }))
    assert.same({}, got)
  end)

  it("sees the values where it is used", function()
    local fn = function(_, show) return show("{{n}}{{.}}") end
    assert.equal("[1a][2b]", render("{{#l}}[{{#s}}{{fn}}{{/s}}]{{/l}}",
      { l = { { n = 1, s = "a" }, { n = 2, s = "b" } }, fn = fn, n = "outer" }))
    assert.equal("12", render("{{#l}}{{.}}{{/l}}", { l = {
      function() return "{{a}}" end, function(_, show) return show "{{b}}" end,
    }, a = 1, b = 2 }))
  end)

  local values = {
    { "a number", "{{f}}", 12.0, "12" },
    { "false for a variable", "{{f}}", false, "false" },
    { "true for a section", "{{#f}}<{{n}}>{{/f}}", true, "<N>" },
    { "false for a section", "{{#f}}<{{n}}>{{/f}}", false, "" },
    { "null for a section", "{{#f}}<{{n}}>{{/f}}", null, "" },
    { "nothing for a section", "{{#f}}<{{n}}>{{/f}}", nil, "" },
    { "an empty text", "[{{f}}{{#f}}x{{/f}}]", "", "[]" },
    { "template text with sections", "{{f}}", "{{#l}}{{.}}{{/l}}{{>p}}", "12(N)" },
    { "text for a section that is not closed here", "{{#f}}x{{/f}}{{^f}}y{{/f}}", "{{n}}", "N" },
  }
  for _, row in ipairs(values) do
    it("may return " .. row[1], function()
      local fn = function() return row[3] end
      assert.equal(row[4], render(row[2], { f = fn, n = "N", l = { 1, 2 } },
        { partials = { p = "({{n}})" } }))
    end)
  end

  it("gets the body without the lines of the tags, and its lines are indented", function()
    local got
    local fn = function(text)
      got = text
      return text
    end
    local opts = { partials = { p = "a\n{{#f}}\nb{{n}}\n\nc\n{{/f}}\nd\n" } }
    assert.equal("  a\n  b1\n\n  c\n  d\n", render("  {{>p}}\n", { f = fn, n = 1 }, opts))
    assert.equal("b{{n}}\n\nc\n", got)
    fn = function(_, show) return show():upper() end
    assert.equal("  a\n  B1\n\n  C\n  d\n", render("  {{>p}}\n", { f = fn, n = 1 }, opts))
  end)

  it("has the delimiters of its section", function()
    assert.equal("1{{n}}", render("{{=<% %>=}}<%#f%><%n%>{{n}}<%/f%>", {
      f = function(text) return text end, n = 1,
    }))
  end)

  it("is escaped like a value", function()
    local fn = function(_, show) return show "<{{{n}}}>" end
    local opts = { escape = "html" }
    assert.equal("&lt;&amp;&gt;<&>", render("{{f}}{{{f}}}", { f = fn, n = "&" }, opts))
    assert.equal("<&amp;>", render("{{#f}}<{{n}}>{{/f}}", {
      f = function(text) return text end, n = "&",
    }, opts))
  end)

  it("may be called through functions of Lua and coroutines", function()
    local fn = function(text, show) return (text:gsub("%a+", show)) end
    assert.equal("n x", render("{{#f}}n x{{/f}}", { f = fn }))
    fn = function(_, show)
      return coroutine.wrap(function() return show("{{#l}}{{.}}{{/l}}") end)()
    end
    assert.equal("12", render("{{f}}", { f = fn, l = { 1, 2 } }))
  end)

  it("may use the template that uses it", function()
    local compiled
    local params = { n = 3 }
    params.f = function()
      if params.n == 0 then return "." end
      params.n = params.n - 1
      return compiled:render(params)
    end
    compiled = core.template.compile("t", "<{{f}}>")
    assert.equal("<<<<.>>>>", compiled:render(params))
  end)

  it("goes on after an error that it catches", function()
    local broken = setmetatable({}, { __index = function() error "broken" end })
    local fn = function(_, show)
      local ok = pcall(show, "{{#l}}{{#b}}{{x}}{{/b}}{{/l}}")
      local fine = show "{{n}}"
      return tostring(ok) .. fine
    end
    assert.equal("<false1>false1", render("<{{f}}>{{#l}}{{f}}{{/l}}", {
      f = fn, n = 1, b = broken, l = { 1 },
    }))
  end)

  local mistakes = {
    { "{{f}}", function() return nil end,
      'template t, line 1, column 1: "f" is a function that returned nothing' },
    { "{{f}}", function() return {} end,
      'template t, line 1, column 1: "f" is a function that returned a table, which has no text' },
    { "{{#f}}{{/f}}", function() return print end,
      '"f" is a function that returned a function, which has no text' },
    { "a\n {{f}}", function() return "b\n {{nme}}" end,
      'template t, line 2, column 2: what "f" gave, line 2, column 2: no value for "nme"; ' ..
        'did you mean "name"?' },
    { "{{f}}", function() return "{{#open}}" end,
      'template t, line 1, column 1: what "f" gave, line 1, column 1: "open" is opened but not' },
    { "{{f}}", function(_, show) return show "{{>p}}" end,
      'what "f" gave, line 1, column 1: there is no partial "p"' },
    { "{{f}}", function(_, show) return show() end, "a variable has no text of its own to render" },
    { "{{f}}", function() return "{{f}}" end, "sections and partials are nested more than 256" },
    { "{{f}}", function() return ("x"):rep(2 ^ 20 + 1) end, '"f" gave more text than a template' },
  }
  for _, row in ipairs(mistakes) do
    it("is at fault: " .. row[3], function()
      local raised = failure(render, row[1], { f = row[2], name = "x" })
      assert.truthy(raised.message:find(row[3], 1, true), raised.message)
    end)
  end

  it("leaves out what has no text if the template is not strict", function()
    local nothing, table_of = function() return nil end, function() return {} end
    assert.equal("[]", render("[{{f}}{{g}}{{#g}}x{{/g}}{{h}}]", {
      f = nothing, g = table_of, h = function() return "{{x}}" end,
    }, { strict = false }))
  end)

  it("that fails is a script_error with place and traceback; confab's own errors pass", function()
    local raised = failure(render, "a\n {{f}}", { f = function() return nil .. "x" end })
    assert.equal("script_error", raised.kind)
    local start = 'template t, line 2, column 2: "f" failed: '
    assert.equal(start, raised.message:sub(1, #start))
    assert.truthy(raised.message:find("template_spec.lua:%d+: attempt to concatenate"))
    assert.truthy(raised.traceback:find("template_spec.lua", 1, true))

    local own = errors.new("parse_error", "mine")
    assert.equal(own, failure(render, "{{f}}", { f = function() error(own, 0) end }))
    assert.equal("script_error", failure(render, "{{f}}", { f = function() error({}) end }).kind)
  end)

  it("cannot render any more when it has returned", function()
    local kept
    render("{{f}}", { f = function(_, show)
      kept = show
      return "x"
    end })
    local ok, why = pcall(kept, "x")
    assert.is_false(ok)
    assert.truthy(why:find("after the function that it was given to", 1, true), why)
    pcall(render, "{{f}}", { f = function(_, show)
      kept = show
      error "x"
    end })
    assert.is_false((pcall(kept, "x")))
  end)

  it("that calls itself through render ends with an error, not with the process", function()
    local raised = failure(render, "{{#f}}x{{/f}}", { f = function(_, show)
      return show "{{#f}}x{{/f}}"
    end })
    assert.truthy(raised.message:find("nested more than", 1, true) or
      raised.message:find("C stack overflow", 1, true), raised.message)
  end)
end)

describe("confab.template", function()
  local function chat(more)
    local opts = {
      name = "chat", system = "For {{who}}.", prompt = "About {{topic}}, {{persona.name}}.",
    }
    for name, value in pairs(more or {}) do opts[name] = value end
    return template.new(opts)
  end

  it("renders system and prompt", function()
    local rendered = chat():render { who = "Eve", topic = "tea", persona = { name = "Ada" } }
    assert.same({ system = "For Eve.", prompt = "About tea, Ada." }, rendered)
  end)

  it("has no system prompt unless given one", function()
    assert.same({ prompt = "p" }, template.new({ name = "x", prompt = "p" }):render {})
  end)

  it("lists the names that its texts use, each once", function()
    assert.same({ "who", "topic", "persona.name" }, chat():variables())
    assert.same({}, template.new({ name = "x", prompt = function() return "p" end }):variables())
  end)

  it("lists names of sections, partials and blocks, but not its functions", function()
    local t = template.new {
      name = "x", prompt = "{{#l}}{{a}}{{/l}}{{<base}}{{$x}}{{b}}{{up}}{{/x}}{{/base}}{{>*kind}}",
      system = "{{#up}}{{c}}{{/up}}", lambdas = { up = string.upper },
      partials = { base = "{{$x}}{{own}}{{/x}}{{d}}" },
    }
    assert.same({ "c", "l", "a", "b", "kind", "own", "d" }, t:variables())
  end)

  it("calls its lambdas from all its texts, unless a parameter has the name", function()
    local t = template.new {
      name = "x", system = "{{#up}}{{who}}{{/up}}", prompt = "{{> line}}", tier = "t",
      columns = { topic = "{{#up}}{{topic}}{{/up}}" },
      partials = { line = "{{#up}}{{topic}}!{{/up}}" },
      lambdas = { up = function(_, show) return show():upper() end },
    }
    local resolved = t:resolve { who = "eve", topic = "tea" }
    assert.same({ "EVE", "TEA!", "TEA" },
      { resolved.system, resolved.prompt, resolved.columns.topic })
    assert.equal("eve", t:render({ who = "eve", topic = "tea", up = true }).system)
  end)

  it("suggests the name of a lambda, too", function()
    local t = template.new {
      name = "x", prompt = "{{shuot}}", lambdas = { shout = function() return "!" end },
    }
    local wanted = ': no value for "shuot"; did you mean "shout"?'
    assert.equal('template "x" (prompt), line 1, column 1' .. wanted,
      failure(t.render, t, {}).message)
  end)

  it("is not plain with a lambda", function()
    assert.is_true(template.is_plain(chat()))
    assert.is_true(template.is_plain(chat { lambdas = {} }))
    assert.is_false(template.is_plain(chat { lambdas = { f = string.upper } }))
  end)

  it("has partials, options and the names of functions in its row", function()
    local row = template.row(chat(), "m")
    assert.same({ name = "chat", system = "For {{who}}.", settings = '{"model":"m"}',
      prompt = "About {{topic}}, {{persona.name}}." }, row)
    row = template.row(chat {
      lambdas = { b = string.upper, a = string.upper }, partials = { p = "x" }, escape = "html",
      strict = false, prompt = function() return "p" end, model = "n", max_tokens = 5,
    }, "m")
    assert.equal("(a function)", row.prompt)
    assert.equal('{"escape":"html","lambdas":["a","b"],"max_tokens":5,"model":"n",' ..
      '"partials":{"p":"x"},"strict":false}', row.settings)
  end)

  it("shows its fields and does not change", function()
    local t = chat { max_tokens = 100.0, tier = "scenario" }
    assert.equal("chat", t.name)
    assert.equal("About {{topic}}, {{persona.name}}.", t.prompt)
    assert.equal("integer", math.type(t.max_tokens))
    assert.is_true(t.strict)
    assert.is_nil(t.temperature)
    assert.equal('confab.template "chat"', tostring(t))
    assert.is_true(template.is(t))
    assert.is_false(template.is { name = "chat" })
    local raised = failure(function() t.prompt = "other" end)
    assert.truthy(raised.message:find("does not change", 1, true))
  end)

  it("resolves everything that a call needs", function()
    local t = chat {
      model = function(p) return p.model end, temperature = function(p) return p.heat / 10 end,
      max_tokens = function() return 64.0 end, top_p = function() return nil end, stop = "END",
      thinking = "disabled", cache = "1h",
    }
    local resolved = t:resolve {
      who = "Eve", topic = "tea", persona = { name = "Ada" }, model = "m", heat = 5,
    }
    assert.same({
      system = "For Eve.", prompt = "About tea, Ada.", model = "m", temperature = 0.5,
      max_tokens = 64, stop = { "END" }, thinking = "disabled", cache = "1h",
      columns = { topic = "tea" },
    }, resolved)
    assert.equal("integer", math.type(resolved.max_tokens))
  end)

  it("takes the text of a function as it is", function()
    local t = template.new { name = "x", prompt = function(p) return "{{" .. p.x .. "}}" end }
    assert.equal("{{y}}", t:render({ x = "y" }).prompt)
  end)

  it("fills columns from its own templates, then from the parameters", function()
    local t = template.new {
      name = "x", prompt = "p", tier = "scenario",
      columns = { persona = "{{persona.name}}", chunk_id = function(p) return p.n end },
    }
    assert.same({
      persona = "Ada", tier = "scenario", chunk_id = "7", topic = "tea", document_id = "12",
    }, t:resolve({
      persona = { name = "Ada" }, n = 7, topic = "tea", document_id = 12.0, emotion = { "calm" },
      tier = "template",
    }).columns)
  end)

  it("leaves empty columns out", function()
    local t = template.new { name = "x", prompt = "p", columns = { persona = "{{who}}" } }
    assert.same({}, t:resolve({ who = "", topic = "", emotion = true }).columns)
  end)

  it("is as strict with columns as with the prompt", function()
    local opts = { name = "x", prompt = "p", columns = { persona = "{{persona.name}}" } }
    local raised = failure(template.new(opts).resolve, template.new(opts), {})
    assert.truthy(raised.message:find('template "x" (persona), line 1', 1, true), raised.message)
    opts.strict = false
    assert.same({}, template.new(opts):resolve({}).columns)
  end)

  it("tells which field's function failed", function()
    local t = chat { model = function(p) return p.persona.model.name end }
    local raised = failure(t.resolve, t, { who = "Eve", topic = "tea", persona = { name = "Ada" } })
    assert.equal("script_error", raised.kind)
    local start = 'template "chat": model failed for {'
    assert.equal(start, raised.message:sub(1, #start))
    assert.truthy(raised.traceback)
  end)

  local returned = {
    { "temperature", 1.5, "temperature must be from 0 to 1, not 1.5" },
    { "max_tokens", 0, "max_tokens must be at least 1, not 0" },
    { "model", 5, "model must be a string, not 5" },
    { "prompt", nil, "prompt is missing" },
    { "effort", "hihg", 'did you mean "high"?' },
  }
  for _, row in ipairs(returned) do
    it(("checks what the function of %s returns"):format(row[1]), function()
      local t = template.new { name = "x", prompt = "p", [row[1]] = function() return row[2] end }
      local raised = failure(t.resolve, t, {})
      assert.equal("script_error", raised.kind)
      assert.truthy(raised.message:find(row[3], 1, true), raised.message)
      assert.truthy(raised.message:find('template "x"', 1, true), raised.message)
    end)
  end

  local misuse = {
    { { prompt = "p" }, "confab.template: name is missing" },
    { { name = "", prompt = "p" }, "confab.template: name must not be empty" },
    { { name = "a\nb", prompt = "p" }, "name must be text without control characters" },
    { { name = "x" }, 'confab.template "x": prompt is missing' },
    { { name = "x", promt = "p" }, 'unknown option "promt"; did you mean "prompt"?' },
    { { name = "x", prompt = "p", temperature = 1.5 },
      'confab.template "x": temperature must be from 0 to 1, not 1.5' },
    { { name = "x", prompt = "p", max_tokens = 0 }, "max_tokens must be at least 1, not 0" },
    { { name = "x", prompt = "p", max_tokens = "many" }, "max_tokens must be a whole number" },
    { { name = "x", prompt = 5 }, "prompt must be a string, not 5" },
    { { name = "x", prompt = "p", stop = { "" } },
      "stop must be texts that are not only white space" },
    { { name = "x", prompt = "p", escape = "xml" }, 'escape must be one of "html", not "xml"' },
    { { name = "x", prompt = "p", partials = { "a" } }, "partials must be texts by name" },
    { { name = "x", prompt = "p", lambdas = { a = "b" } }, "lambdas must be functions by name" },
    { { name = "x", prompt = "p", lambdas = { print } }, "lambdas must be functions by name" },
    { { name = "x", prompt = "{{<a}}{{$b}}{{/b}}{{/a}}", partials = { a = "{{$c}}{{/c}}" } },
      'line 1, column 7: there is no block "b" to fill; did you mean "c"?' },
    { { name = "x", prompt = "p", columns = { personas = "a" } },
      'columns: unknown option "personas"; did you mean "persona"?' },
    { { name = "x", prompt = "p", columns = { persona = "{{a" } },
      'template "x" (persona), line 1' },
    { { name = "x", prompt = "{{#a}}" }, 'template "x" (prompt), line 1, column 1' },
    { { name = "x", prompt = "p", on_truncated = "salvge" }, 'did you mean "salvage"?' },
    { "x", "confab.template: options must be a table" },
  }
  for _, row in ipairs(misuse) do
    it("refuses: " .. row[2], function()
      local raised = failure(template.new, row[1])
      assert.equal("config_error", raised.kind)
      assert.truthy(raised.message:find(row[2], 1, true), raised.message)
      assert.truthy(raised.message:find("template_spec.lua", 1, true), raised.message)
    end)
  end

  it("refuses parameters that are no table", function()
    assert.truthy(failure(chat().render, chat(), "tea").message
      :find('template "chat": the parameters must be a table, not "tea"', 1, true))
  end)

  it("refuses methods called without a template", function()
    assert.truthy(failure(chat().render, { who = "x" }).message:find("with a colon", 1, true))
  end)
end)

describe("confab.template_file", function()
  local path
  local function write(text)
    path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
  end
  after_each(function() if path then os.remove(path) end end)

  it("takes a plain file as the prompt and its name as the name", function()
    local t = template_file.load(write "Write about {{topic}}.\n")
    assert.equal("Write about {{topic}}.", t.prompt)
    assert.equal(path:match("([^/]+)$"), t.name)
  end)

  it("reads the settings above the text", function()
    local t = template_file.load(write(table.concat({
      "\xEF\xBB\xBF---", "name: support-chat", "# a remark", "", "tier: 'scenario'", 'model: "m"',
      "max_tokens: 2048", "temperature: 0.7", "system: |", "  First line.", "", "    Deeper.", "---",
      "Write about {{topic}}.", "", "---", "",
    }, "\r\n")))
    assert.same({ "support-chat", "scenario", "m", 2048, 0.7 },
      { t.name, t.tier, t.model, t.max_tokens, t.temperature })
    assert.equal("First line.\n\n  Deeper.", t.system)
    assert.equal("Write about {{topic}}.\r\n\r\n---", t.prompt)
  end)

  it("reads a system prompt of one line", function()
    assert.equal("Be: kind.", template_file.load(write "---\nsystem: Be: kind.\n---\np").system)
  end)

  it("reads a schema, in one line or several", function()
    assert.equal('{"type": "object"}', template_file.load(write "---\nschema: {\"type\": \"object\"}\n---\np").schema)
    local t = template_file.load(write '---\nschema: |\n  {"type":\n    "object"}\nmodel: m\n---\np')
    assert.same({ '{"type":\n  "object"}', "m" }, { t.schema, t.model })
    local raised = failure(template_file.load, write '---\nname: x\nschema: {"type": "objekt"}\n---\np')
    assert.truthy(raised.message:find('schema will not do: type is "objekt"; did you mean "object"?', 1, true), raised.message)
  end)

  it("lets options add to the file and win over it", function()
    write "---\nname: a\nmodel: m\n---\np"
    local t = template_file.load(path, { model = "n", tries = 2 })
    assert.same({ "a", "n", 2 }, { t.name, t.model, t.tries })
  end)

  local refused = {
    { "---\nname: x\nwhat is this\n---\np", ":3: a line like \"name: value\" was expected" },
    { "---\nnmae: x\n---\np", ':2: unknown setting "nmae"; did you mean "name"?' },
    { "---\nname: x\n\nname: y\n---\np", ":4: name is given twice" },
    { "---\nmax_tokens: many\n---\np", ':2: max_tokens must be a number, not "many"' },
    { "---\nname: x\n\n", ":1: the settings have no closing --- line" },
    { "---\nname: x\n---\n \n", ":4: there is no prompt" },
    { "", ":1: there is no prompt" },
    { "ok\nbad \xFF", ":2: not valid UTF-8" },
    { "---\nname: x\ntemperature: 1.5\n---\np",
      ': confab.template "x": temperature must be from 0 to 1' },
  }
  for _, row in ipairs(refused) do
    it("refuses: " .. row[2], function()
      local raised = failure(template_file.load, write(row[1]))
      assert.equal("config_error", raised.kind)
      assert.equal(path .. row[2], raised.message:sub(1, #path + #row[2]))
    end)
  end

  local places = {
    { "---\nname: x\n---\nok\n{{#open}}", 5, 1 },
    { "ok\n {{#open}}", 2, 2 },
    { "---\nsystem: 'wörld {{#open}}'\n---\np", 2, 16 },
    { "---\nname: x\nsystem: |\n  ok\n\n  a {{#open}}\n---\np", 6, 5 },
  }
  for _, row in ipairs(places) do
    it(("gives line %d and column %d of the file for a mistake in a text"):format(row[2], row[3]),
      function()
        local raised = failure(template_file.load, write(row[1]))
        assert.equal(('template %s, line %d, column %d: "open" is opened but not closed')
          :format(path, row[2], row[3]), raised.message)
        assert.same({ path, row[2] }, { raised.file, raised.line })
      end)
  end

  it("gives the place in the file for a variable without a value, too", function()
    local t = template_file.load(write "---\nname: x\n---\nAbout {{topc}}.\n{{>tail}}", {
      partials = { tail = "{{tail}}" },
    })
    assert.equal(('template %s, line 4, column 7: no value for "topc"; did you mean "topic"?')
      :format(path), failure(t.render, t, { topic = 1 }).message)
    assert.equal(('template %s, partial tail, line 1, column 1: no value for "tail"')
      :format(path), failure(t.render, t, { topc = 1 }).message)
  end)

  it("names the template for a mistake in a text that the options give", function()
    write "---\nname: x\nsystem: a\n---\np"
    local raised = failure(template_file.load, path, { system = "{{#open}}" })
    local start = path .. ': template "x" (system), line 1, column 1'
    assert.equal(start, raised.message:sub(1, #start))
  end)

  it("says why a file cannot be read", function()
    assert.equal("config_error: no/such/file: No such file or directory",
      tostring(failure(template_file.load, "no/such/file")))
    assert.equal("config_error: /tmp: Is a directory",
      tostring(failure(template_file.load, "/tmp")))
  end)
end)

describe("template.refill", function()
  it("makes of one item's call what resolving gives for another", function()
    local t = template.new {
      name = "refilled", system = "Of {{topic}}.", prompt = "{{persona.name}}: {{n}}", tier = "scenario",
      columns = { persona = "{{persona.name}}" },
    }
    local items = {
      { persona = { name = "Ann" }, topic = "tea", n = 1, emotion = "calm" },
      { persona = { name = "Ben" }, topic = "rum", n = 2, document_id = 7 },
    }
    local resolved = t:resolve(items[1])
    for _, params in ipairs { items[2], items[1], items[2] } do
      template.refill(t, params, resolved)
      assert.same(t:resolve(params), resolved)
    end
  end)
end)
