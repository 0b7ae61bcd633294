"""`confab report` and run:report: one HTML file that tells what a run made, whatever models wrote."""
import html.parser
import json
import os
import re
import xml.etree.ElementTree as ElementTree

import example_run
import pytest
from example_run import ITEMS, database, made    # noqa: F401: the fixtures

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(html.parser.HTMLParser):
    """What a page shows: its text, and its tables as lists of cells. Fails where tags are not closed in order."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.tables, self.cells = [], None
        self.source = source
        self.feed(source)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("p", "div", "li", "dt", "dd", "h1", "h2", "h3"):
            self.words.append(" ")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            return
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def table(self, head):
        """The rows of the table whose first column has that head."""
        for table in self.tables:
            if table[0][0] == head:
                return table[1:]
        raise AssertionError(f"no table {head!r}")


def check_whole(source):
    """A page that needs nothing from elsewhere and runs nothing; gives it parsed."""
    data = source.read_bytes()
    text = data.decode("utf-8")
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
    page = Page(text)
    assert not {"script", "link", "iframe", "img", "object", "embed", "form", "a"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on") and name not in ("src", "href", "xlink:href", "action"), name
        assert "url(" not in (value or "")
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style and "@import" not in style and "://" not in style
    svgs = re.findall(r"<svg.*?</svg>", text, re.S)
    for svg in svgs:
        assert ElementTree.fromstring(svg).attrib["aria-label"]
    page.svgs = len(svgs)
    return page


@pytest.fixture(name="report")
def make_report(run_confab, folder):
    """report(*args) -> the page that the command writes, checked."""
    def make(*args):
        result = run_confab("report", *args, "-o", "report.html")
        assert result.code == 0, result
        assert result.out == "" and result.err.startswith("report.html: ")
        return check_whole(folder / "report.html")
    return make


def count(number):
    return f"{number:,}"


def test_its_figures_are_those_of_stats(run_confab, report, database):
    example_run.change(
        database, "UPDATE conversations SET quality_score = 3.5, status = 'needs_revision' WHERE id % 4 = 0",
        "UPDATE conversations SET truncated = 1 WHERE id % 4 = 1")
    page = report("support-v1")
    stats = json.loads(run_confab("stats", "support-v1", "--json").out)
    run = stats["run"]
    assert (f"{run['planned']} planned = {run['accepted']} accepted + "
            f"{run['needs_revision']} to revise + {run['failed']} failed + "
            f"{run['pending']} pending + {run['skipped']} skipped") in page.text

    rows = {row[0]: row[1] for row in page.table("Status")}
    names = {"needs_revision": "to revise"}
    assert rows == {names.get(row["status"], row["status"]): count(row["conversations"])
                    for row in stats["statuses"]}
    bars = re.search(r'aria-label="Conversations by score: (.*?)"', page.source)[1]
    assert {part.split(": ")[0]: int(part.split(": ")[1]) for part in bars.split(", ")} == {
        **{str(score): 0 for score in range(1, 11)},
        **{str(row["score"]): row["conversations"] for row in stats["scores"]}}
    models = [row[:4] for row in page.table("Model")]
    assert models == [[row["name"], count(row["replies"]), count(row["input_tokens"]),
                       count(row["output_tokens"])] for row in stats["models"]]
    templates = [row[:2] for row in page.table("Version")]
    assert templates == [[row["name"], count(row["replies"])] for row in stats["templates"]]
    assert page.svgs == 4
    assert f"{ITEMS - 4} of {ITEMS} conversations are usable" in page.text
    assert "2 conversations were cut off" in page.text


def test_the_rules_give_their_points(report, query):
    page = report()
    parts = [json.loads(row["quality_breakdown"])
             for row in query("SELECT quality_breakdown FROM conversations ORDER BY id")]
    rows = page.table("Rule")
    assert [row[0] for row in rows] == [part["name"] for part in parts[0]]
    for i, row in enumerate(rows):
        points = [part[i]["points"] for part in parts]
        assert float(row[2].split(" of ")[0]) == pytest.approx(sum(points) / len(points), abs=0.006)
        full = sum(part[i]["points"] >= part[i]["max"] for part in parts)
        assert row[3] == f"{100 * full / len(parts):.0f}%"
        assert row[5] == str(len(parts))


def test_it_shows_the_lowest_the_median_and_the_highest(report, database, query):
    ids = [row["id"] for row in query("SELECT id FROM conversations ORDER BY id")]
    for place, id in enumerate(ids):
        example_run.change(
            database, f"UPDATE conversations SET quality_score = {2 + place} WHERE id = {id}",
            f"UPDATE conversation_turns SET content = 'marked {place}' WHERE conversation = {id} AND turn_index = 0")
    page = report()
    shown = [int(place) for place in re.findall(r"marked (\d+)", page.text)]
    assert shown == [0, 3, 7]
    assert "Lowest score 2 of 10" in page.text and "Highest score 9 of 10" in page.text


def test_a_simulated_run_says_so_and_a_real_one_does_not(report, database):
    assert "SIMULATED." in report().text
    example_run.change(database, *example_run.REAL)
    assert "imulated" not in report().text


HOSTILE = "<script>alert(1)</script> \"' &amp; \x1b[31m \x07 \x85 \u202egnp.exe\u202c \ufffe שלום"


def test_hostile_text_stands_as_text(report, database, query):
    where = "WHERE id = (SELECT min(id) FROM conversations)"
    connection = example_run.sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE runs SET name = ?, state_reason = ?, script = ?, model = ?", [HOSTILE] * 4)
        connection.execute("UPDATE templates SET name = ?", [HOSTILE])
        connection.execute("UPDATE generation_logs SET model = ?", [HOSTILE])
        connection.execute("UPDATE conversation_turns SET content = ?, role = CASE WHEN turn_index = 0 THEN ?"
                           " ELSE role END", [HOSTILE, HOSTILE])
        connection.execute("UPDATE conversations SET persona = ?, topic = ?, tier = ?, emotion = ?,"
                           " quality_breakdown = ?", [HOSTILE] * 4 + [json.dumps(
                               [{"name": HOSTILE, "points": 1, "max": 2, "note": HOSTILE}, 7, "x", None])])
        connection.execute("UPDATE conversations SET quality_breakdown = '{not json' " + where)
        connection.execute("UPDATE items SET state = 'failed', error_kind = 'parse_error', error_message = ?,"
                           " key = ? WHERE id = (SELECT max(item) FROM conversations)", [HOSTILE, HOSTILE])
        # cut inside a character, as no writer of ours does
        connection.execute("UPDATE conversation_turns SET content = CAST(x'c3286162e282' AS TEXT)"
                           " WHERE turn_index = 1")
    connection.close()
    page = report()
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "[U+001B][31m [U+0007] [U+0085] [U+202E]gnp.exe[U+202C] \ufffd שלום" in page.text
    assert "\ufffd(ab\ufffd" in page.text


def test_long_text_is_cut_with_what_is_missing(report, database, folder):
    connection = example_run.sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE conversation_turns SET content = ? WHERE turn_index = 1", ["é" * 5_000_000])
        connection.execute("WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
                           " INSERT INTO conversation_turns SELECT c.id, n.i, 'user', 'more' FROM conversations c, n")
    connection.close()
    page = report()
    assert "… [4,996,000 more]" in page.text
    assert re.search(r"\d+ more turns", page.text)
    assert (folder / "report.html").stat().st_size < 500_000


def test_the_same_database_gives_the_same_bytes(report, folder):
    report()
    first = (folder / "report.html").read_bytes()
    report()
    assert (folder / "report.html").read_bytes() == first


def test_standard_output_is_a_place(run_confab, folder, report):
    report()
    result = run_confab("report", "-o", "-")
    assert result.code == 0 and result.err == ""
    assert result.out == (folder / "report.html").read_text()


def test_a_run_without_conversations_has_a_report(report, database):
    example_run.change(database, "UPDATE items SET state = 'failed', error_kind = 'api_error',"
                                 " error_message = 'HTTP 500'")
    page = report()
    assert "No conversation is stored." in page.text
    assert page.table("Kind")[0][:3] == ["api_error", str(ITEMS), "HTTP 500"]


@pytest.mark.parametrize("args, code, words", [
    ([], 2, "add -o report.html"),
    (["nothing-like-it", "-o", "x.html"], 2, "nothing-like-it"),
    (["-o", "."], 2, "is a folder"),
    (["-o", "missing/x.html"], 2, "there is no folder missing"),
    (["--db", "none.db", "-o", "x.html"], 2, "none.db"),
])
def test_what_cannot_be_is_an_error(run_confab, folder, args, code, words):
    result = run_confab("report", *args)
    assert result.code == code, result
    assert words in result.err and result.out == ""
    assert sorted(path.name for path in folder.iterdir()) in (["confab.db"], ["confab.db", "confab.db-lock"])


def test_an_old_report_stands_until_the_new_one_is_whole(run_confab, folder, database):
    (folder / "report.html").write_text("old")
    example_run.change(database, "DROP TABLE tags")    # read last, for the samples
    result = run_confab("report", "-o", "report.html")
    assert result.code == 4 and "no such table: tags" in result.err
    assert (folder / "report.html").read_text() == "old"
    assert not list(folder.glob("*.tmp"))


def test_a_full_device_is_an_error(run_confab):
    result = run_confab("report", "-o", "/dev/full")
    assert result.code == 4 and "No space left on device" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_stays(run_confab, folder):
    (folder / "report.html").write_text("old")
    (folder / "report.html").chmod(0o444)
    result = run_confab("report", "-o", "report.html")
    assert result.code == 4 and "Permission denied" in result.err
    assert (folder / "report.html").read_text() == "old"


SCRIPT = """
local confab = require "confab"
local t = confab.template { name = "t", prompt = "A chat about {{topic}} as JSON." }
local run = confab.run { name = "told", items = confab.list { { topic = "tea" }, { topic = "milk" } }, template = t }
print(run:report "told.html")
"""


def test_a_script_has_it_of_its_run(run_confab, script, folder):
    result = run_confab("run", script(SCRIPT), "--simulate")
    assert result.code == 0, result
    assert result.out.splitlines()[-1] == "told.simulated.html"
    assert "told.simulated.html: a report of " in result.err
    assert not (folder / "told.html").exists()
    assert "SIMULATED." in check_whole(folder / "told.simulated.html").text


@pytest.mark.parametrize("command", [["estimate"], ["run", "--dry-run"]])
def test_a_planned_run_writes_none_and_says_so(run_confab, script, folder, command):
    result = run_confab(*command, script(SCRIPT), "--simulate")
    assert result.code == 0, result
    assert "told.html: not written: this is an estimate" in result.err
    assert not list(folder.glob("told*.html"))
