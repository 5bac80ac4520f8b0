"""What a connection keeps: bounded by a stated number of bytes. tests/bench has the figures."""

import contextlib
import threading

import pytest

from client import Client
from gateway import sanitized
from listener import server_context
from origin import again, answer, read
from test_seed import SEED, put

FIRST, HELD = 50, 400
IDLE = 1100  # bytes of a connection between two requests; libevhtp's parser alone has 8,300
BUSY = 200  # connections, each with one of its own to the upstream
WITH_PEER = 44000  # bytes of both; 60,000 with buffers and with what handshakes leave behind

pytestmark = pytest.mark.skipif(sanitized(), reason="a sanitizer has an allocator of its own")


def test_idle_connection(service, gateway, certificates):
    """A connection that has had a request and is kept holds nothing that only a request needs."""
    guard = gateway(f"localhost:{service.origin.port}", tls=certificates / "ca.pem")
    with contextlib.ExitStack() as held:
        for i in range(FIRST + HELD):
            if i == FIRST:
                before = guard.memory()
            client = held.enter_context(Client(guard.port))
            client.send(put(SEED))
            assert client.final().status == 200
        assert (guard.memory() - before) / HELD < IDLE


def test_busy_connections(gateway, origin, certificates):
    """Many connections that wait for an upstream over TLS hold no buffers meanwhile, and what a
    burst of them took is given back."""
    together = threading.Barrier(BUSY)
    behind = origin([read, lambda *_: together.wait(20), answer(), read, answer(), again],
                    context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem", level="debug",
                    upstream=f"keepalive {BUSY};")
    before = guard.memory()
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(Client(guard.port)) for _ in range(BUSY)]
        for client in clients:
            client.send(put(SEED))
        for client in clients:
            assert client.final().status == 200
        guard.wait_log(r"free memory given back with [34]\d\d connections")
        assert (guard.memory("VmRSS") - before) / BUSY < WITH_PEER
