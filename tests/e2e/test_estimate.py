"""`confab estimate` and `confab run --dry-run`: nothing is sent, written or needed, and the numbers come true."""
import hashlib
import json
import os
import sqlite3

import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 6000, pacing = "burst" } }
local chat = confab.template {
  name = "chat", system = "You write chats.", prompt = "Write a chat of 8 turns about {{topic}}.", max_tokens = 2048,
}
local items = {}
for i = 1, tonumber(arg[1] or 60) do items[i] = { topic = "topic number " .. i } end
"""
RUN = 'local run = confab.run { name = "r", items = items, template = chat }\nrun:export("out.jsonl")\n'


@pytest.fixture
def estimate(run_confab):
    """estimate(name, *args, code=0, **more): the JSON of `confab estimate`."""
    def ask(*arguments, code=0, **more):
        result = run_confab("estimate", "--json", *arguments, **more)
        assert result.code == code, result
        return json.loads(result.out)
    return ask


def within(value, bounds):
    return bounds["low"] <= value <= bounds["high"]


def arrived(server):
    return sum(row["event"] == "arrival" for row in server.arrivals())


def in_order(bounds):
    return bounds["low"] <= bounds["expected"] <= bounds["high"]


def test_nothing_is_needed_sent_or_written(script, run_confab, folder):
    name = script(PRELUDE + RUN)
    before = sorted(os.listdir(folder))
    result = run_confab("estimate", name)         # no key, no service, no database
    assert result.code == 0, result
    assert sorted(os.listdir(folder)) == before
    assert "run r: 60 items, 60 new" in result.out
    assert "at most $" in result.out and "6,000 requests a minute (configured)" in result.out
    assert "a guess" in result.out
    assert "out.jsonl: not written: this is an estimate" in result.err


def test_a_dry_run_says_the_same(script, run_confab):
    name = script(PRELUDE + RUN)
    assert run_confab("run", "--dry-run", name).out == run_confab("estimate", name).out


def test_the_numbers_come_true(mock, script, run_confab, estimate, query):
    name = script(PRELUDE + RUN)
    server = mock()
    assert run_confab("run", "--limit", "20", name, server=server).code == 0
    made = estimate(name)["runs"][0]
    assert (made["items"], made["new_items"], made["stored_items"], made["stored_calls"]) == (60, 40, 20, 20)
    assert all(in_order(made[field]) for field in ("calls", "input_tokens", "output_tokens", "cost", "time_ms"))
    assert made["calls"] == {"low": 40, "expected": 40, "high": 40}
    before = query("select spent_pico, input_tokens, output_tokens from runs")[0]
    arrivals = arrived(server)
    assert run_confab("run", name, server=server).code == 0
    after = query("select spent_pico, input_tokens, output_tokens from runs")[0]
    assert arrived(server) - arrivals == 40
    spent = (after["spent_pico"] - before["spent_pico"]) / 1e12
    assert within(after["input_tokens"] - before["input_tokens"], made["input_tokens"]), made
    assert within(after["output_tokens"] - before["output_tokens"], made["output_tokens"]), made
    assert within(spent, made["cost"]), (spent, made)
    assert spent <= made["cost_bound"]
    done = estimate(name)["runs"][0]
    assert done["calls"]["high"] == 0 and done["cost"]["high"] == 0 and done["stored_items"] == 60


def test_the_first_estimate_is_no_less_than_the_bill(mock, script, run_confab, estimate, query):
    name = script(PRELUDE + RUN)
    made = estimate(name)["runs"][0]
    run_confab("run", name, server=mock())
    spent = query("select spent_pico from runs")[0]["spent_pico"] / 1e12
    assert spent <= made["cost"]["high"] <= made["cost_bound"]


def test_a_database_is_read_and_stays_as_it_is(mock, script, run_confab, estimate, folder):
    name = script(PRELUDE + RUN)
    run_confab("run", name, "10", server=mock())

    def state():
        return hashlib.sha256((folder / "confab.db").read_bytes()).hexdigest()
    before = state()
    assert estimate(name, "12")["runs"][0]["new_items"] == 2
    assert estimate("--fresh", name, "12")["runs"][0]["new_items"] == 12
    assert state() == before


def test_a_changed_prompt_is_asked_again(mock, script, run_confab, estimate):
    run_confab("run", script(PRELUDE + RUN), "10", server=mock())
    name = script((PRELUDE + RUN).replace("8 turns", "9 turns"))
    made = estimate(name, "10")["runs"][0]
    assert made["new_items"] == 10
    assert "as the last 10 of template" in " ".join(made["basis"])


def test_of_many_items_a_sample_is_measured(script, estimate):
    name = script(PRELUDE + RUN)
    made = estimate(name, "5000")["runs"][0]
    assert (made["items"], made["sampled"], made["calls"]["expected"]) == (5000, 1000, 5000)
    assert any("a sample of 1000 of the 5000 items" in text for text in made["covers"])
    assert estimate(name, "5000")["runs"][0] == made          # seeded
    whole = estimate(name, "1000")["runs"][0]
    assert abs(made["input_tokens"]["expected"] / whole["input_tokens"]["expected"] - 5) < 0.5


def test_a_call_outside_a_run_ends_it_unless_it_is_stored(mock, script, run_confab, estimate):
    name = script(PRELUDE + """
    local plan = confab.ask { prompt = "Name three topics.", max_tokens = 500 }
    print("planned", plan.text ~= nil)
    """ + RUN)
    made = estimate(name)
    assert len(made["runs"]) == 1 and made["runs"][0]["calls"]["expected"] == 1
    covers = made["runs"][0]["covers"][0]
    assert "its first call outside a run that is not stored" in covers
    assert run_confab("run", "--limit", "1", name, server=mock()).code == 0
    made = estimate(name)
    assert [run["run"] for run in made["runs"]] == ["r"]
    assert made["runs"][0]["new_items"] == 59


def test_a_conversation_outside_a_run_likewise(mock, script, run_confab, estimate, query):
    name = script(PRELUDE + """
    local conv = confab.generate { template = chat, params = { topic = "tea" } }
    conv:tag("mood", "calm")
    conv:approve()
    """ + RUN)
    assert estimate(name)["total"]["calls"]["expected"] == 1
    run_confab("run", "--limit", "1", name, server=mock())
    tags = query("select count(*) as n from edits")
    assert estimate(name)["runs"][0]["new_items"] == 59
    assert query("select count(*) as n from edits") == tags


STEP = PRELUDE + """
local run = confab.run { name = "r", items = items, step = function(item)
  local plan = confab.ask { prompt = "Outline a chat about " .. item.topic, max_tokens = 300 }
  return confab.generate { template = chat, params = item }
end }
"""


def test_what_a_step_asks_later_comes_from_earlier_items(mock, script, run_confab, estimate):
    name = script(STEP)
    first = estimate(name)["runs"][0]
    assert first["calls"]["expected"] == 60
    assert any("only the first new call of each item" in text for text in first["covers"])
    run_confab("run", "--limit", "10", name, server=mock())
    then = estimate(name)["runs"][0]
    assert then["calls"]["expected"] == 100 and then["stored_calls"] == 20
    assert any("1.0 more each" in text for text in then["covers"])


def test_accept_asks_for_no_more_than_it_takes(mock, script, run_confab, estimate):
    name = script(PRELUDE + RUN.replace("template = chat", "template = chat, accept = 20"))
    made = estimate(name)["runs"][0]
    assert made["calls"] == {"low": 20, "expected": 25, "high": 60}
    run_confab("run", name, server=mock())
    assert estimate(name)["runs"][0]["calls"]["high"] == 0


def test_several_runs_are_added_up(script, run_confab, estimate):
    name = script(PRELUDE + RUN + 'confab.run { name = "s", items = { { topic = "x" } }, template = chat }')
    made = estimate(name)
    assert [run["run"] for run in made["runs"]] == ["r", "s"]
    assert made["total"]["calls"]["expected"] == 61
    assert "all of them: 61 items" in run_confab("estimate", name).out


def test_items_that_cannot_be_asked_for_are_told(script, run_confab):
    name = script(PRELUDE + "items[3].topic = nil\n" + RUN)
    result = run_confab("estimate", name)
    assert result.code == 1, result
    assert "1 in error" in result.out and "topic" in result.out


@pytest.mark.parametrize("lua, code, said", [
    ("run:export('x.jsonl', { format = 'parquet' })", 2, "format"),
    ("run:export('x.jsonl', { where = { statuss = 'x' } })", 2, "statuss"),
    ("error('oh no')", 5, "oh no"),
])
def test_a_mistake_further_down_is_found_and_the_estimate_is_printed(script, run_confab, lua, code, said):
    result = run_confab("estimate", script(PRELUDE + RUN + lua))
    assert result.code == code, result
    assert said in result.err and "run r: 60 items" in result.out


def test_the_planned_run_has_the_shape_of_a_run(script, run_confab):
    name = script(PRELUDE + RUN + """
    print(run.name, run.state, run.account.planned, run.account.accepted, #run:failures(), run.id)
    for _ in run:results() do error "none" end
    print(run.summary)
    """)
    result = run_confab("estimate", name)
    assert result.code == 0, result
    assert "r\tplanned\t60\t0\t0\tnil" in result.err
    assert result.err.count("60 items, 60 new") == 1 and result.out.count("60 items, 60 new") == 1


def test_limits_of_the_simulator_decide_the_time(script, estimate):
    name = script(PRELUDE + RUN)
    made = estimate("--simulate=rpm=30,latency=fixed:100", name)["runs"][0]
    assert made["limit"]["requests"] == 30
    assert made["time_ms"]["expected"] == 120100


def test_an_unknown_price_is_told(script, run_confab):
    name = script('confab.setup { models = { mine = {} }, model = "mine" }\n' + PRELUDE.replace(
        "confab.setup {", "confab.setup { model = 'mine',") + RUN)
    result = run_confab("estimate", name)
    assert result.code == 0, result
    assert "a price is not known" in result.out


def test_a_script_without_calls_says_so(script, run_confab):
    assert "nothing to estimate" in run_confab("estimate", script("print 'hello'")).out


ESTIMATE = PRELUDE + """
local made = confab.estimate { items = items, template = chat }
print(made.items, made.calls.expected, made.cost.low < made.cost.high, made.cost.high <= made.cost_bound)
print(chat:estimate { topic = "tea" }.calls.expected)
print(confab.estimate { items = items, template = chat, accept = 10 }.calls.low)
"""


def test_a_script_can_ask_for_an_estimate(script, run_confab):
    result = run_confab("run", "--simulate", script(ESTIMATE))
    assert result.code == 0, result
    assert result.out.splitlines() == ["60\t60\ttrue\ttrue", "1", "10"]


def test_limits_that_were_learnt_decide_the_time(mock, script, run_confab, estimate, folder):
    server = mock()
    name = script((PRELUDE + RUN).replace("max_requests = 6000, ", ""))
    run_confab("run", "--limit", "1", name, server=server)
    limit_class = run_confab("run", "--simulate", "--db", "other.db", script("""
    confab.setup { db = "other.db" }
    confab.ask { prompt = "x" }
    print(require "confab.core".call.model("claude-sonnet-5-5").limit_class)
    """, "class.lua")).out.strip()
    with sqlite3.connect(folder / "confab.db") as db:
        db.execute("delete from lanes")
        db.execute("insert into lanes (base_url, organisation, limit_class, max_requests, window_ms, source, learnt_at)"
                   " select base_url, 'o', ?, 118, 60000, 'headers', '2026-01-01' from runs", (limit_class,))
    made = estimate(name, server=server)["runs"][0]
    assert (made["limit"]["requests"], made["limit"]["source"]) == (118, "learnt")
    assert 30000 <= made["time_ms"]["expected"] < 31000
