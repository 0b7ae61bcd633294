"""`accept = n` and `--min-acceptance`: as many accepted items as asked for, and no more calls than that takes."""
import re

import pytest

pytestmark = pytest.mark.threads

PRELUDE = """
confab.setup { limits = { max_requests = 100000, pacing = "burst" }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
local items = {}
for i = 1, tonumber(arg[2] or 200) do items[i] = { topic = "topic " .. i, n = i } end
-- One in `weak` is not accepted.
local weak = tonumber(arg[3] or 4)
local run = confab.run { name = "r", items = items, accept = tonumber(arg[1]), step = function(item)
  local conv = confab.generate { template = chat, params = item }
  if item.n % weak == 0 then conv:reject() end
  return conv
end }
print(run.summary)
local n = 0
for _ in run:results { status = "generated" } do n = n + 1 end
print("listed " .. n)
run:export("out.jsonl")
"""


@pytest.fixture
def go(script, run_confab):
    """go(server, *arguments, flags=[]): runs the script with those."""
    name = script(PRELUDE)

    def run(server, *arguments, flags=()):
        return run_confab("run", *flags, name, *map(str, arguments), server=server)
    return run


def arrived(server):
    return sum(row["event"] == "arrival" for row in server.arrivals())


def test_a_run_ends_when_enough_are_accepted(mock, go, query, read_jsonl):
    server = mock()
    result = go(server, 20)
    assert result.code == 0, result
    assert "20 of 20 accepted" in result.out, result
    accepted = query("select ordinal from items where accepted and not surplus order by ordinal")
    assert len(accepted) == 20
    assert len(read_jsonl("out.jsonl")) == 20
    # 20 accepted take about 27 items: no more are begun than can be needed.
    assert 20 < arrived(server) < 40, arrived(server)
    # what counts comes first in the plan, what is more lies behind it
    surplus = query("select ordinal from items where surplus")
    assert all(row["ordinal"] > accepted[-1]["ordinal"] for row in surplus)
    # nothing that was never begun is left in the account
    assert re.search(r"(\d+) planned = 20 accepted \+ \d+ needs revision \+ 0 failed \+ 0 pending", result.out), result


def test_run_again_it_sends_nothing(mock, go):
    server = mock()
    first = go(server, 20)
    n = arrived(server)
    again = go(server, 20)
    assert again.code == 0, again
    assert arrived(server) == n
    assert again.out == first.out


def test_more_asked_for_sends_only_what_lacks_and_less_gives_items_back(mock, go, query):
    server = mock()
    go(server, 10)
    before = arrived(server)
    assert go(server, 30).code == 0
    assert query("select count(*) as n from items where accepted and not surplus")[0]["n"] == 30
    assert arrived(server) - before < 45
    before = arrived(server)
    result = go(server, 5)
    assert "listed 5" in result.out and "further ones kept as surplus" in result.out, result
    assert arrived(server) == before


def test_the_last_one_is_not_asked_for_many_times(mock, go):
    server = mock("latency=fixed:20")
    assert go(server, 1, 200, 1000).code == 0
    assert arrived(server) == 1


def test_inputs_that_end_too_early_are_told(mock, go):
    server = mock()
    result = go(server, 50, 40)
    assert result.code == 0, result
    assert "30 of 50 accepted; the inputs gave no more" in result.out
    assert "gave 30 accepted items of the 50 asked for" in result.err


@pytest.mark.parametrize("least, code", [("0.6", 0), ("60%", 0), ("0.61", 1), ("100%", 1), ("0", 0)])
def test_min_acceptance_decides_the_status(mock, go, least, code):
    result = go(mock(), 50, 40, flags=["--min-acceptance", least])
    assert result.code == code, result
    assert ("--min-acceptance asks for" in result.err) == (code == 1)


@pytest.mark.parametrize("least", ["1.5", "120%", "many", "-1", "", "nan"])
def test_a_share_that_is_none_is_refused(go, mock, least):
    result = go(mock(), 5, flags=["--min-acceptance=" + least])
    assert result.code == 2 and "is not a share from 0 to 1" in result.err, result


def test_without_a_number_the_share_is_of_all_items(mock, script, run_confab):
    name = script("""
    local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
    local weak = confab.scoring { confab.rule { name = "none", points = 10, check = function() return 0 end } }
    confab.run { items = { { topic = "tea" }, { topic = "cats" } }, template = chat, score = weak }
    """)
    result = run_confab("run", "--min-acceptance", "0.5", name, server=mock())
    assert result.code == 1 and "0 of 2 are accepted, 0 %" in result.err, result
