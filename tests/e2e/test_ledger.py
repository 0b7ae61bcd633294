"""The money: what the database says a run cost, against a recomputation that shares no code."""
import csv
import json

import pytest

import ledger
import usage_server

FAULTS = "faults=500:5%;529:5%;reset:2%;reset_body:1%;cut:1%;bad_envelope:1%;malformed:5%"

PIPELINE = """
    confab.setup {
      limits = { max_requests = 100000, pacing = "burst" },
      retry = { max_attempts = tonumber(arg[2] or "3"), base_delay_ms = 1, jitter_ms = 0 },
    }

    local chat = confab.template {
      name = "bank-chat", tier = "template",
      system = "You write realistic customer-support conversations as JSON.",
      prompt = [[
    Write a chat of {{turns}} turns between a customer and a bank's agent.
    The customer: {{persona}}
    It begins with: {{text}}
    It is about: {{category}}. The customer feels {{emotion}}.
    Answer with JSON only: {"turns": [{"role": "user", "content": "..."}]}]],
      columns = { persona = "{{persona_id}}", topic = "{{category}}" },
      max_tokens = 2048,
    }

    local run = confab.run {
      name = "bank", template = chat, items = confab.jsonl(arg[1]), concurrency = 16,
      key = function(item) return item.id end,
    }
    print(run.summary)
    run:export("bank.jsonl", { format = "messages" })
"""


@pytest.fixture
def prices(data):
    return ledger.Prices(data / "prices.json")


def write_items(write, rows):
    write("items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def made_items(count):
    emotions = ["calm", "worried", "angry", "relieved"]
    return [{"id": f"item-{i}", "persona_id": f"p{i % 7}", "persona": f"Person {i % 7}, two cats",
             "text": f"Question {i}: where is my \"card\" – and why?",
             "category": f"topic {i % 5}", "emotion": emotions[i % 4],
             "turns": 8 if i % 3 else 6} for i in range(count)]


def real_items(shared, count):
    """Every so-many-th question of the bank, each with a persona of its own."""
    with open(shared / "banking77.csv", encoding="utf-8", newline="") as file:
        questions = list(csv.DictReader(file))
    with open(shared / "personas.jsonl", encoding="utf-8") as file:
        personas = [json.loads(line) for line in file]
    emotions = ["calm", "worried", "angry", "relieved"]
    step = len(questions) // count
    return [{"id": f"{i}", "persona_id": personas[i]["id"], "persona": personas[i]["persona"],
             "text": questions[i * step]["text"], "category": questions[i * step]["category"],
             "emotion": emotions[i % 4], "turns": 8 + 2 * (i % 3)} for i in range(count)]


def check_account(query, result_json, planned):
    """Planned is the sum of what became of the items, in the table and in `confab stats`."""
    run, = query("select * from run_view")
    for row in (run, result_json):
        assert row["planned"] == planned
        assert planned == (row["accepted"] + row["needs_revision"] + row["failed"]
                           + row["pending"] + row["skipped"])
    assert run["pending"] == 0


def check_items(query):
    """Every item ended in a conversation, or in a log row that says why."""
    for item in query("""select i.id, i.state, i.error_kind, i.error_message,
                         (select count(*) from conversations c where c.item = i.id)
                          as conversations,
                         (select count(*) from generation_logs l where l.item = i.id
                          and l.status in ('failure', 'unknown', 'rejected')
                          and l.error_kind <> '' and l.error_message <> '') as reasons
                         from items i where ordinal is not null"""):
        if item["state"] == "done":
            assert item["conversations"] == 1, item
        else:
            assert item["state"] == "failed" and item["error_kind"] and item["error_message"], item
            assert item["conversations"] == 0 and item["reasons"] >= 1, item


def check_money(query, stats, exchanges, prices):
    """The ledger meets the server's log: to the pico-dollar for whole replies, within at_risk for
    those whose end the client did not see. Returns the attempts that came to nothing known."""
    assert all(exchange.ended for exchange in exchanges)
    whole = {exchange.request_id: exchange for exchange in exchanges if exchange.was_whole}
    lost = [exchange for exchange in exchanges
            if exchange.usage is not None and not exchange.was_whole]

    logs = query("select * from generation_logs where status <> 'rejected'")
    assert len(logs) == len(exchanges)                    # an attempt each, no more and no fewer
    booked = {log["request_id"]: log for log in logs if log["status"] == "success"}
    assert booked.keys() == whole.keys()
    for request_id, log in booked.items():
        usage = whole[request_id].usage
        assert log["cost_pico"] == prices.cost(whole[request_id].model, usage), (log, usage)
        assert (log["input_tokens"], log["output_tokens"]) == (usage["input_tokens"],
                                                               usage["output_tokens"])

    spent = sum(prices.cost(exchange.model, exchange.usage) for exchange in whole.values())
    run, = query("select * from runs")
    calls, = query("""select sum(cost_pico) as spent, sum(at_risk_pico) as at_risk,
                      sum(attempts) as attempts, count(*) as calls from calls""")
    assert spent == run["spent_pico"] == calls["spent"]
    assert round(stats["spent_usd"] * 10**12) == spent

    at_risk = [log["at_risk_pico"] for log in logs if log["at_risk_pico"] is not None]
    assert sum(at_risk) == run["at_risk_pico"] == calls["at_risk"]
    assert sum(prices.cost(exchange.model, exchange.usage) for exchange in lost) <= sum(at_risk)
    in_doubt = [exchange for exchange in exchanges
                if not exchange.was_whole and exchange.status in (0, 200)]
    assert len(at_risk) == len(in_doubt)

    assert run["attempts"] == calls["attempts"] == len(exchanges)
    assert run["calls"] == calls["calls"] and run["replies"] == len(whole)
    assert run["failures"] == len(exchanges) - len(whole)
    sums = [ledger.token_counts(exchange.usage) for exchange in whole.values()]
    for kind, column in [("input", "input_tokens"), ("output", "output_tokens"),
                         ("cache_read", "cache_read_tokens"),
                         ("cache_write_5m", "cache_write_5m_tokens"),
                         ("cache_write_1h", "cache_write_1h_tokens")]:
        assert run[column] == sum(counts[kind] for counts in sums), column

    costs = query("""select c.cost_pico, sum(k.cost_pico) as calls_pico
                     from conversations c join turn_calls t on t.conversation = c.id
                     join calls k on k.id = t.call group by c.id""")
    assert all(row["cost_pico"] == row["calls_pico"] for row in costs)
    return in_doubt


def check_run(items, attempts, run_confab, script, query, prices, server, folder):
    """The pipeline, and that its account, its items and its money are in order."""
    pipeline = script(PIPELINE)
    command = ("run", pipeline, "items.jsonl", attempts)
    first = run_confab(*command, server=server)
    failed = query("select error_kind, count(*) as n from items where state = 'failed' group by 1")
    assert first.code == (1 if failed else 0), first

    exchanges = ledger.exchanges(server.arrivals())
    stats = run_confab("stats", "--json").json()["run"]
    check_account(query, stats, items)
    check_items(query)
    in_doubt = check_money(query, stats, exchanges, prices)
    export = (folder / "bank.jsonl").read_bytes()
    usable, = query("""select count(*) as n from conversations c join items i on i.id = c.item
                       where i.accepted and not c.truncated""")
    assert export.count(b"\n") == usable["n"] > items * 0.5
    return command, exchanges, in_doubt, {row["error_kind"]: row["n"] for row in failed}, export


@pytest.mark.threads
@pytest.mark.parametrize("source", ["made", "real"])
def test_the_ledger_meets_the_servers_log_and_a_second_run_asks_for_nothing(
        source, request, mock, run_confab, script, query, prices, folder, write):
    items = write_items(write, made_items(150) if source == "made" else
                        real_items(request.getfixturevalue("shared"), 500))
    server = mock(f"usage=varied,seed=5,{FAULTS}")
    command, exchanges, in_doubt, failed, export = check_run(
        items, 8, run_confab, script, query, prices, server, folder)

    kinds = {exchange.fault for exchange in exchanges}
    assert {"500", "529", "reset", "malformed"} <= kinds and in_doubt
    assert failed.keys() <= {"parse_error", "validation_error", "refusal"}

    before = query("select * from runs")[0]
    again = run_confab(*command, server=server)
    assert again.code == (1 if failed else 0), again
    assert len(ledger.exchanges(server.arrivals())) == len(exchanges)
    assert (folder / "bank.jsonl").read_bytes() == export
    after = query("select * from runs")[0]
    for column in ("spent_pico", "at_risk_pico", "calls", "attempts", "items_accepted",
                   "items_failed"):
        assert after[column] == before[column]

    written = run_confab("export", "bank", "-o", "-")
    assert written.code == 0 and written.out.encode() == export


@pytest.mark.threads
def test_what_failed_for_want_of_attempts_is_sent_again_and_booked(
        mock, run_confab, script, query, prices, folder, write):
    items = write_items(write, made_items(120))
    server = mock(f"usage=varied,seed=3,{FAULTS}")
    command, exchanges, _, failed, _ = check_run(
        items, 1, run_confab, script, query, prices, server, folder)
    assert failed["api_error"] > 5

    # Only these are asked for, once each, and some of them come to nothing again. Where many failed at
    # once it may have looked like an outage: what is sent again then does not count as an attempt.
    retries = "select id from generation_logs where status = 'retry'"
    before = len(query(retries))
    run_confab(*command, server=server)
    exchanges_now = ledger.exchanges(server.arrivals())
    assert len(exchanges_now) == len(exchanges) + failed["api_error"] + len(query(retries)) - before
    stats = run_confab("stats", "--json").json()["run"]
    check_account(query, stats, items)
    check_items(query)
    check_money(query, stats, exchanges_now, prices)


def test_a_long_prompt_is_priced_at_its_tier(mock, run_confab, script, query, prices):
    server = mock("usage=varied")
    name = script("""
        confab.setup { model = "claude-haiku-5-5", limits = { max_requests = 100000 } }
        for i, kilobytes in ipairs { 1, 380, 420, 600 } do
          local text = ("word "):rep(kilobytes * 200)
          confab.ask { prompt = "Sum this up, number " .. i .. ": " .. text, max_tokens = 256 }
        end
    """)
    result = run_confab("run", name, server=server)
    assert result.code == 0, result
    exchanges = ledger.exchanges(server.arrivals())
    prompts = [sum(ledger.token_counts(e.usage).values()) - e.usage["output_tokens"]
               for e in exchanges]
    assert min(prompts) < 100000 < max(prompts)           # on both sides of the threshold
    booked = {row["request_id"]: row["cost_pico"] for row in query("select * from calls")}
    assert booked == {e.request_id: prices.cost(e.model, e.usage) for e in exchanges}


SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"

USAGES = [                # model that answers, usage, pico-dollars by hand
    (SONNET, {"input_tokens": 1, "output_tokens": 1}, 2_000_000 + 10_000_000),
    (SONNET, {"input_tokens": 0, "output_tokens": 0}, 0),
    (SONNET, {"input_tokens": 3, "output_tokens": 2, "cache_creation_input_tokens": None,
              "cache_read_input_tokens": None, "cache_creation": None, "service_tier": None,
              "inference_geo": None}, 26_000_000),
    (SONNET, {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 7,
              "cache_read_input_tokens": 10}, 12_000_000 + 7 * 2_500_000 + 10 * 100_000),
    (SONNET, {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 7,
              "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}},
     12_000_000 + 3 * 2_500_000 + 4 * 4_000_000),
    (SONNET, {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 4,
              "cache_creation": {"ephemeral_5m_input_tokens": None,
                                 "ephemeral_1h_input_tokens": 4}}, 12_000_000 + 16_000_000),
    (SONNET, {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2,
              "service_tier": "batch"}, (10_000_000 + 30_000_000 + 200_000) // 2),
    (SONNET, {"input_tokens": 5, "output_tokens": 3, "inference_geo": "us"}, 44_000_000),
    (SONNET, {"input_tokens": 5, "output_tokens": 3, "inference_geo": "us",
              "service_tier": "batch"}, 22_000_000),
    ("claude-opus-5-5", {"input_tokens": 1, "output_tokens": 1}, 24_000_000),  # another answered
    ("claude-haiku-4-5", {"input_tokens": 1, "output_tokens": 1}, 6_000_000),  # an alias
    (HAIKU, {"input_tokens": 100_000, "output_tokens": 1}, 100_000 * 100_000 + 500_000),
    (HAIKU, {"input_tokens": 100_001, "output_tokens": 1}, 100_001 * 500_000 + 2_500_000),
    (HAIKU, {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 60_000,
             "cache_creation_input_tokens": 40_000},
     500_000 + 2_500_000 + 60_000 * 50_000 + 40_000 * 625_000),
    (HAIKU, {"input_tokens": 40, "output_tokens": 1, "service_tier": "batch",
             "cache_read_input_tokens": 100_000},
     (40 * 500_000 + 2_500_000 + 100_000 * 50_000) // 2),
]


def ask_for_usages(replies, run_confab, script, bytes_of):
    """A call for each reply, one after the other; the whole prompts are as long as told."""
    server = usage_server.start(replies)
    name = script("""
        confab.setup { model = "claude-opus-4-8", limits = { max_requests = 100000 } }
        for i, bytes in ipairs(confab.json.decode(arg[1])) do
          confab.ask { prompt = ("case %d %s"):format(i - 1, ("x"):rep(bytes)) }
        end
    """)
    try:
        result = run_confab("run", name, json.dumps(bytes_of), server=server)
    finally:
        server.close()
    assert result.code == 0, result


def test_every_kind_of_usage_costs_what_the_price_list_says(run_confab, script, query, prices):
    for model, usage, by_hand in USAGES:
        assert prices.cost(model, usage) == by_hand, (model, usage)

    # The prompts are longer than the tokens that the replies claim, so that no bound is passed.
    ask_for_usages([{"model": model, "usage": usage} for model, usage, _ in USAGES], run_confab,
                   script, [2 * sum(ledger.token_counts(usage).values()) for _, usage, _ in USAGES])
    booked = {row["request_id"]: row["cost_pico"] for row in query("select * from calls")}
    assert booked == {f"req_{i}": by_hand for i, (_, _, by_hand) in enumerate(USAGES)}
    run, = query("select spent_pico from runs")
    assert run["spent_pico"] == sum(by_hand for *_, by_hand in USAGES)


def test_a_cost_that_cannot_be_known_is_told_as_unknown_not_as_nothing(run_confab, script, query):
    usages = [None, {"input_tokens": 5}, {"input_tokens": 2**31 + 1, "output_tokens": 1},
              {"input_tokens": -1, "output_tokens": 1}]
    replies = [{"model": SONNET, "usage": usage} for usage in usages]
    replies.append({"model": "nobody-knows", "usage": {"input_tokens": 5, "output_tokens": 5}})
    replies.append({"model": SONNET, "usage": {"input_tokens": 5, "output_tokens": 1}})
    ask_for_usages(replies, run_confab, script, [10] * len(replies))
    rows = query("select cost_pico from calls order by id")
    assert [row["cost_pico"] for row in rows] == [None] * 5 + [20_000_000]
    run, = query("select * from runs")
    assert run["unknown_cost_replies"] == 5 and run["spent_pico"] == 20_000_000


def test_a_reply_that_is_continued_costs_and_uses_what_its_pieces_did(run_confab, script, query, prices):
    text = json.dumps({"turns": [{"role": "user", "content": "Hello, is it open?"},
                                 {"role": "assistant", "content": "It is, until six."}]})
    pieces = [(text[:30], "max_tokens", 100, 40), (text[30:60], "max_tokens", 160, 40), (text[60:], "end_turn", 220, 9)]
    usages = [{"input_tokens": asked, "output_tokens": said} for _, _, asked, said in pieces]
    replies = [{"model": "claude-haiku-5-5", "usage": usage, "stop_reason": stop,
                "content": [{"type": "text", "text": piece}]}
               for (piece, stop, _, _), usage in zip(pieces, usages)]

    class InTurn:
        def __getitem__(self, _):
            return replies.pop(0)
    server = usage_server.start(InTurn())
    result = run_confab("run", script("""
        local chat = confab.template { name = "chat", model = "claude-haiku-5-5", prompt = "case 0 chat",
          on_truncated = "continue" }
        local conv = confab.generate { template = chat }
        print(conv:text())
        print(conv.truncated, conv.usage.input, conv.usage.output, conv.cost)
    """), server=server)
    server.close()
    assert result.code == 0, result
    cost = sum(prices.cost("claude-haiku-5-5", usage) for usage in usages)
    assert result.out == ("user: Hello, is it open?\n\nassistant: It is, until six.\n"
                          f"false\t480\t89\t{cost / 10**12:.14g}\n")
    assert query("select sum(cost_pico) as n from calls") == [{"n": cost}]
    assert query("select count(*) as n from turn_calls") == [{"n": 3}]
