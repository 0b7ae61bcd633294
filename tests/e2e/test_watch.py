"""Live progress of `confab serve`: server-sent events of one run, a WebSocket of all."""
import json
import socket
import threading
import time

import pytest

from http_client import client_of, sse
from websocket_client import CLOSE, PING, PONG, TEXT, WebSocket

PIPELINE = """
    local chat = confab.template {
      name = "chat", tier = "template", max_tokens = 1024, prompt = "Write a chat about {{topic}}.",
    }
    confab.setup {
      limits = { max_requests = 100000, pacing = "burst" },
      retry = { base_delay_ms = 1, jitter_ms = 0 },
    }
    local items = {}
    for i = 1, %d do items[i] = { topic = "tea " .. i } end
    confab.run { name = "chats", items = items, template = chat, concurrency = 20 %s }
"""


@pytest.fixture
def serve(start_confab, script):
    """serve(items, spec, more="") -> process, client"""
    def start(items, spec="latency=fixed:5", more=""):
        process = start_confab("serve", script(PIPELINE % (items, more)), f"--simulate={spec}", "--port", "0")
        return process, client_of(process)
    return start


def begin(client, name="chats"):
    reply = client.post("/api/runs", {"name": name})
    assert reply.status == 202, reply
    return reply.json["data"]["runId"]


def until_over(web):
    """The events up to the end of the run."""
    for event in web.events():
        yield event
        if event["type"] == "run" and event["data"]["isOver"]:
            break
    web.close()


def ended(events):
    """What is told of each item that came to its end, in order."""
    for event in events:
        if event["type"] == "item":
            yield from event["data"].get("before", [])
            yield event["data"]


def test_a_run_is_told_from_its_state_to_its_end(serve):
    _, client = serve(60, "latency=fixed:20")
    web = WebSocket(client.host, "/api/events")
    run = begin(client)
    told = list(sse(client, f"/api/runs/{run}/events"))
    assert [kind for _, kind, _ in told][0] == "state" and told[-1][1] == "end"
    assert told[-1][2]["data"] == {"reason": "over"}
    numbers = [number for number, _, _ in told if number is not None]
    assert numbers == sorted(set(numbers))
    for number, kind, event in told[:-1]:
        assert event["id"] == number and event["type"] == kind and event["run"] in (run, None)

    items = list(ended(event for _, _, event in told))
    last = [event["data"] for _, kind, event in told if kind == "run"][-1]
    assert last["state"] == "done" and last["isOver"] is True
    begun = told[0][2]["data"]["run"]["summary"]
    assert begun["successful"] + len(items) >= 60
    assert items[-1]["counts"]["successful"] == 60
    assert all(item["state"] == "done" and item["cost"] > 0 and 1 <= item["qualityScore"] <= 10 for item in items)
    assert client.get(f"/api/runs/{run}/events", Last_Event_ID=str(numbers[-1])).status == 204

    of_all = list(until_over(web))
    assert [event["id"] for event in of_all] == sorted({event["id"] for event in of_all})
    assert len({item["key"] for item in ended(of_all)}) == len(list(ended(of_all))) == 60
    assert all(event["run"] in (run, None) for event in of_all)
    middle = of_all[2]["id"]
    again = WebSocket(client.host, f"/api/events?lastEventId={middle}")
    assert next(again.events())["id"] > middle
    again.close()


def test_items_that_end_together_are_told_together(serve):
    _, client = serve(400, "latency=fixed:1")
    web = WebSocket(client.host, "/api/events")
    begin(client)
    told = [event for event in until_over(web) if event["type"] == "item"]
    assert len(told) < 200 and len(list(ended(told))) == 400
    assert "before" not in told[0]["data"] and told[-1]["data"]["counts"]["successful"] == 400


def test_items_that_are_left_as_they_are_are_counted(serve):
    _, client = serve(60)
    web = WebSocket(client.host, "/api/events")
    begin(client)
    until = list(until_over(web))
    assert sum(event["type"] == "kept" for event in until) == 0
    web = WebSocket(client.host, "/api/events")
    begin(client)
    told = list(until_over(web))
    assert sum(event["data"]["count"] for event in told if event["type"] == "kept") == 60
    assert [event["data"]["counts"]["replayed"] for event in told if event["type"] == "kept"][-1] == 60
    assert not list(ended(told))


def test_retries_pauses_and_budget_alerts_are_told(serve):
    _, client = serve(60, "latency=fixed:5,faults=500:20%;429:20%", more=", tries = 3, budget = 1000, alert_at = { 0.000001 }")
    web = WebSocket(client.host, "/api/events")
    begin(client)
    kinds = {}
    for event in until_over(web):
        kinds.setdefault(event["type"], event)
    assert {"run", "item", "retry", "rate_limit", "budget"} <= set(kinds)
    retry = kinds["retry"]["data"]
    assert retry["attempt"] >= 1 and retry["errorKind"] and retry["item"] and retry["delayMs"] >= 0
    assert kinds["rate_limit"]["run"] is None and kinds["rate_limit"]["data"]["waitMs"] > 0
    assert kinds["budget"]["data"]["share"] == 0.000001 and kinds["budget"]["data"]["budget"] == 1000


STREAMED = """
    confab.run { name = "chats", items = { { topic = "tea" } }, step = function(item)
      local reply = confab.ask { prompt = "Write about " .. item.topic, max_tokens = 2000, on_text = function() end }
      local file = io.open("said.txt", "wb")
      file:write(reply.text)
      file:close()
    end }
"""


def test_the_text_of_a_streamed_reply_is_told_piece_by_piece(start_confab, script, folder):
    process = start_confab("serve", script(STREAMED), "--simulate=latency=fixed:400", "--port", "0")
    client = client_of(process)
    web = WebSocket(client.host, "/api/events")
    run = begin(client)
    told = [event for event in until_over(web) if event["type"] == "text"]
    assert len(told) > 1
    assert all(event["run"] == run and event["data"]["attempt"] == 1 and event["data"]["item"] for event in told)
    assert "".join(event["data"]["text"] for event in told) == (folder / "said.txt").read_text(encoding="utf-8")


def test_pings_are_answered_and_a_close_is_closed(serve):
    _, client = serve(1)
    web = WebSocket(client.host, "/api/events")
    web.send(TEXT, b"hello")
    web.send(PING, b"are you there")
    assert web.receive() == (PONG, b"are you there")
    web.send(CLOSE, b"\x03\xe8")
    assert web.receive()[0] == CLOSE
    web.close()


def test_a_socket_from_elsewhere_is_refused(serve):
    _, client = serve(1)
    for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 403),
                            ({"Upgrade": None}, 426), ({"Sec_WebSocket_Version": "8"}, 426)):
        refused = WebSocket(client.host, "/api/events", **headers)
        assert refused.status == status and json.loads(refused.text)["message"], headers
        refused.close()


def test_watchers_that_do_not_read_hold_no_run_up(serve):
    _, client = serve(400, "latency=fixed:1")
    asleep = [WebSocket(client.host, "/api/events", rcvbuf=4096) for _ in range(5)]
    for _ in range(5):
        stream = socket.create_connection(client.host.split(":"))
        asleep.append(stream)
    begun = time.monotonic()
    run = begin(client)
    for stream in asleep[5:]:
        stream.sendall(f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
    assert list(sse(client, f"/api/runs/{run}/events"))[-1][2]["data"] == {"reason": "over"}
    assert time.monotonic() - begun < 30
    for stream in asleep:
        stream.close()


def test_a_stop_ends_those_who_watch(serve):
    process, client = serve(1)
    web = WebSocket(client.host, "/api/events")
    told = []
    thread = threading.Thread(target=lambda: told.extend(web.events()))
    thread.start()
    process.signal(15)
    assert process.wait() == 0, process.output
    thread.join(20)
    assert told[-1]["type"] == "end" and told[-1]["data"] == {"reason": "server_stops"}
