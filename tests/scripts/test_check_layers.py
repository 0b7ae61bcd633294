"""scripts/check-layers: the tree keeps to its layers, and a breach is caught."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(*arguments):
    return subprocess.run([ROOT / "scripts" / "check-layers", *arguments],
                          capture_output=True, text=True, check=False)


def make_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


SOUND = {
    "include/confab/buf.h": "",
    "include/confab/limiter.h": '#include "confab/buf.h"\n',
    "src/base/buf.c": '#include "confab/buf.h"\n',
    "src/base/mem.h": "",
    "src/limit/limiter.c": '#include "confab/limiter.h"\n#include "base/mem.h"\n',
    "src/http/client.h": '#include <curl/curl.h>\n#include "base/mem.h"\n',
    "src/http/client.c": '#include "http/client.h"\n',
    "src/engine/run.c": '#include "http/client.h"\n#include "confab/limiter.h"\n',
    "src/main.c": '#include "http/client.h"\n',
    "tests/support/fake_clock.h": "",
    "tests/unit/http/client_test.c": '#include "http/client.h"\n#include "fake_clock.h"\n',
}


def test_this_tree_keeps_to_its_layers():
    result = check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_sound_tree_passes(tmp_path):
    make_tree(tmp_path, SOUND)
    result = check(tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("name, text, reason", [
    ("src/base/log.c", '#include "http/client.h"\n', "src/base/log.c:1: base (rank 0) includes http"),
    ("src/retry/retry.c", '\n#include "http/client.h"\n', "src/retry/retry.c:2: retry (rank 1)"),
    ("src/http/lane.c", '#include "confab/limiter.h"\n', "includes limit (rank 1)"),
    ("include/confab/buf.h", '#include "confab/limiter.h"\n', "include/confab/buf.h:1: base"),
    ("src/http/short.c", '#include "client.h"\n', 'is neither "confab/x.h" nor "area/x.h"'),
    ("src/http/gone.c", '#include "http/gone.h"\n', 'is neither "confab/x.h" nor "area/x.h"'),
    ("src/misc/util.c", "", "the folder misc has no rank"),
    ("tests/unit/base/log_test.c", '#include "http/client.h"\n', "tests/unit/base/log_test.c:1"),
    ("src/http/spaced.c", '  #  include   "engine/run.h"\n', "src/http/spaced.c:1"),
])
def test_a_breach_is_caught(tmp_path, name, text, reason):
    make_tree(tmp_path, SOUND | {name: text})
    result = check(tmp_path)
    assert result.returncode == 1
    assert reason in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_a_public_header_of_plain_types_stands_with_base(tmp_path):
    types = {"include/confab/usage.h": "", "src/base/a.c": '#include "confab/usage.h"\n'}
    make_tree(tmp_path, SOUND | types)
    assert check(tmp_path).returncode == 0
    make_tree(tmp_path, {"include/confab/usage.h": '#include "confab/limiter.h"\n'})
    assert "include/confab/usage.h:1: base (rank 0) includes limit" in check(tmp_path).stdout


def test_a_public_header_of_two_areas_is_caught(tmp_path):
    make_tree(tmp_path, SOUND | {"include/confab/twin.h": "", "src/http/twin.c": '#include "confab/twin.h"\n',
                                 "src/engine/twin.c": '#include "confab/twin.h"\n'})
    result = check(tmp_path)
    assert result.returncode == 1
    assert "several areas could own it" in result.stdout


def test_a_public_header_belongs_to_the_file_that_includes_it_first(tmp_path):
    make_tree(tmp_path, SOUND | {
        "include/confab/limiter_shared.h": '#include "confab/limiter.h"\n',
        "src/limit/shared.c": '#include "confab/limiter_shared.h"\n',
        "src/retry/retry.c": '#include "retry/retry.h"\n#include "confab/limiter_shared.h"\n',
        "src/retry/retry.h": ""})
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "src/retry/retry.c:2: retry (rank 1) includes limit (rank 1), which stands beside it"]


def test_a_file_of_the_same_name_elsewhere_does_not_own_the_public_header(tmp_path):
    make_tree(tmp_path, SOUND | {
        "src/limit/limiter.c": '#include "confab/limiter.h"\n',
        "src/lua/limiter.h": "",
        "src/lua/limiter.c": '#include "lua/limiter.h"\n#include "confab/limiter.h"\n'})
    result = check(tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


def test_a_folder_without_sources_is_wrong_use(tmp_path):
    assert check(tmp_path).returncode == 2
    assert check("--nonsense").returncode == 2
