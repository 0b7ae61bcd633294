"""A run in work, paused, tuned and stopped from another terminal."""
import json
import signal

import pytest

# An item at a time, so that what is in flight when something is asked is known.
PIPELINE = """
confab.setup { limits = { max_requests = 100000, pacing = "burst" }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 6 turns about {{topic}}." }
local items = {}
for i = 1, %d do items[i] = { topic = "topic " .. i } end
local run = confab.run { name = "chats", items = items, template = chat, concurrency = %d }
print(run.summary)
"""


def sent(server):
    return sum(row["event"] == "arrival" for row in server.arrivals())


@pytest.fixture
def running(mock, script, start_confab):
    """running(spec, items, concurrency) -> (process, server), once a request has arrived."""
    def start(spec="latency=fixed:60", items=40, concurrency=1, *arguments):
        server = mock(spec)
        process = start_confab("run", script(PIPELINE % (items, concurrency)), "--progress", "json",
                               *arguments, server=server)
        server.wait_for_arrivals(1)
        return process, server
    return start


def test_a_paused_run_sends_nothing_until_it_is_let_go_on(running, run_confab, query):
    process, server = running()
    result = run_confab("pause", "chats", env={"USER": "ann"})
    assert (result.code, result.out) == (0, ""), result
    assert 'run "chats" is paused' in result.err and "--off" in result.err
    process.wait_for('run "chats" is paused by ann on ')
    process.wait_for('"held_back":"paused by ann on ')       # a report later, nothing is in flight
    count = sent(server)
    run, = query("select state, state_reason from runs")
    assert run["state"] == "paused" and run["state_reason"].startswith("paused by ann on "), run
    process.wait_for('"held_back":"paused by ann on ')
    assert sent(server) == count < 40

    result = run_confab("pause", "--off", "chats")
    assert result.code == 0 and "goes on" in result.err, result
    assert query("select state from runs") in ([{"state": "running"}], [{"state": "done"}])
    assert process.wait() == 0, process.output
    assert sent(server) == 40
    assert query("select state, accepted, calls from run_view") == [
        {"state": "done", "accepted": 40, "calls": 40}]


def test_a_paused_run_can_be_stopped(running, run_confab, query):
    process, server = running()
    assert run_confab("pause", "chats").code == 0
    process.wait_for('"held_back":"paused by')
    result = run_confab("stop", "chats")
    assert result.code == 0 and "confab resume" in result.err, result
    assert process.wait() == 130, process.output
    run, = query("select state, pending, failed, at_risk_usd from run_view")
    assert run["state"] == "interrupted" and run["pending"] > 0, run
    assert (run["failed"], run["at_risk_usd"]) == (0, 0)
    result = run_confab("resume", server=server)
    assert result.code == 0 and sent(server) == 40, result     # and it is not paused any more


def test_stop_awaits_what_is_in_flight_and_loses_nothing(running, run_confab, query):
    process, server = running("latency=fixed:700", 40, 8)
    result = run_confab("stop", "chats")
    assert result.code == 0, result
    assert process.wait() == 130, process.output
    assert 'run "chats" is stopped by ' in process.output and "go on with: confab run" in process.output
    assert "worth up to $" in process.output
    run, = query("select state, replies, failures, at_risk_usd from run_view")
    assert run["state"] == "interrupted" and run["replies"] == sent(server) >= 1, run
    assert (run["failures"], run["at_risk_usd"]) == (0, 0)


def test_tune_changes_the_items_in_work(running, run_confab, query):
    process, server = running("latency=fixed:300", 60, 1)
    result = run_confab("tune", "chats", "--concurrency", 8)
    assert result.code == 0 and 'run "chats" is tuned' in result.err, result
    process.wait_for("is tuned by .*: concurrency 8")
    process.wait_for('"in_flight":[4-8],')
    assert process.wait() == 0, process.output
    assert '"in_flight":9' not in process.output
    assert query("select accepted from run_view") == [{"accepted": 60}]


def test_tune_lowers_the_items_in_work(running, run_confab):
    process, server = running("latency=fixed:100", 60, 12)
    assert run_confab("tune", "chats", "--concurrency", 1).code == 0
    process.wait_for("is tuned by ")
    process.wait_for('"in_flight":1,')
    assert process.wait() == 0, process.output
    assert sent(server) == 60


def test_tune_changes_the_limits(mock, script, start_confab, run_confab):
    server = mock()
    lua = (PIPELINE % (6, 6)).replace("max_requests = 100000", "max_requests = 2")
    process = start_confab("run", script(lua), "--progress", "json", server=server)
    process.wait_for('"held_back":"limit 2 a minute')
    assert sent(server) <= 2
    assert run_confab("tune", "chats", "--rpm", 1000, "--itpm", 1000000, "--otpm", 1000000).code == 0
    assert process.wait() == 0, process.output
    assert "itpm 1000000, otpm 1000000, rpm 1000" in process.output
    assert sent(server) == 6


@pytest.mark.parametrize("words,message", [
    (["pause", "chats"], "pause: nobody works on run \"chats\" (its state is done)"),
    (["stop", "chats"], "stop: nobody works on run"),
    (["tune", "chats", "-j", "2"], "tune: nobody works on run"),
    (["tune", "chats"], "say what: --concurrency"),
    (["tune", "chats", "--rpm", "0"], "--rpm"),
    (["tune", "chats", "--concurrency", "many"], "--concurrency"),
    (["pause"], "something is missing"),
    (["stop", "nowhere"], 'there is no run "nowhere"'),
    (["pause", "chats", "--for", "1h"], "unknown option --for"),
])
def test_what_cannot_be_asked_is_said_and_leaves_no_row(run_confab, script, query, words, message):
    assert run_confab("run", script(PIPELINE % (2, 1)), "--simulate").code == 0
    result = run_confab(*words)
    assert (result.code, result.out) == (2, ""), result
    assert message in result.err
    assert query("select count(*) as n from run_control") == [{"n": 0}]


def test_without_a_database_nothing_is_made(run_confab, folder):
    result = run_confab("pause", "chats")
    assert result.code == 2 and "there is no database" in result.err, result
    assert not (folder / "confab.db").exists()


def test_a_run_whose_owner_died_is_not_worked_on(mock, script, start_confab, run_confab, query):
    server = mock("latency=fixed:60000")
    process = start_confab("run", script(PIPELINE % (2, 1)), server=server)
    server.wait_for_arrivals(1)
    process.process.kill()
    process.wait()
    assert query("select state from runs") == [{"state": "running"}]
    result = run_confab("stop", "chats")
    assert result.code == 2 and "nobody works on" in result.err, result


def test_two_wishes_are_obeyed_in_their_order(running, run_confab, query):
    process, server = running("latency=fixed:60", 20)
    for words in (["pause", "chats"], ["tune", "chats", "-j", "4"], ["pause", "--off", "chats"]):
        assert run_confab(*words).code == 0
    assert process.wait() == 0, process.output
    rows = query("select command, arguments, handled_at is not null as handled from run_control order by id")
    assert [(row["command"], row["handled"]) for row in rows] == [("pause", 1), ("tune", 1), ("continue", 1)]
    assert json.loads(rows[1]["arguments"])["concurrency"] == 4
    assert sent(server) == 20


def test_a_run_whose_process_was_killed_is_shown_as_dead(running, run_confab):
    process, _ = running("faults=silent")
    assert [run["state"] for run in run_confab("runs", "--json").json()] == ["running"]
    process.signal(signal.SIGKILL)
    process.wait()
    assert [run["state"] for run in run_confab("runs", "--json").json()] == ["died"]
    assert "died with    process" in run_confab("show", "chats").out
