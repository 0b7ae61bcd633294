"""The view Conversations in Chromium: found, read, reviewed, edited, many at once."""
import json
import re

import pytest

TEMPLATES = """
    local chat = confab.template {
      name = "chat", tier = "scenario", max_tokens = 2048,
      prompt = "Write a chat of {{turns}} turns between {{persona}}, who feels {{emotion}}, and an agent, about {{topic}}.",
    }
    confab.setup { limits = { max_requests = 100000, pacing = "burst" } }
    local function sweep(topics, turns)
      return confab.sweep {
        persona = { "Ann, a nurse", "Bo, a farmer", "Cleo, a pilot" }, emotion = { "calm", "angry" }, topic = topics, turns = turns,
      }
    end
"""
LUA = TEMPLATES + """
    confab.run { name = "refunds", items = sweep({ "refunds", "invoices" }, { 4, 8 }), template = chat }
    confab.run { name = "parcels", items = sweep({ "a lost parcel" }, { 2 }), template = chat }
"""
SITE = {"lua": LUA, "runs": ("refunds", "parcels")}      # 24 and 6; what changes something has a site of its own

HOSTILE = "<script>document.title = 'broken'</script><img src=x onerror=alert(1)> & &amp; {{persona}}"
LONG = "x" * 3000
RIGHT_TO_LEFT = "\u0645\u0631\u062d\u0628\u0627\u060c \u0623\u0631\u064a\u062f \u0627\u0633\u062a\u0631\u062f\u0627\u062f \u0627\u0644\u0645\u0628\u0644\u063a. \u202eabc"


@pytest.fixture
def site(serve):
    """A site with both runs finished, to be changed."""
    made = serve(LUA)
    for name in ("refunds", "parcels"):
        made.finish(name)
    return made


def listed(browser):
    return browser.all(".row")


def count(browser):
    """What the head of the list counts."""
    found = re.match(r"[\d,]+", browser.text(".rows-count"))
    return int(found[0].replace(",", "")) if found else -1


def conversations(site, **query):
    return site.client.get("/api/conversations?" + "&".join(f"{name}={value}" for name, value in query.items())).json["data"]


def conversation(site, id):
    return site.client.get(f"/api/conversations/{id}").json["data"]


def patch(site, id, **body):
    reply = site.client.ask("PATCH", f"/api/conversations/{id}", body)
    assert reply.status == 200, reply
    return reply.json["data"]


def place(browser):
    return browser.run("return location.hash")


def open_id(browser):
    return browser.run("return new URLSearchParams(location.hash.split('?')[1]).get('id')")


def opened(browser):
    """Waits until the conversation of the address is the one that is read, and gives its id."""
    browser.wait(lambda: open_id(browser) and browser.has(".reading-head") and browser.run("""
        const link = document.querySelector(".row-link[aria-current]");
        return link !== null && link.hash.includes(arguments[0]) &&
            !document.querySelector(".reading-pane").hasAttribute("aria-busy");""", open_id(browser)))
    return open_id(browser)


def next_one(browser):
    """Goes on to the next conversation with the key."""
    before = open_id(browser)
    browser.press("j")
    browser.wait(lambda: open_id(browser) not in (None, before))
    return opened(browser)


def badge(browser):
    return browser.text(".reading-line .badge")


# --- the list ---

def test_filters_stand_in_the_address_and_narrow_the_list(browser, served):
    browser.open(served.url, "#/conversations")
    assert count(browser) == 30 and len(listed(browser)) == 30

    browser.find("#filter-run").find_element("xpath", "option[text()='parcels']").click()
    browser.wait(lambda: count(browser) == 6)
    assert f"run={served.runs['parcels']}" in place(browser)

    browser.find("#filter-q").send_keys("farmer")
    browser.wait(lambda: count(browser) == 2)
    assert "q=farmer" in place(browser) and len(listed(browser)) == 2
    assert "Bo, a farmer" in browser.text(".row")

    browser.open(served.url, place(browser))         # the link shows the same
    assert count(browser) == 2 and browser.find("#filter-q").get_attribute("value") == "farmer"
    browser.button("Clear").click()
    browser.wait(lambda: count(browser) == 30)
    assert place(browser) == "#/conversations"

    browser.find("#filter-minScore").send_keys("9.5")
    good = len(conversations(served, minScore=9.5, limit=500))
    browser.wait(lambda: count(browser) == good)
    assert 0 < good < 30
    browser.go("#/conversations?tier=edge_case")
    browser.wait(lambda: "No conversation fits these filters" in browser.text())
    assert browser.complaints() == []


def test_a_score_that_is_none_is_not_asked_for(browser, served):
    browser.open(served.url, "#/conversations")
    browser.find("#filter-minScore").send_keys("11")
    browser.find("#filter-tag").send_keys("x")
    assert browser.run("return document.querySelector('#filter-minScore').validity.rangeOverflow")
    browser.find("#filter-minScore").clear()
    browser.wait(lambda: "tag=x" in place(browser))
    assert "minScore" not in place(browser)


def test_a_filter_that_the_server_refuses_is_told_with_a_way_on(browser, served):
    browser.open(served.url, "#/conversations?run=no-such-run")
    browser.wait(lambda: browser.has(".rows-pane .failure"))
    assert browser.button("Try again")
    browser.complaints()                              # the 400 itself


def test_more_are_read_where_the_last_ones_ended(browser, serve):
    site = serve(TEMPLATES + """confab.run { name = "many", template = chat, items = sweep({ "tea" }, { 2 }):times(20) }""")
    site.finish("many")
    browser.open(site.url, "#/conversations")
    assert count(browser) == 120 and len(listed(browser)) == 50
    browser.button("Show 50 more").click()
    browser.wait(lambda: len(listed(browser)) == 100)
    newest = browser.run("return [...document.querySelectorAll('.row-link')].map((link) => link.hash)")
    assert len(set(newest)) == 100

    browser.find(".row-link").click()                 # the key goes on past the end of a page
    opened(browser)
    browser.run("document.querySelectorAll('.row-link')[99].click()")
    browser.wait(lambda: newest[99].split("id=")[1] == open_id(browser))
    opened(browser)
    next_one(browser)
    assert len(listed(browser)) == 120

    browser.go("#/runs")                              # and another view loses no place
    browser.driver.back()
    browser.wait_for_view()
    assert len(listed(browser)) == 120 and opened(browser)
    browser.wait(lambda: browser.run("return document.querySelector('.rows-scroller').scrollTop") > 1000)


def test_new_conversations_are_announced_and_move_nothing(browser, site):
    browser.open(site.url, "#/conversations?q=slowly")
    browser.go("#/conversations")
    browser.find(".row-link").click()
    id = opened(browser)
    site.client.post("/api/conversations/generate", {
        "templateId": "chat", "persona": "Dora, a baker", "emotion": "calm", "topic": "bread", "tier": "scenario",
        "parameters": {"turns": 4}})
    browser.wait(lambda: browser.has(".fresh"))
    assert browser.text(".fresh") == "1 new" and len(listed(browser)) == 30 and open_id(browser) == id
    browser.find(".fresh").click()
    browser.wait(lambda: "Dora" in browser.text(".row"))
    assert count(browser) == 31 and not browser.has(".fresh") and open_id(browser) == id


# --- one ---

def test_a_conversation_is_read_as_a_chat(browser, served):
    browser.open(served.url, "#/conversations?q=invoices")
    browser.find(".row-link").click()
    conv = conversation(served, opened(browser))
    assert browser.text(".reading-head h2") == conv["persona"]
    assert browser.run("return document.activeElement === document.querySelector('.reading-head h2')")
    said = browser.run("return [...document.querySelectorAll('.turn')].map((turn) => turn.querySelector('.prose').textContent)")
    assert said == [turn["content"] for turn in conv["turns"]]
    roles = browser.run("return [...document.querySelectorAll('.turn-role')].map((role) => role.textContent)")
    assert roles == ["User", "Assistant"] * (len(said) // 2)
    text = browser.text(".reading-pane")
    for part in conv["qualityBreakdown"]:
        assert part["name"] in text
    for known in ("invoices", "chat v1", "refunds", conv["model"], "Simulated", conv["calls"][0]["requestId"]):
        assert known in text, known
    assert browser.survey("conversations") == []
    assert browser.complaints() == []


def test_keys_go_through_the_list_and_review(browser, site):
    browser.open(site.url, "#/conversations")
    first = next_one(browser)
    second = next_one(browser)
    assert first != second
    browser.press("k")
    browser.wait(lambda: open_id(browser) == first)
    opened(browser)

    browser.press("a")
    browser.wait(lambda: badge(browser) == "Approved")
    assert conversation(site, first)["status"] == "approved"
    assert "Approved" in browser.text(".row")
    browser.press("u")
    browser.wait(lambda: badge(browser) == "Generated")
    assert conversation(site, first)["status"] == "generated"

    browser.find(".review-note").send_keys("rude answer")
    browser.run("document.activeElement.blur()")
    browser.press("r")
    browser.wait(lambda: badge(browser) == "Rejected")
    conv = conversation(site, first)
    assert (conv["status"], conv["reviewNote"]) == ("rejected", "rude answer")
    history = browser.text(".edits")
    assert "generated → approved" in history and "approved → generated" in history and "rude answer" in history

    browser.press("x")
    browser.wait(lambda: browser.text(".bulk-count").startswith("1 selected"))
    browser.press("x")
    browser.wait(lambda: not browser.has(".bulk"))
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "filter-q"
    assert browser.complaints() == []


def test_keys_that_are_faster_than_the_server_are_about_what_comes(browser, site):
    browser.open(site.url, "#/conversations")
    next_one(browser)
    for key in "jja":
        browser.run("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: arguments[0], bubbles: true }))", key)
    browser.wait(lambda: conversations(site, status="approved"))
    assert [conv["id"] for conv in conversations(site, status="approved")] == [conversations(site)[2]["id"]]
    assert opened(browser) == conversations(site)[2]["id"]


def test_no_review_is_lost_to_the_one_before(browser, site):
    browser.open(site.url, "#/conversations")
    next_one(browser)
    browser.run("""for (const key of ["a", "j", "r", "j", "a", "u", "a", "k", "u"])
        setTimeout(() => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })))""")
    ids = [conv["id"] for conv in conversations(site)[:3]]

    def history():
        return [[edit["after"] for edit in conversation(site, id)["edits"]] for id in ids]
    expected = [["approved"], ["rejected", "generated"], ["approved", "generated", "approved"]]
    browser.wait(lambda: history() == expected)
    assert opened(browser) == ids[1]
    browser.wait(lambda: badge(browser) == "Generated")
    assert browser.complaints() == []


def test_a_review_can_go_on_to_the_next(browser, site):
    browser.open(site.url, "#/conversations")
    first = next_one(browser)
    browser.find(".review-fields .check").click()
    browser.run("document.activeElement.blur()")
    browser.press("a")
    browser.wait(lambda: open_id(browser) != first)
    second = opened(browser)
    browser.press("r")
    browser.wait(lambda: open_id(browser) not in (first, second))
    assert [conversation(site, id)["status"] for id in (first, second)] == ["approved", "rejected"]


def test_tags_are_set_and_taken_off(browser, site):
    browser.open(site.url, "#/conversations")
    id = next_one(browser)
    browser.press("t")
    browser.run("return document.activeElement").send_keys("good")
    browser.press("ENTER")
    browser.wait(lambda: "good" in browser.text(".tags"))
    browser.run("return document.activeElement").send_keys("clarity=4.5")
    browser.press("ENTER")
    browser.wait(lambda: "clarity = 4.5" in browser.text(".tags"))
    assert conversation(site, id)["tags"]["clarity"] == 4.5
    browser.button("Remove tag clarity").click()
    browser.wait(lambda: "clarity" not in browser.text(".tags"))
    assert list(conversation(site, id)["tags"]) == ["good"]
    browser.go("#/conversations?tag=good")
    browser.wait(lambda: count(browser) == 1)


def edits(conv, field):
    return [edit for edit in conv["edits"] if edit["field"] == field]


def type_over(browser, text):
    field = browser.find(".edit-text")
    field.clear()
    field.send_keys(text)
    return field


def test_an_edited_turn_keeps_its_history(browser, site):
    browser.open(site.url, "#/conversations")
    id = next_one(browser)
    before = conversation(site, id)["turns"]
    browser.press("n")
    browser.press("n")
    browser.press("e")
    field = type_over(browser, "A calmer answer.")
    assert field.get_attribute("aria-label") == "Text of turn 2"
    assert browser.survey("conversations-edit") == []
    browser.button("Save").click()
    browser.wait(lambda: browser.run("return document.querySelectorAll('.turn')[1].innerText").endswith("A calmer answer."))
    conv = conversation(site, id)
    assert conv["turns"][1]["content"] == "A calmer answer."
    assert [(edit["before"], edit["after"]) for edit in edits(conv, "turn")] == [(before[1]["content"], "A calmer answer.")]
    assert "Turn 2" in browser.text(".edits") and "A calmer answer." in browser.text(".edits ins")
    assert browser.run("return document.activeElement.dataset.turn") == "1"

    browser.press("e")                                # Escape leaves it as it was
    type_over(browser, "nothing of this")
    browser.press("ESCAPE")
    browser.wait(lambda: not browser.has(".edit-text"))
    assert conversation(site, id)["turns"][1]["content"] == "A calmer answer."
    assert browser.complaints() == []


def test_an_edit_that_changes_the_score_tells_both(browser, site):
    browser.open(site.url, "#/conversations?run=parcels")
    id = next_one(browser)
    before = conversation(site, id)["qualityScore"]
    for _ in range(2):                                # two turns of a few characters score lower
        browser.press("n")
        browser.press("e")
        type_over(browser, "No.")
        browser.button("Save").click()
        browser.wait(lambda: not browser.has(".edit-text"))
    after = conversation(site, id)["qualityScore"]
    assert after < before
    browser.wait(lambda: f"Score {before:g} → " in browser.text(".edits"))
    shown = f"{after:.1f}".removesuffix(".0")
    assert browser.text(".chat-summary strong") == browser.text(".row-score").split()[-1] == shown


def test_what_was_typed_is_there_again_wherever_one_went(browser, site):
    browser.open(site.url, "#/conversations")
    id = next_one(browser)
    browser.press("e")
    type_over(browser, "half a thought")
    browser.button("Approve a").click()               # another change leaves it open
    browser.wait(lambda: badge(browser) == "Approved")
    assert browser.find(".edit-text").get_attribute("value") == "half a thought"
    browser.run("document.activeElement.blur()")
    next_one(browser)
    assert not browser.has(".edit-text")
    browser.go("#/runs")
    browser.go(f"#/conversations?id={id}")
    opened(browser)
    assert browser.text(".turn-edit") == "Go on editing"
    browser.press("e")
    assert browser.find(".edit-text").get_attribute("value") == "half a thought"
    browser.press("ESCAPE")
    browser.wait(lambda: browser.text(".turn-edit") == "Edit")
    assert conversation(site, id)["edits"][0]["field"] == "status" and len(conversation(site, id)["edits"]) == 1


def test_two_who_edit_one_turn_see_both_texts(browser, site):
    browser.open(site.url, "#/conversations")
    id = next_one(browser)
    browser.press("e")
    type_over(browser, "mine")
    patch(site, id, turn={"index": 0, "content": "theirs"}, author="somebody")
    browser.button("Save").click()
    browser.wait(lambda: "Somebody else has changed this turn" in browser.text(".edit-problem"))
    assert "theirs" in browser.text(".edit-theirs") and browser.find(".edit-text").get_attribute("value") == "mine"
    assert browser.survey("conversations-conflict") == []
    assert conversation(site, id)["turns"][0]["content"] == "theirs"
    browser.button("Save").click()                    # knowing it
    browser.wait(lambda: not browser.has(".edit-text"))
    conv = conversation(site, id)
    assert conv["turns"][0]["content"] == "mine"
    assert [edit["after"] for edit in edits(conv, "turn")] == ["theirs", "mine"]
    assert all("409" in complaint for complaint in browser.complaints())


def test_an_older_version_is_read_and_not_reviewed(browser, serve, folder):
    lua = TEMPLATES + """confab.run { name = "one", template = chat, items = sweep({ "tea" }, { 4 }) }"""
    site = serve(lua)
    site.finish("one")
    old = conversations(site)[0]["id"]
    site.stop()
    site = serve(lua.replace("and an agent, about", "and a kind agent, about"))
    site.finish("one")
    browser.open(site.url, f"#/conversations?id={old}")
    browser.wait(lambda: "A newer version has taken the place" in browser.text(".reading-pane"))
    assert not browser.has(".review-bar") and not browser.has(".turn-edit")
    assert "Version 2" in browser.text(".versions")
    browser.find(".hint a").click()
    browser.wait(lambda: browser.has(".review-bar"))
    assert open_id(browser) != old
    assert browser.complaints() == []


def test_where_there_is_little_room_list_and_chat_take_turns(browser, served):
    browser.size(400)
    browser.open(served.url, "#/conversations")
    assert not browser.has("#filter-status")
    browser.button("Filters").click()
    assert browser.has("#filter-status")
    browser.find(".row-link").click()
    browser.wait(lambda: browser.has(".turn") and not browser.has(".row"))
    browser.find(".back").click()
    browser.wait(lambda: browser.has(".row") and not browser.has(".turn"))


# --- many ---

def select(browser, *indices):
    for index in indices:
        listed(browser)[index].find_element("css selector", "input").click()


def test_the_selected_are_rejected_at_once(browser, site):
    browser.open(site.url, "#/conversations")
    select(browser, 0, 2, 5)
    ids = [conv["id"] for i, conv in enumerate(conversations(site)) if i in (0, 2, 5)]
    assert browser.text(".bulk-count").startswith("3 selected")
    assert browser.survey("conversations-selected") == []
    browser.button("Reject R").click()
    browser.wait(lambda: not browser.has(".bulk"))
    assert [conversation(site, id)["status"] for id in ids] == ["rejected"] * 3
    assert len(conversations(site, status="rejected")) == 3
    assert "3 conversations rejected" in browser.text("#notice")
    assert [row.text.count("Rejected") for row in listed(browser)[:7]] == [1, 0, 1, 0, 0, 1, 0]    # each where it was

    select(browser, 0, 2)
    browser.press("A")
    browser.wait(lambda: len(conversations(site, status="approved")) == 2)
    browser.wait(lambda: not browser.has(".bulk"))
    select(browser, 0, 2, 5)
    browser.button("Undo review").click()
    browser.wait(lambda: len(conversations(site, status="approved,rejected")) == 0)
    assert browser.complaints() == []


def test_all_that_match_are_tagged_after_a_question(browser, site):
    browser.open(site.url, "#/conversations?persona=Ann%2C%20a%20nurse")
    assert count(browser) == 10
    select(browser, 0)
    browser.button("all 10 that match").click()
    browser.find(".bulk-tag input").send_keys("batch=7")
    browser.button("Tag").click()
    browser.wait(lambda: browser.has("dialog.confirm"))
    assert browser.axe() == []
    browser.button("Cancel").click()
    assert len(conversations(site, tag="batch")) == 0
    browser.button("Tag").click()
    browser.button("Tag 10").click()
    browser.wait(lambda: len(conversations(site, tag="batch")) == 10)
    browser.wait(lambda: not browser.has(".bulk"))
    assert {conv["persona"] for conv in conversations(site, tag="batch")} == {"Ann, a nurse"}


def test_more_than_a_batch_is_rejected_in_several(browser, serve):
    lua = TEMPLATES + """confab.run { name = "many", template = chat, items = sweep({ "tea" }, { 2 }):times(350) }"""
    site = serve(lua, spec="latency=fixed:0")
    site.finish("many")
    browser.open(site.url, "#/conversations?run=many")
    assert count(browser) == 2100
    select(browser, 0)
    browser.button("all 2,100 that match").click()
    browser.button("Reject R").click()
    browser.button("Reject 2,100").click()
    browser.wait(lambda: "2,100 conversations rejected" in browser.text("#notice"))
    assert site.client.get("/api/conversations?status=rejected&limit=1").json["total"] == 2100
    assert browser.complaints() == []


# --- whatever was written ---

def test_hostile_texts_are_only_shown(browser, serve):
    site = serve(TEMPLATES + f"""
        confab.run {{ name = "<b>run</b>", template = chat, items = {{
          {{ persona = {json.dumps(HOSTILE)}, emotion = "<i>calm</i>", topic = "{LONG}", turns = 6 }},
        }} }}""")
    site.finish("<b>run</b>")
    id = conversations(site)[0]["id"]
    for index, content in enumerate((HOSTILE, LONG, RIGHT_TO_LEFT, "word " * 20480, "\u0000-free \u2028 \ud83d\ude00\n\n  indented")):
        patch(site, id, turn={"index": index, "content": content.replace("\u0000", "")}, note=HOSTILE,
              tags={"set": {"<u>tag</u>": HOSTILE}}, author="<s>me</s>")
    browser.open(site.url, f"#/conversations?id={id}")
    opened(browser)
    assert browser.run("return document.title") == "Conversations · confab"
    turns = browser.run("return [...document.querySelectorAll('.turn .prose')].map((said) => said.textContent)")
    assert turns[0] == HOSTILE and turns[1] == LONG and turns[2] == RIGHT_TO_LEFT
    assert len(turns[3]) < 7000 and "Show all 102,400 characters" in turns[3]
    assert browser.text(".reading-head h2") == HOSTILE
    assert not browser.all("main script, main img, main b, main i, main u, main s")
    assert browser.run("return getComputedStyle(document.querySelectorAll('.turn .prose')[2]).direction") == "rtl"
    assert browser.survey("conversations-hostile") == []
    browser.run("arguments[0].click()", browser.find(".prose .link"))
    assert browser.run("return document.querySelectorAll('.turn .prose')[3].textContent.length") == 102400
    assert not browser.scrolls_sideways()
    assert browser.complaints() == []
