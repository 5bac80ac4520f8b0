"""The client goes away: the upstream is let go, the record is written, nothing is left over."""

import pytest

import audit
from client import Client, ask, request
from listener import server_context
from origin import OK, read, read_head, wait_end
from test_seed import SEED, put
from test_stream import download

LEAVE = pytest.mark.parametrize("leave", [lambda c: c.sock.close(), Client.reset, Client.finish],
                                ids=["FIN", "RST", "half close"])
ERRORS = [r"\[error\].*upstream"]


def gone(guard, client, leave, n=1):
    """Leaves; the n-th record says so."""
    leave(client)
    record = audit.wait(guard.directory / "audit.jsonl", n)[n - 1]
    assert record["end"] == "client_gone", record
    assert record["decision"]
    client.sock.close()
    return record


@LEAVE
@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET", b"GET /x HTTP/1.1\r\nHost: a\r\nA: b"])
def test_before_the_head_is_there(plain, leave, begun):
    """Half a head is no request; the gateway goes on."""
    client = Client(plain.port)
    client.send(begun)
    leave(client)
    assert ask(plain.port, request()).status == 200
    client.sock.close()


@LEAVE
def test_in_a_collected_body(origin, gateway, leave):
    """Nothing was forwarded."""
    behind = origin()
    guard = gateway(behind)
    client = Client(guard.port)
    client.send(put(SEED)[:-20])
    record = gone(guard, client, leave)
    assert record["bytes.in"] <= len(SEED) - 20
    assert behind.connections == []


@LEAVE
def test_in_a_streamed_body(origin, gateway, leave):
    """The upstream sees that the rest will not come."""
    behind = origin([read_head, wait_end])
    guard = gateway(behind)
    client = Client(guard.port)
    client.send(request("POST", "/x", None, "Content-Length: 1000000") + bytes(1000))
    behind.wait(lambda: behind.log)
    gone(guard, client, leave)
    assert behind.connections[0].done.wait(20)


@LEAVE
@pytest.mark.parametrize("data", [put(SEED), request()], ids=["judged", "passed through"])
def test_while_the_upstream_thinks(origin, gateway, leave, data):
    """The exchange with the upstream is given up."""
    behind = origin([read, wait_end])
    guard = gateway(behind)
    client = Client(guard.port)
    client.send(data)
    behind.wait(lambda: behind.log)
    gone(guard, client, leave)
    assert behind.connections[0].done.wait(20)


@LEAVE
def test_while_connecting(origin, gateway, certificates, leave):
    """In the middle of a TLS handshake that does not go on."""
    behind = origin([wait_end])
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem")
    client = Client(guard.port)
    client.send(put(SEED))
    behind.wait(lambda: behind.connections)
    gone(guard, client, leave)
    assert behind.connections[0].done.wait(20)


@pytest.mark.parametrize("leave", [lambda c: c.sock.close(), Client.reset], ids=["FIN", "RST"])
def test_in_the_answer(origin, gateway, leave):
    """In the middle of a download of which most is still to come."""
    behind = origin(download(False))
    guard = gateway(behind)
    client = Client(guard.port)
    client.send(request())
    client.wire.more()
    gone(guard, client, leave)
    assert behind.connections[0].done.wait(20)


def test_with_requests_waiting(origin, gateway):
    """Pipelined requests that were not begun are not forwarded."""
    behind = origin([read, wait_end])
    guard = gateway(behind)
    client = Client(guard.port)
    client.send(request() * 20)
    behind.wait(lambda: behind.log)
    gone(guard, client, Client.reset)
    assert behind.seen() == ["GET /x"]


def test_many(origin, gateway, certificates):
    """A hundred clients that leave at a hundred places; then one that stays."""
    behind = origin(OK, context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", ERRORS, tls=certificates / "ca.pem")
    data = put(SEED) + request()
    for at in range(0, len(data), max(1, len(data) // 100)):
        client = Client(guard.port)
        client.send(data[:at])
        client.reset() if at % 2 else client.sock.close()
    assert ask(guard.port, put(SEED)).status == 200


def test_end_with_everything_in_flight(origin, gateway):
    """TERM while connections are idle, in a head, in a body and waiting: nothing is left over."""
    behind = origin([read, wait_end])
    guard = gateway(behind, ERRORS)
    clients = [Client(guard.port) for _ in range(4)]
    for client, data in zip(clients, (b"", b"GET /x HT", put(SEED)[:-5], request())):
        client.send(data)
    behind.wait(lambda: behind.log)
    guard.stop()
    for client in clients:
        client.sock.close()
