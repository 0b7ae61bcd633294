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

--- Makes a folder, with those above it, for their owner alone.
---@param path string
---@return boolean? ok
---@return string? why
function fs.make_folder(path) end

return fs
