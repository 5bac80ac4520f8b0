"""Slow clients, too many clients, no file descriptors left: bounded, and with a reason."""

import pathlib
import resource
import select
import socket
import threading

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import TIMEOUT
from origin import again, answer, read
from wire import Wire

PASS = "location / { proxy_pass modelarts; }"
GET = request("GET", "/x")
CHUNKED = request("POST", "/x", None, "Transfer-Encoding: chunked")


def records(guard, n):
    """The first n records, as (end, detail)."""
    found = audit.wait(guard.directory / "audit.jsonl", n)
    return [(r["end"], r.get("end_detail", "")) for r in found]


def drip(client, piece, clock):
    """Sends a piece every 20 ms until the gateway answers; the answer."""
    while client.send(piece) and not select.select([client.sock], [], [], 0.01)[0]:
        clock(0.02)
    return client.final("POST")


@pytest.mark.parametrize("head, piece", [
    (request("POST", "/x", None, "Content-Length: 100000"), b"x"),
    (CHUNKED, b"1\r\nx\r\n")], ids=["sized", "chunked"])
def test_body_rate(gateway, origin, clock, head, piece):
    """Bytes that come, but too slowly, do not keep a connection."""
    guard = gateway(origin(), locations=PASS,
                    server="client_body_timeout 400ms; client_body_min_rate 10k;")
    with Client(guard.port) as client:
        client.send(head)
        check_refusal(drip(client, piece, clock), 408, "ModelArts.4105")
    assert [end for end, _ in records(guard, 1)] == ["body_timeout"]
    guard.wait_log("slower than client_body_min_rate")


def test_body_rate_is_met(gateway, origin, clock):
    """A steady client is slower than the timeout, but not than the rate."""
    behind = origin()
    guard = gateway(behind, locations=PASS,
                    server="client_body_timeout 300ms; client_body_min_rate 100;")
    with Client(guard.port) as client:
        client.send(CHUNKED)
        for n in range(5):
            client.send(b"1000\r\n" + bytes(4096) + b"\r\n")
            while behind.bytes_received < 4096 * (n + 1):
                select.select([], [], [], 0.01)
            clock(0.1)
        client.send(b"0\r\n\r\n")
        assert client.final().status == 200


def fill(client, data, guard):
    """Sends until the worker takes no more, though it does other things: it has paused. How much
    that was."""
    sent, before = 0, -1
    client.sock.setblocking(False)
    while sent > before:
        before = sent
        try:
            while sent < len(data):
                sent += client.sock.send(data[sent:])
        except BlockingIOError:
            pass
        for _ in range(2):
            assert ask(guard.port, request("GET", "/elsewhere")).status == 404
    client.sock.settimeout(20)
    assert sent < len(data)
    return sent


def test_slow_upstream_is_not_the_clients_fault(gateway, origin, clock):
    """Time in which the upstream takes nothing does not count."""
    paused = threading.Event()
    guard = gateway(origin([lambda *_: paused.wait(20), read, answer(), again]),
                    locations=PASS.replace("/", "/x", 1),
                    server="client_body_timeout 300ms; client_body_min_rate 10m;")
    data = memoryview(request("POST", "/x", bytes(30 << 20)))
    with Client(guard.port) as client:
        sent = fill(client, data, guard)
        clock(4)  # longer than the client may take
        paused.set()
        client.send(data[sent:])
        assert client.final().status == 200


@pytest.mark.parametrize("what, end", [(b"GET / HTTP/1.1\r\nHo", "head_timeout"),
                                       (CHUNKED, "body_timeout")])
def test_silence_has_a_reason(gateway, origin, what, end):
    """Who stops in the middle is answered, and the record says where."""
    guard = gateway(origin(), locations=PASS,
                    server="client_header_timeout 200ms; client_body_timeout 200ms;")
    with Client(guard.port) as client:
        client.send(what)
        check_refusal(client.final(), 408, "ModelArts.4105")
    assert [e for e, _ in records(guard, 1)] == [end]


def flood(_origin, connection):
    """Answers before the body is there, for as long as somebody takes it."""
    connection.wire.head()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while True:
            connection.send(b"10000\r\n" + bytes(65536) + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass


@pytest.mark.parametrize("length", [6, 1 << 30], ids=["complete", "paused"])
def test_answer_is_not_taken(gateway, origin, length):
    """Who sends a body and takes nothing of an early answer does not keep a connection."""
    behind = origin([flood])
    guard = gateway(behind, locations=PASS, server="send_timeout 400ms;",
                    upstream="read_timeout 60s; send_timeout 60s;")
    with Client(guard.port) as client:
        client.send(request("POST", "/x", None, f"Content-Length: {length}") + b"half")
        client.wire.more()
        client.sock.settimeout(0.3)
        try:
            for _ in range(length // 65536 + 1):
                client.sock.sendall(bytes(min(length - 4, 65536)))
        except (TimeoutError, ConnectionError):
            pass
        assert [end for end, _ in records(guard, 1)] == ["client_timeout"]


def sip(sock, clock):
    """Takes a little of what waits, which is more than the kernel holds: the gateway has written in
    between. The pauses are together longer than send_timeout."""
    got = b""
    for _ in range(3):
        clock(0.4)
        size = len(got) + 20000
        while len(got) < size:
            got += sock.recv(size - len(got))
    return got


def narrow(sock):
    """Lets the kernel on this side, too, take little."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def test_slow_reader_is_not_stuck(small_buffers, gateway, origin, clock):
    """send_timeout is the time between two writes: who takes some of an answer goes on."""
    # pylint: disable=unused-argument
    guard = gateway(origin([read, answer(bytes(160000)), again]), locations=PASS,
                    server="send_timeout 800ms;")
    with socket.socket() as sock:
        narrow(sock)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", guard.port))
        sock.sendall(GET)
        got = sip(sock, clock)
        while len(got) < 160000:
            assert (more := sock.recv(1 << 20)), f"cut off after {len(got)} bytes"
            got += more
    assert [end for end, _ in records(guard, 1)] == ["done"]


def test_slow_upstream_is_not_stuck(small_buffers, gateway, origin, clock):
    """The same towards the upstream."""
    # pylint: disable=unused-argument
    def slow(_origin, connection):
        connection.wire.buffer += sip(connection.sock, clock)

    behind = origin([slow, read, answer()])
    narrow(behind.sock)
    guard = gateway(behind, locations=PASS, upstream="send_timeout 800ms;")
    with Client(guard.port) as client:
        client.send(request("POST", "/x", bytes(160000)))
        assert client.final().status == 200


def test_idle_connections_make_room(gateway, origin, clock):
    """A worker full of idle connections still serves."""
    guard = gateway(origin(), locations=PASS, main="worker_connections 16;")
    idle = [Client(guard.port) for _ in range(16)]
    for client in idle:
        client.send(GET)
        assert client.final().status == 200
    clock(0.2)  # who is idle for less is left alone
    for _ in range(20):
        assert ask(guard.port, GET).status == 200
    guard.wait_log("idle connections closed to make room")
    for client in idle:
        client.sock.close()


def test_silent_connections_make_room(gateway, origin):
    """So does one full of connections that never said a word."""
    guard = gateway(origin(), locations=PASS, main="worker_connections 16;")
    silent = [Client(guard.port) for _ in range(40)]
    assert ask(guard.port, GET).status == 200
    for client in silent:
        client.sock.close()


def test_busy_connections_stay(gateway, origin):
    """With all connections busy the next one waits until one ends."""
    released = threading.Event()
    behind = origin([read, lambda *_: released.wait(TIMEOUT), answer(), again])
    guard = gateway(behind, locations=PASS, main="worker_connections 16;")
    busy = [Client(guard.port) for _ in range(16)]
    for client in busy:
        client.send(GET)
    behind.wait(lambda: len(behind.requests) == 16)
    with Client(guard.port) as late:
        late.send(GET)
        late.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.final()
        late.sock.settimeout(20)
        released.set()
        assert late.final().status == 200
    for client in busy:
        assert client.final().status == 200
        client.sock.close()


def worker(guard):
    """The process id of the worker."""
    path = f"/proc/{guard.process.pid}/task/{guard.process.pid}/children"
    return int(pathlib.Path(path).read_text(encoding="utf-8").split()[0])


def test_no_file_descriptors(gateway, origin):
    """Without descriptors accepting rests, and goes on when there are some."""
    guard = gateway(origin(), [r"accept on .* failed: Too many open files", r"Too many open files"],
                    locations=PASS)
    assert ask(guard.port, GET).status == 200
    pid = worker(guard)
    used = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 8, used + 8))
    clients = [Client(guard.port) for _ in range(60)]
    guard.wait_log("accept on .* failed")
    before = cpu(pid)
    told = len(guard.matches("accept on .* failed"))
    guard.wait(lambda: len(guard.matches("accept on .* failed")) >= told + 3, "three pauses")
    assert cpu(pid) - before < 0.12  # a worker that spins burns all of them
    for client in clients:
        client.sock.close()
    assert ask(guard.port, GET).status == 200
    assert len(guard.matches("accept on .* failed")) < 20


def cpu(pid):
    """Seconds of processor time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def crowd(port, n, data):
    """Connections of one address that send so much and never leave."""
    socks = []
    for _ in range(n):
        socks.append(socket.create_connection(("127.0.0.1", port), 30))
        try:
            socks[-1].sendall(data)
        except OSError:
            pass  # the gateway had enough of it
    return socks


def honest(port):
    """One request of another address."""
    with socket.create_connection(("127.0.0.1", port), 30, ("127.0.0.2", 0)) as sock:
        sock.sendall(request())
        return Wire(sock).response("GET").status


CROWDS = {
    "nothing": b"",
    "a byte": b"G",
    "half a line": b"GET /x HT",
    "slow heads": b"GET /x HTTP/1.1\r\nHost: a\r\nX-",
    "refused heads": b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "nonsense": b"\x16\x03\x01\x00",
    "refused bodies": request("PUT", "/x", None, "Content-Length: 4000000"),
    "answered": request("GET", "/x"),
    "answered, then slow": request("GET", "/x") + b"GET /y HT",
    "withheld bodies": request("PUT", "/x", None, "Content-Length: 100"),
    "half bodies": request("PUT", "/x", None, "Content-Length: 100") + b"half",
    "half chunks": CHUNKED + b"ff\r\nhalf",
    "no keep-alive": request("GET", "/x", None, "Connection: close"),
}


@pytest.mark.parametrize("limit", ["limit_conn 5;", ""], ids=["limited", "unlimited"])
@pytest.mark.parametrize("data", CROWDS.values(), ids=CROWDS)
def test_a_crowd_does_not_silence_others(origin, gateway, data, limit):
    """Three times as many connections as there are slots, none of which ever ends by itself."""
    guard = gateway(origin(), main="worker_connections 100;", server=f"""{limit}
        client_header_timeout 10m; client_body_timeout 10m; lingering_timeout 10m;
        keepalive_timeout 10m; client_max_body_size 1k;""", locations=PASS)
    socks = crowd(guard.port, 300, data)
    assert [honest(guard.port) for _ in range(10)] == [200] * 10
    socks += crowd(guard.port, 100, data)
    assert [honest(guard.port) for _ in range(10)] == [200] * 10
    for sock in socks:
        sock.close()


def test_who_withholds_a_body_is_told(gateway, origin):
    """It gives way when there is no room: 408, on record; who sends steadily keeps the place."""
    behind = origin()
    guard = gateway(behind, locations=PASS, main="worker_connections 16;")
    steady = Client(guard.port)
    steady.send(request("POST", "/x", None, "Content-Length: 1048577") + bytes(1 << 20))
    silent = [Client(guard.port) for _ in range(15)]
    for client in silent:
        client.send(request("PUT", "/x", None, "Content-Length: 9"))
    behind.wait(lambda: len(behind.connections) == 16)
    assert honest(guard.port) == 200
    found = [(end, detail) for end, detail in records(guard, 2) if end != "done"]
    assert {*found} == {("body_timeout", "given up for other connections")}
    steady.send(b"x")
    assert steady.final().status == 200
    for client in silent:
        client.sock.close()


def test_who_takes_no_answer_gives_way(gateway, origin):
    """Connections full of answers that nobody reads."""
    behind = origin([read, answer(bytes(8 << 20)), again])
    guard = gateway(behind, locations=PASS, main="worker_connections 16;")
    for client in (greedy := [Client(guard.port) for _ in range(16)]):
        client.send(GET)
    for client in greedy:
        client.wire.more()
    with socket.create_connection(("127.0.0.1", guard.port), 30) as sock:
        sock.sendall(request("HEAD"))
        assert Wire(sock).response("HEAD").status == 200
    assert "client_timeout" in [end for end, _ in records(guard, 2)]
    for client in greedy:
        client.sock.close()
