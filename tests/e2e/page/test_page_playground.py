"""The view Playground in Chromium: an estimate before, the text while it comes, the conversation after."""
import json

LUA = """
    confab.template {
      name = "refund-chat", tier = "scenario", max_tokens = 2048, system = "You write chats as JSON.",
      prompt = "Write a chat of {{turns}} turns between {{persona}}, who feels {{emotion}}, and an agent, about {{topic}}." ..
        "{{#facts}} Mention {{facts}}.{{/facts}}",
    }
    confab.template { name = "dotted", tier = "edge_case", prompt = "Write a chat about {{topic}} with {{persona.name}}, {{persona.age}}." }
    confab.setup { limits = { max_requests = 100000, pacing = "burst" }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
"""
FIELDS = {"persona": "Ann, a nurse", "emotion": "worried", "topic": "refunds", "parameters.turns": "8",
          "parameters.facts": "the warranty"}
SITE = {"lua": LUA}


def fill(browser, fields):
    for path, text in fields.items():
        field = browser.find(f"[data-path='{path}']")
        field.clear()
        field.send_keys(text)


def problem(browser, path):
    return browser.run("""
        const field = document.querySelector(arguments[0]);
        return field.hasAttribute("aria-invalid") ? document.getElementById(field.getAttribute("aria-describedby")).textContent : "";
        """, f"[data-path='{path}']")


def said(browser, within=".result"):
    return browser.run("return [...document.querySelectorAll(arguments[0] + ' .turn .prose')].map((each) => each.textContent)", within)


def test_a_conversation_is_seen_while_it_is_made(browser, serve):
    site = serve(LUA, spec="faults=trickle,trickle=4s")
    browser.open(site.url, "#/playground?template=refund-chat")
    assert "Fill in persona, emotion and topic" in browser.text(".estimate")
    assert browser.find("[data-path=tier]").get_attribute("value") == "scenario"
    assert browser.survey("playground") == []
    fill(browser, FIELDS)
    browser.wait(lambda: "at most $" in browser.text(".estimate"))
    browser.find(".prompt summary").click()
    assert "Write a chat of 8 turns between Ann, a nurse" in browser.text(".prompt-shown")
    assert "You write chats as JSON." in browser.text(".prompt-shown")
    browser.wait(lambda: browser.text("#live") == "live")

    browser.button("Generate Ctrl Enter").click()
    browser.wait(lambda: len(said(browser, ".draft")) > 1)
    assert browser.has("[aria-busy=true] .draft, .draft[aria-busy=true]")
    early = said(browser, ".draft")
    assert site.client.get("/api/conversations").json["total"] == 0
    browser.shot("playground-live-1600-light")
    assert browser.axe() == []
    browser.wait(lambda: "Done in" in browser.text(".status"))
    made = site.client.get("/api/conversations").json["data"]
    assert len(made) == 1 and made[0]["parameters"] == {"turns": 8, "facts": "the warranty"}
    assert said(browser) == [turn["content"] for turn in made[0]["turns"]]
    assert said(browser)[0].startswith(early[0][:40])
    result = browser.text(".playground-result")
    assert "8 turns" in result and "was expected" in result and "turn count" in result and "$0.0" in result
    assert browser.survey("playground-done") == []

    browser.button("Review it").click()
    browser.wait(lambda: browser.text("h1") == "Conversations" and "Ann, a nurse" in browser.text(".reading-head"))
    browser.driver.back()
    browser.wait(lambda: "Made here" in browser.text(".made"))
    assert browser.find("[data-path=persona]").get_attribute("value") == "Ann, a nurse"
    assert browser.complaints() == []


def test_mistakes_stand_at_their_fields(browser, served):
    browser.open(served.url, "#/playground?template=refund-chat")
    browser.button("Generate Ctrl Enter").click()
    browser.wait(lambda: problem(browser, "persona") == "is missing")
    assert problem(browser, "topic") == "is missing" and problem(browser, "temperature") == ""
    assert browser.run("return document.activeElement.dataset.path") == "persona"
    assert browser.survey("playground-mistakes") == []

    fill(browser, {name: FIELDS[name] for name in ("persona", "emotion", "topic")} | {"temperature": "3"})
    assert problem(browser, "persona") == ""
    browser.find("[data-path=persona]").send_keys("")
    browser.run("document.querySelector('.request').requestSubmit()")
    browser.wait(lambda: "from 0 to 1" in problem(browser, "temperature"))
    browser.find("[data-path=temperature]").clear()
    browser.run("document.querySelector('.request').requestSubmit()")
    browser.wait(lambda: 'no value for "turns"' in problem(browser, "parameters.turns"))
    assert browser.run("return document.activeElement.dataset.path") == "parameters.turns"
    assert all("400" in complaint for complaint in browser.complaints())


def test_values_are_sent_as_what_they_are(browser, served):
    browser.open(served.url, "#/playground?template=dotted")
    assert browser.find("[data-path=tier]").get_attribute("value") == "edge_case"
    fill(browser, {"persona": "Ann", "emotion": "calm", "topic": "[sic] tea", "parameters.persona.name": "Ann <b>",
                   "parameters.persona.age": "44"})
    browser.wait(lambda: "Write a chat about [sic] tea with Ann <b>, 44." in browser.run(
        "return document.querySelector('.prompt-shown').textContent"))
    browser.run("document.querySelector('[data-path=topic]').focus()")
    browser.run("""document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true, cancelable: true }))""")
    browser.wait(lambda: "Done in" in browser.text(".status"))
    newest = served.client.get("/api/conversations?limit=1").json["data"][0]
    assert newest["parameters"] == {"persona": {"name": "Ann <b>", "age": 44}}
    assert newest["tier"] == "edge_case" and newest["topic"] == "[sic] tea"
    assert browser.complaints() == []


def test_a_refused_reply_is_told_with_a_way_to_try_again(browser, serve):
    site = serve(LUA, spec="faults=refusal@1-1")
    browser.open(site.url, "#/playground?template=refund-chat")
    fill(browser, FIELDS)
    browser.button("Generate Ctrl Enter").click()
    browser.wait(lambda: browser.has(".result .failure"))
    assert browser.axe() == []
    browser.button("Try again").click()
    browser.wait(lambda: "Done in" in browser.text(".status"))
    assert len(said(browser)) == 8
    assert all("422" in complaint for complaint in browser.complaints())


def test_another_attempt_begins_its_text_anew(browser, serve):
    site = serve(LUA, spec="latency=fixed:1500,faults=stream_error@1-1")
    browser.open(site.url, "#/playground?template=refund-chat")
    fill(browser, FIELDS)
    browser.wait(lambda: browser.text("#live") == "live")
    browser.button("Generate Ctrl Enter").click()
    browser.wait(lambda: "Done in" in browser.text(".status"))
    made = site.client.get("/api/conversations").json["data"][0]
    assert said(browser) == [turn["content"] for turn in made["turns"]]


def test_a_template_whose_functions_are_gone_cannot_be_tried(browser, serve):
    first = serve("""
        local chat = confab.template { name = "made", tier = "template", prompt = function(p) return "About " .. p.topic end }
        confab.run { name = "one", items = { { topic = "tea" } }, template = chat }""")
    first.finish("one")
    first.stop()
    site = serve("")
    browser.open(site.url, "#/playground?template=made")
    assert "functions that only its script knows" in browser.text(".estimate")
    assert browser.run("return document.querySelector('.send button').disabled")


def test_a_text_that_is_no_conversation_yet_is_shown_as_it_is(browser, served):
    """The reader of unfinished replies, by itself."""
    browser.open(served.url, "#/playground")
    reads = {
        '{"turns": [{"role": "human", "content": "Hi \\"you\\"\\n\\u00e9"}, {"role": "AI", "content": "Hel':
            [["user", 'Hi "you"\n\u00e9'], ["assistant", "Hel"]],
        '[{"text": "a"}, {"text": "b\\': [["user", "a"], ["assistant", "b"]],
        '{"topic": "refunds", "turns": [{"ro': [],
        "User: hello": [],
        '{"turns":[{"from":"user","value":"\\u00': [["user", ""]],
    }
    found = browser.driver.execute_async_script("""
        const done = arguments[1];
        import("/page/draft.js").then(({ draftTurns }) => done(
            arguments[0].map((text) => draftTurns(text).map((turn) => [turn.role, turn.content]))));""", list(reads))
    assert json.dumps(found) == json.dumps(list(reads.values()))
