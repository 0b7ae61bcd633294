"""Steps that run away: ended by their limits, whatever they catch, while the run goes on."""
import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 1000000, pacing = "burst" } }
local function ask(prompt) return confab.ask { prompt = prompt, max_tokens = 100 }.text end
local function run_one(fn, options)
  options.name, options.items, options.step = "r", { "bad", "good 1", "good 2", "good 3" }, function(item)
    ask(item)
    if item == "bad" then fn() end
    ask(item .. " again")
  end
  options.concurrency = 2
  function options.on_item(result)
    if not result.error then return end
    print(result.item, result.error.kind, result.error.message)
    assert(result.error.file == 'pipeline.lua' and result.error.line > 1 and result.error.details.item == 'bad')
    print((result.error.traceback:gsub("\\n%s*", "|")))
  end
  local run = confab.run(options)
  print(run.account.failed, run.account.skipped)
end
"""
TIME = "the step was ended after 0.2 s of computing without a wait (step_limits.seconds)"
MEMORY = "the step was ended after taking 40 MB of memory without a wait (step_limits.memory_mb)"

LOOPS = {
    "a loop": "while true do end",
    "a loop that catches errors": "while true do pcall(function() while true do end end) end",
    "a loop with a handler that loops": "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "a loop in a sort": "table.sort({ 3, 2, 1 }, function() while true do pcall(function() while true do end end) end end)",
    "a loop in a gsub": 'while true do pcall(string.gsub, "abc", "%w", function() while true do end end) end',
    "a loop in a coroutine": "coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()",
    "a loop of resumes": "local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end",
    "a loop that sets hooks": "while true do pcall(debug.sethook) end",
    "a loop in a metamethod": "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    "a loop in what is closed": "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
    "a loop in a branch": "confab.parallel { function() ask 'x' end, function() while true do end end }",
}
HOARDS = {
    "a table that grows": "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "a text that doubles": "local s = 'x' while true do s = s .. s end",
    "one huge text, again and again": "while true do pcall(string.rep, 'x', 1 << 30) end",
    "hoarding that catches errors": "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(9999) .. #t end end) end",
    "hoarding in a coroutine": "coroutine.wrap(function() local t = {} while true do t[#t + 1] = {} end end)()",
    "hoarding in a sort": "table.sort({ 2, 1 }, function() local t = {} while true do t[#t + 1] = {} end end)",
}


def check(run_confab, script, body, limits, message):
    name = script(PRELUDE + "run_one(function()\n" + body + "\nend, { step_limits = " + limits + " })\n")
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert result.code == 1, result
    lines = result.out.splitlines()
    kind, told = lines[0].split("\t")[1:]
    assert kind == "script_error" and told.endswith(message) and told.startswith("pipeline.lua:"), result
    assert lines[1].startswith("stack traceback:|") and "|pipeline.lua:" in lines[1], result
    assert lines[-1] == "1\t3", result


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS.keys())
def test_a_step_without_end_is_ended(run_confab, script, body):
    check(run_confab, script, body, "{ seconds = 0.2 }", TIME)


@pytest.mark.parametrize("body", HOARDS.values(), ids=HOARDS.keys())
def test_a_step_that_hoards_is_ended(run_confab, script, body):
    check(run_confab, script, body, "{ seconds = 30, memory_mb = 40 }", MEMORY)


def test_variables_to_be_closed_are_closed(run_confab, script):
    name = script(PRELUDE + """
    run_one(function()
      local function closing(what) return setmetatable({}, { __close = function() print("closed " .. what) end }) end
      local outer <close> = closing "outer"
      coroutine.wrap(function()
        local inner <close> = closing "inner"
        while true do end
      end)()
    end, { step_limits = { seconds = 0.2 } })
    """)
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert result.code == 1, result
    assert result.out.splitlines()[:2] == ["closed inner", "closed outer"]


def test_the_script_may_set_the_limits_for_all_runs(run_confab, script):
    name = script(PRELUDE + """
    confab.setup { step_limits = { seconds = 0.2 } }
    run_one(function() while true do end end, {})
    """)
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert result.code == 1 and TIME in result.out, result


def test_what_waits_is_not_counted(run_confab, script):
    name = script(PRELUDE + """
    run_one(function()
      for i = 1, 6 do
        local till = os.clock() + 0.1
        while os.clock() < till do end
        ask("again " .. i)
      end
    end, { step_limits = { seconds = 0.3 } })
    """)
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert (result.code, result.out) == (0, "0\t4\n"), result


def test_garbage_is_not_counted(run_confab, script):
    name = script(PRELUDE + """
    run_one(function() for i = 1, 300 do local s = ("x"):rep(1000000) .. i end end, { step_limits = { memory_mb = 20 } })
    """)
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert (result.code, result.out) == (0, "0\t4\n"), result


def test_a_hook_of_the_scripts_own_needs_a_step_without_limits(run_confab, script):
    name = script(PRELUDE + """
    local lines = 0
    debug.sethook(function() lines = lines + 1 end, "l")
    local x = 1
    debug.sethook()
    print(lines > 0)
    local function hook()
      print((select(2, pcall(debug.sethook, function() end, "l"))))
    end
    run_one(hook, {})
    """)
    result = run_confab("run", name, "--simulate=reply_bytes=600")
    assert result.code == 0, result
    assert result.out.startswith("true\npipeline.lua:") or "debug.sethook cannot be used in a step" in result.out, result
    script(PRELUDE + "run_one(function() debug.sethook() end, { step_limits = false })")
    result = run_confab("run", "pipeline.lua", "--simulate=reply_bytes=600", "--fresh")
    assert result.code == 0, result


@pytest.mark.parametrize("limits, message", [
    ("{ second = 1 }", 'unknown option "second"; did you mean "seconds"?'),
    ("{ seconds = 0 }", "seconds must be from"),
    ("5", "step_limits must be a table such as { seconds = 60, memory_mb = 1024 }, or false"),
])
def test_limits_that_make_no_sense_are_refused(run_confab, script, limits, message):
    name = script(PRELUDE + "run_one(print, { step_limits = " + limits + " })")
    result = run_confab("run", name, "--simulate")
    assert result.code == 2 and message in result.err, result


RULES = """
local asked = 0
local endless = confab.rule { name = "endless", points = 2, check = function(conv)
  asked = asked + 1
  if %s then while true do pcall(function() while true do end end) end end
  return true
end }
local waits = confab.rule { name = "waits", points = 1, check = function() return #confab.ask { prompt = "Why?" }.text > 0 end }
local by = confab.scoring.default + endless + waits
local chat = confab.template { name = "chat", prompt = "A chat about {{topic}}, as JSON." }
local run = confab.run {
  name = "r", items = confab.sweep { topic = { "a", "b", "c", "d", "e" } }, score = by, step_limits = { seconds = 0.1 },
  concurrency = 1, %s
}
for conv in run:results() do
  local parts = {}
  for _, part in ipairs(conv.breakdown) do parts[#parts + 1] = part.points .. (part.error and ": " .. part.error or "") end
  print(table.concat(parts, " | "))
end
print(run.account.failed, asked)
"""
WORK = {"template": "template = chat",
        "step": "step = function(item) return confab.generate { template = chat, params = item } end"}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_a_rule_that_runs_away_is_named_and_the_others_go_on(run_confab, script, work):
    name = script(PRELUDE.split("local function run_one")[0] + RULES % ("asked == 2", work))
    result = run_confab("run", name, "--simulate=quality=default")
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert lines[-1] == "0\t5" and lines.count("3 | 3 | 4 | 2 | 1") == 4, result
    [ended] = [line for line in lines[:-1] if "0: " in line]
    assert ended.startswith("3 | 3 | 4 | 0: pipeline.lua:") and ended.endswith(" | 1"), result
    assert "it was ended after 0.1 s of computing without a wait (step_limits.seconds)" in ended
    assert result.err.count('rule "endless" gives no points: pipeline.lua:') == 1, result


def test_a_rule_that_always_runs_away_is_not_asked_for_ever(run_confab, script):
    name = script(PRELUDE.split("local function run_one")[0] + RULES % ("true", WORK["template"]))
    result = run_confab("run", name, "--simulate=quality=default")
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert lines[-1] == "0\t3" and sum("not asked any more" in line for line in lines) == 2, result
    assert 'rule "endless" gave no points to 5 conversations, for errors such as that' in result.err, result


def test_a_rule_that_runs_away_over_what_is_stored_is_ended_too(run_confab, script, write):
    name = script("""
    local chat = confab.template { name = "chat", prompt = "A chat about {{topic}}, as JSON." }
    confab.run { name = "r", items = confab.sweep { topic = { "a", "b" } }, template = chat }
    """)
    assert run_confab("run", name, "--simulate").code == 0
    write("rules.lua", """
    local confab = require "confab"
    confab.setup { step_limits = { seconds = 0.1 } }
    return confab.rule { name = "endless", points = 1, check = function() while true do end end } +
      confab.rule { name = "ends", points = 1, check = function() return true end }
    """)
    result = run_confab("score", "r", "--rules", "rules.lua")
    assert result.code == 0 and "(an error for 2)" in result.out, result
    assert 'rule "endless" gave no points to 2 conversations' in result.err, result
