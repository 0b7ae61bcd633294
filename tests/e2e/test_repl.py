"""confab repl: fed from a pipe, and driven in a real terminal."""
import os
import shutil
import subprocess
import time

import pytest

import confab_process

SCRIPT = """
local confab = require "confab"
local chat = confab.template { name = "chat", prompt = "Write a chat of {{turns}} turns about {{topic}}." }
local items = confab.sweep { topic = { "tea", "jam", "bread" }, turns = { 8 } }
local run = confab.run { name = "demo", items = items, template = chat }
run:export("out.jsonl")
"""


@pytest.fixture
def feed(run_confab):
    """feed(*lines) -> Result: the lines typed at a prompt that is no terminal."""
    def type_in(*lines, words=("--simulate",)):
        return run_confab("repl", *words, stdin="".join(line + "\n" for line in lines))
    return type_in


def test_values_are_shown_and_kept(feed):
    result = feed("x = 20", "x + 1", "= _ * 2", "local y = { 1, a = 'b' }", "y", "nil", "for i = 1, 2 do", "print(i)", "end")
    assert result.code == 0, result
    assert result.out == '21\n42\n{ 1, a = "b" }\n1\n2\n'


def test_mistakes_do_not_end_the_session(feed):
    result = feed("error 'boom'", "x = = 1", "confab.rnu {}", "confab.run { itmes = 1 }", "if x then", "1 + 1")
    assert result.code == 5 and result.out == ""        # nobody sees the errors of a pipe
    assert "(input):1: boom" in result.err and "unexpected symbol near '='" in result.err
    assert "did you mean confab.run?" in result.err and 'did you mean "items"?' in result.err
    assert result.err.count("stack traceback") == 0, result.err
    ended = feed("1 + 1", "if x then")
    assert ended.out == "2\n" and "<eof>" in ended.err


def test_a_script_that_fails_gives_its_status(feed, write):
    write("broken.lua", "error 'no'")
    assert feed("1 + 1", words=("broken.lua", "--simulate")).code == 5
    assert feed("1 + 1", ":nonsense").code == 5
    assert feed("1 + 1").code == 0


def test_calls_wait_and_conversations_read_as_turns(feed):
    result = feed('chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns about {{topic}}." }',
                  'conv = confab.generate { template = chat, params = { topic = "tea" } }', "conv",
                  'confab.ask { prompt = "Hello?" }', "help(confab.rule)")
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert lines[0] == "user" and lines[1].startswith("  ")
    assert any(line.startswith("8 turns, score 10, generated, $0.00") for line in lines)
    assert any(line.endswith("tokens, claude-sonnet-5-5, 0.0 s") for line in lines)
    assert any(line.startswith("confab.rule(opts)") for line in lines)


def test_what_was_typed_can_be_saved_as_a_script(feed, run_confab, folder):
    feed("x = 20", "x + 1", "error 'no'", "help()", ":save tried.lua", ":save tried.lua", ":nonsense")
    assert (folder / "tried.lua").read_text() == 'local confab = require "confab"\n\nx = 20\nprint(x + 1)\n'
    assert run_confab("run", "tried.lua", "--simulate").out == "21\n"
    again = feed("y = 1", ":save tried.lua", ":save", ":nonsense")
    assert "tried.lua is there already" in again.err and ":save needs the name" in again.err
    assert "there is no :nonsense" in again.err


def test_what_is_saved_runs_whatever_was_typed(feed, run_confab, folder):
    feed("x = 20", "= x * 2", "_ + 1 -- one more", "-- a note", "print 'hi'", "return 7, 8", "y = 5 return y", "x;",
         ":save tried.lua")
    saved = run_confab("run", "tried.lua")
    assert saved.code == 0 and saved.out == "40\n41\nhi\n7\n5\n20\n", saved
    feed("x = 3 -- three", "x -- it", "return x, 4", ":save other.lua")
    assert run_confab("run", "other.lua").out == "3\n3\t4\n"


def test_an_expression_goes_on_over_lines(feed):
    result = feed("{ a = 1,", "b = 2 }", "1 +", "2", "= 'x' ..", "'y'", "{ a = = 1 }", "print('open)", "[[one", "two]]")
    assert result.out == '{ a = 1, b = 2 }\n3\n"xy"\n"one\\ntwo"\n', result
    assert "unexpected symbol near '='" in result.err and "unfinished string near" in result.err


def test_a_script_defines_its_runs_and_keeps_its_locals(feed, write, query, folder):
    write("s.lua", SCRIPT)
    result = feed("run.state", "#items", "run:start()", "run.account.accepted", "run:export('out.jsonl')",
                  "run:report('told.html')", words=("s.lua", "--simulate"))
    assert result.code == 0, result
    assert result.out.startswith('"defined"\n3\n')
    assert "3 planned = 3 accepted" in result.out
    assert 'out.jsonl: not written: the run has not been started' in result.err
    assert not (folder / "out.jsonl").exists() and (folder / "out.simulated.jsonl").exists()
    assert '"told.simulated.html"' in result.out and (folder / "told.simulated.html").exists()
    assert query("SELECT state FROM runs WHERE name = 'demo'") == [{"state": "done"}]


def test_reload_reads_the_script_again(feed, write):
    write("s.lua", "local word = arg[1]\n")
    result = feed("word", "io.open('s.lua', 'w'):write('local word = \"changed\"'):close()", "reload()", "word",
                  words=("s.lua", "--simulate", "--", "first"))
    assert result.out.splitlines()[0] == '"first"'
    assert result.out.splitlines()[-1] == '"changed"'
    assert "no script was given" in feed("reload()").err


def test_a_mistake_in_the_script_is_told_and_the_prompt_comes(feed, write):
    write("s.lua", "local x = 1\nlocal function f() error 'in here' end\nf()\nlocal y = 2")
    result = feed("x + 1", "y == nil", words=("s.lua", "--simulate"))
    assert result.out == "2\ntrue\n" and "s.lua:2: in here" in result.err
    missing = feed("1 + 1", words=("none.lua", "--simulate"))
    assert missing.out == "2\n" and "none.lua" in missing.err


def test_without_a_key_calls_say_how_to_get_on(feed):
    result = feed('confab.ask { prompt = "Hello?" }', "1 + 1", words=())
    assert "add --simulate to try without a key" in result.err and result.out == "2\n"


# --- in a terminal ---

class Terminal:
    """A tmux session in which confab runs."""

    def __init__(self, socket, folder, env, *words):
        self.tmux = ["tmux", "-S", str(socket)]
        command = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), str(confab_process.binary()), *words]
        subprocess.run([*self.tmux, "-f", "/dev/null", "new-session", "-d", "-x", "90", "-y", "50", "-c", str(folder),
                        *command], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def text(self):
        done = subprocess.run([*self.tmux, "capture-pane", "-p", "-S", "-500"], check=False, capture_output=True, text=True)
        return done.stdout

    def keys(self, *names):
        subprocess.run([*self.tmux, "send-keys", *names], check=True)

    def type(self, text, enter=True):
        subprocess.run([*self.tmux, "send-keys", "-l", text], check=True)
        if enter:
            self.keys("Enter")

    def wait(self, *texts, seconds=20):
        """Until the texts stand there in this order."""
        deadline = time.monotonic() + seconds * confab_process.SLOWED
        while time.monotonic() < deadline:
            shown, at = self.text(), 0
            for text in texts:
                at = shown.find(text, at)
                if at < 0:
                    break
                at += len(text)
            else:
                return shown
            time.sleep(0.03)
        raise AssertionError(f"{texts!r} did not come:\n{self.text()}")

    def is_over(self):
        return subprocess.run([*self.tmux, "has-session"], check=False, capture_output=True).returncode != 0

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def terminal(tmp_path, folder, confab_env):
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    opened = []

    def open_terminal(*words, **extra):
        env = {**confab_env(), "TERM": "screen", "LC_ALL": "C.UTF-8", **extra}
        opened.append(Terminal(tmp_path / f"tmux{len(opened)}", folder, env, "repl", *words))
        opened[-1].wait("confab $0.00>")
        return opened[-1]
    yield open_terminal
    for one in opened:
        one.close()


def end(session):
    session.keys("C-d")
    deadline = time.monotonic() + 20 * confab_process.SLOWED
    while not session.is_over():
        assert time.monotonic() < deadline, session.text()
        time.sleep(0.03)


def test_a_session_in_a_terminal(terminal, tmp_path):
    session = terminal("--simulate")
    session.type("confab.estimate_to", enter=False)
    session.keys("Tab")
    session.wait("confab.estimate_tokens")
    session.type('"one two"')
    session.wait("3\n", "confab $0.00>")
    session.type("confab.ru", enter=False)
    session.keys("Tab")
    session.wait("rule", "run")
    session.keys("C-c")                       # clears the line
    session.type("confab.ask { prom", enter=False)
    session.keys("Tab")
    session.type('"Hello?" }')
    shown = session.wait("claude-sonnet-5-5", "confab $0.000")
    assert shown.count("tokens, claude-sonnet-5-5") == 1
    session.type("for i = 7, 8 do")
    session.wait("...>")
    session.type("print(i * 11)")
    session.type("end")
    session.wait("77", "88", "confab $0.000")
    session.keys("Up")                        # the whole input comes back
    session.wait("88", "for i = 7, 8 do")
    session.keys("Enter")
    session.wait("88", "77", "88")
    end(session)
    history = tmp_path / "home" / ".local" / "state" / "confab" / "history"
    assert "estimate_tokens" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0

    later = terminal("--simulate")            # the history is there the next time
    later.keys("Up", "Up")
    later.wait("confab.ask")
    later.keys("C-u")
    end(later)


def test_a_streamed_answer_is_shown_once(terminal):
    session = terminal("--simulate=latency=fixed:100")
    session.type('confab.ask { prompt = "Tell of tea" }.text:len()')
    session.wait("confab $0.000")
    session.type('said = confab.ask { prompt = "Tell of jam" }')
    session.wait("confab $0.00", "said", "confab $0.00")
    session.type('said.text:sub(1, 5) == said.text:sub(1, 5)')
    session.wait("true")
    end(session)


@pytest.mark.parametrize("text, enters", [
    ("while true do end", 0.3),
    ("while true do pcall(function() while true do end end) end", 0.3),
    ("table.sort({ 3, 2, 1 }, function(a, b) while true do end end)", 0.3),
])
def test_ctrl_c_ends_what_runs_and_not_the_session(terminal, text, enters):
    session = terminal("--simulate")
    session.type(text)
    time.sleep(enters)                        # into the loop: nothing outside can see it
    session.keys("C-c")
    session.wait("interrupted", "confab $0.00>")
    session.type("6 * 7")
    session.wait("42")
    end(session)


def wait_for_a_call(folder, query):
    deadline = time.monotonic() + 20 * confab_process.SLOWED
    while not ((folder / "confab.db").exists() and query("SELECT 1 AS n FROM sqlite_master WHERE name = 'calls'")
               and query("SELECT id FROM calls")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_leaves_a_run_that_can_be_gone_on_with(terminal, write, query, run_confab):
    session = terminal("--simulate=latency=fixed:200,seed=1")
    session.type('chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns, number {{n}}." }')
    session.type('list = {} for i = 1, 40 do list[i] = { n = i } end')
    session.type('confab.run { name = "big", items = list, template = chat, concurrency = 4, on_item = function() print("o" .. "ne") end }')
    session.wait("\none")
    session.keys("C-c")
    session.wait("interrupted", "confab $")
    assert query("SELECT state FROM runs WHERE name = 'big'") == [{"state": "interrupted"}]
    before = query("SELECT count(*) AS n FROM calls WHERE state = 'done'")[0]["n"]
    assert before < 40
    session.type('again = confab.run { name = "big", items = list, template = chat, concurrency = 40 }')
    session.type("again.account.accepted")
    session.wait("40\n", seconds=30)
    end(session)
    rows = query("SELECT state, count(*) AS n FROM calls GROUP BY state")
    assert rows == [{"state": "done", "n": 40}]           # what was in flight was not paid for twice


def test_a_run_begun_again_waits_for_what_an_interrupt_left_in_flight(terminal, folder, query):
    session = terminal("--simulate=latency=fixed:1000")
    session.type('chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns, number {{n}}." }')
    session.type('function go() return confab.run { name = "r", items = { { n = 1 } }, template = chat }.account.accepted end')
    session.type('go()')
    session.wait("go()\n")
    wait_for_a_call(folder, query)
    session.keys("C-c")
    session.wait("interrupted", "confab $")
    session.type('"got " .. go()')
    session.wait('"got 1"')
    end(session)
    assert query("SELECT state, attempts, at_risk_pico FROM calls") == [{"state": "done", "attempts": 1, "at_risk_pico": 0}]


@pytest.mark.parametrize("call", [
    'confab.ask { prompt = "Tell of tea" }.text:len() > 0',
    'confab.generate { template = chat, params = { n = 1 } }.score > 0',
])
def test_what_was_interrupted_is_not_paid_for_twice(terminal, folder, query, call):
    session = terminal("--simulate=latency=fixed:700")
    session.type('chat = confab.template { name = "chat", prompt = "Write a chat of 8 turns, number {{n}}." }')
    session.type(call)
    wait_for_a_call(folder, query)
    session.keys("C-c")
    session.wait("interrupted", "confab $")
    session.type(f'"got " .. tostring({call})')
    session.wait('"got true"')
    session.type(f'"again " .. tostring({call})')     # asked for once more: another answer
    session.wait('"again true"')
    end(session)
    assert query("SELECT state, count(*) AS n, sum(attempts) AS attempts FROM calls GROUP BY state") == [
        {"state": "done", "n": 2, "attempts": 2}]
