-- Rules of your own: what a good conversation is differs by tier, and what may not be in one is refused.
-- Try it without a key: confab run examples/custom_rules.lua --simulate
-- Other topics: confab run examples/custom_rules.lua FILE, of one topic a line, or of a JSON list if it ends in .json
local confab = require "confab"

local here = arg[0]:match "^(.*/)" or ""

local function topics(path)
  if not path:find "%.json$" then return confab.lines(path) end
  local file <close> = assert(io.open(path))
  return confab.json.decode(file:read "a")
end

local function turns_of(conv, role)
  local texts = {}
  for _, turn in ipairs(conv.turns) do
    if turn.role == role then texts[#texts + 1] = turn.content end
  end
  return texts
end

local asks_back = confab.rule {
  name = "asks back", points = 2,
  check = function(conv)
    local asked = 0
    for _, text in ipairs(turns_of(conv, "assistant")) do
      if text:find "?" then asked = asked + 1 end
    end
    return asked > 0, ("%d of the agent's turns ask"):format(asked)
  end,
}

local short_sentences = confab.rule {
  name = "short sentences", points = 2,
  check = function(conv)
    local words, sentences = 0, 0
    for _, text in ipairs(turns_of(conv, "assistant")) do
      words, sentences = words + confab.text.words(text), sentences + #confab.text.sentences(text)
    end
    local mean = words / math.max(sentences, 1)
    return mean <= 15 and 2 or mean <= 20 and 1 or 0, ("%.1f words a sentence"):format(mean)
  end,
}

local not_parroted = confab.rule {
  name = "not parroted", points = 1,
  check = function(conv)
    local most = 0
    for i = 2, #conv.turns do
      most = math.max(most, confab.text.similarity(conv.turns[i - 1].content, conv.turns[i].content))
    end
    return most < 0.5, ("%.2f at most"):format(most)
  end,
}

local chat = confab.template {
  name = "chat", tier = function(p) return p.tier end,
  prompt = [[
Write a chat of {{turns}} turns between a customer and a support agent, about {{topic}}.
Answer with JSON only: {"turns": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}]],
  scoring = confab.scoring.by_tier {
    template = confab.scoring.default + short_sentences,
    edge_case = confab.scoring.default + asks_back + short_sentences + not_parroted,
  },
}

local run = confab.run {
  name = "custom-rules", template = chat, tries = 2,
  items = confab.sweep {
    topic = topics(arg[1] or here .. "topics.txt"), tier = { "template", "edge_case" }, turns = { 8 },
  },
}
print(run.summary)
for conv in run:results() do
  print(("%.1f  %-9s  %s"):format(conv.score, conv.tier, conv.topic))
end
