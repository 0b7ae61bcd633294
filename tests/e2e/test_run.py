"""`confab run` against the mock server: what it stores, prints and sends, and how it is interrupted."""
import json
import os
import pty
import re
import shlex
import signal
import subprocess

import confab_process
import pytest

pytestmark = pytest.mark.threads

PRELUDE = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template {
  name = "chat", tier = "template", system = "You write chats.",
  prompt = "Write a chat of {{turns}} turns with {{persona}} about {{topic}}.",
}
local items = confab.sweep { persona = { "Ann", "Bob" }, topic = { "tea", "cats", "dogs" }, turns = { 8 } }
"""
RUN = "local run = confab.run { items = items, template = chat }\nprint(run.summary)\n"
EXPORT = 'run:export("out.jsonl")\n'
KEY = "sk-ant-very-secret-key-31337"


def sent(server):
    """How many requests have arrived."""
    return sum(row["event"] == "arrival" for row in server.arrivals())


def wait_for_arrivals(process, server, n):
    while sent(server) < n:
        assert process.process.poll() is None, process.output


@pytest.fixture
def pipeline(script):
    """pipeline(lua): a script of the prelude and that; gives its name."""
    return lambda lua=RUN + EXPORT, prelude=PRELUDE: script(prelude + lua)


@pytest.fixture
def states(query):
    """states() -> {state: number of items}"""
    return lambda: {row["state"]: row["n"] for row in
                    query("select state, count(*) as n from items group by state")}


def count(query, table):
    return query(f"select count(*) as n from {table}")[0]["n"]


# --- what is stored ---

def test_every_table_has_the_rows_that_it_should(mock, run_confab, pipeline, query, read_jsonl):
    server = mock()
    result = run_confab("run", pipeline(), "one", "two", server=server)
    assert result.code == 0, result

    run, = query("select * from run_view")
    assert (run["name"], run["generation"], run["state"], run["simulated"]) == ("pipeline", 1, "done", 0)
    assert (run["planned"], run["accepted"], run["pending"]) == (6, 6, 0)
    assert (run["calls"], run["attempts"], run["replies"], run["failures"]) == (6, 6, 6, 0)
    assert run["owner_pid"] is None and run["finished_at"] is not None
    assert json.loads(query("select args from runs")[0]["args"]) == ["one", "two"]

    items = query("select * from items order by ordinal")
    assert [json.loads(row["params"]) for row in items] == [
        {"persona": persona, "topic": topic, "turns": 8}
        for persona in ("Ann", "Bob") for topic in ("tea", "cats", "dogs")]
    assert {(row["state"], row["accepted"], row["attempts"]) for row in items} == {("done", 1, 1)}

    calls = query("select c.*, q.body as request, p.body as reply from calls c"
                  " join call_requests q on q.call = c.id join call_replies p on p.call = c.id")
    assert len(calls) == 6
    for call in calls:
        assert (call["state"], call["attempts"], call["model"]) == ("done", 1, "claude-sonnet-5-5")
        assert 0 < call["cost_pico"] <= call["bound_pico"] and call["at_risk_pico"] == 0
        assert json.loads(call["request"])["system"]
        usage = json.loads(call["reply"])["usage"]
        assert (call["input_tokens"], call["output_tokens"]) == (usage["input_tokens"],
                                                                 usage["output_tokens"])
    assert run["spent_usd"] == pytest.approx(sum(call["cost_pico"] for call in calls) / 1e12, abs=1e-15)

    logs = query("select * from generation_logs")
    assert [(row["status"], row["attempt"]) for row in logs] == [("success", 1)] * 6
    assert {row["request_id"] for row in logs} == {row["request_id"] for row in server.arrivals()
                                                   if row["event"] == "end"}

    conversations = query("select * from conversation_view order by ordinal")
    assert [(row["persona"], row["topic"], row["tier"]) for row in conversations[:2]] == [
        ("Ann", "tea", "template"), ("Ann", "cats", "template")]
    for row in conversations:
        assert (row["status"], row["listed"], row["part"], row["version"]) == ("generated", 1, 1, 1)
        assert row["quality_score"] >= 6 and json.loads(row["quality_breakdown"])
        turns = query("select role, content from conversation_turns where conversation = ?"
                      " order by turn_index", row["conversation_id"])
        assert len(turns) == row["turn_count"] == 8
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 4
    assert count(query, "turn_calls") == 6
    assert query("select name, usage_count, success_count from templates") == [
        {"name": "chat", "usage_count": 6, "success_count": 6}]

    exported = read_jsonl("out.jsonl")
    assert len(exported) == 6
    assert exported[0]["messages"][-1]["role"] == "assistant"


def test_the_summary_balances_and_failed_items_give_status_1(mock, run_confab, pipeline, query):
    result = run_confab("run", pipeline(), server=mock("faults=400@2;500@4;malformed:empty_messages_array@6"))
    assert result.code == 1, result
    line = next(line for line in result.out.splitlines() if " planned = " in line)
    words = line.replace("needs revision", "revision").split()
    numbers = [int(word) for word in words if word.isdigit()]
    assert numbers[0] == 6 == sum(numbers[1:])
    run, = query("select * from run_view")
    assert run["failed"] == numbers[3] >= 1
    assert result.out.count(" × ") == len(query(
        "select distinct error_kind from items where state = 'failed'"))


def test_standard_output_holds_what_the_script_prints_and_nothing_else(mock, run_confab, pipeline):
    result = run_confab("run", pipeline('print "first"\nconfab.run { items = items, template = chat }'
                                        ':export("out.jsonl")\nprint "last"'),
                        "--verbose", "--progress", "plain", server=mock("faults=500@1"))
    assert result.code == 0, result
    assert result.out == "first\nlast\n"


def test_output_that_cannot_be_written_is_no_success(run_confab, script):
    name = script("for i = 1, 10000 do print(i) end")
    result = run_confab("run", name, under=["sh", "-c", '"$@" > /dev/full', "sh"])
    assert result.code == 4, result
    assert result.err == "confab: standard output: No space left on device\n" or \
        result.err == "confab: standard output: not all could be written\n"


def test_quiet_prints_nothing_of_a_run_that_went_well(mock, run_confab, pipeline):
    result = run_confab("run", pipeline("confab.run { items = items, template = chat }"), "--quiet",
                        server=mock())
    assert (result.code, result.out, result.err) == (0, "", ""), result


def test_progress_as_json_is_a_line_for_each_report(mock, run_confab, pipeline):
    result = run_confab("run", pipeline("confab.run { items = items, template = chat }"),
                        "--progress", "json", server=mock())
    lines = [json.loads(line) for line in result.err.splitlines()]
    assert lines[-1]["done"] == lines[-1]["total"] == lines[-1]["accepted"] == 6
    assert [line["done"] for line in lines].count(6) == 1


def test_a_terminal_shows_a_bar_and_takes_it_off(mock, confab_env, pipeline, folder):
    server = mock("latency=fixed:50")
    ours, theirs = pty.openpty()
    env = confab_env(server, TERM="xterm")
    process = subprocess.Popen([confab_process.binary(), "run", pipeline(RUN)], cwd=folder, env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:                       # the other end is closed
        pass
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0, shown
    assert shown.startswith(b"\r\x1b[Kpipeline [") and shown.endswith(b"\r\x1b[K"), shown
    assert "6 planned = 6 accepted" in out


def test_a_key_is_found_nowhere(mock, run_confab, pipeline, folder):
    server = mock("faults=500@1;401@5")
    result = run_confab("run", pipeline("confab.run { items = items, template = chat }\n" + RUN + EXPORT),
                        "--verbose", server=server, env={"ANTHROPIC_API_KEY": KEY})
    assert result.code == 4, result
    assert KEY not in result.out + result.err
    for path in [*folder.iterdir(), server.log]:
        assert KEY.encode() not in path.read_bytes(), path


# --- running again ---

def test_run_again_it_sends_nothing_and_exports_the_same_bytes(mock, run_confab, pipeline, folder, query):
    server, name = mock(), pipeline()
    first = run_confab("run", name, server=server)
    assert first.code == 0, first
    log, exported = server.arrivals(), (folder / "out.jsonl").read_bytes()
    tables = ["item_view", "calls", "conversations", "conversation_turns", "generation_logs", "templates"]
    before = {table: query(f"select * from {table}") for table in tables}

    second = run_confab("run", name, server=server)
    there = "  6 were there already, nothing was sent\n"
    assert (second.code, second.out) == (0, first.out + there), second
    assert server.arrivals() == log
    assert (folder / "out.jsonl").read_bytes() == exported
    assert {table: query(f"select * from {table}") for table in tables} == before


def test_a_changed_template_sends_what_changed_and_supersedes(mock, run_confab, pipeline, query, read_jsonl):
    server = mock()
    lua = """
        local other = confab.template { name = "other", prompt = "Write a chat of 8 turns %s {{topic}}." }
        local run = confab.run { items = items, step = function(item)
          return confab.generate { template = item.persona == "Ann" and chat or other, params = item }
        end }
        run:export("out.jsonl")"""
    assert run_confab("run", pipeline(lua % "about"), server=server).code == 0
    assert sent(server) == 6

    result = run_confab("run", pipeline(lua % "that is all about"), server=server)
    assert result.code == 0, result
    assert sent(server) == 9
    rows = query("select persona, version, listed, superseded_by_uuid is not null as old"
                 " from conversation_view order by persona, version")
    assert rows == [{"persona": "Ann", "version": 1, "listed": 1, "old": 0}] * 3 \
        + [{"persona": "Bob", "version": 1, "listed": 0, "old": 1}] * 3 \
        + [{"persona": "Bob", "version": 2, "listed": 1, "old": 0}] * 3
    assert query("select name, version from templates order by id") == [
        {"name": "chat", "version": 1}, {"name": "other", "version": 1}, {"name": "other", "version": 2}]
    assert len(read_jsonl("out.jsonl")) == 6


def test_fresh_begins_a_new_generation_and_keeps_the_old_one(mock, run_confab, pipeline, query):
    server, name = mock(), pipeline()
    assert run_confab("run", name, server=server).code == 0
    result = run_confab("run", name, "--fresh", server=server)
    assert result.code == 0, result
    assert sent(server) == 12
    assert query("select generation, accepted from run_view order by generation") == [
        {"generation": 1, "accepted": 6}, {"generation": 2, "accepted": 6}]


def test_limit_takes_the_first_items_and_the_rest_comes_later(mock, run_confab, pipeline, query, states):
    server, name = mock(), pipeline()
    result = run_confab("run", name, "--limit", "2", server=server)
    assert result.code == 0, result
    assert states() == {"done": 2} and sent(server) == 2
    assert run_confab("run", name, server=server).code == 0
    assert states() == {"done": 6} and sent(server) == 6
    assert run_confab("run", name, "--limit", "2", server=server).code == 0
    assert query("select sum(orphan) as n from items") == [{"n": 0}]


def test_items_that_are_no_longer_drawn_leave_the_export(mock, run_confab, pipeline, query, read_jsonl):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("run", pipeline("items = items:take(4)\n" + RUN + EXPORT), server=server)
    assert result.code == 0, result
    assert "4 planned = 4 accepted" in result.out and sent(server) == 6
    assert query("select sum(orphan) as n from items") == [{"n": 2}]
    assert len(read_jsonl("out.jsonl")) == 4


# --- what a script may do ---

@pytest.mark.parametrize("concurrency", [1, 4])
def test_concurrency_is_the_most_that_is_in_flight(mock, run_confab, start_confab, pipeline, concurrency):
    name = pipeline("items = items:take(2):times(8)\n" + RUN)
    server = mock("latency=fixed:5")
    result = run_confab("run", name, "--concurrency", concurrency, server=server)
    assert result.code == 0, result
    counters = server.stop()
    assert counters["requests"] == 16 and counters["peak_in_flight"] <= concurrency

    deaf = mock("faults=silent")
    process = start_confab("run", name, "--fresh", "-j", concurrency, "--drain", "0", server=deaf)
    wait_for_arrivals(process, deaf, concurrency)
    process.signal()
    assert process.wait() == 130, process.output
    assert deaf.stop()["peak_in_flight"] == concurrency


def test_stop_on_error_begins_nothing_after_the_first_failure(mock, run_confab, pipeline, query, states):
    server = mock("faults=400@2")
    result = run_confab("run", pipeline("""
        local run = confab.run { items = items, template = chat, concurrency = 1, stop_on_error = true }
        print(run.state)"""), server=server)
    assert (result.code, result.out) == (1, "stopped\n"), result
    assert sent(server) == 2
    assert states() == {"done": 1, "failed": 1, "pending": 4} or states() == {"done": 1, "failed": 1}
    assert run_confab("run", pipeline(RUN), server=mock()).code == 0
    assert states() == {"done": 6}


def test_tries_asks_again_for_what_does_not_parse_and_logs_each(mock, run_confab, pipeline, query):
    server = mock("faults=malformed:empty_messages_array@1-2")
    result = run_confab("run", pipeline("confab.run { items = items:take(1), template = chat, tries = 3 }"),
                        server=server)
    assert result.code == 0, result
    assert sent(server) == 3
    logs = query("select status, error_kind from generation_logs order by id")
    assert [row["status"] for row in logs if row["status"] != "success"] == ["rejected"] * 2
    assert all(row["error_kind"] for row in logs if row["status"] == "rejected")
    assert query("select count(*) as n, sum(cost_pico > 0) as paid from calls") == [{"n": 3, "paid": 3}]
    assert query("select cost_usd from conversation_view")[0]["cost_usd"] == pytest.approx(
        query("select spent_usd from run_view")[0]["spent_usd"])


def test_the_first_failure_is_told_and_all_are_counted(mock, run_confab, pipeline):
    result = run_confab("run", pipeline(), "--quiet", "--db", "my data.db", "--concurrency", "1",
                        server=mock("faults=400@1;400@3"))
    assert result.code == 1, result
    first, last = result.err.splitlines()
    assert first.startswith('warning: item {"persona":"Ann","topic":"tea","turns":8} failed: HTTP 400, bad request: ')
    assert re.fullmatch(r'warning: run "pipeline": 2 of 6 items failed: 2 × api_error; '
                        r'"confab show pipeline --db \'my data.db\'" tells more', last), last


MISTAKES = """
    local run = confab.run { name = "mistakes", items = { 1, 2, 3, 4, 5, 6, 7, 8 }, concurrency = 1, step = function(n)
      if n <= 3 then error("no place for " .. n) end
      if n == 4 then error { kind = "mine" } end
      local function deeper() return n.name.length end
      local length = deeper()
      return length
    end }
    for _, failure in ipairs(run:failures()) do print(failure.count, failure.kind, failure.message) end
    print(run.summary)
"""


def test_failures_are_counted_by_what_they_say(run_confab, script):
    result = run_confab("run", script(MISTAKES), "--simulate")
    assert result.code == 1, result
    lines = result.out.splitlines()
    assert lines[0].startswith("4\tscript_error\tpipeline.lua:6: attempt to index a number value")
    assert lines[1] == "3\tscript_error\tpipeline.lua:4: no place for 1"
    assert lines[2].startswith("1\tscript_error\t")
    assert "  3 × script_error, such as pipeline.lua:4: no place for 1" in lines
    assert "8 of 8 items failed: 4 × script_error, such as pipeline.lua:6: attempt to" in result.err
    shown = run_confab("show", "mistakes")
    key = re.search("3 x script_error, first at (\\S+):", shown.out).group(1)
    item = run_confab("show", key)
    assert item.code == 0 and "no place for 1" in item.out, item


def test_verbose_tells_each_failure_with_its_traceback(run_confab, script):
    name = script(MISTAKES)
    told = run_confab("run", name, "--simulate", "--verbose").err
    assert told.count(" failed: pipeline.lua:") == 7, told
    assert told.count("pipeline.lua:6: in local 'deeper'") == 4, told
    assert run_confab("run", name, "--simulate", "--fresh").err.count(" failed: pipeline.lua:") == 1


def test_on_item_and_on_retry_are_called(mock, run_confab, pipeline):
    result = run_confab("run", pipeline("""
        confab.run {
          items = items:take(2), template = chat, concurrency = 1,
          on_item = function(r) print("item", r.item.topic, r.state, #r.conversations, r.key ~= nil) end,
          on_retry = function(attempt, err, delay) print("retry", attempt, err.kind, err.status, delay) end,
        }"""), server=mock("faults=500@1-2"))
    assert result.code == 0, result
    assert result.out.splitlines() == [
        "retry\t1\tapi_error\t500\t1", "retry\t2\tapi_error\t500\t2",
        "item\ttea\tdone\t1\ttrue", "item\tcats\tdone\t1\ttrue"]


def test_a_step_gives_nothing_one_conversation_or_several(mock, run_confab, pipeline, query):
    result = run_confab("run", pipeline("""
        local run = confab.run { items = items:take(3), step = function(item)
          if item.topic == "tea" then return nil end
          local conv = confab.generate { template = chat, params = item }
          if item.topic == "cats" then return conv end
          conv:tag("kind", "first")
          return { conv, confab.generate { template = chat, params = item, topic = "other" } }
        end }
        print(run.summary)"""), server=mock())
    assert result.code == 0, result
    assert "3 planned = 2 accepted + 0 needs revision + 0 failed + 0 pending + 1 skipped" in result.out
    assert query("select topic, part from conversation_view order by ordinal, part") == [
        {"topic": "cats", "part": 1}, {"topic": "dogs", "part": 1}, {"topic": "other", "part": 2}]
    assert query("select ordinal, count(*) as n from calls group by ordinal") == [
        {"ordinal": 0, "n": 2}, {"ordinal": 1, "n": 1}]
    assert query("select name, value from tags") == [{"name": "kind", "value": "first"}]


def test_calls_of_the_main_chunk_are_stored_and_replayed(mock, run_confab, pipeline, query):
    server = mock()
    name = pipeline("""
        local reply = confab.ask { prompt = "Name a kind of tea." }
        local conv = confab.generate { template = chat, params = { persona = "Ann", topic = "tea", turns = 8 } }
        print(reply.text, conv.id, conv.status, #conv.turns)""")
    first = run_confab("run", name, server=server)
    assert first.code == 0, first
    assert sent(server) == 2 and count(query, "conversations") == 1
    second = run_confab("run", name, server=server)
    assert (second.code, second.out) == (0, first.out), second
    assert sent(server) == 2 and count(query, "conversations") == 1


def test_random_numbers_and_pairs_are_the_same_in_every_process(run_confab, script):
    name = script("""
        local t = {}
        for i = 1, 50 do t["key" .. i] = i end
        local keys = {}
        for key in pairs(t) do keys[#keys + 1] = key end
        print(table.concat(keys, " "), math.random(1 << 40), math.random(), math.random(6))""")
    first = run_confab("run", name)
    assert first.code == 0, first
    assert first.out == run_confab("run", name).out
    keys = first.out.split("\t")[0].split()
    assert keys == sorted(keys)


def test_random_numbers_of_a_step_depend_on_its_item_only(mock, run_confab, pipeline):
    lua = """
        local drawn = {}
        confab.run { items = items, concurrency = %d, step = function(item)
          confab.ask { prompt = item.persona .. item.topic }
          drawn[#drawn + 1] = item.persona .. item.topic .. math.random(1 << 40)
        end }
        table.sort(drawn)
        print(table.concat(drawn, " "))"""
    server = mock("latency=uniform:0:20")
    outputs = {run_confab("run", pipeline(lua % n), server=server, timeout=20).out for n in (1, 6)}
    assert len(outputs) == 1


def test_arguments_reach_the_script(run_confab, script):
    name = script("print(#arg, arg[0], arg[1], arg[2], ...)")
    result = run_confab("run", name, "one", "--", "--limit")
    assert (result.code, result.out) == (0, "2\tpipeline.lua\tone\t--limit\tone\t--limit\n"), result


def test_os_exit_ends_in_good_order_with_its_status(mock, run_confab, pipeline, states):
    result = run_confab("run", pipeline(RUN + "io.write('no newline')\nos.exit(3)"), server=mock())
    assert result.code == 3, result
    assert result.out.endswith("no newline")
    assert states() == {"done": 6}


def test_a_shebang_line_is_skipped(run_confab, write):
    write("x.lua", "#!/usr/bin/env -S confab run\nprint(debug.getinfo(1, 'l').currentline)\n")
    assert run_confab("run", "x.lua").out == "2\n"


def test_the_mark_that_some_editors_begin_a_file_with_is_skipped(mock, run_confab, write):
    write(".env", f"\ufeffANTHROPIC_API_KEY={KEY}\r\nANTHROPIC_API_BASE_URL={mock('', '--api-key', KEY).url}\r\n")
    write("x.lua", '\ufeffprint(require "confab".ask { prompt = "Hello." }.stop_reason)\n')
    result = run_confab("run", "x.lua")
    assert (result.code, result.out) == (0, "end_turn\n"), result


# --- settings ---

def models_asked(server):
    return [row["model"] for row in server.arrivals() if row["event"] == "arrival"]


def test_a_flag_beats_setup_beats_the_environment_beats_dotenv(mock, run_confab, script, write):
    server = mock()
    bare = 'confab.ask { prompt = "Hello." }'
    write(".env", 'export ANTHROPIC_MODEL="claude-haiku-5-5"   # the cheap one\n')
    steps = [
        ({}, bare, [], "claude-haiku-5-5"),
        ({"ANTHROPIC_MODEL": "claude-opus-5-5"}, bare, [], "claude-opus-5-5"),
        ({"ANTHROPIC_MODEL": "claude-opus-5-5"},
         'confab.setup { model = "claude-sonnet-5-5" }\n' + bare, [], "claude-sonnet-5-5"),
        ({"ANTHROPIC_MODEL": "claude-sonnet-5-5"},
         'confab.setup { model = "claude-sonnet-5-5" }\n' + bare,
         ["--model", "claude-haiku-5-5"], "claude-haiku-5-5"),
    ]
    for env, lua, flags, expected in steps:
        result = run_confab("run", script(lua), "--fresh", *flags, server=server, env=env)
        assert result.code == 0, result
        assert models_asked(server)[-1] == expected


def test_key_and_address_come_from_dotenv(mock, run_confab, pipeline, write, states):
    server = mock("", "--api-key", KEY)
    write(".env", f"# ours\nANTHROPIC_API_KEY='{KEY}'\n\nANTHROPIC_API_BASE_URL={server.url}/v1\n")
    result = run_confab("run", pipeline())
    assert result.code == 0, result
    assert states() == {"done": 6}


@pytest.mark.parametrize("variable, path", [
    ("ANTHROPIC_BASE_URL", ""), ("ANTHROPIC_BASE_URL", "/v1"), ("ANTHROPIC_BASE_URL", "/v1/"),
    ("ANTHROPIC_API_BASE_URL", ""), ("ANTHROPIC_API_BASE_URL", "/"),
])
def test_the_address_works_with_and_without_v1(mock, run_confab, pipeline, states, variable, path):
    result = run_confab("run", pipeline(), env={"ANTHROPIC_API_KEY": KEY, variable: mock().url + path})
    assert result.code == 0, result
    assert states() == {"done": 6}


def test_the_flag_for_the_address_beats_the_environment(mock, run_confab, pipeline):
    wrong, right = mock(), mock()
    result = run_confab("run", pipeline(), "--base-url", right.url, server=wrong)
    assert result.code == 0, result
    assert (sent(wrong), sent(right)) == (0, 6)


def test_the_database_is_named_by_flag_setup_or_environment(mock, run_confab, pipeline, folder):
    server = mock()
    for lua, flags, env, expected in [
        ("", [], {}, "confab.db"),
        ("", [], {"CONFAB_DB": "env.db"}, "env.db"),
        ('confab.setup { db = "setup.db" }\n', [], {"CONFAB_DB": "env.db"}, "setup.db"),
        ('confab.setup { db = "setup.db" }\n', ["--db", "flag.db"], {}, "flag.db"),
    ]:
        for path in folder.glob("*.db"):
            path.unlink()
        result = run_confab("run", pipeline(lua + RUN), *flags, server=server, env=env)
        assert result.code == 0, result
        assert [path.name for path in folder.glob("*.db")] == [expected]


# --- interrupted ---

def resume_command(process):
    line = next(line for line in process.lines if "go on with: " in line)
    return shlex.split(line.partition("go on with: confab ")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_awaits_what_is_in_flight_and_sends_nothing_new(mock, start_confab, run_confab, pipeline,
                                                                query, states, number):
    server, name = mock("latency=fixed:200"), pipeline()
    process = start_confab("run", name, "--concurrency", "2", server=server)
    wait_for_arrivals(process, server, 2)
    process.signal(number)
    assert process.wait() == 130, process.output
    assert sent(server) == 2
    assert query("select state, count(*) as n from calls group by state") == [{"state": "done", "n": 2}]
    assert query("select state from runs") == [{"state": "interrupted"}]
    assert set(states()) <= {"done", "pending"}
    assert query("select sum(at_risk_pico) as n from calls") == [{"n": 0}]
    done = states().get("done", 0)
    assert f'run "pipeline": {done} of 6 items are done, 0 of them failed; $' in process.output

    quick = mock()
    result = run_confab(*resume_command(process), server=quick)
    assert result.code == 0, result
    assert (f"  {done} were there already, {6 - done} calls were sent\n" in result.out) == (done > 1)
    assert states() == {"done": 6} and sent(quick) == 4


def test_a_second_signal_gives_up_what_is_in_flight_and_books_it(mock, start_confab, run_confab, pipeline,
                                                                 query, states):
    server, name = mock("faults=silent"), pipeline()
    process = start_confab("run", name, "--concurrency", "2", server=server)
    wait_for_arrivals(process, server, 2)
    process.signal()
    process.wait_for("waiting for 2 replies worth up to ")
    process.signal()
    assert process.wait() == 130, process.output
    calls = query("select state, at_risk_pico, bound_pico from calls")
    assert len(calls) == 2
    assert all(call["at_risk_pico"] == call["bound_pico"] > 0 for call in calls)
    at_risk = query("select at_risk_usd as usd from run_view")[0]["usd"]
    assert at_risk == pytest.approx(sum(call["bound_pico"] for call in calls) / 1e12)
    assert set(states()) == {"pending"}

    result = run_confab("run", name, server=mock())
    assert result.code == 0, result
    assert states() == {"done": 6}
    assert query("select at_risk_usd as usd from run_view")[0]["usd"] == at_risk


WAITING = {
    "for a retry": ("faults=500", "retry = { base_delay_ms = 300000 }", 6),
    "in the queue of the limiter": ("", "limits = { max_requests = 1 }", 1),
    "after a 429": ("rpm=1", "limits = { max_requests = 100000 }", 2),
}


@pytest.mark.parametrize("what", WAITING)
def test_calls_that_only_wait_do_not_keep_an_interrupted_run(mock, start_confab, run_confab, pipeline,
                                                             query, states, what):
    spec, setup, arrivals = WAITING[what]
    server, name = mock(spec), pipeline(f"confab.setup {{ {setup} }}\n" + RUN)
    process = start_confab("run", name, server=server)
    while sum(row["event"] == "end" for row in server.arrivals()) < arrivals:
        assert process.process.poll() is None, process.output
    process.signal()
    assert process.wait() == 130, process.output
    assert query("select coalesce(sum(at_risk_pico), 0) as n from calls") == [{"n": 0}]
    assert set(states()) <= {"done", "pending"}

    result = run_confab("run", pipeline(RUN), server=mock())
    assert result.code == 0, result
    assert states() == {"done": 6}


def test_drain_0_gives_up_at_once(mock, start_confab, pipeline, query):
    server = mock("faults=silent")
    process = start_confab("run", pipeline(), "--drain", "0", server=server)
    wait_for_arrivals(process, server, 6)
    process.signal()
    assert process.wait() == 130, process.output
    assert query("select count(*) as n from calls where at_risk_pico > 0") == [{"n": 6}]


def test_a_script_that_computes_is_interrupted_too(start_confab, script):
    process = start_confab("run", script('print "begun"\nio.stdout:flush()\nwhile true do pcall(function() end) end'))
    process.wait_for("begun")
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)       # two of a kind may arrive as one
    assert process.wait() == 130, process.output


def test_a_killed_run_goes_on_and_asks_for_no_stored_reply_again(mock, start_confab, run_confab, pipeline,
                                                                 query, states):
    server, name = mock("latency=fixed:20,faults=silent@5-6"), pipeline()
    process = start_confab("run", name, server=server)
    while len(server.arrivals()) < 1 + 6 + 4:                  # four are answered
        assert process.process.poll() is None, process.output
    process.signal(signal.SIGKILL)
    process.wait()
    stored = query("select count(*) as n from calls where state = 'done'")[0]["n"]

    quick = mock()
    result = run_confab("run", name, server=quick)
    assert result.code == 0, result
    assert states() == {"done": 6}
    assert sent(quick) == 6 - stored
    assert " an unknown outcome, worth up to $" in result.err
    assert query("select at_risk_usd > 0 as lost from run_view") == [{"lost": 1}]


def test_more_than_a_thousand_replies_at_once_arrive_whole(mock, run_confab, script, query):
    server = mock(f"rpm=1000000,latency=fixed:{2000 * confab_process.SLOWED}")    # longer than sending them takes
    result = run_confab("run", script('''
        confab.setup { limits = { max_requests = 1000000, pacing = "burst" } }
        local chat = confab.template { name = "chat", prompt = "A chat of 12 turns about {{topic}}, as JSON." }
        local items = {}
        for i = 1, 1200 do items[i] = { topic = "topic " .. i } end
        confab.run { name = "many", items = items, template = chat, concurrency = 1200 }
    '''), server=server, timeout=120)
    assert result.code == 0, result
    assert query("SELECT count(*) AS n FROM conversations WHERE NOT truncated") == [{"n": 1200}]
    assert server.stop()["peak_in_flight"] > 1000
