"""Plans of more items than are looked at together, run again: what stays, what is sent, what is written."""
import signal

import durability
import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 4 turns about topic {{topic}}." }
local topics = {}
for i = 1, 700 do topics[i] = "t" .. i end
"""
ITEMS = "confab.sweep { topic = topics }"
TEMPLATE = "template = chat"
STEP = "step = function(item) return confab.generate { template = chat, params = item } end"
SPEC = "reply_bytes=300"


@pytest.fixture
def run(run_confab, script, query):
    """run(server, kind, items, before="", options=()): runs the plan; gives the number of calls ever made."""
    def again(server, kind=TEMPLATE, items=ITEMS, before="", options=(), code=0, check=True, env=None):
        lua = f'{PRELUDE}{before}\nconfab.run {{ name = "large", items = {items}, {kind} }}\n'
        result = run_confab("run", script(lua), *options, server=server, env=env)
        assert result.code == code, result
        if check:
            durability.check_rows(query)
        return query("select count(*) as n from calls")[0]["n"]
    return again


def in_plan(query):
    return query("select count(*) as n from items where not orphan")[0]["n"]


@pytest.mark.parametrize("kind", [TEMPLATE, STEP], ids=["template", "step"])
def test_what_has_not_changed_is_neither_sent_nor_written(mock, run, query, kind):
    server = mock(SPEC)
    assert run(server, kind) == 700
    before = query("select * from items order by id")
    assert run(server, kind) == 700
    assert query("select * from items order by id") == before
    assert query("select drawing, items_orphan, state from runs where name = 'large'") == [
        {"drawing": 2, "items_orphan": 0, "state": "done"}]


@pytest.mark.parametrize("kind", [TEMPLATE, STEP], ids=["template", "step"])
@pytest.mark.parametrize("place", [1, 300, 701])
def test_a_new_item_is_sent_alone_wherever_it_stands(mock, run, query, kind, place):
    server = mock(SPEC)
    run(server, kind)
    assert run(server, kind, before=f'table.insert(topics, {place}, "new")') == 701
    assert in_plan(query) == 701
    assert query("select key from items where ordinal = ?", place - 1) == query(
        "select key from items where json_extract(params, '$.topic') = 'new'")
    assert query("select count(distinct ordinal) as n, max(ordinal) as last from items") == [{"n": 701, "last": 700}]


@pytest.mark.parametrize("place", [1, 300, 700])
def test_an_item_that_is_gone_is_set_aside_and_the_others_stay(mock, run, query, place):
    server = mock(SPEC)
    run(server)
    assert run(server, before=f"table.remove(topics, {place})") == 700
    assert in_plan(query) == 699
    assert run(server) == 700
    assert in_plan(query) == 700


@pytest.mark.parametrize("point", ["item_stay.before", "item_stay.after", "item_draw.after", "item_orphans.before",
                                   "item_orphans.after"])
def test_killed_while_an_item_goes_it_goes_the_next_time(mock, run, query, point):
    server = mock(SPEC)
    run(server)
    without = "table.remove(topics, 300)"
    run(server, before=without, code=-signal.SIGKILL, env={"CONFAB_FAILPOINT": f"{point}:1"})
    assert run(server, before=without) == 700
    assert in_plan(query) == 699
    assert query("select json_extract(params, '$.topic') as topic from items where orphan") == [{"topic": "t300"}]


def test_a_changed_template_sends_all_again_and_a_part_of_it_only_that_part(mock, run, query):
    server = mock(SPEC)
    run(server)
    text = '(confab.template { name = "chat", prompt = "Write a chat of 4 turns about topic {{topic}}{{extra}}." })'
    with_extra = f"{ITEMS}:map(function(p) return {{ topic = p.topic, extra = p.topic == 't300' and '!' or '' }} end)"
    assert run(server, f"template = {text}", with_extra) == 1400        # other parameters, other items
    assert run(server, f"template = {text}", with_extra) == 1400
    step = ("step = function(item) return confab.generate { template = item.topic == 't300' and " + text +
            " or chat, params = { topic = item.topic, extra = '!' } } end")
    assert run(server, step, options=["--fresh"]) == 2100
    assert run(server, step) == 2100
    assert run(server, STEP) == 2101
    assert query("select count(*) as n from conversations where superseded_by is not null") == [{"n": 1}]


def test_equal_items_stay_what_they_are_and_more_of_them_are_new(mock, run, query):
    server = mock(SPEC)
    few = "confab.list { { topic = 'a' }, { topic = 'b' } }"
    assert run(server, items=f"{few}:times(200)") == 400
    keys = query("select key, ordinal from items order by ordinal")
    assert run(server, items=f"{few}:times(200)") == 400
    assert query("select key, ordinal from items order by ordinal") == keys
    assert run(server, items=f"{few}:times(300)") == 600
    base = keys[0]["key"]
    assert query("select key from items where ordinal = 598") == [{"key": f"{base}#300"}]
    assert run(server, items=f"{few}:times(50)") == 600
    assert in_plan(query) == 100
    assert run(server, STEP, items=f"{few}:times(300)") == 600
    assert in_plan(query) == 600


def test_failed_items_between_finished_ones_are_found(mock, run, query):
    server = mock(SPEC)
    broken = ('step = function(item) if item.topic:find "77" then error "not this one" end '
              "return confab.generate { template = chat, params = item } end")
    failed = sum("77" in f"t{i}" for i in range(1, 701))
    assert run(server, broken, code=1, check=False) == 700 - failed
    assert run(server, STEP, options=["--max-new", failed]) == 700


def test_keys_of_the_script_are_compared_as_well(mock, run, run_confab, query):
    server = mock(SPEC)
    keyed = f"{TEMPLATE}, key = function(item) return item.topic end"
    assert run(server, keyed) == 700
    assert run(server, keyed) == 700
    assert run(server, keyed, before='topics[300] = "other"') == 701
    assert query("select orphan, ordinal from items where key = 't300'") == [{"orphan": 1, "ordinal": 299}]
    result = run(server, keyed, before="topics[650] = topics[3]", code=2)
    assert result == 701


def test_inputs_that_give_others_each_time_are_said(mock, run_confab, script, query):
    server = mock(SPEC)
    lua = PRELUDE + """
local walks = 0
local items = confab.list(topics):map(function(topic)
  if topic == "t1" then walks = walks + 1 end
  return { topic = topic .. "-" .. walks }
end)
confab.run { name = "large", items = items, template = chat }
"""
    result = run_confab("run", script(lua), "--max-new", 1000, server=server)
    assert "700 items did not come up again: its inputs give others each time" in result.err, result
    assert query("select count(*) as n from calls") == [{"n": 0}]
