"""confab serve: what the original system's API took and gave, field by field, and what a restart keeps."""
import json
import signal
import threading
import time

import pytest

from http_client import UUID, client_of

ONE = "/api/conversations/generate"
BATCH = "/api/conversations/generate-batch"

PIPELINE = """
    local chat = confab.template {
      name = "chat", tier = "template", max_tokens = 1024,
      prompt = "Write a chat of {{turns}} turns about {{topic}} with {{persona}}, who feels {{emotion}}.",
    }
    confab.setup {
      limits = { max_requests = 100000, pacing = "burst" }, retry = { base_delay_ms = 0, jitter_ms = 0 },
    }
    local people = {}
    for i = 1, 5 do people[i] = { persona = "person " .. i, emotion = "calm", topic = "tea", turns = 8 } end
    confab.run { name = "defined", items = people, template = chat }
"""


def asked(**fields):
    return {"templateId": "chat", "persona": "Ann, a nurse", "emotion": "worried", "topic": "refunds",
            "tier": "scenario", "parameters": {"turns": 8}} | fields


@pytest.fixture
def serve(start_confab, script):
    """serve(*options, server=None, lua=PIPELINE) -> process, client"""
    def start(*options, server=None, lua=PIPELINE):
        simulate = () if server else ("--simulate",)
        process = start_confab("serve", script(lua), *simulate, "--port", "0", *options, server=server)
        return process, client_of(process)
    return start


def arrivals(server):
    return sum(line["event"] == "arrival" for line in server.arrivals())


def stop(process):
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.output


def test_one_conversation_has_the_shape_of_the_original(serve, query):
    _, client = serve()
    reply = client.post(ONE, asked(temperature=0.5, maxTokens=900, documentId="doc-1", chunkId="chunk-7"))
    assert reply.status == 201, reply
    assert set(reply.json) == {"success", "data", "metadata"}
    assert reply.json["success"] is True
    data, metadata = reply.json["data"], reply.json["metadata"]
    assert set(metadata) == {"qualityScore", "turnCount", "cost", "duration"}
    assert metadata["qualityScore"] == data["qualityScore"] and 1 <= metadata["qualityScore"] <= 10
    assert metadata["turnCount"] == data["turnCount"] == len(data["turns"]) == 8
    assert metadata["cost"] == data["cost"] > 0
    assert isinstance(metadata["duration"], int) and metadata["duration"] >= 0

    assert UUID.fullmatch(data["id"]) and UUID.fullmatch(data["runId"])
    template = query("select uuid from templates where name = 'chat'")[0]["uuid"]
    assert data["templateId"] == template
    sent = asked()
    for name in ("persona", "emotion", "topic", "tier", "parameters"):
        assert data[name] == sent[name]
    assert (data["documentId"], data["chunkId"]) == ("doc-1", "chunk-7")
    assert data["status"] == ("generated" if data["qualityScore"] >= 6 else "needs_revision")
    assert [turn["role"] for turn in data["turns"]] == ["user", "assistant"] * 4
    assert all(set(turn) == {"role", "content"} and turn["content"] for turn in data["turns"])
    assert data["simulated"] is True and data["truncated"] is False
    assert {part["name"] for part in data["qualityBreakdown"]} == {"turn count", "turn length", "structure"}

    stored = query("select source, state, simulated from runs where uuid = ?", data["runId"])
    assert stored == [{"source": "http", "state": "done", "simulated": 1}]
    assert query("select max_tokens from calls") == [{"max_tokens": 900}]
    assert client.post(ONE, asked(templateId=template)).status == 201


def test_the_rate_limit_status(serve):
    _, client = serve()
    client.post(ONE, asked())
    reply = client.get(ONE)
    assert reply.status == 200 and reply.json["success"] is True
    data = reply.json["data"]
    assert data["limit"] == 100000 and data["remaining"] == 100000 - data["used"] and data["used"] == 1
    assert {"resetMs", "queued", "inFlight", "source"} <= set(data)


def test_every_wrong_field_is_named_at_once(serve, query):
    _, client = serve()
    reply = client.post(ONE, asked(persona=3, tier="odd", parameters=[], temperature=2, maxTokens=99,
                                   documentId="", colour="red") | {"topic": None})
    assert reply.status == 400
    assert reply.json["error"] == "invalid_request" and reply.json["message"]
    details = {problem["path"]: problem["reason"] for problem in reply.json["details"]}
    assert set(details) == {"persona", "tier", "parameters", "temperature", "maxTokens", "documentId", "colour",
                            "topic"}
    assert details["maxTokens"] == "must be from 100 to 8192"
    assert details["topic"] == "is missing"
    assert query("select count(*) as n from runs") == [{"n": 0}]


@pytest.mark.parametrize("change, path", [
    ({"templateId": "no-such-template"}, "templateId"),
    ({"templateId": "01a20d08-1605-70c4-8a43-03c7eece9d63"}, "templateId"),
    ({"parameters": {}}, "parameters"),
])
def test_a_template_that_cannot_be_used_is_a_mistake(serve, change, path):
    _, client = serve()
    reply = client.post(ONE, asked(**change))
    assert reply.status == 400, reply
    assert [problem["path"] for problem in reply.json["details"]] == [path]


def test_a_batch_has_the_shape_of_the_original(serve, query):
    _, client = serve()
    requests = [asked(topic=f"topic {i}") for i in range(5)]
    reply = client.post(BATCH, {"requests": requests, "options": {"concurrency": 2, "stopOnError": False}})
    assert reply.status == 201, reply
    assert set(reply.json) == {"success", "data"} and reply.json["success"] is True
    data = reply.json["data"]
    assert UUID.fullmatch(data["runId"])
    summary = data["summary"]
    assert set(summary) == {"total", "successful", "failed", "totalCost", "totalDuration",
                            "avgCostPerConversation", "avgDurationPerConversation"}
    assert (summary["total"], summary["successful"], summary["failed"]) == (5, 5, 0)
    assert summary["totalCost"] == pytest.approx(sum(result["cost"] for result in data["results"]))
    assert summary["avgCostPerConversation"] == pytest.approx(summary["totalCost"] / 5)
    assert summary["avgDurationPerConversation"] == pytest.approx(summary["totalDuration"] / 5)
    assert [result["index"] for result in data["results"]] == list(range(5))
    for result, sent in zip(data["results"], requests):
        assert result["success"] is True
        assert result["data"]["topic"] == sent["topic"]
        assert result["conversationId"] == result["data"]["id"]
        assert result["duration"] >= 0
    assert query("select count(*) as n from runs where source = 'http'") == [{"n": 1}]


def test_limits_and_defaults_of_batches(serve):
    _, client = serve("--max-batch", "3")
    data = client.get(BATCH).json["data"]
    assert data["limits"] == {"maxRequests": 3, "concurrency": {"min": 1, "max": 10}}
    assert data["defaults"] == {"concurrency": 3, "stopOnError": False, "async": False}
    assert (data["templates"], data["runs"]) == (["chat"], ["defined"])
    reply = client.post(BATCH, {"requests": [asked()] * 4})
    assert reply.status == 400
    assert reply.json["details"] == [{"path": "requests",
                                      "reason": "there are 4 of them; at most 3 are taken at a time"}]


def test_mistakes_in_a_batch_name_the_request(serve):
    _, client = serve()
    reply = client.post(BATCH, {"requests": [asked(), asked(tier="x"), 7, asked(templateId="none")],
                                "options": {"concurrency": 11, "speed": 1}, "more": 1})
    assert reply.status == 400
    assert {problem["path"] for problem in reply.json["details"]} == {
        "options.concurrency", "options.speed", "more", "requests[1].tier", "requests[2]", "requests[3].templateId"}


def test_equal_requests_are_separate(serve, query):
    _, client = serve()
    replies = [client.post(ONE, asked()).json for _ in range(2)]
    assert replies[0]["data"]["id"] != replies[1]["data"]["id"]
    batch = client.post(BATCH, {"requests": [asked(), asked()]}).json
    assert len({result["conversationId"] for result in batch["data"]["results"]}) == 2
    assert query("select count(*) as n from calls") == [{"n": 4}]


def test_an_idempotency_key_gives_the_first_result_again_also_after_a_restart(serve, mock):
    server = mock("rpm=100000")
    process, client = serve(server=server)
    first = client.post(ONE, asked(), Idempotency_Key="order-66")
    assert first.status == 201, first
    batch = client.post(BATCH, {"requests": [asked()] * 3}, Idempotency_Key="b-1")
    assert client.post(ONE, asked(), Idempotency_Key="order-66").json == first.json
    other = client.post(ONE, asked(topic="another"), Idempotency_Key="order-66")
    assert (other.status, other.json["error"]) == (422, "idempotency_key_reused")
    stop(process)

    process, client = serve(server=server)
    assert client.post(ONE, asked(), Idempotency_Key="order-66").json == first.json
    assert client.post(BATCH, {"requests": [asked()] * 3}, Idempotency_Key="b-1").json == batch.json
    assert client.post(ONE, asked(), Idempotency_Key="a b").status == 400
    assert arrivals(server) == 4


def test_two_posts_of_one_key_at_a_time_are_one(serve, mock):
    server = mock("rpm=100000,latency=fixed:300")
    _, client = serve(server=server)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(client.post(ONE, asked(), Idempotency_Key="k")))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [201] * 4
    assert len({reply.json["data"]["id"] for reply in replies}) == 1
    assert arrivals(server) == 1


@pytest.mark.parametrize("spec, status, error", [
    ("faults=malformed:100%", 422, {"parse_error", "validation_error"}),
    ("faults=refusal:100%", 422, {"refusal"}),
    ("faults=500:100%", 502, {"api_error"}),
    ("faults=401:100%", 502, {"api_error"}),
])
def test_what_goes_wrong_has_the_status_of_the_original(serve, mock, spec, status, error):
    server = mock("rpm=100000," + spec)
    _, client = serve(server=server)
    reply = client.post(ONE, asked())
    assert reply.status == status, reply
    assert reply.json["error"] in error
    assert set(reply.json) <= {"error", "message", "details", "retryAfter"} and reply.json["message"]


def test_a_limit_without_a_queue_answers_429(serve):
    _, client = serve(lua=PIPELINE.replace('max_requests = 100000, pacing = "burst"',
                                           'max_requests = 1, window_ms = 60000, enable_queue = false'))
    assert client.post(ONE, asked()).status == 201
    reply = client.post(ONE, asked())
    assert reply.status == 429, reply
    assert reply.json["error"] == "rate_limit_error"
    assert 1 <= reply.json["retryAfter"] <= 61
    assert int(reply.headers["Retry-After"]) == reply.json["retryAfter"]


def test_a_budget_that_is_used_up_answers_402(serve):
    _, client = serve("--budget", "0.000001")
    reply = client.post(ONE, asked())
    assert (reply.status, reply.json["error"]) == (402, "budget_error"), reply


def test_failures_of_a_batch_stand_beside_what_succeeded(serve, mock):
    server = mock("rpm=100000,faults=400@2-2")
    _, client = serve(server=server)
    reply = client.post(BATCH, {"requests": [asked(topic=f"t{i}") for i in range(4)], "options": {"concurrency": 1}})
    assert reply.status == 201, reply
    data = reply.json["data"]
    assert (data["summary"]["successful"], data["summary"]["failed"]) == (3, 1)
    failed = [result for result in data["results"] if not result["success"]]
    assert len(failed) == 1 and failed[0]["error"]["error"] == "api_error" and "data" not in failed[0]


def test_stop_on_error_ends_a_batch_at_its_first_failure(serve, mock):
    server = mock("rpm=100000,faults=400@2-2")
    _, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(6)], "options": {"concurrency": 1, "stopOnError": True}}
    reply = client.post(BATCH, body, Idempotency_Key="s")
    assert reply.status == 201, reply
    assert (reply.json["data"]["summary"]["successful"], reply.json["data"]["summary"]["failed"]) == (1, 1)
    assert reply.json["data"]["state"] == "stopped"
    assert client.post(BATCH, body, Idempotency_Key="s").json == reply.json
    assert arrivals(server) == 2


def wait_for_state(query, run, state):
    for _ in range(600):
        row = query("select state from runs where uuid = ?", run)
        if row and row[0]["state"] == state:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"the run is {row}, not {state}")


def wait_for_count(query, table, count):
    for _ in range(600):
        if query(f"select count(*) as n from {table}")[0]["n"] >= count:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"{table} has fewer than {count} rows")


def test_an_asynchronous_batch_answers_at_once_and_goes_on(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:100")
    _, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(20)], "options": {"async": True, "concurrency": 4}}
    reply = client.post(BATCH, body)
    assert reply.status == 202, reply
    assert reply.json["success"] is True
    run = reply.json["data"]["runId"]
    assert query("select count(*) as n from items") == [{"n": 20}]
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 20}]


def test_a_run_is_cancelled_and_gone_on_with(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:200")
    _, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(12)], "options": {"async": True, "concurrency": 2}}
    run = client.post(BATCH, body).json["data"]["runId"]
    server.wait_for_arrivals(2)
    reply = client.post(f"/api/runs/{run}/cancel")
    assert (reply.status, reply.json["data"]["runId"]) == (202, run), reply
    wait_for_state(query, run, "stopped")
    done = query("select count(*) as n from conversations")[0]["n"]
    assert 2 <= done < 12
    assert client.post(f"/api/runs/{run}/cancel").status == 409
    reply = client.post(f"/api/runs/{run}/resume")
    assert reply.status == 202, reply
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 12}]
    assert arrivals(server) == 12
    assert client.post("/api/runs/01a20d08-1605-70c4-8a43-03c7eece9d63/cancel").status == 404


def test_a_cancelled_run_does_not_wait_for_the_limits(serve, query):
    _, client = serve(lua=PIPELINE.replace('max_requests = 100000, pacing = "burst"',
                                           'max_requests = 1, window_ms = 600000, pacing = "burst"'))
    body = {"requests": [asked(topic=f"t{i}") for i in range(6)], "options": {"async": True, "concurrency": 3}}
    cancelled = client.post(BATCH, body).json["data"]["runId"]
    wait_for_count(query, "conversations", 1)
    other = client.post(BATCH, body).json["data"]["runId"]
    client.post(f"/api/runs/{cancelled}/cancel")
    wait_for_state(query, cancelled, "stopped")
    assert query("select state from runs where uuid = ?", other) == [{"state": "running"}]
    assert query("select count(*) as n from calls") == [{"n": 1}]


def test_a_run_is_stopped_from_another_terminal(serve, mock, query, run_confab):
    server = mock("rpm=100000,latency=fixed:200")
    process, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(40)], "options": {"async": True, "concurrency": 2}}
    run = client.post(BATCH, body, Idempotency_Key="long").json["data"]["runId"]
    server.wait_for_arrivals(1)
    assert run_confab("stop", run).code == 0
    wait_for_state(query, run, "stopped")
    assert client.post(ONE, asked()).status == 201          # the server goes on
    stop(process)


def test_a_defined_run_is_started(serve, query):
    _, client = serve()
    reply = client.post("/api/runs", {"name": "defined"})
    assert reply.status == 202, reply
    wait_for_state(query, reply.json["data"]["runId"], "done")
    assert query("select count(*) as n from conversations") == [{"n": 5}]
    reply = client.post("/api/runs", {"name": "other"})
    assert (reply.status, reply.json["details"]) == (404, {"defined": ["defined"]})
    assert client.post("/api/runs", {}).status == 400


def test_a_defined_run_in_work_is_not_started_twice(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:300")
    _, client = serve(server=server)
    run = client.post("/api/runs", {"name": "defined"}).json["data"]["runId"]
    assert client.post("/api/runs", {"name": "defined"}).status == 409
    wait_for_state(query, run, "done")
    assert client.post("/api/runs", {"name": "defined"}).status == 202


def test_several_runs_at_a_time_share_the_limits(serve, mock):
    server = mock("rpm=100000,latency=fixed:100")
    _, client = serve(server=server)
    replies = []
    threads = [threading.Thread(target=lambda i=i: replies.append(
        client.post(BATCH, {"requests": [asked(topic=f"{i}-{j}") for j in range(5)]}))) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reply in replies:
        assert reply.status == 201, reply
        topics = [result["data"]["topic"] for result in reply.json["data"]["results"]]
        assert len({topic.split("-")[0] for topic in topics}) == 1 and len(topics) == 5
    assert len({reply.json["data"]["runId"] for reply in replies}) == 6
    assert arrivals(server) == 30


def test_a_signal_lets_what_is_in_flight_finish(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:700")
    process, client = serve(server=server)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(client.post(ONE, asked())))
    thread.start()
    server.wait_for_arrivals(1)
    process.signal(signal.SIGTERM)
    thread.join()
    assert replies[0].status == 201, replies[0]
    assert process.wait() == 0, process.output
    assert query("select state, cost_pico > 0 as paid from calls") == [{"state": "done", "paid": 1}]


def test_a_stopped_batch_goes_on_with_the_next_server(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:150")
    process, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(30)], "options": {"async": True, "concurrency": 3}}
    run = client.post(BATCH, body, Idempotency_Key="long").json["data"]["runId"]
    server.wait_for_arrivals(6)
    stop(process)
    assert query("select state from runs where uuid = ?", run) == [{"state": "interrupted"}]
    assert query("select count(*) as n from calls where state <> 'done'") == [{"n": 0}]

    process, client = serve(server=server)
    assert client.post(BATCH, body, Idempotency_Key="long").json["data"]["runId"] == run
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 30}]
    assert arrivals(server) == 30


def test_nothing_paid_is_lost_when_the_server_is_killed(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:100")
    process, client = serve(server=server)
    body = {"requests": [asked(topic=f"t{i}") for i in range(30)], "options": {"async": True, "concurrency": 3}}
    run = client.post(BATCH, body).json["data"]["runId"]
    server.wait_for_arrivals(9)
    process.process.kill()
    process.process.wait()
    kept = query("select count(*) as n from calls where state = 'done'")[0]["n"]
    assert kept >= 3

    process, client = serve(server=server)
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 30}]
    # Only what was in flight at the kill, three at most, was asked for a second time.
    assert 30 <= arrivals(server) <= 33
    assert query("select count(*) as n from calls where state = 'done'") == [{"n": 30}]


def test_a_client_that_goes_away_does_not_stop_its_batch(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:200")
    _, client = serve(server=server)
    connection = client.connect()
    connection.request("POST", BATCH, json.dumps({"requests": [asked(topic=f"t{i}") for i in range(9)]}),
                       {"Content-Type": "application/json"})
    server.wait_for_arrivals(1)
    connection.close()
    run = query("select uuid from runs where source = 'http'")[0]["uuid"]
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 9}]


def test_a_started_run_goes_on_with_the_next_server(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:300")
    lua = PIPELINE.replace("template = chat }", "template = chat, concurrency = 1 }")
    process, client = serve(server=server, lua=lua)
    run = client.post("/api/runs", {"name": "defined"}).json["data"]["runId"]
    server.wait_for_arrivals(2)
    stop(process)
    assert query("select state from runs where uuid = ?", run) == [{"state": "interrupted"}]
    serve(server=server, lua=lua)
    wait_for_state(query, run, "done")
    assert query("select count(*) as n from conversations") == [{"n": 5}]
    assert arrivals(server) == 5


def test_the_drain_is_limited(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:20000")
    process, client = serve("--drain", "0.2", server=server)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(client.post(ONE, asked(), Idempotency_Key="k")))
    thread.start()
    server.wait_for_arrivals(1)
    stop(process)
    thread.join()
    assert replies[0].status == 503 and replies[0].headers["Retry-After"], replies[0]
    assert query("select state, at_risk_pico > 0 as at_risk from calls") == [{"state": "unknown", "at_risk": 1}]


def test_a_token_is_asked_for_where_one_is_set(serve):
    _, client = serve("--token", "a long secret")
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        reply = client.post(ONE, asked(), **headers)
        assert (reply.status, reply.json["error"]) == (401, "unauthorized")
    assert client.post(ONE, asked(), Authorization="Bearer a long secret").status == 201


@pytest.mark.parametrize("options, code, message", [
    (["--address", "0.0.0.0"], 2, "token"),
    (["--token", "short"], 2, "at least 8"),
    (["--key", "key.pem"], 2, "--key needs --cert"),
    (["--cert", "none.pem"], 2, "none.pem"),
    (["--max-batch", "0"], 2, "--max-batch"),
    (["--port", "70000"], 2, "--port"),
])
def test_what_cannot_be_served_is_said_at_once(run_confab, options, code, message):
    result = run_confab("serve", "--simulate", "--port", "0", *options)
    assert result.code == code, result
    assert message in result.err and result.out == ""


def test_a_mistake_in_the_script_ends_the_start(run_confab, script):
    result = run_confab("serve", script("error 'no'"), "--simulate", "--port", "0")
    assert result.code == 5 and "pipeline.lua:2: no" in result.err, result
    assert run_confab("serve", "absent.lua", "--simulate").code == 2


def test_without_a_key_the_start_says_so(run_confab, script):
    result = run_confab("serve", script(PIPELINE), "--port", "0")
    assert result.code == 2 and "AI service not configured" in result.err, result


def test_the_key_is_in_no_reply_and_not_in_the_database(serve, mock, folder):
    server = mock("rpm=100000,faults=401:100%")
    process, client = serve(server=server)
    text = client.post(ONE, asked()).text + client.get(BATCH).text + client.get(ONE).text
    stop(process)
    assert "sk-ant-test-key-0000" not in text + process.output
    for path in folder.glob("confab.db*"):
        assert b"sk-ant-test-key-0000" not in path.read_bytes()


def test_templates_of_the_database_serve_without_their_script(serve, start_confab, query):
    process, client = serve()
    assert client.post(ONE, asked()).status == 201
    stop(process)
    process = start_confab("serve", "--simulate", "--port", "0")
    assert client_of(process).post(ONE, asked()).status == 201
    assert query("select count(*) as n from templates") == [{"n": 1}]


def test_the_scoring_of_the_script_is_used(serve):
    _, client = serve(lua=PIPELINE.replace("template = chat }", """template = chat,
        score = confab.rule { name = "always", points = 1, check = function() return 0 end } }"""))
    data = client.post(ONE, asked()).json["data"]
    assert [part["name"] for part in data["qualityBreakdown"]] == ["always"]
    assert (data["qualityScore"], data["status"]) == (1, "needs_revision")


def test_a_run_that_another_server_works_on_is_a_conflict(serve, mock):
    server = mock("rpm=100000,latency=fixed:3000")
    _, first = serve(server=server)
    _, second = serve(server=server)
    batch = {"requests": [asked()], "options": {"async": True}}
    assert first.post(BATCH, batch, Idempotency_Key="k").status == 202
    reply = second.post(BATCH, batch, Idempotency_Key="k")
    assert (reply.status, reply.json["error"]) == (409, "conflict"), reply
    assert "is being worked on by process" in reply.json["message"]


def test_a_client_that_goes_away_holds_no_worker_and_ends_no_run(serve, mock, query):
    server = mock("rpm=100000,latency=fixed:4000")
    _, client = serve(server=server)
    connections = [client.connect() for _ in range(20)]
    for connection in connections:
        connection.request("POST", ONE, json.dumps(asked()), {"Content-Type": "application/json"})
    until = time.monotonic() + 30
    while arrivals(server) < 20 and time.monotonic() < until:
        time.sleep(0.02)
    for connection in connections:
        connection.close()
    while 'confab_http_replies_total{status="499"} 20' not in client.get("/metrics").text:
        assert time.monotonic() < until
        time.sleep(0.05)
    while query("select count(*) as n from conversations") != [{"n": 20}]:
        assert time.monotonic() < until
        time.sleep(0.05)
