---@meta

---@class confab.core.fs
local fs = {}

---@alias confab.core.fs.Kind "file"|"directory"|"other"

--- What is at a path; nil and the system's reason if that cannot be told.
---@param path string
---@return confab.core.fs.Kind? kind
---@return string? why
function fs.kind(path) end

--- The paths that a pattern with *, ? and [] matches, unsorted; nil and a reason if a folder
--- cannot be read.
---@param pattern string
---@return string[]? paths
---@return string? why
function fs.glob(pattern) end

return fs
