"""`confab completion`: what the shells offer is what confab takes, seen in the shells themselves."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import confab_process
import pytest

SHELLS = ("bash", "zsh", "fish")

# What was typed up to the cursor, and what is offered for the last word.
CASES = [
    (["estim"], ["estimate"]),
    (["ru"], ["run", "runs"]),
    (["run", "--max"], ["--max-new"]),
    (["run", "p"], ["pipeline.lua", "prompts"]),
    (["run", "--limit", "3", "pip"], ["pipeline.lua"]),
    (["run", "--simulate", "pip"], ["pipeline.lua"]),       # its value comes with = only
    (["repl", "--fr"], []),
    (["export", "--form"], ["--format"]),
    (["export", "--format", ""], ["messages", "sharegpt", "alpaca", "jsonl"]),
    (["export", "-f", "al"], ["alpaca"]),
    (["export", "-o", "out"], ["out.jsonl"]),
    (["score", "--rules", "p"], ["pipeline.lua", "prompts"]),
    (["help", "expl"], ["explain"]),
    (["completion", ""], ["bash", "zsh", "fish"]),
    (["init", "pro"], ["prompts"]),
]


@pytest.fixture(name="files")
def make_files(folder):
    """Something to complete: two files and a folder."""
    for name in ("pipeline.lua", "out.jsonl"):
        (folder / name).write_text("")
    (folder / "prompts").mkdir()
    return folder


@pytest.fixture(name="script_of")
def make_script(run_confab, tmp_path):
    """script_of(shell) -> the path of what `confab completion` prints for it; skips without that shell."""
    def make(shell):
        if shutil.which(shell) is None:
            pytest.skip(f"needs {shell}")
        result = run_confab("completion", shell)
        assert (result.code, result.err) == (0, "")
        path = tmp_path / ("_confab" if shell == "zsh" else f"confab.{shell}")
        path.write_text(result.out, encoding="utf-8")
        return path
    return make


def output(*command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env,
                          stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def bash_offers(script, words):
    """Calls the function as bash does: words in COMP_WORDS, the last one at the cursor."""
    code = 'source "$0"; COMP_WORDS=(confab "$@"); COMP_CWORD=$#; _confab; printf "%s\\n" "${COMPREPLY[@]}"'
    return [line for line in output("bash", "-uc", code, script, *words).splitlines() if line]


def fish_offers(script, words, env):
    line = "confab " + " ".join(words)
    lines = output("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'", env=env)
    return [text.partition("\t")[0].rstrip("/") for text in lines.splitlines()]


def options_of(help_text):
    return re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_text.partition("\nusage:")[2], re.M)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_for_that_shell(script_of, shell):
    output(shell, "-n", script_of(shell))


def test_another_shell_is_refused(run_confab):
    result = run_confab("completion", "csh")
    assert result.code == 2 and "bash, zsh or fish, not 'csh'" in result.err, result


@pytest.mark.parametrize("words,offered", CASES, ids=lambda case: " ".join(case))
def test_bash_offers(files, script_of, words, offered):
    assert sorted(bash_offers(script_of("bash"), words)) == sorted(offered)


@pytest.mark.parametrize("words,offered", [
    (["export", "--format", "=", "al"], ["alpaca"]),
    (["export", "--format", "="], ["messages", "sharegpt", "alpaca", "jsonl"]),
    (["run", "--db", "=", "x.db", "pip"], ["pipeline.lua"]),
    (["run", "--simulate", "=", "rpm", "pip"], ["pipeline.lua"]),
    (["run", "--simulate", "=", "pip"], []),
    (["run", "pipeline.lua", "ou"], ["out.jsonl"]),
    (["nonsense", "x"], []),
], ids=lambda case: " ".join(case))
def test_bash_offers_where_equals_signs_are_words(files, script_of, words, offered):
    assert sorted(bash_offers(script_of("bash"), words)) == sorted(offered)


def test_every_command_and_option_of_the_help_is_offered(run_confab, script_of):
    script = script_of("bash")
    table = run_confab("help").out.partition("\ncommands:\n")[2].partition("\n\n")[0]
    commands = re.findall(r"^  ([a-z]+) ", table, re.M)
    assert bash_offers(script, [""]) == commands
    for name in commands:
        expected = [*options_of(run_confab("help", name).out), "--help"]
        assert bash_offers(script, [name, "--"]) == expected


@pytest.mark.parametrize("words,offered", CASES, ids=lambda case: " ".join(case))
def test_fish_offers(files, script_of, confab_env, words, offered):
    """fish falls back to what matches within a word, and lists other files behind scripts."""
    offers = fish_offers(script_of("fish"), words, confab_env())
    assert set(offered) <= set(offers)
    if words[0] != "repl":
        assert offers[:len(offered)] == offers[:len(offered)] and offers, offers


def zsh_line(folder, script, env, typed, pattern):
    """Types into an interactive zsh, a Tab at the end, and waits for the pattern on its terminal."""
    (folder / ".zshrc").write_text(
        f"PS1='ready> '\nfpath=({script.parent} $fpath)\nautoload -U compinit\ncompinit -u -D\n"
        "zstyle ':completion:*' list-colors\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-i"], env | {"ZDOTDIR": str(folder), "TERM": "dumb"})
    text, sent, deadline = "", False, time.monotonic() + 30 * confab_process.SLOWED
    try:
        while not re.search(pattern, text) and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                text += os.read(terminal, 4096).decode(errors="replace")
            if not sent and "ready> " in text:
                os.write(terminal, typed.encode() + b"\t")
                sent = True
    finally:
        os.close(terminal)      # hangs up, which ends the shell
        os.waitpid(pid, 0)
    assert re.search(pattern, text), text


@pytest.mark.parametrize("typed,pattern", [
    ("confab estim", r"estimate "),
    ("confab run --max", r"--max-new"),
    ("confab run pip", r"pipeline\.lua "),
    ("confab export --format al", r"alpaca "),
    ("confab export -o ou", r"out\.jsonl "),
    ("confab help expl", r"explain "),
    ("confab init pro", r"prompts/"),
    ("confab run --con", r"--concurrency"),
    ("confab tune --", r"requests a minute"),
])
def test_zsh_completes(files, tmp_path, script_of, confab_env, typed, pattern):
    zsh_line(tmp_path / "home", script_of("zsh"), confab_env(), typed, pattern)
