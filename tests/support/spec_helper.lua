-- Loaded by busted before every spec: collects all garbage after each case, so that an object
-- which lived only by luck is found at the case that forgot it.
local busted = require "busted"

busted.subscribe({ "test", "end" }, function()
  collectgarbage()
  collectgarbage()
  return nil, true
end)
