"""Builds confab in its test variants and runs every test; scripts/test calls it after setting up.

Each test program, Lua spec file and pytest file is one job; the jobs of all variants share one
pool. Cases, not programs, are counted: from TAP (cmocka, busted) and JUnit (pytest) reports. A
program that dies before its report is whole adds a failure, so nothing can vanish.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "test-logs"
PAGE_TESTS = ROOT / "tests" / "e2e" / "page"
PAGE_TOOLS = BUILD / "page-tools"
THREADED_AREAS = ("base", "limit", "http", "store", "simulator", "engine")

SLOWED = 4     # how much longer a job may take under a sanitizer
LIMITS_S = {"unit": 120, "lua": 120, "e2e": 600, "page": 600, "scripts": 300}


@dataclasses.dataclass(frozen=True)
class Variant:
    name: str
    cmake: tuple
    env: dict
    kinds: tuple = ("unit", "lua", "e2e", "page", "scripts")

    @property
    def folder(self):
        return BUILD / self.name


# An exit status of its own keeps a sanitizer's report apart from confab's statuses.
VARIANTS = [
    Variant("test", ("-DCMAKE_BUILD_TYPE=RelWithDebInfo",), {}),
    Variant("asan", ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1",
                     "-DCONFAB_SANITIZE=address,undefined"),
            {"ASAN_OPTIONS": "exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1",
             "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99"},
            ("unit", "lua", "e2e")),
    Variant("tsan", ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1",
                     "-DCONFAB_SANITIZE=thread"),
            {"TSAN_OPTIONS": "exitcode=99:second_deadlock_stack=1:"
                             f'suppressions="{ROOT}/scripts/tsan.supp"'},
            ("unit", "e2e")),
]


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclasses.dataclass
class Job:
    variant: Variant
    kind: str
    name: str
    command: list
    env: dict = dataclasses.field(default_factory=dict)
    cwd: pathlib.Path = ROOT
    report: pathlib.Path = None    # a JUnit file; TAP on standard output without one

    @property
    def label(self):
        return f"{self.variant.name} {self.kind} {self.name}"

    @property
    def log(self):
        return LOGS / (re.sub(r"[^A-Za-z0-9]+", "-", self.label) + ".log")


def clean_environment():
    """Ours, without what would make a test depend on the user's own settings."""
    settings = re.compile(r"(ANTHROPIC|OPENAI|CONFAB|CMOCKA|LUA)_|\w+_proxy$|NO_COLOR$", re.I)
    return {name: value for name, value in os.environ.items() if not settings.match(name)}


# --- counting ---------------------------------------------------------------------------------

TAP_LINE = re.compile(r"^(not )?ok \d+(?: -)? (# SKIP)?", re.M)
TAP_PLAN = re.compile(r"^1\.\.(\d+)$", re.M)


def count_tap(output, status):
    """Counts TAP from one or several groups; cmocka writes a skipped case as "not ok n # SKIP".

    A program without a plan is a single case, told by its exit status.
    """
    plans = [int(plan) for plan in TAP_PLAN.findall(output)]
    if not plans:
        return Counts(passed=int(status == 0), failed=int(status != 0))
    counts = Counts()
    for bad, skip in TAP_LINE.findall(output):
        if skip:
            counts.skipped += 1
        elif bad:
            counts.failed += 1
        else:
            counts.passed += 1
    missing = sum(plans) - counts.passed - counts.failed - counts.skipped
    counts.failed += max(missing, 0)
    if status != 0 and counts.failed == 0:     # a leak at exit, a crash after the last case
        counts.failed = 1
    return counts


def count_junit(report, status):
    """Counts pytest's report; exit status 5 says that no test was chosen."""
    if status == 5:
        return Counts()
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
        total, failures, errors, skipped = (
            int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
    except (OSError, ElementTree.ParseError, AttributeError, TypeError):
        return Counts(failed=1)
    failed = failures + errors
    if status != 0 and failed == 0:
        failed = 1
    return Counts(passed=max(total - failures - errors - skipped, 0), failed=failed,
                  skipped=skipped)


# --- running ----------------------------------------------------------------------------------

LSAN_CRASH = "LeakSanitizer has encountered a fatal error"

running = set()    # processes, each the leader of a session of its own


def kill(process):
    """Kills a job with whatever it started and left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_once(job):
    limit_s = LIMITS_S[job.kind] * (1 if job.variant.name == "test" else SLOWED)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="confab-test-") as folder:
        env = clean_environment() | job.variant.env | {"TMPDIR": folder} | job.env
        with open(job.log, "w+", errors="replace") as log:
            process = subprocess.Popen(job.command, cwd=job.cwd, env=env, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
            running.add(process)
            try:
                status = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                status = None
            kill(process)
            process.wait()
            running.discard(process)
            if status is None:
                log.write(f"\nstopped after {limit_s} s\n")
            log.seek(0)
            output = log.read()
    counts = count_junit(job.report, status) if job.report else count_tap(output, status)
    return counts, output, time.monotonic() - started


def run_job(job):
    """A job again whose process was well until LeakSanitizer, which looks at it as it exits, crashed itself."""
    outcome = run_once(job)
    if LSAN_CRASH not in outcome[1]:
        return outcome
    print(f"again {job.label}: {LSAN_CRASH}", flush=True)
    return run_once(job)


def run_jobs(jobs, workers):
    """Runs all, says how each went; returns the sum and the failed jobs."""
    total, failed = Counts(), []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(run_job, job): job for job in jobs}
        try:
            for future in concurrent.futures.as_completed(futures):
                job, (counts, output, seconds) = futures[future], future.result()
                total += counts
                if counts.failed:
                    failed.append(job)
                    print(f"--- {job.label}\n{output[-20000:].rstrip()}\n---")
                if counts != Counts():
                    print(f"{'FAIL' if counts.failed else 'ok  '} {job.label}: {counts} "
                          f"({seconds:.1f} s)", flush=True)
        except BaseException:       # Ctrl-C reaches us alone: the jobs have their own sessions
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                kill(process)
            raise
    return total, failed


def build(variant):
    """Builds all it can; whether everything was built."""
    started = time.monotonic()
    log_path = LOGS / f"build-{variant.name}.log"
    configure = ["cmake", "-S", ROOT, "-B", variant.folder, "-DCONFAB_WERROR=ON",
                 "-DCONFAB_FAILPOINTS=ON", *variant.cmake]
    make = ["cmake", "--build", variant.folder, "--parallel", str(os.cpu_count() or 1),
            "--", "--keep-going"]
    with open(log_path, "w+", errors="replace") as log:
        built = True
        for command in (configure, make):
            built = built and subprocess.run(command, stdout=log, stderr=log,
                                             check=False).returncode == 0
        log.seek(0)
        output = log.read()
    if not built:
        wrong = [line for line in output.splitlines()
                 if re.search(r"error|undefined|\*\*\*", line, re.I)]
        print(f"--- {log_path}\n" + "\n".join(wrong[:60] or output.splitlines()[-60:]) + "\n---")
    print(f"{'ok  ' if built else 'FAIL'} {variant.name} build "
          f"({time.monotonic() - started:.1f} s)", flush=True)
    return built


# --- the jobs ---------------------------------------------------------------------------------

def longer_look():
    """What the user asks for beyond the usual: how many kills, how long a lock."""
    return {name: os.environ[name] for name in ("CONFAB_KILLS", "CONFAB_LOCKED_S")
            if name in os.environ}


def under(variant):
    """What a command is started with: ThreadSanitizer wants the usual address layout."""
    plain = ["setarch", "-R"]
    works = variant.name == "tsan" and shutil.which("setarch") and \
        subprocess.run([*plain, "true"], check=False, capture_output=True).returncode == 0
    return plain if works else []


def unit_jobs(variant):
    listing = subprocess.run(["ctest", "--test-dir", variant.folder, "--show-only=json-v1"],
                             capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        return
    for test in json.loads(listing.stdout)["tests"]:
        name = test["name"]
        if variant.name == "tsan" and not name.startswith(THREADED_AREAS):
            continue
        command = test.get("command") or ["false"]
        properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        env = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
        if not pathlib.Path(command[0]).exists():
            command = ["sh", "-c", 'echo "$0 was not built"; exit 1', command[0]]
        yield Job(variant, "unit", name, under(variant) + command,
                  {"CMOCKA_MESSAGE_OUTPUT": "TAP"} | env,
                  pathlib.Path(properties.get("WORKING_DIRECTORY", ROOT)))


def lua_jobs(variant):
    """Specs run in Debian's lua5.4 with confab.so, and see the Lua modules as source files."""
    env = {
        "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/tests/support/?.lua;;",
        "LUA_CPATH": f"{variant.folder}/lua/?.so;;",
        "CONFAB_LUA_PATH": f"{ROOT}/lua",
        "TEST_DATA": f"{ROOT}/tests/data",
        "TEST_SHARED": f"{ROOT.parent}/shared",
    }
    if variant.name == "asan":      # the interpreter is not built with it, so it comes first
        libasan = subprocess.run(["gcc", "-print-file-name=libasan.so"], text=True,
                                 capture_output=True, check=False).stdout.strip()
        env["LD_PRELOAD"] = libasan
    for spec in sorted((ROOT / "tests" / "lua").glob("*_spec.lua")):
        yield Job(variant, "lua", spec.stem,
                  ["lua5.4", "/usr/bin/busted", "--output=TAP",
                   f"--helper={ROOT}/tests/support/spec_helper.lua", str(spec)], env)


def pytest_job(variant, kind, name, target, marker):
    report = LOGS / f"{variant.name}-{kind}-{name}.xml"
    report.unlink(missing_ok=True)
    # Python itself is not built with the sanitizer, only what the tests start.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marker,
               "-c", ROOT / "scripts" / "pytest.ini", f"--rootdir={ROOT}",
               f"--junitxml={report}", target]
    return Job(variant, kind, name, under(variant) + [str(part) for part in command],
               {"CONFAB_BIN": str(variant.folder / "confab"),
                "CONFAB_BUILD": str(variant.folder),
                "CONFAB_PAGE_TOOLS": str(PAGE_TOOLS),
                "CONFAB_VARIANT": variant.name} | longer_look(), report=report)


def e2e_jobs(variant):
    marker = {"test": "not alone", "asan": "not alone and not plain",
              "tsan": "threads and not alone and not plain"}[variant.name]
    for path in sorted((ROOT / "tests" / "e2e").glob("test_*.py")):
        yield pytest_job(variant, "e2e", path.stem, path, marker)


def install_page_tools():
    """Puts what tests take from npm into build/, once for each state of the lock file.

    What needs it is skipped, and counted so, where it cannot be had.
    """
    names = ("package.json", "package-lock.json", ".npmrc")
    PAGE_TOOLS.mkdir(parents=True, exist_ok=True)
    wanted = {name: (PAGE_TESTS / name).read_bytes() for name in names}
    is_there = all((PAGE_TOOLS / name).is_file() and (PAGE_TOOLS / name).read_bytes() == text
                   for name, text in wanted.items())
    if is_there and (PAGE_TOOLS / "node_modules").is_dir():
        return
    for name, text in wanted.items():
        (PAGE_TOOLS / name).write_bytes(text)
    with open(LOGS / "page-tools.log", "w", encoding="utf-8") as log:
        try:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--prefer-offline"], cwd=PAGE_TOOLS, stdout=log,
                           stderr=log, stdin=subprocess.DEVNULL, timeout=300, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(PAGE_TOOLS / "node_modules", ignore_errors=True)
            print(f"npm ci: {error} ({log.name}): tested without axe-core and OpenAPI's schema", flush=True)


def page_jobs(variant):
    """The page in Debian's Chromium. The browser is no concern of the sanitizers."""
    paths = sorted(PAGE_TESTS.glob("test_*.py"))
    if paths:
        install_page_tools()
    for path in paths:
        yield pytest_job(variant, "page", path.stem, path, "not alone")


def alone_jobs(variant):
    """Tests that measure time get the machine to themselves, in the plain build only."""
    if variant.name == "test" and any((ROOT / "tests" / "e2e").glob("test_*.py")):
        yield pytest_job(variant, "e2e", "alone", ROOT / "tests" / "e2e", "alone")


def scripts_jobs(variant):
    for path in sorted((ROOT / "tests" / "scripts").glob("test_*.py")):
        yield pytest_job(variant, "scripts", path.stem, path, "not alone")


JOBS = {"page": page_jobs, "e2e": e2e_jobs, "scripts": scripts_jobs, "lua": lua_jobs, "unit": unit_jobs}


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Builds confab and runs its tests.",
        epilog="example: scripts/test --quick -k store")
    parser.add_argument("--quick", action="store_true", help="only the build without sanitizers")
    parser.add_argument("--variant", action="append", choices=[v.name for v in VARIANTS],
                        help="only this build; may be repeated")
    parser.add_argument("--only", action="append", choices=list(JOBS),
                        help="only tests of this kind; may be repeated")
    parser.add_argument("-k", metavar="TEXT", default="",
                        help="only jobs whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1,
                        help="how many at once (default: one more than processors, as many wait)")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    (BUILD / ".gitignore").write_text("*\n")

    chosen = options.variant or (["test"] if options.quick else [v.name for v in VARIANTS])
    total, failed, jobs, alone = Counts(), [], [], []
    for variant in (v for v in VARIANTS if v.name in chosen):
        if not build(variant):
            total += Counts(failed=1)
            failed.append(f"{variant.name} build")
        kinds = [kind for kind in variant.kinds if kind in (options.only or JOBS)]
        for kind in kinds:
            jobs += [job for job in JOBS[kind](variant) if options.k in job.name]
        if "e2e" in kinds and not options.k:
            alone += alone_jobs(variant)

    # The slow ones first, so that the pool does not end on one of them.
    order = list(JOBS)
    jobs.sort(key=lambda job: (order.index(job.kind), job.variant.name))
    for batch, workers in ((jobs, options.jobs), (alone, 1)):
        counts, bad = run_jobs(batch, workers)
        total += counts
        failed += [f"{job.label} ({job.log.relative_to(ROOT)})" for job in bad]
    if failed:
        print("failed:\n  " + "\n  ".join(failed))
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
