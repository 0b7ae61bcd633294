--- A conversation that was edited over HTTP is scored anew, by the rules that it would be scored by if it were
--- made now. What a person has approved or rejected keeps its status; the former score stays in the edits.
local core = require "confab.core"
local defined = require "confab.defined"
local scoring = require "confab.scoring"
local serve_templates = require "confab.serve_templates"
local settings = require "confab.settings"
local standing = require "confab.standing"

local serve_rescore = {}

local function find(row)
  for conv in core.store.conversations { conversation = row } do return conv end
end

local function template_of(name)
  for _, tmpl in ipairs(defined.templates) do
    if tmpl.name == name then return tmpl end
  end
end

--- Whether the score that it has came from the default rules, or from none.
local function has_default_parts(fields)
  local names = {}
  for _, rule in ipairs(scoring.default.rules) do names[rule.name] = true end
  for _, part in ipairs(fields.breakdown or {}) do
    if not names[part.name] then return false end
  end
  return true
end

--- The rules: those of its template, else of its run, as the script that is served has them. Others that it may
--- have been scored by are not known here: nil, and its score stays.
local function rules_of(fields)
  local tmpl, run = template_of(fields.template), defined.find(fields.run)
  if tmpl and tmpl.scoring then return tmpl.scoring end
  if run then return defined.options(run).score or scoring.default end
  if tmpl then return serve_templates.find(fields.template_id).scoring end
  return has_default_parts(fields) and scoring.default or nil
end

--- Scores the conversation anew and stores what came of it.
---@param row integer
---@return boolean scored  false: there is none, or its rules are not known.
function serve_rescore.one(row)
  local conv = find(row)
  if not conv then return false end
  local fields = core.conversation.fields(conv)
  local by = rules_of(fields)
  if not by then return false end
  local score, breakdown = scoring.score(conv, by)
  local text = core.json.encode(breakdown)
  if score ~= fields.score or text ~= core.json.encode(fields.breakdown) then
    core.review.rescore(settings.db(), {
      { row = fields.row, score = score, status = standing.status(score), breakdown = text },
    })
  end
  return true
end

return serve_rescore
