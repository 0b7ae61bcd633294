"""A Messages API server that answers as a test says, for what `confab mock` never says.

    server = messages_server.start(lambda request: "Hello!")      # the text, or fields of the reply; request_id
    ... server.url; server.requests, in order of arrival ...
    server.close()
"""
import http.server
import json
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # head and body leave in two writes

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append(request)
            number = len(self.server.requests)
            said = self.server.answer(request)
        if isinstance(said, str):
            said = {"content": [{"type": "text", "text": said}]}
        request_id = said.pop("request_id", f"req_{number}")
        reply = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": request["model"],
            "content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 10}, **said,
        }
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", request_id)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


def start(answer):
    """Listens on a free port."""
    return Server(answer)


def first_text(request):
    """The text of the first message."""
    content = request["messages"][0]["content"]
    return content[0]["text"] if isinstance(content, list) else content
