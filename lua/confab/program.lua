--- What the program changes in a script's globals, before the script runs: it does the same in every
--- process (`pairs` in sorted order, random numbers from the run's seed), and its end is orderly. A
--- user's own interpreter is left as it is.
local core = require "confab.core"

pairs = core.pairs.pairs
math.random = core.random.random
math.randomseed = core.random.randomseed

--- Ends the script as returning would: what is in flight is awaited and stored.
---@param code? boolean|integer
function os.exit(code)
  if code == nil or code == true then code = 0 elseif code == false then code = 1 end
  core.scheduler.exit(code)
end

return true
