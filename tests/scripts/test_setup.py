"""scripts/setup, with stand-ins for dpkg-query, apt-get, sudo and id: nothing is installed."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ["bash", "env", "sed", "grep", "cat"]


@pytest.fixture
def machine(tmp_path):
    """machine(uid, missing, tools, apt_fails) -> run(*args): (result, the calls of apt-get)."""
    def make(uid=0, missing=(), tools=("dpkg-query", "apt-get", "sudo"), apt_fails=""):
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        for name in NEEDED:
            (bin_folder / name).symlink_to(f"/usr/bin/{name}")
        calls = tmp_path / "calls"
        calls.touch()
        without = "|".join(missing) or "-none-"
        stand_ins = {
            "dpkg-query": f"""for word; do case $word in
                -*|*db:*) ;;
                {without}) status=1 ;;
                *) echo "installed $word" ;;
                esac; done; exit ${{status:-0}}""",
            "apt-get": f"""echo "$*" >>{calls}
                case "$*" in *"{apt_fails or '-none-'}"*) exit 100 ;; esac""",
            "sudo": f'echo sudo >>{calls}; exec "$@"',
            "id": f"echo {uid}",
        }
        for name in (*tools, "id"):
            path = bin_folder / name
            path.write_text(f"#!/usr/bin/env bash\n{stand_ins[name]}\n")
            path.chmod(0o755)

        def run(*arguments):
            result = subprocess.run([ROOT / "scripts" / "setup", *arguments], text=True,
                                    capture_output=True, check=False,
                                    env=os.environ | {"PATH": str(bin_folder)})
            return result, calls.read_text().splitlines()
        return run
    return make


def test_nothing_happens_when_all_is_there(machine):
    result, calls = machine()("--test")
    assert (result.returncode, result.stdout, result.stderr, calls) == (0, "", "", [])


def test_only_what_is_missing_is_installed(machine):
    result, calls = machine(missing=["cmake", "libedit-dev"])()
    assert result.returncode == 0, result.stderr
    assert len(calls) == 2
    assert calls[0].endswith(" update")
    assert calls[1].endswith("install --no-install-recommends cmake libedit-dev")


def test_what_the_tests_need_is_asked_for_only_by_the_tests(machine):
    run = machine(missing=["libcmocka-dev"])
    assert run()[1] == []
    assert run("--test")[1][1].endswith(" libcmocka-dev")


def test_without_root_it_goes_through_sudo(machine):
    result, calls = machine(uid=1000, missing=["cmake"])()
    assert result.returncode == 0, result.stderr
    assert calls[0] == calls[2] == "sudo"
    assert calls[3].endswith(" cmake")


def test_without_root_and_sudo_it_says_what_to_do(machine):
    result, calls = machine(uid=1000, missing=["cmake"], tools=("dpkg-query", "apt-get"))()
    assert (result.returncode, calls) == (1, [])
    assert "run it as root, or install sudo; missing: cmake" in result.stderr


def test_another_system_gets_the_list(machine):
    result, calls = machine(tools=())()
    assert (result.returncode, calls) == (1, [])
    assert "this is not Debian" in result.stderr
    assert "libcurl4-openssl-dev" in result.stderr


def test_old_package_lists_may_do_when_they_cannot_be_renewed(machine):
    result, calls = machine(missing=["cmake"], apt_fails="update")()
    assert (result.returncode, len(calls)) == (0, 2)
    assert "trying with the package lists at hand" in result.stderr


def test_a_failed_installation_is_an_error(machine):
    result, _ = machine(missing=["cmake"], apt_fails="install")()
    assert result.returncode == 1
    assert "apt-get could not install: cmake" in result.stderr


def test_an_unknown_option_is_wrong_use(machine):
    result, calls = machine()("--tests")
    assert (result.returncode, calls) == (2, [])
    assert "Usage: scripts/setup" in result.stderr
