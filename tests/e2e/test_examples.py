"""Every pipeline in examples/ runs as it stands, and over real files where it reads some."""
import json
import shutil
import subprocess

import pytest

import confab_process

FAST = "--simulate=rpm=100000"
RUN_NAMES = {"intents_to_chats": "intents", "documents_to_questions": "questions", "two_models": "two-models",
             "judge_and_revise": "judged", "custom_rules": "custom-rules", "support_chats": "support-v1"}


@pytest.fixture
def examples(root, folder):
    shutil.copytree(root / "examples", folder / "examples")
    return folder / "examples"


@pytest.mark.parametrize("name", RUN_NAMES)
def test_it_runs_as_it_stands_and_again_without_a_request(examples, run_confab, query, name):
    path = examples / f"{name}.lua"
    first = run_confab("run", path, FAST, "--limit", 6)
    assert first.code == 0, first
    [run] = query("SELECT * FROM runs WHERE name = ?", RUN_NAMES[name])
    assert run["state"] == "done" and run["items_failed"] == 0
    assert run["items_accepted"] + run["items_needs_revision"] == run["items_drawn"] == 6 or name == "documents_to_questions"
    calls = query("SELECT count(*) AS n FROM calls")[0]["n"]
    again = run_confab("run", path, FAST, "--limit", 6)
    assert again.code == 0, again
    assert "nothing was sent" in again.out
    assert query("SELECT count(*) AS n FROM calls")[0]["n"] == calls


def test_all_examples_are_run_here(root):
    known = {*RUN_NAMES, "rescoring", "strict_rules", "embedding"}
    assert {path.stem for path in (root / "examples").glob("*.lua")} == known


def test_both_splits_of_the_intents_have_something_in_them(examples, run_confab, read_jsonl):
    result = run_confab("run", examples / "intents_to_chats.lua", FAST)
    assert result.code == 0, result
    splits = [read_jsonl(f"intents-{split}.simulated.jsonl") for split in ("train", "val")]
    assert all(splits) and sum(map(len, splits)) == 8


def test_rescoring_reads_what_is_stored(examples, run_confab, query):
    run_confab("run", examples / "support_chats.lua", FAST, "--limit", 10)
    result = run_confab("run", examples / "rescoring.lua")
    assert result.code == 0, result
    assert "of 10 conversations keep a score of 6 or more" in result.out
    scored = run_confab("score", "support-v1", "--rules", examples / "strict_rules.lua", "--apply")
    assert scored.code == 0 and "10 scores were stored" in scored.out
    assert "no promises" in query("SELECT quality_breakdown AS b FROM conversations")[0]["b"]


def test_rescoring_says_that_a_run_comes_first(examples, run_confab):
    result = run_confab("run", examples / "rescoring.lua")
    assert result.code == 2 and "run a pipeline first" in result.err


@pytest.mark.plain    # an ordinary interpreter cannot load a sanitized module
def test_embedding_runs_in_plain_lua(examples, mock, folder, confab_env):
    module = confab_process.binary().parent / "lua" / "confab.so"
    lua = shutil.which("lua5.4")
    if lua is None or not module.exists():
        pytest.skip("needs lua5.4 and confab.so")
    server = mock("rpm=100000")
    env = {**confab_env(server), "LUA_CPATH": f"{module.parent}/?.so;;"}
    done = subprocess.run([lua, examples / "embedding.lua"], cwd=folder, env=env, capture_output=True, text=True,
                          timeout=60 * confab_process.SLOWED, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 conversations, mean score ")
    assert len(server.arrivals()) >= 3


@pytest.mark.plain
def test_plain_lua_without_a_key_is_told_of_the_simulator(examples, folder, confab_env):
    module = confab_process.binary().parent / "lua" / "confab.so"
    lua = shutil.which("lua5.4")
    if lua is None or not module.exists():
        pytest.skip("needs lua5.4 and confab.so")
    env = {**confab_env(), "LUA_CPATH": f"{module.parent}/?.so;;"}
    done = subprocess.run([lua, examples / "embedding.lua"], cwd=folder, env=env, capture_output=True, text=True,
                          timeout=60 * confab_process.SLOWED, check=False)
    assert done.returncode == 1 and "AI service not configured: set ANTHROPIC_API_KEY" in done.stderr
    assert "`confab mock` prints" in done.stderr and "--simulate" not in done.stderr


# --- over real files ---

def strings_of(path):
    """Every string of a file of JSON or of JSON lines."""
    text = path.read_text(encoding="utf-8")
    found, left = set(), [json.loads(text)] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, (list, dict)):
            left.extend(value.values() if isinstance(value, dict) else value)
    return found


def test_intents_over_a_real_file_of_intents(examples, shared, run_confab, query):
    result = run_confab("run", examples / "intents_to_chats.lua", shared / "banking77.csv", FAST)
    assert result.code == 0, result
    assert "200 planned" in result.out
    assert query("SELECT count(DISTINCT topic) AS n FROM conversations")[0]["n"] == 77


def test_intents_over_a_real_file_with_columns_of_other_names(examples, shared, run_confab, query):
    result = run_confab("run", examples / "intents_to_chats.lua", FAST, "--", shared / "prompts.csv", "prompt", "act")
    assert result.code == 0, result
    assert "200 planned = 200 accepted" in result.out
    [braces] = query("SELECT count(*) AS n FROM call_view WHERE request LIKE '%${%'")
    assert braces["n"] > 10                     # placeholders of the real prompts, sent as they are


@pytest.mark.parametrize("name, source, count", [
    ("support_chats", "personas.jsonl", 60), ("two_models", "personas.jsonl", 12),
    ("judge_and_revise", "mt_bench_questions.jsonl", 60), ("judge_and_revise", "seed_tasks.jsonl", 60),
    ("custom_rules", "banking77_categories.json", 60)])
def test_over_a_real_file(examples, shared, run_confab, query, name, source, count):
    result = run_confab("run", examples / f"{name}.lua", FAST, "--limit", 60, "--", shared / source)
    assert result.code == 0, result
    [run] = query("SELECT * FROM runs WHERE name = ?", RUN_NAMES[name])
    assert run["state"] == "done"
    assert run["items_accepted"] + run["items_needs_revision"] == run["items_drawn"] == count
    column = "persona" if source == "personas.jsonl" else "topic"
    given = {row["value"] for row in query(f"SELECT DISTINCT {column} AS value FROM conversations")}
    assert len(given) >= 10 and given <= strings_of(shared / source)


@pytest.mark.parametrize("source, count", [("dialogues_topical_chat_rated.jsonl", 539), ("dialogues_taskmaster4.jsonl", 3210)])
def test_rescoring_over_real_dialogues(examples, shared, run_confab, source, count):
    result = run_confab("run", examples / "rescoring.lua", shared / source)
    assert result.code == 0, result
    assert f"of {count} conversations keep a score of 6 or more" in result.out


@pytest.mark.parametrize("name, encoding", [("system_design_primer.md", None), ("system_design_primer.ja.md", None),
                                            ("sherlock_holmes.latin1.txt", "latin1")])
def test_documents_over_real_documents(examples, shared, run_confab, query, name, encoding):
    words = [shared / "documents" / name] + ([encoding] if encoding else [])
    result = run_confab("run", examples / "documents_to_questions.lua", FAST, "--", *words)
    assert result.code == 0, result
    rows = query("SELECT document_id, chunk_id FROM conversations")
    assert len(rows) == 20 and all(row["document_id"].startswith(name.rsplit(".", 1)[0]) for row in rows)
    assert len({row["chunk_id"] for row in rows}) == 20
