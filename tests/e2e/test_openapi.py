"""GET /api/openapi.json: that it is OpenAPI 3.1, and that the server does what it says, request by request."""
import http.client
import json
import os
import pathlib
import re
import urllib.parse

import pytest

jsonschema = pytest.importorskip("jsonschema")

import openapi  # noqa: E402  (without jsonschema there is nothing to be checked)
import openapi_values as values  # noqa: E402
from http_client import Reply, sse  # noqa: E402
from offered_api import BATCH, ONE, TOKEN, Later, Servers, asked, until  # noqa: E402
from websocket_client import WebSocket  # noqa: E402

NOBODY = "01a20d08-1605-70c4-8a43-03c7eece9d63"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    started = Servers(tmp_path_factory.mktemp("servers"))
    try:
        yield started
        started.stop()
    finally:
        started.close()


@pytest.fixture(scope="module")
def api(servers):
    reply = servers["plain"].get("/api/openapi.json")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("application/json")
    return openapi.Description(reply.json)


@pytest.fixture(scope="module")
def known(servers):
    """Ids of the plain server, by the parameters that want them."""
    client = servers["plain"]
    run = client.post("/api/runs", {"name": "refunds"}).json["data"]["runId"]
    until(lambda: client.get(f"/api/runs/{run}").json["data"]["state"] == "done")
    failing = client.post("/api/runs", {"name": "failing"}).json["data"]["runId"]
    until(lambda: client.get(f"/api/runs/{failing}").json["data"]["state"] == "done")
    made = client.get("/api/conversations?run=refunds&superseded=true").json["data"]
    newest = [conversation for conversation in made if not conversation["superseded"]]
    older = next(conversation for conversation in made if conversation["superseded"])
    return {"run": run, "failing": failing, "template": newest[0]["templateId"], "conversation": newest[0]["id"],
            "others": [conversation["id"] for conversation in newest[1:]], "older": older["id"], "file": "app.js"}


def place(operation, known):
    """The operation's path, its parameters filled in."""
    kinds = {"/api/runs": "run", "/api/conversations": "conversation", "/api/templates": "template", "/page": "file"}
    kind = next((kinds[begin] for begin in kinds if operation.path.startswith(begin)), None)
    return openapi.fill(operation.path, {"id": known.get(kind), "name": known.get(kind)})


def ask(client, operation, known, body=None, path=None, **headers):
    return client.ask(operation.method, path or place(operation, known), body, **headers)


def check(api, operation, reply, *statuses):
    """That the reply is described, and of one of these statuses; gives its JSON."""
    assert reply.status in statuses, reply
    return api.check_reply(operation, reply)


# --- the document ---

def test_it_is_openapi_as_its_own_schema_has_it(api, root):
    folder = pathlib.Path(os.environ.get("CONFAB_PAGE_TOOLS") or root / "build" / "page-tools")
    path = folder / "node_modules" / "@apidevtools" / "openapi-schemas" / "schemas" / "v3.1" / "schema.json"
    if not path.is_file():
        pytest.skip("the schema of OpenAPI is not installed")
    schema = json.loads(path.read_text(encoding="utf-8"))
    openapi.check_value(schema, api.document)


def nodes(node, path="#"):
    yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from nodes(child, f"{path}/{name}")


def test_all_references_resolve_and_every_component_is_used(api):
    used = set()
    for path, node in nodes(api.document):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            assert node["$ref"].startswith("#/components/"), path
            assert api.resolve(node), path
            used.add(node["$ref"])
    there = {f"#/components/{kind}/{name}" for kind, group in api.document["components"].items()
             if kind != "securitySchemes" for name in group}
    assert there == used


def schemas_of(api):
    for path, node in nodes(api.document):
        is_schema = path.endswith("/schema") or re.fullmatch(r"#/components/schemas/\w+", path)
        if is_schema and isinstance(node, dict):
            yield path, node


def test_every_schema_is_one_and_its_examples_fit(api):
    for path, node in schemas_of(api):
        jsonschema.Draft202012Validator.check_schema(node)
        whole = api.whole(node)
        for inner_path, inner in nodes(whole, path):
            for example in inner.get("examples", []) if isinstance(inner, dict) and "type" in inner else []:
                assert openapi.fits(inner, example), f"{inner_path}: {example}"
            if isinstance(inner, dict) and "default" in inner and "type" in inner:
                assert openapi.fits(inner, inner["default"]), inner_path
            if isinstance(inner, dict) and isinstance(inner.get("properties"), dict):
                missing = set(inner.get("required", [])) - set(inner["properties"])
                assert not missing, f"{inner_path}: {missing} is required and not described"


def test_every_example_fits_its_schema(api):
    for path, node in nodes(api.document):
        if isinstance(node, dict) and "schema" in node:
            for example in openapi.examples_of(node):
                try:
                    api.check(node["schema"], example)
                except AssertionError as error:
                    raise AssertionError(f"{path}: {error}") from None


def test_operations_are_named_tagged_and_have_their_parameters(api):
    ids = [operation.id for operation in api]
    paths = api.document["paths"]
    assert len(ids) == len(set(ids)) == sum(method in item for item in paths.values() for method in openapi.METHODS)
    tags = [tag["name"] for tag in api.document["tags"]]
    assert sorted({tag for operation in api for tag in operation.json["tags"]}) == sorted(tags)
    for operation in api:
        assert operation.json["summary"].endswith("."), operation.id
        assert "default" in operation.statuses, operation.id
        in_path = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", operation.path)), operation.id
        assert all(parameter["required"] for parameter in operation.parameters if parameter["in"] == "path")
        names = [(parameter["in"], parameter["name"]) for parameter in operation.parameters]
        assert len(names) == len(set(names)), operation.id


def test_what_asks_for_the_token_says_so(api):
    for operation in api:
        is_open = operation.json.get("security") == []
        says_401 = 401 in operation.statuses
        assert says_401 != is_open or operation.id == "logIn", operation.id


def test_every_path_takes_the_methods_that_are_described(servers, api, known):
    for path in api.document["paths"]:
        described = {operation.method for operation in api if operation.path == path}
        some = next(operation for operation in api if operation.path == path)
        reply = servers["plain"].ask("OPTIONS", place(some, known))
        assert reply.status == 204, reply
        taken = set(reply.headers["Allow"].split(", "))
        assert taken == described | ({"HEAD"} if "GET" in described else set()), path
        other = servers["plain"].ask("PUT", place(some, known))
        assert other.status == 405 and other.headers["Allow"] == reply.headers["Allow"], path
        api.check_reply(some, other)


def test_head_is_answered_as_get_is_but_for_the_body(servers, api, known):
    for operation in api:
        if operation.method == "GET":
            whole = ask(servers["plain"], operation, known)
            head = servers["plain"].ask("HEAD", place(operation, known))
            assert head.status == whole.status and head.text == "", operation.id
            assert head.headers.get("Content-Type") == whole.headers.get("Content-Type"), operation.id


# --- requests that are described are taken ---

def test_the_examples_of_bodies_are_taken(servers, api, known):
    client = servers["plain"]
    for operation in api:
        for example in api.body_examples(operation):
            if "ids" in example:    # of this server's conversations
                example = {**example, "ids": known["others"]}
            reply = ask(client, operation, known, example)
            assert 200 <= reply.status < 300 or (operation.id, reply.status) == ("startRun", 409), reply
            api.check_reply(operation, reply)


def parameters_of(api, where):
    for operation in api:
        for parameter in operation.parameters:
            if parameter["in"] == where:
                yield operation, parameter, api.whole(parameter["schema"])


def texts_of(parameter, schema, known):
    """Texts that the parameter takes, and texts that it does not."""
    good, wrong = values.query_values(schema)
    named = {"templateId": [known["template"]], "run": ["refunds", known["run"]]}
    examples = [values.as_text(example) for example in openapi.examples_of(parameter)]
    return named.get(parameter["name"], good if not examples else examples + good[:0]), wrong


def test_every_parameter_of_a_query_is_taken_and_checked(servers, api, known):
    client = servers["plain"]
    seen = 0
    for operation, parameter, schema in parameters_of(api, "query"):
        if operation.id == "watchAll":
            continue    # a WebSocket: see below
        name = parameter["name"]
        good, wrong = texts_of(parameter, schema, known)
        for text in good:
            reply = ask(client, operation, known, path=f"{place(operation, known)}?{query_of(name, text)}")
            if operation.id == "watchRun":
                assert reply.status in (200, 204), (name, text, reply)
            else:
                check(api, operation, reply, 200)
        for text in wrong:
            reply = ask(client, operation, known, path=f"{place(operation, known)}?{query_of(name, text)}")
            assert reply.status == 400, (operation.id, name, text, reply)
            details = check(api, operation, reply, 400)["details"]
            assert [problem["path"] for problem in details] == [name], (name, text, reply)
            seen += 1
    assert seen > 50


def query_of(name, text):
    return urllib.parse.urlencode({name: text})


def test_every_header_that_is_described_is_checked(servers, api, known):
    client = servers["plain"]
    for operation, parameter, schema in parameters_of(api, "header"):
        if parameter["name"] == "If-None-Match":
            continue    # 304: see below
        good, _ = values.query_values(schema)
        body = (api.body_examples(operation) or [None])[0]
        for text in good if parameter["name"] != "Idempotency-Key" else ["order-66", "!~" * 100]:
            key = text + operation.id if text == "order-66" else text[len(operation.id):] + operation.id
            headers = {parameter["name"]: key if parameter["name"] == "Idempotency-Key" else text}
            reply = client.ask(operation.method, place(operation, known), body, **headers)
            assert 200 <= reply.status < 300, (operation.id, headers, reply)
        wrong = "a b" if parameter["name"] == "Idempotency-Key" else "x"
        reply = client.ask(operation.method, place(operation, known), body, **{parameter["name"]: wrong})
        details = check(api, operation, reply, 400)["details"]
        assert [problem["path"] for problem in details] == [parameter["name"]]


def with_bodies(api):
    return [operation for operation in api if api.body_schema(operation)]


def of_this_server(body, known):
    """The same body, its ids those of conversations that are there."""
    return {**body, "ids": known["others"][:1]} if body.get("ids") else body


def test_bodies_made_of_the_schemas_are_taken(servers, api, known):
    client = servers["plain"]
    for operation in with_bodies(api):
        schema = api.body_schema(operation)
        bodies = [of_this_server(body, known) for body in values.variants(schema)]
        if operation.id == "startRun":
            bodies = [body for body in bodies if body["name"] == "refunds"]
        assert bodies, operation.id
        for body in bodies:
            reply = ask(client, operation, known, body)
            described = [status for status in operation.statuses if status != "default"]
            assert reply.status in described and reply.status not in (400, 401), (operation.id, body, reply)
            api.check_reply(operation, reply)


def test_bodies_that_are_wrong_in_one_place_are_refused_with_that_place(servers, api, known):
    client = servers["plain"]
    counts = {}
    for operation in with_bodies(api):
        schema = api.body_schema(operation)
        bodies = [values.full(schema), *api.body_examples(operation)]
        seen = set()
        for body in bodies:
            for path, wrong in values.broken(schema, of_this_server(body, known)):
                text = json.dumps(wrong)
                if text in seen or openapi.fits(schema, wrong):
                    continue
                seen.add(text)
                reply = ask(client, operation, known, text)
                assert reply.status == 400, (operation.id, path, text[:500], reply)
                paths = [problem["path"] for problem in check(api, operation, reply, 400)["details"]]
                assert path in paths, (operation.id, path, text[:500], reply)
        counts[operation.id] = len(seen)
    assert min(counts.values()) >= 10 and sum(counts.values()) > 400, counts


# --- every status that is described is seen ---

def example(api, operation):
    return (api.body_examples(operation) or [None])[0]


def general(servers, api, known, operation, status):
    """The reply with that status, where the same kind of request brings it about for every operation; or None."""
    plain, body = servers["plain"], example(api, operation)
    if status == "default":
        return ask(plain, operation, known, body, Origin="http://evil.example")
    if status == 400:
        return ask(plain, operation, known, "{")      # no JSON, or a body where none is taken
    if status == 401 and operation.id != "logIn":
        return ask(servers["guarded"], operation, known, body)
    if status == 413:
        return ask(plain, operation, known, body, Content_Length="99999999999")
    if status == 415:
        return ask(plain, operation, known, body, Content_Type="text/plain")
    if status == 503:
        return ask(servers["stopping"], operation, known, body)
    if status == 404 and "{" in operation.path:
        nobody = dict.fromkeys(("run", "template", "conversation", "file"), NOBODY)
        return ask(plain, operation, nobody, body)
    if status == 304:
        found = ask(plain, operation, known)
        return ask(plain, operation, known, If_None_Match=found.headers["ETag"])
    if status == 200 and operation.method == "GET":
        return ask(plain, operation, known)
    return None


def narrow_run(client):
    """The id of a run of `narrow` that waits for the limit, which is used up."""
    if client.get(ONE).json["data"]["used"] == 0:
        assert client.post(ONE, asked()).status == 201
    return client.post(BATCH, {"requests": [asked()], "options": {"async": True}}).json["data"]["runId"]


def cancelled(client, path, body):
    """The reply to a request whose run is cancelled while it waits for the limit."""
    narrow_run(client)
    before = {run["id"] for run in client.get("/api/runs").json["data"]}
    later = Later(lambda: client.post(path, body))
    run = until(lambda: {run["id"] for run in client.get("/api/runs").json["data"]} - before).pop()
    reply = until(lambda: [reply for reply in [client.post(f"/api/runs/{run}/cancel")] if reply.status == 202])[0]
    assert reply.json["data"]["runId"] == run
    return later.wait()


def reused(client, path, body, other):
    headers = {"Idempotency_Key": f"reused{path.replace('/', '-')}"}
    assert client.post(path, body, **headers).status == 201
    return client.post(path, other, **headers)


def batch(**fields):
    return {"requests": [asked(**fields)]}


def start_twice(client):
    narrow_run(client)
    client.post("/api/runs", {"name": "refunds"})
    return client.post("/api/runs", {"name": "refunds"})


def patch(client, id, body):
    return client.ask("PATCH", f"/api/conversations/{id}", body)


def come_back(client):
    """Watches a run to its end, and then again from behind its last event."""
    run = client.post(ONE, asked()).json["data"]["runId"]
    last = max(number for number, _, _ in sse(client, f"/api/runs/{run}/events") if number is not None)
    return client.get(f"/api/runs/{run}/events", Last_Event_ID=str(last))


# (operation, status): what brings it about. S: the servers, K: what is known of the plain one.
PARTICULAR = {
    ("generateConversation", 201): lambda S, K: S["plain"].post(ONE, asked()),
    ("generateConversation", 202): lambda S, K: S["plain"].post(ONE, asked(stream=True, **{"async": True})),
    ("generateConversation", 402): lambda S, K: S["poor"].post(ONE, asked()),
    ("generateConversation", 409): lambda S, K: cancelled(S["narrow"], ONE, asked()),
    ("generateConversation", 422): lambda S, K: reused(S["plain"], ONE, asked(), asked(topic="another")),
    ("generateConversation", 429): lambda S, K: [S["refusing"].post(ONE, asked()) for _ in range(2)][1],
    ("generateConversation", 500): lambda S, K: S["plain"].post(ONE, asked(templateId="faulty")),
    ("generateConversation", 502): lambda S, K: S["failing"].post(ONE, asked()),
    ("estimateConversation", 200): lambda S, K: S["plain"].post("/api/estimate", asked()),
    ("estimateConversation", 500): lambda S, K: S["plain"].post("/api/estimate", asked(templateId="faulty")),
    ("generateBatch", 201): lambda S, K: S["plain"].post(BATCH, batch()),
    ("generateBatch", 202): lambda S, K: S["plain"].post(BATCH, {**batch(), "options": {"async": True}}),
    ("generateBatch", 402): lambda S, K: S["poor"].post(BATCH, batch()),
    ("generateBatch", 422): lambda S, K: reused(S["plain"], BATCH, batch(), batch(topic="another")),
    ("generateBatch", 500): lambda S, K: S["plain"].post(BATCH, batch(templateId="faulty")),
    ("generateBatch", 502): lambda S, K: S["failing"].post(BATCH, batch()),
    ("startRun", 202): lambda S, K: S["plain"].post("/api/runs", {"name": "told"}),
    ("startRun", 404): lambda S, K: S["plain"].post("/api/runs", {"name": "none of its"}),
    ("startRun", 409): lambda S, K: start_twice(S["narrow"]),
    ("cancelRun", 202): lambda S, K: S["narrow"].post(f"/api/runs/{narrow_run(S['narrow'])}/cancel"),
    ("cancelRun", 409): lambda S, K: S["plain"].post(f"/api/runs/{K['run']}/cancel"),
    ("resumeRun", 202): lambda S, K: S["plain"].post(f"/api/runs/{K['failing']}/resume"),
    ("resumeRun", 409): lambda S, K: S["narrow"].post(f"/api/runs/{narrow_run(S['narrow'])}/resume"),
    ("reviewConversations", 200): lambda S, K: S["plain"].ask(
        "PATCH", "/api/conversations", {"ids": K["others"], "status": "approved"}),
    ("reviewConversations", 404): lambda S, K: S["plain"].ask(
        "PATCH", "/api/conversations", {"ids": [*K["others"], NOBODY], "status": "approved"}),
    ("reviewConversations", 409): lambda S, K: S["plain"].ask(
        "PATCH", "/api/conversations", {"ids": [*K["others"], K["older"]], "status": "approved"}),
    ("reviewConversation", 200): lambda S, K: patch(S["plain"], K["conversation"], {"status": "rejected"}),
    ("reviewConversation", 409): lambda S, K: patch(S["plain"], K["older"], {"status": "rejected"}),
    ("getStats", 404): lambda S, K: S["plain"].get(f"/api/stats?run={NOBODY}"),
    ("watchRun", 204): lambda S, K: come_back(S["plain"]),
    ("watchAll", 101): lambda S, K: shake_hands(S["plain"]),
    ("watchAll", 426): lambda S, K: S["plain"].get("/api/events"),
    ("logIn", 204): lambda S, K: S["guarded"].post("/api/session", {"token": TOKEN}),
    ("logIn", 401): lambda S, K: S["guarded"].post("/api/session", {"token": "a guess"}),
    ("logOut", 204): lambda S, K: S["guarded"].ask("DELETE", "/api/session"),
}


def shake_hands(client):
    web = WebSocket(client.host, "/api/events")
    web.close()
    return Reply(web.status, web.headers, "")


def test_every_status_that_is_described_is_seen(servers, api, known):
    seen = set()
    for operation in api:
        for status in operation.statuses:
            make = PARTICULAR.get((operation.id, status))
            reply = make(servers, known) if make else general(servers, api, known, operation, status)
            assert reply is not None, f"{operation.id}: nothing brings {status} about"
            if status == "default":
                assert reply.status == 403 and reply.status not in operation.statuses, (operation.id, reply)
            else:
                assert reply.status == status, (operation.id, status, reply)
            api.check_reply(operation, reply)
            seen.add((operation.id, status))
    assert set(PARTICULAR) <= seen, set(PARTICULAR) - seen
    assert len(seen) > 150


def test_the_cookie_opens_what_the_token_does(servers, api):
    client = servers["guarded"]
    cookie = client.post("/api/session", {"token": TOKEN}).headers["Set-Cookie"].split(";")[0]
    name = api.document["components"]["securitySchemes"]["session"]["name"]
    assert cookie.startswith(f"{name}=")
    for headers in ({"Cookie": cookie}, {"Authorization": f"Bearer {TOKEN}"}):
        check(api, api["listRuns"], client.get("/api/runs", **headers), 200)


@pytest.mark.parametrize("status, request_bytes", [
    (400, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
    (411, b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"),
    (414, b"GET /healthz?" + b"x" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (417, b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\nContent-Length: 2\r\n\r\n{}"),
    (431, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-More: 1\r\n" * 200 + b"\r\n"),
    (501, b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n"),
    (505, b"GET /healthz HTTP/9.1\r\nHost: localhost\r\n\r\n"),
], ids=lambda value: str(value) if isinstance(value, int) else "")
def test_what_is_refused_before_it_is_looked_at_is_an_error_as_described(servers, api, status, request_bytes):
    connection = servers["plain"].connect()
    connection.connect()
    connection.sock.sendall(request_bytes)
    reply = http.client.HTTPResponse(connection.sock)
    reply.begin()
    assert reply.status == status
    api.check({"$ref": "#/components/schemas/Error"}, json.loads(reply.read()))
    connection.close()


# --- what is told live ---

def check_event(api, event):
    """By the schema of its type, which says more than that none of them fits."""
    schema = api.document["components"]["schemas"]["Event"]
    mapping = schema["discriminator"]["mapping"]
    assert sorted(mapping.values()) == sorted(branch["$ref"] for branch in schema["oneOf"])
    api.check({"$ref": mapping[event["type"]]}, event)


def test_every_event_is_one_that_is_described(servers, api, known):
    client = servers["plain"]
    web = WebSocket(client.host, "/api/events")
    data = client.post(ONE, asked(stream=True, **{"async": True})).json["data"]
    client.post("/api/runs", {"name": "failing"})
    told = [event for _, _, event in sse(client, f"/api/runs/{data['runId']}/events")]
    for event in web.events():
        told.append(event)
        if event["type"] == "run" and event["data"]["isOver"] and event["run"] == data["runId"]:
            break
    web.close()
    told += [event for _, _, event in sse(client, f"/api/runs/{known['run']}/events")]
    for event in told:
        check_event(api, event)
    assert {event["type"] for event in told} >= {"state", "run", "item", "text", "end"}


def watched(client, is_last):
    web = WebSocket(client.host, "/api/events")
    client.post("/api/runs", {"name": "alerted"})
    told = []
    for event in web.events():
        told.append(event)
        if is_last(event):
            break
    web.close()
    return told


def test_so_is_every_event_of_trouble(servers, api):
    told = watched(servers["troubled"], lambda event: event["type"] == "run" and event["data"]["isOver"])
    told += watched(servers["away"], lambda event: event["type"] == "outage")
    for event in told:
        check_event(api, event)
    assert {event["type"] for event in told} >= {"retry", "rate_limit", "budget", "outage"}
    waits = [event["data"]["waitMs"] for event in told if event["type"] == "rate_limit"]
    assert waits == [1000]    # what Retry-After said, without jitter
