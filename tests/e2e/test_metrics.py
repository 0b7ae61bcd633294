"""GET /metrics: the whole text read strictly, its figures held against the database and what was done."""
import pytest

import prometheus
from http_client import client_of, sse
from offered_api import until
from prometheus import value_of

PIPELINE = """
    local chat = confab.template { name = "chat", max_tokens = 500, prompt = "Write a chat about {{topic}}." }
    confab.setup {
      keys = {
        { name = "one", value = "sk-one" }, { name = "two", value = "sk-two" },
      },
      limits = { max_requests = 1000, pacing = "burst", max_output_tokens = 10000000 },
      retry = { base_delay_ms = 1, jitter_ms = 0 },
    }
    local items = {}
    for i = 1, 40 do items[i] = { topic = "tea " .. i } end
    confab.run { name = "chats", items = items, template = chat, concurrency = 4 }
"""


@pytest.fixture
def serve(start_confab, script, mock):
    """serve(spec, lua=PIPELINE) -> client, of a server before a simulator that is a process of its own"""
    def start(spec, lua=PIPELINE):
        return client_of(start_confab("serve", script(lua), "--port", "0", server=mock(spec)))
    return start


def scrape(client):
    reply = client.get("/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return prometheus.parse(reply.text)


def run_to_its_end(client):
    run = client.post("/api/runs", {"name": "chats"}).json["data"]["runId"]
    list(sse(client, f"/api/runs/{run}/events"))


def test_an_empty_database_has_the_whole_text(serve):
    metrics = scrape(serve("latency=fixed:1"))
    for name in ("runs", "items", "requests_total", "retries_total", "tokens_total", "cost_usd_total",
                 "call_latency_seconds", "lane_limit", "lane_used", "lane_queued", "lane_breaker", "calls_in_flight",
                 "calls_waiting", "http_replies_total", "http_connections", "build_info"):
        assert f"confab_{name}" in metrics, name
    assert value_of(metrics, "confab_calls_total") == 0
    assert metrics["confab_requests_total"].samples == {} and metrics["confab_lane_used"].samples == {}
    assert value_of(metrics, "confab_calls_waiting", for_="lane") == 0


def test_every_figure_is_what_the_database_says(serve, query):
    client = serve("latency=uniform:0:400,faults=500:20%;malformed:10%,orgs=key,seed=4")
    run_to_its_end(client)
    metrics = scrape(client)
    row = query("select * from runs where name = 'chats'")[0]
    assert value_of(metrics, "confab_runs", state="done") == 1
    assert value_of(metrics, "confab_items", state="accepted") == row["items_accepted"] > 0
    assert value_of(metrics, "confab_items", state="failed") == row["items_failed"]
    for name in ("calls", "attempts", "replies"):
        assert value_of(metrics, f"confab_{name}_total") == row[name]
    for kind in ("input", "output"):
        assert value_of(metrics, "confab_tokens_total", kind=kind) == row[f"{kind}_tokens"]
    assert value_of(metrics, "confab_cost_usd_total") == pytest.approx(row["spent_pico"] / 1e12)

    logged = query("select status, coalesce(http_status, 0) as http, count(*) as n from generation_logs group by 1, 2")
    outcomes = {(row["status"], str(row["http"])): row["n"] for row in logged}
    assert ("retry", "500") in outcomes
    rejected = sum(n for (status, _), n in outcomes.items() if status == "rejected")
    told = {(dict(labels)["outcome"], dict(labels)["status"]): value
            for (_, labels), value in metrics["confab_requests_total"].samples.items()}
    assert told == {key: n for key, n in outcomes.items() if key[0] != "rejected"}
    assert sum(told.values()) == row["attempts"]
    assert value_of(metrics, "confab_retries_total") == sum(n for key, n in outcomes.items() if key[0] == "retry")
    assert value_of(metrics, "confab_rejected_replies_total") == rejected

    name = "confab_call_latency_seconds"
    model = query("select distinct model_answered from calls where state = 'done'")[0]["model_answered"]
    assert value_of(metrics, name, name + "_count", model=model) == row["replies"]
    for bound in ("0.1", "0.25", "0.5"):
        expected = query("select count(*) as n from calls where state = 'done' and latency_ms <= ?",
                         float(bound) * 1000)[0]["n"]
        assert value_of(metrics, name, name + "_bucket", model=model, le=bound) == expected
    total = query("select sum(latency_ms) / 1e3 as s from calls where state = 'done'")[0]["s"]
    assert value_of(metrics, name, name + "_sum", model=model) == pytest.approx(total)


def test_lanes_stand_under_their_names_whatever_these_are(serve):
    client = serve("latency=fixed:1")
    run_to_its_end(client)
    metrics = scrape(client)
    lanes = {dict(labels)["lane"] for _, labels in metrics["confab_lane_queued"].samples}
    assert len(lanes) == 1 and "organisation" in lanes.pop()
    lane = {"lane": dict(next(iter(metrics["confab_lane_queued"].samples))[1])["lane"]}
    assert value_of(metrics, "confab_lane_limit", resource="requests", **lane) == 1000
    assert value_of(metrics, "confab_lane_used", resource="requests", **lane) == 40
    assert value_of(metrics, "confab_lane_limit", resource="output_tokens", **lane) == 10000000
    assert value_of(metrics, "confab_lane_breaker", state="closed", **lane) == 1
    assert value_of(metrics, "confab_lane_breaker", state="open", **lane) == 0
    assert value_of(metrics, "confab_lane_paused_seconds", **lane) == 0
    assert value_of(metrics, "confab_lane_in_flight", **lane) == 0
    assert value_of(metrics, "confab_http_replies_total", status="202") == 1


def test_a_name_with_quotes_and_backslashes_comes_back_whole(serve):
    name = 'a "quoted" \\ model'
    client = serve("latency=fixed:1", f"""
        confab.setup {{ models = {{ [ [[{name}]] ] = {{ price = "free" }} }} }}
        confab.run {{ name = "chats", items = {{ {{ x = 1 }} }}, template = confab.template {{
          name = "chat", model = [[{name}]], prompt = "Say {{{{x}}}}" }} }}
    """)
    run_to_its_end(client)
    metrics = scrape(client)
    assert value_of(metrics, "confab_lane_queued", lane=name) == 0
    histogram = "confab_call_latency_seconds"
    assert value_of(metrics, histogram, histogram + "_count", model=name) == 1


def test_an_outage_shows(serve):
    client = serve("latency=fixed:1,faults=529", PIPELINE.replace("concurrency = 4", "concurrency = 20"))
    client.post("/api/runs", {"name": "chats"})
    for _, kind, event in sse(client, "/api/runs/chats/events"):
        if kind == "outage":
            break

    # Calls wait for the service once their back-off is over.
    metrics = until(lambda: (seen := scrape(client)) and value_of(seen, "confab_calls_waiting", for_="service") and seen)
    states = {dict(labels)["state"]: value for (_, labels), value in metrics["confab_lane_breaker"].samples.items()
              if value == 1}
    assert "open" in states
    assert max(metrics["confab_lane_away_seconds"].samples.values()) > 0
