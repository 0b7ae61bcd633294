"""A client of `confab serve`: requests over real HTTP, with the reply's status, headers and JSON."""
import dataclasses
import http.client
import json
import re
import urllib.parse


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    def __str__(self):
        return f"{self.status} {self.headers}\n{self.text}"


class Client:
    """Of the server at an address such as http://127.0.0.1:8080/."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc

    def connect(self, timeout=60):
        return http.client.HTTPConnection(self.host, timeout=timeout)

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        try:
            connection.request(method, path, body=text, headers=sent)
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.headers), reply.read().decode("utf-8"))
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body=None, **headers):
        return self.ask("POST", path, body, **headers)


def client_of(process):
    """The client of a `confab serve` that has just been started: waits until it listens."""
    return Client(process.wait_for(r"listening on (http://\S+)").group(1))


def sse(client, path, **headers):
    """The events of a stream, until it ends: (id or None, type, object)."""
    connection = client.connect()
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/event-stream")
    number, kind = None, None
    for line in reply:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "id":
            number = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            yield number, kind, json.loads(value)
            number, kind = None, None
    connection.close()


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
