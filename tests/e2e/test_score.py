"""confab score: what is stored is scored anew, and shown before it is kept."""
import json
import sqlite3

import pytest

CHAT = """
local chat = confab.template { name = "chat", prompt = "Write a chat of {{turns}} turns about {{topic}}.", max_tokens = 2000 }
confab.run { name = "demo", template = chat, items = confab.sweep { turns = { 4, 8, 12 }, topic = { "tea", "jam" } } }
"""

STRICT = """
local confab = require "confab"
return confab.rule { name = "long", points = 2, check = function(conv) return #conv >= 8 end }
"""


@pytest.fixture(autouse=True)
def prepared(script, write, run_confab):
    """A finished run of six conversations, two of them of four turns; and a file of rules."""
    write("strict.lua", STRICT)
    result = run_confab("run", script(CHAT), "--simulate")
    assert result.code == 0, result


@pytest.fixture
def scores(query):
    return lambda: query("SELECT quality_score, status FROM conversations ORDER BY id")


def test_it_shows_how_the_scores_move_and_stores_nothing_by_itself(run_confab, scores):
    before = scores()
    shown = run_confab("score", "demo", "--rules", "strict.lua", "--json").json()
    assert shown["conversations"] == 6 and shown["applied"] is False and shown["changed"] == 6
    assert shown["after"]["histogram"] == [{"score": 1, "conversations": 2}, {"score": 10, "conversations": 4}]
    assert shown["before"]["conversations"] == 6
    assert shown["moved"] == [{"from": "generated", "to": "needs_revision", "conversations": 2}]
    assert shown["rules"] == [{"name": "long", "max": 2, "mean": 4 / 3, "errors": 0}]
    people = run_confab("score", "--rules", "strict.lua")
    assert "generated -> needs_revision" in people.out
    assert "--apply stores the 6 scores that changed" in people.out
    assert scores() == before


def test_apply_stores_scores_and_status_but_not_over_a_review(run_confab, query, folder):
    short = query("SELECT id, quality_score FROM conversations WHERE turn_count = 4 ORDER BY id")[0]
    with sqlite3.connect(folder / "confab.db") as db:
        db.execute("UPDATE conversations SET status = 'approved' WHERE id = ?", (short["id"],))
    db.close()
    done = run_confab("score", "--rules", "strict.lua", "--apply")
    assert done.code == 0 and "6 scores were stored" in done.out, done
    row = query("SELECT * FROM conversations WHERE id = ?", short["id"])[0]
    assert (row["quality_score"], row["status"]) == (1, "approved")
    assert json.loads(row["quality_breakdown"]) == [{"name": "long", "points": 0, "max": 2}]
    assert query("SELECT count(*) AS n FROM conversations WHERE status = 'needs_revision'") == [{"n": 1}]
    [edit] = query("SELECT * FROM edits WHERE conversation = ?", short["id"])
    assert float(edit["before"]) == pytest.approx(short["quality_score"]) and edit["after"] == "1"

    again = run_confab("score", "--rules", "strict.lua", "--apply")
    assert "0 scores were stored" in again.out
    assert query("SELECT count(*) AS n FROM edits") == [{"n": 2}]    # four scored the same by other rules


def test_a_rule_that_raises_is_told_with_a_count(run_confab, write):
    write("bad.lua", """
        return require("confab").rule { name = "bad", points = 1, check = function() error "oops" end }
    """)
    done = run_confab("score", "--rules", "bad.lua")
    assert done.code == 0
    assert 'rule "bad" gives no points: bad.lua:2: oops' in done.err
    assert 'rule "bad" gave no points to 6 conversations' in done.err


def test_a_run_counts_them_too(run_confab, script):
    done = run_confab("run", script("""
        local bad = confab.rule { name = "bad", points = 1, check = function() error "oops" end }
        confab.run { name = "other", items = { {n = 1}, {n = 2} }, score = confab.scoring.default + bad,
          template = confab.template { name = "t", prompt = "A chat of 8 turns, {{n}}." } }
    """, "other.lua"), "--simulate")
    assert done.code == 0
    assert done.err.count("oops") == 1
    assert 'rule "bad" gave no points to 2 conversations' in done.err


@pytest.mark.parametrize("words, code, text", [
    (["nope"], 2, 'there is no run "nope"'),
    (["--rules", "none.lua"], 2, "none.lua: No such file"),
    (["--rules", "five.lua"], 2, "five.lua must return what confab.rule or confab.scoring gives"),
    (["--rules", "typo.lua"], 5, "typo.lua:1:"),
    (["--db", "none.db"], 2, "none.db"),
], ids=lambda value: None)
def test_mistakes_are_named(run_confab, write, words, code, text):
    write("five.lua", "return 5")
    write("typo.lua", "return return")
    done = run_confab("score", *words)
    assert text in done.err and done.code == code, done
    assert "traceback" not in done.err


def test_the_default_rules_give_what_they_gave(run_confab):
    assert "No score changes." in run_confab("score").out
