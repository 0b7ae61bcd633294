--- The run that a script gets in `confab repl SCRIPT` and `confab serve SCRIPT`: it is defined, and begins when
--- start() says so.

local defined = {}

---@class confab.DefinedRun: confab.Run
local Defined = {}
defined.methods = Defined

--- The runs that the script has defined, in order.
---@type confab.DefinedRun[]
defined.list = {}

--- The templates that it has made meanwhile, in order.
---@type confab.Template[]
defined.templates = {}

local metatable = { __name = "confab.run" }

local function made(self) return rawget(self, "made") end

function metatable.__index(self, name)
  if name == "start" then return Defined.start end
  local run = made(self)
  if run then return run[name] end
  if Defined[name] then return Defined[name] end
  if name == "name" then return rawget(self, "given_name") end
  if name == "state" then return "defined" end
  if name == "summary" then return ("run %s is defined; start() begins it"):format(self.name) end
  return nil
end

function metatable.__tostring(self) return self.summary end

--- Begins it, or goes on with it, and waits until it is over.
---@return confab.Run self
function Defined:start()
  return defined.start(self)
end

--- The same, with what only the caller knows of the run: see run.begin.
---@param run confab.DefinedRun
---@param extra? table
---@return confab.DefinedRun run
function defined.start(run, extra)
  rawset(run, "made", rawget(run, "begin")(extra))
  return run
end

local function nothing() end

function Defined.results() return nothing end

function Defined.failures() return {} end

--- Writes nothing before the run was started, but refuses what the run's own export would refuse.
function Defined:export(path, opts)
  return require "confab.results".export_nothing(path, opts, "the run has not been started")
end

function Defined:report(path)
  return require "confab.results".report_nothing(path, "the run has not been started")
end

--- Defines a run.
---@param name string
---@param begin fun(extra?: table): confab.Run  Works through it; with `extra` as further options of the state.
---@param opts? confab.RunOptions  What the script gave.
---@return confab.DefinedRun
function defined.new(name, begin, opts)
  local run = setmetatable({ given_name = name, begin = begin, opts = opts }, metatable)
  defined.list[#defined.list + 1] = run
  return run
end

--- Forgets what a script has defined, before it is read again.
function defined.forget() defined.list, defined.templates = {}, {} end

--- What the script gave to a run.
---@param run confab.DefinedRun
---@return confab.RunOptions
function defined.options(run) return rawget(run, "opts") or {} end

--- The run of that name; nil if none was defined.
---@param name string
---@return confab.DefinedRun?
function defined.find(name)
  for _, run in ipairs(defined.list) do
    if run.name == name then return run end
  end
  return nil
end

return defined
