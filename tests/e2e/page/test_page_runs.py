"""The views Runs, Run and Compare, and the frame around them, in Chromium."""
import re

import pytest

TEMPLATES = """
    local chat = confab.template {
      name = "chat", tier = "scenario", max_tokens = 1024,
      prompt = "Write a chat of {{turns}} turns about {{topic}} with {{persona}}.",
    }
    confab.setup {
      limits = { max_requests = 100000, pacing = "burst" },
      retry = { max_attempts = 2, base_delay_ms = 1, jitter_ms = 0 },
    }
    local function people(n, topic)
      local list = {}
      for i = 1, n do list[i] = { persona = "person " .. i, topic = topic, turns = 8 } end
      return list
    end
"""
SITE = {
    "lua": TEMPLATES + """
        confab.run { name = "refunds", items = people(60, "refunds"), template = chat, concurrency = 10 }
        confab.run { name = "deliveries", items = people(30, "<b>deliveries</b>"), template = chat, concurrency = 10 }
    """,
    "spec": "latency=uniform:2:40,quality=mixed,faults=refusal:8%;500:4%",
    "runs": ("refunds", "deliveries"),
}
LIVE = TEMPLATES + """
    confab.run { name = "slow", items = people(400, "tea"), template = chat, concurrency = 4 }
"""
LIVE_SPEC = "latency=fixed:60"


def figure(browser, name, within="main"):
    """The value of a figure such as Items, as it reads."""
    return browser.run("""
        const found = [...document.querySelectorAll(arguments[1] + " .figures div")]
            .find((each) => each.querySelector("dt").textContent === arguments[0]);
        return found?.querySelector("dd").textContent ?? null;""", name, within)


def number(text):
    """The first number in a text such as "1,234 of 5,000"."""
    found = re.search(r"\d[\d,]*", text or "")
    return int(found[0].replace(",", "")) if found else 0


def share_done(browser):
    return int(browser.run("return document.querySelector('.progress').getAttribute('aria-valuenow')"))


# --- Runs ---

def test_a_run_is_seen_to_go_on_without_a_reload(browser, serve):
    site = serve(LIVE, spec=LIVE_SPEC)
    browser.open(site.url)
    assert "No runs yet" in browser.text()
    browser.wait(lambda: browser.text("#live") == "live")
    browser.run("window.wasHere = true")

    browser.button("Start slow").click()
    browser.wait(lambda: number(figure(browser, "Done", ".card")) > 0)
    assert not browser.has("#defined")
    assert browser.text(".card h3") == "slow"
    seen = []
    for _ in range(3):
        seen.append(number(figure(browser, "Done", ".card")))
        browser.wait(lambda: number(figure(browser, "Done", ".card")) > seen[-1])
    assert "/ min" in browser.wait(lambda: re.search(r"\d+ / min", figure(browser, "Rate", ".card") or "")).string
    assert figure(browser, "Cost", ".card").startswith("$0.")
    browser.wait(lambda: re.search(r"\d+ s", figure(browser, "Time left", ".card") or ""))
    browser.wait(lambda: browser.has(".lane"))
    assert browser.survey("runs-live") == []

    id = browser.find(".card h3 a").get_attribute("href").rsplit("/", 1)[1]
    site.client.post(f"/api/runs/{id}/cancel")
    browser.wait(lambda: browser.has(".runs tbody tr") and not browser.has(".card"))
    assert "slow" in browser.text(".runs tbody tr")
    assert browser.run("return window.wasHere") is True
    assert browser.complaints() == []


def test_a_run_of_another_process_is_seen_too(browser, serve, start_confab, write):
    site = serve(LIVE, spec=LIVE_SPEC)
    browser.open(site.url)
    write("other.lua", 'local confab = require "confab"\n' + LIVE.replace('"slow"', '"elsewhere"'))
    process = start_confab("run", "other.lua", f"--simulate={LIVE_SPEC}", "--progress", "none")
    browser.wait(lambda: browser.text(".card h3") == "elsewhere")
    before = number(figure(browser, "Done", ".card"))
    browser.wait(lambda: number(figure(browser, "Done", ".card")) > before)
    process.signal()
    process.wait()
    browser.wait(lambda: "Interrupted" in browser.text(".runs"))
    assert browser.complaints() == []


def test_runs_are_listed_with_what_they_came_to(browser, served):
    browser.open(served.url, "#/runs")
    rows = browser.texts(".runs tbody tr")
    assert len(rows) == 2
    assert rows[0].startswith("deliveries") and rows[1].startswith("refunds")
    assert "Done" in rows[1] and "60 of 60" in rows[1] and "simulated" in rows[1]
    run = served.run(served.runs["refunds"])
    assert f"${run['progress']['spent']:.2f}"[:4] in rows[1]
    assert browser.survey("runs") == []
    assert browser.complaints() == []


def test_the_first_view_is_there_at_once(browser, served):
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.open(served.url)
    took = browser.run("""
        const page = performance.getEntriesByType("navigation")[0];
        const last = performance.getEntriesByType("resource").filter((each) => each.name.includes("/api/runs"))[0];
        return {loaded: page.loadEventEnd, shown: last.responseEnd,
                painted: performance.getEntriesByType("paint").find((each) => each.name === "first-contentful-paint")?.startTime};""")
    print(f"first view: loaded after {took['loaded']:.0f} ms, painted after {took['painted']:.0f} ms, "
          f"runs there after {took['shown']:.0f} ms")
    assert took["shown"] < 2000 and took["loaded"] < 2000


# --- Run ---

def test_a_run_shows_how_it_went(browser, served):
    id = served.runs["refunds"]
    run = served.run(id)
    browser.open(served.url, f"#/runs/{id}")
    assert browser.text("h1") == "refunds"
    assert browser.run("return document.title") == "refunds · confab"
    assert number(figure(browser, "Items")) == 60
    assert number(figure(browser, "Attempts")) == run["progress"]["attempts"]
    assert share_done(browser) == 100

    browser.wait(lambda: len(browser.all(".plot svg")) == 4)
    assert len(browser.all(".plot rect.bin")) > 3
    assert len(browser.all(".plot path.curve")) == 4
    titles = browser.texts(".plot figcaption")
    assert [title.split(" ")[0] for title in titles] == ["Quality", "Latency", "Cost", "Items"]
    scored = browser.run("""
        return [...document.querySelectorAll(".plot")[0].querySelectorAll("tbody td")]
            .reduce((sum, cell) => sum + Number(cell.textContent), 0)""")
    assert scored == run["progress"]["accepted"] + run["progress"]["needsRevision"]

    alike = served.client.get(f"/api/runs/{id}/failures").json["data"]
    shown = browser.text(".kinds").replace("\n", " ")
    for kind in {each["kind"] for each in alike}:
        groups = [each for each in alike if each["kind"] == kind]
        assert shown.count(kind) == 1 and f"{kind} {sum(each['count'] for each in groups)} item" in shown
        assert all(each["message"] in shown for each in groups[:3])
    assert "declined" in browser.text(".kinds")
    assert browser.survey("run") == []
    assert browser.complaints() == []


def test_its_items_are_filtered_by_state_and_the_address_keeps_it(browser, served):
    id = served.runs["refunds"]
    failed = served.run(id)["progress"]["failed"]
    assert failed > 0
    browser.open(served.url, f"#/runs/{id}")
    browser.wait(lambda: len(browser.all(".items tbody tr")) == 50)
    browser.button("Show more").click()
    browser.wait(lambda: len(browser.all(".items tbody tr")) == 60)

    browser.button(f"Failed {failed}").click()
    browser.wait(lambda: len(browser.all(".items tbody tr")) == failed)
    assert all("Failed" in row for row in browser.texts(".items tbody tr"))
    assert browser.run("return location.hash") == f"#/runs/{id}?state=failed"
    browser.driver.back()
    browser.wait(lambda: len(browser.all(".items tbody tr")) == 50)

    browser.open(served.url, f"#/runs/{id}?state=failed")
    browser.wait(lambda: len(browser.all(".items tbody tr")) == failed)
    assert browser.text(".chips [aria-pressed=true]") == f"Failed {failed}"


def test_an_item_leads_to_its_conversation(browser, served):
    id = served.runs["deliveries"]
    browser.open(served.url, f"#/runs/{id}?state=done")
    link = browser.find(".items tbody a")
    assert re.search(rf"#/conversations\?run={id}&id=[0-9a-f-]{{36}}$", link.get_attribute("href"))


def test_what_a_model_or_a_script_wrote_is_text(browser, served):
    browser.open(served.url, f"#/runs/{served.runs['deliveries']}")
    browser.wait(lambda: "<b>deliveries</b>" in browser.text(".items"))
    assert browser.all(".items b") == []


def test_a_run_is_cancelled_and_goes_on_again(browser, serve):
    site = serve(LIVE, spec=LIVE_SPEC)
    id = site.begin("slow")
    browser.open(site.url, f"#/runs/{id}")
    browser.wait(lambda: 0 < number(figure(browser, "Items")) < 400)
    before = number(figure(browser, "Items"))
    browser.wait(lambda: number(figure(browser, "Items")) > before)
    browser.button("Cancel").click()
    browser.button("Resume")
    assert site.run(id)["state"] == "stopped"
    stood = number(figure(browser, "Items"))

    browser.button("Resume").click()
    browser.button("Cancel")
    browser.wait(lambda: number(figure(browser, "Items")) > stood)
    browser.button("Cancel").click()
    browser.button("Resume")
    assert browser.complaints() == []


def test_a_run_that_is_not_there_is_told(browser, served):
    browser.open(served.url, "#/runs/0000")
    assert "Not found" in browser.text() and "there is no such run" in browser.text()
    browser.complaints()     # the browser tells of the 404


# --- Compare ---

def test_two_runs_are_compared_and_the_address_keeps_them(browser, served):
    a, b = served.runs["refunds"], served.runs["deliveries"]
    browser.open(served.url, f"#/runs/{a}")
    browser.button("Compare").click()
    browser.wait(lambda: browser.text("h1") == "Compare")
    browser.find(f"#side-b option[value='run:{b}']").click()
    browser.wait(lambda: len(browser.all(".plot svg")) == 2)
    assert browser.run("return location.hash") == f"#/compare?a=run:{a}&b=run:{b}"
    for name in ("series-0", "series-1"):
        assert len(browser.all(f".plot rect.{name}")) > 2
    text = browser.text(".sides")
    for row in ("Mean score", "Accepted", "Failed", "Cost per conversation", "Latency, median"):
        assert row in text
    assert f"${served.run(a)['progress']['spent']:.2f}"[:4] in text

    browser.button("Swap").click()
    browser.wait(lambda: browser.run("return location.hash") == f"#/compare?a=run:{b}&b=run:{a}")
    browser.open(served.url, f"#/compare?a=run:{a}&b=run:{b}")
    browser.wait(lambda: len(browser.all(".plot svg")) == 2)
    assert browser.texts(".sides thead a") == ["refunds", "deliveries"]
    assert browser.survey("compare") == []
    assert browser.complaints() == []


def test_versions_of_templates_are_compared(browser, serve):
    site = serve(SITE["lua"], spec=SITE["spec"])
    site.finish("refunds")
    site.stop()
    again = serve(SITE["lua"].replace("Write a chat", "Please write a chat"), spec=SITE["spec"])
    again.finish("deliveries")
    versions = again.client.get("/api/templates").json["data"]
    assert [each["version"] for each in versions] == [2, 1]
    browser.open(again.url, f"#/compare?a=template:{versions[1]['id']}&b=template:{versions[0]['id']}")
    browser.wait(lambda: len(browser.all(".plot svg")) == 2)
    assert browser.texts(".sides thead a") == ["chat v1", "chat v2"]
    assert "Mean score" in browser.text(".sides")
    assert browser.complaints() == []


def test_nothing_chosen_says_what_to_do(browser, served):
    browser.open(served.url, "#/compare")
    assert "Choose two runs" in browser.text()
    assert browser.survey("compare-empty") == []
