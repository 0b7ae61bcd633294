--- What is done for each route that needs Lua: a request goes in, an answer comes out. In a fiber of its own, so
--- each may wait.
local core = require "confab.core"
local defined = require "confab.defined"
local serve_batch = require "confab.serve_batch"
local serve_check = require "confab.serve_check"
local serve_estimate = require "confab.serve_estimate"
local serve_reply = require "confab.serve_reply"
local serve_rescore = require "confab.serve_rescore"
local serve_runs = require "confab.serve_runs"
local serve_templates = require "confab.serve_templates"
local settings = require "confab.settings"

local scheduler = core.scheduler

local serve_tasks = {}

--- The most requests of a batch.
serve_tasks.max_batch = 10000

---@class confab.serve.Job  A request, as src/server/lua_server.c gives it.
---@field task string
---@field id? string  From the path.
---@field key? string  Idempotency-Key.
---@field body? string  JSON.
---@field requests? file*  Of a batch, one a line; opened anew each time. The body is what is around them.
---@field last_event_id? integer  Events from behind it on are kept for who comes to watch.
---@field reply fun(self: confab.serve.Job, status: integer, json: string, retry_after?: integer)

local tasks = {}

--- The body and its hash; or a refusal.
local function read(job)
  local ok, value = pcall(core.json.decode, job.body or "")
  if not ok then
    return nil, nil, serve_reply.refusal(400, "invalid_request", value.message or tostring(value))
  end
  local why = job.key and serve_check.key(job.key)
  if why then
    return nil, nil, serve_reply.problems { { path = "Idempotency-Key", reason = why } }
  end
  return value, core.hash.sha256hex(core.json.canonical(value))
end

--- Looks the template up and tries it on; a request that nothing is wrong with has its uuid then.
local function check_template(request, path, problems)
  local offer, why = serve_templates.find(request.templateId)
  if not offer then return serve_check.add(problems, path .. "templateId", why) end
  request.templateId = offer.uuid
  why = serve_templates.objection(offer, request)
  if why then serve_check.add(problems, path .. "parameters", why) end
end

local function check_request(value, path, problems)
  local before = #problems
  local request = serve_check.request(value, problems, path)
  if #problems == before then check_template(request, path, problems) end
  return request
end

--- The one request of a body, the body's hash and how it is to be answered; or a refusal.
local function read_single(job)
  local value, hash, refusal = read(job)
  if refusal then return nil, nil, nil, refusal end
  local problems = serve_check.problems()
  local request, manner = serve_check.single(value, problems)
  if #problems == 0 then check_template(request, "", problems) end
  if #problems > 0 then return nil, nil, nil, serve_reply.problems(problems) end
  return request, hash, manner
end

--- Work on a request: that of an earlier one with its key, or its own.
local function begin(job, asked, requests)
  local name = serve_runs.name(job.key)
  if job.key then
    local work, refusal = serve_runs.repeated(name, asked, requests)
    if work or refusal then return work, refusal end
  end
  return serve_runs.begin(name, asked, requests)
end

--- What is answered once all of a run's requests are stored.
local function accepted(work, last_event_id)
  serve_runs.wait_whole(work)
  if not work.is_whole then return serve_reply.failure(work.raised) end
  return serve_reply.success(202, {
    runId = work.uuid, status = "accepted", total = work.asked.count, lastEventId = last_event_id,
  })
end

function tasks.generate(job)
  local request, hash, manner, refusal = read_single(job)
  if refusal then return refusal end
  local work
  work, refusal = begin(job, {
    kind = "single", hash = hash, count = 1, concurrency = 1, stopOnError = false, stream = manner.stream,
  }, { request })
  if refusal then return refusal end
  if manner.is_async then return accepted(work, job.last_event_id) end
  serve_runs.wait_over(work)
  if not work.row then return serve_reply.failure(work.raised) end
  return serve_reply.single(work.row, work.raised)
end

function tasks.estimate(job)
  local request, _, _, refusal = read_single(job)
  if refusal then return refusal end
  return serve_reply.success(200, serve_estimate.of(request))
end

function tasks.rescore(job)
  return serve_reply.success(200, { scored = serve_rescore.one(math.tointeger(tonumber(job.id))) })
end

function tasks.rate_limit()
  local status = settings.rate_limit_status()
  local paused_until = status.paused_until and os.date("!%Y-%m-%dT%H:%M:%SZ", math.ceil(status.paused_until))
  return serve_reply.success(200, {
    limit = status.limit, used = status.used, remaining = status.remaining, resetMs = status.reset_ms,
    queued = status.queued, inFlight = status.in_flight, waitMs = status.wait_ms or core.json.null,
    source = status.source, pausedUntil = paused_until or core.json.null,
  })
end

function tasks.batch(job)
  local value, hash, refusal = read(job)
  if refusal then return refusal end
  local problems, file = serve_check.problems(), job.requests
  local count, hash_of_all = serve_batch.check(file, serve_tasks.max_batch, check_request, problems)
  local batch = serve_check.batch(value, count, serve_tasks.max_batch, problems)
  if #problems > 0 then return serve_reply.problems(problems) end
  local work
  work, refusal = begin(job, {
    kind = "batch", hash = core.hash.sha256hex(hash .. hash_of_all), count = count, concurrency = batch.concurrency,
    stopOnError = batch.stop_on_error,
  }, serve_batch.items(file, count))
  if refusal then return refusal end
  if batch.is_async then return accepted(work) end
  serve_runs.wait_over(work)
  if not work.row then return serve_reply.failure(work.raised) end
  return serve_reply.batch(work.row, work.asked.count, work.raised)
end

--- The names of the runs that the script defines, in order.
local function defined_names()
  local names = core.json.array {}
  for i, run in ipairs(defined.list) do names[i] = run.name end
  return names
end

function tasks.batch_limits()
  return serve_reply.success(200, {
    limits = { maxRequests = serve_tasks.max_batch, concurrency = { min = 1, max = 10 } },
    defaults = { concurrency = 3, stopOnError = false, async = false },
    templates = serve_templates.names(), runs = defined_names(),
  })
end

local function no_such_run() return serve_reply.refusal(404, "not_found", "there is no run of this id") end

local function begun(work)
  serve_runs.wait_whole(work)
  if not work.uuid then return serve_reply.failure(work.raised) end
  return serve_reply.success(202, { runId = work.uuid, name = work.name, status = "running" })
end

function tasks.start(job)
  local value, _, refusal = read(job)
  if refusal then return refusal end
  local problems = serve_check.problems()
  local name = serve_check.run_name(value, problems)
  if #problems > 0 then return serve_reply.problems(problems) end
  local made = defined.find(name)
  if not made then
    return serve_reply.refusal(404, "not_found", "the script defines no run of this name",
      { defined = defined_names() })
  end
  if serve_runs.in_work(name) then return serve_reply.refusal(409, "conflict", "the run is being worked on") end
  return begun(serve_runs.start(made))
end

function tasks.cancel(job)
  local row = serve_runs.find_uuid(job.id)
  if not row then return no_such_run() end
  if not serve_runs.cancel(row.uuid) then
    return serve_reply.refusal(409, "conflict", ("the run is not being worked on here; it is %s"):format(row.state))
  end
  return serve_reply.success(202, { runId = row.uuid, status = "cancelling" })
end

function tasks.resume(job)
  local row = serve_runs.find_uuid(job.id)
  if not row then return no_such_run() end
  local work, status, why = serve_runs.resume(row)
  if not work then return serve_reply.refusal(status, "conflict", why) end
  return begun(work)
end

--- The answer to a request, whatever happens.
---@param job confab.serve.Job
---@return confab.serve.Answer
function serve_tasks.answer(job)
  if scheduler.stopping() then
    return { status = 503, retry_after = 5, body = { error = "unavailable", message = "the server is about to stop" } }
  end
  local task = tasks[job.task]
  if not task then return serve_reply.refusal(404, "not_found", "there is nothing at this path") end
  local ok, answer = xpcall(task, function(raised) return { raised = raised, traceback = debug.traceback(nil, 2) } end, job)
  if ok then return answer end
  core.progress.warn(("%s: %s%s"):format(job.task, tostring(answer.raised), answer.traceback))
  return serve_reply.failure(answer.raised)
end

--- Works on a request in a fiber of its own and replies.
---@param job confab.serve.Job
function serve_tasks.take(job)
  scheduler.spawn(function()
    local answer = serve_tasks.answer(job)
    local ok, json = pcall(core.json.encode, answer.body)
    if ok then
      job:reply(answer.status, json, answer.retry_after)
    else
      core.progress.warn(("%s: %s"):format(job.task, tostring(json)))
      job:reply(500, '{"error":"internal_error","message":"the answer could not be written"}')
    end
  end)
end

return serve_tasks
