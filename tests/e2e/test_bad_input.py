"""Bad input: the message names what is wrong, the exit code says what kind of trouble it is, and
the database has lost nothing."""
import contextlib
import http.server
import os
import pathlib
import re
import resource
import sqlite3
import threading

import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
local items = confab.list { { topic = "tea" }, { topic = "cats" }, { topic = "dogs" } }
"""
FIRST_LINE = 1 + PRELUDE.count("\n")     # of what a test adds; `local confab = ...` stands above
RUN = "local run = confab.run { items = items, template = chat }\nprint(run.summary)\n"
CSV = 'confab.run { items = confab.csv "in.csv", template = chat }'
REAL = {"ANTHROPIC_API_KEY": "sk-ant-test-key-0000", "https_proxy": "http://127.0.0.1:9"}

# Without the right to pass over permissions, which root has.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []


def sent(server):
    """How many requests have arrived."""
    return sum(row["event"] == "arrival" for row in server.arrivals())


@pytest.fixture
def pipeline(script):
    """pipeline(lua): a script of the prelude and that; gives its name."""
    return lambda lua=RUN: script(PRELUDE.lstrip("\n") + lua)


@pytest.fixture
def states(query):
    """states() -> {state: number of items}"""
    return lambda: {row["state"]: row["n"] for row in
                    query("select state, count(*) as n from items group by state")}


def check_message(result, code, fragments):
    assert result.code == code, result
    for fragment in fragments:
        assert fragment in result.err, f"no {fragment!r} in: {result}"
    assert "PANIC" not in result.err and "\tconfab/" not in result.err, result


# --- mistakes that are found before anything is sent ---

LINE = f"pipeline.lua:{FIRST_LINE}: "

NOTHING_SENT = {
    # misspelt options
    "run": ("confab.run { itmes = items, template = chat }", 2,
            [LINE, 'unknown option "itmes"', 'did you mean "items"?']),
    "template": ('confab.template { name = "a", promt = "b" }', 2,
                 [LINE, 'unknown option "promt"', 'did you mean "prompt"?']),
    "setup": ("confab.setup { limts = {} }", 2,
              [LINE, 'unknown option "limts"', 'did you mean "limits"?']),
    "limits": ("confab.setup { limits = { max_request = 5 } }", 2,
               [LINE, 'unknown option "max_request"', 'did you mean "max_requests"?']),
    "generate": ("confab.generate { template = chat, params = items, temprature = 1 }", 2,
                 [LINE, 'unknown option "temprature"', 'did you mean "temperature"?']),
    "ask": ('confab.ask { promtp = "x" }', 2, [LINE, 'did you mean "prompt"?']),
    # wrong types and values
    "items": ("confab.run { items = 5, template = chat }", 2, [LINE, "items must be a table", "not 5"]),
    "concurrency": ('confab.run { items = items, template = chat, concurrency = "lots" }', 2,
                    [LINE, 'concurrency must be a number or "auto", not "lots"']),
    "text as template": ('confab.run { items = items, template = "chat" }', 2,
                         [LINE, "template must come from confab.template"]),
    "function as score": (
        "confab.run { items = items, template = chat, score = function() return 5 end }", 2,
        [LINE, "score must come from confab.scoring or confab.rule"]),
    "template and step": ("confab.run { items = items, template = chat, step = print }", 2,
                          [LINE, "either template or step"]),
    "max_requests": ('confab.setup { limits = { max_requests = "many" } }', 2,
                     [LINE, 'max_requests must be a whole number, not "many"']),
    "temperature": ('confab.template { name = "a", prompt = "b", temperature = 1.5 }', 2,
                    [LINE, "temperature must be from 0 to 1, not 1.5"]),
    "temperature of a call": ('confab.ask { prompt = "x", temperature = 1.5 }', 2,
                              [LINE, "temperature must be from 0 to 1, not 1.5"]),
    "max_tokens 0": ('confab.template { name = "a", prompt = "b", max_tokens = 0 }', 2,
                     [LINE, "max_tokens must be at least 1, not 0"]),
    "max_tokens beyond the model": (
        'local big = confab.template { name = "big", prompt = "b", max_tokens = 10000000 }\n'
        "confab.run { items = items, template = big }", 2,
        ['template "big": max_tokens is 10000000', "claude-sonnet-5-5 takes at most 128000"]),
    "max_tokens of a call": ('confab.ask { prompt = "x", max_tokens = 10000000 }', 2,
                             ["max_tokens is 10000000", "takes at most 128000"]),
    "unknown model": ('confab.setup { model = "claude-sonet-5-5" }\n' + RUN, 2,
                      ['unknown model "claude-sonet-5-5"', 'did you mean "claude-sonnet-5-5"?']),
    "template text": ('confab.template { name = "a", prompt = "Hello {{name" }', 2,
                      [LINE, 'template "a"', "line 1, column"]),
    # input files
    "file that is not there": (CSV.replace("in.csv", "nope.csv"), 2,
                               ["nope.csv: No such file or directory"]),
    "folder as file": (CSV.replace("in.csv", "."), 2, [".: this is a directory, not a file"]),
    "no items": ("confab.run { items = {}, template = chat }", 2,
                 ['run "pipeline": there are no items']),
    # functions of the script
    "where": ("confab.run { template = chat, items = confab.sweep { topic = { 'a' } }\n"
              "  :where(function(p) return p.nope.x end) }", 5,
              [f"pipeline.lua:{FIRST_LINE + 1}:", 'where failed for {"topic":"a"}', "field 'nope'"]),
    "filter": ("confab.run { template = chat, items = items:filter(function(p) return p.nope.x end) }", 5,
               [LINE, 'filter failed for {"topic":"tea"}', "field 'nope'"]),
    "map": ("confab.run { template = chat, items = items:map(function(p) return p.nope.x end) }", 5,
            [LINE, 'map failed for {"topic":"tea"}', "field 'nope'"]),
    "map that gives nothing": ("confab.run { template = chat, items = items:map(function() end) }", 5,
                               ["map: the function returned nothing for", ":filter"]),
    "key": ("confab.run { template = chat, items = items, key = function(p) return p.nope.x end }", 5,
            [LINE, 'key failed for {"topic":"tea"}', "field 'nope'"]),
    # the script itself
    "syntax": ("local x = = 5", 5, [LINE, "unexpected symbol near '='"]),
    "runtime": ("local x\nlocal function f() return x.y end\nf()", 5,
                [f"pipeline.lua:{FIRST_LINE + 1}: attempt to index a nil value", "stack traceback:",
                 "in local 'f'", f"pipeline.lua:{FIRST_LINE + 2}: in main chunk"]),
    "module": ('require "nope"', 5, ["module 'nope' not found"]),
    "error value": ("error { code = 7 }", 5, ["an error table without a message"]),
}


@pytest.mark.parametrize("name", NOTHING_SENT)
def test_a_mistake_is_found_before_anything_is_sent(mock, run_confab, pipeline, folder, query, name):
    lua, code, fragments = NOTHING_SENT[name]
    server = mock()
    check_message(run_confab("run", pipeline(lua), server=server), code, fragments)
    assert sent(server) == 0
    if (folder / "confab.db").exists():
        assert query("select count(*) as n from calls") == [{"n": 0}]


INPUT = {
    "empty": (b"", "in.csv: the file is empty"),
    "header only": (b"topic\n", "in.csv: the file has no records"),
    "invalid UTF-8": (b"topic\ntea\nca\xfft\n", "in.csv:3: invalid UTF-8: byte 0xFF at byte 12"),
    "ragged": (b"topic,x\ntea,1\ncats\n", "in.csv:3: found 1 field where the header has 2"),
    "open quote": (b'topic\n"tea\n', "in.csv:2: "),
}


@pytest.mark.parametrize("name", INPUT)
def test_a_bad_csv_is_told_with_its_line(mock, run_confab, pipeline, write, name):
    content, message = INPUT[name]
    write("in.csv", content)
    server = mock()
    check_message(run_confab("run", pipeline(CSV), server=server), 2, [message])
    assert sent(server) == 0


def test_a_bad_line_far_down_loses_nothing_of_what_came_before(mock, run_confab, pipeline, write,
                                                               query, states):
    rows = "".join(f"topic {n}\n" for n in range(100))
    write("in.csv", f"topic\n{rows}".encode() + b"ca\xfft\nlast\n")
    server, name = mock(), pipeline(CSV.replace("chat }", "chat, concurrency = 4 }"))
    check_message(run_confab("run", name, server=server), 2, ["in.csv:102: invalid UTF-8"])
    stored = states().get("done", 0)
    assert query("select count(*) as n from conversations") == [{"n": stored}]

    before = sent(server)
    write("in.csv", f"topic\n{rows}last\n")
    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    assert states() == {"done": 101}
    assert sent(server) <= before + 101 - stored


def test_a_bad_line_of_jsonl_is_told_with_its_column(run_confab, pipeline, write):
    write("in.jsonl", '{"topic":"a"}\n{"topic":}\n')
    lua = 'confab.run { items = confab.jsonl "in.jsonl", template = chat }'
    check_message(run_confab("run", pipeline(lua), "--simulate"), 2, ["in.jsonl:2: bad JSON: column 10"])


def test_two_items_with_one_key_are_both_named(mock, run_confab, pipeline):
    lua = 'confab.run { items = items, template = chat, key = function() return "same" end }'
    result = run_confab("run", pipeline(lua), server=mock())
    check_message(result, 2, ['two items have the key "same"', '{"topic":"tea"}', '{"topic":"cats"}'])


def test_a_retired_model_is_refused_at_the_providers_own_address(run_confab, pipeline, query):
    result = run_confab("run", pipeline(), "--model", "claude-3-opus-20240229", env=REAL)
    check_message(result, 2, ['model "claude-3-opus-20240229" was retired', 'use "claude-opus-5-5"'])
    assert query("select count(*) as n from calls") == [{"n": 0}]


def test_a_retired_model_may_be_asked_for_elsewhere(mock, run_confab, pipeline):
    result = run_confab("run", pipeline(), "--model", "claude-3-opus-20240229", server=mock())
    assert result.code == 0, result


def test_an_address_that_is_none_is_refused(run_confab, pipeline, folder):
    for url in ("foo bar", "ftp://x/v1", "127.0.0.1:80", "http://"):
        result = run_confab("run", pipeline(), env=REAL | {"ANTHROPIC_API_BASE_URL": url})
        check_message(result, 2, [f'the base URL "{url}" is no http or https address'])
        assert not (folder / "confab.db").exists()


# --- mistakes that an item meets ---

ITEM_FAILS = {
    "variable without a value": (
        'local t = confab.template { name = "t", prompt = "x {{topc}}" }\n'
        "print(confab.run { items = items, template = t }.summary)", "config_error",
        ['no value for "topc"; did you mean "topic"?', 'template "t" (prompt), line 1']),
    "table as text": (
        'print(confab.run { items = items:map(function() return { topic = { "a", "b" } } end),'
        " template = chat, key = function() N = (N or 0) + 1 return N end }.summary)", "config_error",
        ['"topic" is a list, which has no text']),
    "error in a step": (
        "print(confab.run { items = items, step = function(item) return item.nope.x end }.summary)",
        "script_error", [LINE + "attempt to index a nil value (field 'nope')"]),
    "wrong result of a step": (
        "print(confab.run { items = items, step = function() return 5 end }.summary)", "script_error",
        ["the step must return a conversation, a list of them, or nothing, not a number"]),
    "item as result of a step": (
        "print(confab.run { items = items, step = function(item) return item end }.summary)",
        "script_error", ["the step must return a conversation", "not a table of names"]),
    "misspelt option in a step": (
        'print(confab.run { items = items, step = function() confab.ask { promt = "x" } end }.summary)',
        "config_error", ['did you mean "prompt"?', LINE]),
    "function of a template": (
        'local t = confab.template { name = "t", prompt = function(p) return p.nope.x end }\n'
        "print(confab.run { items = items, template = t }.summary)", "script_error",
        ['template "t": prompt failed for', "field 'nope'"]),
}


@pytest.mark.parametrize("name", ITEM_FAILS)
def test_a_mistake_that_items_meet_is_told_once_and_the_run_goes_on(mock, run_confab, pipeline, query,
                                                                    name):
    lua, kind, fragments = ITEM_FAILS[name]
    server = mock()
    result = run_confab("run", pipeline(lua), server=server)
    check_message(result, 1, [*fragments, "warning: ", "3 of 3 items failed"])
    assert result.err.count(fragments[0]) == 1, result
    assert "3 planned = 0 accepted + 0 needs revision + 3 failed + 0 pending + 0 skipped" in result.out
    assert query("select distinct state, error_kind from items") == [
        {"state": "failed", "error_kind": kind}]
    assert fragments[0] in query("select error_message as m from items")[0]["m"]
    assert sent(server) == 0


def test_one_bad_item_leaves_the_others_alone(mock, run_confab, pipeline, states):
    result = run_confab("run", pipeline("""
        print(confab.run { items = items, step = function(item)
          if item.topic == "cats" then error "no cats" end
          return confab.generate { template = chat, params = item }
        end }.summary)"""), server=mock())
    check_message(result, 1, ['item {"topic":"cats"} failed: ', "no cats", "1 of 3 items failed"])
    assert states() == {"done": 2, "failed": 1}
    assert "3 planned = 2 accepted + 0 needs revision + 1 failed" in result.out


def test_once_the_mistake_is_mended_the_failed_items_go_on(mock, run_confab, pipeline, states):
    lua = 'local t = confab.template { name = "t", prompt = "Write a chat of 8 turns about {{%s}}." }\n' \
          "confab.run { items = items, template = t }"
    server = mock()
    assert run_confab("run", pipeline(lua % "topc"), server=server).code == 1
    result = run_confab("run", pipeline(lua % "topic"), server=server)
    assert result.code == 0, result
    assert states() == {"done": 3}


def test_an_error_in_a_rule_stands_in_the_breakdown(mock, run_confab, pipeline, query):
    result = run_confab("run", pipeline("""
        print(confab.run { items = items, template = chat, score = confab.scoring.default + confab.rule {
          name = "broken", points = 1, check = function(conv) error "rule broke" end } }.summary)"""),
                        server=mock())
    check_message(result, 0, ['warning: rule "broken" gives no points: pipeline.lua:', "rule broke"])
    assert result.err.count("rule broke") == 1, result
    rows = query("select status, quality_breakdown as b from conversations")
    assert len(rows) == 3
    assert all("broken" in row["b"] and "rule broke" in row["b"] for row in rows)


def test_an_error_in_on_item_ends_the_run_with_all_replies_stored(mock, run_confab, pipeline, query):
    server = mock()
    result = run_confab("run", pipeline(
        'confab.run { items = items, template = chat, on_item = function() error "no more" end }'),
        server=server)
    check_message(result, 5, [LINE + "no more"])
    assert "traceback" not in result.err    # it would only say the same line
    assert query("select count(*) as n from calls where state = 'done'") == [
        {"n": sent(server)}]


def test_an_error_in_on_retry_is_a_warning(mock, run_confab, pipeline, states):
    result = run_confab("run", pipeline(
        'confab.run { items = items, template = chat, on_retry = function() error "no more" end }'),
        server=mock("faults=500@1"))
    check_message(result, 0, ["warning: on_retry: " + LINE + "no more"])
    assert states() == {"done": 3}


@pytest.mark.parametrize("target", ["nope/out.jsonl", "taken"])
def test_an_export_that_cannot_be_written_keeps_the_database(mock, run_confab, pipeline, folder, states,
                                                             target):
    (folder / "taken").mkdir()
    result = run_confab("run", pipeline(
        f'confab.run {{ items = items, template = chat }}:export("{target}")'), server=mock())
    check_message(result, 2, [target])
    assert states() == {"done": 3}
    assert not (folder / "out.jsonl").exists() and list((folder / "taken").iterdir()) == []


# --- the command line ---

WORDS = {
    "no script": (["run"], ["confab run SCRIPT.lua"]),
    "folder": (["run", "."], [".: Is a directory"]),
    "missing": (["run", "nope.lua"], ["nope.lua: No such file or directory"]),
    "--limit 0": (["run", "pipeline.lua", "--limit", "0"], ["--limit", "'0' is not a whole number from 1"]),
    "--simulate=nonsense": (["run", "pipeline.lua", "--simulate=nonsense"],
                            ['--simulate', 'no field "nonsense"', "rpm", "latency"]),
    "--simulate=rpm=x": (["run", "pipeline.lua", "--simulate=rpm=x"], ["--simulate", "rpm"]),
    "unknown flag": (["run", "pipeline.lua", "--concurency", "5"],
                     ["unknown option --concurency", "did you mean --concurrency?"]),
    "no value": (["run", "pipeline.lua", "--model"], ["--model needs a value"]),
    "no number": (["run", "pipeline.lua", "--concurrency", "x"], ["--concurrency: 'x' is not a whole number"]),
    "--progress": (["run", "pipeline.lua", "--progress", "loud"], ["--progress", "bar, plain, json", "'loud'"]),
    "command": (["rum", "pipeline.lua"], ["rum", "run"]),
}


@pytest.mark.parametrize("name", WORDS)
def test_wrong_use_is_told_before_the_script_runs(run_confab, script, folder, name):
    script('print "it ran"')
    words, fragments = WORDS[name]
    result = run_confab(*words)
    check_message(result, 2, fragments)
    assert result.out == "" and not (folder / "confab.db").exists()


# --- the key ---

def test_without_a_key_it_says_how_to_set_one(run_confab, pipeline, folder):
    result = run_confab("run", pipeline())
    check_message(result, 2, ["AI service not configured", "ANTHROPIC_API_KEY", ".env", "--simulate"])
    assert len(result.err.splitlines()) == 1
    assert not (folder / "confab.db").exists()


def test_a_key_that_names_an_unset_variable_is_told(run_confab, pipeline):
    lua = 'confab.setup { keys = { { name = "team", env = "TEAM_KEY" } } }\n' + RUN
    check_message(run_confab("run", pipeline(lua)), 2,
                  ["AI service not configured", '"team"', "TEAM_KEY"])


@pytest.mark.parametrize("key", ["sk-ant\r\nX-Evil: 1", "sk ant", "sk-änt", " "])
def test_a_key_that_cannot_be_one_is_refused(mock, run_confab, pipeline, key):
    server = mock()
    result = run_confab("run", pipeline(), server=server, env={"ANTHROPIC_API_KEY": key})
    check_message(result, 2, ['key "ANTHROPIC_API_KEY" is not usable'])
    assert sent(server) == 0 and "sk" not in result.err


def test_a_line_break_behind_a_key_is_no_part_of_it(mock, run_confab, pipeline):
    server = mock("", "--api-key", "sk-ant-right-key")
    result = run_confab("run", pipeline(), server=server, env={"ANTHROPIC_API_KEY": "sk-ant-right-key\n"})
    assert result.code == 0, result


def test_a_bad_key_is_told_once_and_the_right_one_goes_on(mock, run_confab, pipeline, query, states):
    server = mock("", "--api-key", "sk-ant-right-key")
    name = pipeline()
    result = run_confab("run", name, server=server, env={"ANTHROPIC_API_KEY": "sk-ant-wrong-key"})
    check_message(result, 4, ["HTTP 401, key not accepted", '"ANTHROPIC_API_KEY"', "confab run pipeline.lua"])
    assert result.err.count("401") == 1, result
    assert "wrong-key" not in result.err
    assert states() == {"pending": 3}
    assert query("select state from runs") == [{"state": "failed"}]
    assert {row["status"] for row in server.arrivals() if "status" in row} == {401}

    result = run_confab("run", name, server=server, env={"ANTHROPIC_API_KEY": "sk-ant-right-key"})
    assert result.code == 0, result
    assert states() == {"done": 3}


def test_of_two_keys_the_bad_one_leaves_the_run(mock, run_confab, pipeline, states):
    server = mock("", "--api-key", "sk-ant-right-key")
    result = run_confab("run", pipeline("""
        confab.setup { keys = { { name = "old", value = "sk-ant-wrong-key" },
                                { name = "new", value = "sk-ant-right-key" } } }
        """ + RUN), server=server)
    check_message(result, 0, ['key "old" is taken out of the run: HTTP 401'])
    assert result.err.count("401") == 1, result
    assert "wrong-key" not in result.err and "right-key" not in result.err
    assert states() == {"done": 3}


KEY_OUT = {"402": "HTTP 402, payment needed", "403": "HTTP 403, key not allowed",
           "spend_cap": "HTTP 429, spend limit reached"}


@pytest.mark.parametrize("fault", KEY_OUT)
def test_a_key_without_money_or_rights_stops_the_run(mock, run_confab, pipeline, states, fault):
    name = pipeline()
    result = run_confab("run", name, server=mock(f"faults={fault}"))
    check_message(result, 4, [KEY_OUT[fault], "confab run pipeline.lua"])
    assert result.err.count(KEY_OUT[fault]) == 1, result
    assert states() == {"pending": 3}
    assert run_confab("run", name, server=mock()).code == 0
    assert states() == {"done": 3}


# --- the way to the service ---

UNREACHABLE = {"http://127.0.0.1:9/v1": ["connection refused", "127.0.0.1:9"],
               "http://no-such-host.invalid/v1": ["host name not found", "no-such-host.invalid"]}


@pytest.mark.parametrize("url", UNREACHABLE)
def test_an_unreachable_host_stops_the_run_and_fails_no_item(mock, run_confab, pipeline, query, states, url):
    name = pipeline(RUN.replace("template = chat", "template = chat, max_outage = 1"))
    result = run_confab("run", name, env={"ANTHROPIC_API_KEY": "sk-ant-key", "ANTHROPIC_API_BASE_URL": url})
    check_message(result, 4, ["could not be reached for", "max_outage", *UNREACHABLE[url]])
    assert f"{url} cannot be reached: " in result.err
    assert states() == {"pending": 3}
    assert query("select count(*) as n from generation_logs where status <> 'retry'") == [{"n": 0}]
    assert query("select sum(at_risk_pico) as n from calls") == [{"n": 0}]

    result = run_confab("run", name, server=mock())
    assert result.code == 0, result
    assert states() == {"done": 3}


@contextlib.contextmanager
def html_server(status):
    """A proxy's own page instead of a reply."""
    page = b"<html><body><h1>Please sign in</h1></body></html>"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status, message", [(200, "reply not understood"), (502, "HTTP 502, bad gateway")])
def test_a_page_of_html_is_told_as_one(mock, run_confab, pipeline, query, states, status, message):
    name = pipeline(RUN.replace("template = chat", "template = chat, max_outage = 1"))
    with html_server(status) as url:
        result = run_confab("run", name, env={"ANTHROPIC_API_KEY": "sk-ant-key", "ANTHROPIC_API_BASE_URL": url})
    check_message(result, 4, ["max_outage", message + ": the reply is an HTML page"])
    assert query("select count(*) > 3 as many from generation_logs") == [{"many": 1}]

    assert run_confab("run", name, server=mock()).code == 0
    assert states() == {"done": 3}


def test_a_redirect_is_not_followed_with_the_key(run_confab, pipeline, states):
    with html_server(302) as url:
        result = run_confab("run", pipeline(), env={"ANTHROPIC_API_KEY": "sk-ant-key",
                                                    "ANTHROPIC_API_BASE_URL": url})
    check_message(result, 4, ["HTTP 302, redirected elsewhere"])
    assert states() == {"pending": 3}


# --- the database ---

def make_database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def foreign(path):
    make_database(path, "pragma application_id = 42", "create table theirs (x)")


def newer(path):
    make_database(path, "pragma user_version = 99")


BAD_DATABASES = {
    "of another program": (foreign, 2, "x.db is a database of another program"),
    "plain sqlite": (lambda path: make_database(path, "create table theirs (x)"), 2,
                     "x.db is a database of another program"),
    "no database": (lambda path: path.write_text("Dear diary, " * 500), 2, "x.db is not a confab database"),
    "of a newer confab": (newer, 2, "x.db was written by a newer confab (schema 99"),
    "a folder": (lambda path: path.mkdir(), 2, "x.db is a folder"),
}


@pytest.mark.parametrize("kind", BAD_DATABASES)
def test_what_is_no_database_of_ours_is_left_as_it_is(mock, run_confab, pipeline, folder, kind):
    make, code, message = BAD_DATABASES[kind]
    name, path, server = pipeline(), folder / "x.db", mock()
    if kind == "of a newer confab":
        assert run_confab("run", name, "--db", path, server=server).code == 0
    make(path)
    content = path.read_bytes() if path.is_file() else None
    before = sent(server)
    check_message(run_confab("run", name, "--db", "x.db", server=server), code, [message])
    assert content is None or path.read_bytes() == content
    assert sent(server) == before


def test_a_database_in_a_folder_that_is_not_there_is_told(run_confab, pipeline):
    check_message(run_confab("run", pipeline(), "--simulate", "--db", "no/x.db"), 2,
                  ["no/x.db cannot be created: there is no folder no"])
    check_message(run_confab("run", pipeline(), "--simulate", "--db", ""), 2, ["database is empty"])


@pytest.mark.parametrize("what", ["file", "folder", "new file"])
def test_a_read_only_database_stops_the_run_before_anything_is_sent(mock, run_confab, pipeline, folder,
                                                                    query, what):
    name, server, place = pipeline(), mock(), folder / "place"
    place.mkdir()
    if what != "new file":
        assert run_confab("run", name, "--db", "place/x.db", server=server).code == 0
    before = sent(server)
    changed = place / "x.db" if what == "file" else place
    changed.chmod(0o444 if what == "file" else 0o555)
    try:
        result = run_confab("run", name, "--fresh", "--db", "place/x.db", server=server, under=AS_USER)
    finally:
        changed.chmod(0o755)
    check_message(result, 4, ["place/x.db", "writ"])
    assert sent(server) == before
    if what != "new file":
        assert query("select count(*) as n from conversations", db="place/x.db") == [{"n": 3}]
        assert query("pragma integrity_check", db="place/x.db") == [{"integrity_check": "ok"}]


def holds_open(pid, name):
    """Whether the process has the file open."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link).endswith(name):
                return True
    return False


def test_a_database_that_another_process_holds_is_waited_for(mock, run_confab, start_confab, pipeline,
                                                             folder, query):
    name, server = pipeline(), mock()
    assert run_confab("run", name, server=server).code == 0
    holder = sqlite3.connect(folder / "confab.db", isolation_level=None)
    holder.execute("begin exclusive")
    process = start_confab("run", name, "--fresh", server=server)
    while not holds_open(process.process.pid, "/confab.db"):
        assert process.process.poll() is None, process.output
    holder.execute("commit")
    holder.close()
    assert process.wait() == 0, process.output
    assert query("select max(generation) as n from runs") == [{"n": 2}]


def test_a_full_disk_stops_the_run_and_nothing_is_lost(mock, run_confab, pipeline, query, states):
    name, server = pipeline(), mock()
    result = run_confab("run", name, server=server, under=["prlimit", "--fsize=100000:", "--"])
    check_message(result, 4, ["confab.db", "free some space"])
    assert sent(server) == 0

    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    assert states() == {"done": 3}
    assert query("pragma integrity_check") == [{"integrity_check": "ok"}]


def test_replies_are_kept_while_the_disk_is_full_and_stored_when_there_is_room(
        mock, run_confab, start_confab, pipeline, query, states):
    server = mock("reply_bytes=200000")
    lua = 'local long = confab.template { name = "long", prompt = "Write a chat of 8 turns about {{topic}}.",' \
          " max_tokens = 100000 }\n" + RUN.replace("chat", "long")
    name = pipeline(lua)
    process = start_confab("run", name, server=server, under=["prlimit", "--fsize=600000:", "--"])
    process.wait_for("what is to be stored is kept and tried again")
    infinite = resource.RLIM_INFINITY
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (infinite, infinite))
    process.wait_for("storing works again")
    assert process.wait() == 0, process.output
    assert query("select count(*) as n from call_replies") == [{"n": 3}]
    assert states() == {"done": 3} and sent(server) == 3


def test_a_run_that_another_process_works_on_is_left_to_it(mock, run_confab, start_confab, pipeline, states):
    name, server = pipeline(), mock("faults=silent")
    first = start_confab("run", name, "--drain", "0", server=server)
    while not server.arrivals()[1:]:
        assert first.process.poll() is None, first.output
    result = run_confab("run", name, server=server)
    check_message(result, 2, ['run "pipeline" is being worked on by process',
                              str(first.process.pid), "another name"])
    first.signal()
    assert first.wait() == 130, first.output
    assert states() == {"pending": 3}
    assert re.search(r"confab run .*pipeline\.lua", first.output), first.output
