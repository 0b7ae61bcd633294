-- What scripts/bench measures: steps that wait, each in a call with a prompt of 2 KB.
--   confab run waiting.lua -- STEPS queued|sent
-- "queued": the limit lets one call through, the others wait for it; "sent": all are at the service, which takes its time.
-- Prints the bytes of resident memory a step once all wait, then stops.
local confab = require "confab"

local count, how = tonumber(arg[1]), arg[2]
confab.setup { limits = how == "queued" and { max_requests = 1 } or { max_requests = 1000000, pacing = "burst" } }

local filler = ("The customer has been with the bank for years and writes in a plain, direct way. "):rep(25)
local chat = confab.template { name = "waiting", prompt = "A chat about topic {{topic}}. " .. filler }

local function resident_bytes()
  local file <close> = assert(io.open "/proc/self/statm")
  return tonumber(file:read("a"):match "^%d+ (%d+)") * 4096
end

local settle = confab.limiter { max_requests = 1, window_ms = 5000, pacing = "burst" }
local items = {}
for i = 1, count do items[i] = { topic = i } end
local begun, first = 0, nil

confab.run {
  name = "waiting", items = items, concurrency = count,
  step = function(item)
    begun = begun + 1
    first = first or resident_bytes()
    if begun == count then           -- the last one looks at the others
      settle:acquire()
      settle:acquire()
      print(("%.0f"):format((resident_bytes() - first) / count))
      io.stdout:flush()
      os.execute "kill -TERM $PPID"    -- as Ctrl-C: what waits is not waited for
    end
    return confab.generate { template = chat, params = item }
  end,
}
