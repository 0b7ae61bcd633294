"""A small WebSocket client (RFC 6455): the handshake as bytes, frames in and out."""
import base64
import hashlib
import json
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocket:
    """To host:port/path. `status` is that of the reply; without 101 there are no frames, only `text`."""

    def __init__(self, host, path, timeout=30, rcvbuf=None, **headers):
        name, port = host.split(":")
        self.socket = socket.socket()
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(timeout)
        self.socket.connect((name, int(port)))
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        sent = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
                "Sec-WebSocket-Version": "13"}
        sent.update({header.replace("_", "-"): value for header, value in headers.items()})
        lines = [f"GET {path} HTTP/1.1"] + [f"{header}: {value}" for header, value in sent.items() if value is not None]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        head = self._until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if self.status == 101:
            expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            assert self.headers["Sec-WebSocket-Accept"] == expected
        else:
            self.text = self._take(int(self.headers.get("Content-Length", 0))).decode()

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        self.buffer += piece

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, opcode, payload=b""):
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        else:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def receive(self):
        """opcode, payload of the next frame."""
        first, second = self._take(2)
        assert first & 0x80 and not second & 0x80, "whole and not masked"
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._take(8))[0]
        return first & 0x0F, self._take(length)

    def events(self):
        """The JSON of each text frame, until the close."""
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return
            if opcode == PING:
                self.send(PONG, payload)
            if opcode == TEXT:
                yield json.loads(payload)

    def close(self):
        self.socket.close()
