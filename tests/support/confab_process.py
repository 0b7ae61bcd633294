"""Runs the built confab from outside: as a command, in the background, as the mock server."""
import dataclasses
import json
import os
import pathlib
import queue
import re
import signal
import sqlite3
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-ant-test-key-0000"
SLOWED = 1 if os.environ.get("CONFAB_VARIANT", "test") == "test" else 4

SETTINGS = re.compile(r"(ANTHROPIC|OPENAI|CONFAB|LUA)_|\w+_proxy$|NO_COLOR$", re.I)
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")


def binary():
    """The confab under test: $CONFAB_BIN, or build/confab."""
    path = pathlib.Path(os.environ.get("CONFAB_BIN") or ROOT / "build" / "confab")
    assert path.is_file(), f"{path} is not built"
    return path


def environment(home, server=None, extra=None):
    """Ours without the user's settings; with a key and the address of a Mock, if one is given.

    A value of None in `extra` takes the variable away.
    """
    env = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    env["HOME"] = str(home)
    if server is not None:
        env["ANTHROPIC_API_KEY"] = KEY
        env["ANTHROPIC_API_BASE_URL"] = server.url + "/v1"
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


@dataclasses.dataclass
class Result:
    """How a command ended. A process that a signal killed has the negative signal as code."""
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def check_reports(text):
    """A sanitizer's report is a failure of the test, whatever the test expects."""
    assert not REPORT.search(text), text


def run(arguments, cwd, env, timeout=60, stdin=None, under=()):
    done = subprocess.run([*under, binary(), *map(str, arguments)], cwd=cwd, env=env, input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, text=True, errors="surrogateescape",
                          timeout=timeout * SLOWED, check=False)
    check_reports(done.stderr)
    return Result(done.returncode, done.stdout, done.stderr)


class Background:
    """A confab that runs beside the test; what it prints (both streams) arrives as lines."""

    def __init__(self, arguments, cwd, env, under=()):
        self.lines = []
        self._queue = queue.Queue()
        self.process = subprocess.Popen([*under, binary(), *map(str, arguments)], cwd=cwd, env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True,
                                        errors="surrogateescape")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._queue.put(self.lines[-1])
        self._queue.put(None)

    @property
    def output(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern, timeout=20):
        """Reads on to the first line in which the pattern is found, and gives the match."""
        while True:
            try:
                line = self._queue.get(timeout=timeout * SLOWED)
            except queue.Empty:
                raise AssertionError(f"no line with {pattern!r} in:\n{self.output}") from None
            if line is None:
                self._queue.put(None)
                raise AssertionError(f"ended without {pattern!r}:\n{self.output}")
            match = re.search(pattern, line)
            if match:
                return match

    def signal(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        """Waits for its end and gives the exit code."""
        code = self.process.wait(timeout * SLOWED)
        self._reader.join()
        check_reports(self.output)
        return code

    def close(self):
        """Ends it if the test did not."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()


class Mock(Background):
    """`confab mock` on a free port, with its log of arrivals."""

    def __init__(self, spec, arguments, folder, env):
        self.log = folder / "arrivals.jsonl"
        self.counters = None
        command = ["mock", "--port", "0", "--log", self.log, "--json"]
        if spec:
            command.append(spec)
        super().__init__([*command, *arguments], folder, env)
        self.url = self.wait_for(r"listening on (http://127\.0\.0\.1:\d+)").group(1)
        self.port = int(self.url.rsplit(":", 1)[1])

    def arrivals(self):
        """The log so far: a dict for each arrival of a request, and one for each end."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        whole = text[:text.rfind("\n") + 1]      # the last line may still be being written
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for_arrivals(self, count, timeout=20):
        """Returns as soon as so many requests have arrived."""
        deadline = time.monotonic() + timeout * SLOWED
        while sum(line["event"] == "arrival" for line in self.arrivals()) < count:
            assert time.monotonic() < deadline, f"fewer than {count} arrivals: {self.arrivals()}"
            time.sleep(0.001)

    def stop(self):
        """Ends it in good order and gives its counters."""
        if self.counters is None:
            self.signal(signal.SIGTERM)
            code = self.wait()
            assert code == 0, f"confab mock: exit {code}\n{self.output}"
            self.counters = json.loads(next(line for line in reversed(self.lines)
                                            if line.startswith("{")))
        return self.counters


def read_jsonl(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def query(db, sql, *parameters):
    """All rows as dicts; the database is opened for reading only."""
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(sql, parameters)]
    finally:
        connection.close()
