"""What is around the views: going from one to another, the token, the theme, keys, the live connection."""
import pytest

SITE = {
    "lua": """
        local chat = confab.template { name = "chat", tier = "scenario", max_tokens = 1024, prompt = "Chat about {{topic}}." }
        confab.run { name = "chats", items = { { topic = "tea" }, { topic = "rain" } }, template = chat }
    """,
    "runs": ("chats",),
}
TOKEN = "a long token of ours"


def focused(browser):
    return browser.run("return document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()")


def test_a_view_is_reached_and_told_to_those_who_do_not_see_it(browser, served):
    browser.open(served.url)
    assert browser.run("return document.title") == "Runs · confab"
    assert browser.text("nav [aria-current=page]") == "Runs"
    browser.find("nav a[href='#/compare']").click()
    browser.wait(lambda: browser.run("return document.title") == "Compare · confab")
    assert browser.text("nav [aria-current=page]") == "Compare"
    assert focused(browser) == "H1 Compare"
    browser.driver.back()
    browser.wait(lambda: focused(browser) == "H1 Runs")


def test_keys_lead_to_the_views_and_are_listed(browser, served):
    browser.open(served.url)
    browser.press("g", "m")
    browser.wait(lambda: browser.text("h1") == "Compare")
    browser.press("g", "r")
    browser.wait(lambda: browser.text("h1") == "Runs")
    browser.press("?")
    browser.wait(lambda: browser.has("#help"))
    assert "Compare" in browser.text("#help")
    assert browser.axe() == []
    browser.press("ESCAPE")
    browser.wait(lambda: not browser.has("#help"))


def test_the_content_can_be_skipped_to(browser, served):
    browser.open(served.url)
    browser.press("TAB")
    assert focused(browser) == "A Skip to the content"
    browser.press("ENTER")
    assert browser.run("return document.activeElement.id") == "view"
    assert browser.text("h1") == "Runs"


def test_a_theme_that_was_chosen_stays(browser, served):
    def ground():
        return browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.open(served.url)
    light = ground()
    browser.button("Dark theme").click()
    dark = ground()
    assert dark != light
    browser.open(served.url)
    assert ground() == dark
    browser.button("Light theme").click()
    assert ground() == light


def test_a_token_is_asked_for_once(browser, serve):
    site = serve(SITE["lua"], "--token", TOKEN)
    browser.open(site.url, "#/compare", is_shown=False)
    browser.wait(lambda: browser.text("h1") == "Log in")
    assert browser.run("return document.activeElement.id") == "token"
    assert "chats" not in browser.text("body")
    assert browser.survey("log-in") == []
    browser.find("#token").send_keys("a wrong one")
    browser.press("ENTER")
    browser.wait(lambda: "This is not the token" in browser.text())
    browser.find("#token").send_keys(TOKEN)
    browser.press("ENTER")
    browser.wait(lambda: browser.text("h1") == "Compare")
    browser.wait(lambda: browser.text("#live") == "live")
    assert TOKEN not in browser.run("return document.cookie + JSON.stringify(localStorage) + location.href")
    assert not [each for each in browser.complaints() if "401" not in each]

    browser.open(site.url)
    assert browser.text("h1") == "Runs"
    browser.button("Log out").click()
    browser.wait(lambda: browser.text("h1") == "Log in")


def test_a_server_that_goes_away_is_told_and_found_again(browser, serve):
    site = serve(SITE["lua"])
    port = site.url.rsplit(":", 1)[1].rstrip("/")
    browser.open(site.url)
    browser.wait(lambda: browser.text("#live") == "live")
    site.stop()
    browser.wait(lambda: browser.text("#live") == "not live")
    browser.wait(lambda: "does not answer" in browser.text())
    again = serve(SITE["lua"], "--port", port)
    browser.wait(lambda: browser.text("#live") == "live")
    browser.wait(lambda: "does not answer" not in browser.text())
    again.finish("chats")
    browser.wait(lambda: "chats" in browser.text())
    browser.complaints()


def test_the_policy_keeps_scripts_and_styles_out_that_are_not_its_own(browser, served):
    browser.open(served.url)
    browser.run("""
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.querySelector("h1").setAttribute("style", "display: none");
        document.querySelector("h1").setAttribute("onclick", "window.ran = true");
        document.querySelector("h1").click();
        fetch("http://127.0.0.1:9/").catch(() => { window.refused = true; });""")
    browser.wait(lambda: browser.run("return window.refused"))
    assert browser.run("return window.ran") is None
    assert browser.find("h1").is_displayed()
    said = "\n".join(browser.complaints())
    for directive in ("script-src", "style-src", "connect-src"):
        assert directive in said


def test_axe_finds_what_is_wrong(browser, served):
    browser.open(served.url)
    browser.run("""
        const wrong = document.createElement("button");
        document.querySelector("main").append(wrong);""")
    assert [each.split(" ")[0] for each in browser.axe()] == ["button-name"]


@pytest.mark.parametrize("place", ["#/nothing", "#/", "", "#/runs/", "#/%zz"])
def test_an_address_that_means_nothing_leads_to_the_runs(browser, served, place):
    browser.open(served.url, place)
    assert browser.text("h1") == "Runs"
    assert browser.complaints() == []
