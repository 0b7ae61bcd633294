-- Rescoring: how conversations fare under other rules, and which would be lost. Nothing is sent, so no key is needed.
-- After a run: confab run examples/rescoring.lua support-v1     (`confab score` does the same, and can store it)
-- Others: confab run examples/rescoring.lua FILE.jsonl, each line of it {"messages": [{"role", "content"}, ...]}
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""
local strict = dofile(here .. "strict_rules.lua")

local which = arg[1] or "support-v1"
local conversations = which:find "%.jsonl$"
  and confab.jsonl(which):map(function(line) return confab.conversation { turns = line.messages } end):iter()
  or confab.store:conversations { where = { run = which } }

local count, kept, lost = 0, 0, {}
for conv in conversations do
  local score, parts = confab.score(conv, strict)
  count = count + 1
  if score >= 6 then
    kept = kept + 1
  else
    local worst = parts[1]
    for _, part in ipairs(parts) do
      if part.points / part.max < worst.points / worst.max then worst = part end
    end
    lost[worst.name] = (lost[worst.name] or 0) + 1
  end
end
print(("%d of %d conversations keep a score of 6 or more"):format(kept, count))
for name, n in pairs(lost) do print(("  %d are lost, first of all by %q"):format(n, name)) end
