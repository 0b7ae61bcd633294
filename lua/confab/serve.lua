--- `confab serve`: the script's templates, scoring and runs over HTTP. Requests that need Lua come as jobs; each is
--- worked on in a fiber of its own, until a signal ends the program.
local control = require "confab.control"
local core = require "confab.core"
local defined = require "confab.defined"
local errors = require "confab.errors"
local events = require "confab.events"
local flags = require "confab.flags"
local serve_runs = require "confab.serve_runs"
local serve_tasks = require "confab.serve_tasks"
local serve_templates = require "confab.serve_templates"
local settings = require "confab.settings"

local serve = {}

local function read(path)
  local file, why = io.open(path, "rb")
  if not file then error(errors.new("config_error", why, { traceback = "" }), 0) end
  local text = file:read "a"
  file:close()
  return text
end

--- Runs the script; its confab.run only defines runs, as those of that script.
local function run_script(path, ...)
  local text = read(path)
  local fn, why = loadfile(path, "t")
  if not fn then error(errors.new("script_error", why), 0) end
  flags.script, flags.script_text, flags.args = path, text, core.json.encode(core.json.array { ... })
  _G.arg = { [0] = path, ... }
  local defines <close> = setmetatable({}, { __close = function() flags.defines = nil end })
  flags.defines = true
  fn(...)
end

local function tell_offers()
  for _, name in ipairs(serve_templates.names()) do core.progress.say(("template %q is offered"):format(name)) end
  for _, made in ipairs(defined.list) do core.progress.say(("run %q is defined"):format(made.name)) end
end

local function listen()
  local server <close> = require "confab.server".start(serve_tasks.take, serve_templates.offered())
  core.scheduler.set_tick(100, function()
    if core.scheduler.stopping() then server:drain() end
    events.tick()
  end)
  io.stdout:write("listening on ", server.url, "\n")
  io.stdout:flush()
  serve_runs.resume_all()
  core.scheduler.wait(core.scheduler.ticket())    -- until a signal
end

--- The command.
---@param max_batch string  A number.
---@param path? string  A script to be run first.
---@param ... string  Its arguments.
function serve.main(max_batch, path, ...)
  flags.progress = "none"
  serve_tasks.max_batch = math.tointeger(tonumber(max_batch))
  if path then run_script(path, ...) end
  settings.open()
  serve_templates.offer()
  tell_offers()
  control.on_stop = function(run) serve_runs.cancel(run.uuid) end
  local ok, raised = pcall(listen)    -- whatever ends it, the server is closed before the engine
  if not ok then error(raised, 0) end
end

return serve
