"""Every pipeline in examples/ runs as it stands, and over real files where it reads some."""
import shutil
import subprocess

import pytest

import confab_process

FAST = "--simulate=rpm=100000"


@pytest.fixture
def examples(root, folder):
    shutil.copytree(root / "examples", folder / "examples")
    return folder / "examples"


def run_name(path):
    return {"intents_to_chats.lua": "intents", "documents_to_questions.lua": "questions", "two_models.lua": "two-models",
            "judge_and_revise.lua": "judged", "custom_rules.lua": "custom-rules",
            "support_chats.lua": "support-v1"}[path.name]


@pytest.mark.parametrize("name", ["intents_to_chats", "documents_to_questions", "two_models", "judge_and_revise",
                                  "custom_rules", "support_chats"])
def test_it_runs_as_it_stands_and_again_without_a_request(examples, run_confab, query, name):
    path = examples / f"{name}.lua"
    first = run_confab("run", path, FAST, "--limit", 6)
    assert first.code == 0, first
    [run] = query("SELECT * FROM runs WHERE name = ?", run_name(path))
    assert run["state"] == "done" and run["items_failed"] == 0
    assert run["items_accepted"] + run["items_needs_revision"] == run["items_drawn"] == 6 or name == "documents_to_questions"
    calls = query("SELECT count(*) AS n FROM calls")[0]["n"]
    again = run_confab("run", path, FAST, "--limit", 6)
    assert again.code == 0, again
    assert "nothing was sent" in again.out
    assert query("SELECT count(*) AS n FROM calls")[0]["n"] == calls


def test_all_examples_are_run_here(root):
    known = {"intents_to_chats", "documents_to_questions", "two_models", "judge_and_revise", "custom_rules", "support_chats",
             "rescoring", "strict_rules", "embedding"}
    assert {path.stem for path in (root / "examples").glob("*.lua")} == known


def test_rescoring_reads_what_is_stored(examples, run_confab, query):
    run_confab("run", examples / "support_chats.lua", FAST, "--limit", 10)
    result = run_confab("run", examples / "rescoring.lua")
    assert result.code == 0, result
    assert "of 10 conversations keep a score of 6 or more" in result.out
    scored = run_confab("score", "support-v1", "--rules", examples / "strict_rules.lua", "--apply")
    assert scored.code == 0 and "10 scores were stored" in scored.out
    assert "no promises" in query("SELECT quality_breakdown AS b FROM conversations")[0]["b"]


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


# --- over real files ---

def test_intents_over_a_real_file_of_intents(examples, shared, run_confab, query):
    result = run_confab("run", examples / "intents_to_chats.lua", shared / "banking77.csv", FAST)
    assert result.code == 0, result
    assert "200 planned" in result.out
    assert query("SELECT count(DISTINCT topic) AS n FROM conversations")[0]["n"] == 77


@pytest.mark.parametrize("name, encoding", [("system_design_primer.md", None), ("system_design_primer.ja.md", None),
                                            ("sherlock_holmes.latin1.txt", "latin1")])
def test_documents_over_real_documents(examples, shared, run_confab, query, name, encoding):
    words = [shared / "documents" / name] + ([encoding] if encoding else [])
    result = run_confab("run", examples / "documents_to_questions.lua", FAST, "--", *words)
    assert result.code == 0, result
    rows = query("SELECT document_id, chunk_id FROM conversations")
    assert len(rows) == 20 and all(row["document_id"].startswith(name.rsplit(".", 1)[0]) for row in rows)
    assert len({row["chunk_id"] for row in rows}) == 20
