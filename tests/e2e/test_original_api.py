"""The API of the original system, field by field: what its four routes took, what they gave, how they failed."""
import json
import re

import pytest

from http_client import UUID, client_of

ONE = "/api/conversations/generate"
BATCH = "/api/conversations/generate-batch"
SOME_UUID = "0b0f3c1e-7a55-4c1b-9d0a-6f5e4d3c2b1a"

PIPELINE = """
    local faulty = { fault = function() error "a mistake in the script" end }
    confab.template { name = "chat", tier = "template", max_tokens = 1024, prompt = "Write a chat about {{topic}}." }
    confab.template { name = "faulty", tier = "template", prompt = "{{fault}}", lambdas = faulty }
    confab.setup { limits = { %s }, retry = { base_delay_ms = 0, jitter_ms = 0 } }
"""
PLENTY = 'max_requests = 100000, pacing = "burst"'
ONE_ONLY = "max_requests = 1, window_ms = 60000, enable_queue = false"


@pytest.fixture
def serve(start_confab, script, query):
    """serve(*options, limits=PLENTY, server=None) -> a client; its `template` is the id of one."""
    def start(*options, limits=PLENTY, server=None):
        simulate = () if server else ("--simulate",)
        client = client_of(start_confab("serve", script(PIPELINE % limits), *simulate, "--port", "0", *options,
                                        server=server))
        client.template = query("select uuid from templates where name = 'chat'")[0]["uuid"]
        client.faulty = query("select uuid from templates where name = 'faulty'")[0]["uuid"]
        return client
    return start


def asked(client, **fields):
    """A request with all that is required, as the original took it."""
    return {"templateId": client.template, "persona": "Ann, a nurse", "emotion": "worried", "topic": "refunds",
            "tier": "scenario", "parameters": {"turns": 8}} | fields


# --- shapes: a type, a predicate, or an object of shapes ---

def is_uuid(value):
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def is_text(value):
    return isinstance(value, str) and value != ""


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_amount(value):
    return is_number(value) and value >= 0


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_score(value):
    return is_number(value) and 1 <= value <= 10


def is_time(value):
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value) is not None


def is_status(value):
    return value in ("generated", "needs_revision")


def is_tier(value):
    return value in ("template", "scenario", "edge_case")


def maybe(shape):
    return lambda value: value is None or fits(shape, value)


def list_of(shape):
    return lambda value: isinstance(value, list) and all(fits(shape, element) for element in value)


def fits(shape, value):
    if isinstance(shape, dict):
        return isinstance(value, dict) and set(value) == set(shape) and \
            all(fits(shape[name], value[name]) for name in shape)
    if isinstance(shape, type):
        return isinstance(value, shape)
    return shape(value) if callable(shape) else value == shape and type(value) is type(shape)


def check(shape, value, path="reply"):
    """That the value has all the fields of the shape and no others, each of its kind."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{path} is no object: {value}"
        assert set(value) == set(shape), f"{path}: {set(value) ^ set(shape)}"
        for name in shape:
            check(shape[name], value[name], f"{path}.{name}")
    else:
        assert fits(shape, value), f"{path}: {value!r}"


CONVERSATION = {
    "id": is_uuid, "templateId": is_uuid, "persona": str, "emotion": str, "topic": str, "tier": is_tier,
    "parameters": dict, "status": is_status, "qualityScore": is_score,
    "qualityBreakdown": list_of(lambda part: {"name", "points", "max"} <= set(part) <= {"name", "points", "max", "note"}),
    "turnCount": is_count, "turns": list_of({"role": lambda role: role in ("user", "assistant"), "content": is_text}),
    "cost": is_amount, "model": is_text, "documentId": maybe(str), "chunkId": maybe(str), "runId": is_uuid,
    "truncated": bool, "simulated": bool, "createdAt": is_time, "tags": dict, "reviewNote": maybe(str),
}
SINGLE = {
    "success": True, "data": CONVERSATION,
    "metadata": {"qualityScore": is_score, "turnCount": is_count, "cost": is_amount, "duration": is_count},
}
SUMMARY = {
    "total": is_count, "successful": is_count, "failed": is_count, "totalCost": is_amount, "totalDuration": is_count,
    "avgCostPerConversation": is_amount, "avgDurationPerConversation": is_amount,
}
SUCCEEDED = {
    "index": is_count, "success": True, "conversationId": is_uuid, "data": CONVERSATION, "cost": is_amount,
    "duration": is_count,
}
FAILED = {
    "index": is_count, "success": False, "error": {"error": is_text, "message": is_text, "status": is_count},
    "cost": is_amount, "duration": is_count,
}
RATE_LIMIT = {
    "success": True, "data": {
        "limit": is_count, "used": is_count, "remaining": is_count, "resetMs": is_count, "queued": is_count,
        "inFlight": is_count, "waitMs": maybe(is_count), "pausedUntil": maybe(str),
        "source": lambda source: source in ("header", "config", "default"),
    },
}
BATCH_INFORMATION = {
    "success": True, "data": {
        "limits": {"maxRequests": 10000, "concurrency": {"min": 1, "max": 10}},
        "defaults": {"concurrency": 3, "stopOnError": False, "async": False},
        "templates": list_of(is_text), "runs": list_of(is_text),
    },
}


# --- POST /api/conversations/generate ---

def test_a_conversation_has_every_field(serve, query):
    client = serve()
    sent = asked(client, temperature=0.5, maxTokens=900, documentId=SOME_UUID, chunkId=SOME_UUID)
    reply = client.post(ONE, sent)
    assert reply.status == 201, reply
    check(SINGLE, reply.json)
    data, metadata = reply.json["data"], reply.json["metadata"]
    for name in set(sent) - {"temperature", "maxTokens"}:
        assert data[name] == sent[name], name
    assert metadata["qualityScore"] == data["qualityScore"]
    assert metadata["turnCount"] == data["turnCount"] == len(data["turns"]) > 0
    assert [turn["role"] for turn in data["turns"]] == ["user", "assistant"] * (len(data["turns"]) // 2)
    assert data["status"] == ("generated" if data["qualityScore"] >= 6 else "needs_revision")
    call, = query("select cost_pico, max_tokens, latency_ms from calls")
    assert metadata["cost"] == data["cost"] == pytest.approx(call["cost_pico"] / 1e12)
    assert call["max_tokens"] == 900
    logged, = query("select status, cost_pico, duration_ms from generation_logs")
    assert logged["status"] == "success" and logged["cost_pico"] == call["cost_pico"]
    assert metadata["duration"] >= (logged["duration_ms"] or 0) // 2


def test_a_conversation_without_what_is_optional_has_every_field_too(serve):
    client = serve()
    reply = client.post(ONE, asked(client, parameters={}))
    assert reply.status == 201, reply
    check(SINGLE, reply.json)
    assert reply.json["data"]["documentId"] is None and reply.json["data"]["chunkId"] is None


DEEP = {"text": "é", "number": 1.5, "flag": True, "nothing": None, "list": [1, "two", [3]], "object": {"a": {"b": []}}}

# field: whether it is required, values that are taken, values that are not
FIELDS = {
    "templateId": (True, [], ["", "  ", 7, True, [], {}, SOME_UUID]),
    "persona": (True, ["x", "Ann, a nurse", "名前"], ["", "  ", 7, True, [], {}]),
    "emotion": (True, ["x", "worried"], ["", "  ", 7, True, [], {}]),
    "topic": (True, ["x", "refunds"], ["", "  ", 7, True, [], {}]),
    "tier": (True, ["template", "scenario", "edge_case"], ["", "Template", "edge-case", 7, True, [], {}]),
    "parameters": (True, [{}, {"turns": 8}, DEEP], ["", 7, True, [], [1]]),
    "temperature": (False, [0, 0.5, 1, 1.0, None], [-0.1, 1.1, 2, "0.5", True, [], {}]),
    "maxTokens": (False, [100, 101, 8191, 8192, 900.0, None], [99, 8193, 0, -1, 100.5, "900", True, [], {}]),
    "documentId": (False, [SOME_UUID, None], ["", 7, True, [], {}]),
    "chunkId": (False, [SOME_UUID, None], ["", 7, True, [], {}]),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_a_request_is_taken_and_checked_as_in_the_original(serve, query, name):
    client = serve()
    is_required, taken, refused = FIELDS[name]
    for value in taken:
        reply = client.post(ONE, asked(client, **{name: value}))
        assert reply.status == 201, (value, reply)
        check(SINGLE, reply.json)
        if name not in ("temperature", "maxTokens"):
            assert reply.json["data"][name] == value
    runs = query("select count(*) as n from runs")
    for value in refused + ([None] if is_required else []):
        check_refused(client.post(ONE, asked(client, **{name: value})), name)
        batch = {"requests": [asked(client), asked(client, **{name: value})]}
        check_refused(client.post(BATCH, batch), f"requests[1].{name}")
    without = {field: value for field, value in asked(client).items() if field != name}
    if is_required:
        check_refused(client.post(ONE, without), name)
    else:
        assert client.post(ONE, without).status == 201
        runs[0]["n"] += 1
    assert query("select count(*) as n from runs") == runs    # a request that is wrong begins nothing


def check_refused(reply, path):
    assert reply.status == 400, (path, reply)
    check({"error": "invalid_request", "message": is_text,
           "details": list_of({"path": is_text, "reason": is_text})}, reply.json)
    assert [problem["path"] for problem in reply.json["details"]] == [path], reply


def test_a_temperature_is_sent_and_no_more_tokens_than_are_asked_for(serve, mock, query):
    client = serve("--model", "claude-haiku-4-5", server=mock("rpm=100000"))    # one that takes a temperature
    reply = client.post(ONE, asked(client, temperature=0.25, maxTokens=900))
    assert reply.status == 201, reply
    request = json.loads(query("select request from call_view")[0]["request"])
    assert (request["temperature"], request["max_tokens"]) == (0.25, 900)


# --- GET /api/conversations/generate ---

def test_the_rate_limit_status_has_every_field(serve):
    client = serve()
    check(RATE_LIMIT, client.get(ONE).json)
    client.post(ONE, asked(client))
    reply = client.get(ONE)
    assert reply.status == 200
    check(RATE_LIMIT, reply.json)
    data = reply.json["data"]
    assert (data["limit"], data["used"], data["remaining"]) == (100000, 1, 99999)
    assert data["resetMs"] > 0 and data["queued"] == data["inFlight"] == 0


# --- POST /api/conversations/generate-batch ---

def batch_shape(results):
    return {"success": True, "data": {
        "runId": is_uuid, "state": is_text, "stateReason": maybe(str), "summary": SUMMARY, "results": results}}


def test_a_batch_has_every_field(serve):
    client = serve()
    requests = [asked(client, topic=f"topic {i}") for i in range(4)]
    reply = client.post(BATCH, {"requests": requests, "options": {"concurrency": 2, "stopOnError": False}})
    assert reply.status == 201, reply
    check(batch_shape(list_of(SUCCEEDED)), reply.json)
    check_sums(reply.json["data"], 4, 4, 0)
    for i, result in enumerate(reply.json["data"]["results"]):
        check(SUCCEEDED, result, f"results[{i}]")
        assert result["index"] == i and result["data"]["topic"] == f"topic {i}"
        assert result["conversationId"] == result["data"]["id"] and result["cost"] == result["data"]["cost"]


def check_sums(data, total, successful, failed):
    summary, results = data["summary"], data["results"]
    assert (summary["total"], summary["successful"], summary["failed"]) == (total, successful, failed)
    assert sum(result["success"] for result in results) == successful
    assert summary["totalCost"] == pytest.approx(sum(result["cost"] for result in results))
    assert summary["avgCostPerConversation"] == pytest.approx(summary["totalCost"] / successful if successful else 0)
    assert summary["avgDurationPerConversation"] == pytest.approx(summary["totalDuration"] / total)


def test_what_failed_stands_in_its_place(serve, mock):
    client = serve(server=mock("rpm=100000,faults=400@2-2"))
    reply = client.post(BATCH, {"requests": [asked(client, topic=f"t{i}") for i in range(3)],
                                "options": {"concurrency": 1}})
    assert reply.status == 201, reply
    check(batch_shape(list), reply.json)
    check_sums(reply.json["data"], 3, 2, 1)
    for result, shape in zip(reply.json["data"]["results"], (SUCCEEDED, FAILED, SUCCEEDED)):
        check(shape, result)
    assert reply.json["data"]["results"][1]["error"]["status"] == 502


@pytest.mark.parametrize("options, in_flight", [
    ({"options": {"concurrency": 1}}, 1), ({"options": {"concurrency": 10}}, 10), ({"options": {}}, 3), ({}, 3),
    ({"options": {"concurrency": None, "stopOnError": None}}, 3),
])
def test_the_concurrency_is_1_to_10_and_3_unless_it_is_given(serve, mock, options, in_flight):
    server = mock("rpm=100000,latency=fixed:200")
    client = serve(server=server)
    reply = client.post(BATCH, {"requests": [asked(client, topic=f"t{i}") for i in range(12)], **options})
    assert reply.status == 201, reply
    check_sums(reply.json["data"], 12, 12, 0)
    assert server.stop()["peak_in_flight"] == in_flight


@pytest.mark.parametrize("options, path", [
    ({"concurrency": 0}, "options.concurrency"), ({"concurrency": 11}, "options.concurrency"),
    ({"concurrency": 2.5}, "options.concurrency"), ({"concurrency": "3"}, "options.concurrency"),
    ({"stopOnError": "no"}, "options.stopOnError"), ({"stopOnError": 0}, "options.stopOnError"),
    ({"speed": 1}, "options.speed"), ([], "options"), (7, "options"),
])
def test_other_options_are_refused(serve, options, path):
    client = serve()
    check_refused(client.post(BATCH, {"requests": [asked(client)], "options": options}), path)


@pytest.mark.parametrize("requests", [None, [], {}, "x", 7, [7], [[]], [None]])
def test_requests_are_a_list_of_requests(serve, requests):
    client = serve()
    path = "requests[0]" if isinstance(requests, list) and requests else "requests"
    check_refused(client.post(BATCH, {"requests": requests}), path)


def test_a_hundred_requests_are_no_limit_any_more(serve):
    client = serve()
    reply = client.post(BATCH, {"requests": [asked(client, topic=f"t{i}") for i in range(101)]})
    assert reply.status == 201, reply
    check_sums(reply.json["data"], 101, 101, 0)


@pytest.mark.parametrize("stops, failed, asked_for", [(True, 1, 2), (False, 1, 4), (None, 1, 4)])
def test_an_error_stops_a_batch_only_if_it_is_to(serve, mock, stops, failed, asked_for):
    server = mock("rpm=100000,faults=400@2-2")
    client = serve(server=server)
    options = {"concurrency": 1} | ({} if stops is None else {"stopOnError": stops})
    reply = client.post(BATCH, {"requests": [asked(client, topic=f"t{i}") for i in range(4)], "options": options})
    assert reply.status == 201, reply
    check(batch_shape(list), reply.json)
    assert reply.json["data"]["summary"]["failed"] == failed
    assert reply.json["data"]["summary"]["successful"] == asked_for - 1
    assert sum(line["event"] == "arrival" for line in server.arrivals()) == asked_for


# --- GET /api/conversations/generate-batch ---

def test_the_information_on_batches_has_every_field(serve):
    reply = serve().get(BATCH)
    assert reply.status == 200
    check(BATCH_INFORMATION, reply.json)


# --- errors ---

@pytest.mark.parametrize("status, error, spec, limits, fields", [
    (400, "invalid_request", None, PLENTY, {"tier": "other"}),
    (422, "validation_error", "faults=malformed:empty_object", PLENTY, {}),
    (422, "parse_error", "faults=malformed:only_thinking_tags", PLENTY, {}),
    (422, "refusal", "faults=refusal:100%", PLENTY, {}),
    (429, "rate_limit_error", None, ONE_ONLY, {}),
    (500, "script_error", None, PLENTY, {"templateId": "faulty"}),
    (502, "api_error", "faults=500:100%", PLENTY, {}),
    (502, "api_error", "faults=401:100%", PLENTY, {}),
])
def test_an_error_has_the_status_and_the_fields_of_the_original(serve, mock, status, error, spec, limits, fields):
    client = serve(limits=limits, server=mock("rpm=100000," + spec) if spec else None)
    if status == 429:
        assert client.post(ONE, asked(client)).status == 201
    reply = client.post(ONE, asked(client, **fields))
    assert reply.status == status, reply
    shape = {"error": error, "message": is_text}
    if status == 400:
        shape["details"] = list_of({"path": is_text, "reason": is_text})
    if status == 429:
        shape["retryAfter"] = is_number
    check(shape, reply.json)
    assert ("Retry-After" in reply.headers) == (status == 429)
    if status == 429:
        assert 0 < reply.json["retryAfter"] == int(reply.headers["Retry-After"])
