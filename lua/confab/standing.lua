--- What follows from a score, where no person has said otherwise.
local core = require "confab.core"

local standing = {}

--- Whether a conversation with that score serves as it is.
---@param score number
function standing.is_enough(score) return score >= core.conversation.generated_from end

--- Its status.
---@param score number
---@return "generated"|"needs_revision"
function standing.status(score) return standing.is_enough(score) and "generated" or "needs_revision" end

return standing
