--- The settings of a script: flags, `confab.setup`, environment, `.env`, defaults; and the engine
--- that is opened with them at the first run or call.
local budget = require "confab.budget"
local core = require "confab.core"
local cost = require "confab.cost"
local duration = require "confab.duration"
local errors = require "confab.errors"
local flags = require "confab.flags"
local options = require "confab.options"
local shared = require "confab.shared_options"
local step_limits = require "confab.step_limits"
local words = require "confab.words"

local settings = {}

---@class confab.Limits
---@field max_requests? integer  Requests in any window (default: 50, or what the provider's headers say).
---@field max_input_tokens? integer  Input tokens a window; 0: no limit.
---@field max_output_tokens? integer  Output tokens a window; 0: no limit.
---@field window_ms? integer  Default: 60000.
---@field concurrency? integer  Most calls in flight; 0: no cap.
---@field enable_queue? boolean  false: a call that cannot go at once fails (default: true).
---@field pause_threshold? number  From this share of the window on calls queue (default: 0.9).
---@field pacing? "auto"|"smooth"|"burst"

---@class confab.Retry
---@field max_attempts? integer  The first one included (default: 3).
---@field base_delay_ms? integer  Before the first retry; doubles from there (default: 1000).
---@field max_delay_ms? integer  Default: 300000.
---@field jitter_ms? integer  0 to this is added at random (default: 1000).

---@class confab.Timeouts
---@field connect_ms? integer  Default: 10000.
---@field first_byte_ms? integer  Default: 600000.
---@field idle_ms? integer  Default: 60000.
---@field total_ms? integer  Default: 900000.

---@class confab.Key
---@field name string  For messages.
---@field value? string  The key itself; or
---@field env? string  the name of the environment variable that holds it.
---@field limits? confab.Limits  Its own limits.

---@class confab.Setup
---@field provider? "anthropic"
---@field base_url? string
---@field model? string  For templates and calls that name none.
---@field keys? confab.Key[]
---@field limits? confab.Limits
---@field retry? confab.Retry
---@field timeouts? confab.Timeouts
---@field http2? boolean
---@field db? string  Database file (default: confab.db).
---@field models? table<string, table>  Models to add to the table, or to change in it.
---@field on_retry? fun(attempt: integer, error: confab.Error, delay_ms: integer)
---@field budget? number  The most that all runs of the script may cost together, in dollars.
---@field alert_at? number[]  Shares of the budget to be told of, for runs that name none.
---@field on_alert? fun(share: number, spent: number, budget: number)
---@field max_outage? number|string  How long the service may be away: seconds, or "6h" (the default).
---@field step_limits? confab.StepLimits|false  For runs that name none.

settings.default_model = "claude-sonnet-5-5"

local milliseconds = { type = "integer", min = 1 }
local timeout_specs = {
  connect_ms = milliseconds, first_byte_ms = milliseconds, idle_ms = milliseconds, total_ms = milliseconds,
}
local key_specs = {
  name = { type = "string", required = true }, value = { type = "string" }, env = { type = "string" },
  limits = { type = "table" },
}
local setup_specs = {
  provider = { type = "string", one_of = { "anthropic" } }, base_url = { type = "string" },
  model = { type = "string" }, keys = { type = "list" }, limits = { type = "table" },
  retry = { type = "table" }, timeouts = { type = "table" }, http2 = { type = "boolean" },
  db = { type = "string" }, models = { type = "table" }, on_retry = { type = "function" },
  budget = budget.specs.budget, alert_at = budget.specs.alert_at, on_alert = budget.specs.on_alert,
  max_outage = duration.spec, step_limits = step_limits.spec,
}

local given = {}    -- what confab.setup was told

--- A value of `.env` without its quotes, or without the comment behind it.
local function clean_value(value)
  local quote = value:match "^[\"']"
  local inner, rest = value:match(quote and "^" .. quote .. "(.-)" .. quote .. "%s*(.*)$" or "^$")
  if inner and (rest == "" or rest:sub(1, 1) == "#") then return inner end
  return (value:gsub("%s+#.*$", ""))
end

--- The `.env` file of the working folder: NAME=VALUE lines, quotes optional.
local dotenv
local function read_dotenv()
  dotenv = {}
  local file = io.open(".env", "r")
  if not file then return end
  for line in file:lines() do
    line = line:gsub("^\xEF\xBB\xBF", "")    -- as some editors begin a file
    local name, value = line:match "^%s*export%s+([%w_]+)%s*=%s*(.-)%s*$"
    if not name then name, value = line:match "^%s*([%w_]+)%s*=%s*(.-)%s*$" end
    if name then dotenv[name] = clean_value(value) end
  end
  file:close()
end

--- A variable of the environment, or of `.env`; nil if it is absent or empty.
---@param name string
---@return string?
function settings.env(name)
  local value = os.getenv(name)
  if value == nil or value == "" then
    if not dotenv then read_dotenv() end
    value = dotenv[name]
  end
  return value ~= "" and value or nil
end

local function check_key(key, i)
  if type(key) ~= "table" then errors.misuse(("confab.setup: keys[%d] must be a table"):format(i)) end
  local checked = options.check(key, key_specs, ("confab.setup: keys[%d]"):format(i))
  if (checked.value == nil) == (checked.env == nil) then
    errors.misuse(("confab.setup: keys[%d] needs either value or env"):format(i))
  end
  if checked.limits then checked.limits = options.check(checked.limits, shared.limits, ("keys[%d].limits"):format(i)) end
  return checked
end

--- Settings for this script; to be called before the first run or call. Flags overrule them.
--- Example: `confab.setup { model = "claude-haiku-5-5", limits = { max_requests = 1000 } }`
---@param opts confab.Setup
function settings.setup(opts)
  local checked = options.check(opts, setup_specs, "confab.setup")
  if core.engine.is_open() then
    errors.misuse("confab.setup must come before the first run or call")
  end
  if checked.limits then checked.limits = options.check(checked.limits, shared.limits, "confab.setup: limits") end
  if checked.retry then checked.retry = options.check(checked.retry, shared.retry, "confab.setup: retry") end
  if checked.timeouts then checked.timeouts = options.check(checked.timeouts, timeout_specs, "confab.setup: timeouts") end
  for i, key in ipairs(checked.keys or {}) do checked.keys[i] = check_key(key, i) end
  if checked.models then cost.add_models(checked.models) end
  for name, value in pairs(checked) do given[name] = value end
end

--- Raises a config_error for what is wrong around the script, not in a line of it.
local function raise_setting(message)
  error(errors.new("config_error", message, { traceback = "" }), 0)
end

--- What confab.setup was told under that name.
---@param name string
---@return any
function settings.given(name) return given[name] end

---@return string path
function settings.db()
  local path = flags.db or given.db or settings.env "CONFAB_DB" or "confab.db"
  if path ~= "" then return path end
  raise_setting "the name of the database is empty"
end

--- What a command needs beside the run's name to find the database: " --db FILE"; "" where it looks
--- anyhow.
---@return string
function settings.db_flag()
  local path = settings.db()
  if path == (settings.env "CONFAB_DB" or "confab.db") then return "" end
  return " --db " .. words.shell(path)
end

--- The model of a call: flag, template, setup, environment, default.
---@param asked? string  What the template or call names.
---@return string
function settings.model(asked)
  return flags.model or asked or given.model or settings.env "ANTHROPIC_MODEL" or settings.default_model
end

--- The base URL in force; nil: the provider's own.
---@return string
function settings.base_url()
  return flags.base_url or given.base_url or settings.env "ANTHROPIC_API_BASE_URL" or settings.env "ANTHROPIC_BASE_URL"
    or "https://api.anthropic.com/v1"
end

--- A key goes into a header as it is: a line break in it would begin another header.
local function checked_key(name, value)
  value = value:match "^%s*(.-)%s*$"
  if value ~= "" and not value:find "[^\33-\126]" then return value end
  raise_setting(("key %q is not usable: %s"):format(name, value == "" and "it is empty" or
    "a key has no spaces, line breaks or letters with accents"))
end

local function find_keys()
  -- Not a word of our own messages, from which keys are taken out.
  if flags.offline then return { { name = "offline", value = "no-key-is-sent-offline" } } end
  if given.keys and #given.keys > 0 then
    local keys = {}
    for i, key in ipairs(given.keys) do
      local value = key.value or settings.env(key.env)
      if not value then
        raise_setting(("AI service not configured: key %q needs the environment variable %s")
          :format(key.name, key.env))
      end
      keys[i] = { name = key.name, value = checked_key(key.name, value), limits = key.limits }
    end
    return keys
  end
  local value = settings.env "ANTHROPIC_API_KEY"
  if not value then
    raise_setting("AI service not configured: set ANTHROPIC_API_KEY (in the environment or in a .env file here), " ..
      (flags.is_program and "or add --simulate to try without a key" or
      "or, to try without a key, any key and ANTHROPIC_BASE_URL: the address that `confab mock` prints"))
  end
  return { { name = "ANTHROPIC_API_KEY", value = checked_key("ANTHROPIC_API_KEY", value) } }
end

--- Also where they are not used: a simulated run stores its script as well.
local function keep_secrets()
  local env_key = settings.env "ANTHROPIC_API_KEY"
  if env_key then core.engine.keep_secret(env_key) end
  for _, key in ipairs(given.keys or {}) do
    local value = key.value or settings.env(key.env)
    if value then core.engine.keep_secret(value) end
  end
end

local function merged_models()
  local shipped = require "confab.models"
  local models = {}
  for id, entry in next, shipped.models do models[id] = entry end
  for id, entry in pairs(given.models or {}) do
    if type(entry) ~= "table" then errors.misuse(("confab.setup: models[%q] must be a table"):format(tostring(id))) end
    local made = {}
    for name, value in pairs(models[id] or { id = id, status = "active", aliases = {} }) do made[name] = value end
    for name, value in pairs(entry) do made[name] = value end
    models[id] = made
  end
  return { models = models }
end

local function check_base_url(url)
  if url:find "^https?://[^%s/?#]+[^%s]*$" then return end
  raise_setting(("the base URL %q is no http or https address, such as %s")
    :format(url, "https://api.anthropic.com/v1"))
end

--- Opens the engine, once.
function settings.open()
  if core.engine.is_open() then return end
  keep_secrets()
  if not flags.simulate then check_base_url(settings.base_url()) end
  core.engine.open {
    db = settings.db(), provider = given.provider or "anthropic", simulate = flags.simulate,
    base_url = settings.base_url(), keys = not flags.simulate and not flags.plan and find_keys() or nil, plan = flags.plan,
    offline = flags.offline, max_new = flags.max_new,
    budget = budget.in_force(given.budget),
    max_outage_ms = given.max_outage and duration.ms(given.max_outage),
    limits = given.limits, retry = given.retry, timeouts = given.timeouts, http2 = given.http2,
    models = merged_models(),
  }
  core.call.set_on_retry(given.on_retry)
end

local own_service = "^https://api%.anthropic%.com"

local usable = {}    -- models that were checked; nothing of them changes once the engine is open

--- Checks that a model can be asked: known, and not retired by the provider whose service this is.
---@param name string
---@return table model  name, limit_class, max_output, is_retired, successor.
function settings.check_model(name)
  if usable[name] then return usable[name] end
  settings.open()
  local model = core.call.model(name)
  if not model then
    local known = {}
    for id in pairs(require "confab.models".models) do known[#known + 1] = id end
    local near = options.nearest(name, known)
    error(errors.new("config_error", ("unknown model %q; %s"):format(name, near and ("did you mean %q?"):format(near)
      or "give it a price: confab.setup { models = { [\"" .. name .. "\"] = { price = \"free\" } } }")), 0)
  end
  if model.is_retired and not core.engine.is_simulated() and settings.base_url():find(own_service) then
    error(errors.new("config_error", ("model %q was retired by the provider; use %q"):format(name, model.successor or
      settings.default_model)), 0)
  end
  usable[name] = model
  return model
end

--- How the limiter of this script's calls stands: used, remaining, limit, reset_ms, queued, paused_until,
--- source.
---@param key? string  Name of a key (default: the first).
---@return table? status  nil: there is no key of that name.
function settings.rate_limit_status(key)
  settings.open()
  return core.engine.limits(key, settings.check_model(settings.model()).limit_class)
end

--- Forgets what the limiter has counted so far.
---@param key? string  Name of a key (default: all).
---@return boolean found
function settings.reset_rate_limiter(key)
  settings.open()
  return core.engine.reset_limits(key, settings.check_model(settings.model()).limit_class)
end

return settings
