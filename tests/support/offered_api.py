"""Servers for the tests of the API's description: each started when it is first asked for, kept for the module.

What they offer fits the examples of the description: the template `refund-chat`, the run `refunds`.
"""
import signal
import threading
import time

import confab_process
from http_client import client_of

ONE = "/api/conversations/generate"
BATCH = "/api/conversations/generate-batch"
TOKEN = "correct horse battery"

SCRIPT = """
    local confab = require "confab"
    confab.setup { limits = { %s }, retry = { base_delay_ms = 0, jitter_ms = 0 } }
    local chat = confab.template {
      name = "refund-chat", tier = "scenario", max_tokens = 2048, system = "You are an agent of {{shop}}.",
      prompt = "Write a chat between {{persona}}, who feels {{emotion}}, and an agent, about {{topic}}.", strict = false,
    }
    confab.template {
      name = "faulty", tier = "scenario", prompt = "{{fault}}",
      lambdas = { fault = function() error "a mistake in the script" end },
    }
    local items = {}
    for i = 1, 3 do items[i] = { persona = "person " .. i, emotion = "calm", topic = "tea" } end
    confab.run { name = "refunds", items = items, template = chat }
    confab.run { name = "failing", items = items, step = function() error "no" end }
    local many = {}
    for i = 1, 30 do many[i] = { persona = "person " .. i, emotion = "calm", topic = "tea" } end
    confab.run {
      name = "alerted", items = many, template = chat, concurrency = 10, tries = 3, budget = 1000, alert_at = { 0.000001 },
    }
    confab.run { name = "told", items = { { topic = "tea" } }, step = function(item)
      confab.ask { prompt = "Write about " .. item.topic, max_tokens = 500, on_text = function() end }
    end }
"""

# Of an earlier day, with another prompt: its conversations are older versions of those of `refunds`.
EARLIER = SCRIPT.replace("Write a chat between", "Write a dialogue between")

PLENTY = 'max_requests = 1000000, pacing = "burst"'

# name: options, limits, SPEC of a mock of the provider (None: the simulator inside)
SERVERS = {
    "plain": ((), PLENTY, None),
    "guarded": (("--token", TOKEN), PLENTY, None),
    "poor": (("--budget", "0.000001"), PLENTY, None),
    "refusing": ((), 'max_requests = 1, window_ms = 600000, enable_queue = false', None),
    "narrow": ((), 'max_requests = 1, window_ms = 600000, pacing = "burst"', None),
    "failing": ((), PLENTY, "rpm=100000,faults=401:100%"),
    "troubled": (("--simulate=latency=fixed:5,faults=500@2-4;429@12-12",), PLENTY, None),
    "away": (("--simulate=latency=fixed:1,faults=529", "--drain", "0"), PLENTY, None),
    "stopping": (("--drain", "60"), PLENTY, "rpm=100000,latency=fixed:20000"),
}


def asked(**fields):
    return {"templateId": "refund-chat", "persona": "Ann, a nurse", "emotion": "worried", "topic": "refunds",
            "tier": "scenario", "parameters": {}} | fields


class Servers:
    def __init__(self, folder):
        self.folder = folder
        self.started = {}
        self.processes = []

    def __getitem__(self, name):
        """The client of that server."""
        if name not in self.started:
            self.started[name] = self._start(name)
        return self.started[name]

    def _start(self, name):
        options, limits, spec = SERVERS[name]
        folder, home = self.folder / name, self.folder / f"{name}-home"
        folder.mkdir()
        home.mkdir()
        (folder / "offered.lua").write_text(SCRIPT % limits, encoding="utf-8")
        if name == "plain":
            self._run_earlier(folder, home, EARLIER % limits)
        server = None
        if spec:
            server = confab_process.Mock(spec, (), self.folder / name, confab_process.environment(home))
            self.processes.append(server)
        elif not any(option.startswith("--simulate") for option in options):
            options = ("--simulate", *options)
        process = confab_process.Background(("serve", "offered.lua", "--port", "0", *options), folder,
                                            confab_process.environment(home, server))
        self.processes.append(process)
        client = client_of(process)
        if name == "stopping":
            self._stop(client, process, server)
        return client

    def _run_earlier(self, folder, home, lua):
        (folder / "earlier.lua").write_text(lua, encoding="utf-8")
        result = confab_process.run(("run", "earlier.lua", "--simulate"), folder, confab_process.environment(home))
        assert result.code == 1, result    # the run `failing` fails

    def _stop(self, client, process, mock):
        """Begins to end it, while a call is in flight: from then on it takes nothing."""
        client.post(ONE, asked(**{"async": True}))
        mock.wait_for_arrivals(1)
        process.signal(signal.SIGTERM)
        until(lambda: client.get("/readyz").status == 503)

    def stop(self):
        """Ends all in good order, but for the one that is ending already."""
        for process in self.processes:
            process.signal(signal.SIGTERM)
        for process in self.processes:
            if "60" not in process.process.args:
                assert process.wait() == 0, process.output

    def close(self):
        for process in reversed(self.processes):
            process.close()


class Later:
    """A request whose reply is waited for later."""

    def __init__(self, work):
        self.reply = None
        self.thread = threading.Thread(target=lambda: setattr(self, "reply", work()), daemon=True)
        self.thread.start()

    def wait(self):
        self.thread.join(60 * confab_process.SLOWED)
        assert self.reply is not None, "no reply came"
        return self.reply


def until(is_so):
    """Waits for it; gives what it gave."""
    deadline = time.monotonic() + 60 * confab_process.SLOWED
    while True:
        found = is_so()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
