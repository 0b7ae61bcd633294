"""Budgets: what the server's own log bills never passes them, and they are used up to one call."""
import random
import re
import shlex
import signal
import time

import pytest

import durability
import ledger
import usage_server

ITEMS = 120
FAULTS = "usage=varied,latency=uniform:0:8,faults=500:6%;529:3%;reset:4%;reset_body:2%;cut:4%;" \
         "bad_envelope:2%;429:3%;max_tokens:10%;malformed:8%"

PIPELINE = f"""
    confab.setup {{
      limits = {{ max_requests = 100000, pacing = "burst" }},
      retry = {{ max_attempts = 20, base_delay_ms = 1, max_delay_ms = 20, jitter_ms = 0 }},
    }}
    local chat = confab.template {{
      name = "chat", max_tokens = 700,
      prompt = 'Write a chat of 6 turns about {{{{topic}}}}. As JSON: {{"turns": [{{"role": "user", "content": "..."}}]}}',
    }}
    local items = {{}}
    for i = 1, {ITEMS} do items[i] = {{ topic = "topic " .. i }} end
    local run = confab.run {{
      name = "chats", template = chat, items = items, concurrency = 64, tries = 3,
      budget = tonumber(arg[1]), alert_at = arg[1] and {{ 0.5, 0.9 }},
      on_alert = function(share, spent, budget) print("alert", share, spent <= budget, budget) end,
    }}
    print(run.state)
"""


@pytest.fixture
def prices(data):
    return ledger.Prices(data / "prices.json")


def sent(server):
    return len(ledger.exchanges(server.arrivals()))


def billed(server, prices):
    """What the server's log says was used, in pico-dollars, delivered or not."""
    return sum(prices.cost(exchange.model, exchange.usage)
               for exchange in ledger.exchanges(server.arrivals()) if exchange.usage)


def check_kept(query, server, prices, dollars, is_used_up=True):
    """No more is billed than the budget, nor counted; and what is left does not do for one more."""
    budget = round(dollars * 10**12)
    run, = query("select spent_pico, at_risk_pico, budget_pico, state from runs")
    assert run["budget_pico"] == budget
    assert billed(server, prices) <= run["spent_pico"] + run["at_risk_pico"] <= budget
    durability.check_rows(query)
    if is_used_up:
        assert run["state"] == "budget"
        bound, = query("select max(bound_pico) as most from calls")
        assert budget - run["spent_pico"] - run["at_risk_pico"] < bound["most"]


def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(mock, run_confab, script, query, prices):
    server, name = mock("usage=varied"), script(PIPELINE)
    result = run_confab("run", name, "0.15", server=server)
    assert result.code == 3, result
    assert "the budget of $0.15 is used up" in result.err
    assert re.search(r"\$0\.1\d* spent of \$0\.15", result.err), result
    check_kept(query, server, prices, 0.15)
    assert query("select count(*) as n from call_replies") == [{"n": sent(server)}]

    command, = re.findall(r"go on with: confab (run .*)", result.err)
    assert "--budget" in command
    for _ in range(8):              # an estimate of what is enough may be short at first
        result = run_confab(*shlex.split(command), server=server)
        if result.code == 0:
            break
        assert result.code == 3, result
        command, = re.findall(r"go on with: confab (run .*)", result.err)
    assert result.code == 0 and result.out.endswith("done\n"), result
    assert query("select count(*) as n from call_replies") == [{"n": ITEMS}]
    durability.check_finished(query, ITEMS)


def test_resume_takes_a_larger_budget_and_keeps_it(mock, run_confab, script, query):
    server, name = mock(), script(PIPELINE.replace("arg[1] and", "nil and"))
    result = run_confab("run", "--budget", "0.1", name, server=server)
    assert result.code == 3, result
    result = run_confab("resume", "--budget", "0.2", server=server)
    assert result.code == 3, result
    before = sent(server)
    result = run_confab("resume", server=server)        # as it was told last
    assert result.code == 3, result
    assert sent(server) == before
    result = run_confab("run", name, server=server)     # the run's own budget stays
    assert result.code == 3 and sent(server) == before, result
    assert query("select budget_pico as n from runs") == [{"n": 2 * 10**11}]
    result = run_confab("resume", "--budget", "100", server=server)
    assert result.code == 0, result


@pytest.mark.parametrize("seed", range(6))
def test_no_budget_is_passed_whatever_happens(seed, mock, run_confab, script, query, prices):
    dollars = round(random.Random(seed).uniform(0.02, 0.5), 4)
    server, name = mock(f"{FAULTS},seed={seed}"), script(PIPELINE)
    result = run_confab("run", name, dollars, server=server, timeout=120)
    assert result.code == 3, result
    server.stop()
    check_kept(query, server, prices, dollars)


@pytest.mark.parametrize("point", ["call_sent.after:1", "call_sent.after:40", "call_reply.before:1",
                                   "call_reply.before:25", "call_reply.after:10", "call_failed.before:3",
                                   "call_failed.after:2", "item_finish.before:12"])
def test_no_budget_is_passed_over_a_kill(point, mock, run_confab, script, query, prices):
    dollars = 0.4
    server, name = mock(FAULTS), script(PIPELINE)
    killed = run_confab("run", name, dollars, server=server, env={"CONFAB_FAILPOINT": point})
    assert killed.code == -signal.SIGKILL, f"not killed (is it built with fail points?): {killed}"
    result = run_confab("run", name, dollars, server=server, timeout=120)
    assert result.code == 3, result
    server.stop()
    check_kept(query, server, prices, dollars)


def test_no_budget_is_passed_over_many_kills(mock, start_confab, run_confab, script, query, prices):
    dollars, moments = 0.6, random.Random(3)
    server, name = mock(FAULTS), script(PIPELINE)
    for _ in range(6):
        wanted = sent(server) + moments.randint(1, 20)
        process = start_confab("run", name, dollars, server=server)
        while sent(server) < wanted and process.process.poll() is None:
            time.sleep(0.001)
        process.signal(signal.SIGKILL)
        process.wait()
    result = run_confab("run", name, dollars, server=server, timeout=120)
    assert result.code == 3, result
    server.stop()
    check_kept(query, server, prices, dollars)


def test_what_is_set_up_caps_all_runs_of_the_script(mock, run_confab, script, query, prices):
    name = script("""
        confab.setup { budget = 0.12, limits = { max_requests = 100000, pacing = "burst" } }
        local chat = confab.template { name = "chat", prompt = "Write about {{topic}}.", max_tokens = 700 }
        for _, name in ipairs { "first", "second" } do
          local items = {}
          for i = 1, name == "first" and 8 or 200 do items[i] = { topic = name .. " " .. i } end
          confab.run { name = name, template = chat, items = items, concurrency = 32 }
        end
    """)
    server = mock("usage=varied")
    for _ in range(2):                       # the second time, what both have spent counts from the start
        result = run_confab("run", name, server=server)
        assert result.code == 3, result
        assert {row["name"]: row["state"] for row in query("select name, state from runs")} == {
            "first": "done", "second": "budget"}
        spent, = query("select sum(spent_pico) as n from runs")
        assert billed(server, prices) == spent["n"] <= 12 * 10**10
        assert 12 * 10**10 - spent["n"] < query("select max(bound_pico) as n from calls")[0]["n"]


SHARED = """
    confab.setup { budget = 0.6, limits = { max_requests = 100000, pacing = "burst" } }
    local chat = confab.template {
      name = "chat", max_tokens = 700,
      prompt = 'Write a chat of 6 turns about {{topic}}. As JSON: {"turns": [{"role": "user", "content": "..."}]}',
    }
    local items = {}
    for i = 1, tonumber(arg[2] or 200) do items[i] = { topic = arg[1] .. " " .. i } end
    print(confab.run { name = arg[1], template = chat, items = items, concurrency = tonumber(arg[3] or 32) }.state)
"""


def check_shared(query, server, prices, dollars):
    """All runs together keep to the budget, by the server's log and by the rows, and use it up."""
    budget = round(dollars * 10**12)
    counted, = query("select sum(spent_pico + at_risk_pico) as n from runs")
    assert billed(server, prices) <= counted["n"] <= budget
    assert budget - counted["n"] < query("select max(bound_pico) as n from calls")[0]["n"]
    durability.check_rows(query)


def test_processes_of_one_script_share_its_budget(mock, start_confab, script, query, prices):
    server, name = mock("usage=varied,latency=uniform:50:250"), script(SHARED)
    running = [start_confab("run", name, run, 200, 9, server=server) for run in ("a", "b", "c")]
    for process in running:
        assert process.wait() == 3, process.output
        assert "the budget of $0.60 is used up" in process.output
    assert {row["state"] for row in query("select state from runs")} == {"budget"}
    check_shared(query, server, prices, 0.6)
    assert query("select count(*) > 1 as shared from runs where replies > 0") == [{"shared": 1}]


def test_a_process_waits_for_what_another_may_give_back(mock, start_confab, run_confab, script, query):
    slow, quick, name = mock("latency=fixed:1500"), mock(), script(SHARED)
    first = start_confab("run", name, "slow", 19, server=slow)      # their bounds are most of the budget
    slow.wait_for_arrivals(19)
    result = run_confab("run", name, "quick", 20, server=quick)
    assert result.code == 0, result
    assert first.wait() == 0, first.output
    assert query("select sum(replies) as n from runs") == [{"n": 39}]


def test_what_a_killed_process_left_in_flight_counts_for_another(mock, start_confab, run_confab, script, query,
                                                                 prices):
    silent, server, name = mock("faults=silent"), mock("usage=varied"), script(SHARED)
    killed = start_confab("run", name, "a", server=silent)
    silent.wait_for_arrivals(15)
    killed.signal(signal.SIGKILL)
    killed.wait()
    left, = query("select sum(bound_pico) as n from calls where state = 'sent'")
    result = run_confab("run", name, "b", server=server)
    assert result.code == 3 and "at risk" in result.err, result
    spent, = query("select sum(spent_pico) as n from runs")
    assert left["n"] > 4 * 10**11 and billed(server, prices) == spent["n"] <= 6 * 10**11 - left["n"]
    result = run_confab("run", name, "a", server=server)
    assert result.code == 3, result
    check_shared(query, server, prices, 0.6)


def test_runs_begun_anew_have_a_budget_of_their_own(mock, run_confab, script, query):
    server, name = mock(), script(SHARED)
    assert run_confab("run", name, "a", server=server).code == 3
    assert run_confab("run", name, "b", 1, server=server).code == 3
    assert run_confab("run", "--fresh", name, "b", 1, server=server).code == 0
    assert run_confab("run", name, "b", 2, server=server).code == 3      # a still counts


def test_a_call_outside_a_run_keeps_to_the_scripts_budget(mock, run_confab, script):
    server = mock()
    name = script('print(pcall(confab.ask, { prompt = "Hello", max_tokens = 100 }))')
    result = run_confab("run", name, "--budget", "0.001", server=server)
    assert "budget_error" in result.out and "is used up" in result.out, result
    assert sent(server) == 0


def test_alerts_are_told_once_over_all_sessions(mock, run_confab, script):
    server, name = mock(), script(PIPELINE)
    first = run_confab("run", name, "0.12", server=server)
    second = run_confab("run", name, "0.12", server=server)
    both = first.out + second.out
    assert both.count("alert\t0.5\ttrue\t0.12\n") == 1, both
    assert first.err.count("50 % of the budget is used: $0.") == 1
    assert "of the budget is used" not in second.err.replace("90 %", "")


UNPRICED = 'confab.setup {{ models = {{ ["local-1"] = {{ {price} }} }}, model = "local-1"{more} }}\n' \
           'local chat = confab.template {{ name = "chat", prompt = "Write about {{{{t}}}}." }}\n' \
           'confab.run {{ template = chat, items = {{ {{ t = "a" }} }} {budget} }}\n'


@pytest.mark.parametrize("more,budget,flags", [("", ", budget = 1", []), (", budget = 1", "", []),
                                               ("", "", ["--budget", "1"])])
def test_a_budget_needs_a_price(more, budget, flags, mock, run_confab, script):
    server = mock()
    name = script(UNPRICED.format(price="status = 'active'", more=more, budget=budget))
    result = run_confab("run", *flags, name, server=server)
    assert result.code == 2 and "the price of \"local-1\" is not known" in result.err, result
    assert sent(server) == 0

    name = script(UNPRICED.format(price='price = "free"', more=more, budget=budget))
    result = run_confab("run", *flags, "--fresh", name, server=server)
    assert result.code in (0, 1), result
    assert sent(server) == 1


@pytest.mark.parametrize("value", ["0", "-1", "1000000.01", "x", "1e9", ""])
def test_a_budget_that_is_none_is_refused(value, run_confab, script):
    result = run_confab("run", "--budget", value, script("print(1)"))
    assert result.code == 2 and "--budget must be dollars above 0, up to 1000000" in result.err, result
    assert result.out == ""


@pytest.mark.parametrize("options,words", [
    ("budget = 0", "budget must be dollars above 0"), ("budget = 1e7", "budget must be dollars above 0"),
    ("budget = 1, alert_at = { 2 }", "alert_at must be shares above 0"),
    ("alert_at = { 0.5 }", "alert_at is a share of the budget, and there is none"),
    ("max_outage = '6 weeks'", "max_outage must be a span of time")])
def test_a_wrong_option_is_named(options, words, mock, run_confab, script):
    name = script('local chat = confab.template { name = "c", prompt = "{{t}}" }\n'
                  'confab.run { template = chat, items = { { t = 1 } }, %s }' % options)
    result = run_confab("run", name, server=mock())
    assert result.code == 2 and words in result.err, result


def test_a_reply_that_costs_more_than_it_can_is_booked_and_stops_the_run(run_confab, script, query):
    name = script("""
        confab.setup { model = "claude-haiku-5-5" }
        local chat = confab.template { name = "chat", prompt = "case 0 {{t}}", max_tokens = 100 }
        local items = {}
        for i = 1, 20 do items[i] = { t = i } end
        confab.run { template = chat, items = items, concurrency = 1 }
    """)
    server = usage_server.start([{"model": "claude-haiku-5-5",
                                  "usage": {"input_tokens": 10, "output_tokens": 1000000}}])
    result = run_confab("run", name, server=server)
    server.close()
    assert result.code == 3, result
    assert re.search(r"cost \$\d+\.\d+, more than the \$0\.\d+ it can cost", result.err), result
    run, = query("select state, spent_pico, replies from runs")
    assert run["state"] == "budget" and run["replies"] == 1
    assert run["spent_pico"] == query("select cost_pico from calls where state = 'done'")[0]["cost_pico"]
