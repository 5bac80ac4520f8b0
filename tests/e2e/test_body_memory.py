"""What request bodies take of a worker's memory: a budget of its own, and what is given back."""

import json
import re
import socket
import threading

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import TIMEOUT, sanitized
from origin import answer, read
from test_descriptors import ADMIN
from test_limits import narrow
from test_seed import JSON, SEED, put
from wire import Wire

MB = 1 << 20
HEAD = ("PUT", "/v1/p/training-job-configs/c", None, JSON, f"Content-Length: {MB}")
PART = b" " * (MB - 70000)  # of a body of 1 MB
BUDGET = 4 * MB
QUESTIONS = 50000  # to the admin page, about a minute
GIVEN_UP = "worker_body_memory is 4194304"

unsanitized = pytest.mark.skipif(sanitized(), reason="a sanitizer has an allocator of its own")


def taken(guard):
    """What the bodies take, as the gateway counts it."""
    got = ask(guard.ports[0], request("GET", "/metrics")).body.decode()
    return int(re.search(r"^trainguard_body_memory_bytes (\d+)$", got, re.M)[1])


def wait_taken(guard, right):
    """Waits for the count to be right; a worker tells it at the end of a turn."""
    for _ in range(QUESTIONS):
        if right(now := taken(guard)):
            return now
    raise AssertionError(now)


def hold(port, n):
    """Clients that have sent the most of a body each, and keep the rest."""
    clients = [Client(port) for _ in range(n)]
    for client in clients:
        client.send(request(*HEAD), PART)
    return clients


def ends(guard, n):
    """How the first n requests ended."""
    return [r["end"] for r in audit.wait(guard.directory / "audit.jsonl", n)]


@pytest.mark.parametrize("held", [60])
def test_incomplete_bodies(gateway, origin, held):
    """More of them than fit: the largest are told so, others are served, memory is bounded."""
    behind = origin()
    guard = gateway(behind, main=f"worker_body_memory 4m; {ADMIN}")
    assert ask(guard.port, put(SEED)).status == 200
    before = guard.memory()
    clients = hold(guard.port, held)
    assert {*ends(guard, 1 + held - 4)[1:]} == {"overloaded"}
    assert 2 * MB < taken(guard) <= BUDGET
    assert ask(guard.port, request()).status == 200
    assert ask(guard.port, put(SEED)).status == 200
    assert [r.method for r in behind.requests] == ["PUT", "GET", "PUT"]
    if not sanitized():
        assert guard.memory() - before < BUDGET + 8 * MB  # bodies that grew leave room between
    guard.wait_log(f"the gateway is overloaded: {GIVEN_UP}, while reading the request body")
    for client in clients:
        client.sock.close()
    assert wait_taken(guard, lambda n: n == 0) == 0


def test_the_largest_gives_way(gateway, origin):
    """A small body that comes last is served: a larger one that does not come to its end gets the
    answer, in the API's shape, with the time to wait, and is on record."""
    guard = gateway(origin(), main=f"worker_body_memory 1m; {ADMIN}")
    with Client(guard.port) as large, Client(guard.port) as small:
        large.send(request(*HEAD), b" " * (MB - 1000))
        wait_taken(guard, lambda n: n > MB - 10000)
        small.send(put(SEED))
        assert small.final().status == 200
        got = large.final()
    check_refusal(got, 503, "ModelArts.4700")
    assert got.get("Retry-After") == "1"
    assert "overloaded: the gateway is overloaded" in got.get("Proxy-Status")
    refused, = [r for r in audit.wait(guard.directory / "audit.jsonl", 2) if r["end"] != "done"]
    assert (refused["end"], refused["end_detail"]) == ("overloaded", "worker_body_memory is 1048576")


@pytest.mark.parametrize("n", [28, 200], ids=["large", "small"])
def test_who_has_begun_most_gives_way(gateway, origin, n):
    """Many bodies of one address, each smaller than that of another address: they make room."""
    guard = gateway(origin(), main=f"worker_body_memory 4m; {ADMIN}")
    part = b" " * (4 * MB // n - 4096)
    crowd = [Client(guard.port) for _ in range(n)]
    for client in crowd:
        client.send(request(*HEAD), part)
    wait_taken(guard, lambda taken: taken > 3 * MB)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", guard.port), 60, ("127.0.0.2", 0)) as sock:
            sock.sendall(put(SEED + b" " * 900000))
            assert Wire(sock).response("PUT").status == 200
    records = audit.wait(guard.directory / "audit.jsonl", 4)
    assert {r["client.address"] for r in records if r["end"] == "overloaded"} == {"127.0.0.1"}
    for client in crowd:
        client.sock.close()


def test_no_budget(gateway, origin):
    """0: as many as there are."""
    guard = gateway(origin(), main=f"worker_body_memory 0; {ADMIN}")
    clients = hold(guard.port, 8)
    wait_taken(guard, lambda n: n == 8 * len(PART))
    for client in clients:
        client.send(b" " * (MB - len(PART)))
        check_refusal(client.final(), 400, "ModelArts.4105")
        client.sock.close()
    wait_taken(guard, lambda n: n == 0)


def test_what_filters_made_counts(gateway, origin):
    """While the upstream is waited for, a body and what it was parsed into are held."""
    released = threading.Event()
    behind = origin([read, lambda *_: released.wait(TIMEOUT), answer()])
    guard = gateway(behind, main=ADMIN)
    with Client(guard.port) as client:
        client.send(put(SEED))
        assert wait_taken(guard, lambda n: n > 0) > 2 * len(SEED)
        released.set()
        assert client.final().status == 200
        wait_taken(guard, lambda n: n == 0)


def large_config(size):
    """A good config of that many bytes and some: thousands of parameters."""
    config = json.loads(SEED)
    config["parameter"] = [{"label": f"o{i}", "value": "v"} for i in range(size // 29)]
    return json.dumps(config).encode()


@pytest.fixture(name="waits")
def waiting_upstream(origin):
    """An upstream that reads a request and answers when it is told to."""
    released = threading.Event()
    return origin([read, lambda *_: released.wait(TIMEOUT), answer()]), released


def taken_by(guard, behind, body):
    """What a body takes when the upstream has it, at least its own length."""
    return wait_taken(guard, lambda n: n >= len(body) and behind.seen())


@pytest.mark.parametrize("changed", [False, True])
def test_what_large_documents_take(gateway, waits, changed):
    """While the upstream is waited for: the text and what goes upstream, no nodes. The record tells
    what it tells of any document."""
    behind, released = waits
    guard = gateway(behind, main=ADMIN)
    body = large_config(100000)
    if changed:
        body = body.replace(b'"label": "o1",', b'"key": "o1",', 1)
    with Client(guard.port) as client:
        client.send(put(body))
        assert taken_by(guard, behind, body) < 4 * len(body)
        released.set()
        assert client.final().status == 200
        wait_taken(guard, lambda n: n == 0)
    assert behind.requests[0].body == body.replace(b'"key": "o1",', b'"label": "o1",')
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    told = record["request.body"]
    assert len(told["parameter"]) == 100000 // 29
    assert told["parameter"][1] == {"label": "o1"} and told["spec_id"] == 1
    assert [c["path"] for c in record.get("patch", [])] == ["/parameter/1/label"] * changed


def test_a_record_of_short_values(gateway, waits):
    """Two bytes for each value, which a node takes 48 for; the record leaves the body out."""
    behind, released = waits
    guard = gateway(behind, main=ADMIN,
                    locations="location / { filters json; proxy_pass modelarts; }")
    body = b'{"x":[%s]}' % b",".join([b"1"] * 90000)
    with Client(guard.port) as client:
        client.send(request("POST", "/x", body, JSON))
        assert taken_by(guard, behind, body) < 2 * len(body)
        released.set()
        assert client.final().status == 200
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert record["request.body"]["x"].startswith("hmac-sha256:")


def test_streamed_bodies(gateway, origin):
    """They count with what is queued alone, however long they are."""
    behind = origin()
    guard = gateway(behind, main=f"worker_body_memory 1m; {ADMIN}")
    assert ask(guard.port, request("POST", "/x", bytes(8 * MB))).status == 200
    assert len(behind.requests[0].body) == 8 * MB
    assert wait_taken(guard, lambda n: n == 0) == 0


def test_without_a_body(small_buffers, gateway, origin):
    """What is queued for a slow upstream may go beyond the budget: bodies are refused then, and who
    has none is served."""
    # pylint: disable=unused-argument
    released = threading.Event()
    waits = iter([True])
    behind = origin([lambda *_: next(waits, False) and released.wait(TIMEOUT), read, answer()])
    narrow(behind.sock)
    guard = gateway(behind, main=f"worker_body_memory 1m; {ADMIN}",
                    locations="location / { filters json; proxy_pass modelarts; }")
    with Client(guard.port) as slow:
        slow.send(request("POST", "/x", b'"%s"' % (b"a" * 1000000), JSON))
        wait_taken(guard, lambda n: n > MB)
        assert ask(guard.port, request()).status == 200
        check_refusal(ask(guard.port, request("POST", "/x", b"{}", JSON)), 503, "ModelArts.4700")
        released.set()
        assert slow.final().status == 200
    wait_taken(guard, lambda n: n == 0)


@unsanitized
def test_memory_comes_back(gateway, origin):
    """What large bodies took is the system's again, also below what stays."""
    guard = gateway(origin(), main=ADMIN, level="debug")
    assert ask(guard.port, put(SEED)).status == 200
    before = guard.memory("VmRSS")
    clients = hold(guard.port, 60)
    wait_taken(guard, lambda n: n == 60 * len(PART))
    assert guard.memory("VmRSS") - before > 50 * MB
    stays = hold(guard.port, 4)
    for client in clients:
        client.sock.close()
    wait_taken(guard, lambda n: n == 4 * len(PART))
    wait_taken(guard, lambda n: guard.memory("VmRSS") - before <= 8 * MB)
    for client in stays:
        client.sock.close()
