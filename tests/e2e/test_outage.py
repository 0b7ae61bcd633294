"""A service that goes away and comes back, or never was there: no item fails because of it."""
import re
import signal
import socket
import time

import pytest

import confab_process
import ledger

ITEMS = 60

PIPELINE = f"""
    confab.setup {{
      limits = {{ max_requests = 100000, pacing = "burst" }}, max_outage = arg[1] or "6h",
      retry = {{ max_attempts = 3, base_delay_ms = 100, jitter_ms = 20 }},
    }}
    local chat = confab.template {{
      name = "chat",
      prompt = 'Write a chat of 6 turns about {{{{topic}}}}. As JSON: {{"turns": [{{"role": "user", "content": "..."}}]}}',
    }}
    local items = {{}}
    for i = 1, tonumber(arg[3] or {ITEMS}) do items[i] = {{ topic = "topic " .. i }} end
    local run = confab.run {{ name = "chats", template = chat, items = items, concurrency = tonumber(arg[2] or 8) }}
    print(run.state)
"""


@pytest.fixture
def states(query):
    return lambda: {row["state"]: row["n"]
                    for row in query("select state, count(*) as n from items group by state")}


@pytest.fixture
def closed_port():
    """Where nobody listens, until the test does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("fault", ["529", "reset"])
def test_an_outage_costs_no_item_and_no_manual_step(fault, mock, start_confab, script, query, states):
    server = mock(f"latency=fixed:200,faults={fault}@1s-11s")
    process = start_confab("run", script(PIPELINE), "--progress", "json", server=server)
    process.wait_for("the service is away|cannot be reached")    # the latter if nothing was answered yet
    process.wait_for(r'"held_back":"outage: service away for \d+ s, (next probe in \d+ s|probing)"')
    process.wait_for(r"the service is back, after \d+ s")
    assert process.wait() == 0, process.output
    assert states() == {"done": ITEMS}

    # While it was away one call at a time asked whether it is back.
    exchanges = ledger.exchanges(server.arrivals())
    assert len(exchanges) < ITEMS + 8 * 8 + 10, len(exchanges)
    retried, = query("select max(attempts) as n from calls")
    assert retried["n"] > 3                  # none of them ran out


@pytest.mark.parametrize("concurrency", [1, 2])
def test_an_outage_costs_no_item_where_few_are_in_work(concurrency, mock, run_confab, script, states):
    items = 8 * concurrency
    result = run_confab("run", script(PIPELINE), "6h", concurrency, items, timeout=60,
                        server=mock("latency=fixed:200,faults=500@700ms-9s"))
    assert result.code == 0, result
    assert "the service is away" in result.err and "the service is back" in result.err, result
    assert states() == {"done": items}


def test_an_outage_that_lasts_too_long_stops_the_run(mock, run_confab, script, states):
    name = script(PIPELINE)
    result = run_confab("run", name, "7", server=mock("latency=fixed:100,faults=503@500ms-1h"))
    assert result.code == 4, result
    assert re.search(r"has been away for \d+ s \(max_outage\); the last failure: .*503", result.err), result
    assert "everything is saved; go on with: confab run" in result.err
    assert "failed" not in states() and states()["pending"] > 0

    result = run_confab("run", name, server=mock())
    assert result.code == 0, result
    assert states() == {"done": ITEMS}


def test_a_stop_during_an_outage_ends_at_once(mock, start_confab, script, states):
    name, server = script(PIPELINE), mock("latency=fixed:200,faults=500@500ms-1h")
    process = start_confab("run", name, server=server)
    process.wait_for("the service is away")
    began = time.monotonic()
    process.signal(signal.SIGINT)
    assert process.wait() == 130, process.output
    assert time.monotonic() - began < 2 * confab_process.SLOWED
    assert "failed" not in states()


def address(port):
    return {"ANTHROPIC_API_KEY": confab_process.KEY,
            "ANTHROPIC_API_BASE_URL": f"http://127.0.0.1:{port}/v1"}


def test_a_host_that_is_not_there_is_named_and_waited_for(closed_port, start_confab, script, states,
                                                         folder, confab_env):
    began = time.monotonic()
    process = start_confab("run", script(PIPELINE), env=address(closed_port))
    process.wait_for(rf"127.0.0.1:{closed_port}/v1 cannot be reached: .*refused.*Ctrl-C ends")
    assert time.monotonic() - began < 10 * confab_process.SLOWED
    home = folder / "late"
    home.mkdir()
    server = confab_process.Background(["mock", "--port", closed_port], home, confab_env())
    try:
        assert process.wait() == 0, process.output
    finally:
        server.close()
    assert states() == {"done": ITEMS}


def test_an_address_that_swallows_everything_is_named_within_ten_seconds(start_confab, script):
    with socket.socket() as full:            # a queue of connections that nobody takes, filled up
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        process = start_confab("run", script(PIPELINE), env=address(port))
        began = time.monotonic()
        process.wait_for("cannot be reached: no connection yet")
        assert time.monotonic() - began < 10 * confab_process.SLOWED
        process.signal(signal.SIGINT)
        process.signal(signal.SIGINT)
        assert process.wait() == 130, process.output
        for filler in fillers:
            filler.close()


def test_nothing_but_429s_for_too_long_stops_the_run(mock, run_confab, script, states):
    result = run_confab("run", script(PIPELINE), "2", server=mock("faults=429"))
    assert result.code == 4, result
    assert "has sent nothing but 429s" in result.err, result
    assert "failed" not in states()
