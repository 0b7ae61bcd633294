"""Scripts that run on after Ctrl-C: whatever they do, the program ends, and nothing is half booked."""
import signal

import pytest

BEGUN = 'io.stdout:write("begun\\n") io.stdout:flush() '
HEAD = 'local confab = require "confab"\n'

LOOPS = {
    "in the main chunk": "while true do end",
    "around a pcall": "while true do pcall(function() while true do end end) end",
    "inside a sort": "table.sort({ 3, 2, 1 }, function(a, b) while true do end end)",
}


@pytest.mark.parametrize("where", LOOPS)
def test_two_signals_end_a_loop(start_confab, script, where):
    process = start_confab("run", script(HEAD + BEGUN + LOOPS[where]))
    process.wait_for("begun")
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)       # two of a kind may arrive as one
    assert process.wait() == 130, process.output
    assert "everything is saved" in process.output


def test_one_signal_ends_a_loop_after_a_moment(start_confab, script):
    process = start_confab("run", script(HEAD + BEGUN + LOOPS["in the main chunk"]))
    process.wait_for("begun")
    process.signal()
    assert process.wait() == 130, process.output


def test_one_signal_ends_every_step_that_loops(start_confab, script, query):
    process = start_confab("run", "--simulate", script(HEAD + """
        confab.run { name = "r", items = { { n = 1 }, { n = 2 }, { n = 3 } }, step = function(item)
          confab.ask { prompt = "question " .. item.n }
          """ + BEGUN + """
          while true do end
        end }"""))
    process.wait_for("begun")
    process.signal()
    assert process.wait() == 130, process.output
    assert query("select state from runs") == [{"state": "interrupted"}]
    assert query("select distinct state from items") == [{"state": "pending"}]
    assert query("select count(*) as n from calls where state = 'sent'") == [{"n": 0}]


def test_a_third_signal_ends_what_nothing_else_does(start_confab, script):
    # A pattern that backtracks without end is one call of a C function: no hook reaches it.
    process = start_confab("run", script(HEAD + BEGUN + 'print(("a"):rep(60):find(("a*"):rep(40) .. "b"))'))
    process.wait_for("begun")
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)
    while process.process.poll() is None:
        process.signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT, process.output


def test_a_coroutine_made_before_the_signal_is_ended_as_well(start_confab, script):
    loop = "local loop = coroutine.wrap(function() while true do pcall(error) end end)\n"
    process = start_confab("run", script(HEAD + loop + BEGUN + "loop()"))
    process.wait_for("begun")
    process.signal(signal.SIGINT)
    assert process.wait() == 130, process.output


def test_a_coroutine_begun_after_the_signal_is_ended_and_not_resumed_into(start_confab, script):
    process = start_confab("run", script(HEAD + BEGUN + """
        local last = os.clock() + 0.2
        while os.clock() < last do end
        local loop = coroutine.wrap(function() while true do end end)
        print("went on", loop())"""))
    process.wait_for("begun")
    process.signal(signal.SIGINT)
    assert process.wait() == 130, process.output
    assert "went on" not in process.output


def test_a_stop_runs_the_close_variables_of_the_script(mock, start_confab, script):
    server = mock("faults=silent")
    process = start_confab("run", script(HEAD + """
        local guard <close> = setmetatable({}, { __close = function()
          local ok, err = pcall(confab.ask, { prompt = "x" })
          print("closed", ok, err.kind)
        end })
        confab.ask { prompt = "never answered" }"""), server=server)
    server.wait_for_arrivals(1)
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)
    assert process.wait() == 130, process.output
    assert "closed\tfalse\tscript_error" in process.output


def test_a_stop_while_the_plan_is_replayed_sets_no_item_aside(mock, start_confab, run_confab, script, query):
    name = script(HEAD + """
        local chat = confab.template { name = "chat", prompt = "Write a chat of {{turns}} turns." }
        confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
        local items = {}
        for n = 1, 600 do items[n] = { n = n, turns = 6 } end
        local slow = confab.list(items):map(function(item)
          if arg[1] and item.n == 300 then """ + BEGUN + """
            local till = os.clock() + 0.4
            while os.clock() < till do end
          end
          return item
        end)
        confab.run { name = "r", items = slow, step = function(item) return nil end }""")
    assert run_confab("run", name, server=mock()).code == 0
    process = start_confab("run", name, "again", server=mock())
    process.wait_for("begun")
    process.signal()
    assert process.wait() == 130, process.output
    assert query("select count(*) as n from items where orphan = 1") == [{"n": 0}]
    assert query("select state from runs") == [{"state": "interrupted"}]


YIELD = "coroutine.yield was called outside a coroutine of the script's own"


def test_a_yield_that_nobody_takes_is_a_mistake(run_confab, script):
    result = run_confab("run", script(HEAD + "coroutine.yield(1)"))
    assert result.code == 5 and YIELD in result.err, result
    result = run_confab("run", script(HEAD + "print(pcall(coroutine.yield, 1))"))
    assert (result.code, result.out) == (0, f"false\tscript_error: {YIELD}\n"), result
