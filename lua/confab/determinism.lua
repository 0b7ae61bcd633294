--- Makes a script do the same in every process: `pairs` in sorted order, random numbers from the run's seed.
--- Loaded by the program before a script; a user's own interpreter is left as it is.
local core = require "confab.core"

pairs = core.pairs.pairs
math.random = core.random.random
math.randomseed = core.random.randomseed

return true
