"""Running again: what is replayed, what is sent, what is said before, and what is refused."""
import json
import re
import signal
import sqlite3

import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template {
  name = "chat", prompt = "Write a chat of 8 turns with {{persona}} about {{topic}}.",
}
local other = confab.template { name = "other", prompt = "Write another chat of 8 turns about {{topic}}." }
local items = confab.sweep { persona = { "Ann", "Bob" }, topic = { "tea", "cats", "dogs" } }
"""
RUN = 'local run = confab.run { name = "chats", items = items, template = chat }\nprint(run.summary)\n'


def sent(server):
    return sum(row["event"] == "arrival" for row in server.arrivals())


@pytest.fixture
def pipeline(script):
    """pipeline(lua, **replaced): the prelude and that; gives the script's name."""
    def make(lua=RUN, *changes):
        text = PRELUDE + lua
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        return script(text)
    return make


@pytest.fixture
def killed(run_confab, pipeline):
    """killed(server, at, lua=RUN): a run that died at that commit."""
    def run(server, at, lua=RUN, *arguments):
        result = run_confab("run", pipeline(lua), "-j", 1, *arguments, server=server,
                            env={"CONFAB_FAILPOINT": at})
        assert result.code == -signal.SIGKILL, f"not killed (is it built with fail points?): {result}"
    return run


# --- confab resume ---

def test_a_run_is_gone_on_with_by_name_with_its_arguments(mock, run_confab, killed, query):
    server = mock()
    lua = RUN.replace("template = chat }", 'template = chat }\nprint(arg[0], ...)')
    killed(server, "item_finish.after:3", lua, "--", "one", "-two words-")
    result = run_confab("resume", "chats", server=server)
    assert result.code == 0, result
    assert "pipeline.lua\tone\t-two words-\n" in result.out
    assert sent(server) == 6
    assert query("select accepted, pending, state from run_view") == [
        {"accepted": 6, "pending": 0, "state": "done"}]


def test_without_a_name_the_newest_unfinished_run_is_meant(mock, run_confab, killed, pipeline):
    server = mock()
    killed(server, "item_finish.after:3")
    assert run_confab("run", pipeline(RUN.replace('"chats"', '"later"')), server=server).code == 0
    result = run_confab("resume", server=server)
    assert result.code == 0 and "run chats done" in result.out, result
    result = run_confab("resume", server=server)
    assert (result.code, result.out) == (2, ""), result
    assert "every run is finished" in result.err


def test_the_id_of_a_run_serves_as_well(mock, run_confab, killed, query):
    server = mock()
    killed(server, "item_finish.after:3")
    uuid = query("select uuid from runs")[0]["uuid"]
    assert run_confab("resume", uuid[:18], server=server).code == 0
    assert sent(server) == 6


def test_the_stored_script_is_run_and_a_changed_file_is_said(mock, run_confab, killed, pipeline, folder):
    server = mock()
    killed(server, "item_finish.after:3")
    pipeline(RUN, ("Write a chat", "Write one chat"))
    result = run_confab("resume", server=server)
    assert result.code == 0 and sent(server) == 6, result
    assert "pipeline.lua has changed since" in result.err and "confab run" in result.err
    (folder / "pipeline.lua").unlink()
    result = run_confab("resume", "chats", server=server)
    assert result.code == 0 and "pipeline.lua cannot be read any more" in result.err, result


def test_options_of_the_first_time_hold_unless_others_are_given(run_confab, pipeline, query):
    assert run_confab("run", pipeline(), "--simulate=usage=varied", "--limit", 2, "--model",
                      "claude-haiku-4-5").code == 0
    result = run_confab("resume", "chats")
    assert result.code == 0, result
    assert query("select count(*) as n from items where ordinal >= 0") == [{"n": 2}]
    result = run_confab("resume", "chats", "--limit", 3)
    assert result.code == 0, result
    assert query("select distinct model from calls") == [{"model": "claude-haiku-4-5-20251001"}]
    assert query("select count(*) as n from calls") == [{"n": 3}]
    result = run_confab("resume", "chats", "--limit", 3, "--model", "claude-sonnet-5-5")
    assert result.code == 0 and "3 changed (model 3)" in result.err, result


def test_it_goes_on_in_the_folder_of_the_last_time(mock, run_confab, pipeline, write, folder):
    server = mock()
    write("topics.txt", "tea\ncats\ndogs\n")
    name = pipeline(RUN + 'run:export("out.jsonl")\n', ('topic = { "tea", "cats", "dogs" }',
                                                       'topic = confab.lines "topics.txt"'))
    killed = run_confab("run", name, "-j", 1, server=server, env={"CONFAB_FAILPOINT": "item_finish.after:3"})
    assert killed.code == -signal.SIGKILL, killed
    other = folder.parent / "other"
    other.mkdir()
    result = run_confab("resume", "--db", "../work/confab.db", server=server, cwd=other)
    assert result.code == 0 and f"in {folder}, where it was run" in result.err, result
    assert sent(server) == 6 and list(other.iterdir()) == []
    assert len((folder / "out.jsonl").read_text().splitlines()) == 6

    folder.rename(folder.parent / "moved")
    result = run_confab("resume", "chats", "--db", "../moved/confab.db", server=server, cwd=other)
    assert result.code == 2 and "No such file or directory; what the script names is looked for here" in result.err
    assert "topics.txt" in result.err and sent(server) == 6, result


KEY = "sk-ant-a-key-of-the-script"


@pytest.mark.parametrize("simulate", [[], ["--simulate"]])
def test_a_key_in_a_script_is_not_stored_and_the_run_goes_on_from_the_file(simulate, mock, run_confab, pipeline,
                                                                          folder, query):
    server, name = mock(), pipeline(f'confab.setup {{ keys = {{ {{ name = "k", value = "{KEY}" }} }} }}\n' + RUN.replace(
        "template = chat", "step = function(item) if item.topic == 'cats' then error('with ' .. arg[1]) end\n"
        "return confab.generate { template = chat, params = item } end"))
    command = ["run", name, *simulate, "--", f"--key={KEY}"]
    assert run_confab(*command, server=server).code == 1
    assert KEY.encode() not in (folder / "confab.db").read_bytes()
    assert {row["error_message"] for row in query("select error_message from items where state = 'failed'")} == {
        "pipeline.lua:10: with --key=[redacted]"}
    result = run_confab("resume", "chats", server=server)
    assert result.code == 2 and "an argument held a key" in result.err, result

    assert run_confab(*command[:-2], "x", server=server).code == 1
    assert run_confab("resume", "chats", server=server).code == 1
    (folder / name).write_text((folder / name).read_text() + "\n")
    result = run_confab("resume", "chats", server=server)
    assert result.code == 2 and "pipeline.lua held a key, which is not stored" in result.err, result


def test_the_least_share_of_accepted_items_holds_when_it_is_gone_on_with(mock, run_confab, pipeline):
    server, name = mock(), pipeline(RUN, ("template = chat", "template = chat, score = confab.rule {"
                                           " name = 'none', points = 1, check = function() return false end }"))
    assert run_confab("run", name, "--min-acceptance", "50%", server=server).code == 1
    result = run_confab("resume", "chats", server=server)
    assert result.code == 1 and "accepted" in result.err, result
    assert run_confab("resume", "chats", "--min-acceptance", "0", server=server).code == 0
    assert run_confab("resume", "chats", server=server).code == 0


@pytest.mark.parametrize("words,message", [
    (["nowhere"], 'there is no run "nowhere"'),
    (["chats", "more"], "unexpected 'more'"),
    (["chats", "--simulate"], "was not simulated"),
    (["chats", "--fresh"], "unknown option --fresh"),
])
def test_what_cannot_be_gone_on_with_is_said(mock, run_confab, pipeline, words, message):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("resume", *words, server=server)
    assert (result.code, result.out) == (2, ""), result
    assert message in result.err
    assert sent(server) == 6


def test_an_older_generation_is_over(mock, run_confab, pipeline, query):
    server = mock()
    for extra in ([], ["--fresh"]):
        assert run_confab("run", pipeline(), *extra, server=server).code == 0
    old = query("select uuid from runs where generation = 1")[0]["uuid"]
    result = run_confab("resume", old, server=server)
    assert result.code == 2 and "begun anew since (generation 2)" in result.err, result


def test_a_run_in_work_cannot_be_gone_on_with(mock, run_confab, start_confab, pipeline):
    server = mock("latency=fixed:60000")
    start_confab("run", pipeline(), server=server)
    server.wait_for_arrivals(1)
    for command in (["resume", "chats"], ["run", "pipeline.lua"]):
        result = run_confab(*command, server=server)
        assert result.code == 2 and "is being worked on by process" in result.err, result


def test_without_a_database_it_says_so(run_confab, folder):
    result = run_confab("resume")
    assert result.code == 2 and "there is no database" in result.err, result
    assert not (folder / "confab.db").exists()


def test_a_run_of_no_script_cannot_be_gone_on_with(mock, run_confab, pipeline, folder):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    with sqlite3.connect(folder / "confab.db") as db:
        db.execute("update runs set script_text = null")
    result = run_confab("resume", "chats", server=server)
    assert result.code == 2 and "was not made by a script" in result.err, result
    with sqlite3.connect(folder / "confab.db") as db:
        db.execute("update runs set script_text = 'x', args = '[1'")
    result = run_confab("resume", "chats", server=server)
    assert result.code != 0 and "is damaged" in result.err, result


# --- what is sent again ---

def test_failures_on_the_way_are_sent_again_and_others_only_with_failed(mock, run_confab, pipeline, query):
    bad = mock("faults=400@2;malformed:empty_messages_array@4")
    name = pipeline()
    assert run_confab("run", name, "-j", 1, server=bad).code == 1
    assert query("select error_kind from items where state = 'failed' order by error_kind") == [
        {"error_kind": "api_error"}, {"error_kind": "validation_error"}]

    good = mock()
    result = run_confab("resume", "chats", server=good)
    assert result.code == 1, result
    assert sent(good) == 1
    assert query("select failed, accepted from run_view") == [{"failed": 1, "accepted": 5}]

    result = run_confab("resume", "chats", "--failed", server=good)
    assert result.code == 0, result
    assert sent(good) == 2
    assert query("select failed, accepted from run_view") == [{"failed": 0, "accepted": 6}]
    assert query("select count(*) as n from calls where set_aside") == [{"n": 1}]
    assert query("select count(*) as n from calls") == [{"n": 7}]


def test_failed_without_a_name_means_a_finished_run_with_failures(mock, run_confab, pipeline):
    bad = mock("faults=malformed:empty_messages_array@1")
    assert run_confab("run", pipeline(), server=bad).code == 1
    assert run_confab("resume", server=bad).code == 2
    assert run_confab("resume", "--failed", server=bad).code == 0
    assert sent(bad) == 7


def test_an_error_of_the_step_is_asked_anew_with_failed(mock, run_confab, pipeline, folder, query):
    server = mock()
    lua = """
        local run = confab.run { name = "chats", items = items, step = function(item)
          local conv = confab.generate { template = chat, params = item }
          if item.topic == "tea" and not io.open "good" then error "no tea" end
          return conv
        end }"""
    assert run_confab("run", pipeline(lua), server=server).code == 1
    (folder / "good").touch()
    result = run_confab("resume", "--failed", server=server)
    assert result.code == 0, result
    assert sent(server) == 8
    assert query("select count(*) as n from conversations") == [{"n": 6}]


# --- the order ---

def test_unfinished_and_new_items_go_first_and_results_keep_the_order(mock, run_confab, pipeline, query):
    lua = """
        local run = confab.run { name = "chats", items = items, concurrency = 1, step = function(item)
          if item.topic == "cats" then error(confab.ask { prompt = "fail" }.text) end
          return confab.generate { template = chat, params = item }
        end, on_item = function(r) print(r.item.persona, r.item.topic, r.state) end }
        for conv in run:results() do io.write(conv.topic, " ") end"""
    bad = mock("faults=400@2;400@5")
    result = run_confab("run", pipeline(lua), server=bad)
    assert result.code == 1, result
    assert [line.split("\t")[1] for line in result.out.splitlines()[:6]] == ["tea", "cats", "dogs"] * 2

    lua = lua.replace('error(confab.ask { prompt = "fail" }.text)', "")
    result = run_confab("run", pipeline(lua, ('{ "tea", "cats", "dogs" }', '{ "birds", "tea", "cats", "dogs" }')),
                        "-j", 1, server=mock())
    assert result.code == 0, result
    lines = result.out.splitlines()
    # What the journal answers comes at once, before anything is sent; then all the rest, in order.
    assert [line.split("\t")[:2] for line in lines[:8]] == [
        ["Ann", "tea"], ["Ann", "dogs"], ["Bob", "tea"], ["Bob", "dogs"],
        ["Ann", "birds"], ["Ann", "cats"], ["Bob", "birds"], ["Bob", "cats"]]
    assert lines[8].split() == ["birds", "tea", "cats", "dogs"] * 2
    assert query("select planned, accepted from run_view") == [{"planned": 8, "accepted": 8}]


def test_after_a_kill_what_is_left_goes_first(mock, run_confab, killed, query):
    server = mock()
    lua = RUN.replace("template = chat", "template = chat, concurrency = 1,"
                      " on_item = function(r) print(r.item.persona, r.item.topic) end")
    killed(server, "item_finish.after:4", lua)
    result = run_confab("resume", server=server)
    assert result.code == 0, result
    done = [line.split() for line in result.out.splitlines()[:6]]
    assert done[0] == ["Bob", "cats"] and sorted(done) == [
        [persona, topic] for persona in ("Ann", "Bob") for topic in ("cats", "dogs", "tea")]
    assert 'run "chats" goes on: 4 of 6 items are replayed, 2 to go, for about $' in result.err
    assert query("select planned, accepted from run_view") == [{"planned": 6, "accepted": 6}]


def test_equal_items_keep_their_numbers_in_any_order(mock, run_confab, killed, query):
    server = mock()
    lua = """
        local list = {}
        for i = 1, 9 do list[i] = { persona = "Ann", topic = i % 3 == 0 and "tea" or "cats" } end
        local run = confab.run { name = "chats", items = list, template = chat }"""
    for point in ("item_finish.after:2", "item_finish.after:2", "item_finish.after:3"):
        killed(server, point, lua)
    result = run_confab("resume", server=server)
    assert result.code == 0, result
    assert query("select count(*) as n, count(distinct key) as keys, sum(orphan) as orphans from items"
                 " where ordinal >= 0") == [{"n": 9, "keys": 9, "orphans": 0}]
    assert query("select planned, accepted from run_view") == [{"planned": 9, "accepted": 9}]
    before = sent(server)
    assert run_confab("run", "pipeline.lua", server=server).code == 0
    assert run_confab("run", "pipeline.lua", "--max-new", 0, server=server).code == 0
    assert sent(server) == before


# --- what is said before ---

def test_new_unfinished_and_changed_items_are_told_apart_before_anything_is_sent(
        mock, run_confab, pipeline, query):
    bad = mock("faults=400@2")
    assert run_confab("run", pipeline(), "-j", 1, server=bad).code == 1
    server = mock()
    name = pipeline(RUN.replace("template = chat", 'step = function(item)'
                                ' return confab.generate { template = item.persona == "Bob" and other or chat,'
                                ' params = item } end'),
                    ('{ "tea", "cats", "dogs" }', '{ "tea", "cats", "dogs", "birds" }'))
    result = run_confab("run", name, "--model", "claude-haiku-4-5", "--max-new", 3, server=server)
    assert result.code == 2, result
    assert sent(server) == 0
    assert re.search(r'run "chats" \(changed: script, model\): 0 replayed, 2 new, 6 changed'
                     r' \(model 3; model, prompt 3\);'
                     r' at least 8 calls to send', result.err), result.err
    assert "--max-new 3" in result.err


def test_the_field_that_changed_is_named(mock, run_confab, pipeline):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("run", pipeline(RUN, ("about {{topic}}", "on {{topic}}")), "--max-new", 0,
                        server=server)
    assert "0 replayed, 6 changed (prompt 6); 6 calls to send, for at most $" in result.err, result
    result = run_confab("run", pipeline(RUN, ('name = "chat",', 'name = "chat", system = "Be kind.",'),
                                        ('{ "Ann", "Bob" }', '{ "Ann" }')), "--max-new", 0, server=server)
    assert "0 replayed, 3 changed (system 3)" in result.err, result
    assert sent(server) == 6

    result = run_confab("run", pipeline(), "--max-new", 0, server=server)
    assert result.code == 0 and "6 replayed; nothing to send" in result.err, result


def test_after_a_change_that_was_refused_nothing_is_taken_for_unchanged(mock, run_confab, pipeline):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    name = pipeline(RUN, ("about {{topic}}", "on {{topic}}"))
    assert run_confab("run", name, "--max-new", 2, server=server).code == 2
    result = run_confab("run", name, server=server)
    assert "0 replayed, 6 changed (prompt 6)" in result.err, result
    assert sent(server) == 12
    result = run_confab("run", name, server=server)
    assert 'run "chats" is finished: its 6 items are replayed' in result.err, result


def test_a_replayed_step_is_not_run_beyond_its_first_new_call(mock, run_confab, pipeline):
    server = mock()
    lua = """
        local run = confab.run { name = "chats", items = items, step = function(item)
          local closed <close> = setmetatable({}, { __close = function() io.write "closed " end })
          local conv = confab.generate { template = chat, params = item }
          pcall(function() %s end)
          io.write "past "
          return conv
        end }"""
    assert run_confab("run", pipeline(lua % ""), server=server).code == 0
    result = run_confab("run", pipeline(lua % 'confab.ask { prompt = "More?" }'), "--max-new", 0, server=server)
    assert result.code == 2, result
    assert result.out == "closed " * 6
    assert "0 replayed, 6 with further calls; at least 6 calls to send, the first of each item for at most" \
        in result.err, result
    assert sent(server) == 6


def test_quiet_says_nothing_of_it(mock, run_confab, pipeline):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("run", pipeline(RUN, ("about", "on")), "--quiet", server=server)
    assert result.code == 0 and result.err == "", result


# --- max-new ---

def test_max_new_lets_so_many_through_and_holds_for_the_first_time(mock, run_confab, pipeline):
    server = mock()
    result = run_confab("run", pipeline(), "--max-new", 5, server=server)
    assert result.code == 2 and sent(server) == 0, result
    assert "6 new; 6 calls to send" in result.err and "nothing of it was sent" in result.err
    assert run_confab("run", "pipeline.lua", "--max-new", 6, server=server).code == 0
    assert sent(server) == 6


def test_what_max_new_refused_leaves_nothing_behind(mock, run_confab, pipeline, query):
    server = mock()
    assert run_confab("run", pipeline(), "--max-new", 5, server=server).code == 2
    assert query("select planned, pending, state from run_view") == [
        {"planned": 0, "pending": 0, "state": "failed"}]
    assert query("select count(*) as n from items where ordinal is not null") == [{"n": 0}]

    assert run_confab("run", pipeline(), server=server).code == 0
    more = pipeline(RUN, ('{ "tea", "cats", "dogs" }', '{ "tea", "cats", "dogs", "birds" }'))
    result = run_confab("run", more, "--max-new", 1, server=server)
    assert result.code == 2 and "6 replayed, 2 new; 2 calls to send" in result.err, result
    assert query("select planned, accepted, pending from run_view") == [
        {"planned": 6, "accepted": 6, "pending": 0}]
    assert sent(server) == 6
    result = run_confab("run", pipeline(), server=server)
    assert result.code == 0 and "6 were there already, nothing was sent" in result.out, result


def test_what_failed_stays_failed_if_max_new_refuses_to_ask_anew(mock, run_confab, pipeline, query):
    bad = mock("faults=empty")
    assert run_confab("run", pipeline(), server=bad).code == 1
    server = mock()
    result = run_confab("resume", "--failed", "--max-new", 5, server=server)
    assert result.code == 2 and "6 asked anew" in result.err, result
    assert query("select count(*) as n from calls where set_aside") == [{"n": 0}]
    result = run_confab("run", "pipeline.lua", server=server)
    assert result.code == 1 and sent(server) == 0, result
    assert query("select failed, pending from run_view") == [{"failed": 6, "pending": 0}]
    assert run_confab("resume", "--failed", "--max-new", 6, server=server).code == 0


def test_max_new_holds_for_what_could_not_be_seen_before(mock, run_confab, pipeline, query):
    server = mock()
    lua = """
        local run = confab.run { name = "chats", items = items, concurrency = 1, step = function(item)
          confab.ask { prompt = "Outline " .. item.topic .. item.persona }
          return confab.generate { template = chat, params = item }
        end }"""
    result = run_confab("run", pipeline(lua), "--max-new", 7, server=server)
    assert result.code == 2 and sent(server) == 7, result
    assert "--max-new: 7 calls were sent, and there are more to send" in result.err
    assert query("select failed, pending from run_view") == [{"failed": 0, "pending": 3}]
    assert run_confab("resume", server=server).code == 0
    assert sent(server) == 12


def test_max_new_counts_all_runs_of_a_script(mock, run_confab, pipeline):
    server = mock()
    result = run_confab("run", pipeline(RUN + RUN.replace('"chats"', '"more"')), "--max-new", 8, server=server)
    assert result.code == 2 and sent(server) == 6, result
    assert 'run "more" has 6 calls to send' in result.err


@pytest.mark.parametrize("value", ["-1", "many", ""])
def test_max_new_is_a_number(run_confab, pipeline, value):
    result = run_confab("run", pipeline(), f"--max-new={value}", "--simulate")
    assert result.code == 2 and "--max-new" in result.err, result


# --- offline ---

def test_a_finished_run_replays_offline_without_key_and_network(mock, run_confab, pipeline, folder, query):
    server = mock("faults=400@2;malformed:empty_messages_array@4")
    name = pipeline(RUN + 'run:export("out.jsonl")')
    first = run_confab("run", name, server=server)
    assert first.code == 1, first
    exported = (folder / "out.jsonl").read_bytes()
    before = query("select * from items")
    (folder / "out.jsonl").unlink()
    result = run_confab("run", name, "--offline")
    there = "  6 were there already, nothing was sent\n"
    assert (result.code, result.out.replace(there, "")) == (1, first.out) and there in result.out, result
    assert (folder / "out.jsonl").read_bytes() == exported
    after = query("select * from items")
    assert [{**row, "drawing": 0} for row in after] == [{**row, "drawing": 0} for row in before]
    assert run_confab("resume", "chats", "--offline").code == 1


def test_offline_a_call_that_is_not_stored_stops_the_run(mock, run_confab, killed, pipeline, query):
    server = mock()
    killed(server, "item_finish.after:3")
    result = run_confab("resume", "--offline")
    assert result.code == 2, result
    assert "--offline: a call is not in the journal (" in result.err
    assert query("select pending, failed, accepted from run_view") == [
        {"pending": 3, "failed": 0, "accepted": 3}]
    assert sent(server) <= 4
    result = run_confab("run", pipeline(RUN, ("about", "on")), "--offline")
    assert result.code == 2 and "a call is not in the journal" in result.err, result
    result = run_confab("run", pipeline(), server=server)
    assert result.code == 0 and sent(server) <= 7, result


def test_offline_the_field_that_changed_is_named(mock, run_confab, pipeline):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("run", pipeline(RUN, ("about", "on")), "--offline")
    assert result.code == 2 and "a call is not in the journal (changed: prompt)" in result.err, result
    assert sent(server) == 6


def test_offline_a_script_cannot_catch_it_and_finish_its_item(mock, run_confab, pipeline, query):
    lua = """
        local run = confab.run { name = "chats", items = items, step = function(item)
          local ok, conv = pcall(confab.generate, { template = chat, params = item })
          return ok and conv or nil
        end }"""
    result = run_confab("run", pipeline(lua), "--offline")
    assert result.code == 2, result
    assert query("select skipped, pending from run_view") == [{"skipped": 0, "pending": 6}]


# --- superseding, orphans, owners ---

def test_what_is_no_longer_drawn_stands_outside_and_comes_back(mock, run_confab, pipeline, query):
    server = mock()
    assert run_confab("run", pipeline(), server=server).code == 0
    result = run_confab("run", pipeline(RUN, ('{ "Ann", "Bob" }', '{ "Bob" }')), server=server)
    assert result.code == 0 and "3 items of earlier inputs are set aside" in result.out, result
    assert query("select planned, accepted, orphans from run_view") == [
        {"planned": 3, "accepted": 3, "orphans": 3}]
    assert run_confab("run", pipeline(), server=server).code == 0
    assert query("select planned, accepted, orphans from run_view") == [
        {"planned": 6, "accepted": 6, "orphans": 0}]
    assert sent(server) == 6


def test_what_a_kill_left_in_flight_is_taken_over_and_said(mock, run_confab, killed, query):
    server = mock()
    killed(server, "call_sent.after:3")
    assert query("select state, owner_pid is not null as owned from runs") == [{"state": "running", "owned": 1}]
    result = run_confab("resume", server=server)
    assert result.code == 0, result
    assert "1 call has an unknown outcome" in result.err
    run, = query("select at_risk_usd, accepted, owner_pid from run_view")
    assert run["at_risk_usd"] > 0 and run["accepted"] == 6 and run["owner_pid"] is None


def test_the_review_of_what_was_replaced_stays_with_it(mock, run_confab, pipeline, query):
    server = mock()
    approve = RUN + "for conv in run:results() do conv:approve() end"
    assert run_confab("run", pipeline(approve), server=server).code == 0
    assert run_confab("run", pipeline(RUN, ("about", "on")), server=server).code == 0
    assert query("select version, status, listed from conversation_view where persona = 'Ann'"
                 " and topic = 'tea' order by version") == [
        {"version": 1, "status": "approved", "listed": 0}, {"version": 2, "status": "generated", "listed": 1}]


def test_the_resume_command_after_an_interrupt_is_one_that_works(mock, start_confab, run_confab, killed):
    server = mock("latency=fixed:100")
    killed(server, "item_finish.after:2")
    running = start_confab("resume", "chats", "-j", 1, server=server)
    server.wait_for_arrivals(4)
    running.signal(signal.SIGINT)
    assert running.wait() == 130, running.output
    assert "go on with: confab resume --concurrency 1 chats" in running.output
    result = run_confab("resume", "--concurrency", "1", "chats", server=server)
    assert result.code == 0 and json.dumps(result.out).count("6 accepted") == 1, result


def test_a_template_made_in_a_step_is_no_change(mock, run_confab, script):
    server = mock("rpm=100000")
    path = script('''
        confab.run { name = "made", items = { { topic = "tea" }, { topic = "jam" } }, step = function(item)
          local chat = confab.template { name = "chat", prompt = "Write a chat about {{topic}}, as JSON." }
          return confab.generate { template = chat, params = item }
        end }
    ''')
    assert run_confab("run", path, server=server).code == 0
    again = run_confab("run", path, server=server)
    assert again.code == 0 and "changed" not in again.err, again
    assert "is finished: its 2 items are replayed" in again.err, again
