"""Pass-through: large bodies both ways in bounded memory, with back-pressure."""

import hashlib
import threading

import pytest

from client import Client, request
from gateway import sanitized
from origin import again, answer, read

MIB = 1 << 20
SIZE = 64 * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB
LIMIT = 24 * MIB


def download(chunked):
    """A script that sends SIZE bytes."""
    def script(_origin, connection):
        connection.wire.request()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
        connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for _ in range(SIZE // MIB):
            connection.send(b"%x\r\n%s\r\n" % (MIB, BLOCK) if chunked else BLOCK)
        connection.send(b"0\r\n\r\n" if chunked else b"")
    return [script, again]


def upload(_origin, connection):
    """Takes a body of any size and answers with its length and hash; keeps none of it."""
    wire = connection.wire
    head = wire.head()
    digest, total = hashlib.sha256(), 0
    chunked = head.get("Transfer-Encoding") == "chunked"
    left = None if chunked else int(head.get("Content-Length"))
    while left != 0:
        if chunked:
            size = int(wire.until(b"\r\n"), 16)
            data = wire.take(size + 2)[:size]
            left = size
        else:
            data = wire.take(min(left, MIB))
            left -= len(data)
        digest.update(data)
        total += len(data)
    connection.send(answer(f"{total} {digest.hexdigest()}".encode()))


def bounded(guard):
    """True when no process of the gateway ever took more than LIMIT."""
    return sanitized() or guard.memory() < LIMIT


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_download(origin, gateway, chunked):
    """64 MB down, to a client that reads late."""
    behind = origin(download(chunked))
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(request())
        got = client.final()
    assert len(got.body) == SIZE
    assert hashlib.sha256(got.body).digest() == hashlib.sha256(BLOCK * (SIZE // MIB)).digest()
    assert bounded(guard)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_upload(origin, gateway, chunked):
    """64 MB up."""
    guard = gateway(origin([upload, again]))
    with Client(guard.port) as client:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
        client.send(request("POST", "/x", None, framing))
        for _ in range(SIZE // MIB):
            client.send(b"%x\r\n%s\r\n" % (MIB, BLOCK) if chunked else BLOCK)
        client.send(b"0\r\n\r\n" if chunked else b"")
        got = client.final().body.decode()
    assert got == f"{SIZE} {hashlib.sha256(BLOCK * (SIZE // MIB)).hexdigest()}"
    assert bounded(guard)


def test_client_that_does_not_read(origin, gateway):
    """Back-pressure: the upstream is stopped, the rest of the world is served."""
    behind = origin(download(False), [read, answer(), again])
    guard = gateway(behind)
    with Client(guard.port) as lazy, Client(guard.port) as other:
        lazy.send(request())
        lazy.wire.more()
        for _ in range(100):
            other.send(request())
            assert other.final().status == 200
        assert not behind.connections[0].done.is_set()
        assert bounded(guard)
        assert len(lazy.final().body) == SIZE


def test_upstream_that_does_not_read(origin, gateway):
    """Back-pressure the other way: the client is stopped."""
    go_on = threading.Event()
    behind = origin([lambda *_: go_on.wait(20), upload])
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(request("POST", "/x", None, f"Content-Length: {SIZE}"))
        sent = 0
        client.sock.settimeout(0.3)
        try:
            while sent < SIZE:
                sent += client.sock.send(BLOCK[sent % MIB :])
        except TimeoutError:
            pass
        assert sent < SIZE and bounded(guard)
        go_on.set()
        client.sock.settimeout(20)
        while sent < SIZE:
            sent += client.sock.send(BLOCK[sent % MIB : min(MIB, sent % MIB + SIZE - sent)])
        assert client.final().body.decode().startswith(f"{SIZE} ")


def test_upload_nobody_takes(origin, gateway):
    """An upstream that answers early and resets ends the upload: none of it piles up."""
    def flood_and_reset(_origin, connection):
        connection.wire.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.sock.settimeout(0.3)
        try:
            while True:
                connection.send(BLOCK)
        except TimeoutError:
            connection.reset()

    behind = origin([flood_and_reset])
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(request("POST", "/x", None, f"Content-Length: {2 * SIZE}"))
        behind.wait(lambda: behind.connections)
        assert behind.connections[0].done.wait(20)
        client.sock.settimeout(0.3)
        sent = 0
        try:
            while sent < 2 * SIZE:
                sent += client.sock.send(BLOCK)
        except (TimeoutError, ConnectionError):
            pass
        assert sent < 2 * SIZE and bounded(guard)
