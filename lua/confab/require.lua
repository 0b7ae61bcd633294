--- `require` as Lua has it, but written in Lua: a module that calls a model while it loads can wait.
local core = require "confab.core"

local scheduler = core.scheduler

local loading = {}    -- by name: the fiber that loads it, and the tickets of others that want it

local function find(name)
  if type(package.searchers) ~= "table" then error("'package.searchers' must be a table", 3) end
  local tried = {}
  for _, search in ipairs(package.searchers) do
    local loader, extra = search(name)
    if type(loader) == "function" then return loader, extra end
    if type(loader) == "string" then tried[#tried + 1] = loader end
  end
  error(("module '%s' not found:\n\t%s"):format(name, table.concat(tried, "\n\t")), 3)
end

local function load(name, loader, extra)
  local value = loader(name, extra)
  if value ~= nil then package.loaded[name] = value end
  if package.loaded[name] == nil then package.loaded[name] = true end
end

--- Loads a module once; others that want it meanwhile wait.
---@param name string
---@return any module
---@return any loader_data
return function(name)
  if type(name) == "number" then name = tostring(name) end
  if type(name) ~= "string" then
    error(("bad argument #1 to 'require' (string expected, got %s)"):format(name == nil and "no value" or type(name)), 2)
  end
  local other = loading[name]
  while other and not package.loaded[name] do
    if other.fiber == scheduler.fiber() then error(("module '%s' requires itself while it loads"):format(name), 2) end
    local ticket = scheduler.ticket()
    other.waiting[#other.waiting + 1] = ticket
    scheduler.wait(ticket)
    other = loading[name]
  end
  if package.loaded[name] then return package.loaded[name] end

  local loader, extra = find(name)
  local mine = { fiber = scheduler.fiber(), waiting = {} }
  loading[name] = mine
  local guard <close> = setmetatable({}, { __close = function()
    loading[name] = nil
    for _, ticket in ipairs(mine.waiting) do scheduler.wake(ticket) end
  end })
  load(name, loader, extra)
  return package.loaded[name], extra
end
