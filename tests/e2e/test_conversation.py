"""How a connection goes on: keep-alive, pipelining, Expect, HTTP/1.0, HEAD, lingering close."""

import pytest

from client import Client, ask, request
from origin import OK, again, answer, read

CLOSE = "Connection: close"


@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_pipelining(plain, n):
    """Every request is answered, in order, whatever its kind of body."""
    kinds = (lambda i: request("GET", f"/{i}"), lambda i: request("POST", f"/{i}", b"body"),
             lambda i: request("PUT", f"/{i}", None, "Transfer-Encoding: chunked")
             + b"4\r\nbody\r\n0\r\n\r\n")
    plain.origin.forget()
    with Client(plain.port) as client:
        client.send(b"".join(kinds[i % 3](i) for i in range(n)))
        assert [client.final().status for _ in range(n)] == [200] * n
    assert [r.target for r in plain.origin.requests] == [f"/{i}" for i in range(n)]


@pytest.mark.parametrize("first, second_answered", [
    (request(), True),
    (request("GET", "/x", None, "Connection: keep-alive"), True),
    (request("GET", "/x", None, CLOSE), False),
    (request("GET", "/x", None, "Connection: Close"), False),
    (request("GET", "/x", None, "Connection: keep-alive, close"), False),
    (request("GET", "/x", None, "Connection: x", CLOSE), False),
    (request(version="1.0"), False),
    (request("GET", "/x", None, "Connection: keep-alive", version="1.0"), True),
    (request("GET", "/x", None, CLOSE, version="1.0"), False),
    (request("POST", "/x", b"hello", CLOSE), False),
])
def test_keep_alive(plain, first, second_answered):
    """RFC 9112 section 9.3: who asked for the end gets it, and nothing behind it is answered."""
    with Client(plain.port) as client:
        client.send(first + request("GET", "/second", None, CLOSE))
        answers = client.everything()
    assert [a.status for a in answers] == [200] * (2 if second_answered else 1)
    assert answers[-1].get("Connection") == "close"


def test_http_10_is_told_that_it_stays(plain):
    """A client of HTTP/1.0 does not know persistence by itself, nor chunks."""
    answer = ask(plain.port, request("GET", "/x", None, "Connection: keep-alive", version="1.0"))
    assert answer.get("Connection").lower() == "keep-alive"
    assert answer.get("Content-Length") == "2"


def test_http_10_gets_no_chunks(origin, gateway):
    """A chunked answer reaches HTTP/1.0 plain, ended by the end of the connection."""
    behind = origin([read, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"5\r\nhello\r\n0\r\n\r\n", again])
    with Client(gateway(behind).port) as client:
        client.send(request(version="1.0"))
        got = client.response()
        assert (got.body, got.chunks, client.closed()) == (b"hello", [], True)


@pytest.mark.parametrize("together", [True, False], ids=["with the body", "body after 100"])
def test_expect_continue(plain, together):
    """The client that waits gets its 100, and then one 200."""
    head = request("POST", "/x", None, "Expect: 100-continue", "Content-Length: 5")
    plain.origin.forget()
    with Client(plain.port) as client:
        if together:
            client.send(head + b"hello")
            assert client.final().status == 200
        else:
            client.send(head)
            assert client.response().status == 100
            client.send(b"hello")
            assert client.response().status == 200
    assert plain.origin.seen() == ["POST /x hello"]


def test_no_continue_for_http_10(plain):
    """RFC 9110 section 10.1.1: a 100 never goes to HTTP/1.0."""
    with Client(plain.port) as client:
        client.send(request("POST", "/x", b"hello", "Expect: 100-continue", version="1.0"))
        assert client.response().status == 200


def test_no_continue_before_a_refusal(service):
    """A body that will be refused is not asked for."""
    with Client(service.port) as client:
        client.send(request("PUT", "/v1/p/training-job-configs/c", None, "Expect: 100-continue",
                            "Content-Type: application/json", "Content-Length: 99999999"))
        assert client.response().status == 413
        assert client.closed()


def test_refused_upload_still_reads_its_answer(service):
    """Lingering close: 8 MB of a refused body are taken, so that no RST destroys the answer."""
    with Client(service.port) as client:
        client.send(request("PUT", "/v1/p/training-job-configs/c", None,
                            "Content-Type: application/json", "Content-Length: 99999999"))
        client.send(*[bytes(1 << 16)] * 128)
        answers = client.everything()
    assert [a.status for a in answers] == [413]


@pytest.mark.parametrize("head, status, fields", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, {"Content-Length": "5"}),
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, {"Content-Length": "0"}),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, {"Content-Length": None}),
], ids=["length", "404", "chunked"])
def test_head(origin, gateway, head, status, fields):
    """HEAD has no body on either side, its framing fields notwithstanding."""
    behind = origin([read, head, again])
    with Client(gateway(behind).port) as client:
        for _ in range(2):
            client.send(request("HEAD"))
            got = client.response("HEAD")
            assert got.status == status
            assert {name: got.get(name) for name in fields} == fields
    assert [r.method for r in behind.requests] == ["HEAD", "HEAD"]
    assert len(behind.connections) == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_bodiless_answers(origin, gateway, status):
    """204 and 304 end with their head; the next answer is not mistaken for their body."""
    behind = origin([read, f"HTTP/1.1 {status}\r\n\r\n".encode(), read, answer(b"next"), again])
    with Client(gateway(behind).port) as client:
        client.send(request() + request())
        first, second = client.response(), client.response()
    assert first.start.split(" ")[1] == status[:3]
    assert first.get("Transfer-Encoding") is None
    assert second.body == b"next"
    assert len(behind.connections) == 1


def test_refused_head_has_no_body(service):
    """An answer of our own to HEAD has a length and no body."""
    with Client(service.port) as client:
        client.send(request("HEAD", "/x", None, "Expect: something"))
        got = client.response("HEAD")
        assert got.status == 417 and int(got.get("Content-Length")) > 0
        assert client.closed()


def test_requests_per_connection(origin, gateway):
    """keepalive_requests: the last answer says close."""
    guard = gateway(origin(OK), server="keepalive_requests 3;")
    with Client(guard.port) as client:
        client.send(request() * 5)
        answers = client.everything()
    assert [a.get("Connection") for a in answers] == [None, None, "close"]


@pytest.mark.parametrize("server, data, status", [
    ("client_header_timeout 200ms;", b"", None),
    ("client_header_timeout 200ms;", b"GET /x HTTP/1.1\r\nHost: a", 408),
    ("client_body_timeout 200ms;", request("POST", "/x", None, "Content-Length: 5") + b"he", 408),
    ("client_body_timeout 200ms;", request("PUT", "/v1/p/training-job-configs/c", None,
                                           "Content-Type: application/json",
                                           "Content-Length: 5") + b"he", 408),
    ("keepalive_timeout 200ms;", request(), 200),
], ids=["no head", "half a head", "half a streamed body", "half a collected body", "idle"])
def test_slow_clients(origin, gateway, server, data, status):
    """Who does not go on is told, if something was begun, and let go."""
    behind = origin(OK)
    with Client(gateway(behind, server=server).port) as client:
        client.send(data)
        answers = client.everything()
    assert [a.status for a in answers] == ([status] if status else [])
