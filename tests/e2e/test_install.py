"""`cmake --install`: what lands where, and that it works from there."""
import json
import os
import pathlib
import shutil
import subprocess

import confab_process
import pytest

# An ordinary program cannot load a sanitized library.
pytestmark = pytest.mark.plain


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    build = os.environ.get("CONFAB_BUILD")
    if build is None:
        pytest.skip("needs CONFAB_BUILD, the build folder")
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                   capture_output=True)
    return prefix


def output(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_runs_from_its_new_place(prefix):
    assert "confab" in output(prefix / "bin" / "confab", "version")


def test_every_public_header_stands_alone(prefix, folder):
    headers = sorted((prefix / "include" / "confab").glob("*.h"))
    assert [header.name for header in headers] == \
        sorted(path.name for path in (confab_process.ROOT / "include" / "confab").glob("*.h"))
    for header in headers:
        (folder / "alone.c").write_text(f"#include <confab/{header.name}>\n")
        output("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               "-I", prefix / "include", "alone.c")


def test_a_c_program_links_against_the_library(prefix, folder):
    pc = next(prefix.glob("lib/**/confab.pc"))
    env = os.environ | {"PKG_CONFIG_PATH": str(pc.parent)}
    flags = output("pkg-config", "--cflags", "--libs", "confab", env=env).split()
    (folder / "user.c").write_text(
        "#include <confab/money.h>\n#include <stdio.h>\n"
        "int main(void) { int64_t sum = 40; if (!cf_money_add(&sum, 2)) return 1;\n"
        '                 printf("%d\\n", (int)sum); return 0; }\n')
    output("gcc", "user.c", "-o", "user", *flags)
    env["LD_LIBRARY_PATH"] = str(pc.parent.parent)
    assert output("./user", env=env) == "42\n"


def test_the_module_loads_into_a_plain_interpreter(prefix, confab_env):
    env = confab_env(LUA_CPATH=f"{prefix}/lib/lua/5.4/?.so", LUA_PATH="")
    assert output("lua5.4", "-e", 'print(type(require("confab").run))', env=env) == "function\n"


def test_the_module_exports_its_openers_only(prefix):
    symbols = output("nm", "--dynamic", "--defined-only", prefix / "lib/lua/5.4/confab.so")
    names = [line.split()[-1] for line in symbols.splitlines()]
    assert "luaopen_confab" in names
    assert all(name.startswith("luaopen_confab") for name in names), names


def test_stubs_and_manual_page_are_there(prefix):
    stubs = {path.name for path in (prefix / "share" / "confab" / "meta").glob("*.lua")}
    assert stubs == {path.name for path in (confab_process.ROOT / "lua" / "meta").glob("*.lua")}
    page = prefix / "share" / "man" / "man1" / "confab.1"
    assert page.is_file()
    if shutil.which("groff"):
        assert output("groff", "-man", "-ww", "-Tutf8", page).strip()


@pytest.mark.parametrize("shell,place", [
    ("bash", "bash-completion/completions/confab"),
    ("zsh", "zsh/site-functions/_confab"),
    ("fish", "fish/vendor_completions.d/confab.fish"),
])
def test_completions_are_where_the_shells_look(prefix, shell, place):
    printed = output(prefix / "bin" / "confab", "completion", shell)
    assert (prefix / "share" / place).read_text(encoding="utf-8") == printed
    assert "confab" in printed


def test_a_new_project_names_the_installed_stub(prefix, folder):
    output(prefix / "bin" / "confab", "init", "chats")
    settings = json.loads((folder / "chats" / ".luarc.json").read_text(encoding="utf-8"))
    assert settings["workspace.library"] == [str(prefix / "share" / "confab" / "meta")]


def test_no_path_of_the_build_machine_is_left_in_the_files(prefix):
    build = pathlib.Path(os.environ["CONFAB_BUILD"])
    for path in [*prefix.glob("lib/**/confab.pc"), prefix / "share/man/man1/confab.1"]:
        assert str(build) not in path.read_text()
