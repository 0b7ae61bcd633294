"""`confab init`: a project that runs as it stands, and nothing written over."""
import json
import os
import shutil
import subprocess

import confab_process
import pytest

FILES = [".confab/meta/confab.lua", ".env.example", ".gitignore", ".luacheckrc", ".luarc.json",
         "README.md", "personas.csv", "pipeline.lua", "prompts/support_chat.mustache"]


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_project_runs_as_it_stands(folder, run_confab):
    made = run_confab("init", "chats")
    assert made.code == 0, made
    assert sorted(made.out.split()) == [f"chats/{name}" for name in FILES]
    assert files_of(folder / "chats") == FILES
    ran = run_confab("run", "pipeline.lua", "--simulate", cwd=folder / "chats")
    assert ran.code == 0, ran
    assert "24 planned = 24 accepted" in ran.out
    rows = confab_process.read_jsonl(folder / "chats" / "support-chats.simulated.jsonl")
    assert len(rows) == 24
    estimate = run_confab("estimate", "pipeline.lua", cwd=folder / "chats")
    assert estimate.code == 0, estimate


def test_the_commands_of_its_readme_run(folder, run_confab, confab_env):
    run_confab("init", "chats")
    env = confab_env()
    env["PATH"] = f"{confab_process.binary().parent}{os.pathsep}{env['PATH']}"
    page = (folder / "chats" / "README.md").read_text(encoding="utf-8")
    first = page.partition("```sh\n")[2].partition("```")[0]
    assert "--simulate" in first
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", first], cwd=folder / "chats", env=env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done
    for word in ("`pipeline.lua`", "`personas.csv`", "`prompts/support_chat.mustache`",
                 "`.env.example`", "`.luarc.json`", "`.luacheckrc`"):
        assert word in page


def test_it_runs_for_real_once_the_key_is_in_env(folder, mock, run_confab):
    run_confab("init", "chats")
    example = (folder / "chats" / ".env.example").read_text(encoding="utf-8")
    assert "\nANTHROPIC_API_KEY=\n" in example
    without = run_confab("run", "pipeline.lua", cwd=folder / "chats")
    assert without.code != 0 and "AI service not configured" in without.err
    server = mock()
    text = example.replace("ANTHROPIC_API_KEY=\n", f"ANTHROPIC_API_KEY={confab_process.KEY}\n") \
        .replace("# ANTHROPIC_API_BASE_URL=\n", f"ANTHROPIC_API_BASE_URL={server.url}/v1\n")
    (folder / "chats" / ".env").write_text(text, encoding="utf-8")
    ran = run_confab("run", "pipeline.lua", "--limit", "3", cwd=folder / "chats")
    assert ran.code == 0, ran
    assert len(server.arrivals()) > 0


def test_what_should_stay_out_of_a_repository_is_ignored(folder, run_confab):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "-q", "chats"], check=True)
    made = run_confab("init", "chats")          # a fresh repository is as good as an empty folder
    assert made.code == 0, made
    run_confab("run", "pipeline.lua", "--simulate", cwd=folder / "chats")
    (folder / "chats" / ".env").write_text("ANTHROPIC_API_KEY=x\n")
    status = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=folder / "chats",
                            check=True, capture_output=True, text=True).stdout
    assert sorted(line[3:] for line in status.splitlines()) == FILES


def test_the_folder_may_be_the_one_we_stand_in_or_lie_deep(folder, run_confab):
    assert run_confab("init", "a/b/c/").code == 0
    assert files_of(folder / "a" / "b" / "c") == FILES
    (folder / "here").mkdir()
    assert run_confab("init", ".", cwd=folder / "here").code == 0
    assert files_of(folder / "here") == FILES


def test_nothing_is_written_over(folder, run_confab, write):
    write("mine/pipeline.lua", "-- mine\n")
    write("file", "x")
    for name, said in (("mine", "mine is not empty (pipeline.lua is there); nothing was made"),
                       ("file", "file is there and is no folder; nothing was made"),
                       ("file/below", "file/below: Not a directory"),
                       ("", "init: the name of the folder is empty")):
        result = run_confab("init", name)
        assert result.code == 2 and said in result.err and result.out == "", result
    os.symlink("nowhere", folder / "link")
    assert run_confab("init", "link").code == 2
    assert files_of(folder) == ["file", "mine/pipeline.lua"]
    assert (folder / "mine" / "pipeline.lua").read_text() == "-- mine\n"


def test_a_second_time_is_refused(run_confab):
    assert run_confab("init", "chats").code == 0
    again = run_confab("init", "chats")
    assert again.code == 2 and "is not empty" in again.err


def test_a_folder_that_cannot_be_written_is_an_error(folder, run_confab):
    under = ()
    if os.geteuid() == 0:       # root may write everywhere, unless that capability is taken away
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to be less than root")
        under = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    (folder / "locked").mkdir(mode=0o555)
    for name in ("locked", "locked/chats"):
        result = run_confab("init", name, under=under)
        assert result.code == 2 and "Permission denied" in result.err, result
        assert result.out == ""
    assert files_of(folder) == []


def test_half_a_project_is_taken_back(folder, run_confab):
    """A file may be no larger than 512 bytes here, so a later one cannot be written whole."""
    result = run_confab("init", "new/chats",
                        under=("bash", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "-"))
    assert result.code == 4, result
    assert "new/chats/" in result.err and "File too large" in result.err
    assert list(folder.iterdir()) == []


def test_the_editor_is_led_to_the_stub(root, folder, run_confab):
    run_confab("init", "chats")
    settings = json.loads((folder / "chats" / ".luarc.json").read_text(encoding="utf-8"))
    assert settings["runtime.version"] == "Lua 5.4"
    assert settings["workspace.library"] == [".confab/meta"]
    stub = folder / "chats" / ".confab" / "meta" / "confab.lua"
    assert stub.read_bytes() == (root / "lua" / "meta" / "confab.lua").read_bytes()


def test_an_installed_program_names_the_installed_stub(folder, run_confab, confab_env):
    prefix = folder / "a \"prefix\""
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(confab_process.binary(), prefix / "bin" / "confab")
    meta = prefix / "share" / "confab" / "meta"
    meta.mkdir(parents=True)
    (meta / "confab.lua").write_text("---@meta confab\n")
    done = subprocess.run([prefix / "bin" / "confab", "init", "chats"], env=confab_env(),
                          capture_output=True, text=True, check=False)
    confab_process.check_reports(done.stderr)
    assert done.returncode == 0, done
    settings = json.loads((folder / "chats" / ".luarc.json").read_text(encoding="utf-8"))
    assert settings["workspace.library"] == [str(meta)]
    assert files_of(folder / "chats") == FILES[1:]


def test_lua_language_server_has_nothing_to_say(folder, run_confab):
    if shutil.which("lua-language-server") is None:
        pytest.skip("needs lua-language-server, which Debian 12 does not have")
    run_confab("init", "chats")
    done = subprocess.run(["lua-language-server", f"--check={folder / 'chats'}",
                           f"--logpath={folder}", "--checklevel=Warning"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert "no problems found" in done.stdout.lower(), done


def test_the_stub_is_lua(folder, run_confab):
    run_confab("init", "chats")
    done = subprocess.run(["lua5.4", "-e", 'assert(loadfile "chats/.confab/meta/confab.lua")'],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


def test_luacheck_passes_on_the_project_and_on_the_examples(root, folder, run_confab):
    if shutil.which("luacheck") is None:
        pytest.skip("needs luacheck (Debian: lua-check)")
    run_confab("init", "chats")
    for path in (root / "examples").glob("*.lua"):
        shutil.copy(path, folder / "chats")
    done = subprocess.run(["luacheck", "--no-color", "."], cwd=folder / "chats",
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 warnings / 0 errors" in done.stdout
    assert "confab.lua" not in done.stdout
