"""The view Templates in Chromium: how versions have done, side by side."""
import pytest

VERSION = """
    local chat = confab.template {
      name = "refund-chat", tier = "scenario", max_tokens = 2048, system = "You write chats as JSON.{{! house style }}",
      prompt = "%s{{#facts}}Mention {{facts}}.{{/facts}}",
    }
    confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
    local items = {}
    for i = 1, 20 do items[i] = { persona = "person " .. i, topic = "tea", turns = %d, facts = "the <b>warranty</b>" } end
    confab.run { name = "%s", items = items, template = chat }
"""
FIRST = VERSION % ("Write a long chat of {{turns}} turns about {{topic}}.", 8, "first")
SECOND = VERSION % ("Write a short chat of {{turns}} turns between {{persona}} and an agent about {{topic}}.", 2, "second")


@pytest.fixture
def site(serve):
    """Two versions of one template, each with a run."""
    first = serve(FIRST)
    first.finish("first")
    first.stop()
    second = serve(SECOND + """
        confab.template { name = "a-list", tier = "template", prompt = "{{=<% %>=}}A list: <% topic %> {{not a tag}}" }""")
    second.finish("second")
    return second


def templates(site):
    return {(row["name"], row["version"]): row for row in site.client.get("/api/templates").json["data"]}


def test_all_templates_are_listed_with_how_they_did(browser, site):
    browser.open(site.url, "#/templates")
    text = browser.text(".versions-table")
    assert "refund-chat" in text and "a-list" in text and "v1" in text and "v2" in text
    row = templates(site)["refund-chat", 1]
    first = browser.run("return [...document.querySelectorAll('.versions-table tr')].at(-1).innerText")
    assert first.split()[:2] == ["v1", "20"] and f"{row['meanScore']:.2f}" in first and "100" in first
    assert browser.survey("templates") == []
    browser.find(".template-name").click()
    browser.wait(lambda: browser.text("h1") == "a-list")
    assert browser.run("return [...document.querySelectorAll('mark.tag-variable')].map((tag) => tag.textContent)") == ["<% topic %>"]
    assert browser.complaints() == []


def test_versions_stand_side_by_side(browser, site):
    rows = templates(site)
    first, second = rows["refund-chat", 1]["id"], rows["refund-chat", 2]["id"]
    browser.open(site.url, f"#/templates?id={second}")
    assert browser.run("return document.title") == "refund-chat · confab"
    heads = browser.run("return [...document.querySelectorAll('.version h2')].map((head) => head.textContent)")
    assert heads == ["Version 1", "Version 2"]
    left, right = (each.rect for each in browser.all(".version"))
    assert left["y"] == right["y"] and left["x"] < right["x"]
    tags = browser.run("return [...document.querySelectorAll('.version:last-child mark')].map((tag) => tag.textContent)")
    assert tags == ["{{! house style }}", "{{turns}}", "{{persona}}", "{{topic}}", "{{#facts}}", "{{facts}}", "{{/facts}}"]
    def texts(css):
        return browser.run("return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", css)
    assert texts("del") == ["long"] and texts("ins") == ["short", " between {{persona}} and an agent"]
    assert texts(".template-text") == [text for row in (rows["refund-chat", 1], rows["refund-chat", 2])
                                       for text in (row["system"], row["prompt"])]
    browser.wait(lambda: browser.has(".plots svg"))
    assert browser.survey("template") == []

    assert browser.find("a[href^='#/compare?']").get_attribute("href").endswith(
        f"#/compare?a=template:{first}&b=template:{second}")
    browser.button("Compare v1 with v2").click()
    browser.wait(lambda: browser.text("h1") == "Compare" and "refund-chat v2" in browser.text(".sides"))
    browser.driver.back()
    browser.wait(lambda: browser.text("h1") == "refund-chat")

    browser.all(".versions-table .check")[1].click()
    browser.wait(lambda: len(browser.all(".version")) == 1)
    assert not browser.has("a[href^='#/compare?']")
    assert browser.complaints() == []


def test_a_version_is_taken_to_the_playground_and_to_its_conversations(browser, site):
    id = templates(site)["refund-chat", 1]["id"]
    browser.open(site.url, f"#/templates?id={id}")
    browser.find(f"a.button[href='#/conversations?templateId={id}']").click()
    browser.wait(lambda: browser.text(".rows-count") == "20 conversations")
    browser.driver.back()
    browser.find(f"a.button[href='#/playground?template={id}']").click()
    browser.wait(lambda: browser.text("h1") == "Playground")
    assert browser.find("#playground-template").get_attribute("value") == id


def test_a_template_that_is_not_there_is_told(browser, site):
    browser.open(site.url, "#/templates?id=no-such-template")
    assert "no such template" in browser.text() and browser.button("Try again")


def test_without_templates_it_is_said_how_to_make_one(browser, serve):
    site = serve("")
    browser.open(site.url, "#/templates")
    assert "confab.template" in browser.text(".empty")
    assert browser.axe() == []
    browser.go("#/playground")
    assert "confab serve" in browser.text(".empty")
