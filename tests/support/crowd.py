"""Hundreds of connections to `confab serve` from one thread: some watch, some ask now and then, some only stay.

    with Crowd(host, streams=100, sockets=100, askers=50, idle=250) as crowd:
        crowd.watch(run)              # the streams begin; the sockets have since they were made
        ...
    crowd.watchers[0].received        # the bytes, if keep=True
"""
import base64
import os
import selectors
import socket
import threading
import time

READ = 1 << 20


def _request(host, path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


class Connection:
    """One of the crowd. It gathers what it receives, or only counts it (`keep`)."""

    def __init__(self, host, keep):
        name, port = host.split(":")
        self.socket = socket.create_connection((name, int(port)), timeout=30)
        self.host, self.keep = host, keep
        self.received, self.count, self.is_closed = bytearray(), 0, False

    def take(self, buffer):
        """What has come; without keep the kernel throws it away. Returns how much it was."""
        try:
            got = self.socket.recv_into(buffer, len(buffer), 0 if self.keep else socket.MSG_TRUNC)
        except BlockingIOError:
            return -1
        except ConnectionError:
            got = 0
        self.is_closed = self.is_closed or got == 0
        self.count += got
        if self.keep:
            self.received += buffer[:got]
        return got


class Watcher(Connection):
    """Of one run, as a stream, or of all (`run` None), as a WebSocket."""

    def __init__(self, host, keep, run=None):
        super().__init__(host, keep)
        self.is_stream = run is not None
        if run:
            self.socket.sendall(_request(host, f"/api/runs/{run}/events"))
        else:
            key = base64.b64encode(os.urandom(16)).decode()
            self.socket.sendall(_request(host, "/api/events", "Upgrade: websocket", "Connection: Upgrade",
                                         "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"))


class Asker(Connection):
    """A connection that is kept and asks the same again and again, `every_s`."""

    def __init__(self, host, every_s, first_s):
        super().__init__(host, keep=True)
        self.every_s, self.due, self.path = every_s, first_s, "/readyz"
        self.asked_at, self.latencies, self.statuses = None, [], set()

    def ask(self, now):
        self.asked_at = now
        self.due = now + self.every_s
        self.socket.send(_request(self.host, self.path))

    def take(self, buffer):
        got = super().take(buffer)
        head, mark, body = bytes(self.received).partition(b"\r\n\r\n")
        if mark and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            self.latencies.append(time.monotonic() - self.asked_at)
            self.statuses.add(int(head.split()[1]))
            self.asked_at = None
            self.received.clear()
        return got


class Crowd:
    """Everything is opened at once but for the streams, which need a run; read by a thread until the end."""

    def __init__(self, host, streams, sockets, askers=0, idle=0, every_s=5, keep=False):
        self.host, self.streams, self.keep = host, streams, keep
        self.selector, self.end = selectors.DefaultSelector(), threading.Event()
        self.lock = threading.Lock()
        self.watchers = [Watcher(host, keep) for _ in range(sockets)]
        now = time.monotonic()
        self.askers = [Asker(host, every_s, now + every_s * i / (askers or 1)) for i in range(askers)]
        self.idle = [Asker(host, 5, now + i / (idle or 1)) for i in range(idle)]    # before it is closed as idle
        for connection in self.watchers + self.askers + self.idle:
            self._add(connection)
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _add(self, connection):
        connection.socket.setblocking(False)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        for connection in self.watchers + self.askers + self.idle:
            connection.socket.close()
        self.selector.close()

    def watch(self, run):
        """The streams watch a run, and the askers ask for it."""
        for asker in self.askers:
            asker.path = f"/api/runs/{run}"
        for _ in range(self.streams):
            watcher = Watcher(self.host, self.keep, run)
            with self.lock:
                self.watchers.append(watcher)
                self._add(watcher)

    def wait(self, is_there, timeout_s):
        """Until that is so of the crowd."""
        until = time.monotonic() + timeout_s
        while not is_there(self):
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.01)

    def _read(self):
        buffer = memoryview(bytearray(READ))
        while not self.end.is_set():
            with self.lock:
                ready = self.selector.select(0)
            for key, _ in ready:
                if key.data.take(buffer) == 0:
                    with self.lock:
                        self.selector.unregister(key.fileobj)
            now = time.monotonic()
            for asker in self.askers + self.idle:
                if asker.due <= now and asker.asked_at is None and not asker.is_closed:
                    asker.ask(now)
            if len(ready) < 16:
                time.sleep(0.02)      # many at a time: the machine has other things to do
