--- The requests of a batch, one after the other: they lie in a file, a request a line (src/server/batch_body.h), and
--- are read from there when they are checked and again when the run comes to them. Only one is in memory at a time.
local core = require "confab.core"
local sequence = require "confab.sequence"
local serve_check = require "confab.serve_check"
local serve_templates = require "confab.serve_templates"
local waiters = require "confab.waiters"

local serve_batch = {}

local CHECK_BATCH = 50    -- requests looked at before others have a turn

--- The lines of the file from its beginning. Several may walk through it at a time.
local function lines(file)
  local at = 0
  return function()
    file:seek("set", at)
    local line = file:read "l"
    at = file:seek()
    return line
  end
end

--- Checks all requests, up to `most`.
---@param file file*
---@param most integer
---@param check fun(value: any, path: string, problems: confab.serve.Problem[])
---@param problems confab.serve.Problem[]  Those found are added.
---@return integer count
---@return string hash  Of all of them.
function serve_batch.check(file, most, check, problems)
  local hashes, count = {}, 0
  for line in lines(file) do
    count = count + 1
    if count <= most then
      local value = core.json.decode(line)
      hashes[count] = core.hash.sha256hex(core.json.canonical(value))
      check(value, ("requests[%d]."):format(count - 1), problems)
      if count % CHECK_BATCH == 0 then waiters.breathe() end
    end
  end
  return count, core.hash.sha256hex(table.concat(hashes))
end

--- The requests as the items of a run. Nothing is wrong with them.
---@param file file*
---@param count integer
---@return confab.Sequence
function serve_batch.items(file, count)
  return sequence.new {
    length = function() return count end,
    open = function()
      local next_line = lines(file)
      return function()
        local line = next_line()
        if not line then return nil end
        local request = serve_check.request(core.json.decode(line), {})
        request.templateId = serve_templates.find(request.templateId).uuid
        return request
      end
    end,
  }
end

return serve_batch
