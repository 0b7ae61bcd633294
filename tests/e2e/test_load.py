"""Hundreds of connections to `confab serve` while a batch runs at full speed: what each of them gets."""
import json
import pathlib
import re

import confab_process
from crowd import Crowd
from http_client import client_of

ITEMS, STREAMS, SOCKETS, ASKERS, IDLE = 1500, 100, 100, 50, 250
PEAK_MB = 150    # about 60

PIPELINE = f"""
    confab.setup {{ limits = {{ max_requests = 1000000, pacing = "burst" }} }}
    local items = {{}}
    for i = 1, {ITEMS} do items[i] = {{ topic = "tea " .. i }} end
    confab.run {{ name = "chats", items = items, concurrency = 64,
      template = confab.template {{ name = "chat", max_tokens = 1024, prompt = "Write a chat about {{{{topic}}}}." }} }}
"""


def has_sanitizer():
    binary = pathlib.Path(confab_process.binary()).read_bytes()
    return b"__asan_init" in binary or b"__tsan_init" in binary


def events_of(watcher):
    """All that it was told, in order."""
    head, _, body = bytes(watcher.received).partition(b"\r\n\r\n")
    if watcher.is_stream:
        return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert head.startswith(b"HTTP/1.1 101 ")
    events, at = [], 0
    while at + 2 <= len(body):
        length, begin = body[at + 1], at + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, begin = int.from_bytes(body[begin:begin + size], "big"), begin + size
        if body[at] == 0x81:
            events.append(json.loads(body[begin:begin + length]))
        at = begin + length
    return events


def is_told(watcher, run):
    tail = bytes(watcher.received[-2000:])
    return watcher.is_closed or (not watcher.is_stream and b'"isOver":true' in tail and run.encode() in tail)


def keys(events):
    """Of the items that are told as ended."""
    told = [event["data"] for event in events if event["type"] == "item"]
    return [item["key"] for data in told for item in [*data.get("before", []), data]]


def test_500_connections_are_served_and_200_of_them_are_told_everything_in_order(start_confab, script, query):
    process = start_confab("serve", script(PIPELINE), "--simulate=latency=fixed:0", "--port", "0")
    client = client_of(process)
    with Crowd(client.host, STREAMS, SOCKETS, ASKERS, IDLE, every_s=1, keep=True) as crowd:
        run = client.post("/api/runs", {"name": "chats"}).json["data"]["runId"]
        crowd.watch(run)
        crowd.wait(lambda _: all(is_told(watcher, run) for watcher in crowd.watchers), 60)
        crowd.wait(lambda _: all(each.latencies for each in crowd.askers + crowd.idle), 30)
        status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text(encoding="ascii")

    assert {status for each in crowd.askers + crowd.idle for status in each.statuses} == {200}
    assert len(crowd.watchers) == STREAMS + SOCKETS
    expected = sorted(row["key"] for row in query("select key from items"))
    assert len(expected) == ITEMS
    whole = [event["id"] for event in events_of(crowd.watchers[0])]
    for watcher in crowd.watchers:
        events = events_of(watcher)
        numbers = [event["id"] for event in events if event["id"] is not None]
        assert numbers == sorted(set(numbers))
        if watcher.is_stream:
            assert events[0]["type"] == "state" and events[0]["data"]["isLive"]
            assert events[-1]["type"] == "end" and events[-1]["data"]["reason"] in ("over", "too_slow")
        is_dropped = events[-1]["type"] == "end" and events[-1]["data"]["reason"] == "too_slow"    # it was told so
        behind = [number for number in whole if number > numbers[0]]
        assert numbers[1:] == (behind[:len(numbers) - 1] if is_dropped else behind)
        if not watcher.is_stream and not is_dropped:
            assert sorted(keys(events)) == expected
    assert int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024 < PEAK_MB or has_sanitizer()
