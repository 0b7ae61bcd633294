"""The commands that read a database, and those about the program: output and mistakes."""
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess

import confab_process
import example_run
import pytest

ITEMS = 8
READERS = [["runs"], ["show", "support-v1"], ["logs"], ["stats"], ["export", "-o", "out.jsonl"]]


@pytest.fixture(scope="module", name="made")
def make_run(tmp_path_factory):
    return example_run.make(tmp_path_factory.mktemp("made"), ITEMS)


@pytest.fixture
def database(made, folder):
    """A copy of the database that the test may change; gives its path."""
    shutil.copy(made / "confab.db", folder / "confab.db")
    return folder / "confab.db"


def fails(result, code, message):
    """Wrong use: one line on standard error, nothing on standard output."""
    assert result.code == code, result
    assert result.err.startswith("confab: "), result
    assert result.err.count("\n") == 1, result
    assert message in result.err, result
    assert result.out == "", result


# --- the program ---

def test_version_is_one_line(run_confab):
    result = run_confab("version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"confab \d+\.\d+\.\d+\n", result.out)
    assert run_confab("--version").out == result.out


def test_help_names_commands_environment_and_exit_statuses(run_confab):
    result = run_confab("help")
    assert (result.code, result.err) == (0, "")
    assert run_confab("--help").out == run_confab("-h").out == result.out
    for word in ("export", "doctor", "ANTHROPIC_API_KEY", "CONFAB_DB", "130",
                 "confab run support_chats.lua --simulate"):
        assert word in result.out, word
    assert max(map(len, result.out.splitlines())) <= 100


def test_without_a_command_the_help_goes_to_standard_error(run_confab):
    result = run_confab()
    assert (result.code, result.out) == (2, "")
    assert result.err == run_confab("help").out


@pytest.mark.parametrize("arguments, message", [
    (["exprot"], "there is no command 'exprot'; did you mean 'export'?"),
    (["qqqqqqqq"], "there is no command 'qqqqqqqq'; 'confab help' lists them"),
    (["help", "exprot"], "there is no command 'exprot'; did you mean 'export'?"),
    (["--db", "x.db", "runs"], "a command comes first: confab COMMAND --db"),
    (["version", "now"], "version: unexpected 'now'"),
    (["help", "run", "now"], "help: unexpected 'now'"),
    (["runs", "now"], "runs: unexpected 'now'"),
    (["runs", "--jsno"], "runs: unknown option --jsno; did you mean --json?"),
    (["runs", "--json=x"], "runs: --json takes no value"),
    (["runs", "--db"], "runs: --db needs a value: --db FILE"),
    (["show"], "show: something is missing: confab show ID"),
    (["logs", "--last", "0"], "--last: '0' is not a whole number from 1"),
    (["logs", "--last", "ten"], "--last: 'ten' is not a whole number"),
    (["logs", "x", "--all"], "logs: --all and a run exclude each other"),
])
def test_wrong_use_is_one_clear_line(run_confab, database, arguments, message):
    fails(run_confab(*arguments), 2, message)


def test_an_error_cannot_steer_the_terminal(run_confab):
    result = run_confab("\x1b[31mred")
    assert result.code == 2
    assert "\x1b" not in result.err and "?[31mred" in result.err


def test_a_full_standard_output_is_an_error(run_confab, confab_env, folder, database):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([confab_process.binary(), "runs", "--json"], cwd=folder,
                              env=confab_env(), stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 4
    assert "confab: standard output: No space left on device" in done.stderr


# --- which database ---

@pytest.mark.parametrize("arguments", READERS)
def test_a_missing_database_says_what_to_do(run_confab, folder, arguments):
    fails(run_confab(*arguments), 2,
          "there is no database at confab.db; run a pipeline first, or name one with --db")
    assert not (folder / "confab.db").exists()


@pytest.mark.parametrize("arguments", READERS)
def test_a_foreign_file_is_no_database(run_confab, write, arguments):
    write("confab.db", "not a database at all, though it is long enough to be looked at\n" * 20)
    fails(run_confab(*arguments), 2, "confab.db")


@pytest.mark.parametrize("arguments", READERS)
def test_a_database_of_another_program_is_told_apart(run_confab, folder, arguments):
    connection = sqlite3.connect(folder / "confab.db")
    connection.execute("CREATE TABLE runs (id)")
    connection.commit()
    connection.close()
    fails(run_confab(*arguments), 2, "confab.db")


@pytest.mark.parametrize("arguments", READERS)
def test_a_newer_schema_is_refused(run_confab, database, arguments):
    example_run.change(database, "PRAGMA user_version = 999")
    fails(run_confab(*arguments), 2, "confab.db")


def test_a_folder_is_no_database(run_confab, folder):
    (folder / "confab.db").mkdir()
    fails(run_confab("runs"), 2, "confab.db is a folder")


def test_flag_then_environment_then_dotenv_name_the_database(run_confab, folder, made, write):
    shutil.copy(made / "confab.db", folder / "good.db")
    write(".env", "CONFAB_DB=good.db\n")
    assert run_confab("runs").code == 0
    assert run_confab("runs", env={"CONFAB_DB": "bad.db"}).code == 2
    assert run_confab("runs", "--db", "good.db", env={"CONFAB_DB": "bad.db"}).code == 0


def test_a_read_only_database_can_be_read(run_confab, folder, database):
    database.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert run_confab("runs").code == 0
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("arguments", [["runs"], ["stats"], ["run", "reads.lua"]])
def test_reading_leaves_no_files_behind(run_confab, folder, database, script, arguments):
    script("""
        for conv in confab.store:conversations() do break end
        print(#confab.store:sql "SELECT 1", #confab.store:runs())
        """, "reads.lua")
    before = sorted(path.name for path in folder.iterdir())
    assert run_confab(*arguments).code == 0
    assert sorted(path.name for path in folder.iterdir()) == before


# --- runs ---

def test_runs_lists_name_state_and_account(run_confab, database):
    result = run_confab("runs")
    assert result.code == 0, result
    head, row = result.out.splitlines()
    assert head.split()[:4] == ["RUN", "NAME", "STATE", "PLANNED"]
    assert "support-v1 simulated" in row and "done" in row


def test_runs_as_json_is_an_array_with_a_run_a_line(run_confab, database, query):
    result = run_confab("runs", "--json")
    (run,) = result.json()
    assert len(result.out.splitlines()) == 3
    (row,) = query("SELECT * FROM run_view")
    assert run["id"] == row["uuid"] and run["simulated"] is True
    parts = ("accepted", "needs_revision", "failed", "pending", "skipped")
    assert run["planned"] == ITEMS == sum(run[part] for part in parts)
    assert run["spent_usd"] == pytest.approx(row["spent_usd"], rel=1e-12)


def test_an_empty_database_says_how_to_make_a_run(run_confab, database):
    example_run.change(database, "PRAGMA foreign_keys = OFF", "DELETE FROM runs")
    result = run_confab("runs")
    assert (result.code, result.out) == (0, "no runs yet; `confab run SCRIPT.lua` makes one\n")
    assert run_confab("runs", "--json").json() == []
    fails(run_confab("logs"), 2, "the database has no runs yet; `confab run SCRIPT.lua` makes one")


# --- show ---

def test_a_run_is_shown_by_name_id_and_the_start_of_its_id(run_confab, database, query):
    (row,) = query("SELECT uuid FROM runs")
    by_name = run_confab("show", "support-v1")
    assert by_name.code == 0, by_name
    assert by_name.out.startswith(f"run {row['uuid']} (simulated)\n")
    assert f"{ITEMS} planned = {ITEMS} accepted + 0 to revise" in by_name.out
    assert run_confab("show", row["uuid"]).out == by_name.out
    run = run_confab("show", "support-v1", "--json").json()
    assert run["kind"] == "run" and run["run"]["id"] == row["uuid"] and run["failed_items"] == []


def test_failed_items_are_shown_by_kind_with_an_example(run_confab, database):
    example_run.change(database, "UPDATE items SET state = 'failed', error_kind = 'parse_error',"
                                 " error_message = 'no JSON' || char(10) || 'at all' WHERE id <= 3")
    result = run_confab("show", "support-v1")
    assert re.search(r"3 x parse_error, first at [0-9a-f]{16}: no JSON at all\n", result.out)
    (failure,) = run_confab("show", "support-v1", "--json").json()["failed_items"]
    assert (failure["kind"], failure["count"]) == ("parse_error", 3)


def test_a_conversation_is_shown_with_its_turns(run_confab, database, query):
    row = query("SELECT * FROM conversation_view ORDER BY ordinal")[0]
    turns = query("SELECT role, content FROM turn_view WHERE conversation_uuid = ?"
                  " ORDER BY turn_index", row["uuid"])
    example_run.change(database,
                       f"INSERT INTO tags VALUES ({row['conversation_id']}, 'judge', 9.5)")
    result = run_confab("show", row["uuid"])
    assert result.out.startswith(f"conversation {row['uuid']} (simulated)\n")
    assert "judge = 9.5" in result.out
    for turn in turns:
        assert f"\n{turn['role']}:\n{turn['content']}\n" in result.out
    shown = run_confab("show", row["uuid"], "--json").json()
    assert shown["turns"] == turns
    assert shown["tags"] == {"judge": 9.5}
    assert shown["parameters"] == json.loads(row["parameters"])
    assert shown["cost_usd"] == pytest.approx(row["cost_usd"], rel=1e-12)


def test_a_conversation_is_shown_with_a_line_a_rule(run_confab, database, query):
    row = query("SELECT uuid, conversation_id FROM conversation_view ORDER BY ordinal")[0]
    parts = [{"name": "turn count", "points": 2, "max": 3, "note": "8\n turns"},
             {"name": "wit", "points": 0.5, "max": 1}]
    example_run.change(database, "UPDATE conversations SET quality_breakdown = "
                                 f"'{json.dumps(parts)}' WHERE id = {row['conversation_id']}")
    result = run_confab("show", row["uuid"])
    assert "\n  rule         turn count  2/3  8 turns\n  rule         wit  0.5/1\n" in result.out
    assert run_confab("show", row["uuid"], "--json").json()["quality_breakdown"] == parts
    example_run.change(database, "UPDATE conversations SET quality_breakdown = 'odd'")
    result = run_confab("show", row["uuid"])
    assert result.code == 0 and "  rule  " not in result.out


def test_a_simulated_run_names_no_port_and_no_arguments_where_there_are_none(run_confab, database):
    result = run_confab("show", "support-v1")
    assert "  service      simulator\n" in result.out and "arguments" not in result.out
    assert run_confab("show", "support-v1", "--json").json()["run"]["base_url"].startswith("http://")
    example_run.change(database, "UPDATE runs SET args = '[\"x\"]', simulated = 0,"
                                 " base_url = 'http://127.0.0.1:1/v1'")
    result = run_confab("show", "support-v1")
    assert '  arguments    ["x"]\n' in result.out
    assert "  service      http://127.0.0.1:1/v1\n" in result.out


def test_calls_outside_a_run_have_an_account_of_their_own(run_confab, script, query):
    script("""
        local chat = confab.template { name = "chat", max_tokens = 2000,
          prompt = "Write a chat of {{turns}} turns about tea, as JSON." }
        confab.ask { prompt = "Say hello." }
        confab.generate { template = chat, params = { turns = 8 } }
        confab.generate { template = chat, params = { turns = 2 } }
        """)
    for _ in range(2):
        assert run_confab("run", "pipeline.lua", "--simulate").code == 0
    assert query("SELECT count(*) AS n FROM items WHERE state <> 'done'") == [{"n": 0}]
    counts = query("SELECT sum(accepted) AS yes, sum(NOT accepted) AS no FROM items WHERE key <> ''")
    yes, no = counts[0]["yes"], counts[0]["no"]
    assert yes + no == 2
    (line,) = [line for line in run_confab("runs").out.splitlines() if "pipeline (calls)" in line]
    assert line.split()[5:10] == ["-", str(yes), str(no), "0", "-"]
    shown = run_confab("show", "pipeline (calls)")
    assert f"items        outside a plan: {yes} accepted + {no} to revise + 0 failed\n" in shown.out
    assert f"  outside a plan: {yes} accepted, {no} to revise, 0 failed\n" in run_confab("stats").out
    account = {"accepted": yes, "needs_revision": no, "failed": 0}
    assert run_confab("runs", "--json").json()[0]["outside_plan"] == account
    assert run_confab("stats", "--json").json()["run"]["outside_plan"] == account


def test_a_call_names_the_room_that_was_added_to_think_in(run_confab, script):
    script('confab.ask { prompt = "Hello.", max_tokens = 100, thinking = "adaptive" }')
    assert run_confab("run", "pipeline.lua", "--simulate").code == 0
    call = run_confab("show", "call:1", "--json").json()
    assert call["max_tokens"] == 100
    assert call["max_tokens"] + call["thinking_room"] == call["request"]["max_tokens"]
    assert f"  and to think {call['thinking_room']:,}\n" in run_confab("show", "call:1").out


def test_an_item_is_shown_with_its_calls_and_conversations(run_confab, database, query):
    (row,) = query("SELECT * FROM item_view WHERE item_id = 2")
    result = run_confab("show", "item:2")
    assert result.out.startswith("item:2\n") and row["key"] in result.out
    shown = run_confab("show", "item:2", "--json").json()
    assert shown["kind"] == "item" and shown["key"] == row["key"] and shown["state"] == "done"
    assert len(shown["calls"]) == 1 and len(shown["conversations"]) == 1
    assert shown["params"] == json.loads(row["params"])


def test_a_call_is_shown_with_request_and_reply(run_confab, database, query):
    (row,) = query("SELECT * FROM call_view WHERE call_id = 1")
    result = run_confab("show", "call:1")
    assert result.out.startswith("call:1\n")
    assert f"\nrequest\n{row['request']}\n" in result.out
    assert f"\nreply\n{row['reply']}" in result.out
    shown = run_confab("show", "call:1", "--json").json()
    assert shown["request"] == json.loads(row["request"])
    assert shown["reply"] == json.loads(row["reply"])
    assert shown["request_hash"] == row["request_hash"]


def test_a_template_is_shown_with_its_texts(run_confab, database, query):
    (row,) = query("SELECT * FROM template_view")
    result = run_confab("show", row["uuid"])
    assert result.out.startswith(f"template {row['uuid']}\n")
    assert f"\nsystem\n{row['system']}\n" in result.out and row["prompt"] in result.out
    shown = run_confab("show", row["uuid"], "--json").json()
    for name in ("name", "version", "system", "prompt"):
        assert shown[name] == row[name]


@pytest.mark.parametrize("id", ["nothing", "item:99999", "call:x", "ffffffff"])
def test_an_unknown_id_is_said(run_confab, database, id):
    fails(run_confab("show", id), 2, f"nothing has the id or name '{id}'")


def test_an_ambiguous_id_is_said(run_confab, database, query):
    (row,) = query("SELECT min(uuid) AS uuid FROM conversations")
    fails(run_confab("show", row["uuid"][:6]), 2, "give more of it")


# --- logs ---

def test_logs_has_a_line_an_attempt(run_confab, database):
    result = run_confab("logs")
    assert result.code == 0, result
    assert len(result.out.splitlines()) == ITEMS
    assert all("success" in line and "call:" in line for line in result.out.splitlines())
    assert run_confab("logs", "support-v1").out == run_confab("logs", "--all").out == result.out


def test_last_takes_the_newest_in_order(run_confab, database):
    everything = run_confab("logs").out
    assert run_confab("logs", "--last", "2").out.splitlines() == everything.splitlines()[-2:]
    assert run_confab("logs", "-n", "1000").out == everything


def test_failures_leaves_successes_out(run_confab, database):
    result = run_confab("logs", "--failures")
    assert (result.code, result.out, result.err) == (0, "", "no failures\n")
    example_run.change(database, "UPDATE generation_logs SET status = 'failure', http_status = 500,"
                                 " error_kind = 'api_error', error_message = 'boom' WHERE id = 2")
    result = run_confab("logs", "--failures")
    (line,) = result.out.splitlines()
    assert "failure" in line and "api_error: boom" in line


def test_logs_as_json_tells_all_columns(run_confab, database, query):
    logs = run_confab("logs", "--json").json()
    rows = query("SELECT * FROM generation_logs ORDER BY id")
    assert [log["log"] for log in logs] == [row["id"] for row in rows]
    assert logs[0]["input_tokens"] == rows[0]["input_tokens"]
    assert logs[0]["cost_usd"] == pytest.approx(rows[0]["cost_pico"] / 1e12, rel=1e-12)
    assert logs[0]["error_kind"] is None


def test_an_unknown_run_is_said(run_confab, database):
    for command in ("logs", "stats"):
        fails(run_confab(command, "nothing"), 2,
              'there is no run "nothing"; `confab runs` lists them')


# --- stats ---

def nearest_rank(values, percent):
    values = sorted(values)
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def test_stats_counts_what_the_database_holds(run_confab, database, query):
    latencies = [3, 1000, 20, 7, 7, 150, 90000, 40]
    example_run.change(database,
                       *(f"UPDATE generation_logs SET duration_ms = {ms} WHERE call = {i}"
                         for i, ms in enumerate(latencies, 1)),
                       "UPDATE conversations SET status = 'needs_revision', quality_score = 4.5"
                       " WHERE id <= 2")
    stats = run_confab("stats", "--json").json()
    assert {row["status"]: row["conversations"] for row in stats["statuses"]} == \
        {"generated": 6, "needs_revision": 2}
    assert {row["score"]: row["conversations"] for row in stats["scores"]}[4] == 2
    assert sum(row["conversations"] for row in stats["scores"]) == ITEMS
    (model,), (template,) = stats["models"], stats["templates"]
    for group in (model, template):
        for percent in (50, 95, 99):
            assert group[f"latency_p{percent}_ms"] == nearest_rank(latencies, percent)
        assert group["replies"] == ITEMS
    assert template["name"] == "support-chat v1"
    (sums,) = query("SELECT sum(cost_pico) AS cost, sum(output_tokens) AS output FROM calls")
    assert model["cost_usd"] == pytest.approx(sums["cost"] / 1e12, rel=1e-12)
    assert model["output_tokens"] == sums["output"]


def test_stats_for_people_has_scores_and_latencies(run_confab, database):
    result = run_confab("stats")
    assert result.code == 0, result
    for word in ("support-v1 (simulated)", "generated", "scores", "MODEL", "TEMPLATE", "P50", "P95",
                 "P99", "$"):
        assert word in result.out, word


def test_stats_of_a_run_without_conversations(run_confab, database):
    example_run.change(database, "UPDATE items SET state = 'pending'")
    assert run_confab("stats").code == 0
    assert run_confab("stats", "--json").json()["scores"] == []


# --- what is printed where ---

@pytest.mark.parametrize("arguments", [["show", "support-v1"], ["logs"], ["stats"], ["runs"]])
def test_nothing_from_the_database_steers_a_terminal(folder, confab_env, database, arguments):
    nasty = "'evil' || char(27) || '[31m' || char(0x9b) || '2J'"
    example_run.change(database,
                       f"UPDATE runs SET name = {nasty}, script = {nasty}, state_reason = {nasty}",
                       "UPDATE generation_logs SET error_kind = 'api_error',"
                       f" error_message = {nasty}",
                       f"UPDATE templates SET name = {nasty}",
                       f"UPDATE calls SET model_answered = {nasty}")
    if arguments[0] == "show":
        connection = sqlite3.connect(database)
        arguments = ["show", connection.execute("SELECT uuid FROM runs").fetchone()[0]]
        connection.close()
    text = on_terminal(arguments, folder, confab_env())
    assert "evil" in text
    assert "\x1b" not in text and "\x9b" not in text


def on_terminal(arguments, folder, env):
    """What a command prints when its standard output is a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([confab_process.binary(), *arguments], cwd=folder, env=env,
                               stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:         # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert process.wait(60) == 0
    return b"".join(parts).decode()


def test_turns_are_cleaned_on_a_terminal_only(run_confab, folder, confab_env, database, query):
    example_run.change(database, "UPDATE conversation_turns SET content ="
                                 " 'one' || char(10) || 'two' || char(27) || 'c'"
                                 " WHERE turn_index = 0")
    (row,) = query("SELECT min(uuid) AS uuid FROM conversations")
    assert "one\ntwo\x1bc\n" in run_confab("show", row["uuid"]).out
    assert "one\r\ntwo?c\r\n" in on_terminal(["show", row["uuid"]], folder, confab_env())


# --- doctor ---

def checks_of(result):
    return {check["name"]: check for check in result.json()["checks"]}


def test_the_doctor_finds_all_well(run_confab, mock, database):
    server = mock()
    result = run_confab("doctor", server=server)
    assert result.code == 0, result
    assert len(result.out.splitlines()) == 7
    assert all(line.startswith("ok ") for line in result.out.splitlines()), result
    assert confab_process.KEY not in result.out + result.err
    assert run_confab("doctor", "--json", server=server).json()["ok"] is True


def test_the_doctor_says_how_to_set_a_key(run_confab, database):
    result = run_confab("doctor", "--json")
    assert result.code == 2, result
    checks = checks_of(result)
    assert "AI service not configured: set ANTHROPIC_API_KEY" in checks["key"]["message"]
    assert not checks["service"]["ok"] and checks["database"]["ok"]


def test_the_doctor_sees_a_refused_key(run_confab, mock, database):
    server = mock("", "--api-key", "sk-ant-other")
    result = run_confab("doctor", "--json", server=server)
    assert result.code == 2, result
    checks = checks_of(result)
    assert "ANTHROPIC_API_KEY of the environment is refused: 401" in checks["key"]["message"]
    assert checks["service"]["ok"]


def test_the_doctor_takes_the_key_from_dotenv(run_confab, mock, write, database):
    server = mock()
    write(".env", f"ANTHROPIC_API_KEY='sk-ant-in-file'\nANTHROPIC_API_BASE_URL={server.url}/v1\n")
    result = run_confab("doctor", "--json")
    assert result.code == 0, result
    assert checks_of(result)["key"]["message"] == "ANTHROPIC_API_KEY of .env, accepted"
    assert "sk-ant-in-file" not in result.out


def test_the_doctor_sees_a_key_with_a_line_break(run_confab, mock, database):
    result = run_confab("doctor", "--json", server=mock(), env={"ANTHROPIC_API_KEY": "sk-ant-x\n"})
    assert result.code == 2, result
    assert "has a space or a character that no key has" in checks_of(result)["key"]["message"]
    assert "sk-ant-x" not in result.out


def test_the_doctor_sees_an_unreachable_service(run_confab, database):
    env = {"ANTHROPIC_API_KEY": confab_process.KEY,
           "ANTHROPIC_API_BASE_URL": "http://127.0.0.1:9/v1"}
    result = run_confab("doctor", "--json", env=env)
    assert result.code == 4, result
    checks = checks_of(result)
    assert "http://127.0.0.1:9/v1 cannot be reached" in checks["service"]["message"]
    assert checks["key"]["ok"] and checks["model"]["ok"] and checks["clock"]["ok"]


def test_the_doctor_sees_an_unknown_model(run_confab, mock, database):
    server = mock()
    for arguments, env in ((["--model", "claude-none"], {}),
                           ([], {"ANTHROPIC_MODEL": "claude-none"})):
        result = run_confab("doctor", "--json", *arguments, server=server, env=env)
        assert result.code == 2, result
        assert checks_of(result)["model"]["message"].startswith("claude-none is not known")


def test_the_doctor_sees_a_damaged_database(run_confab, mock, database):
    data = bytearray(database.read_bytes())
    for page in range(3, len(data) // 8192):
        data[page * 8192:page * 8192 + 64] = b"\xff" * 64
    database.write_bytes(data)
    result = run_confab("doctor", "--json", server=mock())
    assert result.code == 4, result
    assert "confab.db" in checks_of(result)["database"]["message"]
    assert not checks_of(result)["database"]["ok"]


def test_the_doctor_takes_a_database_that_is_not_there_yet(run_confab, mock):
    result = run_confab("doctor", "--json", server=mock())
    assert result.code == 0, result
    assert checks_of(result)["database"]["message"] == \
        "confab.db is not there yet; the first run makes it"


def test_the_doctor_sees_a_missing_folder(run_confab, mock):
    result = run_confab("doctor", "--db", "nowhere/x.db", "--json", server=mock())
    assert result.code == 2, result
    assert not checks_of(result)["disk"]["ok"]


def test_the_doctor_sees_too_few_descriptors(folder, confab_env, mock, database):
    done = subprocess.run(["bash", "-c", 'ulimit -n 100; exec "$0" doctor --json',
                           confab_process.binary()], cwd=folder, env=confab_env(mock()),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done
    limits = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "limits")
    assert limits["message"] == "100 open files; raise it: ulimit -n 1024"


def test_the_integrity_check_of_sqlite_agrees(database):
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
