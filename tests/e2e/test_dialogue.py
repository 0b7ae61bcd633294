"""confab.dialogue: two seats, checked turns, stops, branches, replay."""
import pytest

import messages_server

SETUP = 'confab.setup { retry = { max_attempts = 1 }, limits = { max_requests = 10000, pacing = "burst" } }\n'


@pytest.fixture
def served():
    """served(answer) -> the server; closed with the test."""
    servers = []

    def start(answer):
        servers.append(messages_server.start(answer))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def said(request):
    return [(message["role"], message["content"] if isinstance(message["content"], str)
             else message["content"][0]["text"]) for message in request["messages"]]


def system(request):
    text = request.get("system", "")
    return text if isinstance(text, str) else text[0]["text"]


def in_turn(*texts):
    """An answer that gives these texts, one a request."""
    left = list(texts)
    return lambda request: left.pop(0)


TALK = SETUP + """
local conv = confab.dialogue { user = "You are Kim.", assistant = { system = "You are an agent.", max_tokens = 500 },
  turns = 4, stop = "[END]", tries = 2 }
for _, turn in ipairs(conv.turns) do print(turn.role .. "|" .. turn.content) end
print(conv.tags and conv.tags.problem, conv.cost > 0, conv.usage and conv.usage.output)
"""


def test_each_side_hears_the_other_as_its_user(served, script, run_confab, query):
    server = served(in_turn("My parcel is late.", "Which one?", "The blue one.", "It comes today."))
    result = run_confab("run", script(TALK), server=server)
    assert result.code == 0, result
    assert result.out.splitlines() == ["user|My parcel is late.", "assistant|Which one?", "user|The blue one.",
                                       "assistant|It comes today.", "nil\ttrue\t40"]
    assert [system(request) for request in server.requests] == ["You are Kim.", "You are an agent."] * 2
    opening = said(server.requests[0])
    assert opening[0][0] == "user" and len(opening) == 1
    assert said(server.requests[1]) == [("user", "My parcel is late.")]
    assert said(server.requests[2]) == [*opening, ("assistant", "My parcel is late."), ("user", "Which one?")]
    assert said(server.requests[3]) == [("user", "My parcel is late."), ("assistant", "Which one?"), ("user", "The blue one.")]
    assert server.requests[1]["max_tokens"] == server.requests[0]["max_tokens"] - 4096 + 500
    made = query("SELECT first_turn, last_turn, call FROM turn_calls ORDER BY first_turn")
    calls = [row["id"] for row in query("SELECT id FROM calls ORDER BY id")]
    assert [(row["first_turn"], row["last_turn"], row["call"]) for row in made] == [(i, i, calls[i]) for i in range(4)]


def test_it_replays_without_a_request(served, script, run_confab):
    server = served(in_turn("My parcel is late.", "Which one?", "The blue one.", "It comes today."))
    first = run_confab("run", script(TALK), server=server)
    again = run_confab("run", script(TALK), server=server)
    assert again.code == 0, again
    assert again.out.splitlines()[:4] == first.out.splitlines()[:4]
    assert len(server.requests) == 4


def test_a_turn_that_will_not_do_is_asked_for_again_with_the_reason(served, script, run_confab, query):
    server = served(in_turn("How can I help you today?", "My parcel is late.", "Which one?",
                            "The blue one.", "It comes today."))
    result = run_confab("run", script(TALK), server=server)
    assert result.code == 0, result
    assert result.out.splitlines()[0] == "user|My parcel is late."
    assert "talks as the helper" in system(server.requests[1])
    assert system(server.requests[2]) == "You are an agent."
    logs = query("SELECT error_kind, error_message FROM generation_logs WHERE error_kind IS NOT NULL")
    assert [row["error_kind"] for row in logs] == ["validation_error"]
    assert logs[0]["error_message"].startswith("turn 1 (user) the user talks as the helper")
    assert query("SELECT count(*) AS n FROM turn_calls") == [{"n": 4}]


def test_what_stays_wrong_is_taken_and_recorded(served, script, run_confab, query):
    server = served(in_turn("My parcel is late.", "Which parcel is it that you mean?", "The blue one.",
                            "Which parcel is it that you mean?", "Which parcel is it that you mean!"))
    result = run_confab("run", script(TALK), server=server)
    assert result.code == 0, result
    reason = "turn 4 starts the talk again: it is like turn 2"
    assert result.out.splitlines()[4].startswith(reason)
    assert query("SELECT name, value FROM tags") == [{"name": "problem", "value": reason}]


def test_a_turn_of_which_nothing_is_left_fails(served, script, run_confab):
    server = served(lambda request: "   ")
    result = run_confab("run", script(TALK), server=server)
    assert result.code == 1, result
    assert "turn 1 (user) is empty" in result.err
    assert len(server.requests) == 2


@pytest.mark.parametrize("texts, turns", [
    (["Hi, my parcel is late.", "Sorry. It comes today.", "Thanks, bye. [END]", "Goodbye!"], 4),
    (["Hi, my parcel is late.", "Sorry. It comes today.", "[end]."], 2),
    (["Hi, my parcel is late.", "It comes today. Goodbye. **[END]**"], 2),
])
def test_the_stop_mark_ends_it_and_is_taken_out(served, script, run_confab, texts, turns):
    server = served(in_turn(*texts))
    result = run_confab("run", script(TALK.replace("turns = 4", "turns = 20")), server=server)
    assert result.code == 0, result
    lines = [line for line in result.out.splitlines() if "|" in line]
    assert len(lines) == turns and "END" not in result.out.upper()
    assert lines[-1].startswith("assistant|")
    assert len(server.requests) == len(texts)


def test_a_stop_function_and_a_check_of_the_scripts_own(served, script, run_confab):
    server = served(in_turn("bad word here", "My parcel is late.", "Which one do you mean?"))
    result = run_confab("run", script(SETUP + """
        local conv = confab.dialogue { user = "Kim", assistant = "Agent", turns = 20,
          stop = function(turns) return #turns >= 2 end,
          check = function(role, text, turns) if text:find "bad" then return "has a bad word" end end }
        print(#conv, conv.turns[1].content)
    """), server=server)
    assert result.code == 0, result
    assert result.out == "2\tMy parcel is late.\n"
    assert "has a bad word" in system(server.requests[1])


def test_a_branch_sends_the_shared_turns_but_does_not_ask_for_them(served, script, run_confab, query):
    server = served(in_turn("My parcel is late.", "Which one?", "The blue one.", "It comes today.",
                            "The red one of course.", "Then it is lost, I fear."))
    result = run_confab("run", script(SETUP + """
        confab.run { name = "r", items = { { topic = "parcels" } }, step = function(item)
          local a = confab.dialogue { user = "Kim", assistant = "Agent", turns = 4, persona = "Kim" }
          local b = confab.dialogue { user = "Kim", assistant = "Agent", turns = 4, from = a, at = 2 }
          return { a, b }
        end }
    """), server=server)
    assert result.code == 0, result
    assert len(server.requests) == 6
    rows = query("SELECT id, part, branch_of, branch_turn, topic, persona FROM conversations ORDER BY part")
    assert [row["topic"] for row in rows] == ["parcels"] * 2
    assert [row["persona"] for row in rows] == ["Kim", None]
    assert (rows[0]["branch_of"], rows[1]["branch_of"], rows[1]["branch_turn"]) == (None, rows[0]["id"], 2)
    turns = query("SELECT content FROM conversation_turns WHERE conversation = ? ORDER BY turn_index", rows[1]["id"])
    assert [turn["content"] for turn in turns] == ["My parcel is late.", "Which one?", "The red one of course.",
                                                   "Then it is lost, I fear."]


    explained = run_confab("explain", query("SELECT uuid FROM conversations WHERE part = 2")[0]["uuid"], "--json").json()
    told = explained["conversation"] if "conversation" in explained else explained
    assert told["branch_of"] == query("SELECT uuid FROM conversations WHERE part = 1")[0]["uuid"]
    assert told["branch_turn"] == 3 and told["turns_by"] == "3 by call:5, 4 by call:6"


def test_a_stored_conversation_can_be_gone_on_with(served, script, run_confab, query):
    server = served(in_turn("My parcel is late.", "Which one?", "The blue one.", "It comes today."))
    result = run_confab("run", script(SETUP + """
        local a = confab.dialogue { user = "Kim", assistant = "Agent", turns = 2 }
        local stored
        for conv in confab.store:conversations {} do stored = conv end
        local b = confab.dialogue { user = "Kim", assistant = "Agent", turns = 4, from = stored }
        print(#a, #b)
    """), server=server)
    assert result.code == 0, result
    assert result.out == "2\t4\n"
    rows = query("SELECT id, branch_of, branch_turn FROM conversations ORDER BY id")
    assert (rows[1]["branch_of"], rows[1]["branch_turn"]) == (rows[0]["id"], 2)


@pytest.mark.parametrize("options, text", [
    ('user = "x"', "assistant is missing"),
    ('user = {}, assistant = "x"', "user needs a system prompt or a template"),
    ('user = { sistem = "x" }, assistant = "x"', 'did you mean "system"?'),
    ('user = "x", assistant = "x", turns = 3', "must be even"),
    ('user = "x", assistant = "x", at = 2', "at needs from"),
    ('user = "x", assistant = "x", from = 5', "must be a conversation"),
    ('user = "x", assistant = "x", first = "a", from = confab.conversation { turns = {} }', "either first or from"),
    ('user = "x", assistant = "x", at = 2, from = confab.conversation { turns = {} }', "has 0 turns"),
    ('user = "x", assistant = { template = {} }', "must come from confab.template"),
])
def test_mistakes_are_named(script, run_confab, options, text):
    result = run_confab("run", script(f"confab.dialogue {{ {options} }}"), "--simulate")
    assert text in result.err and result.code == 2, result
