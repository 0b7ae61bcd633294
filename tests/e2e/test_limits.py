"""What a run learns of the provider's limits from its replies, and keeps for the next."""
import re

import example_run

PIPELINE = """
    local items = {}
    for n = 1, tonumber(arg[1]) do items[n] = { n = n } end
    confab.run {
      items = items,
      template = confab.template { name = "t", prompt = "Write a chat of 8 turns with {{n}}." },
      on_item = function()
        local status = confab.rate_limit_status()
        if not told then print(status.limit, status.source) end
        told = true
      end,
    }
"""


def test_the_headers_replace_the_default_and_start_the_next_run(mock, run_confab, script, query):
    server = mock("rpm=6000")
    name = script(PIPELINE)

    # 120 calls at the default of 50 a minute would take over two minutes.
    first = run_confab("run", name, "120", server=server, timeout=40)
    assert first.code == 0, first
    assert first.out == "6000\theader\n"
    lanes = query("SELECT base_url, limit_class, max_requests, window_ms, source FROM lanes")
    assert lanes == [{"base_url": server.url + "/v1", "limit_class": "claude-sonnet-5-5",
                      "max_requests": 6000, "window_ms": 60000, "source": "header"}]

    # A server that says nothing of limits: what was learnt holds.
    second = run_confab("run", name, "121", server=server)
    assert second.code == 0, second
    assert second.out == "6000\theader\n"
    assert server.stop()["refused"] == 0


def test_that_bursts_pass_is_kept_and_used(mock, run_confab, script, folder, query):
    server, name = mock("rpm=60"), script(PIPELINE)
    assert run_confab("run", name, "1", server=server).code == 0
    example_run.change(folder / "confab.db", "UPDATE lanes SET source = 'header, bursts pass'")
    result = run_confab("run", name, "41", server=server, timeout=30)    # evenly it would take 40 s
    assert result.code == 0, result
    assert query("SELECT source FROM lanes") == [{"source": "header, bursts pass"}]
    assert server.stop()["refused"] == 0


def test_a_limit_of_the_script_is_a_ceiling_that_headers_only_lower(mock, run_confab, script):
    setup = "confab.setup { limits = { max_requests = 3000 } }\n"
    higher, lower = mock("rpm=6000"), mock("rpm=1200")
    name = script(setup + PIPELINE)
    assert run_confab("run", name, "3", server=higher).out == "3000\tconfig\n"
    assert run_confab("run", name, "4", server=lower, env={"CONFAB_DB": "b.db"}).out == "1200\theader\n"


def test_no_lane_is_kept_of_a_simulator(run_confab, script, query):
    result = run_confab("run", "--simulate=rpm=6000", script(PIPELINE), "3")
    assert result.out == "6000\theader\n", result
    assert query("SELECT count(*) AS n FROM lanes") == [{"n": 0}]


def test_keys_of_one_organisation_share_its_limit(mock, run_confab, script):
    server = mock("rpm=600,window=2s")
    name = script("""
        confab.setup {
          limits = { window_ms = 2000 },
          keys = { { name = "a", value = "sk-a" }, { name = "b", value = "sk-b" } },
        }
    """ + PIPELINE)
    result = run_confab("run", name, "150", server=server)
    assert result.code == 0, result
    counters = server.stop()
    assert counters["refused"] == 0
    assert counters["most_in_window"] <= 600


AUTO = """
    local items = {}
    for n = 1, tonumber(arg[1]) do items[n] = { n = n } end
    confab.run {
      items = items, concurrency = tonumber(arg[2]) or arg[2],
      template = confab.template { name = "t", prompt = "Write a chat of 8 turns with {{n}}." },
    }
"""


def most_in_flight(process):
    return max(int(number) for number in re.findall(r'"in_flight":(\d+)', process.output))


def run_auto(start_confab, script, server, items, concurrency):
    process = start_confab("run", script(AUTO), "--progress", "json", items, concurrency, server=server)
    assert process.wait() == 0, process.output
    return process


def test_as_many_calls_are_in_flight_as_the_limit_takes(mock, start_confab, script):
    process = run_auto(start_confab, script, mock("rpm=9000,latency=fixed:1000"), 900, "auto")
    assert 120 <= most_in_flight(process) <= 190          # 150 a second, each for a second
    assert '"held_back":"limit 9000 a minute (header)"' in process.output


def test_without_a_limit_in_sight_there_are_ever_more(mock, start_confab, script):
    process = run_auto(start_confab, script, mock("latency=fixed:1000"), 900, "auto")
    assert 128 <= most_in_flight(process) <= 512
    assert re.search(r'"held_back":"concurrency (128|256|512)"', process.output), process.output


def test_a_set_number_caps_what_the_limit_would_take(mock, start_confab, script):
    process = run_auto(start_confab, script, mock("rpm=9000,latency=fixed:300"), 100, 7)
    assert most_in_flight(process) == 7
    assert '"held_back":"concurrency 7"' in process.output
