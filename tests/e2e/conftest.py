"""Fixtures of the end-to-end tests. Each test stands in a fresh folder of its own.

    def test_one_reply_is_stored(mock, run_confab, script, query):
        server = mock("rpm=100")
        result = run_confab("run", script('...'), server=server)
        assert result.code == 0, result
        assert len(server.arrivals()) == 1
        assert query("select count(*) as n from calls") == [{"n": 1}]
"""
import pathlib
import sys
import textwrap

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import confab_process  # noqa: E402  (the path comes first)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, fresh and empty; the home folder lies beside it."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def root():
    """The top of the source tree."""
    return confab_process.ROOT


@pytest.fixture
def data(root):
    """tests/data"""
    return root / "tests" / "data"


@pytest.fixture
def shared(root):
    """The folder of real input files beside the clone; without it the test is skipped."""
    path = root.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("needs ../shared")
    return path


@pytest.fixture
def confab_env(tmp_path):
    """confab_env(server=None, **extra): the environment that the other fixtures give confab."""
    def make(server=None, **extra):
        return confab_process.environment(tmp_path / "home", server, extra)
    return make


@pytest.fixture
def run_confab(folder, confab_env):
    """run_confab(*args, server=None, env={}, timeout=60, stdin=None, cwd=None, under=[]) -> Result.

    With server=MOCK it gets a key and that address; without, neither key nor address. `under` is
    a command that runs the command behind it, such as prlimit.
    """
    def run(*arguments, server=None, env=None, timeout=60, stdin=None, cwd=None, under=()):
        return confab_process.run(arguments, cwd or folder, confab_env(server, **(env or {})),
                                  timeout, stdin, under)
    return run


@pytest.fixture
def start_confab(folder, confab_env):
    """Like run_confab, but returns a Background while confab runs; ended with the test."""
    started = []

    def start(*arguments, server=None, env=None, cwd=None, under=()):
        started.append(confab_process.Background(arguments, cwd or folder,
                                                 confab_env(server, **(env or {})), under))
        return started[-1]
    yield start
    for process in started:
        process.close()


@pytest.fixture
def mock(tmp_path, confab_env):
    """mock(spec="", *args) -> a Mock that listens; url, arrivals(), stop() -> counters."""
    servers = []

    def start(spec="", *arguments):
        home = tmp_path / f"mock{len(servers)}"
        home.mkdir()
        servers.append(confab_process.Mock(spec, arguments, home, confab_env()))
        return servers[-1]
    yield start
    try:
        for server in servers:
            if server.process.poll() is None:
                server.stop()
    finally:
        for server in servers:
            server.close()


@pytest.fixture
def write(folder):
    """write(name, text): a file in the working folder, the text's indentation taken off."""
    def make(name, text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path
    return make


@pytest.fixture
def script(write):
    """script(lua, name="pipeline.lua"): a script that has `confab` already; gives its name."""
    def make(lua, name="pipeline.lua"):
        write(name, 'local confab = require "confab"\n' + textwrap.dedent(lua))
        return name
    return make


@pytest.fixture
def query(folder):
    """query(sql, *parameters, db="confab.db") -> rows as dicts."""
    def ask(sql, *parameters, db="confab.db"):
        return confab_process.query(folder / db, sql, *parameters)
    return ask


@pytest.fixture
def read_jsonl(folder):
    """read_jsonl(name) -> the rows of a JSONL file in the working folder."""
    return lambda name: confab_process.read_jsonl(folder / name)
