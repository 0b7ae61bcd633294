"""`confab explain`: where a conversation, an item or a call came from."""
import json

import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
local items = { { topic = "tea" } }
"""
RUN = 'confab.run { name = "chats", items = items, template = chat }'


@pytest.fixture
def run(mock, script, run_confab):
    """run(lua=RUN, *changes, spec="") -> the Result of a run of the prelude and that; it may fail."""
    def go(lua=RUN, *changes, spec="", words=()):
        text = PRELUDE + lua
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        return run_confab("run", script(text), *words, server=mock(spec))
    return go


@pytest.fixture
def explain(run_confab):
    """explain(id) -> the JSON of it; the text for people must be there, too."""
    def ask(name):
        text = run_confab("explain", name)
        assert text.code == 0 and text.out and text.err == "", text
        result = run_confab("explain", name, "--json")
        assert result.code == 0 and result.out.count("\n") == 1, result
        explained = json.loads(result.out)
        explained["text"] = text.out
        return explained
    return ask


def test_a_conversation_tells_all_that_it_came_from(run, explain, query):
    assert run(spec="faults=500@1").code == 0
    stored, = query("select * from conversation_view")
    told = explain(stored["uuid"])
    assert told["kind"] == "conversation" and told["id"] == stored["uuid"]
    assert told["template"] == "chat, version 1" and told["parameters"] == {"topic": "tea"}
    assert told["quality_score"] == stored["quality_score"]
    assert told["quality_breakdown"] == json.loads(stored["quality_breakdown"])
    assert told["cost_usd"] == pytest.approx(stored["cost_usd"])
    assert (told["run"], told["item_state"], told["item_parameters"]) == ("chats", "done", {"topic": "tea"})

    call, = told["calls"]
    assert (call["model"], call["model_answered"]) == ("claude-sonnet-5-5", "claude-sonnet-5-5")
    assert call["earlier"] == {"call": None, "why": None, "changed": None}
    failed, served = call["attempts"]
    assert (failed["status"], failed["http_status"], failed["error_kind"]) == ("retry", 500, "api_error")
    assert (served["status"], served["http_status"], served["attempt"]) == ("success", 200, 2)
    assert failed["request_id"] != served["request_id"] == call["request_id"]
    for piece in (stored["uuid"], "chat, version 1", call["request_id"], "attempt 1", "attempt 2",
                  "api_error: HTTP 500", "turn count"):
        assert piece in told["text"], piece


def test_the_start_of_an_id_is_enough(run, explain, query):
    assert run().code == 0
    uuid = query("select uuid from conversations")[0]["uuid"]
    assert explain(uuid[:18])["id"] == uuid


def test_a_call_that_was_made_again_names_the_field_that_changed(run, explain, query):
    assert run().code == 0
    assert run(RUN, ("about", "on")).code == 0
    old, new = query("select id from calls order by id")
    told = explain(f"call:{new['id']}")
    assert told["kind"] == "call" and told["template"] == "chat, version 2"
    assert told["earlier"] == {"call": old["id"], "why": "it takes the place of that one", "changed": "prompt"}
    assert f"call:{old['id']}: it takes the place of that one; changed: prompt" in told["text"]
    assert explain(f"call:{old['id']}")["earlier"]["call"] is None

    item = explain("item:" + str(query("select item from calls")[0]["item"]))
    assert [call["call"] for call in item["calls"]] == [old["id"], new["id"]]
    first, second = item["conversations"]
    assert (first["version"], first["superseded_by"]) == (1, second["id"])
    assert (second["version"], second["superseded_by"]) == (2, None)
    told = explain(second["id"])
    assert told["supersedes"] == first["id"] and [call["call"] for call in told["calls"]] == [new["id"]]
    assert explain(first["id"])["superseded_by"] == second["id"]


@pytest.mark.parametrize("change,field", [
    (('name = "chat",', 'name = "chat", system = "Be kind.",'), "system"),
    (('name = "chat",', 'name = "chat", model = "claude-haiku-4-5",'), "model"),
    (('name = "chat",', 'name = "chat", stop = "END",'), "stop"),
])
def test_each_field_has_its_name(run, explain, query, change, field):
    assert run().code == 0
    assert run(RUN, change).code == 0
    new = query("select max(id) as id from calls")[0]["id"]
    assert explain(f"call:{new}")["earlier"]["changed"] == field


def test_a_reply_that_did_not_serve_or_was_set_aside_is_named(run, run_confab, explain, mock):
    assert run('confab.run { name = "chats", items = items, template = chat, tries = 2 }',
               spec="faults=malformed:empty_messages_array").code == 1
    told = explain("call:2")
    assert told["earlier"] == {"call": 1, "why": "its reply did not serve", "changed": None}
    assert [row["status"] for row in told["attempts"]] == ["success", "rejected"]
    assert told["item_state"] == "failed" and told["error_kind"] == "validation_error"

    assert run_confab("resume", "--failed", server=mock()).code == 0
    assert explain("call:3")["earlier"] == {"call": 2, "why": "its reply was set aside", "changed": None}
    assert explain("call:2")["set_aside"] is True


def test_a_reply_that_was_cut_off_is_named(run, explain):
    for room in (60, 2000):
        run(RUN, ('name = "chat",', f'name = "chat", model = "claude-haiku-4-5", max_tokens = {room},'))
    assert explain("call:2")["earlier"] == {"call": 1, "why": "its reply was cut off", "changed": "max_tokens"}


def test_among_several_calls_of_a_step_the_right_one_is_found(run, explain):
    step = """confab.run { name = "chats", items = items, step = function(item)
      local tone = confab.ask { prompt = "Name a tone for a chat about " .. item.topic }
      local place = confab.ask { prompt = "Name a place for a chat about " .. item.topic }
      local one = confab.generate { template = chat, params = item }
      local two = confab.generate { template = chat, params = { topic = "cats" } }
      return { one, two }
    end }"""
    assert run(step).code == 0
    for call in (1, 2, 3, 4):
        assert explain(f"call:{call}")["earlier"]["call"] is None, call
    assert run(step, ("Name a place", "Name a city")).code == 0
    assert explain("call:5")["earlier"] == {"call": 2, "why": "it takes the place of that one", "changed": "prompt"}
    assert run(step, ("Name a place", "Name a city"), ('"cats"', '"dogs"')).code == 0
    assert explain("call:6")["earlier"]["call"] == 4


@pytest.mark.parametrize("name,message", [
    ("call:99", "nothing has the id"), ("item:x", "nothing has the id"), ("chats", "nothing has the id"),
    ("", "nothing has the id"), ("ffff-ffff", "nothing has the id"),
])
def test_what_is_not_there_is_said(run, run_confab, name, message):
    assert run().code == 0
    result = run_confab("explain", name)
    assert (result.code, result.out) == (2, ""), result
    assert message in result.err


def test_runs_and_templates_are_for_show(run, run_confab, query):
    assert run().code == 0
    for table, kind in (("runs", "run"), ("templates", "template")):
        uuid = query(f"select uuid from {table} limit 1")[0]["uuid"]
        result = run_confab("explain", uuid)
        assert result.code == 2 and f"is a {kind}" in result.err and "confab show" in result.err, result


def test_what_came_from_a_model_cannot_steer_what_is_printed(run, explain, folder):
    assert run('confab.run { name = "chats", items = { { topic = "a\\27[31m" } }, template = chat }').code == 0
    told = explain("item:1")
    assert told["item_parameters"] == {"topic": "a\x1b[31m"} and "\x1b" not in told["text"]


def test_without_a_database_it_says_so(run_confab, folder):
    result = run_confab("explain", "call:1")
    assert result.code == 2 and "there is no database" in result.err, result
    assert not (folder / "confab.db").exists()
