"""Fixtures of the browser tests: the page of `confab serve` in headless Chromium, against the simulator.

    def test_a_run_is_shown(browser, serve):
        site = serve(LUA)
        site.begin("chats")
        browser.open(site.url, "#/runs")
"""
import dataclasses
import signal
import tempfile

import pytest

import browser as browsers
import confab_process
from http_client import Client


@dataclasses.dataclass
class Site:
    """A `confab serve` that runs."""
    process: object
    url: str

    @property
    def client(self):
        return Client(self.url)

    def begin(self, name):
        """Starts a run that the script defines, and gives its id."""
        reply = self.client.post("/api/runs", {"name": name})
        assert reply.status == 202, reply
        return reply.json["data"]["runId"]

    def run(self, id):
        return self.client.get(f"/api/runs/{id}").json["data"]

    def finish(self, name):
        """Starts a run and waits until it is over."""
        id = self.begin(name)
        events = self.client.get(f"/api/runs/{id}/events").text     # ends with the run
        assert '"reason":"over"' in events, events[-500:]
        return id

    def stop(self):
        self.process.signal(signal.SIGTERM)
        assert self.process.wait() == 0, self.process.output


def start_site(folder, home, lua, *options, spec=None):
    """Starts `confab serve` over a script in that folder."""
    (folder / "pipeline.lua").write_text('local confab = require "confab"\n' + lua, encoding="utf-8")
    simulate = "--simulate" + (f"={spec}" if spec else "")
    process = confab_process.Background(("serve", "pipeline.lua", simulate, "--port", "0", *options), folder,
                                        confab_process.environment(home))
    return Site(process, process.wait_for(r"listening on (http://\S+)").group(1))


@pytest.fixture(scope="module")
def chromium():
    """One Chromium for the tests of a module."""
    why = browsers.missing()
    if why:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="confab-chromium-", ignore_cleanup_errors=True) as profile:
        started = browsers.Browser(profile)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture
def browser(chromium):
    """The browser, wide and light, at no page; nothing of an earlier test is left in it."""
    chromium.driver.get("about:blank")
    chromium.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    chromium.driver.delete_all_cookies()
    chromium.size(browsers.SIZES[-1])
    chromium.theme(browsers.THEMES[0])
    chromium.complaints()
    yield chromium
    chromium.driver.get("about:blank")


@pytest.fixture
def serve(folder, tmp_path):
    """serve(lua, *options, spec=None) -> a Site over that script; ended with the test."""
    sites = []

    def start(lua, *options, spec=None):
        sites.append(start_site(folder, tmp_path / "home", lua, *options, spec=spec))
        return sites[-1]
    yield start
    for site in sites:
        site.process.close()


@pytest.fixture(scope="module")
def served(request, tmp_path_factory):
    """One Site for the tests of a module, which has SITE = {"lua": …, "spec": …, "runs": [NAME]}, and
    in it the runs of those names, finished."""
    wanted = request.module.SITE
    folder = tmp_path_factory.mktemp("site")
    (folder / "home").mkdir()
    site = start_site(folder, folder / "home", wanted["lua"], spec=wanted.get("spec"))
    try:
        site.runs = {name: site.finish(name) for name in wanted.get("runs", ())}
        yield site
    finally:
        site.process.close()
