"""What the benchmarks run: the simulator on one core, a client on another, each a process of its own."""
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
SAMPLE_S = 0.02    # how often the peak of a client's memory is looked at


@dataclasses.dataclass
class Client:
    """What a process took."""
    status: int
    seconds: float
    cpu_s: float
    peak_mb: float
    output: str


class Failed(Exception):
    """A process ended as it should not have."""


def pinned(core, command):
    return ["taskset", "-c", str(core), *map(str, command)]


def _watch_peak(pid, peak):
    """VmHWM is the program's own; ru_maxrss would be at least that of the process it was forked from."""
    with contextlib.suppress(OSError, IndexError):
        while True:
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            peak[0] = max(peak[0], int(status.split("VmHWM:")[1].split()[0]))
            time.sleep(SAMPLE_S)


def run_client(command, folder, timeout_s, env=None, core=CLIENT_CORE, statuses=(0,)):
    """Runs a command on the client's core to its end."""
    peak = [0]
    begin = time.monotonic()
    with tempfile.TemporaryFile(mode="w+") as output:
        process = subprocess.Popen(pinned(core, command), cwd=folder, env={**os.environ, **(env or {})},
                                   stdout=output, stderr=subprocess.STDOUT)
        watcher = threading.Thread(target=_watch_peak, args=(process.pid, peak), daemon=True)
        watcher.start()
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
        output.seek(0)
        text = output.read()
    if process.returncode not in statuses:
        why = f"no end after {timeout_s} s" if process.returncode == -signal.SIGKILL else text[-2000:]
        raise Failed(f"{pathlib.Path(str(command[0])).name}: status {process.returncode}: {why}")
    return Client(process.returncode, seconds, usage.ru_utime + usage.ru_stime, peak[0] / 1024, text)


class Simulator:
    """`confab mock` with a spec; url once it listens, counters once it has stopped."""

    def __init__(self, confab, *spec, options=()):
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, [confab, "mock", "--json", *options, *spec]), stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1] + "/v1"
        self.counters = None

    def environment(self):
        return {"ANTHROPIC_API_KEY": "sk-bench", "ANTHROPIC_API_BASE_URL": self.url, "no_proxy": "127.0.0.1"}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        text, _ = self.process.communicate(timeout=30)
        self.counters = json.loads(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
