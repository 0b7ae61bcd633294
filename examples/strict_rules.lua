-- Rules for `confab score RUN --rules examples/strict_rules.lua`: what is stored is scored anew, nothing is sent.
local confab = require "confab"

local promise = confab.regex("\\b(guarantee|promise|definitely|certainly)\\b", "i")

local no_promises = confab.rule {
  name = "no promises", points = 2,
  check = function(conv)
    local found = promise:count(conv:text())
    return found == 0, found > 0 and ("%d of them"):format(found) or nil
  end,
}

local no_litany = confab.rule {
  name = "no litany", points = 2,
  check = function(conv)
    local share, phrase = confab.text.repeated(conv:text(), 4)
    return 2 * (1 - math.min(1, share / 0.2)), phrase
  end,
}

local varied = confab.rule {
  name = "varied", points = 1,
  check = function(conv)
    local diversity = confab.text.diversity(conv:text())
    return diversity > 0.7, ("%.2f"):format(diversity)
  end,
}

return confab.scoring.default + no_promises + no_litany + varied
