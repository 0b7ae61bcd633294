-- Walks through what confab is made of and prints a line for each part; scripts/validate runs it
-- against the built-in simulator. With the argument "real" it makes one small call to the real service.
local confab = require "confab"

local failed = 0

local function check(what, fn)
  local ok, note = pcall(fn)
  if not ok then failed = failed + 1 end
  print(("%-4s %-22s %s"):format(ok and "ok" or "FAIL", what, tostring(note)))
end

local function expect(condition, message)
  if not condition then error(message or "not as expected", 2) end
end

local template = confab.template {
  name = "validation",
  system = "You write realistic customer-support conversations as JSON.",
  prompt = "Write a chat of {{turns}} turns between {{persona}}, who feels {{emotion}}, and an agent, about " ..
    "{{topic}}. Answer with JSON: {\"turns\": [{\"role\": \"user\", \"content\": \"...\"}]}",
  max_tokens = 2048,
}

if arg[1] == "real" then
  check("real call", function()
    local reply = confab.ask { prompt = "Answer with the one word: ready", max_tokens = 16 }
    expect(#reply.text > 0, "an empty reply")
    return ("%s answered %q in %d ms for $%.6f"):format(reply.model, reply.text, reply.latency_ms, reply.cost)
  end)
  os.exit(failed == 0 and 0 or 1)
end

confab.setup { limits = { max_requests = 1000 } }

check("limiter", function()
  local limiter = confab.limiter { max_requests = 50, enable_queue = false }
  for _ = 1, 50 do limiter:acquire "validation" end
  local ok, refused = pcall(limiter.acquire, limiter, "validation")
  expect(not ok and refused.kind == "rate_limit_error", "the 51st call in a window was let through")
  local status = limiter:status "validation"
  expect(status.used == 50 and status.remaining == 0, "used and remaining are wrong")
  return ("50 of 50 calls went, the next was refused for %.1f s"):format(refused.retry_after)
end)

check("retry", function()
  local retry = confab.retry { max_attempts = 6, jitter_ms = 0 }
  local delays = {}
  for n = 1, 5 do delays[n] = retry:delay(n) end
  expect(table.concat(delays, " ") == "1000 2000 4000 8000 16000", "delays: " .. table.concat(delays, " "))
  return "waits 1, 2, 4, 8, 16 s"
end)

check("parsing", function()
  local conv = confab.parse 'Sure! ```json\n{"messages": [{"role": "human", "content": "Hi",}, {"role": "ai", "content": "Hello"}]}\n```'
  expect(conv and #conv.turns == 2 and conv.turns[2].role == "assistant", "the conversation was not found")
  local none, why = confab.parse "I cannot help with that."
  expect(none == nil and why.kind == "parse_error", "prose was taken for a conversation")
  return "JSON in a fence with a trailing comma gave 2 turns"
end)

check("scoring", function()
  local turns = {}
  for i = 1, 10 do
    turns[i] = { role = i % 2 == 1 and "user" or "assistant", content = ("word "):rep(30) }
  end
  local score = confab.score(confab.conversation { turns = turns })
  expect(score == 10, "score " .. score)
  local low = confab.score(confab.conversation { turns = { turns[2], turns[2] } })
  expect(low < 6, "a broken conversation scored " .. low)
  return ("10 good turns score %g, 2 assistant turns %g"):format(score, low)
end)

check("cost", function()
  local cost = confab.cost(1500, 2000, "claude-sonnet-4-5")
  expect(math.abs(cost - 0.0345) < 1e-12, "cost " .. cost)
  return ("1500 input and 2000 output tokens cost $%.4f"):format(cost)
end)

check("single generation", function()
  local conv = confab.generate {
    template = template, params = { turns = 8, persona = "Ana", emotion = "calm", topic = "a lost parcel" },
  }
  expect(#conv.turns == 8 and conv.score >= 6, "not as asked for")
  return ("%d turns, score %g, $%.4f"):format(#conv.turns, conv.score, conv.cost)
end)

check("batch generation", function()
  local items = confab.sweep {
    persona = { "Ana", "Ben", "Chi" }, emotion = { "calm", "worried" }, topic = { "refunds", "a late train" }, turns = { 8 },
  }
  local run = confab.run { name = "validation", items = items, template = template }
  local account = run.account
  expect(account.planned == 12 and account.accepted == 12, run.summary)
  return ("%d of %d conversations accepted"):format(account.accepted, account.planned)
end)

os.exit(failed == 0 and 0 or 1)
