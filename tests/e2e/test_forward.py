"""What of a request's and an answer's head goes on: fields dropped, kept, set."""

import re

import pytest

import audit
from client import Client, ask, check_refusal, request
from origin import OK, again, answer, read

HOP = ["Connection: X-Mine, keep-alive", "X-Mine: 1", "Keep-Alive: timeout=5", "TE: trailers",
       "Trailer: X-Later", "Upgrade: websocket", "Proxy-Connection: keep-alive",
       "Proxy-Authorization: Basic eA=="]


def arrived(plain, data):
    """The request that the upstream received, and the answer."""
    plain.origin.forget()
    got = ask(plain.port, data)
    return plain.origin.requests[0], got


def test_options_of_many_fields(plain):
    """What any of several Connection fields names is dropped."""
    there, _ = arrived(plain, request("GET", "/x", None, "Connection: X-A", "Connection: X-B, X-C",
                                      "X-A: 1", "X-B: 2", "X-C: 3", "X-D: 4"))
    assert [n for n, _ in there.fields if n.startswith("X-") and n != "X-Request-Id"] == ["X-D"]


@pytest.mark.parametrize("field", HOP)
def test_hop_by_hop_of_requests(plain, field):
    """RFC 9110 section 7.6.1: none of them arrives."""
    request_there, _ = arrived(plain, request("GET", "/x", None, *HOP, "X-Kept: yes"))
    assert request_there.all(field.split(":")[0]) in ([], ["keep-alive"])
    assert request_there.get("X-Kept") == "yes"
    assert request_there.get("Connection") in (None, "keep-alive")


def test_order_case_and_repeats_stay(plain):
    """End-to-end fields arrive as written, in their order."""
    sent = ["X-B: 1", "x-a: 2", "X-b:  3 ", "Accept: a", "Accept: b", "X-8bit: \xe9", "X-Empty:"]
    there, _ = arrived(plain, request("GET", "/x", None, *sent))
    mine = [(n, v) for n, v in there.fields if n.lower() in ("x-a", "x-b", "accept", "x-8bit",
                                                           "x-empty")]
    assert mine == [("X-B", "1"), ("x-a", "2"), ("X-b", "3"), ("Accept", "a"), ("Accept", "b"),
                    ("X-8bit", "\xe9"), ("X-Empty", "")]


def test_host_is_the_upstreams(plain):
    """The upstream is asked by its own name."""
    there, _ = arrived(plain, request(host="gateway.test"))
    assert there.get("Host") == f"127.0.0.1:{plain.origin.port}"


@pytest.mark.parametrize("host", ["gateway.test", "gateway.test:", "gateway.test:8080"])
def test_host_of_a_signed_request_stays(plain, host):
    """The signature covers the client's Host, byte by byte."""
    signed = "Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=00"
    there, _ = arrived(plain, request("GET", "/x", None, signed, host=host))
    assert there.get("Host") == host


def test_fields_that_end_here_name_nobody(plain):
    """A credential that Connection takes away is nobody's: the one that arrives is on record."""
    signed = "Authorization: SDK-HMAC-SHA256 Access=OTHER, SignedHeaders=host, Signature=00"
    recorded = len(audit.records(plain.audit))
    there, got = arrived(plain, request("GET", "/x", None, signed, "X-Auth-Token: mine",
                                      "Connection: authorization", host="gateway.test"))
    assert there.get("Authorization") is None and there.get("X-Auth-Token") == "mine"
    assert there.get("Host") == f"127.0.0.1:{plain.origin.port}"
    mine, = (r for r in audit.wait(plain.audit, recorded + 1)
             if r["request_id"] == got.get("X-Request-Id"))
    assert mine["principal"].startswith("hmac-sha256:")


def test_request_id_is_made(plain):
    """The same one goes upstream and to the client; two requests have two."""
    ids = set()
    for _ in range(2):
        there, got = arrived(plain, request())
        assert there.get("X-Request-Id") == got.get("X-Request-Id")
        assert re.fullmatch(r"[0-9a-f-]{16,64}", there.get("X-Request-Id"))
        ids.add(got.get("X-Request-Id"))
    assert len(ids) == 2


def test_request_id_is_kept(plain):
    """A sane one of the client's is taken."""
    there, got = arrived(plain, request("GET", "/x", None, "X-Request-Id: abc-123_Z"))
    assert there.get("X-Request-Id") == got.get("X-Request-Id") == "abc-123_Z"


@pytest.mark.parametrize("bad", ["a b", 'a"b', "a" * 500, "\xe9"])
def test_request_id_is_replaced(plain, bad):
    """One that is no token, or endless, is not."""
    there, got = arrived(plain, request("GET", "/x", None, f"X-Request-Id: {bad}"))
    assert there.get("X-Request-Id") == got.get("X-Request-Id") != bad


@pytest.mark.parametrize("mode, sent, expected", [
    ("", [], {"X-Forwarded-For": None, "Forwarded": None, "Via": None}),
    ("forwarded x-forwarded-for;", [], {"X-Forwarded-For": "127.0.0.1", "Forwarded": None}),
    ("forwarded x-forwarded-for;", ["X-Forwarded-For: 10.0.0.1"],
     {"X-Forwarded-For": "10.0.0.1, 127.0.0.1"}),
    ("forwarded forwarded;", [], {"X-Forwarded-For": None, "Forwarded": "for=127.0.0.1"}),
    ("via on;", [], {"Via": "1.1 trainguard"}),
])
def test_forwarded(origin, gateway, mode, sent, expected):
    """X-Forwarded-For, Forwarded and Via as configured."""
    behind = origin(OK)
    guard = gateway(behind, locations="location / { proxy_pass modelarts; %s }" % mode)
    ask(guard.port, request("GET", "/x", None, *sent))
    assert {name: behind.requests[0].get(name) for name in expected} == expected


def test_hop_by_hop_of_answers(origin, gateway):
    """The upstream's connection is not the client's."""
    fields = ["Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: timeout=5",
              "Proxy-Connection: x", "Trailer: X", "X-Kept: yes", "Set-Cookie: a=b",
              "Set-Cookie: c=d"]
    behind = origin([read, answer(b"ok", "200 Fine", *fields), again])
    got = ask(gateway(behind).port, request())
    assert got.start == "HTTP/1.1 200 Fine"
    assert [n for n, _ in got.fields if n in ("X-Mine", "Keep-Alive", "Proxy-Connection", "Trailer",
                                              "Connection")] == []
    assert got.get("X-Kept") == "yes"
    assert got.all("Set-Cookie") == ["a=b", "c=d"]


def test_target_goes_as_sent(plain):
    """Spelling of the path and query is the client's."""
    there, _ = arrived(plain, request("GET", "/A/%7Eb//c/./d?x=%41&&y"))
    assert there.target == "/A/%7Eb//c/./d?x=%41&&y"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
@pytest.mark.parametrize("sent, there", [("1", "0"), ("10", "9"),
                                         ("18446744073709551615", "18446744073709551614")])
def test_a_hop_is_counted(plain, method, sent, there):
    """RFC 9110 section 7.6.2: the next one may go one hop less."""
    seen, _ = arrived(plain, request(method, "/x", None, f"Max-Forwards: {sent}"))
    assert seen.all("Max-Forwards") == [there]


def test_others_count_no_hops(plain):
    """The field means nothing elsewhere and is no reason to stop."""
    seen, got = arrived(plain, request("GET", "/x", None, "Max-Forwards: 0"))
    assert got.status == 200 and seen.get("Max-Forwards") == "0"


ALL = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


@pytest.mark.parametrize("places, target, allowed", [
    (["PUT /x", "OPTIONS /x", "GET /x", "/y"], "/x", "PUT, OPTIONS, GET"),
    (["PUT /x", "/"], "/x", ALL), (["/"], "*", ALL)])
def test_options_for_the_last_hop(origin, gateway, places, target, allowed):
    """OPTIONS that may go no further is answered here, and the connection goes on."""
    behind = origin()
    guard = gateway(behind, locations="".join(f"location {p} {{ proxy_pass modelarts; }}"
                                              for p in places))
    with Client(guard.port) as client:
        for _ in range(2):
            client.send(request("OPTIONS", target, None, "Max-Forwards: 0"))
            got = client.final()
            assert (got.status, got.get("Allow"), got.body) == (200, allowed, b"")
            assert got.get("X-Request-Id")
        client.send(request("OPTIONS", target, b"body", "Max-Forwards: 0"))
        assert client.final().status == 200
    assert behind.requests == []
    first = audit.wait(guard.directory / "audit.jsonl", 3)[0]
    assert (first["end"], first["http.response.status_code"]) == ("done", 200)
    assert "upstream.status_code" not in first


def test_trace_for_the_last_hop(plain):
    """TRACE is not answered here: nothing a client sent is echoed."""
    plain.origin.forget()
    got = ask(plain.port, request("TRACE", "/x", None, "Max-Forwards: 0", "X-Auth-Token: secret"))
    assert b"secret" not in check_refusal(got, 405, "ModelArts.2803")["error_message"].encode()
    assert got.get("Allow") == ALL
    assert plain.origin.requests == []


@pytest.mark.parametrize("fields", [["Max-Forwards: -1"], ["Max-Forwards: "], ["Max-Forwards: x"],
                                    ["Max-Forwards: 1", "Max-Forwards: 2"],
                                    ["Max-Forwards: 18446744073709551616"]])
def test_hops_in_doubt(plain, fields):
    """Who cannot be told how far to go goes nowhere."""
    plain.origin.forget()
    check_refusal(ask(plain.port, request("OPTIONS", "/x", None, *fields)), 400, "ModelArts.4105")
    assert plain.origin.requests == []
