--- Replies over HTTP: conversations, results and errors in the shape of the API, all of them from what the
--- database has, so that the first reply and a repeated one are the same.
local core = require "confab.core"
local errors = require "confab.errors"
local waiters = require "confab.waiters"

local serve_reply = {}

local CONVERSATIONS_BATCH = 50    -- read before others have a turn

---@class confab.serve.Answer
---@field status integer
---@field body table
---@field retry_after? integer  Seconds.

-- Of kinds of errors: what they are answered with.
local status_of = {
  config_error = 500, budget_error = 402, parse_error = 422, validation_error = 422, refusal = 422,
  rate_limit_error = 429, api_error = 502, cancelled = 409, script_error = 500, storage_error = 500,
  conflict = 409,
}

--- An error of any kind as an answer.
---@param failure { kind: string, message: string, status?: integer, retry_after?: number, details?: any }
---@return confab.serve.Answer
function serve_reply.failure(failure)
  if not errors.is(failure) and type(failure) ~= "table" then
    failure = { kind = "script_error", message = tostring(failure) }
  end
  local status = status_of[failure.kind] or 500
  if failure.kind == "api_error" and failure.status == 429 then status = 429 end
  local wait = failure.retry_after and math.ceil(failure.retry_after)
  if status == 429 then wait = math.max(wait or 1, 1) end
  return {
    status = status, retry_after = wait,
    body = { error = failure.kind, message = failure.message, retryAfter = wait },
  }
end

--- An error of the request itself.
---@param status integer
---@param word string  For programs.
---@param message string
---@param details? any
---@return confab.serve.Answer
function serve_reply.refusal(status, word, message, details)
  return { status = status, body = { error = word, message = message, details = details } }
end

--- 400, with every problem.
---@param problems confab.serve.Problem[]
---@return confab.serve.Answer
function serve_reply.problems(problems)
  local message = #problems == 1 and "the request has a mistake, see details" or
    ("the request has %d mistakes, see details"):format(#problems)
  return serve_reply.refusal(400, "invalid_request", message, problems)
end

---@param status integer
---@param data any
---@param metadata? table
---@return confab.serve.Answer
function serve_reply.success(status, data, metadata)
  return { status = status, body = { success = true, data = data, metadata = metadata } }
end

-- --- what the database has ---

local ITEMS = [[
  SELECT i.id, i.key, i.ordinal, i.state, i.error_kind, i.error_message,
    CAST(round((julianday(i.finished_at) - julianday(coalesce(
      (SELECT min(c.sent_at) FROM calls c WHERE c.item = i.id), i.created_at))) * 86400000) AS INTEGER) AS duration,
    (SELECT sum(c.cost_pico) FROM calls c WHERE c.item = i.id) AS cost_pico,
    CASE i.state WHEN 'failed' THEN (SELECT l.http_status FROM calls c JOIN generation_logs l ON l.call = c.id
      WHERE c.item = i.id ORDER BY l.id DESC LIMIT 1) END AS http_status
  FROM items i WHERE i.run = ? AND NOT i.orphan ORDER BY i.ordinal LIMIT 100000]]

local function dollars(pico) return (pico or 0) / 1e12 end

--- As a field of a reply: what is not known is null, so that every reply has every field.
local function known(value)
  if value == nil then return core.json.null end
  return value
end

--- A tag without a value is null, as in the replies that only read.
local function tags_of(fields)
  local tags = {}
  for name, value in next, fields.tags do tags[name] = value == true and core.json.null or value end
  return tags
end

--- A stored conversation.
---@param conv confab.Conversation
---@return table
function serve_reply.conversation(conv)
  local fields = core.conversation.fields(conv)
  local turns = core.json.array {}
  for i, turn in ipairs(conv.turns) do turns[i] = { role = turn.role, content = turn.content } end
  return {
    id = fields.id, templateId = fields.template_id, persona = fields.persona, emotion = fields.emotion,
    topic = fields.topic, tier = fields.tier, parameters = fields.parameters, status = fields.status,
    qualityScore = known(fields.score), qualityBreakdown = known(fields.breakdown), turnCount = #turns, turns = turns,
    cost = known(fields.cost), model = known(fields.model),
    documentId = known(fields.document_id), chunkId = known(fields.chunk_id),
    runId = fields.run_id, truncated = fields.truncated, simulated = fields.simulated, createdAt = fields.created_at,
    tags = tags_of(fields), reviewNote = known(fields.review_note),
  }
end

local function failure_of(item)
  return {
    kind = item.error_kind or "cancelled", status = item.http_status,
    message = item.error_message or "the run ended before this conversation was made",
  }
end

--- The answer to a request for one conversation.
---@param run integer  Row of its run, which is over.
---@param raised? confab.Error  What the item met, if that is known better than the database has it.
---@return confab.serve.Answer
function serve_reply.single(run, raised)
  local item = core.store.sql(ITEMS, run)[1]
  if not item then return serve_reply.failure(raised or failure_of {}) end
  if item.state ~= "done" then
    if raised and item.state == "pending" then return serve_reply.failure(raised) end    -- what every item would meet
    local failure = failure_of(item)
    if raised and raised.kind == item.error_kind then failure.retry_after = raised.retry_after end
    return serve_reply.failure(failure)
  end
  for conv in core.store.conversations { item = item.id } do
    local data = serve_reply.conversation(conv)
    return serve_reply.success(201, data, {
      qualityScore = data.qualityScore, turnCount = data.turnCount, cost = data.cost, duration = math.max(item.duration, 0),
    })
  end
  return serve_reply.failure(failure_of { error_kind = "validation_error", error_message = "there is no conversation" })
end

local function duration_of(row)
  local times = core.store.sql([[
    SELECT CAST(round((julianday(coalesce(finished_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
      - julianday(started_at)) * 86400000) AS INTEGER) AS ms FROM runs WHERE id = ?]], row.id)[1]
  return math.max(times.ms or 0, 0)
end

--- How a batch has come out, or how far it is.
---@param row table  Its run's, of core.store.run.
---@param total integer
---@return table summary
function serve_reply.summary(row, total)
  local a = row.account
  local successful, duration = a.accepted + a.needs_revision + a.surplus, duration_of(row)
  return {
    total = total, successful = successful, failed = a.failed, totalCost = dollars(a.spent_pico),
    totalDuration = duration,
    avgCostPerConversation = successful > 0 and dollars(a.spent_pico) / successful or 0,
    avgDurationPerConversation = total > 0 and duration / total or 0,
  }
end

local function result(item, conv)
  local made = {
    index = item.ordinal, success = conv ~= nil, cost = dollars(item.cost_pico),
    duration = item.duration and math.max(item.duration, 0) or 0,
  }
  if conv then
    made.conversationId, made.data = conv.id, conv
  else
    local failure = serve_reply.failure(failure_of(item))
    made.error = { error = failure.body.error, message = failure.body.message, status = failure.status }
  end
  return made
end

--- The answer to a batch.
---@param run integer  Row of its run, which is over.
---@param total integer  Requests.
---@param raised? confab.Error  What ended the run.
---@return confab.serve.Answer
function serve_reply.batch(run, total, raised)
  local row = core.store.run(run)
  if raised and row.account.accepted + row.account.needs_revision == 0 then return serve_reply.failure(raised) end
  local convs, count = {}, 0
  for conv in core.store.conversations { run = run } do
    local ordinal = core.conversation.fields(conv).ordinal
    convs[ordinal] = convs[ordinal] or serve_reply.conversation(conv)
    count = count + 1
    if count % CONVERSATIONS_BATCH == 0 then waiters.breathe() end
  end
  local results = core.json.array {}
  for _, item in ipairs(core.store.sql(ITEMS, run)) do
    results[#results + 1] = result(item, item.state == "done" and convs[item.ordinal] or nil)
  end
  return serve_reply.success(201, {
    runId = row.uuid, state = row.state, stateReason = known(row.state_reason),
    summary = serve_reply.summary(row, total), results = results,
  })
end

return serve_reply
