"""The rockspec: confab.so by LuaRocks, for a Lua of the user's own."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

# An ordinary interpreter cannot load a sanitized module.
pytestmark = pytest.mark.plain

READ = """
local rock = {}
assert(loadfile(arg[1], "t", rock))()
print(rock.package, rock.version, rock.description.license, rock.source.url, rock.build.type)
print(rock.build.build_command)
print(rock.build.install.lib.confab)
"""


def output(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(name="rockspec")
def find_rockspec(root):
    paths = list(root.glob("*.rockspec"))
    assert len(paths) == 1, paths
    return paths[0]


def test_it_is_that_of_this_version(root, rockspec):
    text = (root / "CMakeLists.txt").read_text(encoding="utf-8")
    version = re.search(r"project\(confab VERSION ([\d.]+)", text).group(1)
    first, command, module = output("lua5.4", "-", rockspec, input=READ).splitlines()
    assert first.split("\t") == ["confab", f"{version}-1", "MIT", "file://.", "command"]
    assert rockspec.name == f"confab-{version}-1.rockspec"
    assert "--target confab_module" in command
    assert module == "build/luarocks/lua/confab.so"


def test_luarocks_makes_it(root, rockspec, folder, confab_env):
    """With the module of this build in the place of what cmake would make anew."""
    if shutil.which("luarocks") is None or "CONFAB_BUILD" not in os.environ:
        pytest.skip("needs luarocks, and CONFAB_BUILD, the build folder")
    module = pathlib.Path(os.environ["CONFAB_BUILD"]) / "lua" / "confab.so"
    (folder / "bin").mkdir()
    cmake = folder / "bin" / "cmake"
    cmake.write_text(f'#!/bin/sh\nmkdir -p build/luarocks/lua && cp "{module}" build/luarocks/lua/\n'
                     'echo "$@" >> commands\n')
    cmake.chmod(0o755)
    shutil.copy(rockspec, folder)
    env = confab_env(PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    output("luarocks", "--lua-version", "5.4", "lint", rockspec.name, env=env)
    output("luarocks", "--lua-version", "5.4", "make", "--tree", folder / "tree", env=env)
    assert len((folder / "commands").read_text().splitlines()) == 2      # configured, then built

    env = confab_env(LUA_PATH=";;", LUA_CPATH=f"{folder}/tree/lib/lua/5.4/?.so")
    printed = output("lua5.4", "-e", 'local confab = require "confab"\n'
                     'print(confab.json.encode { tokens = confab.estimate_tokens "hello" })', env=env)
    assert json.loads(printed)["tokens"] > 0
