"""Steps: replay that is exact, edits that cost only what they change, waits anywhere, parts."""
import signal

import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 1000000, pacing = "burst" }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}. {{note}}" }
local function ask(prompt) return confab.ask { prompt = prompt, max_tokens = 300 }.text end
local function topics(n)
  local list = {}
  for i = 1, n do list[i] = { topic = "topic " .. i } end
  return list
end
"""


def sent(server):
    return sum(row["event"] == "arrival" for row in server.arrivals())


# --- running again ---

THREE_CALLS = PRELUDE + """
local run = confab.run { name = "three", items = topics(1000), step = function(item)
  local outline = ask("Outline " .. item.topic)
  local facts = ask("Facts for " .. outline:sub(1, 40))
  return confab.generate { template = chat, params = { topic = item.topic, note = facts:sub(1, 40) } }
end }
print(run.account.planned, run.account.accepted)
"""


def test_an_edit_of_the_third_call_sends_just_that_call_again(mock, run_confab, script):
    server = mock("reply_bytes=600")
    name = script(THREE_CALLS)
    result = run_confab("run", name, "-j", 128, server=server, timeout=120)
    assert result.code == 0, result
    assert sent(server) == 3000
    script(THREE_CALLS.replace("item.topic, note", '"this: " .. item.topic, note'))
    result = run_confab("run", name, "-j", 128, server=server, timeout=120)
    assert result.code == 0, result
    assert sent(server) == 4000
    result = run_confab("run", name, "-j", 128, server=server, timeout=120)
    assert result.code == 0, result
    assert sent(server) == 4000


WINDING = PRELUDE + """
local run = confab.run { name = "winding", items = topics(12), seed = 3, step = function(item)
  local words = {}
  for word, n in pairs { zebra = 1, apple = 2, [3] = 3, mango = 4 } do words[#words + 1] = word .. n end
  local first = ask(item.topic .. table.concat(words, " ") .. os.time() .. os.date " %S" .. math.random(1000000))
  if #first % 2 == 0 then ask("even" .. confab.now() .. os.clock()) end
  local parts = confab.map({ "a", "b", "c", "d" }, function(part)
    local reply = ask(part .. math.random(1000000) .. confab.now())
    if #reply % 3 == 0 then reply = reply .. ask("again") end
    return reply .. confab.parallel { function() return ask("same" .. os.time()) end, function() return ask "same" end }
  end, { concurrency = 3 })
  local co = coroutine.wrap(function() for i = 1, 2 do coroutine.yield(ask("own " .. i .. math.random())) end end)
  return confab.generate { template = chat, params = { topic = item.topic, note = co():sub(1, 9) .. co():sub(1, 9)
    .. parts[1]:sub(1, 9) .. os.date "%M:%S" } }
end }
print(run.account.planned, run.account.accepted)
"""


@pytest.mark.threads
def test_a_replay_is_exact_whatever_comes_back_first(mock, run_confab, script, query):
    server = mock("latency=uniform:0:30")
    name = script(WINDING)
    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    count = sent(server)
    assert count > 12 * 16
    # The counter of the process's time, the clock, and the order of replies are others now.
    result = run_confab("run", name, "-j", 2, server=server)
    assert result.code == 0, result
    assert sent(server) == count
    assert query("select count(*) as n from conversations where superseded_by is not null") == [{"n": 0}]


def test_a_run_that_died_goes_on_with_the_times_it_had(mock, run_confab, script, query):
    server = mock("latency=uniform:0:10")
    name = script(WINDING)
    result = run_confab("run", name, "-j", 4, server=server, env={"CONFAB_FAILPOINT": "call_reply.after:60"})
    assert result.code == -signal.SIGKILL, f"not killed (is it built with fail points?): {result}"
    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    # Nothing was bought twice: each call has one whole reply, and only those in flight were sent again.
    assert query("select count(*) as n from (select 1 from calls group by item, branch, request_hash, ordinal"
                 " having count(*) > 1)") == [{"n": 0}]
    unserved = query("select count(*) as n from calls where state <> 'done'")[0]["n"]
    assert unserved == 0
    assert query("select count(*) as n from calls where attempts > 1")[0]["n"] <= 4 * 12


def test_the_branches_have_their_names_in_the_journal(run_confab, script, query):
    name = script(PRELUDE + """
confab.run { name = "r", items = topics(1), step = function(item)
  confab.parallel { function() ask "x" end, function() confab.map({ 1, 2 }, function(n) ask("y" .. n) end) end }
end }
""")
    assert run_confab("run", name, "--simulate").code == 0
    assert [row["branch"] for row in query("select branch from calls order by branch")] == ["1", "2.1", "2.2"]


def test_a_plan_knows_steps_that_branch(mock, run_confab, script):
    server = mock()
    name = script(WINDING)
    assert run_confab("run", name, "--limit", 3, server=server).code == 0
    count = sent(server)
    result = run_confab("run", name, "--max-new", 3, server=server)
    assert result.code == 2 and "has 9 calls to send" in result.err, result
    assert run_confab("estimate", name, server=server).code == 0
    assert sent(server) == count


# --- what a step returns ---

def test_a_step_returns_nothing_one_or_several(run_confab, script, query):
    name = script(PRELUDE + """
local run = confab.run { name = "r", items = topics(3), concurrency = 1, step = function(item)
  if item.topic == "topic 1" then return nil end
  local conv = confab.generate { template = chat, params = { topic = item.topic, note = "" } }
  if item.topic == "topic 2" then return conv end
  return { conv, confab.generate { template = chat, params = { topic = item.topic, note = "more" } } }
end }
for conv in run:results() do print(conv.part, conv.topic) end
""")
    result = run_confab("run", name, "--simulate")
    assert result.code == 0, result
    assert result.out.splitlines() == ["1\ttopic 2", "1\ttopic 3", "2\ttopic 3"]
    assert [row["state"] for row in query("select state from items order by ordinal")] == ["skipped", "done", "done"]


def test_an_error_is_told_with_place_traceback_and_item(run_confab, script):
    name = script(PRELUDE + """
local function deep(item)
  local nothing
  return nothing.field .. item.topic
end
confab.run { name = "r", items = topics(2), concurrency = 1, step = function(item)
  ask "x"
  local text = deep(item)
  return text
end, on_item = function(result)
  local err = result.error
  print(err.file, err.line, err.details.item.topic, err.traceback:find("in upvalue 'deep'", 1, true) ~= nil)
end }
""")
    result = run_confab("run", name, "--simulate")
    assert result.code == 1, result
    assert result.out == "pipeline.lua\t14\ttopic 1\ttrue\npipeline.lua\t14\ttopic 2\ttrue\n"
    assert '{"topic":"topic 1"} failed: pipeline.lua:' in result.err
    assert "attempt to index a nil value (local 'nothing')" in result.err
    assert "in upvalue 'deep'" in result.err and "in field 'step'" in result.err


# --- waits ---

def test_the_main_chunk_waits_in_coroutines_and_modules(run_confab, script, write):
    write("facts.lua", """
    local confab = require "confab"
    local name, path = ...
    return { text = confab.ask { prompt = "facts" }.text, name = name, path = path }
    """)
    name = script(PRELUDE + """
local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(#ask("q" .. i) > 0) end end)
print(f(), f(), f())
local facts, where = require "facts"
print(#facts.text > 0, facts.name, facts.path == where, where, require "facts" == facts)
local listed = setmetatable({}, { __pairs = function() return next, { [ask "x"] = 1 } end })
for text in pairs(listed) do print(#text > 0) end
print(#dofile "facts.lua".text > 0)
print(coroutine.isyieldable(), select(2, coroutine.running()))
print(pcall(require, "no.such.module"))
""")
    result = run_confab("run", name, "--simulate")
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert lines[:5] == ["true\ttrue\ttrue", "true\tfacts\ttrue\t./facts.lua\ttrue", "true", "true", "false\ttrue"]
    assert lines[5].startswith("false\tmodule 'no.such.module' not found:")
    assert "no file './no/such/module.lua'" in result.out


def test_a_module_is_loaded_once_for_all_steps(run_confab, script, write, query):
    write("shared_facts.lua", 'return { require "confab".ask { prompt = "facts" } }\n')
    write("circle.lua", 'local me = require "circle"\nreturn me\n')
    name = script(PRELUDE + """
local seen, count = {}, 0
confab.run { name = "r", items = topics(8), step = function(item)
  local facts = require "shared_facts"
  if not seen[facts] then seen[facts], count = true, count + 1 end
end }
print(count, pcall(require, "circle"))
""")
    result = run_confab("run", name, "--simulate=latency=fixed:20")
    assert result.code == 0, result
    assert result.out == "1\tfalse\t./circle.lua:1: module 'circle' requires itself while it loads\n"
    assert query("select count(*) as n from calls") == [{"n": 1}]


def test_a_stop_reaches_a_coroutine_that_waits(start_confab, mock, script):
    server = mock("latency=fixed:300")
    name = script(PRELUDE + """
confab.run { name = "r", items = topics(3), step = function(item)
  for reply in coroutine.wrap(function() while true do coroutine.yield(ask(item.topic .. math.random())) end end) do end
end }
""")
    process = start_confab("run", name, server=server)
    server.wait_for_arrivals(3)
    process.signal()
    assert process.wait() == 130
    assert "everything is saved" in process.output


def test_a_second_conversation_beside_the_first_is_a_mistake(run_confab, script):
    result = run_confab("run", script("""
        local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
        confab.run { name = "r", items = { { topic = "tea" } }, step = function(item)
          local conv = confab.generate { template = chat, params = item }
          assert(conv.tags.judge == nil)
          return conv, conv
        end }
    """), "--simulate")
    assert result.code == 1 and "several conversations; return them as a list: { a, b }" in result.err, result


PLACES = {
    "a value for a template": 'chat:render {}',
    "a text that is no JSON": 'confab.json.decode "{"',
    "a query": 'confab.store:sql "select nope"',
    "a regular expression": 'confab.regex "("',
    "an option": 'confab.ask { prmopt = "x" }',
    "a mistake in Lua": 'local x = nil + 1',
    "a model that declines": 'confab.ask { prompt = "x" }',
    "what is raised by hand": 'error(setmetatable({}, { __tostring = function() return "by hand" end }))',
}


@pytest.mark.parametrize("line", PLACES.values(), ids=PLACES.keys())
def test_the_errors_of_a_step_have_a_place(run_confab, script, line):
    name = script(f"""
    local chat = confab.template {{ name = "chat", prompt = "About {{{{topic}}}}." }}
    confab.run {{ name = "r", items = {{ 1 }}, step = function(item)
      {line}
    end, on_item = function(result)
      print(result.error.file, result.error.line, result.error.message:find "by hand" ~= nil)
    end }}
    """)
    result = run_confab("run", name, "--simulate=faults=refusal:100%")
    assert result.code == 1, result
    file, number, by_hand = result.out.split()
    assert (file, number, by_hand) == ("pipeline.lua", "5", str("by hand" in line).lower()), result


def test_what_a_step_returns_by_mistake_has_its_place_too(run_confab, script):
    name = script("""
    local step = function(item)
      return ({ 5, { a = 1 }, { 5 } })[item]
    end
    confab.run { name = "r", items = { 1, 2, 3 }, concurrency = 1, step = step, on_item = function(result)
      print(result.error.file, result.error.line)
    end }
    """)
    result = run_confab("run", name, "--simulate")
    assert (result.code, result.out) == (1, "pipeline.lua\t3\n" * 3), result


def test_items_that_are_no_tables_can_be_asked_about(run_confab, script):
    name = script("""
    local chat = confab.template { name = "chat", prompt = "A chat about {{topic}}, as JSON." }
    local run = confab.run { name = "r", items = { 1, "two", true }, step = function(item)
      return confab.generate { template = chat, params = { topic = tostring(item) } }
    end }
    print(run.account.accepted)
    """)
    result = run_confab("run", name, "--simulate")
    assert (result.code, result.out) == (0, "3\n"), result
