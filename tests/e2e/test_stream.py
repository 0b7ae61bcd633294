"""Replies that are read while they arrive: what a script sees, and what is stored, whatever happens meanwhile."""
import re
import signal

import pytest

import durability
import ledger

SETUP = """
    confab.setup {
      limits = { max_requests = 100000, pacing = "burst" },
      retry = { max_attempts = 30, base_delay_ms = 1, max_delay_ms = 10, jitter_ms = 0 },
      timeouts = { idle_ms = tonumber(arg[1] or "60000") },
    }
"""
ONE = SETUP + """
    confab.run { name = "one", items = { { topic = "tea" } }, step = function(item)
      local texts = {}
      local reply = confab.ask {
        prompt = "Write a chat of 10 turns about " .. item.topic .. ".",
        on_text = function(text, begun)
          texts[begun] = (texts[begun] or "") .. text
          print("piece", begun, #text)
        end,
      }
      print("reply", #texts, texts[#texts] == reply.text, reply.attempts, reply.replayed)
    end }
"""
MANY = SETUP + """
    local items = {}
    for i = 1, 30 do items[i] = { topic = "topic " .. i } end
    local run = confab.run { name = "chats", items = items, concurrency = 6, step = function(item)
      local text, last = "", 1
      local reply = confab.ask {
        prompt = "Write a chat of 6 turns about " .. item.topic .. '. As JSON: {"turns": [{"role": "user", "content": "..."}]}',
        on_text = function(piece, begun)
          text = begun == last and text .. piece or piece
          last = begun
        end,
      }
      assert(text == reply.text, "what was shown is not the reply")
      return (assert(confab.parse(reply.text)))
    end }
    print(run.summary)
"""


@pytest.fixture
def prices(data):
    return ledger.Prices(data / "prices.json")


def test_the_text_is_seen_before_the_reply_is_whole(mock, script, start_confab):
    server = mock("faults=trickle,trickle=2s")
    running = start_confab("run", script(ONE), server=server)
    running.wait_for("^piece\t1")
    assert [line["event"] for line in server.arrivals()] == ["start", "arrival"]
    running.wait_for("^piece\t1")
    assert running.wait_for("^reply\t(.*)").group(1) == "1\ttrue\t1\tfalse"
    assert running.wait() == 0


@pytest.mark.threads
def test_a_conversation_shows_its_text_while_it_comes(mock, script, run_confab):
    path = script(SETUP + """
    local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}, as JSON.", tries = 3 }
    confab.run { name = "one", items = { { topic = "tea" } }, step = function(item)
      local texts = {}
      local conv = confab.generate { template = chat, params = item, on_text = function(text, begun)
        texts[begun] = (texts[begun] or "") .. text
      end }
      print(#texts, #conv, #confab.parse(texts[#texts]))
      return conv
    end }
    """)
    server = mock("faults=malformed:empty_object@1")
    first = run_confab("run", path, server=server)
    assert first.code == 0 and first.out == "2\t8\t8\n", first
    again = run_confab("run", path, "--offline")
    assert again.code == 0 and again.out == first.out, again


@pytest.mark.parametrize("on_text", ["", "on_text = function() end"], ids=["whole", "streamed"])
def test_a_reply_that_fails_tells_of_the_limits_as_well(mock, script, run_confab, on_text):
    path = script("""
    confab.setup { retry = { max_attempts = 1 } }
    local ok = pcall(confab.ask, { prompt = "Name a tea.", max_tokens = 500, %s })
    local status = confab.rate_limit_status()
    print(ok, status.source, status.limit)
    """ % on_text)
    server = mock("rpm=77,faults=" + ("stream_error" if on_text else "500"))
    result = run_confab("run", path, server=server)
    assert result.out == "false\theader\t77\n", result


def test_the_log_has_the_tokens_of_a_stream_that_failed(mock, script, run_confab, query):
    path = script(SETUP + 'print(#confab.ask { prompt = "Name a tea.", on_text = function() end }.text > 0)')
    result = run_confab("run", path, server=mock("faults=stream_error@1"))
    assert result.code == 0, result
    failed, whole = query("SELECT status, input_tokens FROM generation_logs ORDER BY id")
    assert failed["status"] != whole["status"] == "success"
    assert failed["input_tokens"] == whole["input_tokens"] > 0


def test_killed_in_mid_stream_the_call_is_made_again(mock, script, run_confab, start_confab, query):
    server, name = mock("faults=trickle@1,trickle=20s"), script(ONE)
    running = start_confab("run", name, server=server)
    running.wait_for("^piece\t1")
    running.signal(signal.SIGKILL)
    running.wait()
    assert query("select state from calls") == [{"state": "sent"}]

    result = run_confab("resume", server=server)
    assert result.code == 0, result
    assert "reply\t1\ttrue\t1\tfalse" in result.out
    assert len(ledger.exchanges(server.arrivals())) == 2
    call, = query("select state, attempts, at_risk_pico > 0 as risky, cost_pico > 0 as paid from calls")
    assert call == {"state": "done", "attempts": 2, "risky": 1, "paid": 1}
    durability.check_rows(query)

    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    assert re.fullmatch(r"piece\t1\t\d+\nreply\t1\ttrue\t2\ttrue\n", result.out), result


def test_interrupted_in_mid_stream_the_reply_is_awaited(mock, script, start_confab, query):
    server = mock("faults=trickle,trickle=1500ms")
    running = start_confab("run", script(ONE), server=server)
    running.wait_for("^piece\t1")
    running.signal(signal.SIGINT)
    assert running.wait() == 130
    assert query("select state, at_risk_pico from calls") == [{"state": "done", "at_risk_pico": 0}]


def test_given_up_in_mid_stream_it_is_booked_as_unknown(mock, script, start_confab, query):
    server = mock("faults=stall")
    running = start_confab("run", script(ONE), server=server)
    running.wait_for("^piece\t1")
    running.signal(signal.SIGINT)
    running.wait_for("Ctrl-C")
    running.signal(signal.SIGINT)
    assert running.wait() == 130
    call, = query("select state, at_risk_pico = bound_pico as risky from calls")
    assert call["risky"] and call["state"] != "done"
    durability.check_rows(query)


def test_a_stream_that_stands_still_is_tried_again(mock, script, run_confab, query):
    result = run_confab("run", script(ONE), "300", server=mock("faults=stall@1"))
    assert result.code == 0, result
    assert "reply\t2\ttrue\t2\tfalse" in result.out
    log, = query("select error_message from generation_logs where status = 'retry'")
    assert log["error_message"].startswith("reply stalled")


def test_a_stream_that_goes_on_is_no_standstill(mock, script, run_confab):
    server = mock("faults=trickle,trickle=1500ms")
    result = run_confab("run", script(ONE), "600", server=server)
    assert result.code == 0, result
    assert "reply\t1\ttrue\t1\tfalse" in result.out


@pytest.mark.threads
@pytest.mark.parametrize("faults", [
    "stream_error:25%", "cut:25%", "reset_body:25%", "stall@3-5", "trickle:30%",
    "429@7;500:4%;529:4%;reset:4%;reset_body:4%;cut:5%;stall@9;trickle:5%;stream_error:8%",
])
def test_steps_see_their_own_text_in_spite_of(faults, mock, script, run_confab, query, prices):
    server = mock(f"usage=varied,trickle=60ms,faults={faults}")
    result = run_confab("run", script(MANY), "400", server=server)
    assert result.code == 0, result
    durability.check_rows(query, has_calls=False)
    assert query("select count(*) as n from items where state = 'done'") == [{"n": 30}]
    assert durability.check_replies(query, ledger.exchanges(server.arrivals()), prices, 0) == 0

    before = len(server.arrivals())
    again = run_confab("run", "pipeline.lua", "400", server=server)
    assert again.code == 0, again
    assert len(server.arrivals()) == before


def test_streamed_and_unstreamed_replies_are_stored_alike(mock, script, run_confab, query):
    server = mock("")
    result = run_confab("run", script("""
        confab.ask { prompt = "Name a tea." }
        confab.ask { prompt = "Name a tea.", on_text = function() end }
    """), server=server)
    assert result.code == 0, result
    rows = query("""select json_extract(reply, '$.content') as content, json_extract(reply, '$.role') as role,
        json_extract(reply, '$.stop_reason') as stop, json_extract(reply, '$.usage.output_tokens') as tokens,
        model_answered, output_tokens from call_view order by ordinal""")
    assert rows[0] | {"content": 0, "tokens": 0, "output_tokens": 0} \
        == rows[1] | {"content": 0, "tokens": 0, "output_tokens": 0}
    assert all(row["tokens"] == row["output_tokens"] > 0 for row in rows)
