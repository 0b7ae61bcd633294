"""The page of `confab serve` as files: what they are served with, and that nothing but them is."""
import http.client
import re

import pytest

from http_client import client_of

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
FIRST_VIEW_BYTES = 100_000


@pytest.fixture
def client(start_confab):
    return client_of(start_confab("serve", "--simulate", "--port", "0"))


@pytest.fixture
def locked(start_confab):
    """A server that asks for a token."""
    return client_of(start_confab("serve", "--simulate", "--port", "0", "--token", "a long token of ours"))


def assets(root):
    return sorted(path.name for path in (root / "src" / "server" / "page").iterdir()
                  if path.suffix in (".html", ".css", ".js", ".svg"))


@pytest.mark.parametrize("path, kind", [
    ("/", "text/html"), ("/page/index.html", "text/html"), ("/page/style.css", "text/css"),
    ("/page/app.js", "text/javascript"), ("/page/icon.svg", "image/svg+xml"),
])
def test_each_kind_of_file_has_its_headers(client, path, kind):
    reply = client.get(path)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cache-Control"] == "no-cache"
    assert re.fullmatch(r'"[0-9a-f]{16}"', reply.headers["ETag"])
    assert int(reply.headers["Content-Length"]) == len(reply.text.encode("utf-8"))


def test_every_file_is_served_as_it_is_in_the_tree(client, root):
    names = assets(root)
    assert "index.html" in names and "runs.js" in names
    tags = set()
    for name in names:
        reply = client.get(f"/page/{name}")
        assert (reply.status, reply.text) == (200, (root / "src/server/page" / name).read_text(encoding="utf-8")), name
        tags.add(reply.headers["ETag"])
    assert len(tags) == len(names)


def test_what_the_browser_has_is_not_sent_again(client):
    first = client.get("/page/app.js")
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = client.get("/page/app.js", If_None_Match=known)
        assert (again.status, again.text) == (304, ""), known
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "no-cache"
        assert "Content-Length" not in again.headers
    for unknown in ('"0000000000000000"', ""):
        assert client.get("/page/app.js", If_None_Match=unknown).text == first.text


def test_a_connection_goes_on_behind_a_304(client):
    connection = client.connect()
    connection.request("GET", "/page/app.js")
    reply = connection.getresponse()
    tag, text = reply.headers["ETag"], reply.read()
    connection.request("GET", "/page/app.js", headers={"If-None-Match": tag})
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (304, b"")
    connection.request("GET", "/page/app.js")
    assert connection.getresponse().read() == text
    connection.close()


def test_head_gives_the_head_alone(client):
    for path in ("/", "/page/style.css"):
        whole, head = client.get(path), client.ask("HEAD", path)
        assert (head.status, head.text) == (200, "")
        for name in ("Content-Length", "Content-Type", "ETag"):
            assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("path, status", [
    ("/page/none.js", 404), ("/page/APP.JS", 404), ("/page/app.js%00", 400), ("/page/app", 404), ("/page/", 400),
    ("/page/../page.c", 400), ("/page/..%2fpage.c", 404), ("/page/%2e%2e/app.js", 400), ("/page/app.js/x", 404),
    ("/page/%2fetc%2fpasswd", 404), ("/etc/passwd", 404), ("/index.html", 404), ("/confab.db", 404),
    ("/page/pipeline.lua", 404), ("/page/..%5c..%5cconfab.db", 404),
])
def test_no_path_leads_to_a_file(client, write, path, status):
    write("pipeline.lua", "-- not for others")
    connection = http.client.HTTPConnection(client.host, timeout=60)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.endheaders()
    reply = connection.getresponse()
    assert reply.status == status
    assert reply.headers["Content-Type"].startswith("application/json")
    assert b"not for others" not in reply.read()
    connection.close()


def test_it_is_only_read(client):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        reply = client.ask(method, "/page/app.js", {})
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


def test_it_needs_no_token_but_what_it_shows_does(locked):
    assert locked.get("/").status == 200
    assert locked.get("/page/app.js").status == 200
    assert locked.get("/api/runs").status == 401


def test_a_link_from_another_site_opens_it_but_nothing_else_of_it(client):
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert client.get("/", **link).status == 200
    assert client.get("/page/app.js", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403


def imports(root, name, found):
    """The files that a module needs before it runs, itself included."""
    if name not in found:
        found.add(name)
        text = (root / "src/server/page" / name).read_text(encoding="utf-8")
        for other in re.findall(r'^import .*?from "\./([^"]+)";', text, re.M | re.S):
            imports(root, other, found)
    return found


def first_view(root):
    text = (root / "src/server/page/index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:href|src)="/page/([^"]+)"', text))
    needed = {"index.html"} | {name for name in named if not name.endswith(".js")}
    for name in named:
        if name.endswith(".js"):
            imports(root, name, needed)
    return needed


def test_the_first_view_is_small(client, root):
    needed = first_view(root)
    assert {"index.html", "style.css", "app.js", "runs.js"} <= needed
    total = sum(int(client.get(f"/page/{name}").headers["Content-Length"]) for name in needed)
    print(f"first view: {total} bytes in {len(needed)} files")
    assert total < FIRST_VIEW_BYTES


def test_the_first_view_is_asked_for_at_once(root):
    text = (root / "src/server/page/index.html").read_text(encoding="utf-8")
    preloaded = set(re.findall(r'<link rel="modulepreload" href="/page/([^"]+)">', text))
    assert preloaded | {"app.js"} == imports(root, "app.js", set())


def test_nothing_in_it_makes_markup_of_text(root):
    for name in assets(root):
        text = (root / "src/server/page" / name).read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(",
                    "new Function", "srcdoc", "javascript:"):
            assert way not in text, f"{name} has {way}"
        assert name.endswith(".css") or name == "icon.svg" or not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
