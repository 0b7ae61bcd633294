"""confab.judge: a verdict in its form, several samples, replay."""
import json

import pytest

import messages_server

SETUP = 'confab.setup { retry = { max_attempts = 1 }, limits = { max_requests = 10000, pacing = "burst" } }\n'
CONV = 'local conv = confab.conversation { turns = { { role = "user", content = "Help?" }, { role = "assistant", content = "Yes." } } }\n'


@pytest.fixture
def served():
    servers = []

    def start(*verdicts):
        left = list(verdicts)
        servers.append(messages_server.start(lambda request: left.pop(0)))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def verdict(score, reasons="It is kind."):
    return json.dumps({"reasons": reasons, "score": score})


def test_a_verdict_has_score_reasons_and_cost(served, script, run_confab):
    server = served(verdict(4))
    text = SETUP + CONV + """
        local v = confab.judge(conv, "Is it kind?", { scale = 5 })
        print(v.score, v.reasons[1], v.agreement, v.cost > 0, v.model)
    """
    result = run_confab("run", script(text), server=server)
    assert result.code == 0, result
    assert result.out == "4.0\tIt is kind.\t1\ttrue\tclaude-sonnet-5-5\n"
    asked = messages_server.first_text(server.requests[0])
    assert "user: Help?\n\nassistant: Yes." in asked and "Is it kind?" in asked and "to 5 (" in asked
    again = run_confab("run", script(text), server=server)
    assert again.out == result.out and len(server.requests) == 1


def test_samples_give_their_mean(served, script, run_confab):
    server = served(verdict(1), verdict(5), verdict(3))
    result = run_confab("run", script(SETUP + CONV + """
        local v = confab.judge(conv, "Is it kind?", { scale = 5, samples = 3 })
        table.sort(v.scores)
        print(v.score, table.concat(v.scores, " "), ("%.3f"):format(v.agreement), #v.reasons)
    """), server=server)
    assert result.code == 0, result
    assert result.out == "3.0\t1 3 5\t0.333\t3\n"
    assert len(server.requests) == 3


@pytest.mark.parametrize("bad", [verdict(6), verdict(0), verdict(4.5), verdict(3, ""), "rather good", '{"score": 3}'])
def test_a_verdict_that_does_not_fit_is_asked_for_again(served, script, run_confab, bad, query):
    server = served(bad, verdict(2))
    result = run_confab("run", script(SETUP + CONV + """
        print(confab.judge(conv, "Is it kind?", { scale = 5 }).score)
    """), server=server)
    assert result.code == 0, result
    assert result.out == "2.0\n" and len(server.requests) == 2
    assert query("SELECT count(*) AS n FROM calls WHERE cost_pico > 0") == [{"n": 2}]


def test_a_step_can_tag_with_it(script, run_confab, query):
    result = run_confab("run", script("""
        local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
        confab.run { name = "r", items = { { topic = "tea" } }, step = function(item)
          local conv = confab.generate { template = chat, params = item }
          return conv:tag("judge", confab.judge(conv, "Is it kind?").score)
        end }
    """), "--simulate")
    assert result.code == 0, result
    [tag] = query("SELECT * FROM tags")
    assert tag["name"] == "judge" and 1 <= tag["value"] <= 10


@pytest.mark.parametrize("arguments, text", [
    ("nil, 'x'", "a conversation or { turns = ... } was expected"),
    ("{ turns = {} }, 'x'", "has no turns"),
    ("conv, ' '", "the rubric must be a text"),
    ("conv, 'x', { scale = 1 }", "must be from 2 to 100"),
    ("conv, 'x', { sample = 2 }", 'did you mean "samples"?'),
])
def test_mistakes_are_named(script, run_confab, arguments, text):
    result = run_confab("run", script(CONV + f"confab.judge({arguments})"), "--simulate")
    assert text in result.err and result.code == 2, result
