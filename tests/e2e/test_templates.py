"""Templates in runs: functions that they call, replay, versions, places in template files."""

SETUP = """
confab.setup { limits = { max_requests = 100000 }, retry = { base_delay_ms = 1, jitter_ms = 0 } }
"""
SHOUT = SETUP + """
local chat = confab.template {
  name = "chat", prompt = "Write a chat of 8 turns about {{#shout}}{{topic}}{{/shout}}.{{> tail}}",
  partials = { tail = "Be brief." },
  lambdas = { shout = function(_, render) return render():upper() end },
}
local items = { { topic = "{{tea}}" }, { topic = "cats" } }
local run = confab.run { name = "chats", items = items, template = chat }
print(run.summary)
"""


def test_a_run_whose_template_calls_functions_is_replayed(mock, run_confab, script, query):
    server = mock()
    for _ in range(2):
        result = run_confab("run", script(SHOUT), "-j", 1, server=server)
        assert result.code == 0, result
    assert sum(row["event"] == "arrival" for row in server.arrivals()) == 2
    assert query("select accepted, state from run_view") == [{"accepted": 2, "state": "done"}]
    assert query("select usage_count, version from template_view") == [
        {"usage_count": 2, "version": 1}]


def test_partials_are_part_of_a_templates_version(mock, run_confab, script, query):
    server = mock()
    for text in SHOUT, SHOUT.replace("Be brief.", "Be kind."), SHOUT:
        assert run_confab("run", script(text), "-j", 1, server=server).code == 0
    assert query("select version from templates order by version") == [
        {"version": 1}, {"version": 2}]


def test_a_function_that_waits_is_told_so_and_the_run_goes_on(mock, run_confab, script, query):
    server = mock()
    result = run_confab("run", script(SHOUT.replace(
        "return render():upper()",
        'local text = render()\n'
        'if text == "cats" then return confab.ask { prompt = text }.text end return text')),
        "-j", 1, server=server)
    assert result.code == 1, result
    assert ("confab.ask cannot wait here: render cannot be suspended; "
            "call confab.ask first and pass the answers in") in result.err
    assert query("select accepted, failed from run_view") == [{"accepted": 1, "failed": 1}]


def test_a_function_that_fails_is_told_with_its_place(run_confab, script):
    result = run_confab("run", script(SHOUT.replace("render():upper()", "render().x.y")),
                        "--simulate")
    assert ('template "chat" (prompt), line 1, column 31: "shout" failed: '
            in result.err), result
    assert "pipeline.lua:8: attempt to index a nil value" in result.err


def test_a_missing_variable_of_a_template_file_has_the_place_in_the_file(run_confab, script, folder):
    (folder / "chat.md").write_text("---\nmax_tokens: 2048\n---\nWrite a chat\nabout {{topc}}.\n",
                                    encoding="utf-8")
    result = run_confab("run", script("""
        local chat = confab.template_file "chat.md"
        confab.run { name = "chats", items = { { topic = "tea" } }, template = chat }
    """), "--simulate")
    assert ('template chat.md, line 5, column 7: no value for "topc"; did you mean "topic"?'
            in result.err), result


def test_functions_among_the_parameters_are_refused_before_the_call(mock, run_confab, script):
    server = mock()
    result = run_confab("run", script("""
        local chat = confab.template { name = "chat", prompt = "{{f}} a chat." }
        confab.generate { template = chat, params = { f = function() return "Write" end } }
    """), server=server)
    assert ('confab.generate: params must be data, for they are stored, and "f" is a function; '
            "give functions to the template, as lambdas") in result.err, result
    assert server.arrivals() == []
