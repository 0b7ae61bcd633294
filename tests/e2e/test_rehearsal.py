"""Early warning: what would fail at the end of a run is told at its beginning."""
import pytest

PRELUDE = """
confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
local chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }
local items = {}
for i = 1, tonumber(arg[1] or 4) do items[i] = { topic = "topic " .. i } end
"""
RUN = "local run = confab.run { name = 'r', items = items, template = chat, concurrency = 2 }\n"


def warnings(result):
    return [line for line in result.err.splitlines() if "early warning" in line]


def events(server):
    return [row["event"] for row in server.arrivals() if row["event"] in ("arrival", "end")]


def test_a_sound_run_warns_of_nothing(mock, script, run_confab, folder):
    result = run_confab("run", script(PRELUDE + RUN + 'run:export("out.jsonl", { format = "sharegpt" })'), server=mock())
    assert result.code == 0 and warnings(result) == [], result
    assert (folder / "out.jsonl").exists()


def test_a_folder_that_is_not_there_is_told_before_anything_is_sent(script, run_confab, mock):
    name = script(PRELUDE + RUN + 'os.execute("mkdir -p out")\nrun:export("out/chats.jsonl")')
    result = run_confab("run", name, server=mock())
    assert result.code == 0, result
    assert len(warnings(result)) == 1
    assert 'pipeline.lua:' in warnings(result)[0] and 'there is no folder "out" yet' in warnings(result)[0]


def test_a_format_that_there_is_not_is_told_at_once_and_not_after_the_run(script, run_confab, mock):
    name = script(PRELUDE + RUN + 'run:export("x.jsonl", { format = "sharegtp" })')
    result = run_confab("run", name, server=mock())
    assert result.code == 2, result
    lines = result.err.splitlines()
    assert "early warning" in lines[0] and "sharegtp" in lines[0]


@pytest.mark.parametrize("arguments,words", [
    ('"x.jsonl", { where = { min_scor = 6 } }', 'unknown option "min_scor"; did you mean "min_score"?'),
    ('name, { frmat = "messages", where = { tier = TIER } }', 'unknown option "frmat"'),
    ('"x.jsonl", { where = { status = "aproved" } }', 'did you mean "approved"?'),
    ('"x-{split}.jsonl"', "{split} needs a split"),
    ('"x-{split}.jsonl", { split = "train=0.9,val" }', 'split "val": expected NAME=SHARE'),
    ('"x-{split}.jsonl", { split = { train = 0.9, val = 0.5 } }', '"train=0.9,val=0.5" add up to 1.4'),
])
def test_a_wrong_option_is_told_while_little_was_paid_for(arguments, words, script, run_confab, mock):
    name = script(PRELUDE + f"local name = 'x.jsonl'\n{RUN}run:export({arguments})")
    result = run_confab("run", name, server=mock())
    assert result.code == 2, result
    assert len(warnings(result)) == 1 and words in warnings(result)[0], result


def test_a_format_that_cannot_carry_the_conversation_is_told(script, run_confab, mock):
    name = script(PRELUDE + """
    local run = confab.run { name = "r", items = items, step = function(item)
      confab.ask { prompt = item.topic }
      return confab.conversation { turns = { { role = "assistant", content = "Hello." } } }
    end }
    run:export("x.jsonl", { format = "alpaca" })
    """)
    result = run_confab("run", name, server=mock())
    assert any("cannot be exported as alpaca" in line for line in warnings(result)), result


def test_a_rule_that_raises_is_told_with_the_first_item(script, run_confab, mock):
    name = script(PRELUDE + RUN.replace("template = chat,", """template = chat, score = confab.rule {
      name = "broken", points = 1, check = function(conv) return conv.nothing.there end },"""), "p.lua")
    result = run_confab("run", name, server=mock())
    assert 'rule "broken" gives no points' in result.err, result


@pytest.mark.parametrize("n, alone", [(200, True), (199, False)])
def test_in_a_large_run_the_first_item_goes_alone(mock, script, run_confab, n, alone):
    server = mock("faults=trickle@1,trickle=1s")      # the first reply takes its time, the others none
    assert run_confab("run", script(PRELUDE + RUN), str(n), server=server).code == 0
    arrivals = [row["event"] for row in server.arrivals() if row["event"] != "start"]
    assert (arrivals[1] != "arrival") == alone, arrivals[:6]


def test_a_first_item_that_fails_holds_nobody_back(mock, script, run_confab, query):
    server = mock("faults=400@1-1")
    result = run_confab("run", script(PRELUDE + RUN), "200", server=server)
    assert result.code == 1, result
    assert query("select count(*) as n from items where state = 'done'") == [{"n": 199}]
    assert warnings(result) == []


def test_no_file_is_left_behind(mock, script, run_confab, folder, tmp_path):
    result = run_confab("run", script(PRELUDE + RUN), server=mock(), env={"TMPDIR": str(tmp_path)})
    assert result.code == 0 and warnings(result) == [], result
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["confab.db", "confab.db-lock", "pipeline.lua"]
