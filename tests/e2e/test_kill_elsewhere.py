"""Killed at the commits that are not on a call's way: the same command again leaves what it would have left."""
import http.client
import re
import signal

import pytest

import durability
import test_kill
from http_client import client_of

PIPELINE = """
    confab.setup { limits = { max_requests = 100000, pacing = "burst" }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
    local chat = confab.template {
      name = "chat", prompt = 'Write a chat of 6 turns about {{topic}}. As JSON: {"turns": [{"role": "user", "content": "..."}]}',
    }
    local items = {}
    for i = 1, 12 do items[i] = { topic = "topic " .. i } end
    local run = confab.run { name = "chats", items = items, template = chat, concurrency = 4, OPTIONS }
"""
REVIEW = """
    for conv in confab.store:conversations { where = { run = "chats" } } do ACTION end
"""
STRICT = """
    return confab.rule { name = "none", points = 1, check = function() return false end }
"""

ITEM_STATES = "select state, accepted, surplus, count(*) as n from items where ordinal is not null group by 1, 2, 3"
CONVERSATIONS = ("select c.status, c.review_note, c.quality_score, t.value from conversations c"
                 " left join tags t on t.conversation = c.id order by c.id")


def plain(options=""):
    return PIPELINE.replace("OPTIONS", options)


class Way:
    """To a commit: a script, what is run before with its server's faults, and the command that is killed."""

    def __init__(self, points, lua, *command, before=(), faults="", look=ITEM_STATES, code=0):
        self.points, self.lua, self.command, self.before = points, lua, command, before
        self.faults, self.look, self.code = faults, look, code


RUN = ("run", "pipeline.lua")
SCORE = ("score", "chats", "--rules", "strict.lua", "--apply")
WAYS = {
    "accept": Way([1], plain("accept = 5"), *RUN),
    "call_set_aside": Way([1], plain(), "resume", "chats", "--failed", before=RUN, faults="empty@1-4"),
    "take_back": Way([1], plain(), *RUN, "--max-new", 3, code=2),
    "lane": Way([1], plain(), *RUN),
    "review": Way([1, 5], plain() + REVIEW.replace("ACTION", 'conv:approve("fine")'), *RUN, look=CONVERSATIONS),
    "tag": Way([1, 5], plain() + REVIEW.replace("ACTION", 'conv:tag("checked", 1)'), *RUN, look=CONVERSATIONS),
    "item_record": Way([1, 7], PIPELINE.replace("template = chat", """step = function(item)
      item.topic = item.topic .. " at " .. (os.time() > 0 and "last" or "")
      return confab.generate { template = chat, params = item }
    end""").replace("OPTIONS", ""), *RUN),
    "item_stay": Way([1], plain().replace("1, 12", "1, arg[1] or 12"), *RUN, 11, before=RUN),
    "item_orphans": Way([1], plain().replace("1, 12", "1, arg[1] or 12"), *RUN, 11, before=RUN),
    "rescore": Way([1], plain(), *SCORE, before=RUN, look=CONVERSATIONS),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point,count", [(point, count) for point, way in WAYS.items() for count in way.points])
def test_killed_at_a_commit(point, count, moment, mock, script, write, run_confab, query):
    way = WAYS[point]
    script(way.lua)
    write("strict.lua", 'local confab = require "confab"\n' + STRICT)
    server = mock(f"rpm=100000,faults={way.faults}" if way.faults else "rpm=100000")
    seen = []
    for db, fail_point in (("calm.db", None), ("confab.db", f"{point}.{moment}:{count}")):
        if way.before:
            result = run_confab(*way.before, "--db", db, server=mock(f"faults={way.faults}"))
            assert result.code == (1 if way.faults else 0), result
        if fail_point:
            killed = run_confab(*way.command, "--db", db, server=server, env={"CONFAB_FAILPOINT": fail_point})
            assert killed.code == -signal.SIGKILL, f"not killed (is it built with fail points?): {killed}"
            durability.check_rows(query)
        quiet = mock("rpm=100000")
        result = run_confab(*way.command, "--db", db, server=quiet)
        assert result.code == way.code, result
        seen.append(query(way.look, db=db))
    durability.check_rows(query)
    assert seen[0] == seen[1] and (seen[0] or point == "take_back")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_as_it_does_what_another_process_asks(moment, mock, script, start_confab, run_confab, query):
    server = mock("latency=uniform:30:60")
    script(plain().replace("1, 12", "1, 60"))
    running = start_confab(*RUN, server=server, env={"CONFAB_FAILPOINT": f"control.{moment}"})
    server.wait_for_arrivals(6)
    paused = run_confab("pause", "chats")
    assert running.wait() == -signal.SIGKILL, running.output
    assert paused.code == (0 if moment == "after" else 2), paused
    durability.check_rows(query)
    result = run_confab(*RUN, server=mock())        # what was asked of the dead one is not for the next
    assert result.code == 0, result
    durability.check_rows(query)
    durability.check_finished(query, 60)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_as_a_turn_is_edited_over_http(moment, script, start_confab, run_confab, query):
    script(plain().replace("1, 12", "1, 2"))
    assert run_confab(*RUN, "--simulate").code == 0
    before = query("select c.uuid, t.content from conversations c join conversation_turns t"
                   " on t.conversation = c.id and t.turn_index = 1 order by c.id")[0]
    for fail_point in (f"turn_edit.{moment}", None):
        env = {"CONFAB_FAILPOINT": fail_point} if fail_point else {}
        serving = start_confab("serve", "--simulate", "--port", "0", env=env)
        client = client_of(serving)
        edit = {"turn": {"index": 1, "content": "Edited.", "before": before["content"]}}
        if fail_point:
            with pytest.raises((http.client.HTTPException, OSError)):
                client.ask("PATCH", f"/api/conversations/{before['uuid']}", edit)
            assert serving.wait() == -signal.SIGKILL, serving.output
            durability.check_rows(query)
        elif moment == "before":
            assert client.ask("PATCH", f"/api/conversations/{before['uuid']}", edit).status == 200
        else:                                       # it is there already, and reads otherwise by now
            assert client.ask("PATCH", f"/api/conversations/{before['uuid']}", edit).status == 409
    assert query("select content from conversation_turns t join conversations c on c.id = t.conversation"
                 " where c.uuid = ? and turn_index = 1", before["uuid"]) == [{"content": "Edited."}]
    assert query("select field, before, after from edits") == [
        {"field": "turn", "before": before["content"], "after": "Edited."}]
    durability.check_rows(query)


def test_every_kind_of_commit_is_killed_at_somewhere(root):
    kinds = {kind for path in (root / "src" / "store").glob("*.c")
             for kind in re.findall(r'CF_TX_KIND\(tx, "(\w+)"\)', path.read_text())}
    assert kinds == {point for point, _ in test_kill.POINTS} | set(WAYS) | {"control", "turn_edit"}
