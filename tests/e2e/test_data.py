"""Pipelines over files that people wrote: their texts reach the model and the dataset untouched."""
import csv
import json
import unicodedata

import pytest

import durability
import training_formats

SETUP = """
    confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
    local files = arg[1] .. "/"
"""
SHAPE = 'Answer with JSON only: {"turns": [{"role": "user", "content": "..."}]}'


@pytest.fixture
def pipeline(mock, run_confab, script, query, shared):
    """pipeline(lua, spec="") -> Result of a run against a mock; its rows are checked. With
    has_calls=False its conversations come from the script itself."""
    def run(lua, spec="", has_calls=True):
        result = run_confab("run", script(SETUP + lua), shared, server=mock(spec))
        assert result.code == 0, result
        durability.check_rows(query, has_calls)
        row, = query("select * from run_view where name <> 'pipeline'")
        assert row["planned"] == row["accepted"] and row["state"] == "done", result
        return result
    return run


@pytest.fixture
def bodies(query):
    """bodies() -> the request bodies in the database, in the order of items and calls."""
    return lambda: [json.loads(row["body"]) for row in query(
        """select q.body from call_requests q join calls k on k.id = q.call
           join items i on i.id = k.item order by i.ordinal, k.id""")]


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_jsonl(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def texts(body):
    """The texts of a request's messages."""
    return [message["content"] if isinstance(message["content"], str)
            else "".join(block["text"] for block in message["content"])
            for message in body["messages"]]


def test_prompts_reach_the_model_untouched(pipeline, bodies, shared, query):
    rows = read_csv(shared / "prompts.csv")
    assert len(rows) == 778
    prompts = [row["prompt"] for row in rows]
    assert sum("${" in prompt for prompt in prompts) > 200 and any("{{" in p for p in prompts)

    pipeline("""
        local chat = confab.template {
          name = "role", prompt = "Write a chat of 6 turns. %s\\n{{prompt}}",
          columns = { topic = "{{act}}" },
        }
        confab.run { name = "roles", items = confab.csv(files .. "prompts.csv"), template = chat }
    """ % SHAPE.replace('"', '\\"'))
    head = f"Write a chat of 6 turns. {SHAPE}\n"
    assert [texts(body) for body in bodies()] == [[head + prompt] for prompt in prompts]

    stored = query("select topic, parameters from conversation_view where listed order by ordinal")
    assert [row["topic"] for row in stored] == [row["act"] for row in rows]
    assert [json.loads(row["parameters"]) for row in stored] == rows
    repeats = query("select count(*) as n from items where key like '%#2'")
    assert repeats == [{"n": len(rows) - len({tuple(row.values()) for row in rows})}]


def test_a_thousand_conversations_of_questions_and_personas(pipeline, shared, query, folder):
    pipeline("""
        local chat = confab.template {
          name = "bank", tier = "scenario",
          system = "You write realistic customer-support conversations as JSON.",
          prompt = [[
    Write a chat of {{turns}} turns between a bank's agent and a customer who feels {{emotion}}.
    {{#persona.facts}}
    - {{.}}
    {{/persona.facts}}
    The customer begins: {{question.text}}
    %s]],
          columns = { persona = "{{persona.id}}", topic = "{{question.category}}" },
        }
        local items = confab.sweep {
          emotion = { "calm", "worried", "angry", "relieved", "confused" }, turns = { 8, 10 },
        }:times(100):zip {
          question = confab.csv(files .. "banking77.csv"):sample(1000, { seed = 7 }),
          persona = confab.jsonl(files .. "personas.jsonl"):sample(1000, { seed = 7 }),
        }
        local run = confab.run { name = "bank", items = items, template = chat }
        run:export("bank-{split}.jsonl", { split = { train = 0.9, val = 0.1 } })
        print(run.summary)
    """ % SHAPE, "usage=varied")
    rows = query("select * from conversation_view where listed")
    assert len(rows) == 1000 and all(row["turn_count"] in (8, 10) for row in rows)
    questions = {row["text"]: row["category"] for row in read_csv(shared / "banking77.csv")}
    personas = {row["id"]: row for row in read_jsonl(shared / "personas.jsonl")}
    for row in rows:
        parameters = json.loads(row["parameters"])
        assert questions[parameters["question"]["text"]] == row["topic"]
        assert personas[row["persona"]] == parameters["persona"]
    assert len({row["persona"] for row in rows}) == 1000

    train, val = (training_formats.rows((folder / f"bank-{split}.jsonl").read_bytes())
                  for split in ("train", "val"))
    assert len(train) + len(val) == 1000 and 70 < len(val) < 130
    for record in train + val:
        training_formats.check_messages(record)


def test_seed_tasks_and_their_nested_instances(pipeline, bodies, shared):
    tasks = read_jsonl(shared / "seed_tasks.jsonl")
    pipeline("""
        local chat = confab.template {
          name = "task",
          prompt = "Write a chat of 6 turns. {{instruction}}\\n{{#instances}}" ..
            "{{#input}}Given: {{input}}\\n{{/input}}Expected: {{output}}{{/instances}}",
        }
        confab.run {
          name = "tasks", items = confab.jsonl(files .. "seed_tasks.jsonl"), template = chat,
          key = function(task) return task.id end,
        }
    """)
    expected = []
    for task in tasks:
        instance = task["instances"][0]
        given = f"Given: {instance['input']}\n" if instance["input"] else ""
        expected.append([f"Write a chat of 6 turns. {task['instruction']}\n"
                         f"{given}Expected: {instance['output']}"])
    assert [texts(body) for body in bodies()] == expected


def test_two_turn_questions_are_asked_in_one_conversation(pipeline, bodies, shared, query):
    questions = read_jsonl(shared / "mt_bench_questions.jsonl")
    pipeline("""
        confab.run {
          name = "bench", items = confab.jsonl(files .. "mt_bench_questions.jsonl"),
          key = function(item) return item.question_id end,
          step = function(item)
            local turns = {}
            for i, question in ipairs(item.turns) do
              turns[2 * i - 1] = { role = "user", content = question }
              local reply = confab.ask { messages = turns }
              turns[2 * i] = { role = "assistant", content = reply.text }
            end
            local conv = confab.conversation { turns = turns }
            return conv:tag("category", item.category):approve()
          end,
        }
    """, has_calls=False)
    asked = [texts(body) for body in bodies()]
    turns = query("""select t.content from conversation_turns t join conversations c
                     on c.id = t.conversation join items i on i.id = c.item
                     order by i.ordinal, t.turn_index""")
    contents = [row["content"] for row in turns]
    assert len(asked) == 160 and len(contents) == 320
    for i, question in enumerate(questions):
        first, second = question["turns"]
        conversation = contents[4 * i:4 * i + 4]
        assert conversation[0] == first and conversation[2] == second
        assert asked[2 * i] == [first] and asked[2 * i + 1] == conversation[:3]
    tags = query("""select value, count(*) as n from tags where name = 'category' group by 1""")
    assert {tag["value"]: tag["n"] for tag in tags} == {
        category: sum(question["category"] == category for question in questions)
        for category in {question["category"] for question in questions}}


def squeezed(text):
    return "".join(text.split())


@pytest.mark.parametrize("name,encoding,size", [
    ("sherlock_holmes.latin1.txt", "latin1", 12000), ("system_design_primer.md", "utf-8", 3000),
    ("system_design_primer.ja.md", "utf-8", 1500)])
def test_documents_are_cut_into_chunks_without_loss(name, encoding, size, pipeline, bodies, shared,
                                                    query):
    original = (shared / "documents" / name).read_bytes().decode(encoding)
    pipeline("""
        local chat = confab.template {
          name = "document", prompt = "Write a chat of 6 turns about {{title}}. Source:\\n{{text}}",
        }
        confab.run {
          name = "documents", template = chat,
          items = confab.chunks(files .. "documents/%s", { size = %d, encoding = "%s" }),
        }
    """ % (name, size, encoding))
    rows = query("select * from conversation_view where listed order by ordinal")
    chunks = [json.loads(row["parameters"]) for row in rows]
    assert len(chunks) > len(original) // size
    assert [chunk["index"] for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert all(len(chunk["text"]) <= size for chunk in chunks)
    assert squeezed("".join(chunk["text"] for chunk in chunks)) == squeezed(original)
    assert not any(unicodedata.combining(chunk["text"][0]) for chunk in chunks)
    assert len({row["document_id"] for row in rows}) == 1
    assert [row["chunk_id"] for row in rows] == [chunk["chunk_id"] for chunk in chunks]
    assert len({row["chunk_id"] for row in rows}) == len(rows)
    assert [texts(body)[0].split("Source:\n", 1)[1] for body in bodies()] == [
        chunk["text"] for chunk in chunks]


def test_a_book_in_latin_1_is_refused_as_utf_8_with_the_place(mock, run_confab, script, shared):
    result = run_confab("run", script(SETUP + """
        local chat = confab.template { name = "book", prompt = "A chat of 6 turns: {{text}}" }
        local items = confab.chunks(files .. "documents/sherlock_holmes.latin1.txt")
        confab.run { name = "book", items = items, template = chat }
    """), shared, server=mock())
    assert result.code == 2, result
    assert "sherlock_holmes.latin1.txt" in result.err and 'encoding = "latin1"' in result.err
    assert "47068" in result.err


@pytest.mark.parametrize("name,count", [("dialogues_taskmaster4.jsonl", 3210),
                                        ("dialogues_topical_chat_rated.jsonl", 539)])
def test_dialogues_at_hand_are_stored_as_they_are(name, count, mock, run_confab, script, shared,
                                                  query, folder):
    dialogues = read_jsonl(shared / name)
    assert len(dialogues) == count
    server = mock()
    result = run_confab("run", script(SETUP + """
        local run = confab.run {
          name = "dialogues", items = confab.jsonl(files .. "%s"),
          key = function(item) return item.id end,
          step = function(item) return confab.conversation { turns = item.messages } end,
        }
        run:export("dialogues.jsonl")
    """ % name), shared, server=server)
    assert result.code == 0, result
    assert server.arrivals()[1:] == []
    turns = iter(query("""select t.role, t.content from conversation_turns t join conversations c
                          on c.id = t.conversation join items i on i.id = c.item
                          order by i.ordinal, t.turn_index"""))
    for dialogue in dialogues:
        for message in dialogue["messages"]:
            assert next(turns) == message
    assert next(turns, None) is None
    run, = query("select * from run_view")
    assert run["planned"] == count == run["accepted"] + run["needs_revision"]
    for record in training_formats.rows((folder / "dialogues.jsonl").read_bytes()):
        training_formats.check_messages(record)
