"""Replies that are held to a JSON Schema, seen from outside: what is sent, paid, logged and replayed."""
import json

import pytest

PRELUDE = """
local TRIES = 3
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
local persona = {
  type = "object", required = { "name", "age" },
  properties = { name = { type = "string", maxLength = 40 }, age = { type = "integer", minimum = 18, maximum = 90 } },
}
local talk = {
  type = "object", required = { "turns" },
  properties = { turns = { type = "array", minItems = 4, items = {
    type = "object", required = { "role", "content" },
    properties = { role = { enum = { "user", "assistant" } }, content = { type = "string", minLength = 1 } } } } },
}
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}.", schema = talk, tries = TRIES }
local items = {}
for i = 1, 20 do items[i] = { topic = "topic " .. i } end
"""
STEPS = PRELUDE + """
local run = confab.run { name = "steps", items = items, step = function(item)
  local one = confab.ask { prompt = "A persona for " .. item.topic, schema = persona, tries = TRIES }
  local conv = confab.generate { template = chat, params = { topic = item.topic .. " with " .. one.json.name } }
  conv:tag("age", one.json.age)
  return conv
end }
"""


@pytest.fixture
def bodies(query):
    """The requests that were stored, in the order of the calls."""
    return lambda: [json.loads(row["body"]) for row in query("select body from call_requests order by call")]


def test_replies_are_mended_paid_logged_and_replayed(script, run_confab, mock, query):
    path = script(STEPS.replace("TRIES = 3", "TRIES = 12"))
    server = mock("faults=malformed:empty_object:20%,seed=3")
    first = run_confab("run", path, server=server)
    assert first.code == 0, first
    calls = query("select count(*) as n, sum(attempts) as attempts, sum(cost_pico) as cost from calls")[0]
    rejected = query("select count(*) as n from generation_logs where status = 'rejected'")[0]["n"]
    assert calls["n"] == calls["attempts"] == 40 + rejected and rejected > 2
    assert query("select count(*) as n from conversation_view")[0]["n"] == 20
    told = query("select error_message from generation_logs where status = 'rejected'")
    assert all("does not fit the schema" in row["error_message"] for row in told)

    again = run_confab("run", path, "--offline", server=server)
    assert again.code == 0, again
    assert query("select count(*) as n, sum(attempts) as attempts, sum(cost_pico) as cost from calls")[0] == calls


def test_a_reply_has_the_cost_of_all_its_tries(script, run_confab, mock, query):
    path = script(PRELUDE + """
    local reply = confab.ask { prompt = "A persona.", schema = persona, tries = TRIES }
    print(("%.9f"):format(reply.cost), reply.attempts)
    local whole = confab.ask { prompt = "Another persona.", schema = persona, tries = TRIES }
    print(("%.9f"):format(whole.cost), whole.attempts)
    """)
    server = mock("faults=malformed:empty_object@1-2;500@3")
    first = run_confab("run", path, server=server)
    assert first.code == 0, first
    costs = [row["cost"] for row in query("select cost_pico / 1e12 as cost from calls order by id")]
    assert len(costs) == 4
    assert first.out == f"{sum(costs[:3]):.9f}\t4\n{costs[3]:.9f}\t1\n"
    assert run_confab("run", path, "--offline", server=server).out == first.out


@pytest.mark.parametrize("model,form", [
    ("claude-sonnet-5-5", "output"), ("claude-opus-4-8", "output"), ("claude-3-5-sonnet-20241022", "tool"),
])
def test_each_model_is_held_to_a_schema_in_its_way(script, run_confab, mock, bodies, model, form):
    text = PRELUDE + f'print(confab.ask {{ model = "{model}", prompt = "x", schema = persona }}.json.age >= 18)'
    done = run_confab("run", script(text), server=mock())
    assert done.code == 0 and done.out == "true\n", done
    body, = bodies()
    if form == "output":
        sent = body["output_config"]["format"]["schema"]
        assert sent["additionalProperties"] is False
        assert sent["properties"]["age"] == {"type": "integer", "description": "{maximum: 90, minimum: 18}"}
        assert "tools" not in body
    else:
        assert body["tool_choice"] == {"type": "tool", "name": "reply"}
        assert body["tools"][0]["input_schema"]["properties"]["age"]["minimum"] == 18
        assert "output_config" not in body


@pytest.mark.parametrize("model,form", [("claude-sonnet-5-5", "prompt"), ("claude-opus-4-8", "tool")])
def test_a_schema_that_refers_to_itself_is_held_to_as_well(script, run_confab, mock, bodies, model, form):
    text = PRELUDE + f"""
      local tree = {{
        type = "object", required = {{ "name" }}, ["$defs"] = {{ node = {{ type = "object", required = {{ "name" }},
          properties = {{ name = {{ type = "string" }}, children = {{ type = "array", maxItems = 1,
            items = {{ ["$ref"] = "#/$defs/node" }} }} }} }} }},
        properties = {{ name = {{ type = "string" }}, children = {{ type = "array", maxItems = 1,
          items = {{ ["$ref"] = "#/$defs/node" }} }} }},
      }}
      print(type(confab.ask {{ model = "{model}", prompt = "x", system = "Be brief.", schema = tree }}.json.name))"""
    done = run_confab("run", script(text), server=mock())
    assert done.code == 0 and done.out == "string\n", done
    body, = bodies()
    assert "format" not in body.get("output_config", {})
    assert ("tools" in body) == (form == "tool")
    assert body["system"].startswith("Be brief.") and ("JSON Schema" in body["system"]) == (form == "prompt")


def test_a_reply_that_never_fits_fails_its_item_with_what_is_wrong(script, run_confab, mock, query):
    path = script(PRELUDE + 'confab.run { name = "r", items = { items[1] }, template = chat }')
    done = run_confab("run", path, server=mock("faults=malformed:empty_object"))
    assert done.code == 1, done
    item, = query("select state, error_kind, error_message from items where key <> ''")
    assert item == {"state": "failed", "error_kind": "validation_error",
                    "error_message": 'the reply does not fit the schema: "turns" is missing'}
    assert query("select count(*) as n from calls")[0]["n"] == 3

    explained = run_confab("explain", "call:2")
    assert "after        call:1: its reply was sent back with what was wrong" in explained.out
    explained = json.loads(run_confab("explain", "call:3", "--json").out)
    assert explained["earlier"]["call"] == 2


def test_a_budget_holds_over_all_tries(script, run_confab, mock, query):
    path = script(PRELUDE + 'confab.run { name = "r", items = items, template = chat, budget = 0.08 }')
    done = run_confab("run", path, server=mock("faults=malformed:empty_object:50%,seed=5"))
    assert done.code == 3, done
    assert query("select sum(cost_pico) as cost from calls")[0]["cost"] <= 80_000_000_000


def test_a_changed_schema_is_named_as_what_changed(script, run_confab, mock, query):
    text = PRELUDE + 'confab.run { name = "r", items = { items[1] }, template = chat }'
    assert run_confab("run", script(text), server=mock()).code == 0
    assert run_confab("run", script(text.replace("minItems = 4", "minItems = 5")), server=mock()).code == 0
    newest = query("select max(id) as id from calls")[0]["id"]
    assert newest == 2
    assert json.loads(run_confab("explain", "call:2", "--json").out)["earlier"]["changed"] == "schema"
