--- Runs that requests over HTTP make: one for each POST, found again by its Idempotency-Key, gone on with after
--- a restart. What was asked stands in the items' parameters; how, in the arguments of the run.
local again = require "confab.again"
local context = require "confab.context"
local core = require "confab.core"
local defined = require "confab.defined"
local errors = require "confab.errors"
local in_work = require "confab.in_work"
local run = require "confab.run"
local serve_reply = require "confab.serve_reply"
local serve_templates = require "confab.serve_templates"
local waiters = require "confab.waiters"

local scheduler = core.scheduler

local serve_runs = {}

---@class confab.serve.Asked  JSON in runs.args.
---@field kind "single"|"batch"
---@field hash string  Of the body.
---@field count integer
---@field concurrency integer
---@field stopOnError boolean
---@field stream? boolean  Its text is told while it comes.

---@class confab.serve.Work  A run in work.
---@field name string
---@field asked confab.serve.Asked
---@field uuid? string  Once it stands in the database.
---@field row? integer
---@field is_whole? boolean  All of its items stand there as well.
---@field is_over? boolean
---@field raised? confab.Error  What ended it, or what its one item met.
---@field on_whole confab.Waiters
---@field on_over confab.Waiters

---@type table<string, confab.serve.Work>
local works = {}    -- by name of the run

local PREFIX = "http "

local function random_id()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(16)
  file:close()
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- The name of the run that a request makes.
---@param key? string  Its Idempotency-Key.
---@return string name
function serve_runs.name(key) return PREFIX .. (key or random_id()) end

---@param work confab.serve.Work
function serve_runs.wait_whole(work)
  while not work.is_whole and not work.is_over do waiters.wait(work.on_whole) end
end

---@param work confab.serve.Work
function serve_runs.wait_over(work)
  while not work.is_over do waiters.wait(work.on_over) end
end

local function step(request)
  return serve_templates.generate(context.get(), request)
end

local function streamed_step(request)
  return serve_templates.generate(context.get(), request, true)
end

--- An error as an answer has it. Another process that works on the run is no mistake of anybody.
local function as_raised(raised)
  if not errors.is(raised) then return errors.new("script_error", tostring(raised)) end
  local is_taken = raised.kind == "config_error" and raised.message:find("is being worked on by process", 1, true)
  return is_taken and { kind = "conflict", message = raised.message } or raised
end

--- Works through it in a fiber of its own, whoever waits for it.
---@param name string
---@param asked confab.serve.Asked
---@param work_off fun(work: confab.serve.Work, extra: confab.RunExtra)
---@return confab.serve.Work
local function spawn(name, asked, work_off)
  local work = { name = name, asked = asked, on_whole = {}, on_over = {} }
  works[name] = work
  scheduler.spawn(function()
    local ok, raised = pcall(work_off, work, {
      source = "http",
      on_open = function(state) work.uuid, work.row = state.core.uuid, state.core.id end,
      on_drawn = function()
        work.is_whole = true
        waiters.wake_all(work.on_whole)
      end,
    })
    if not ok then
      work.raised = as_raised(raised)
      core.progress.warn(("run %q: %s"):format(name, work.raised.message))
    end
    works[name], work.is_over = nil, true
    waiters.wake_all(work.on_whole)
    waiters.wake_all(work.on_over)
  end)
  return work
end

--- Begins a run of requests, or goes on with it.
---@param name string
---@param asked confab.serve.Asked
---@param requests confab.serve.Request[]
---@return confab.serve.Work
function serve_runs.begin(name, asked, requests)
  return spawn(name, asked, function(work, extra)
    extra.request = core.json.encode(asked)
    local is_single = asked.kind == "single"
    run.work_off({
      items = requests, step = asked.stream and streamed_step or step, concurrency = asked.concurrency, stop_on_error = asked.stopOnError,
      key = is_single and function() return name:sub(#PREFIX + 1) end or nil,
      on_item = is_single and function(result) work.raised = result.error end or nil,
    }, name, extra)
  end)
end

--- Begins a run that the script has defined, or goes on with it.
---@param made confab.DefinedRun
---@return confab.serve.Work
function serve_runs.start(made)
  return spawn(made.name, nil, function(_, extra)
    extra.on_drawn = nil    -- it may be long: it is drawn as its workers come to it
    local on_open = extra.on_open
    function extra.on_open(state)
      on_open(state)
      local work = works[made.name]
      work.is_whole = true
      waiters.wake_all(work.on_whole)
    end
    defined.start(made, extra)
  end)
end

--- The work on the run of that name.
---@param name string
---@return confab.serve.Work?
function serve_runs.in_work(name) return works[name] end

-- --- runs of the database ---

local FIND = [[
  SELECT id, uuid, name, state, source, args FROM runs
  WHERE %s AND simulated = ?2 ORDER BY generation DESC, id DESC LIMIT 1]]

local function find(where, value)
  return core.store.sql(FIND:format(where), value, core.engine.is_simulated() and 1 or 0)[1]
end

---@return table? row
function serve_runs.find_name(name) return find("name = ?1", name) end

---@return table? row
function serve_runs.find_uuid(uuid) return find("uuid = ?1", uuid:lower()) end

--- What a run of the database was asked; nil: no request over HTTP made it.
---@param row table
---@return confab.serve.Asked?
function serve_runs.asked(row)
  if row.source ~= "http" or not row.args then return nil end
  local asked = core.json.decode(row.args)
  return type(asked) == "table" and asked.kind and asked or nil
end

local function stored_requests(row)
  local requests = {}
  local query = "SELECT params FROM items WHERE run = ? AND NOT orphan ORDER BY ordinal"
  for i, item in ipairs(core.store.sql(query, row.id)) do requests[i] = core.json.decode(item.params) end
  return requests
end

--- Goes on with a run of the database. nil, status, why: that cannot be.
---@param row table
---@return confab.serve.Work?
---@return integer? status
---@return string? why
function serve_runs.resume(row)
  if works[row.name] then return nil, 409, "the run is being worked on" end
  local asked = serve_runs.asked(row)
  if asked then
    local requests = stored_requests(row)
    if #requests < asked.count then
      return nil, 409, ("only %d of the run's %d requests were stored; send the whole of it again")
        :format(#requests, asked.count)
    end
    return serve_runs.begin(row.name, asked, requests)
  end
  local made = defined.find(row.name)
  if not made then
    return nil, 409, "the script that is served does not define this run; go on with it by `confab resume`"
  end
  return serve_runs.start(made)
end

--- Goes on with all that an earlier server has left unfinished.
function serve_runs.resume_all()
  local left = core.store.sql([[
    SELECT id, uuid, name, state, source, args FROM runs r
    WHERE source = 'http' AND state IN ('running', 'paused', 'interrupted') AND simulated = ?
      AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.name = r.name AND n.simulated = r.simulated
        AND n.generation > r.generation)
    ORDER BY id]], core.engine.is_simulated() and 1 or 0)
  for _, row in ipairs(left) do
    local work, _, why = serve_runs.resume(row)
    core.progress.say(("run %q %s"):format(row.name, work and "goes on" or "is left: " .. why))
  end
end

--- Whether an item of a run is left to be asked for: a failure on the way to a reply is no result.
local function has_unfinished(row)
  local query = "SELECT DISTINCT state, coalesce(error_kind, '') AS kind FROM items WHERE run = ? AND NOT orphan"
  for _, item in ipairs(core.store.sql(query, row.id)) do
    if again.is_unfinished(item.state, item.kind) then return true end
  end
  return false
end

--- The run of a request that was sent before, perhaps to an earlier server, in work or over; nil: it was not.
---@param name string
---@param asked confab.serve.Asked
---@param requests confab.serve.Request[]
---@return confab.serve.Work?
---@return confab.serve.Answer? refusal  Another request has this key.
function serve_runs.repeated(name, asked, requests)
  local work, row = works[name], nil
  if not work then
    row = serve_runs.find_name(name)
    if not row then return nil end
  end
  local before = work and work.asked or row and serve_runs.asked(row)
  if not before or before.hash ~= asked.hash then
    return nil, serve_reply.refusal(422, "idempotency_key_reused",
      "another request was sent with this Idempotency-Key; give each request its own")
  end
  if work then return work end
  local goes_on = row.state ~= "stopped" and (row.state ~= "done" or has_unfinished(row))
  if goes_on then return serve_runs.begin(name, before, requests) end
  return { name = name, asked = before, uuid = row.uuid, row = row.id, is_whole = true, is_over = true }
end

--- Ends a run. false: it is not being worked on here.
---@param uuid string
---@return boolean
function serve_runs.cancel(uuid)
  local state = in_work.find(uuid:lower())
  if not state then return false end
  in_work.cancel(state, "cancelled over HTTP")
  return true
end

return serve_runs
