-- Three lists of the functions that there are: what the stub tells the editor, what help() tells, what Tab offers.
local complete = require "confab.complete"
local confab = require "confab"
local defined = require "confab.defined"
local help = require "confab.help"
local support = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "support.lua")

local root = debug.getinfo(1, "S").source:match "^@(.*/)" .. "../../"

-- What DESIGN.md names in its table of section 11.
local designed = {
  "confab.setup", "confab.lines", "confab.csv", "confab.jsonl", "confab.list", "confab.chunks", "Sequence:map",
  "Sequence:filter", "Sequence:take", "Sequence:shuffle", "Sequence:sample", "confab.template", "confab.template_file",
  "Template:render", "Template:variables", "Template:estimate", "confab.sweep", "Sequence:where", "Sequence:times",
  "Sequence:zip", "confab.run", "Run:results", "Run:failures", "Run:export", "Run:start", "confab.generate",
  "Conversation:text", "Conversation:tag", "Conversation:approve", "Conversation:reject", "confab.ask",
  "confab.dialogue", "confab.judge", "confab.parallel", "confab.map", "confab.now", "confab.conversation",
  "confab.parse", "confab.rule", "confab.score", "confab.limiter", "confab.retry", "confab.cost",
  "confab.estimate_tokens", "confab.estimate", "confab.store:conversations", "confab.store:runs", "confab.store:sql",
  "confab.json.decode", "confab.json.encode", "confab.schema.check", "confab.rate_limit_status",
  "confab.reset_rate_limiter",
}
local designed_values = { "confab.scoring", "confab.store", "confab.json", "confab.schema", "confab.null" }

-- A value of each class that the stub gives methods to, by the name that the stub uses.
local globals = {
  confab = confab,
  Sequence = confab.list {},
  Template = confab.template { name = "t", prompt = "x" },
  Run = defined.new("r", function() end),
  Conversation = confab.conversation { turns = {} },
  Regex = confab.regex "a",
  Limiter = confab.limiter {},
  Reservation = confab.limiter {}:reserve(),
  RetryManager = confab.retry {},
}
defined.forget()

local function sorted(set)
  local list = {}
  for name in next, set do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- The names in the stub's text, those that are only another name for one included.
local function told()
  local file = assert(io.open(root .. "lua/meta/confab.lua", "rb"))
  local text, set = file:read "a", {}
  file:close()
  for name in text:gmatch "\nfunction ([%w_%.:]+)%(" do set[name] = true end
  for name in text:gmatch "\n(confab%.[%w_%.]+) = confab%." do set[name] = true end
  return sorted(set)
end

--- The functions of the list of help().
local function helped()
  local set = {}
  for _, name in ipairs(help.names()) do
    if name ~= "confab.null" then set[name] = true end
  end
  return sorted(set)
end

--- Adds what Tab offers behind a name: functions.
local function offer(set, path, separator, value)
  for _, name in ipairs(select(2, complete.candidates(path .. separator, globals))) do
    if separator == ":" or type(value[name]) == "function" then set[path .. separator .. name] = true end
  end
end

local function offered()
  local set = {}
  offer(set, "confab", ".", confab)
  for name, value in pairs(confab) do
    if type(value) == "table" then offer(set, "confab." .. name, name == "store" and ":" or ".", value) end
  end
  for class in next, globals do
    if class ~= "confab" then offer(set, class, ":") end
  end
  return sorted(set)
end

describe("the functions of confab", function()
  after_each(support.clean)

  it("are the same in the stub, in help() and behind Tab", function()
    assert.same(told(), helped())
    assert.same(told(), offered())
  end)

  it("are those that were designed, and more", function()
    local set = {}
    for _, name in ipairs(told()) do set[name] = true end
    for _, name in ipairs(designed) do assert.is_true(set[name] == true, name .. " is missing") end
    local stub = dofile(root .. "lua/meta/confab.lua")
    for _, name in ipairs(designed_values) do
      local key = name:match "[^.]+$"
      assert.is_not_nil(rawget(confab, key), name)
      assert.is_true(stub[key] ~= nil or key == "null", name .. " is not in the stub")
      assert.truthy(help.text(name):find("^" .. name:gsub("%.", "%%.")), name)
      assert.equal(help.text(name), help.text(confab[key]))
      assert.equal(key, table.concat(select(2, complete.candidates(name, globals)), "|"):match("^(" .. key .. ")"))
    end
  end)

  it("are each described", function()
    for _, name in ipairs(helped()) do
      local text = help.text(name)
      assert.equal(name, text:match "^[%w_%.:]+")
      assert.truthy(text:find "\n\n  %S", name .. " has no description")
    end
  end)

  it("are known to help() by value, too", function()
    for class, value in next, globals do
      if class ~= "confab" and class ~= "Reservation" then      -- a reservation's cannot be found without one
        for _, name in ipairs(select(2, complete.candidates(class .. ":", globals))) do
          assert.equal(help.text(class .. ":" .. name), help.text(value[name]))
        end
      end
    end
  end)
end)
