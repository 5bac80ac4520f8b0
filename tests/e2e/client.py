"""A client that sends exactly the bytes a test gives, and reads answers strictly."""

import json
import socket
import struct

from wire import Closed, Wire

TIMEOUT = 20


class Client:
    """One connection to the gateway."""

    def __init__(self, port, timeout=TIMEOUT):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Wire(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *segments):
        """Sends segments, each with a send of its own; False when the gateway had enough."""
        try:
            for segment in segments:
                self.sock.sendall(segment)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def finish(self):
        """Ends our direction."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def response(self, method="GET"):
        """The next answer, interim ones included."""
        return self.wire.response(method)

    def final(self, method="GET"):
        """The next answer that is not interim."""
        while (answer := self.response(method)).status < 200:
            pass
        return answer

    def rest(self):
        """All bytes until the gateway ends the connection, however it does."""
        try:
            return self.wire.rest()
        except ConnectionResetError:
            return bytes(self.wire.buffer)

    def closed(self):
        """True when the gateway ends the connection and nothing else came."""
        return self.rest() == b""

    def everything(self, method="GET"):
        """All answers until the gateway ends the connection."""
        answers = []
        try:
            while True:
                answers.append(self.final(method))
        except Closed:
            assert not self.wire.buffer, f"half an answer: {bytes(self.wire.buffer)!r}"
            return answers


def request(method="GET", target="/x", body=None, *fields, version="1.1", host="gateway.test"):
    """The bytes of a request; a body gets a Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += fields
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def ask(port, data, method="GET"):
    """One answer on a connection of its own."""
    with Client(port) as client:
        client.send(data)
        return client.final(method)


def check_refusal(answer, status, code):
    """An answer in the API's error shape with that status and code; returns its JSON."""
    assert answer.status == status, (answer.start, answer.body)
    value = json.loads(answer.body)
    assert value["is_success"] is False
    assert value["error_code"] == code, value
    assert value["error_message"] == value["error_msg"] != ""
    assert value["request_id"] == answer.get("X-Request-Id")
    assert answer.get("Content-Type").startswith("application/json")
    return value
