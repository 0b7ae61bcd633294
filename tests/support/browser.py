"""Debian's Chromium, headless, as the tests of the page use it. Waits are conditions, never sleeps.

    browser.open(url, "#/runs")
    browser.wait(lambda: "Done" in browser.text("main"))
    assert browser.survey("runs") == []      # both widths and themes: axe, sideways scrolling, a picture
    assert browser.complaints() == []        # what the console was told
"""
import os
import pathlib
import time

import pytest

import confab_process

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:       # conftest.py skips what needs it
    webdriver = None

CHROMIUM, DRIVER = pathlib.Path("/usr/bin/chromium"), pathlib.Path("/usr/bin/chromedriver")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage")
SHOTS = confab_process.ROOT / "build" / "screenshots"
SIZES, THEMES = (400, 1600), ("light", "dark")
HEIGHT, HEIGHT_MAX = 1000, 5000
WAIT_S = 20

# A view is there when the frame has put it into sight.
IS_SHOWN = """return document.querySelector("main:not([aria-busy]) h1") !== null"""
AXE = """
    const done = arguments[0];
    axe.run(document, {resultTypes: ["violations"]}).then((found) => done(found.violations
        .filter((each) => each.impact === "serious" || each.impact === "critical")
        .map((each) => `${each.id} (${each.impact}): ${each.nodes.map((node) => node.target.join(" ") + ": " +
            node.failureSummary).join("; ")}`)), (error) => done([String(error)]));
"""


def missing():
    """Why there is no browser here; None if there is one."""
    if webdriver is None:
        return "needs python3-selenium"
    if not CHROMIUM.exists() or not DRIVER.exists():
        return "needs chromium and chromium-driver"
    return None


def axe_source():
    """The text of axe-core, which the test set-up has installed from tests/e2e/page/package-lock.json."""
    folder = pathlib.Path(os.environ.get("CONFAB_PAGE_TOOLS") or confab_process.ROOT / "build" / "page-tools")
    path = folder / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text(encoding="utf-8") if path.is_file() else None


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, profile):
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={SIZES[-1]},{HEIGHT}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        self.driver.set_script_timeout(WAIT_S * confab_process.SLOWED)
        self.axe_source = axe_source()

    def close(self):
        self.driver.quit()

    # --- going somewhere ---

    def open(self, url, place="", is_shown=True):
        """Loads the page anew, at "#/runs" and the like, and waits for the view."""
        self.driver.get("about:blank")
        self.driver.get(url.rstrip("/") + "/" + place)
        if is_shown:
            self.wait_for_view()

    def go(self, place):
        """Goes to another view of the page that is open."""
        self.run("location.hash = arguments[0]", place)
        self.wait_for_view()

    def wait_for_view(self):
        self.wait(lambda: self.run(IS_SHOWN))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    # --- waiting and looking ---

    def wait(self, condition, seconds=WAIT_S):
        """Waits until condition() is true; gives what it gave. An element that has just gone is no error."""
        until = time.monotonic() + seconds * confab_process.SLOWED
        while True:
            try:
                found = condition()
            except StaleElementReferenceException:
                found = None
            if found:
                return found
            assert time.monotonic() < until, f"waited in vain on:\n{self.text('body')}"
            time.sleep(0.05)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def find(self, css):
        """The first such element that is in sight; waits for it."""
        return self.wait(lambda: next((each for each in self.all(css) if each.is_displayed()), None))

    def has(self, css):
        return any(each.is_displayed() for each in self.all(css))

    def text(self, css="main"):
        """What can be read there; '' if there is nothing."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css)

    def texts(self, css):
        """What can be read in each such element, at one moment."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)", css)

    def press(self, *keys):
        """Types keys to whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def button(self, text, within="body"):
        """The button with exactly this text or label, brought into the middle: the header would lie over it."""
        found = self.wait(lambda: next((
            each for each in self.all(f"{within} button, {within} a.button")
            if each.is_displayed() and text in (each.text, each.get_attribute("aria-label"))), None))
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
        return found

    def complaints(self):
        """Errors and warnings of the console since it was last asked: a script's, the policy's, the network's."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING")]

    # --- how it looks ---

    def size(self, width, height=HEIGHT):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def theme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def scrolls_sideways(self):
        return self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def axe(self):
        """What axe-core finds that is serious or critical, in the theme and width of the moment. Skips the
        test where axe-core could not be had."""
        if self.axe_source is None:
            pytest.skip("needs axe-core, which scripts/test installs with npm")
        self.run(self.axe_source + "\nwindow.axe = axe;")
        return self.driver.execute_async_script(AXE)

    def shot(self, name):
        """A picture of the whole page, kept in build/screenshots/."""
        width = self.run("return innerWidth")
        height = self.run("return document.documentElement.scrollHeight")
        self.size(width, min(max(height, HEIGHT), HEIGHT_MAX))
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))
        self.size(width)

    def survey(self, name):
        """Looks at the view in both widths and themes: pictures NAME-WIDTH-THEME.png; gives what is wrong."""
        wrong = []
        looks = [(width, theme) for width in SIZES for theme in THEMES]
        for width, theme in looks:
            self.look(width, theme)
            if self.scrolls_sideways():
                wrong.append(f"{width} px, {theme}: scrolls sideways")
            self.shot(f"{name}-{width}-{theme}")
        assert wrong == []
        for width, theme in looks:
            self.look(width, theme)
            wrong += [f"{width} px, {theme}: {each}" for each in self.axe()]
        self.look(SIZES[-1], THEMES[0])
        return wrong

    def look(self, width, theme):
        self.size(width)
        self.theme(theme)
