"""The rows of the benchmark: each measures one thing and says what it should be.

A row is a function that gets a Bench and yields Figures; scripts/bench prints them as they come.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time

from processes import CLIENT_CORE, Failed, Simulator, pinned, run_client

PIPELINE = pathlib.Path(__file__).with_name("pipeline.lua")
REPLY = "reply_bytes=6000"       # ten turns
UNLIMITED = "max_requests=1000000"
SMALL_REPLY = "reply_bytes=600"  # where only the number of items counts: a tenth of the disk


@dataclasses.dataclass
class Figure:
    what: str
    value: str
    target: str = ""
    met: bool | None = None      # None: there is no target, or it depends on the machine


@dataclasses.dataclass
class Bench:
    confab: pathlib.Path
    bare_loop: pathlib.Path
    store: pathlib.Path
    rounds: int
    scale: float                 # of the numbers of items
    million: bool

    def items(self, count):
        return max(64, round(count * self.scale))

    @contextlib.contextmanager
    def folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="confab-bench-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def pipeline(self, server, folder, arguments, timeout_s=120, options=(), statuses=(0,)):
        command = [self.confab, "run", PIPELINE, "--progress", "none", *options, "--", *arguments]
        return run_client(command, folder, timeout_s, server.environment(), statuses=statuses)

    def bare(self, server, folder, items, concurrency, timeout_s=120):
        client = run_client([self.bare_loop, f"{server.url}/messages", items, concurrency, folder / "bare.db"],
                            folder, timeout_s)
        return json.loads(client.output)


def at_most(what, value, most, text):
    return Figure(what, text, f"≤ {most:g}", value <= most)


def at_least(what, value, least, text):
    return Figure(what, text, f"≥ {least:g}", value >= least)


# --- against the bare loop ---

def cpu(bench):
    """CPU an item and items a second at zero latency, against the bare loop in turns with it."""
    items, bare, ours = bench.items(10_000), [], []
    for _ in range(bench.rounds):
        with Simulator(bench.confab, REPLY) as server:
            with bench.folder() as folder:
                bare.append(bench.bare(server, folder, items, 64))
            with bench.folder() as folder:
                ours.append(bench.pipeline(server, folder, [items, 64, UNLIMITED]))
    bare_us = [row["cpu_seconds"] / items * 1e6 for row in bare]
    ours_us = [client.cpu_s / items * 1e6 for client in ours]
    ratio = statistics.median(b / a for a, b in zip(bare_us, ours_us))
    speed = statistics.median(a["seconds"] / b.seconds for a, b in zip(bare, ours))
    yield Figure("bare loop: CPU an item", f"{statistics.median(bare_us):.0f} µs")
    yield Figure("confab: CPU an item", f"{statistics.median(ours_us):.0f} µs")
    yield at_most("  of the bare loop's", ratio, 1.2, f"{ratio:.2f}")
    yield Figure("bare loop: items a second", f"{items / statistics.median(a['seconds'] for a in bare):,.0f}")
    yield Figure("confab: items a second", f"{items / statistics.median(b.seconds for b in ours):,.0f}")
    yield at_least("  of the bare loop's", speed, 0.85, f"{speed:.2f}")


def _latency(bench, concurrency):
    items = concurrency * 20
    ratios = []
    for _ in range(bench.rounds):
        with Simulator(bench.confab, REPLY, "latency=fixed:200") as server:
            with bench.folder() as folder:
                bare = bench.bare(server, folder, items, concurrency)
            with bench.folder() as folder:
                ours = bench.pipeline(server, folder, [items, concurrency, UNLIMITED])
        ratios.append(ours.seconds / bare["seconds"])
    what = f"200 ms latency, {concurrency} at once, 20 waves: makespan"
    yield Figure(what, f"{ours.seconds:.2f} s, bare loop {bare['seconds']:.2f} s")
    ratio = statistics.median(ratios)
    yield at_most("  of the bare loop's", ratio, 1.03, f"{ratio:.3f}")


def latency64(bench):
    """Twenty waves of 64 calls that take 200 ms each."""
    yield from _latency(bench, 64)


def latency512(bench):
    """Twenty waves of 512 calls that take 200 ms each."""
    yield from _latency(bench, 512)


# --- alone ---

def memory(bench):
    """Peak memory by the number of items."""
    sizes = [(1_000, 28), (100_000, 30)] + [(1_000_000, 36)] * bench.million
    for count, most_mb in sizes:
        items = bench.items(count) if count > 1_000 else count
        with Simulator(bench.confab, SMALL_REPLY) as server, bench.folder() as folder:
            client = bench.pipeline(server, folder, [items, 64, UNLIMITED], timeout_s=items / 500 + 30)
        yield at_most(f"peak memory, {items:,} items", client.peak_mb, most_mb, f"{client.peak_mb:.1f} MB")


def _rerun(bench, kind, least):
    items = bench.items(20_000)
    with Simulator(bench.confab, SMALL_REPLY) as server, bench.folder() as folder:
        bench.pipeline(server, folder, [items, 64, kind, UNLIMITED], timeout_s=items / 500 + 30)
        again = bench.pipeline(server, folder, [items, 64, kind, UNLIMITED], timeout_s=items / 500 + 30)
        server.stop()
    if server.counters["requests"] != items:
        raise Failed(f"{server.counters['requests']} requests for {items} items run twice")
    rate = items / again.seconds
    yield at_least(f"a finished run of {items:,} again, {kind}: items a second", rate, least, f"{rate:,.0f}")


def rerun(bench):
    """A finished run, run again: nothing is sent."""
    yield from _rerun(bench, "template", 50_000)
    yield from _rerun(bench, "step", 10_000)


def resume(bench):
    """A run of many items, killed with -9, and the time until its next request."""
    items = bench.items(20_000)
    with bench.folder() as folder:
        with Simulator(bench.confab, SMALL_REPLY) as server:
            command = [bench.confab, "run", PIPELINE, "--progress", "none", "--", items, 64, UNLIMITED]
            client = subprocess.Popen(pinned(CLIENT_CORE, command), cwd=folder, stdout=subprocess.DEVNULL,
                                      env=_environment(server))
            _wait(lambda: _finished_items(folder) > items * 0.95, items / 500 + 30)
            client.kill()
            client.wait()
        log = folder / "arrivals"
        with Simulator(bench.confab, SMALL_REPLY, options=("--log", log)) as server:
            begin = time.monotonic()
            client = subprocess.Popen(pinned(CLIENT_CORE, command), cwd=folder, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, env=_environment(server))
            _wait(lambda: log.exists() and log.stat().st_size > 0, 60)
            seconds = time.monotonic() - begin
            client.kill()
            client.wait()
    yield at_most(f"killed at {items:,} items: time until the next request", seconds, 1, f"{seconds:.2f} s")


def _environment(server):
    return {**os.environ, **server.environment()}


def _wait(condition, timeout_s):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not so far after {timeout_s:.0f} s")
        time.sleep(0.002)


def _query(folder, sql):
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'confab.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchone()


def _finished_items(folder):
    try:
        return _query(folder, "SELECT count(*) FROM items WHERE state = 'done'")[0]
    except sqlite3.Error:
        return 0


def store(bench):
    """The store alone: conversations of ten turns, each durable before it counts."""
    items = bench.items(50_000)
    with bench.folder() as folder:
        client = run_client([bench.store, folder / "store.db", items, 256], folder, 120)
    result = json.loads(client.output)
    rate = items / result["seconds"]
    yield at_least("conversations of ten turns stored durably a second", rate, 10_000, f"{rate:,.0f}")
    yield Figure("  CPU each, and conversations a commit",
                 f"{result['cpu_seconds'] / items * 1e6:.0f} µs, {items / result['commits']:.0f}")


# --- pacing ---

LIMITED_LATENCY_MS = 100


@dataclasses.dataclass(frozen=True)
class Enforced:
    """How a server enforces: what a window is, how many of them a row takes, what a bucket holds of one.

    By minute it is the number of windows that counts: the first is there at once, which no run can know
    without risking a 429, so it takes n windows where n - 1 would do. So they are short, and many; of so
    short a window the guard, the commit before each request, and each time that the machine stands still
    are a larger part. By second it is the seconds that count, so a minute is a minute there.
    """
    enforce: str
    window_s: float
    windows: float
    per_window: int
    bucket: float


BY_MINUTE = Enforced("minute", window_s=4, windows=75, per_window=500, bucket=1)
BY_SECOND = Enforced("second", window_s=60, windows=1, per_window=500, bucket=1 / 60)

# Where a refusal is to be expected: it and what follows take some seconds.
LONGER_BY_SECOND = dataclasses.replace(BY_SECOND, windows=2)

# A call takes about 452 input and 658 output tokens.
PER_CALL = {"rpm": 1, "itpm": 452, "otpm": 658}
TOLD = {"rpm": "max_requests", "itpm": "max_input_tokens", "otpm": "max_output_tokens"}

# How many mean calls of a window each limit lets through, in such windows.
REQUEST_BOUND = {"rpm": 1}
INPUT_BOUND = {"rpm": 100, "itpm": 1}
OUTPUT_BOUND = {"rpm": 100, "otpm": 1}
ALL_BOUND = {"rpm": 1, "itpm": 1, "otpm": 1}


def _bound_s(folder, limits, by):
    """The least time that the server's limits leave to what was used: the largest over the resources
    of (use - burst) / rate, plus one latency."""
    requests, tokens_in, tokens_out = _query(
        folder, "SELECT count(*), sum(input_tokens), sum(output_tokens) FROM calls WHERE state = 'done'")
    used = {"rpm": requests, "itpm": tokens_in, "otpm": tokens_out}
    return LIMITED_LATENCY_MS / 1000 + max(
        max(0, used[name] - limit * by.bucket) * by.window_s / limit for name, limit in limits.items())


def _limited(bench, title, shares, by, most, is_told=True, refusals=0, is_halved=False):
    """One run against a server with limits. is_told: the script says them, too."""
    items = round(by.windows * by.per_window)
    limits = {name: round(PER_CALL[name] * share * by.per_window) for name, share in shares.items()}
    half_at = by.window_s * by.windows / 2
    spec = [f"{name}={value}" for name, value in limits.items()]
    if is_halved:
        spec += [f"{name}@{half_at:g}s={value // 2}" for name, value in limits.items()]
    told = [f"{TOLD[name]}={value}" for name, value in limits.items()] if is_told else []
    with Simulator(bench.confab, f"window={by.window_s:g}s", f"enforce={by.enforce}",
                   f"latency=fixed:{LIMITED_LATENCY_MS}", *spec) as server, bench.folder() as folder:
        client = bench.pipeline(server, folder,
                                [items, "auto", "varied", f"window_ms={by.window_s * 1000:g}", *told], timeout_s=600)
        server.stop()
        bound = _bound_s(folder, limits, by)
        done = _finished_items(folder)
    if is_halved:       # what was left takes twice as long
        bound = half_at + 2 * (bound - half_at)
    ratio, refused = client.seconds / bound, server.counters["refused"]
    title, text = f"{title}, by {by.enforce}: makespan of the bound", f"{ratio:.3f} ({client.seconds:.1f} s)"
    yield at_most(title, ratio, most, text) if most else Figure(title, text)
    yield at_most("  429s", refused, refusals, str(refused))
    yield Figure("  items lost", str(items - done), "0", done == items)


def limit_requests(bench):
    """Bound by requests."""
    yield from _limited(bench, "requests", REQUEST_BOUND, BY_MINUTE, 1.03)
    yield from _limited(bench, "requests", REQUEST_BOUND, BY_SECOND, 1.03)
    three = dataclasses.replace(BY_MINUTE, window_s=6, windows=3)
    yield from _limited(bench, "requests, three windows", REQUEST_BOUND, three, None)


def limit_input(bench):
    """Bound by input tokens."""
    yield from _limited(bench, "input", INPUT_BOUND, BY_MINUTE, 1.03)
    yield from _limited(bench, "input", INPUT_BOUND, BY_SECOND, 1.03)


def limit_output(bench):
    """Bound by output tokens, which nobody knows before."""
    yield from _limited(bench, "output", OUTPUT_BOUND, BY_MINUTE, 1.05)
    yield from _limited(bench, "output", OUTPUT_BOUND, BY_SECOND, 1.05)


def limit_all(bench):
    """Bound by all three about alike."""
    yield from _limited(bench, "all three", ALL_BOUND, BY_MINUTE, 1.03)
    yield from _limited(bench, "all three", ALL_BOUND, BY_SECOND, 1.03)


def limit_learnt(bench):
    """The limits are found out from the headers, and whether bursts pass."""
    for by in (BY_MINUTE, LONGER_BY_SECOND):
        yield from _limited(bench, "from headers only", REQUEST_BOUND, by, 1.05, is_told=False, refusals=2)


def limit_halved(bench):
    """The server halves its limits in the middle."""
    halved = {"refusals": 2, "is_halved": True}
    for by in (BY_MINUTE, BY_SECOND):
        yield from _limited(bench, "requests halved", REQUEST_BOUND, by, 1.05, **halved)
        yield from _limited(bench, "all three halved", ALL_BOUND, by, 1.05, **halved)


def limit_both(bench):
    """The limits are found out from the headers, and halved in the middle."""
    for by in (BY_MINUTE, LONGER_BY_SECOND):
        yield from _limited(bench, "from headers only, and halved", REQUEST_BOUND, by, 1.05, is_told=False,
                            refusals=2, is_halved=True)


# --- steps that wait ---

def _script(bench, name, arguments, spec, timeout_s=90):
    """What a benchmark of Lua prints, as a number."""
    script = PIPELINE.with_name(name)
    with Simulator(bench.confab, *spec) as server, bench.folder() as folder:
        command = [bench.confab, "run", "--progress", "none", "--quiet", "--drain", "0", script, "--", *arguments]
        client = run_client(command, folder, timeout_s, server.environment(), statuses=(0, 130))
        return float(client.output.split()[0])


def waiting(bench):
    """Resident memory of steps that wait in a call with a prompt of 2 KB."""
    steps = min(bench.items(10_000), 10_000)
    queued = _script(bench, "waiting.lua", [steps, "queued"], ["latency=fixed:60000"])
    yield at_most(f"{steps:,} steps waiting, 2 KB prompts: KB each", queued / 1024, 16, f"{queued / 1024:.1f} KB")
    sent = _script(bench, "waiting.lua", [steps, "sent"], ["latency=fixed:60000"])
    yield Figure("  with all of them in flight, a connection each", f"{sent / 1024:.1f} KB")


def switching(bench):
    """CPU of going on with another waiting step."""
    for depth, where in ((0, "a step"), (3, "  inside three coroutines of the script")):
        nanoseconds = _script(bench, "switching.lua", [500_000, depth], [])
        yield at_most(f"{where}: CPU a switch", nanoseconds / 1000, 5, f"{nanoseconds / 1000:.2f} µs")


ROWS = {
    "cpu": cpu, "latency64": latency64, "latency512": latency512, "memory": memory, "rerun": rerun,
    "resume": resume, "store": store, "limit-requests": limit_requests, "limit-input": limit_input,
    "limit-output": limit_output, "limit-all": limit_all, "limit-learnt": limit_learnt,
    "limit-halved": limit_halved, "limit-both": limit_both, "waiting": waiting, "switching": switching,
}
