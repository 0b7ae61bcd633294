"""What must be true of a database at any moment, wherever the process was killed; and what must
be true of it and the server's log once the run was gone on with to its end.

`query` is the fixture: query(sql) -> rows as dicts.
"""
import collections
import hashlib

OF_THE_PLAN = " from items i where i.run = r.id and ordinal is not null and not orphan and not surplus"

TOTALS = [       # column of runs, what it counts
    ("calls", "select count(*) from calls k join items i on i.id = k.item where i.run = r.id"),
    ("attempts", "select coalesce(sum(k.attempts), 0) from calls k join items i on i.id = k.item"
                 " where i.run = r.id"),
    ("replies", "select count(*) from calls k join items i on i.id = k.item where i.run = r.id"
                " and k.state = 'done'"),
    ("failures", "select count(*) from generation_logs l where l.run = r.id"
                 " and l.status in ('retry', 'failure', 'unknown')"),
    ("spent_pico", "select coalesce(sum(k.cost_pico), 0) from calls k join items i on i.id = k.item"
                   " where i.run = r.id"),
    ("at_risk_pico", "select coalesce(sum(l.at_risk_pico), 0) from generation_logs l"
                     " where l.run = r.id"),
    ("items_drawn", "select count(*)" + OF_THE_PLAN),
    ("items_accepted", "select count(*)" + OF_THE_PLAN + " and accepted"),
    ("items_failed", "select count(*)" + OF_THE_PLAN + " and state = 'failed'"),
]

NOT_THERE = [    # rows that no moment may show
    ("a finished item without its conversation, or another with one",
     "select i.id from items i where (i.state = 'done') <> exists"
     " (select 1 from conversations c where c.item = i.id and c.superseded_by is null)"),
    ("a failed item without a log row that says why",
     "select i.id from items i where i.state = 'failed' and not exists (select 1 from"
     " generation_logs l where l.item = i.id and l.error_kind = i.error_kind"
     " and l.error_message <> '')"),
    ("a reply rejected twice",
     "select call from generation_logs where status = 'rejected' group by call"
     " having count(*) > 1"),
    ("an item that has a part twice",
     "select item from conversations where superseded_by is null group by item, part"
     " having count(*) > 1"),
    ("a conversation without all of its turns",
     "select c.id from conversations c left join conversation_turns t on t.conversation = c.id"
     " group by c.id having count(t.content) <> c.turn_count or min(t.turn_index) <> 0"
     " or max(t.turn_index) <> c.turn_count - 1 or min(length(t.content)) = 0"),
    ("a call without its request",
     "select k.id from calls k left join call_requests q on q.call = k.id where q.body is null"),
    ("a call that is done without its reply, or has one without being done",
     "select k.id from calls k left join call_replies p on p.call = k.id"
     " where (k.state = 'done') <> (p.body is not null)"),
    ("a done call of which something is not known",
     "select id from calls where state = 'done' and (cost_pico is null or input_tokens is null"
     " or output_tokens is null or request_id is null or model_answered is null"
     " or done_at is null)"),
    ("a call with a cost that is not done",
     "select id from calls where state <> 'done' and cost_pico is not null"),
    ("an attempt that ended without a log row, or with two",
     "select k.id from calls k left join generation_logs l on l.call = k.id"
     " and l.status <> 'rejected' group by k.id having count(l.id) <> k.attempts"
     " - (k.state = 'sent') or count(distinct l.attempt) <> count(l.id)"),
    ("an attempt after the reply",
     "select l.call from generation_logs l join generation_logs later on later.call = l.call"
     " and later.attempt > l.attempt where l.status = 'success'"),
    ("a call whose risk is not that of its attempts",
     "select k.id from calls k left join generation_logs l on l.call = k.id group by k.id"
     " having k.at_risk_pico <> coalesce(sum(l.at_risk_pico), 0)"),
    ("a success whose cost is not the call's",
     "select l.id from generation_logs l join calls k on k.id = l.call where l.status = 'success'"
     " and (l.cost_pico is not k.cost_pico or l.request_id is not k.request_id)"),
    ("a reply asked for again though it served",
     "select k.id from calls k join calls later on later.item = k.item"
     " and later.branch = k.branch and later.request_hash = k.request_hash"
     " and later.ordinal > k.ordinal where k.state = 'done' and not exists"
     " (select 1 from generation_logs l where l.call = k.id and l.status = 'rejected')"),
]


MADE_BY_CALLS = ("a conversation that no stored reply made",
                 "select c.id from conversations c where not exists (select 1 from turn_calls t"
                 " join calls k on k.id = t.call where t.conversation = c.id and k.state = 'done')")


def check_rows(query, has_calls=True):
    """Nothing is half-written, and every total is the sum of what it counts. Conversations that the
    script made itself have no calls."""
    assert query("pragma integrity_check") == [{"integrity_check": "ok"}]
    assert query("pragma foreign_key_check") == []
    for what, sql in NOT_THERE + [MADE_BY_CALLS] * has_calls:
        rows = query(sql)
        assert rows == [], f"{what}: {rows}"
    for column, sql in TOTALS:
        rows = query(f"select r.{column} as kept, ({sql}) as counted from runs r")
        assert all(row["kept"] == row["counted"] for row in rows), (column, rows)


def check_finished(query, items):
    """All items are there, once each, each with its conversation."""
    rows = query("select key, ordinal, state, orphan from items where ordinal is not null"
                 " order by ordinal")
    assert [row["ordinal"] for row in rows] == list(range(items))
    assert all(row["state"] == "done" and not row["orphan"] for row in rows), rows
    assert query("select count(*) as n from conversation_view where listed") == [{"n": items}]
    run, = query("select * from run_view")
    assert run["planned"] == items == run["accepted"] + run["needs_revision"]
    assert run["state"] == "done"


def check_replies(query, exchanges, prices, in_flight_max):
    """Every whole reply is in the database and was paid for once, but for those in flight at a
    kill, which are at risk. Gives how many those are."""
    sha_of = {row["id"]: hashlib.sha256(row["body"].encode()).hexdigest()
              for row in query("select k.id, q.body from calls k join call_requests q"
                               " on q.call = k.id")}
    attempts, stored, doubtful = collections.Counter(), {}, collections.Counter()
    for call in query("select id, attempts, request_id, cost_pico, state from calls"):
        attempts[sha_of[call["id"]]] += call["attempts"]
        if call["state"] == "done":
            stored[call["request_id"]] = call
    for log in query("select call, at_risk_pico from generation_logs where at_risk_pico > 0"):
        doubtful[sha_of[log["call"]]] += log["at_risk_pico"]

    # No request left before its row was there.
    arrived = collections.Counter(exchange.sha256 for exchange in exchanges)
    assert all(count <= attempts[sha] for sha, count in arrived.items())

    whole = {exchange.request_id: exchange for exchange in exchanges if exchange.was_whole}
    assert stored.keys() <= whole.keys()
    for request_id, call in stored.items():
        exchange = whole[request_id]
        assert call["cost_pico"] == prices.cost(exchange.model, exchange.usage)
        assert sha_of[call["id"]] == exchange.sha256

    lost = [exchange for request_id, exchange in whole.items() if request_id not in stored]
    assert len(lost) <= in_flight_max
    at_stake = collections.Counter()
    for exchange in lost:
        at_stake[exchange.sha256] += prices.cost(exchange.model, exchange.usage)
    assert all(cost <= doubtful[sha] for sha, cost in at_stake.items())

    run, = query("select spent_pico from runs")
    assert run["spent_pico"] == sum(prices.cost(whole[request_id].model, whole[request_id].usage)
                                    for request_id in stored)
    return len(lost)
