"""Every command explains itself, and the examples in its help are run as they stand."""
import os
import re
import shlex
import shutil
import signal
import subprocess

import confab_process
import pytest

COMMANDS = ["init", "run", "repl", "estimate", "resume", "pause", "tune", "stop", "runs", "show", "explain",
            "logs", "stats", "score", "export", "report", "serve", "mock", "doctor", "completion", "version", "help"]
IN_WORK = ("pause", "tune", "stop")     # are about a run that another process works on
SERVERS = ("mock", "serve")     # run until they are told to stop


def examples(help_text):
    """The indented lines between the summary and the usage line."""
    opening = help_text.partition("\nusage:")[0]
    return [line.strip() for line in opening.splitlines() if line.startswith("  ")]


def test_help_and_the_manual_list_these_commands(root, run_confab):
    result = run_confab("help")
    assert result.code == 0, result
    table = result.out.partition("\ncommands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  ([a-z]+) ", table, re.M) == COMMANDS
    manual = (root / "docs" / "confab.1.in").read_text(encoding="utf-8")
    assert re.findall(r"^\.SS confab ([a-z]+)", manual, re.M) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_the_flag_say_the_same(run_confab, name):
    by_command, by_flag = run_confab("help", name), run_confab(name, "--help")
    assert by_command.code == by_flag.code == 0, by_flag
    assert by_command.out == by_flag.out
    assert by_command.err == by_flag.err == ""
    assert re.match(r"[A-Z][^\n]*\.\n\n  confab ", by_command.out), by_command.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_in_the_help_run(root, folder, mock, run_confab, start_confab, confab_env,
                                      name):
    shutil.copytree(root / "examples", folder / "examples")
    shutil.copytree(root / "examples", folder, dirs_exist_ok=True)
    lines = examples(run_confab("help", name).out)
    shutil.copy(root / "examples" / "strict_rules.lua", folder / "strict.lua")
    for line in lines:              # another script of any name is the example pipeline
        for word in shlex.split(line, comments=True):
            if word.endswith(".lua") and not (folder / word).exists():
                shutil.copy(root / "examples" / "support_chats.lua", folder / word)
    made = run_confab("run", "support_chats.lua", "--simulate", "--limit", "10")
    assert made.code == 0, made

    env = confab_env(mock())
    env["PATH"] = f"{confab_process.binary().parent}{os.pathsep}{env['PATH']}"
    if name in IN_WORK:
        start_confab("run", "support_chats.lua", "--simulate=latency=fixed:500", "--fresh",
                     "--progress", "json").wait_for("support-v1")
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "confab", line
        if words[1] in SERVERS:
            server = start_confab(*words[1:])
            server.wait_for("listening on http://")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0, server.output
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        confab_process.check_reports(done.stderr)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_an_unknown_command_names_the_nearest(run_confab):
    result = run_confab("exprot")
    assert result.code == 2, result
    assert "export" in result.err
    assert result.out == ""


def options_of(help_text):
    """--names of the help's tables."""
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_text.partition("\nusage:")[2], re.M))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_manual_and_the_readme_have_every_option(root, run_confab, name):
    manual = (root / "docs" / "confab.1.in").read_text(encoding="utf-8").replace("\\-", "-")
    _, _, section = manual.partition(f"\n.SS confab {name}")
    assert section, f"confab {name} is not in the manual"
    section = section.partition("\n.SS ")[0]
    if name in ("repl", "resume", "estimate", "serve"):      # they take those of run
        section += manual.partition("\n.SS confab run ")[2].partition("\n.SS ")[0]
    readme = (root / "README.md").read_text(encoding="utf-8")
    reference = readme.partition("\n### Commands\n")[2].partition("\n## ")[0]
    assert f"`confab {name}" in reference
    for option in sorted(options_of(run_confab("help", name).out) - {"--db"}):
        if name == "mock" and option not in section:        # a field of SPEC
            field = option[2:].replace("-", "_")
            assert re.search(rf"^\.BR? .*\b{field}\b", manual, re.M), f"the manual lacks {field}"
            assert f"`{field}`" in reference, f"the readme lacks {field}"
            continue
        assert option in section, f"the manual lacks {option} of confab {name}"
        assert option in reference, f"the readme lacks {option} of confab {name}"
