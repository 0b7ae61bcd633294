---@meta

--- Mustache over Lua values: core.template.
---@class confab.core.template
local template = {}

---@class confab.core.TemplateOptions
---@field strict? boolean  What the parameters lack is an error (default: true).
---@field escape? "html"
---@field partials? table<string, string>
---@field lambdas? table<string, confab.Lambda>
---@field line? integer  Of the text in its file, for messages.
---@field column? integer

--- Compiles a text. Raises a config_error with name, line and column.
---@param name string  Stands in messages.
---@param text string
---@param options? confab.core.TemplateOptions
---@return confab.CompiledTemplate
function template.compile(name, text, options) end

---@class confab.CompiledTemplate
local compiled = {}

--- Fills in the parameters. Raises a config_error with name, line, column and, for a misspelt
--- variable, the nearest one.
---@param params? confab.Params
---@return string
function compiled:render(params) end

--- The names that the text uses, each once, in order of first use.
---@return string[]
function compiled:variables() end

return template
