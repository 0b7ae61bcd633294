"""Items of a template that end with their reply, in one transaction, and those that Lua looks at first."""
import pytest

SCRIPT = """
local chat = confab.template { name = "chat", prompt = "Write a chat of {{turns}} turns about {{topic}}.",
  columns = { persona = "{{topic}} fan", emotion = "calm" }, tier = "edge_case", max_tokens = 2000 }
local items = {}
for i = 1, 30 do items[i] = { topic = "topic " .. i, turns = 2 + i % 12, document_id = "doc " .. i } end
confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
confab.run { name = "r", items = items, template = chat, concurrency = 1, MORE }
"""
LOOKED_AT = "on_item = function() end"    # a script that looks at its items: they come by Lua
ROWS = """
select i.key, i.ordinal, i.state, i.accepted, i.attempts, i.params, i.error_kind, c.part, c.version, c.persona,
  c.emotion, c.topic, c.tier, c.parameters, c.status, c.quality_score, c.quality_breakdown, c.turn_count, c.model,
  c.document_id, c.chunk_id, c.truncated, c.simulated, c.superseded_by, t.name, c.cost_pico = k.cost_pico as is_priced,
  (select group_concat(role || content) from conversation_turns n where n.conversation = c.id) as turns,
  (select group_concat(first_turn || '-' || last_turn || (call = k.id)) from turn_calls tc
   where tc.conversation = c.id) as calls
from items i left join conversations c on c.item = i.id left join calls k on k.item = i.id
  left join templates t on t.id = c.template
order by i.ordinal, k.id"""
# Of items that were asked for once: whether the conversation is of the transaction that the reply came with.
TOGETHER = """select c.created_at = k.done_at as together from conversations c join calls k on k.item = c.item
  where not c.truncated and 1 = (select count(*) from calls o where o.item = c.item)"""
TOTALS = """select items_drawn, items_accepted, items_needs_revision, items_failed, calls, attempts, replies, failures
  from runs"""


def run(script, run_confab, server, more, folder):
    folder.mkdir()
    result = run_confab("run", script(SCRIPT.replace("MORE", more)), "--db", str(folder / "confab.db"), server=server)
    assert result.code in (0, 1), result
    return result


@pytest.mark.parametrize("spec", [
    "quality=mixed", "quality=mixed,usage=varied,faults=malformed:40%",
    "quality=mixed,faults=refusal:15%;max_tokens:20%;malformed:20%;empty:10%;500:10%",
])
@pytest.mark.parametrize("options", ["", "tries = 3", "on_truncated = 'continue'"])
def test_both_ways_store_the_same(spec, options, mock, script, run_confab, query, folder):
    found = []
    for number, more in enumerate([options, f"{options}{options and ', '}{LOOKED_AT}"]):
        place = folder / str(number)
        run(script, run_confab, mock(spec), more, place)
        found.append((query(ROWS, db=f"{number}/confab.db"), query(TOTALS, db=f"{number}/confab.db")))
    assert len(found[0][0]) >= 30
    assert found[0] == found[1]
    (first_go, looked_at) = ([row["together"] for row in query(TOGETHER, db=f"{number}/confab.db")] for number in (0, 1))
    assert all(first_go) and len(first_go) > 0 and len(looked_at) == len(first_go)
