"""Rows of the benchmark about `confab serve`: the server on the client's core, those who ask it on the simulator's."""
import contextlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import processes
import rows
from processes import CLIENT_CORE, Failed, pinned

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import crowd  # noqa: E402

SCRIPT = pathlib.Path(__file__).with_name("pipeline.lua")
WAIT_S = 120


class Served:
    """A server of one run; `host` once it listens."""

    def __init__(self, confab, simulator, folder, items, concurrency):
        command = [confab, "serve", "--port", "0", SCRIPT, "--", items, concurrency, "max_requests=1000000"]
        self.process = subprocess.Popen(pinned(CLIENT_CORE, command), cwd=folder, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True,
                                        env={**os.environ, **simulator.environment()})
        self.host = self.process.stdout.readline().split("//")[-1].strip(" /\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host, timeout=WAIT_S)
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        data = json.loads(reply.read())
        connection.close()
        if reply.status >= 300:
            raise Failed(f"{method} {path}: {reply.status} {data}")
        return data["data"]

    def begin(self):
        return self.ask("POST", "/api/runs", {"name": "bench-template"})["runId"]

    def seconds(self, run):
        """How long the run took, once it is over. Asked for seldom, since asking costs."""
        until = time.monotonic() + WAIT_S
        while (found := self.ask("GET", f"/api/runs/{run}"))["state"] == "running":
            if time.monotonic() > until:
                raise Failed(f"the run is not over after {WAIT_S} s")
            time.sleep(0.25)
        if found["progress"]["accepted"] != found["progress"]["planned"]:
            raise Failed(f"not all was made: {found['progress']}")
        return found["summary"]["totalDuration"] / 1000

    def peak_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the rows ---

@contextlib.contextmanager
def _served(bench, items):
    with processes.Simulator(bench.confab, rows.REPLY) as simulator, bench.folder() as folder:
        with Served(bench.confab, simulator, folder, items, 64) as server:
            yield server


def watchers(bench):
    """A batch at full speed, alone and with 500 connections, 200 of which watch it."""
    items = bench.items(20_000)
    alone, watched, peaks, told = [], [], [], 0
    os.sched_setaffinity(0, {processes.SERVER_CORE})    # those who watch are no part of the server
    for _ in range(bench.rounds):
        with _served(bench, items) as server:
            seconds = server.seconds(server.begin())
            alone.append((seconds, server.cpu_s()))
        with _served(bench, items) as server:
            with crowd.Crowd(server.host, streams=100, sockets=100, askers=50, idle=250) as connections:
                run = server.begin()
                connections.watch(run)
                seconds = server.seconds(run)
                watched.append((seconds, server.cpu_s()))
                peaks.append(server.peak_mb())
                told = sum(watcher.count for watcher in connections.watchers)
    os.sched_setaffinity(0, set(processes.CORES))
    slower, cpu = (statistics.median(b[i] / a[i] for a, b in zip(alone, watched)) for i in (0, 1))
    yield rows.Figure(f"a batch of {items:,} alone: makespan", f"{statistics.median(a[0] for a in alone):.2f} s")
    yield rows.at_most("  with 200 who watch and 300 others: of it", slower, 1.1, f"{slower:.3f}")
    yield rows.Figure("  CPU of the server", f"{cpu:.3f}")
    yield rows.Figure("  sent to those who watch", f"{told / 1e6:.0f} MB")
    yield rows.at_most("  peak memory", max(peaks), 100, f"{max(peaks):.1f} MB")


def serve(bench):
    """How long GET /api/runs/ID takes while a batch runs at full speed, beside a reply that reads nothing."""
    items, taken = bench.items(20_000), {"/api/runs/ID": [], "/healthz": []}
    for _ in range(bench.rounds):
        with _served(bench, items) as server:
            run = server.begin()
            _ask_while_it_runs(server.host, run, taken)
    for path, seconds in taken.items():
        middle, most = (sorted(seconds)[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
        yield rows.Figure(f"GET {path} while a batch runs: p50 of {len(seconds):,}", f"{middle:.2f} ms")
        what, text = "  p99", f"{most:.2f} ms"
        yield rows.at_most(what, most, 5, text) if "ID" in path else rows.Figure(what, text)


def _ask_while_it_runs(host, run, taken):
    """Adds the seconds that each request took, in turns on one connection."""
    connection, state = http.client.HTTPConnection(host, timeout=WAIT_S), "running"
    while state == "running":
        for path, seconds in taken.items():
            begin = time.monotonic()
            connection.request("GET", path.replace("ID", run))
            reply = json.loads(connection.getresponse().read())
            seconds.append(time.monotonic() - begin)
            state = reply["data"]["state"] if "data" in reply else state
        time.sleep(0.005)
    connection.close()


ROWS = {"watchers": watchers, "serve": serve}
