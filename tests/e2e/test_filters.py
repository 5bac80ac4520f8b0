"""Filters on the head of a request: they wait, are woken, too late or in time, see the response, and
the body streams past them."""

import json
import pathlib
import re
import socket
import subprocess

import pytest

from client import Client, ask, check_refusal, request
from gateway import TOP, sanitized
from origin import again, answer, read
from test_seed import SEED
from test_stream import BLOCK, MIB

LARGE = 512 * MIB
GROWTH = 2 * MIB
BODY = b"x" * (4 * MIB)


@pytest.fixture(name="module", scope="session")
def build_module(tmp_path_factory):
    """The filter of waiting_filter.c, built as filters/README.md says."""
    source = pathlib.Path(__file__).with_name("waiting_filter.c")
    library = tmp_path_factory.mktemp("module") / "waiting.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-I", TOP / "gateway", source, "-o",
                    library], check=True)
    return library


@pytest.fixture(name="guarded")
def start_guarded(module, gateway):
    """guarded(origin, *locations): a gateway whose locations may use the filter."""
    def start(behind, *locations, main="", expect=()):
        text = "\n".join(f"location {where} {{ {body} proxy_pass modelarts; }}"
                         for where, body in locations)
        return gateway(behind, main=f"load_module {module}; {main}", locations=text, expect=expect)

    return start


def waited(seen):
    """What the filter told the upstream."""
    return seen.get("X-Waited")


def filters(bell="0", deadline="30s", *, names="waiting", refuse="off"):
    """The directives of a location."""
    return (f"filters {names}; waiting_bell {bell}; waiting_deadline {deadline}; "
            f"waiting_refuse {refuse};")


def private(guard):
    """Bytes of memory that are the processes' own."""
    pids, total = [guard.process.pid], 0
    while pids:
        pid = pids.pop()
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        total += int(re.search(r"Private_Dirty:\s+(\d+) kB", text)[1]) * 1024
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
        pids += [int(c) for c in children.split()]
    return total


@pytest.mark.parametrize("bell", ["0", "20ms"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
def test_passes(guarded, origin, bell, method):
    """Every method passes, with and without a wait, and what the filter sets goes upstream."""
    behind = origin([read, answer(b"" if method == "HEAD" else b"ok"), again])
    guard = guarded(behind, ("/", filters(bell)))
    body = b"hello" if method == "PUT" else None
    assert ask(guard.port, request(method, "/x", body), method).status == 200
    assert behind.seen() == [f"{method} /x" + (" hello" if body else "")]
    assert waited(behind.requests[0]) == ("no" if bell == "0" else "yes")
    assert behind.requests[0].get("Content-Length") == ("5" if body else None)
    guard.wait_log("/x: done")


def test_body_while_it_waits(guarded, origin):
    """A body that comes meanwhile is held back, and then passed on whole."""
    behind = origin([read, answer(), again])
    guard = guarded(behind, ("/", filters("100ms")))
    assert ask(guard.port, request("PUT", "/x", BODY), "PUT").status == 200
    assert behind.requests[0].body == BODY
    assert waited(behind.requests[0]) == "yes"


def test_deadline(guarded, origin):
    """A filter that is woken too late finds nobody, also when somebody else waits by then."""
    behind = origin()
    guard = guarded(behind, ("/late", filters("400ms", "50ms")), ("/", filters("700ms")),
                    expect=["waiting for the bell"])
    with Client(guard.port) as late, Client(guard.port) as other:
        late.send(request("GET", "/late"))
        check_refusal(late.final(), 504, "ModelArts.4503")
        guard.wait_log("/late: done")
        other.send(request("GET", "/other"))  # in the place of the first one
        assert other.final().status == 200
    guard.wait_log("/late: nobody waits")
    guard.wait_log("/other: woken")
    assert behind.seen() == ["GET /other"]


def test_client_leaves(guarded, origin):
    """The client goes during the wait: the filter is told once, the bell rings for nobody."""
    behind = origin()
    guard = guarded(behind, ("/", filters("200ms")))
    with Client(guard.port) as client:
        client.send(request("GET", "/gone"))
    guard.wait_log("/gone: nobody waits")
    guard.wait_log("/gone: done")
    assert len(guard.matches("/gone: done")) == 1
    assert ask(guard.port, request("GET", "/next")).status == 200
    assert behind.seen() == ["GET /next"]


@pytest.mark.parametrize("bell", ["0", "20ms"])
def test_refused_on_the_head(guarded, origin, bell):
    """No byte of a body is asked for that is refused on the head."""
    behind = origin()
    guard = guarded(behind, ("/", filters(bell, refuse="on", names="waiting json validate")))
    with Client(guard.port) as client:
        client.send(request("PUT", "/x", None, "Content-Length: 100", "Expect: 100-continue"))
        first = client.response("PUT")
    assert first.status == 429
    assert behind.seen() == []


@pytest.mark.parametrize("bell", ["0", "50ms"])
def test_before_a_document(guarded, origin, bell):
    """Filters of the document run behind it, on the whole body, whenever that came."""
    behind = origin([read, answer(), again])
    guard = guarded(behind, ("/", filters(bell, names="waiting json normalize validate")))
    kind = "Content-Type: application/json"
    with Client(guard.port) as client:
        client.send(request("PUT", "/x", SEED, kind))
        assert client.final().status == 200
        client.send(request("PUT", "/x", b"{", kind))
        assert client.final().status == 400
    assert len(behind.seen()) == 1
    assert waited(behind.requests[0]) == ("no" if bell == "0" else "yes")


@pytest.mark.parametrize("method, status", [("GET", 200), ("DELETE", 200), ("HEAD", 200),
                                            ("PUT", 411), ("POST", 411), ("PATCH", 411)])
def test_no_body(gateway, origin, method, status):
    """Where documents are judged, a request passes that has none and by its method needs none."""
    behind = origin([read, answer(b"" if method == "HEAD" else b"ok"), again])
    guard = gateway(behind, locations="location / { filters json normalize validate; "
                                      "proxy_pass modelarts; }")
    assert ask(guard.port, request(method, "/x"), method).status == status
    assert behind.seen() == ([f"{method} /x"] if status == 200 else [])
    assert not behind.requests or behind.requests[0].get("Content-Length") is None


def test_body_of_a_get_is_judged(gateway, origin):
    """One that has a body does not pass by."""
    behind = origin()
    guard = gateway(behind, locations="location / { filters json; proxy_pass modelarts; }")
    got = ask(guard.port, request("GET", "/x", b"{", "Content-Type: application/json"))
    assert got.status == 400
    assert behind.seen() == []


@pytest.mark.parametrize("status, body, told", [
    ("200 OK", b'{"is_success": true}', "response 200, kind a, failed 0, code $"),
    ("200 OK", b'{"is_success": false, "error_code": "E.1"}', "response 200, kind a, failed 1, "
                                                              "code E.1$"),
    ("404 Not Found", b"", "response 404, kind a, failed 0, code $")])
def test_response(guarded, origin, status, body, told):
    """The filter sees status, fields and outcome of what came back, before it is done."""
    behind = origin([read, answer(body, status, "X-Kind: a", "Content-Type: application/json")])
    guard = guarded(behind, ("/", filters()))
    assert ask(guard.port, request("GET", "/x")).status == int(status[:3])
    guard.wait_log("/x: done")
    of_filter = [m.string for m in guard.matches("waiting: /x")]
    assert re.search(told, of_filter[0]) and of_filter[1].endswith("/x: done")


def test_no_response(guarded, origin):
    """Of an answer that is the gateway's own, or cut off, a filter hears only the end."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    guard = guarded(origin([read, cut]), ("/", filters()), expect=["upstream"])
    with Client(guard.port) as client:
        client.send(request("GET", "/x"))
        client.rest()
    guard.wait_log("/x: done")
    assert not guard.matches("/x: response")


def test_pages(guarded, origin):
    """The admin pages have what a filter tells of each location, and its metrics once."""
    guard = guarded(origin(), ("/a", filters("2s")), ("/b", filters()), ("/c", filters("3s")),
                    ("/", ""), main="admin { listen 127.0.0.1:0; }")
    admin = guard.ports[0]
    locations = json.loads(ask(admin, request(target="/policies", host="127.0.0.1")).body)["locations"]
    assert locations == [{"method": "", "location": "/a", "bell": 2000000},
                         {"method": "", "location": "/c", "bell": 3000000}]
    metrics = ask(admin, request(target="/metrics")).body.decode()
    assert re.findall(r"waiting_bell_seconds\{location=\"(\d)\"\} (\d)", metrics) == [
        ("0", "2"), ("1", "0"), ("2", "3")]
    assert metrics.count("# TYPE trainguard_waiting_bell_seconds gauge") == 1


def swallow(origin, connection):
    """Takes a body of any size and answers with its length. The kernel drops it: MSG_TRUNC, tcp(7)."""
    wire, room = connection.wire, bytearray(MIB)
    head = wire.head()
    origin.note(connection, head)
    length = int(head.get("Content-Length"))
    left, got = length - len(wire.buffer), 1
    wire.buffer.clear()
    while left > 0 and got > 0:
        got = wire.sock.recv_into(room, min(left, MIB), socket.MSG_TRUNC)
        left -= got
    if left == 0:
        connection.send(answer(b"%d" % length))


@pytest.mark.skipif(sanitized(), reason="a sanitizer has an allocator of its own")
@pytest.mark.parametrize("length", [LARGE, 5 << 30], ids=["512m", "5g"])
def test_large_body_streams(guarded, origin, length):
    """A large body goes past a filter, and leaves nothing behind on the way: after 32 MB, after half
    a gigabyte, and when that is the beginning of five, whose length takes more than 32 bits."""
    behind = origin([swallow, again])
    guard = guarded(behind, ("/", filters("10ms")))
    with Client(guard.port) as client:
        client.send(request("PUT", "/x", None, f"Content-Length: {32 * MIB}"), *[BLOCK] * 32)
        assert client.final("PUT").status == 200
        before = private(guard)
        client.send(request("PUT", "/x", None, f"Content-Length: {length}"),
                    *[BLOCK] * (LARGE // MIB - 1))
        during = private(guard)
        if length == LARGE:
            client.send(BLOCK)
            got = client.final("PUT")
            assert got.status == 200 and got.body == b"%d" % LARGE
    if length > LARGE:
        guard.wait_log("the client closed the connection")
    assert during - before < GROWTH
    assert behind.requests[-1].get("Content-Length") == str(length)


@pytest.mark.parametrize("inside, words", [
    ("rings 3;", None),
    ("rings 13;", '"rings" takes a number between 1 and 12, got "13"'),
    ("ring 3;", 'unknown directive "ring"'),
    ("filters json;", '"filters" is not allowed in'),
])
def test_a_block_of_its_own(module, check, inside, words):
    """Directives inside it are checked as all others; the grammar knows nothing of the module."""
    code, told = check(main=f"load_module {module};",
                       server=f"location /x {{ {filters()} waiting_tower {{ {inside} }} "
                              "proxy_pass modelarts; }")
    assert (code == 0) == (words is None), told
    assert words is None or words in told
