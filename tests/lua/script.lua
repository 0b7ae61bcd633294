-- Scripts in an interpreter of their own, each with an engine, in a folder that stays from one
-- to the next: what a user's `lua5.4 script.lua` does, against the simulator.
local script = {}

local folder

local PRELUDE = [[
local flags = require "confab.flags"
flags.simulate, flags.db, flags.progress = %q, "test.db", "none"
local confab = require "confab"
confab.setup {
  limits = { max_requests = 100000, pacing = "burst" },
  retry = { base_delay_ms = 0, jitter_ms = 0 },
}
local say = function(...)
  local words = table.pack(...)
  for i = 1, words.n do
    if type(words[i]) == "table" then words[i] = confab.json.encode(words[i]) end
    words[i] = tostring(words[i])
  end
  print(table.concat(words, " "))
end
local chat = confab.template {
  name = "chat", prompt = "Write a chat of {{turns}} turns about {{topic}}.", max_tokens = 1024,
}
local function topics(n)
  local list = {}
  for i = 1, n do list[i] = { topic = "topic " .. i, turns = 8 } end
  return list
end
local function rows(query, ...) return confab.store:sql(query, ...) end
local function count(what) return rows("SELECT count(*) AS n FROM " .. what)[1].n end
]]

--- Runs a text with `confab`, `chat`, `topics`, `say`, `rows` and `count` in scope; what it wrote
--- to standard output and error, line by line.
---@param text string
---@param spec? string  The simulator's.
---@return string[] lines
function script.run(text, spec)
  if not folder then
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p '" .. folder .. "'"))
  end
  local file = assert(io.open(folder .. "/script.lua", "wb"))
  file:write((PRELUDE:format(spec or ""):gsub("\n", " ")), text)
  file:close()
  local command = "cd '" .. folder .. "' && exec timeout 60 lua5.4 script.lua 2>&1"
  local pipe = assert(io.popen(command, "r"))
  local lines = {}
  for line in pipe:lines() do
    -- The notice in front of a run that was there before is looked at in tests/e2e/test_resume.py.
    if not line:find '^run "[^"]*" goes on: ' and not line:find '^run "[^"]*" is finished: ' then
      lines[#lines + 1] = line
    end
  end
  pipe:close()
  return lines
end

--- The same, as one text.
function script.text(text, spec)
  return table.concat(script.run(text, spec), "\n")
end

--- Removes the folder with its database.
function script.clean()
  if folder then os.execute("rm -rf '" .. folder .. "'") end
  folder = nil
end

return script
