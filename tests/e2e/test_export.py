"""`confab export`: what is written, in which form, and what is said about the rest."""
import json
import os

import example_run
import pytest
import training_formats
from example_run import ITEMS, database, made    # noqa: F401: the fixtures
from training_formats import CHECKS


@pytest.fixture
def real(database):
    """The same run as if a real service had answered."""
    example_run.change(database, *example_run.REAL)
    return database


def rows_of(path, is_array=False):
    return training_formats.rows(path.read_bytes(), is_array)


def conversation(n):
    return f"(SELECT id FROM conversations ORDER BY id LIMIT 1 OFFSET {n})"


def update(n, change):
    """A statement that changes the n-th conversation."""
    return f"UPDATE conversations SET {change} WHERE id = {conversation(n)}"


@pytest.mark.parametrize("format", CHECKS)
def test_every_record_keeps_the_rules_of_its_format(run_confab, folder, real, format):
    result = run_confab("export", "--format", format, "-o", "out.jsonl")
    assert result.code == 0, result
    assert result.out == ""
    assert f"{ITEMS} written, 0 skipped" in result.err
    records = rows_of(folder / "out.jsonl")
    assert len(records) == ITEMS
    for record in records:
        CHECKS[format](record)


@pytest.mark.parametrize("format", CHECKS)
def test_a_json_file_is_one_array(run_confab, folder, real, format):
    assert run_confab("export", "--format", format, "-o", "out.json").code == 0
    records = rows_of(folder / "out.json", is_array=True)
    assert len(records) == ITEMS
    for record in records:
        CHECKS[format](record)


def test_all_formats_hold_the_same_conversations(run_confab, folder, real):
    for format in CHECKS:
        assert run_confab("export", "--format", format, "-o", f"{format}.jsonl").code == 0

    def texts(format, turns, text):
        return [[turn[text] for turn in row[turns]] for row in rows_of(folder / f"{format}.jsonl")]
    messages = texts("messages", "messages", "content")
    sharegpt = texts("sharegpt", "conversations", "value")
    everything = texts("jsonl", "turns", "content")
    alpaca = [[text for pair in row["history"] for text in pair] +
              [row["instruction"], row["output"]] for row in rows_of(folder / "alpaca.jsonl")]
    assert messages == sharegpt == alpaca == everything


def test_the_order_is_that_of_the_plan(run_confab, folder, real, query):
    assert run_confab("export", "--format", "jsonl", "-o", "out.jsonl").code == 0
    expected = [row["uuid"] for row in query("SELECT uuid FROM conversation_view ORDER BY ordinal")]
    assert [row["id"] for row in rows_of(folder / "out.jsonl")] == expected


def test_the_same_database_gives_the_same_bytes(run_confab, folder, real):
    for name in ("one", "two"):
        assert run_confab("export", "--format", "jsonl", "-o", name).code == 0
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_a_dash_is_standard_output(run_confab, folder, real):
    result = run_confab("export", "-o", "-")
    assert result.code == 0, result
    assert len(training_formats.rows(result.out.encode())) == ITEMS
    assert f"{ITEMS} written" in result.err


def test_quiet_prints_no_summary(run_confab, real):
    result = run_confab("export", "-o", "out.jsonl", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


# --- what is taken ---

def test_a_simulated_run_is_refused_unless_it_is_said(run_confab, folder):
    result = run_confab("export", "-o", "out.jsonl")
    assert result.code == 2, result
    assert 'run "support-v1" was simulated' in result.err
    assert "--include-simulated" in result.err
    assert not (folder / "out.jsonl").exists()
    assert run_confab("export", "-o", "out.jsonl", "--include-simulated").code == 0
    assert len(rows_of(folder / "out.jsonl")) == ITEMS


def test_of_all_runs_simulated_ones_are_held_back_and_counted(run_confab, folder):
    result = run_confab("export", "--all", "-o", "out.jsonl")
    assert result.code == 0, result
    assert f"0 written, 0 skipped, {ITEMS} held back (simulated: {ITEMS})" in result.err
    assert (folder / "out.jsonl").read_bytes() == b""


def test_what_needs_revision_or_was_cut_off_is_held_back_and_counted(run_confab, folder, real):
    example_run.change(real,
                       update(0, "status = 'needs_revision'"), update(1, "status = 'rejected'"),
                       update(2, "status = 'approved'"), update(3, "truncated = 1"))
    result = run_confab("export", "-o", "out.jsonl")
    assert result.code == 0, result
    assert f"{ITEMS - 3} written, 0 skipped, 3 held back " \
        "(needs revision or rejected: 2, truncated: 1)" in result.err
    assert "--include-truncated" in result.err
    result = run_confab("export", "-o", "out.jsonl", "--include-truncated")
    assert f"{ITEMS - 2} written" in result.err


@pytest.mark.parametrize("where, written", [
    ("status=approved", 1), ("status=needs_revision|rejected", 2),
    ("status=approved,status=rejected", 2), ("min_score=9.5", 7), ("tag=judge", 1),
    ("tag=other", 0), ("tier=edge_case", 1), ("persona=Ann\\, 34", 1),
    ("run=support-v1,tier=edge_case", 1),
])
def test_where_narrows_it_down(run_confab, folder, real, where, written):
    example_run.change(real,
                       update(0, "status = 'needs_revision'"), update(1, "status = 'rejected'"),
                       update(2, "status = 'approved', tier = 'edge_case'"),
                       update(3, "persona = 'Ann, 34'"),
                       "UPDATE conversations SET quality_score = 10",
                       update(4, "quality_score = 5"),
                       f"INSERT INTO tags VALUES ({conversation(5)}, 'judge', 9)")
    if where.startswith("min_score"):
        where += ",status=generated|approved|needs_revision|rejected"
    result = run_confab("export", "-o", "out.jsonl", "--where", where)
    assert result.code == 0, result
    assert len(rows_of(folder / "out.jsonl")) == written


def test_older_versions_and_items_set_aside_are_left_out(run_confab, folder, real):
    example_run.change(real,
                       update(0, f"superseded_by = {conversation(1)}"),
                       "UPDATE items SET orphan = 1 WHERE id = (SELECT item FROM conversations"
                       f" WHERE id = {conversation(2)})",
                       "UPDATE items SET surplus = 1 WHERE id = (SELECT item FROM conversations"
                       f" WHERE id = {conversation(3)})")
    assert run_confab("export", "-o", "out.jsonl").code == 0
    assert len(rows_of(folder / "out.jsonl")) == ITEMS - 3


# --- conversations that a format cannot carry, or carries otherwise ---

def set_turns(db, n, turns):
    statements = [f"DELETE FROM conversation_turns WHERE conversation = {conversation(n)}"]
    for i, (role, content) in enumerate(turns):
        statements.append("INSERT INTO conversation_turns VALUES "
                          f"({conversation(n)}, {i}, '{role}', '{content}')")
    example_run.change(db, *statements)


@pytest.mark.parametrize("turns, reason", [
    ([("assistant", "Hi"), ("user", "Hello"), ("assistant", "Well")],
     "starts with an assistant turn: 1"),
    ([("user", "a"), ("user", "b"), ("assistant", "c")],
     "does not alternate between user and assistant: 1"),
    ([("user", "a"), ("assistant", " ")], "has a turn without text: 1"),
    ([("user", "a")], "has no user turn with an answer: 1"),
])
@pytest.mark.parametrize("format", ["messages", "sharegpt", "alpaca"])
def test_what_a_format_cannot_carry_is_skipped_and_said(run_confab, folder, real, format, turns,
                                                        reason):
    set_turns(real, 0, turns)
    result = run_confab("export", "--format", format, "-o", "out.jsonl")
    assert result.code == 0, result
    assert f"{ITEMS - 1} written, 1 skipped ({reason})" in result.err
    for record in rows_of(folder / "out.jsonl"):
        CHECKS[format](record)


def test_a_last_user_turn_without_an_answer_is_cut_off_and_said(run_confab, folder, real):
    set_turns(real, 0, [("user", "a"), ("assistant", "b"), ("user", "c")])
    result = run_confab("export", "-o", "out.jsonl")
    assert f"{ITEMS} written, 0 skipped; 1 without a last user turn that nobody answered" in \
        result.err
    for record in rows_of(folder / "out.jsonl"):
        CHECKS["messages"](record)


SYSTEM = [("system", "Be kind."), ("user", "Hello"), ("assistant", "Hi")]


def test_a_system_turn_is_folded_for_fastchat_and_kept_on_request(run_confab, folder, real):
    set_turns(real, 0, SYSTEM)
    result = run_confab("export", "--format", "sharegpt", "-o", "fold.jsonl")
    assert "1 with the system text in the first user turn" in result.err
    for record in rows_of(folder / "fold.jsonl"):
        training_formats.check_sharegpt(record)
    first = rows_of(folder / "fold.jsonl")[0]["conversations"][0]
    assert first == {"from": "human", "value": "Be kind.\n\nHello"}

    result = run_confab("export", "--format", "sharegpt", "--system", "keep", "-o", "keep.jsonl")
    assert result.code == 0, result
    for record in rows_of(folder / "keep.jsonl"):
        training_formats.check_sharegpt(record, with_system=True)
    first = rows_of(folder / "keep.jsonl")[0]["conversations"][0]
    assert first == {"from": "system", "value": "Be kind."}


def test_the_other_formats_have_a_place_for_a_system_turn(run_confab, folder, real):
    set_turns(real, 0, SYSTEM)
    assert run_confab("export", "-o", "messages.jsonl").code == 0
    first = rows_of(folder / "messages.jsonl")[0]["messages"][0]
    assert first == {"role": "system", "content": "Be kind."}
    assert run_confab("export", "-f", "alpaca", "-o", "alpaca.jsonl").code == 0
    assert rows_of(folder / "alpaca.jsonl")[0]["system"] == "Be kind."


ODD = "tab\there, newline\nthere, \u2028 and \U0001f600 and \x07"


def test_odd_characters_come_through(run_confab, folder, real):
    set_turns(real, 0, [("user", ODD), ("assistant", 'say "x" \\')])
    for format, check in CHECKS.items():
        assert run_confab("export", "--format", format, "-o", "out.jsonl").code == 0
        for record in rows_of(folder / "out.jsonl"):
            check(record)
    assert rows_of(folder / "out.jsonl")[0]["turns"][0]["content"] == ODD


# --- splits ---

HALVES = ("--split", "train=0.5,val=0.5")


def test_splits_are_files_that_share_nothing(run_confab, folder, real):
    result = run_confab("export", "-f", "jsonl", "-o", "d-{split}.jsonl", *HALVES)
    assert result.code == 0, result
    train, val = rows_of(folder / "d-train.jsonl"), rows_of(folder / "d-val.jsonl")
    assert len(train) + len(val) == ITEMS
    assert f"d-train.jsonl: {len(train)}" in result.err and f"d-val.jsonl: {len(val)}" in result.err
    assert not {row["id"] for row in train} & {row["id"] for row in val}


def test_a_script_splits_as_the_command_does(run_confab, folder, real, script):
    script("""
        local items = { { n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 } }
        confab.run { name = "r", items = items, step = function(item)
          local turns = {}
          for i = 1, 8 do
            turns[i] = { role = i % 2 == 1 and "user" or "assistant", content = ("%d says. "):format(item.n):rep(20) }
          end
          return confab.conversation { turns = turns }
        end }:export("s-{split}.jsonl", { format = "jsonl", split = { train = 0.6, a_test = 0.4 } })
        """)
    done = run_confab("run", "pipeline.lua", "--simulate", "--db", "s.db")
    assert done.code == 0, done
    counts = [line for line in done.err.splitlines() if line.startswith("s-")]
    assert [line.split(":")[0] for line in counts] == ["s-train.simulated.jsonl", "s-a_test.simulated.jsonl"]
    result = run_confab("export", "--db", "s.db", "--include-simulated", "-f", "jsonl", "-o", "c-{split}.jsonl",
                        "--split", "train=0.6,a_test=0.4")
    assert result.code == 0, result
    rows = {split: rows_of(folder / f"s-{split}.simulated.jsonl") for split in ("train", "a_test")}
    assert len(rows["train"]) + len(rows["a_test"]) == 5
    for split, written in rows.items():
        assert rows_of(folder / f"c-{split}.jsonl") == written


def test_a_conversation_stays_in_its_split_when_others_come_or_go(run_confab, folder, real):
    def split():
        assert run_confab("export", "-f", "jsonl", "-o", "d.jsonl", *HALVES).code == 0
        return {row["id"]: name for name in ("train", "val")
                for row in rows_of(folder / f"d-{name}.jsonl")}
    before = split()
    example_run.change(real, *(update(n, "status = 'rejected'") for n in range(3)))
    after = split()
    assert 0 < len(after) < len(before)
    assert all(before[id] == name for id, name in after.items())


# --- mistakes ---

def others_in(folder):
    """What lies there beside the database and what SQLite keeps with it."""
    return [name for name in os.listdir(folder) if not name.startswith("confab.db")]


@pytest.mark.parametrize("arguments, code, message", [
    (["export"], 2, "export: where to? add -o FILE, or -o - for standard output"),
    (["export", "-o", ""], 2, "export: where to?"),
    (["export", "-o", "x", "--format", "mesages"], 2, "messages, sharegpt, alpaca"),
    (["export", "-o", "x", "--where", "statu=approved"], 2,
     '--where: unknown field "statu"; did you mean "status"?'),
    (["export", "-o", "x", "--where", "min_score=eleven"], 2,
     "--where: min_score must be a number from 0 to 10"),
    (["export", "-o", "x", "--split", "train=0.9,val=0.2"], 2, "--split: "),
    (["export", "-o", "-", "--split", "train=0.9,val=0.1"], 2, "split"),
    (["export", "-o", "{split}.jsonl"], 2, "split"),
    (["export", "-o", "x", "--system", "drop"], 2, "--system must be fold or keep, not 'drop'"),
    (["export", "-o", "missing/x"], 2, "missing"),
    (["export", "-o", "folder"], 2, "folder"),
    (["export", "nothing", "-o", "x"], 2, 'there is no run "nothing"; `confab runs` lists them'),
    (["export", "support-v1", "-o", "x", "--where", "run=support-v1"], 2, "the run is given twice"),
    (["export", "support-v1", "--all", "-o", "x"], 2, "--all and a run exclude each other"),
    (["export", "-o", "x", "--inclde-simulated"], 2, "did you mean --include-simulated?"),
])
def test_a_mistake_names_what_is_wrong_and_writes_nothing(run_confab, folder, real, arguments, code,
                                                          message):
    (folder / "folder").mkdir()
    result = run_confab(*arguments)
    assert result.code == code, result
    assert message in result.err
    assert result.err.startswith("confab: ") and result.err.count("\n") == 1
    assert result.out == ""
    assert others_in(folder) == ["folder"]


@pytest.mark.parametrize("target", ["/proc/out.jsonl", "confab.db/out.jsonl"])
def test_a_place_that_takes_no_file_is_an_error(run_confab, folder, real, target):
    before = (folder / "confab.db").read_bytes()
    result = run_confab("export", "-o", target)
    assert result.code in (2, 4), result
    assert target.rpartition("/")[0] in result.err
    assert (folder / "confab.db").read_bytes() == before


def test_a_failed_export_keeps_the_file_that_was_there(run_confab, folder, real):
    assert run_confab("export", "-o", "out.jsonl").code == 0
    before = (folder / "out.jsonl").read_bytes()
    example_run.change(real, "DROP TABLE conversation_turns")
    result = run_confab("export", "-o", "out.jsonl")
    assert result.code == 4, result
    assert "conversation_turns" in result.err
    assert (folder / "out.jsonl").read_bytes() == before
    assert others_in(folder) == ["out.jsonl"]


def test_a_full_device_is_an_error(run_confab, real):
    result = run_confab("export", "-o", "/dev/full")
    assert result.code == 4, result
    assert "/dev/full" in result.err and "No space left on device" in result.err


def test_jsonl_says_all_that_the_database_knows(run_confab, folder, real, query):
    example_run.change(real, f"INSERT INTO tags VALUES ({conversation(0)}, 'judge', 9)")
    assert run_confab("export", "-f", "jsonl", "-o", "out.jsonl").code == 0
    record = rows_of(folder / "out.jsonl")[0]
    row = query("SELECT * FROM conversation_view ORDER BY ordinal")[0]
    assert record["id"] == row["uuid"]
    assert record["persona"] == row["persona"]
    assert json.loads(record["parameters"]) == json.loads(row["parameters"])
    assert json.loads(record["tags"]) == {"judge": 9}
