"""Killed at any moment and begun again: nothing that was paid for is lost or paid for twice."""
import os
import random
import signal
import sqlite3
import subprocess

import pytest

import confab_process
import durability
import ledger

ITEMS, CONCURRENCY = 20, 4
KILLS = int(os.environ.get("CONFAB_KILLS", "50" if confab_process.SLOWED == 1 else "10"))     # random moments

# Two calls an item, the second made from the first's reply. The same body gets the same reply
# however often it is asked for, so every way through the faults ends in the same conversations.
PIPELINE = f"""
    confab.setup {{
      limits = {{ max_requests = 100000, pacing = "burst" }},
      retry = {{ max_attempts = 100, base_delay_ms = 1, max_delay_ms = 20, jitter_ms = 0 }},
    }}

    local shape = ' As JSON: {{"turns": [{{"role": "user", "content": "..."}}]}}'
    local draft = confab.template {{
      name = "draft", prompt = "Write a chat of 6 turns about {{{{topic}}}}." .. shape,
    }}
    local revision = confab.template {{
      name = "revision", prompt = "Write a chat of 8 turns from this:\\n{{{{draft}}}}\\n" .. shape,
    }}

    local items = {{}}
    for i = 1, {ITEMS} do items[i] = {{ topic = "topic " .. i }} end

    local run = confab.run {{
      name = "chats", items = items, concurrency = {CONCURRENCY},
      tries = tonumber(arg[1] or "20"),
      step = function(item)
        local first = confab.generate {{ template = draft, params = item }}
        local conv = confab.generate {{ template = revision, params = {{ draft = first:text() }} }}
        conv:tag("draft", #first)
        return conv
      end,
      on_item = function(result) print(result.key, result.state) end,
    }}
    print(run.summary)
    run:export("chats.jsonl", {{ format = "messages" }})
"""
FAULTS = "usage=varied,faults=500:12%;529:4%;reset:4%;cut:3%;empty:12%"

POINTS = [
    ("run_begin", [1]), ("run_own", [1]), ("template", [1, 2]), ("item_draw", [1, 2]),
    ("call_sent", [1, 10, 40]), ("call_failed", [1, 5]), ("call_reply", [1, 4, 10, 40]),
    ("call_rejected", [1, 3]), ("item_finish", [1, 7, ITEMS]), ("run_update", [1]),
]


@pytest.fixture(scope="module")
def unkilled():
    """The export of a run that nothing disturbed; made once, by the first test that asks."""
    return {}


@pytest.fixture
def prices(data):
    return ledger.Prices(data / "prices.json")


@pytest.fixture
def finish(mock, run_confab, query, folder, prices, unkilled):
    """finish(name, server): runs the pipeline to its end, and checks all that must be true then."""
    def go_on(name, server, kills=1):
        result = run_confab("run", name, server=server)
        assert result.code == 0, result
        durability.check_rows(query)
        durability.check_finished(query, ITEMS)
        exchanges = ledger.exchanges(server.arrivals())
        durability.check_replies(query, exchanges, prices, kills * CONCURRENCY)

        if not unkilled:
            quiet = run_confab("run", name, "--db", "unkilled.db", server=mock("usage=varied"))
            assert quiet.code == 0, quiet
            unkilled["export"] = run_confab("export", "-o", "-", "--db", "unkilled.db").out
        assert (folder / "chats.jsonl").read_text(encoding="utf-8") == unkilled["export"]

        # Once more: there is nothing left to ask for.
        result = run_confab("run", name, server=server)
        assert result.code == 0 and len(ledger.exchanges(server.arrivals())) == len(exchanges)
    return go_on


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point,count", [(point, count) for point, counts in POINTS
                                         for count in counts])
def test_killed_at_a_commit(point, moment, count, mock, script, run_confab, query, finish):
    server = mock(FAULTS)
    name = script(PIPELINE)
    killed = run_confab("run", name, server=server,
                        env={"CONFAB_FAILPOINT": f"{point}.{moment}:{count}"})
    assert killed.code == -signal.SIGKILL, f"not killed (is it built with fail points?): {killed}"
    durability.check_rows(query)
    finish(name, server)


def test_a_file_that_was_left_before_it_had_tables_is_a_new_database(mock, script, folder, finish):
    begun = sqlite3.connect(folder / "confab.db")
    assert begun.execute("pragma journal_mode = wal").fetchall() == [("wal",)]
    begun.close()
    assert (folder / "confab.db").stat().st_size > 0
    finish(script(PIPELINE), mock(FAULTS))


@pytest.mark.parametrize("point", ["call_reply.after:6", "call_rejected.before:1",
                                   "call_rejected.after:2", "item_finish.before:3"])
def test_what_failed_around_a_kill_has_a_log_row_that_says_why(point, mock, script, run_confab,
                                                              query):
    server = mock("faults=empty:30%")
    command = ("run", script(PIPELINE), 1)
    killed = run_confab(*command, server=server, env={"CONFAB_FAILPOINT": point})
    assert killed.code == -signal.SIGKILL, killed
    durability.check_rows(query)
    assert run_confab(*command, server=server).code == 1
    durability.check_rows(query)
    run, = query("select pending, failed from run_view")
    assert run["pending"] == 0 and run["failed"] > 5


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_at_a_random_moment(seed, mock, script, start_confab, query, folder, finish):
    server = mock(f"{FAULTS},latency=uniform:0:6")
    name = script(PIPELINE)
    running = start_confab("run", name, server=server)
    server.wait_for_arrivals(random.Random(seed).randint(1, 2 * ITEMS - 4))
    running.signal(signal.SIGKILL)
    running.wait()
    assert (folder / "confab.db").exists()
    durability.check_rows(query)
    finish(name, server)


@pytest.mark.threads
def test_killed_again_and_again(mock, script, start_confab, query, finish):
    server = mock(f"{FAULTS},latency=uniform:0:6")
    name = script(PIPELINE)
    for kill in range(1, 7):
        running = start_confab("run", name, server=server)
        server.wait_for_arrivals(6 * kill)
        running.signal(signal.SIGKILL)
        running.wait()
        durability.check_rows(query)
    finish(name, server, kills=6)


@pytest.mark.threads
def test_a_server_that_goes_away_for_a_while_costs_no_reply(mock, script, start_confab, query,
                                                            folder, prices):
    first = mock("usage=varied,latency=uniform:0:6")
    running = start_confab("run", script(PIPELINE), server=first)
    first.wait_for_arrivals(12)
    first.stop()
    second = mock("usage=varied", "--port", str(first.port))
    assert running.wait() == 0, running.output

    durability.check_rows(query)
    durability.check_finished(query, ITEMS)
    before, after = (ledger.exchanges(server.arrivals()) for server in (first, second))
    bodies = {exchange.sha256 for exchange in before if exchange.was_whole}
    assert not bodies & {exchange.sha256 for exchange in after}
    spent = sum(prices.cost(exchange.model, exchange.usage) for exchange in before + after
                if exchange.was_whole)
    assert query("select spent_pico from runs") == [{"spent_pico": spent}]
    assert len(confab_process.read_jsonl(folder / "chats.jsonl")) == ITEMS


@pytest.mark.threads
def test_a_reader_that_closes_the_pipe_loses_no_reply(mock, script, confab_env, folder, query,
                                                      finish):
    server = mock(FAULTS)
    name = script(PIPELINE)
    shell = subprocess.run(["bash", "-c", f'set -o pipefail; "$0" run {name} | head -1',
                            confab_process.binary()], cwd=folder, env=confab_env(server),
                           capture_output=True, text=True, timeout=60, check=False)
    confab_process.check_reports(shell.stderr)
    assert shell.stdout.count("\n") == 1
    durability.check_rows(query)
    durability.check_finished(query, ITEMS)
    arrivals = len(server.arrivals())
    finish(name, server)
    assert len(server.arrivals()) == arrivals
