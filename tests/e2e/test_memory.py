"""What a connection keeps: bounded by a stated number of bytes. tests/bench has the figures."""

import contextlib

import pytest

from client import Client
from gateway import sanitized
from test_seed import SEED, put

FIRST, HELD = 50, 400
IDLE = 1100  # bytes of a connection between two requests; libevhtp's parser alone has 8,300


@pytest.fixture(name="guard")
def gateway_with_upstream(service, gateway, certificates):
    """A gateway whose memory means something."""
    if sanitized():
        pytest.skip("a sanitizer has an allocator of its own")
    return gateway(f"localhost:{service.origin.port}", tls=certificates / "ca.pem")


def test_idle_connection(guard):
    """A connection that has had a request and is kept holds nothing that only a request needs."""
    with contextlib.ExitStack() as held:
        for i in range(FIRST + HELD):
            if i == FIRST:
                before = guard.memory()
            client = held.enter_context(Client(guard.port))
            client.send(put(SEED))
            assert client.final().status == 200
        assert (guard.memory() - before) / HELD < IDLE
