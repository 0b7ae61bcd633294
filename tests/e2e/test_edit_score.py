"""A turn that is edited over HTTP: the conversation is scored anew, by the rules of the script that is served."""
import pytest

from http_client import client_of, sse

ONE = "/api/conversations/generate"

PIPELINE = """
    local function says(word)
      return confab.rule { name = "says " .. word, points = 10, check = function(conv)
        return conv:text():find(word, 1, true) ~= nil
      end }
    end
    local chat = confab.template { name = "chat", prompt = "Write a chat about {{topic}}." }
    confab.template { name = "strict", prompt = "Write a strict chat about {{topic}}.", scoring = says "zebra" }
    confab.template { name = "broken", prompt = "Write a chat of {{topic}}.", scoring = confab.rule {
      name = "breaks", points = 1, check = function(conv) error "no" end } }
    confab.setup { limits = { max_requests = 1000, pacing = "burst" } }
    confab.run { name = "chats", items = { { topic = "tea" } }, template = chat, score = says "giraffe" }
"""


@pytest.fixture
def serve(start_confab, script):
    def start(lua=PIPELINE):
        return client_of(start_confab("serve", script(lua), "--simulate=latency=fixed:1", "--port", "0"))
    return start


def asked(template):
    return {"templateId": template, "persona": "Ann", "emotion": "calm", "topic": "tea", "tier": "template",
            "parameters": {}}


def edit(client, conv, content, **more):
    reply = client.ask("PATCH", f"/api/conversations/{conv['id']}", {"turn": {"index": 1, "content": content}} | more)
    assert reply.status == 200, reply
    return reply.json["data"]


def run(client):
    client.post("/api/runs", {"name": "chats"})
    list(sse(client, "/api/runs/chats/events"))
    conv, = client.get("/api/conversations?run=chats").json["data"]
    return conv


def test_the_rules_of_the_run_score_it_anew(serve):
    client = serve()
    conv = run(client)
    assert (conv["qualityScore"], conv["status"]) == (1, "needs_revision")
    edited = edit(client, conv, "A giraffe drinks tea.")
    assert (edited["qualityScore"], edited["status"]) == (10, "generated")
    assert [part["name"] for part in edited["qualityBreakdown"]] == ["says giraffe"]
    changes = [(change["field"], change["before"], change["after"]) for change in edited["edits"]]
    assert changes[-1] == ("quality_score", "1", "10")
    assert changes[0][0] == "turn" and changes[0][2] == "A giraffe drinks tea."
    progress = client.get("/api/runs/chats").json["data"]["progress"]
    assert (progress["accepted"], progress["needsRevision"]) == (1, 0)
    again = edit(client, edited, "Nothing.")
    assert (again["qualityScore"], again["status"]) == (1, "needs_revision")


def test_the_rules_of_the_template_come_first(serve):
    client = serve()
    conv = client.post(ONE, asked("strict")).json["data"]
    assert conv["qualityScore"] == 1
    edited = edit(client, conv, "A zebra.")
    assert (edited["qualityScore"], edited["status"]) == (10, "generated")


def test_what_a_person_has_judged_keeps_its_status(serve):
    client = serve()
    conv = client.post(ONE, asked("strict")).json["data"]
    edited = edit(client, conv, "A zebra.", status="rejected")
    assert (edited["qualityScore"], edited["status"]) == (10, "rejected")


def test_a_rule_that_breaks_gives_no_points_and_the_edit_stands(serve):
    client = serve()
    conv = client.post(ONE, asked("broken")).json["data"]
    edited = edit(client, conv, "Hello.")
    assert edited["turns"][1]["content"] == "Hello." and edited["qualityScore"] == 1
    assert "no" in edited["qualityBreakdown"][0]["error"]


def test_rules_of_another_script_are_not_replaced(serve):
    client = serve()
    conv = run(client)
    other = serve('confab.template { name = "else", prompt = "Say {{x}}" }')
    edited = edit(other, conv, "A giraffe.")
    assert edited["turns"][1]["content"] == "A giraffe." and edited["qualityScore"] == 1
    assert [part["name"] for part in edited["qualityBreakdown"]] == ["says giraffe"]


def test_default_rules_are_known_to_all(serve):
    client = serve('confab.template { name = "chat", prompt = "Write a chat about {{topic}}." }')
    conv = client.post(ONE, asked("chat")).json["data"]
    other = serve('confab.template { name = "else", prompt = "Say {{x}}" }')
    edited = edit(other, conv, "x" * 5000)
    assert edited["qualityScore"] < conv["qualityScore"]


def test_bulk_reviews_score_nothing(serve, query):
    client = serve()
    conv = run(client)
    reply = client.ask("PATCH", "/api/conversations", {"ids": [conv["id"]], "status": "approved"})
    assert reply.status == 200
    assert query("select count(*) as n from edits where field = 'quality_score'") == [{"n": 0}]
