--- `confab repl`: Lua at a prompt. Each input runs in a fiber of its own, which Ctrl-C ends; the session goes on.
local ask = require "confab.ask"
local complete = require "confab.complete"
local core = require "confab.core"
local defined = require "confab.defined"
local errors = require "confab.errors"
local flags = require "confab.flags"
local help = require "confab.help"
local in_work = require "confab.in_work"
local run = require "confab.run"
local scoring = require "confab.scoring"
local settings = require "confab.settings"
local show = require "confab.show"
local terminal = require "confab.terminal"
local typed = require "confab.typed"

local scheduler = core.scheduler

local repl = {}

local script    -- { path, arguments }; nil: none
local has_failed = false    -- an input, or the script

local SCRIPT_ERROR = 5      -- the exit status where nobody sees the errors

local function screen()
  local width, height = terminal.size()
  local is_colored = terminal.is_terminal and (settings.env "NO_COLOR" or "") == "" and settings.env "TERM" ~= "dumb"
  return { width = width, height = math.max(height - 3, 5), color = is_colored }
end

local function tell(text) io.stderr:write(text, "\n") end

local function tell_error(raised, traceback)
  has_failed = true
  io.stdout:flush()
  if not errors.is(raised) then raised = tostring(raised) end
  tell(show.text(type(raised) == "string" and errors.new("script_error", raised) or raised, screen()))
  local frames = errors.script_frames(traceback or raised.traceback or "", tostring(raised))
  if frames ~= "" then tell("stack traceback:" .. frames) end
end

-- --- running what was typed ---

local on_raise    -- called where an error is raised, while the script is read

local function with_traceback(raised)
  if on_raise then on_raise() end
  return { raised = raised, traceback = debug.traceback(nil, 2) }
end

local interrupted = {}

--- Runs a function in a fiber that Ctrl-C ends: true and its results, or false and what went wrong.
local function run_fiber(fn, ...)
  local done, outcome = scheduler.ticket(), nil
  scheduler.on_interrupt(function()
    if outcome then return end
    outcome = table.pack(false, interrupted)
    scheduler.discard_others()
    core.engine.return_waiting()
    in_work.interrupt()
    scheduler.wake(done)
  end)
  local arguments = table.pack(...)
  scheduler.spawn(function()
    local results = table.pack(xpcall(fn, with_traceback, table.unpack(arguments, 1, arguments.n)))
    if outcome then return end
    outcome = results
    scheduler.wake(done)
  end)
  scheduler.wait(done)
  scheduler.on_interrupt(nil)
  return outcome
end

--- Runs it; what goes wrong is told. Its results, or nil.
local function run_told(fn, ...)
  local outcome = run_fiber(fn, ...)
  if outcome[1] then return outcome end
  local failure = outcome[2]
  if failure == interrupted then
    tell((terminal.is_terminal and "\n" or "") .. "interrupted; what was in flight is stored when it comes")
  else
    tell_error(failure.raised, failure.traceback)
  end
  return nil
end

--- "local x = 1" at the beginning of an input makes a global, so that the next input knows it.
local function keep_local(text)
  local rest = text:match "^%s*local%s+(function%s.*)$" or text:match "^%s*local%s+([%a_][%w_]*[%s,%w_]*=.*)$"
  return rest or text
end

--- The function of an input, and "value" if it gives one; nil, why not, and whether more of it is to come.
local function compile(text)
  local fn, why_no_value = load("return " .. typed.expression(text) .. "\n", "=(input)", "t")
  if fn then return fn, "value" end
  local why
  fn, why = load(keep_local(text) .. "\n", "=(input)", "t")
  if fn then return fn end
  local is_open = why:find "<eof>$" or why_no_value:find "<eof>$"
  return nil, text:find "^%s*[%a_(;:]" and why or why_no_value, is_open ~= nil
end

local streamed, streamed_begun    -- the text that was shown while it came, and which one of its call

--- Shows the text of an answer while it comes, if somebody looks on.
local function show_live(text, begun)
  if begun ~= streamed_begun then
    if streamed ~= "" then io.stdout:write(streamed:sub(-1) == "\n" and "" or "\n") end
    streamed, streamed_begun = "", begun
  end
  streamed = streamed .. text
  io.stdout:write(show.harmless(text))
  io.stdout:flush()
end

local function print_results(outcome)
  for i = 2, outcome.n do
    local value = outcome[i]
    local is_shown = streamed ~= "" and show.is_reply(value) and value.text == streamed
    if is_shown then
      print(show.made_of(value, screen()))
    elseif outcome.n > 2 or value ~= nil then
      print(show.text(value, screen()))
    end
  end
  if outcome.n >= 2 and outcome[2] ~= nil then _G._ = outcome[2] end
end

local function evaluate(text)
  local fn, why = compile(text)    -- with fn: what kind of input it is
  if not fn then
    tell_error(why)
    return
  end
  streamed, streamed_begun = "", nil
  run.forget_names()
  local outcome = run_told(fn)
  if streamed ~= "" and streamed:sub(-1) ~= "\n" then print "" end
  if not outcome then return end
  typed.keep(text, why, outcome.n - 1)
  print_results(outcome)
  scoring.tell_troubles(scoring.take_troubles())
end

-- --- the script ---

--- Runs a main chunk and makes its local names global: at its end, or where it fails.
local function run_keeping_locals(fn, ...)
  local function keep(level)
    if debug.getinfo(level + 1, "f").func ~= fn then return end
    for i = 1, 255 do
      local name, value = debug.getlocal(level + 1, i)
      if not name then break end
      if name:find "^[%a_]" then _G[name] = value end
    end
  end
  local finished <close> = setmetatable({}, { __close = function() on_raise = nil end })
  function on_raise()
    for level = 2, math.huge do
      if not debug.getinfo(level, "f") then break end
      keep(level)
    end
  end
  debug.sethook(function() keep(2) end, "r")
  fn(...)
  debug.sethook()
end

--- Reads the script (again), without ending the session. Its confab.run only defines runs.
local function reload()
  if not script then errors.misuse "reload: no script was given; confab repl SCRIPT.lua" end
  local fn, why = loadfile(script.path, "t")
  if not fn then error(errors.new("script_error", why), 0) end
  defined.forget()
  run.forget_names()
  local defines <close> = setmetatable({}, { __close = function() flags.defines = nil end })
  flags.defines = true
  run_keeping_locals(fn, table.unpack(script.arguments))
  for _, made in ipairs(defined.list) do tell(("run %q is defined; its start() begins it"):format(made.name)) end
end


-- --- commands ---

local commands = {}

function commands.save(path)
  if path == "" then return tell ":save needs the name of a file, such as :save tried.lua" end
  local existing = io.open(path, "rb")
  if existing then
    existing:close()
    return tell(path .. " is there already; nothing was written")
  end
  local file, why = io.open(path, "wb")
  if not file then return tell(why) end
  local ok
  ok, why = file:write(typed.script())
  ok, why = file:close() and ok, why
  if not ok then return tell(("%s: %s"):format(path, why)) end
  tell(("%s: %d inputs"):format(path, typed.count()))
end

function commands.help() print(help.text(nil, (terminal.size()))) end

function commands.quit() return "quit" end

local function do_command(text)
  local name, rest = text:match "^:(%S*)%s*(.-)%s*$"
  if commands[name] then return commands[name](rest) end
  has_failed = true
  tell(("there is no :%s; there are :save FILE, :help, :quit"):format(name))
end

-- --- the loop ---

local function prompt()
  local spent = ask.spent()
  return spent and ("confab %s> "):format(core.text.money(spent)) or "confab> "
end

local function candidates(text)
  return complete.candidates(repl.pending .. text, _G)
end

--- Completion of one line counts from the line's own beginning.
local function complete_line(text)
  local from, list = candidates(text)
  return from - #repl.pending, list
end

--- An input of one or several lines; nil at the end, false after an interrupt.
local function read_input()
  local lines = {}
  repl.pending = ""
  while true do
    local line = terminal.read(terminal.is_terminal and (#lines == 0 and prompt() or "     ...> ") or "", complete_line)
    if not line then return line == nil and #lines > 0 and table.concat(lines, "\n") or line end
    lines[#lines + 1] = line
    local text = table.concat(lines, "\n")
    if #lines == 1 and text:find "^%s*:" or not text:find "%S" then return text end
    local _, _, is_open = compile(text)
    if not is_open then return text end
    repl.pending = text .. "\n"
  end
end

local function history_path()
  local state = settings.env "XDG_STATE_HOME"
  if not state or state == "" then
    local home = settings.env "HOME"
    if not home or home == "" then return nil end
    state = home .. "/.local/state"
  end
  return state .. "/confab", state .. "/confab/history"
end

local function loop()
  while true do
    local text = read_input()
    if text == nil then break end
    if text == false then
      print ""
    elseif text:find "%S" then
      terminal.remember(text)
      if text:find "^%s*:" then
        if do_command(text:match "^%s*(.*)$") == "quit" then break end
      else
        evaluate(text)
      end
    end
  end
end

--- The command: reads inputs until their end.
---@param path? string  A script to be run first.
---@param ... string  Its arguments.
function repl.main(path, ...)
  local confab = require "confab"
  _G.confab = confab
  _G.reload = reload
  function _G.help(what) print(help.text(what, (terminal.size()))) end
  local folder, history = history_path()
  if terminal.is_terminal then
    if history then terminal.load_history(history) end
    ask.on_text = show_live
    tell(("confab %s, %s; help() lists what there is, Ctrl-D ends it"):format(core.version,
      flags.simulate and "simulated" or settings.model()))
  end
  if path then
    script = { path = path, arguments = { ... } }
    _G.arg = { [0] = path, ... }
    run_told(reload)
  end
  loop()
  if terminal.is_terminal then
    print ""
    if history then
      core.fs.make_folder(folder)
      local ok, why = terminal.save_history(history)
      if not ok and why then tell(why) end
    end
  elseif has_failed then
    os.exit(SCRIPT_ERROR)
  end
end

return repl
