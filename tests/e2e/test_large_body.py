"""A batch of 50 MB over HTTP: it goes to the disk while it comes, and memory holds little of it."""
import json
import pathlib
import re
import time

import confab_process
from http_client import client_of

BATCH = "/api/conversations/generate-batch"
REQUESTS, FILLER = 1000, "é" * 25000    # 50 KB each
MORE_MB = 42    # what lies ready for the workers, whatever the length of the body

PIPELINE = """
    confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
    confab.template { name = "chat", tier = "template", max_tokens = 1024, prompt = "Write a chat about {{topic}}." }
"""


def has_sanitizer():
    binary = pathlib.Path(confab_process.binary()).read_bytes()
    return b"__asan_init" in binary or b"__tsan_init" in binary


def peak_mb(process):
    status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


def asked(i, **fields):
    return {"templateId": "chat", "persona": "Ann", "emotion": "calm", "topic": f"tea {i}", "tier": "template",
            "parameters": {"filler": FILLER}} | fields


def body(requests):
    text = json.dumps({"requests": requests, "options": {"async": True, "concurrency": 10}}, ensure_ascii=False)
    return text.encode()


def test_a_body_of_50_mb_takes_little_memory(start_confab, script, query, folder):
    process = start_confab("serve", script(PIPELINE), "--simulate=latency=fixed:0", "--port", "0")
    client = client_of(process)
    assert client.post(BATCH, body([asked(0)])).status == 202
    before = peak_mb(process)
    sent = body([asked(i) for i in range(REQUESTS)])
    assert len(sent) > 50e6
    reply = client.post(BATCH, sent, Idempotency_Key="large")
    assert reply.status == 202 and reply.json["data"]["total"] == REQUESTS, reply
    assert query("select count(*) as n from items")[0]["n"] == REQUESTS + 1
    again = client.post(BATCH, sent, Idempotency_Key="large")
    assert again.json["data"]["runId"] == reply.json["data"]["runId"]
    assert client.post(BATCH, body([asked(i) for i in range(2)]), Idempotency_Key="large").status == 422
    assert peak_mb(process) - before < MORE_MB or has_sanitizer()
    until = time.monotonic() + 60
    while query("select count(*) as n from conversations")[0]["n"] != REQUESTS + 1:
        assert time.monotonic() < until
        time.sleep(0.1)
    stored = query("select parameters, topic from conversations order by id desc limit 1")[0]
    assert json.loads(stored["parameters"])["filler"] == FILLER
    assert not [path for path in folder.iterdir() if "batch" in path.name]


def test_mistakes_in_a_large_body_are_told_and_begin_nothing(start_confab, script, query):
    process = start_confab("serve", script(PIPELINE), "--simulate", "--port", "0")
    client = client_of(process)
    requests = [asked(i) for i in range(40)] + [asked(i, tier="odd") for i in range(140)]
    reply = client.post(BATCH, body(requests))
    assert reply.status == 400 and len(reply.json["details"]) == 100
    assert reply.json["details"][0]["path"] == "requests[40].tier"
    reply = client.post(BATCH, body(requests).replace(b'"tea 7"', b'tea 7'))
    assert reply.status == 400 and "requests[7]: " in reply.json["message"]
    reply = client.post(BATCH, body([asked(0), asked(1, parameters={"x": "y" * (1 << 20)})]))
    assert reply.status == 413 and "requests[1] " in reply.json["message"]
    assert query("select count(*) as n from runs") == [{"n": 0}]
