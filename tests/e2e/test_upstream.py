"""Upstreams that misbehave: what the client gets, that it never hangs, and what is tried again."""

import json
import socket
import threading

import pytest

import audit
from client import Client, ask, check_refusal, request
from origin import (OK, again, answer, close, finish, read, read_head, read_some, reset, wait_end)
from test_seed import REPAIRED, put
from test_servers import send_until_stuck

ERRORS = [r"\[error\].*upstream"]
OKAY = b"HTTP/1.1 200 OK\r\n"
HEAD = OKAY + b"Content-Length: 10\r\n\r\n"
CHUNKED = OKAY + b"Transfer-Encoding: chunked\r\n\r\n"
NONSENSE = "upstream_nonsense"
CLOSED = "upstream_closed"


def raw(data):
    """A script that answers with those bytes and waits for the end."""
    return [read, data, wait_end]


def with_field(line, body=b"hello"):
    """A script whose answer has that field line."""
    return raw(OKAY + line + b"\r\n\r\n" + body)


# name: script, `end` of the record. The client gets a 502 (504 for timeouts) in the API's shape.
NO_ANSWER = {
    "close": ([read, close], CLOSED),
    "close behind the head": ([read_head, close], CLOSED),
    "reset": ([read, reset], CLOSED),
    "close in the status line": ([read, b"HTTP/1.1 20", close], CLOSED),
    "close in a field": ([read, OKAY + b"A: b", close], CLOSED),
    "close before the empty line": ([read, OKAY + b"Content-Length: 0\r\n", close], CLOSED),
    "reset in the head": ([read, OKAY, reset], CLOSED),
    "half close": ([read, finish, wait_end], CLOSED),
    "close behind a 100": ([read, b"HTTP/1.1 100 Continue\r\n\r\n", close], CLOSED),
    "silent": ([read, wait_end], "read_timeout"),
    "silent behind the status line": (raw(OKAY), "read_timeout"),
    "silent behind a 100": (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), "read_timeout"),
    "garbage": (raw(b"\x16\x03\x01 what\r\n\r\n"), NONSENSE),
    "SSH": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), NONSENSE),
    "HTTP/0.9": (raw(b"<html>hello</html>\r\n\r\n"), NONSENSE),
    "HTTP/2.0": (raw(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "http/1.1": (raw(b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "status 99": (raw(b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "status 1000": (raw(b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "status 600": (raw(b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "status letters": (raw(b"HTTP/1.1 2x0 X\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "status plus": (raw(b"HTTP/1.1 +20 X\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "two spaces": (raw(b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "control in the reason": (raw(b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "line ends LF": (raw(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), NONSENSE),
    "leading space": (raw(b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), NONSENSE),
    "101": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), NONSENSE),
    "length and coding": (with_field(b"Content-Length: 5\r\nTransfer-Encoding: chunked"), NONSENSE),
    "lengths differ": (with_field(b"Content-Length: 5\r\nContent-Length: 4"), NONSENSE),
    "length minus": (with_field(b"Content-Length: -5"), NONSENSE),
    "length plus": (with_field(b"Content-Length: +5"), NONSENSE),
    "length empty": (with_field(b"Content-Length:"), NONSENSE),
    "length letters": (with_field(b"Content-Length: 5a"), NONSENSE),
    "length list differs": (with_field(b"Content-Length: 5, 4"), NONSENSE),
    "length 2^64": (with_field(b"Content-Length: 18446744073709551616"), NONSENSE),
    "coding gzip": (with_field(b"Transfer-Encoding: gzip"), NONSENSE),
    "coding gzip, chunked": (with_field(b"Transfer-Encoding: gzip, chunked"), NONSENSE),
    "coding twice": (with_field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
                     NONSENSE),
    "coding on HTTP/1.0": (raw(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                           NONSENSE),
    "field NUL": (with_field(b"A: b\0\r\nContent-Length: 5"), NONSENSE),
    "field bare CR": (with_field(b"A: b\rc\r\nContent-Length: 5"), NONSENSE),
    "field folded": (with_field(b"A: b\r\n c\r\nContent-Length: 5"), NONSENSE),
    "field space before colon": (with_field(b"Content-Length : 5"), NONSENSE),
    "field without colon": (with_field(b"Ab\r\nContent-Length: 5"), NONSENSE),
    "field name empty": (with_field(b": b\r\nContent-Length: 5"), NONSENSE),
    "head 1 MB": (with_field(b"A: " + b"b" * (1 << 20) + b"\r\nContent-Length: 5"), NONSENSE),
    "1000 fields": (with_field(b"A: b\r\n" * 1000 + b"Content-Length: 5"), NONSENSE),
    "endless 100s": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 10000), NONSENSE),
}

# name: what is sent first, the steps after the client has got it, `end`. The head was relayed, so
# all that is left is to end early, visibly.
PART = OKAY + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello"
CUT_SHORT = {
    "close in the body": (HEAD + b"hello", [close], CLOSED),
    "reset in the body": (HEAD + b"hello", [reset], CLOSED),
    "silent in the body": (HEAD + b"hello", [wait_end], "read_timeout"),
    "close in a chunk": (CHUNKED + b"a\r\nhello", [close], CLOSED),
    "close behind a chunk": (PART, [b"\r\n", close], CLOSED),
    "close in the last chunk": (PART, [b"\r\n0\r\n", close], CLOSED),
    "chunk size letters": (PART, [b"\r\nxyz\r\n", wait_end], NONSENSE),
    "chunk size minus": (PART, [b"\r\n-1\r\n", wait_end], NONSENSE),
    "chunk size wraps": (PART, [b"\r\n10000000000000005\r\nhello", wait_end], NONSENSE),
    "chunk data too long": (PART, [b"!\r\n0\r\n\r\n", wait_end], NONSENSE),
    "chunk trailer malformed": (PART, [b"\r\n0\r\nA : b\r\n\r\n", wait_end], NONSENSE),
}

# name: script of one exchange, body the client gets, whether the connection is used again
ODD_BUT_RIGHT = {
    "100 before": ([read, b"HTTP/1.1 100 Continue\r\n\r\n" + answer()], b"ok", True),
    "102 and 103 before": ([read, b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
                            b"Link: </x>\r\n\r\n" + answer()], b"ok", True),
    "no space behind the status": ([read, b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"], b"ok", True),
    "chunked": ([read, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], b"ok", True),
    "chunked in capitals": ([read, OKAY + b"Transfer-Encoding: Chunked\r\n\r\n0A\r\n0123456789\r\n"
                             b"0\r\n\r\n"], b"0123456789", True),
    "chunk extensions and trailers": ([read, CHUNKED + b"2;a=b\r\nok\r\n0;c\r\nD: e\r\n\r\n"], b"ok",
                                      True),
    "until close": ([read, OKAY + b"\r\nok", close], b"ok", False),
    "HTTP/1.0": ([read, b"HTTP/1.0 200 OK\r\n\r\nok", close], b"ok", False),
    "HTTP/1.0 with length": ([read, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", wait_end],
                             b"ok", False),
    "says close": ([read, answer(b"ok", "200 OK", "Connection: close"), wait_end], b"ok", False),
    "empty": ([read, answer(b"")], b"", True),
    "in single bytes": ([read, *(b"%c" % c for c in answer())], b"ok", True),
    "extra bytes": ([read, answer() + b"extra", wait_end], b"ok", False),
    "an answer too many": ([read, answer() * 2, wait_end], b"ok", False),
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer(origin, gateway, name):
    """502 or 504, once, and the connection to the upstream is given up."""
    script, end = NO_ANSWER[name]
    behind = origin(script)
    timeout = end.endswith("timeout")
    guard = gateway(behind, ERRORS, upstream=f"read_timeout {'300ms' if timeout else '20s'};")
    with Client(guard.port) as client:
        client.send(request("POST", "/x", b"hello"))
        check_refusal(client.final(), 504 if timeout else 502,
                      "ModelArts.4503" if timeout else "ModelArts.4302")
    behind.connections[0].done.wait(20)
    assert len(behind.connections) == 1
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert (record["end"], record["decision"]) == (end, "error")


@pytest.mark.parametrize("name", CUT_SHORT)
def test_cut_short(origin, gateway, name):
    """The client can tell that it has not got everything."""
    first, steps, end = CUT_SHORT[name]
    arrived = threading.Event()
    behind = origin([read, first, lambda *_: arrived.wait(20), *steps])
    guard = gateway(behind, ERRORS, upstream=f"read_timeout {'300ms' if end == 'read_timeout' else '20s'};")
    with Client(guard.port) as client:
        client.send(request())
        while b"hello" not in client.wire.buffer:
            client.wire.more()
        arrived.set()
        data = client.rest()
    assert data.startswith(OKAY)
    assert data.partition(b"\r\n\r\n")[2] in (b"hello", b"5\r\nhello\r\n")
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert (record["end"], record["upstream.status_code"]) == (end, 200)


@pytest.mark.parametrize("name", ODD_BUT_RIGHT)
def test_odd_but_right(origin, gateway, name):
    """Relayed; and the next answer is its own."""
    script, body, reused = ODD_BUT_RIGHT[name]
    behind = origin(script + OK if reused else script, OK)
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(request("PUT", "/x", b"hello"))
        assert client.final().body == body
        client.send(request("GET", "/next"))
        assert client.final().body == b"ok"
    assert len(behind.connections) == (1 if reused else 2)


@pytest.mark.parametrize("method, repeated", [
    ("GET", True), ("PUT", True), ("DELETE", True), ("HEAD", True), ("OPTIONS", True),
    ("POST", False), ("PATCH", False), ("judged PUT", True)])
@pytest.mark.parametrize("end", [close, reset])
def test_stale_connection(origin, gateway, method, repeated, end):
    """A kept connection that ends instead of an answer: once more on a new one, if that is safe."""
    behind = origin([read, answer(), read, end], OK)
    guard = gateway(behind, () if repeated else ERRORS)
    second = put(REPAIRED) if method == "judged PUT" else request(method)
    with Client(guard.port) as client:
        client.send(request() + second)
        assert client.final().status == 200
        assert client.final(method).status == (200 if repeated else 502)
    bodies = [r.body for r in behind.requests[1:]]
    assert bodies == [REPAIRED if method == "judged PUT" else b""] * (2 if repeated else 1)


def test_a_streamed_body_is_not_repeated(origin, gateway):
    """Its bytes are gone."""
    behind = origin([read, answer(), read, close], OK)
    with Client(gateway(behind, ERRORS).port) as client:
        client.send(request() + request("PUT", "/x", b"hello"))
        assert [client.final().status for _ in range(2)] == [200, 502]
    assert behind.seen() == ["GET /x", "PUT /x hello"]


def test_no_repeat_after_the_first_byte(origin, gateway):
    """An answer that has begun is an answer."""
    behind = origin([read, answer(), read, b"H", close], OK)
    with Client(gateway(behind, ERRORS).port) as client:
        client.send(request() * 2)
        assert [client.final().status for _ in range(2)] == [200, 502]
    assert len(behind.connections) == 1


def test_closed_while_idle(origin, gateway):
    """A connection that ended in the pool is not used, even for a POST."""
    behind = origin([read, answer(), close], OK)
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
        assert behind.connections[0].done.wait(20)
        assert ask(guard.port, b"GET x HTTP/1.1\r\n\r\n").status == 400  # one more turn of the loop
        client.send(request("POST", "/x", b"hello"))
        assert client.final().status == 200


def test_early_answer_during_an_upload(origin, gateway):
    """An upstream that refuses a large body is heard while the body is still on its way."""
    behind = origin([read_head, answer(b"no", "413 Content Too Large", "Connection: close"), finish,
                     wait_end])
    with Client(gateway(behind).port) as client:
        client.send(request("POST", "/x", None, "Content-Length: 100000000"), bytes(1 << 16))
        got = client.final()
        assert (got.status, got.body, got.get("Connection")) == (413, b"no", "close")
        assert client.closed()


def test_outcome_in_the_body(service):
    """200 with is_success false: relayed as it is, and on record."""
    n = len(audit.records(service.audit))
    got = ask(service.port, request("GET", "/v1/p/training-job-configs", None, "X-Auth-Token: t",
                                    "X-Stand-In: failed"))
    assert (got.status, json.loads(got.body)["error_code"]) == (200, "ModelArts.0010")
    record = audit.wait(service.audit, n + 1)[n]
    assert record["upstream.error_code"] == "ModelArts.0010"


def test_connection_refused(gateway):
    """Nobody listens there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        guard = gateway(nobody.getsockname()[1], [r"\[error\].*refused"])
        check_refusal(ask(guard.port, request("POST", "/x", b"hello")), 502, "ModelArts.4302")
    assert audit.wait(guard.directory / "audit.jsonl", 1)[0]["end"] == "upstream_connect"


def test_connect_timeout(gateway):
    """A queue that is full drops our SYN."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (first, second):
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        guard = gateway(full.getsockname()[1], ERRORS, upstream="connect_timeout 300ms;")
        check_refusal(ask(guard.port, request()), 504, "ModelArts.4503")
    assert audit.wait(guard.directory / "audit.jsonl", 1)[0]["end"] == "connect_timeout"


def test_name_unknown(gateway):
    """RFC 6761: .invalid never resolves; where no resolver answers, that is a timeout."""
    guard = gateway("nothing.invalid:443", ERRORS, upstream="connect_timeout 1s;")
    got = ask(guard.port, request())
    assert got.status in (502, 504)
    end = audit.wait(guard.directory / "audit.jsonl", 1)[0]["end"]
    assert end == ("upstream_resolve" if got.status == 502 else "connect_timeout")


def test_send_timeout(origin, gateway):
    """An upstream that stops reading."""
    stuck = [read_some, lambda origin, _: origin.hold.wait(20), close]
    behind = origin(stuck)
    behind.hold = threading.Event()
    guard = gateway(behind, ERRORS, upstream="send_timeout 300ms; read_timeout 20s;")
    with Client(guard.port) as client:
        send_until_stuck(client)
        check_refusal(client.final(), 504, "ModelArts.4503")
    behind.hold.set()
    assert audit.wait(guard.directory / "audit.jsonl", 1)[0]["end"] == "send_timeout"


def test_pool(origin, gateway):
    """Connections are kept and used again, no more of them than `keepalive` says."""
    behind = origin()
    guard = gateway(behind, upstream="keepalive 1;")
    for _ in range(5):
        assert ask(guard.port, request()).status == 200
    assert len(behind.connections) == 1
    clients = [Client(guard.port) for _ in range(4)]
    for client in clients:
        client.send(request())
    assert [c.final().status for c in clients] == [200] * 4
    for client in clients:
        client.sock.close()


def test_pool_off(origin, gateway):
    """keepalive 0: a connection for each request, and the upstream is told."""
    behind = origin()
    guard = gateway(behind, upstream="keepalive 0;")
    for _ in range(3):
        assert ask(guard.port, request()).status == 200
    assert len(behind.connections) == 3
