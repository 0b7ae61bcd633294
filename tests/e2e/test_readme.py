"""Every example in README.md is run, in the order of the page, in one folder.

A fenced block marked `sh` is run by bash, with confab and the input files of examples/ at hand;
one marked `lua` is saved under the name given in the comment before it and is run by the `sh`
block that follows. A `text` block behind the comment <!-- prints --> is what the `sh` block before
it writes to standard output; "…" in it stands for any text, on a line of its own for any lines.
The comment <!-- not run: reason --> in front of a block sets it aside.
"""
import os
import re
import shutil
import subprocess

import confab_process

BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]*?) -->\n+)?^```(?P<kind>sh|lua|text)\n(?P<text>.*?)^```$",
                   re.M | re.S)


def check_prints(expected, printed):
    """Compares what a block prints with what the page says."""
    lines = ["(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n"
             for line in expected.splitlines()]
    whole = printed if printed.endswith("\n") else printed + "\n"
    assert re.fullmatch("".join(lines), whole), \
        f"the page says\n{expected}\nand printed is\n{printed}"


def test_the_examples_of_the_readme_run(root, folder, confab_env):
    page = (root / "README.md").read_text(encoding="utf-8")
    for path in (root / "examples").iterdir():
        if path.is_file() and path.suffix != ".lua":
            shutil.copy(path, folder)
    env = confab_env()
    env["PATH"] = f"{confab_process.binary().parent}{os.pathsep}{env['PATH']}"
    printed = ""
    for block in BLOCK.finditer(page):
        note = block["note"] or ""
        if note.startswith("not run: "):
            continue
        if block["kind"] == "text":
            if note == "prints":
                check_prints(block["text"], printed)
            continue
        if block["kind"] == "lua":
            assert note.startswith("file: "), f"a Lua block without a name:\n{block['text']}"
            (folder / note.removeprefix("file: ")).write_text(block["text"], encoding="utf-8")
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block["text"]], cwd=folder,
                              env=env, capture_output=True, text=True, timeout=300, check=False)
        confab_process.check_reports(done.stderr)
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}\n{done.stderr}"
        printed = done.stdout


def test_the_commands_of_the_readme_are_there(root):
    page = (root / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^scripts/[a-z-]+", page, re.M))
    assert {"scripts/demo", "scripts/test"} <= commands
    for command in commands:
        assert os.access(root / command, os.X_OK), f"{command} cannot be run"
