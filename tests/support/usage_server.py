"""A Messages API server that answers with the usage it is told, for what `confab mock` never says.

    server = usage_server.start([{"model": "claude-haiku-5-5", "usage": {...}}, ...])
    ... a prompt that begins with "case 3 " gets the fourth reply ...
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
        prompt = request["messages"][0]["content"]
        if isinstance(prompt, list):
            prompt = prompt[0]["text"]
        number = int(prompt.split()[1])
        reply = {
            "id": f"msg_{number}", "type": "message", "role": "assistant",
            "content": [{"type": "text", "text": "fine"}],
            "stop_reason": "end_turn", "stop_sequence": None, **self.server.replies[number],
        }
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", f"req_{number}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, replies):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = replies
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


def start(replies):
    """Listens on a free port; each reply is what it says besides the text: model and usage."""
    return Server(replies)
