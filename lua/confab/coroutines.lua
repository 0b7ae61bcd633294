--- Puts confab's functions into Lua's coroutine library: what a script begins with them can wait.
local core = require "confab.core"

for name, fn in next, core.coroutine do coroutine[name] = fn end

return true
