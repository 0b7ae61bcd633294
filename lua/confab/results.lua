--- What a finished run gives to the script: its summary, results, failures, exports, report.
local condition = require "confab.condition"
local core = require "confab.core"
local errors = require "confab.errors"
local options = require "confab.options"

local results = {}

---@class confab.Run
---@field id string  UUID.
---@field name string
---@field state string
---@field summary string  A few lines for people.
---@field account table<string, integer>  planned = accepted + needs_revision + failed + pending + skipped.
local Run = {}

results.methods = Run

local function account_line(a)
  return ("%d planned = %d accepted + %d needs revision + %d failed + %d pending + %d skipped"):format(a.planned,
    a.accepted, a.needs_revision, a.failed, a.pending, a.skipped)
end

local function acceptance_line(a, target)
  local further = a.surplus > 0 and (", %d further ones kept as surplus"):format(a.surplus) or ""
  if not target then return a.surplus > 0 and ("  %d accepted%s"):format(a.accepted, further) or nil end
  local lack = a.accepted < target and "; the inputs gave no more" or ""
  return ("  %d of %d accepted%s%s"):format(a.accepted, target, lack, further)
end

--- What this run of the script found there already; nil if that is nothing.
local function replayed_line(counts)
  if not counts or counts.replayed == 0 then return nil end
  local sent = counts.sent == 0 and "nothing was sent" or
    core.text.number(counts.sent) .. (counts.sent == 1 and " call was sent" or " calls were sent")
  return ("  %s %s there already, %s"):format(core.text.number(counts.replayed), counts.replayed == 1 and "was" or "were",
    sent)
end

local FAILURES_TOLD = 5

--- Why items of a run failed, the most frequent reasons first, for people: "12 × api_error, such as HTTP 500".
---@param run integer
---@param told? string  A message that is not to be told again.
---@return string[]
function results.failure_lines(run, told)
  local lines, others = {}, 0
  for i, failure in ipairs(core.store.failures(run)) do
    local such = failure.message ~= told and ", such as " .. failure.message or ""
    if i <= FAILURES_TOLD then
      lines[i] = ("%s × %s%s"):format(core.text.number(failure.count), failure.kind, such)
    else
      others = others + failure.count
    end
  end
  if others > 0 then lines[#lines + 1] = core.text.number(others) .. " more for other reasons" end
  return lines
end

local function summary(row, accept, counts)
  local a = row.account
  local lines = {
    ("run %s %s%s"):format(row.name, row.state, row.simulated and " (simulated)" or ""),
    "  " .. account_line(a),
    ("  %s spent%s, %s at risk, %d calls in %d attempts, %d input and %d output tokens"):format(
      core.text.money(a.spent_pico), row.budget and " of " .. core.text.money(core.text.dollars(row.budget)) or "",
      core.text.money(a.at_risk_pico), a.calls, a.attempts, a.input_tokens, a.output_tokens),
  }
  lines[#lines + 1] = replayed_line(counts)
  lines[#lines + 1] = acceptance_line(a, accept)
  if a.unknown_cost_replies > 0 then
    lines[#lines + 1] = ("  the cost of %d replies is not known"):format(a.unknown_cost_replies)
  end
  for _, line in ipairs(results.failure_lines(row.id)) do lines[#lines + 1] = "  " .. line end
  if a.orphans > 0 then
    lines[#lines + 1] = ("  %d %s set aside"):format(a.orphans,
      a.orphans == 1 and "item of earlier inputs is" or "items of earlier inputs are")
  end
  return table.concat(lines, "\n")
end

local metatable = { __name = "confab.run" }

function metatable.__index(self, name)
  if Run[name] then return Run[name] end
  local row = core.store.run(rawget(self, "row"))
  if name == "id" then return row.uuid end
  if name == "summary" then return summary(row, rawget(self, "accept"), rawget(self, "counts")) end
  return row[name]
end

function metatable.__tostring(self) return self.summary end

--- The object for a run of the database.
---@param row integer
---@param made? { accept?: integer, counts?: table<string, integer> }  How many accepted items it was to have; what
--- this run of the script met.
---@return confab.Run
function results.new(row, made)
  made = made or {}
  return setmetatable({ row = row, accept = made.accept, counts = made.counts }, metatable)
end

local where_specs = {}
for name, spec in next, condition.specs do where_specs[name] = spec end
where_specs.run = nil

local function filter_of(self, where, what)
  local filter = condition.check(where, what, where_specs)
  filter.run = self.row
  return filter
end

--- The conversations of the run, in the order of its items: `for conv in run:results() do ... end`.
---@param where? { status?: string|string[], min_score?: number, tier?: string, tag?: string, persona?: string }
---@return fun(): confab.Conversation?
function Run:results(where)
  return core.store.conversations(filter_of(self, where, "run:results"))
end

--- Failures by kind and message, most frequent first, each with an example. Messages that differ in numbers and in what
--- is quoted are one.
---@return { kind: string, count: integer, key: string, message: string }[]
function Run:failures()
  return core.store.failures(self.row)
end

local export_specs = {
  format = { type = "string", one_of = { "messages", "sharegpt", "alpaca", "jsonl" }, default = "messages" },
  where = { type = "table" }, split = { type = { "table", "string" } },
  system = { type = "string", one_of = { "fold", "keep" } }, seed = { type = "integer" },
  truncated = { type = "boolean" },
}

--- What run:export is given, checked; raises what it would raise before anything is written.
---@param path string
---@param opts? table
---@return table opts
function results.check_export(path, opts)
  if type(path) ~= "string" then errors.misuse "run:export: a path was expected" end
  opts = options.check(opts, export_specs, "run:export")
  condition.check(opts.where, "run:export: where", where_specs)
  return opts
end

--- What export does of a run that has nothing to write: it refuses what it would refuse, and says why not.
---@param path string
---@param opts? table
---@param why string
---@return table result  As of run:export.
function results.export_nothing(path, opts, why)
  results.check_export(path, opts)
  local told = "not written: " .. why
  core.progress.say(("%s: %s"):format(path, told))
  return { written = 0, skipped = 0, skipped_by = {}, trimmed = 0, folded = 0, held_back = {}, files = {},
    written_to = {}, summary = told }
end

--- "data.jsonl" -> "data.simulated.jsonl"
local function simulated_path(path)
  local base, extension = path:match "^(.*)(%.[^./]+)$"
  return base and base .. ".simulated" .. extension or path .. ".simulated"
end

--- Writes the conversations to a dataset file; the file appears when it is whole. A simulated run
--- writes NAME.simulated.jsonl. Written is what is generated or approved and not cut off, unless
--- `where.status` or `truncated` says otherwise.
--- Example: `run:export("support.jsonl", { format = "messages", where = { min_score = 6 } })`
---@param path string  "data-{split}.jsonl" gives a file for each split.
---@param opts? { format?: "messages"|"sharegpt"|"alpaca"|"jsonl", where?: table, split?: table|string, system?: "fold"|"keep", seed?: integer, truncated?: boolean }
---@return { written: integer, skipped: integer, skipped_by: table<string, integer>, trimmed: integer, folded: integer, held_back: table<string, integer>, files: string[], written_to: integer[], summary: string }
function Run:export(path, opts)
  opts = results.check_export(path, opts)
  local request = filter_of(self, opts.where, "run:export: where")
  request.simulated = self.simulated
  request.path = self.simulated and path ~= "-" and simulated_path(path) or path
  request.format, request.split, request.system, request.seed = opts.format, opts.split, opts.system, opts.seed
  request.truncated = opts.truncated
  local result = core.export.write(request)
  core.progress.say(#result.files == 1 and ("%s: %s"):format(result.files[1], result.summary) or result.summary)
  for i = 1, #result.files > 1 and #result.files or 0 do
    core.progress.say(("%s: %s"):format(result.files[i], core.text.number(result.written_to[i])))
  end
  return result
end

--- What report does of a run that has nothing to tell: it says why not.
---@param path string
---@param why string
---@return string path  Where the report would have been.
function results.report_nothing(path, why)
  if type(path) ~= "string" then errors.misuse "run:report: a path was expected" end
  core.progress.say(("%s: not written: %s"):format(path, why))
  return path
end

--- Writes one HTML file about the run, for those who decide whether the conversations are good enough: what came
--- of the items, scores, rules, cost, failures, some conversations. It needs no network and no script. A simulated
--- run writes NAME.simulated.html. The file appears when it is whole.
--- Example: `run:report "support.html"`
---@param path string
---@return string path  Where it is.
function Run:report(path)
  if type(path) ~= "string" then errors.misuse "run:report: a path was expected" end
  local place = self.simulated and path ~= "-" and simulated_path(path) or path
  local bytes = core.report.write(self.row, place)
  if place ~= "-" then
    core.progress.say(("%s: a report of %s KB"):format(place, core.text.number((bytes + 1023) // 1024)))
  end
  return place
end

return results
