--- Conversations: the methods that scripts call on them, and making one from turns or from a text.
local core = require "confab.core"
local errors = require "confab.errors"
local flags = require "confab.flags"
local options = require "confab.options"
local settings = require "confab.settings"

local conversation = {}

---@class confab.Turn
---@field role "system"|"user"|"assistant"
---@field content string

---@class confab.Conversation
---@field id? string  UUID; once it is stored.
---@field turns confab.Turn[]
---@field score? number
---@field breakdown? confab.ScorePart[]
---@field status? "generated"|"needs_revision"|"approved"|"rejected"
---@field cost? number  Dollars; nil if not known.
---@field usage? table
---@field model? string
---@field truncated boolean
---@field repairs string[]  What had to be mended in the reply.
---@field persona? string
---@field emotion? string
---@field topic? string
---@field tier? string
---@field text fun(self: confab.Conversation): string
local methods = core.conversation.methods

local function fields_of(conv)
  return core.conversation.fields(conv)
end

--- Tags it: a bare tag, or one with a text or a number; false takes the tag away.
--- Example: `conv:tag("judge", verdict.score)`
---@param name string
---@param value? string|number|boolean
---@return confab.Conversation self
function methods.tag(self, name, value)
  if type(name) ~= "string" or name == "" then errors.misuse "conv:tag: a name was expected" end
  local fields = fields_of(self)
  local row = { name = name }
  if type(value) == "number" then
    row.number = value
  elseif value and value ~= true then
    row.text = tostring(value)
  end
  if fields.row and not flags.plan then
    core.review.tag(settings.db(), fields.row, row, value == false)
  else
    local rows = {}    -- to be stored with the conversation
    for _, other in ipairs(fields.tag_rows or {}) do
      if other.name ~= name then rows[#rows + 1] = other end
    end
    if value ~= false then rows[#rows + 1] = row end
    fields.tag_rows = rows
  end
  fields.tags = fields.tags or {}
  if value == nil then value = true end
  fields.tags[name] = value or nil
  return self
end

local function review(self, status, note)
  local fields = fields_of(self)
  if fields.row and not flags.plan then core.review.set_status(settings.db(), fields.row, status, note) end
  fields.status = status
  return self
end

--- Marks it as fit for training; rescoring does not change that.
---@param note? string
---@return confab.Conversation self
function methods.approve(self, note) return review(self, "approved", note) end

--- Marks it as unfit for training.
---@param note? string
---@return confab.Conversation self
function methods.reject(self, note) return review(self, "rejected", note) end

--- A conversation from turns at hand. Any turns will do; scoring tells what they are worth.
--- Example: `confab.conversation { turns = { { role = "user", content = "Hi" } } }`
---@param opts { turns: confab.Turn[] }
---@return confab.Conversation
function conversation.new(opts)
  opts = options.check(opts, { turns = { type = "list", required = true } }, "confab.conversation")
  return core.conversation.new(opts.turns)
end

--- The conversation of a model's reply, or nil and why there is none.
---@param text string
---@return confab.Conversation?
---@return confab.Error? why
function conversation.parse(text)
  if type(text) ~= "string" then errors.misuse "confab.parse: a text was expected" end
  return core.conversation.parse(text, false)
end

return conversation
