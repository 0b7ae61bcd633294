"""The faults matrix: a batch through whatever can go wrong, and what must be true afterwards.

After each: no reply delivered whole is lost, none is paid for twice but for those in flight at a kill,
no item is missing or doubled, no row is half-written, and the ledger is exact.
"""
import fcntl
import os
import pty
import re
import resource
import signal
import sqlite3
import subprocess
import termios
import time

import pytest

import confab_process
import durability
import ledger

ITEMS, CONCURRENCY = 30, 4
LOCKED_S = float(os.environ.get("CONFAB_LOCKED_S", "1.5"))

PIPELINE = f"""
    confab.setup {{
      limits = {{ max_requests = 100000, pacing = "burst" }},
      retry = {{ max_attempts = tonumber(arg[1] or "50"), base_delay_ms = 1, max_delay_ms = 20,
                jitter_ms = 0 }},
      timeouts = {{ first_byte_ms = tonumber(arg[2] or "5000") }},
    }}
    local chat = confab.template {{
      name = "chat", prompt = 'Write a chat of 6 turns about {{{{topic}}}}. As JSON: '
        .. '{{"turns": [{{"role": "user", "content": "..."}}]}}',
    }}
    local items = {{}}
    for i = 1, {ITEMS} do items[i] = {{ topic = "topic " .. i }} end
    local run = confab.run {{
      name = "chats", items = items, template = chat, concurrency = {CONCURRENCY}, tries = 30,
      on_item = function(result) print(result.key, result.state) end,
    }}
    print(run.summary)
"""

RIDDEN_OUT = [       # faults of the simulator that a run meets and finishes all the same
    "408:25%", "429@7", "500:25%", "502:25%", "503:25%", "504:25%", "529:25%",
    "reset:25%", "reset_body:25%", "cut:25%", "trickle:25%", "silent@5-6", "bad_envelope:25%",
    "empty:25%", "refusal:25%", "max_tokens:25%", "malformed:25%",
]
ALL_AT_ONCE = ("429@9;silent@14;408:3%;500:4%;502:3%;503:3%;504:3%;529:4%;reset:4%;reset_body:4%;"
               "cut:4%;trickle:4%;bad_envelope:4%;empty:4%;refusal:4%;max_tokens:4%;malformed:6%")
IMPATIENT = ("50", "400")       # attempts, and how long a silent server is waited for

OF_THE_ITEM = ["400:25%", "413:25%"]                          # items that fail; the rest goes on
OF_THE_RUN = ["401", "402", "403", "404", "spend_cap"]        # what every other call would meet


@pytest.fixture
def prices(data):
    return ledger.Prices(data / "prices.json")


@pytest.fixture
def check(query, prices):
    """check(*servers, kills=0): what must be true after any end; gives the replies that were lost."""
    def look(*servers, kills=0):
        durability.check_rows(query)
        exchanges = [exchange for server in servers
                     for exchange in ledger.exchanges(server.arrivals())]
        assert query("select count(*) as n from items where ordinal is not null") <= [{"n": ITEMS}]
        return durability.check_replies(query, exchanges, prices, kills * CONCURRENCY)
    return look


@pytest.fixture
def finish(mock, run_confab, query, check):
    """finish(name, *servers): the run goes on where nothing goes wrong any more, and ends well."""
    def go_on(name, *servers, kills=0):
        before = [exchange for server in servers
                  for exchange in ledger.exchanges(server.arrivals())]
        quiet = mock("usage=varied,seed=2")
        result = run_confab("run", name, server=quiet)
        assert result.code == 0, result
        check(*servers, quiet, kills=kills)
        durability.check_finished(query, ITEMS)

        # Nothing that is stored is asked for again, but what was set aside as of no use.
        served = {row["request_id"] for row in query(
            "select request_id from calls k where state = 'done' and not exists (select 1 from"
            " generation_logs l where l.call = k.id and l.status = 'rejected')")}
        bodies = {exchange.sha256 for exchange in before if exchange.request_id in served}
        assert not bodies & {e.sha256 for e in ledger.exchanges(quiet.arrivals())}
    return go_on


def none_is_in_flight(query):
    return query("select count(*) as n from calls where state = 'sent'") == [{"n": 0}]


# --- what the service does ---

@pytest.mark.threads
@pytest.mark.parametrize("faults", RIDDEN_OUT + [ALL_AT_ONCE])
def test_a_run_finishes_in_spite_of(faults, mock, script, run_confab, query, check):
    server = mock(f"usage=varied,trickle=60ms,faults={faults}")
    result = run_confab("run", script(PIPELINE), *IMPATIENT, server=server)
    assert result.code == 0, result
    assert check(server) == 0
    durability.check_finished(query, ITEMS)
    met = {exchange.fault for exchange in ledger.exchanges(server.arrivals())}
    asked_for = set(re.findall(r"(?:^|;)(\w+)", faults))
    assert met & asked_for and (len(asked_for) == 1 or len(met & asked_for) > 8), met


@pytest.mark.threads
def test_killed_amid_all_faults_at_once(mock, script, start_confab, query, check, finish):
    server = mock(f"usage=varied,trickle=60ms,latency=uniform:0:6,faults={ALL_AT_ONCE}")
    name = script(PIPELINE)
    for kill in range(1, 4):
        running = start_confab("run", name, *IMPATIENT, server=server)
        server.wait_for_arrivals(10 * kill)
        running.signal(signal.SIGKILL)
        running.wait()
        durability.check_rows(query)
    finish(name, server, kills=3)


@pytest.mark.parametrize("faults", OF_THE_ITEM)
def test_an_item_fails_and_the_others_go_on(faults, mock, script, run_confab, query, check):
    server, name = mock(f"usage=varied,faults={faults}"), script(PIPELINE)
    result = run_confab("run", name, server=server)
    assert result.code == 1, result
    assert check(server) == 0
    run, = query("select planned, accepted, needs_revision, failed from run_view")
    assert run["planned"] == ITEMS == run["accepted"] + run["needs_revision"] + run["failed"]
    assert 1 < run["failed"] < ITEMS / 2

    quiet = mock("usage=varied,seed=2")
    result = run_confab("resume", "--failed", server=quiet)
    assert result.code == 0, result
    assert len(ledger.exchanges(quiet.arrivals())) == run["failed"]
    assert check(server, quiet) == 0
    durability.check_finished(query, ITEMS)


@pytest.mark.threads
@pytest.mark.parametrize("fault", OF_THE_RUN)
def test_a_run_stops_at_what_every_call_would_meet(fault, mock, script, run_confab, query, check,
                                                   finish):
    server = mock(f"usage=varied,latency=uniform:0:6,faults={fault}@11-100000")
    name = script(PIPELINE)
    result = run_confab("run", name, server=server)
    assert result.code == 4, result
    assert len(re.findall("^confab: .*(key|model|address|limit)", result.err, re.M)) == 1, result
    assert check(server) == 0 and none_is_in_flight(query)
    assert len(ledger.exchanges(server.arrivals())) <= 10 + CONCURRENCY
    assert query("select state from items where state not in ('done', 'pending')") == []
    finish(name, server)


def test_a_service_that_always_fails_is_waited_for_and_costs_no_item(mock, script, start_confab,
                                                                     query, check, finish):
    server, name = mock("faults=500"), script(PIPELINE)
    running = start_confab("run", name, 2, server=server)
    running.wait_for("the service is away")
    running.signal(signal.SIGINT)
    assert running.wait() == 130, running.output
    assert check(server) == 0 and none_is_in_flight(query)
    assert query("select count(*) as n from items where state <> 'pending'") == [{"n": 0}]
    finish(name, server)


# --- what the machine does ---

@pytest.mark.threads
def test_a_database_that_another_process_holds_is_waited_for(mock, script, start_confab, query, folder,
                                                             check):
    server = mock("usage=varied,latency=uniform:20:60")
    running = start_confab("run", script(PIPELINE), server=server)
    server.wait_for_arrivals(6)
    holder = sqlite3.connect(folder / "confab.db", timeout=20, isolation_level=None)
    holder.execute("begin immediate")
    arrived = len(ledger.exchanges(server.arrivals()))
    time.sleep(LOCKED_S)
    assert running.process.poll() is None, running.output
    assert len(ledger.exchanges(server.arrivals())) <= arrived + CONCURRENCY    # their rows were there
    holder.execute("rollback")
    holder.close()
    assert running.wait() == 0, running.output
    assert check(server) == 0
    durability.check_finished(query, ITEMS)


@pytest.mark.threads
def test_a_full_disk_loses_no_reply_once_it_has_room_again(mock, script, start_confab, query, folder,
                                                           check, finish):
    server = mock("usage=varied,latency=fixed:150")
    name = script(PIPELINE)
    running = start_confab("run", name, server=server)
    server.wait_for_arrivals(8)
    # A file at its limit is like a disk that is full, and the limit can be lifted from outside.
    _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    size = (folder / "confab.db-wal").stat().st_size
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, most))
    running.wait_for("free some space|replies are kept")
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (most, most))
    assert running.wait() in (0, 4), running.output
    assert check(server) == 0 and none_is_in_flight(query)
    finish(name, server)


@pytest.fixture
def small_disk(folder):
    """A folder on a small file system of its own, if we may make one."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", disk],
                          capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("needs the right to mount")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_small_file_system_that_was_full_for_a_while(small_disk, mock, script, start_confab,
                                                       run_confab, query, prices):
    server, name = mock("usage=varied,latency=fixed:150"), script(PIPELINE)
    running = start_confab("run", name, "--db", "disk/confab.db", server=server)
    server.wait_for_arrivals(8)
    with pytest.raises(OSError), open(small_disk / "rest", "wb", buffering=0) as rest:
        while rest.write(bytes(1 << 20)) == 1 << 20:
            pass
        while True:
            rest.write(bytes(4096))
    running.wait_for("free some space|replies are kept|disk|room")
    (small_disk / "rest").unlink()
    assert running.wait() in (0, 4), running.output

    def ask(sql):
        return query(sql, db="disk/confab.db")
    durability.check_rows(ask)
    quiet = mock("usage=varied,seed=2")
    assert run_confab("run", name, "--db", "disk/confab.db", server=quiet).code == 0
    durability.check_rows(ask)
    durability.check_finished(ask, ITEMS)
    exchanges = [exchange for each in (server, quiet) for exchange in
                 ledger.exchanges(each.arrivals())]
    assert durability.check_replies(ask, exchanges, prices, 0) == 0


@pytest.fixture
def clock(root, tmp_path):
    """clock.env for a confab whose wall clock shows clock.jump(seconds) more from then on."""
    if confab_process.SLOWED != 1:
        pytest.skip("sanitizers want to be loaded first")
    shim, moved = tmp_path / "clock_jump.so", tmp_path / "jump"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, root / "tests/support/clock_jump.c"], check=True)

    class Clock:
        env = {"LD_PRELOAD": str(shim), "CONFAB_CLOCK_JUMP": str(moved)}

        @staticmethod
        def jump(seconds):
            moved.write_text(str(seconds))
    Clock.jump(0)
    return Clock


@pytest.mark.parametrize("jumps", [(86400,), (-86400,), (3600, -7200, 31536000)])
def test_a_clock_that_jumps_changes_nothing_but_dates(jumps, clock, mock, script, start_confab, query, check):
    server = mock("usage=varied,latency=uniform:20:60,faults=500:10%;429@9;reset:5%")
    running = start_confab("run", script(PIPELINE), server=server, env=clock.env)
    for number, seconds in enumerate(jumps, 1):
        server.wait_for_arrivals(6 * number)
        clock.jump(seconds)
    assert running.wait(20) == 0, running.output
    assert check(server) == 0
    durability.check_finished(query, ITEMS)
    seen = query("select max(julianday(created_at)) - min(julianday(created_at)) as days from generation_logs")
    assert seen[0]["days"] * 86400 > 3000           # it did jump
    assert query("select count(*) as n from calls where latency_ms not between 1 and 10000") == [{"n": 0}]


@pytest.mark.threads
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_run_with_all_that_was_paid_for(number, mock, script, start_confab, query,
                                                          check, finish):
    server = mock("usage=varied,latency=uniform:20:60")
    name = script(PIPELINE)
    running = start_confab("run", name, server=server)
    server.wait_for_arrivals(10)
    running.signal(number)
    if number == signal.SIGHUP:
        running.signal(number)          # a shell sends it too; that gives nothing up
    assert running.wait() == 130, running.output
    assert query("select state from runs") == [{"state": "interrupted"}]
    assert check(server) == 0 and none_is_in_flight(query)
    assert query("select sum(at_risk_pico) as n from calls") == [{"n": 0}]
    finish(name, server)


def test_a_hangup_that_is_ignored_stays_ignored(mock, script, start_confab, query, check):
    server = mock("usage=varied,latency=uniform:10:20")
    running = start_confab("run", script(PIPELINE), server=server,
                           under=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    server.wait_for_arrivals(5)
    running.signal(signal.SIGHUP)
    assert running.wait() == 0, running.output
    assert check(server) == 0
    durability.check_finished(query, ITEMS)


def test_a_pipe_signal_is_ignored(mock, script, start_confab, query, check):
    server = mock("usage=varied,latency=uniform:10:20")
    running = start_confab("run", script(PIPELINE), server=server)
    server.wait_for_arrivals(5)
    running.signal(signal.SIGPIPE)
    assert running.wait() == 0, running.output
    assert check(server) == 0
    durability.check_finished(query, ITEMS)


def test_a_terminal_that_goes_away_ends_the_run_in_good_order(mock, script, confab_env, folder, query,
                                                              check, finish):
    server = mock("usage=varied,latency=uniform:20:60")
    name = script(PIPELINE)
    ours, theirs = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen([confab_process.binary(), "run", name], cwd=folder,
                               env=confab_env(server, TERM="xterm"), stdin=theirs, stdout=theirs,
                               stderr=theirs, preexec_fn=take_terminal)
    os.close(theirs)
    server.wait_for_arrivals(10)
    os.close(ours)
    assert process.wait(60 * confab_process.SLOWED) == 130
    assert query("select state from runs") == [{"state": "interrupted"}]
    assert check(server) == 0 and none_is_in_flight(query)
    finish(name, server)


@pytest.mark.parametrize("closed,code", [("0<&-", 0), ("1>&-", 4), ("2>&-", 0), ("0<&- 1>&- 2>&-", 4)])
def test_a_closed_stream_harms_no_file(closed, code, mock, script, run_confab, query, check, finish):
    server, name = mock("usage=varied"), script(PIPELINE)
    result = run_confab("run", name, server=server,
                        under=["sh", "-c", f'exec "$@" {closed}', "sh"])
    assert result.code == code, result
    assert check(server) == 0
    durability.check_finished(query, ITEMS)
    finish(name, server)


def test_what_is_printed_to_closed_streams_lands_in_no_file_of_the_script(run_confab, script, folder):
    name = script("""
        local file = assert(io.open("mine.txt", "w"))
        print("for standard output")
        io.stderr:write("for standard error\\n")
        io.stdout:flush()
        file:write("mine\\n")
        file:close()
    """)
    result = run_confab("run", name, under=["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"])
    assert result.code == 4, result
    assert (folder / "mine.txt").read_text() == "mine\n"
