"""One conversation over HTTP, seen while it is made, begun without waiting for it, and estimated before."""
import json
import threading

import pytest

from http_client import UUID, client_of, sse
from websocket_client import WebSocket

ONE = "/api/conversations/generate"

PIPELINE = """
    confab.template {
      name = "chat", tier = "template", max_tokens = 1024, system = "Be kind.",
      prompt = "Write a chat of {{turns}} turns about {{topic}} with {{persona}}, who feels {{emotion}}.",
    }
    confab.template { name = "shout", prompt = "{{#loud}}Say {{topic}}{{/loud}}", lambdas = { loud = function(text) return text .. "!" end } }
    confab.setup { limits = { max_requests = 50, pacing = "burst" }, retry = { base_delay_ms = 0, jitter_ms = 0 } }
"""


def asked(**fields):
    return {"templateId": "chat", "persona": "Ann", "emotion": "worried", "topic": "refunds", "tier": "scenario",
            "parameters": {"turns": 8}} | fields


@pytest.fixture
def serve(start_confab, script):
    def start(spec="latency=fixed:300", lua=PIPELINE, *options):
        return client_of(start_confab("serve", script(lua), f"--simulate={spec}", "--port", "0", *options))
    return start


def text_of(events):
    return "".join(event["data"]["text"] for event in events if event["type"] == "text")


def said_by(query):
    reply = json.loads(query("select body from call_replies")[0]["body"])
    return "".join(block["text"] for block in reply["content"] if block["type"] == "text")


def test_the_text_of_a_streamed_conversation_is_told_before_the_reply(serve, query):
    client = serve()
    web = WebSocket(client.host, "/api/events")
    replies = []
    thread = threading.Thread(
        target=lambda: replies.append(client.post(ONE, asked(stream=True), Idempotency_Key="order-7")))
    thread.start()
    told = []
    for event in web.events():
        told.append(event)
        if event["type"] == "run" and event["data"]["isOver"]:
            break
    thread.join(60)
    web.close()
    reply, = replies
    assert reply.status == 201, reply
    pieces = [event for event in told if event["type"] == "text"]
    assert len(pieces) > 1
    assert all(event["run"] == reply.json["data"]["runId"] and event["data"]["item"] == "order-7" for event in pieces)
    assert text_of(told) == said_by(query)
    assert query("select params from items")[0]["params"].find("stream") < 0


def test_a_conversation_that_nobody_waits_for_is_watched_from_its_beginning(serve, query):
    client = serve()
    reply = client.post(ONE, asked(stream=True, **{"async": True}))
    assert reply.status == 202, reply
    data = reply.json["data"]
    assert set(data) == {"runId", "status", "total", "lastEventId"}
    assert UUID.fullmatch(data["runId"]) and data["status"] == "accepted" and data["total"] == 1
    told = [event for _, _, event in sse(client, f"/api/runs/{data['runId']}/events?lastEventId={data['lastEventId']}")]
    assert told[-1]["type"] == "end" and told[-1]["data"] == {"reason": "over"}
    assert text_of(told) == said_by(query) != ""
    result, = client.get(f"/api/runs/{data['runId']}/results").json["data"]
    assert result["state"] == "done" and len(result["conversations"][0]["turns"]) == 8


def test_without_stream_nothing_is_streamed(serve, query):
    client = serve("latency=fixed:1")
    web = WebSocket(client.host, "/api/events")
    reply = client.post(ONE, asked(**{"async": True}))
    assert reply.status == 202 and set(reply.json["data"]) == {"runId", "status", "total"}
    for event in web.events():
        assert event["type"] != "text"
        if event["type"] == "run" and event["data"]["isOver"]:
            break
    web.close()


def test_an_asynchronous_request_is_repeated_by_its_key(serve, query):
    client = serve("latency=fixed:1")
    body = asked(**{"async": True})
    first = client.post(ONE, body, Idempotency_Key="k").json["data"]["runId"]
    assert client.post(ONE, body, Idempotency_Key="k").json["data"]["runId"] == first
    assert client.post(ONE, asked(), Idempotency_Key="k").status == 422    # another body
    list(sse(client, f"/api/runs/{first}/events"))
    assert client.post(ONE, body, Idempotency_Key="k").json["data"]["runId"] == first
    assert query("select count(*) as n from calls") == [{"n": 1}]


def test_a_failure_of_an_asynchronous_request_stands_with_its_run(serve):
    client = serve("faults=refusal")
    run = client.post(ONE, asked(**{"async": True})).json["data"]["runId"]
    list(sse(client, f"/api/runs/{run}/events"))
    result, = client.get(f"/api/runs/{run}/results").json["data"]
    assert (result["state"], result["errorKind"], result["conversations"]) == ("failed", "refusal", [])


@pytest.mark.parametrize("path", [ONE, "/api/estimate"])
@pytest.mark.parametrize("fields, details", [
    ({"stream": 1}, {"stream": "must be true or false, not a number"}),
    ({"async": "yes", "persona": 3}, {"async": "must be true or false, not text", "persona": "must be text, not a number"}),
    ({"colour": 1}, None), ({"templateId": "none"}, None), ({"parameters": {}}, None),
])
def test_what_is_wrong_is_named(serve, query, path, fields, details):
    client = serve()
    reply = client.post(path, asked(**fields))
    assert reply.status == 400, reply
    told = {problem["path"]: problem["reason"] for problem in reply.json["details"]}
    assert told == details if details else set(told) == set(fields)
    assert client.post(path, [asked()]).json["details"] == [{"path": "", "reason": "must be an object, not a list"}]
    assert query("select count(*) as n from runs") == [{"n": 0}]


def test_a_batch_takes_neither(serve):
    client = serve()
    reply = client.post("/api/conversations/generate-batch", {"requests": [asked(stream=True)]})
    assert [problem["path"] for problem in reply.json["details"]] == ["requests[0].stream"]


def test_an_estimate_tells_what_would_be_sent_and_cost(serve, query):
    client = serve("latency=fixed:1")
    reply = client.post("/api/estimate", asked(temperature=0.5, maxTokens=500, stream=True))
    assert reply.status == 200, reply
    data = reply.json["data"]
    assert set(data) == {"template", "model", "system", "messages", "temperature", "maxTokens", "inputTokens",
                         "outputTokens", "cost", "basis"}
    assert (data["template"], data["system"]) == ("chat", "Be kind.")
    assert data["messages"] == [
        {"role": "user", "content": "Write a chat of 8 turns about refunds with Ann, who feels worried."}]
    assert (data["temperature"], data["maxTokens"]) == (0.5, 500)
    assert 10 < data["inputTokens"] < 100 and data["outputTokens"] > 0    # thinking included
    assert 0 < data["cost"]["expected"] < data["cost"]["highest"]
    assert query("select (select count(*) from runs) + (select count(*) from calls) as n") == [{"n": 0}]

    made = client.post(ONE, asked(temperature=0.5, maxTokens=500)).json["data"]
    assert made["cost"] <= data["cost"]["highest"] and made["model"].startswith(data["model"])
    sent = json.loads(query("select body from call_requests")[0]["body"])
    assert sent["messages"][0]["content"] in (data["messages"][0]["content"],
                                              [{"type": "text", "text": data["messages"][0]["content"]}])
    assert sent["max_tokens"] >= 500    # and room for thinking


def test_an_estimate_without_the_optional_fields(serve):
    client = serve("latency=fixed:1")
    data = client.post("/api/estimate", asked(templateId="shout", parameters={})).json["data"]
    assert (data["system"], data["temperature"]) == (None, None)
    assert data["messages"] == [{"role": "user", "content": "Say refunds!"}]


def test_the_lanes_tell_what_is_used(serve):
    client = serve("latency=fixed:1")
    assert client.get("/api/limits").json["data"]["lanes"] == []
    client.post(ONE, asked())
    data = client.get("/api/limits").json["data"]
    lane, = data["lanes"]
    assert lane["state"] == "open" and lane["breaker"] == "closed" and lane["pacing"] == "burst"
    assert (lane["queued"], lane["inFlight"], lane["pausedMs"], lane["awayMs"]) == (0, 0, 0, 0)
    resources = {resource["name"]: resource for resource in lane["resources"]}
    assert set(resources) == {"requests", "inputTokens", "outputTokens"}
    assert resources["requests"] == {"name": "requests", "limit": 50, "used": 1, "remaining": 49}
    assert data["calls"]["inFlight"] == 0


def test_what_is_offered_is_told(serve, query):
    client = serve()
    for name, variables in (("chat", ["turns", "topic", "persona", "emotion"]), ("shout", ["topic"])):
        data = client.get(f"/api/templates/{name}").json["data"]
        assert data["isOffered"] is True and data["variables"] == variables


def test_functions_of_an_earlier_script_are_not_offered(serve, run_confab, script):
    """A template with functions is offered only while its script is served."""
    client = serve("latency=fixed:1")
    assert client.get("/api/templates/shout").json["data"]["isOffered"] is True
    other = serve("latency=fixed:1", 'confab.template { name = "plain", prompt = "Say {{x}}" }')
    assert other.get("/api/templates/shout").json["data"]["isOffered"] is False
    assert other.get("/api/templates/chat").json["data"]["isOffered"] is True
