"""The fields of answers: what the gateway writes into its own, and what it adds to relayed ones."""

import email.utils
import gzip
import re
import socket
import threading
import time

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import LOCATIONS
from origin import again, answer, close, read
from test_seed import REPAIRED
from wire import Wire

CONFIG = "/v1/p/training-job-configs/c"
JSON = "Content-Type: application/json"


def relayed(gateway, origin, head, body=b"", method="GET"):
    """The client's view of a raw answer."""
    behind = origin([read, head + body, again])
    return ask(gateway(behind).port, request(method), method)


def test_length_is_canonical(gateway, origin):
    """Content-Length goes on in its canonical form, in both directions, also of a HEAD."""
    behind = origin([read, b"HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok", again])
    port = gateway(behind).port
    data = b"POST /x HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 003\r\n\r\nabc"
    assert ask(port, data).get("Content-Length") == "2"
    assert behind.requests[0].get("Content-Length") == "3"
    assert relayed(gateway, origin, b"HTTP/1.1 200 OK\r\nContent-Length: 0070\r\n\r\n",
                   method="HEAD").get("Content-Length") == "70"


def is_since(value, begun):
    """True when a Date is one, and of a second since the test began."""
    then = email.utils.parsedate_to_datetime(value)
    assert value == email.utils.format_datetime(then, usegmt=True)
    return int(begun) <= then.timestamp() <= time.time()


def test_date(gateway, origin):
    """Every answer has one Date: the gateway's own, a relayed one without, and one that has it."""
    old, begun = "Sun, 06 Nov 1994 08:49:37 GMT", time.time()
    behind = origin([read, answer(b"a"), read, answer(b"b", "200 OK", f"dAte: {old}"), again])
    guard = gateway(behind, locations="location GET / { proxy_pass modelarts; }")
    with Client(guard.port) as client:
        client.send(request() * 2)
        assert is_since(client.final().get("Date"), begun)
        assert client.final().get("Date") == old
        client.send(request("DELETE", "/"))
        assert is_since(client.final().get("Date"), begun)
        client.send(request("OPTIONS", "/", None, "Max-Forwards: 0"))
        assert is_since(client.final().get("Date"), begun)
        client.send(b"nonsense\r\n\r\n")
        assert is_since(client.final().get("Date"), begun)


STATUS = re.compile(r'trainguard; error=([a-z_]+); details="((?:[ !#-\[\]-~]|\\["\\])+)"')


def proxy_status(answer_):
    """Error type and details of the Proxy-Status of an answer, by the grammar of RFC 9209."""
    match = STATUS.fullmatch(answer_.get("Proxy-Status"))
    assert match, answer_.fields
    return match[1], match[2]


def test_proxy_status(gateway, origin):
    """The gateway's own answers say so, with the record's word and an error type of RFC 9209; what
    the service answers says nothing."""
    behind = origin([read, answer(b"{}", "404 Not Found"), read, b"nonsense\r\n\r\n"],
                    [read, close])
    guard = gateway(behind, expect=["the upstream"],
                    locations=LOCATIONS.replace("location /", "location GET /"))
    rows = [
        (request("PATCH", "/x"), 405, "http_request_denied", "method: "),
        (b"GET /a\"b\\ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error", "bad_request: "),
        (request("PUT", CONFIG, b"{", JSON), 400, "http_request_error", "not_json: "),
        (request(), 502, "http_protocol_error", "upstream_nonsense: "),
        (request(), 502, "connection_terminated", "upstream_closed: "),
    ]
    assert ask(guard.port, request()).get("Proxy-Status") is None
    for data, status, error, details in rows:
        told = ask(guard.port, data)
        assert told.status == status
        found = proxy_status(told)
        assert found[0] == error and found[1].startswith(details), found


def test_own_options(gateway, origin):
    """An OPTIONS that ends at the gateway is told from one the service answers."""
    guard = gateway(origin())
    told = ask(guard.port, request("OPTIONS", "/", None, "Max-Forwards: 0"))
    assert told.get("Proxy-Status") == "trainguard; error=proxy_internal_response"
    assert ask(guard.port, request("OPTIONS", "/")).get("Proxy-Status") is None


@pytest.mark.parametrize("rule, status", [
    ("limit_req address rate=1/m", 429), ("limit_in_flight address 1", 429)])
def test_which_limit(gateway, origin, rule, status):
    """A 429 names the limit as it is configured, in the body, in Proxy-Status and in the record."""
    go = threading.Event()
    behind = origin([read, lambda *_: go.wait(20), answer(), again])
    guard = gateway(behind, locations="location / { %s; proxy_pass modelarts; }" % rule)
    with Client(guard.port) as client:
        client.send(request())
        behind.wait(lambda: behind.requests)
        refused = ask(guard.port, request())
        go.set()
        assert client.final().status == 200
    told = f"{rule}, counted by this gateway"
    assert check_refusal(refused, status, "ModelArts.0114")["error_message"] == (
        f"too many requests: {told}")
    assert proxy_status(refused) == ("http_request_denied", f"limited: too many requests: {told}")
    assert int(refused.get("Retry-After")) >= 1
    record = audit.wait(guard.directory / "audit.jsonl", 2)[0]
    assert (record["end"], record["end_detail"]) == ("limited", told)


def test_which_connection_limit(gateway, origin):
    """The same of the limit on connections."""
    guard = gateway(origin(), server="limit_conn 1;")
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
        assert proxy_status(ask(guard.port, request()))[1].endswith(
            ": limit_conn 1, counted by this gateway")


def test_wait_for_a_connection(gateway, origin):
    """Who waited for one of max_connections is told so, in the body, the log and the record."""
    words = "waited 300 ms for one of 1 connections"
    go = threading.Event()
    behind = origin([read, lambda *_: go.wait(20), answer(), again])
    guard = gateway(behind, upstream="max_connections 1; connect_timeout 300ms;",
                    expect=[f"could not be reached in time: {words}"])
    with Client(guard.port) as client:
        client.send(request())
        behind.wait(lambda: behind.requests)
        late = ask(guard.port, request())
        go.set()
        assert client.final().status == 200
    assert words in check_refusal(late, 504, "ModelArts.4503")["error_message"]
    guard.wait_log(words)
    record = audit.wait(guard.directory / "audit.jsonl", 2)[0]
    assert (record["end"], record["end_detail"]) == ("connect_timeout", words)


@pytest.mark.parametrize("word, name, earlier, value", [
    ("forwarded", "Forwarded", None, "for=unknown"),
    ("forwarded", "Forwarded", "for=192.0.2.1", "for=192.0.2.1, for=unknown"),
    ("x-forwarded-for", "X-Forwarded-For", None, "unknown")])
def test_forwarded_from_a_unix_socket(gateway, origin, word, name, earlier, value):
    """A client without an address is `unknown` (RFC 7239 section 6.2)."""
    behind = origin()
    guard = gateway(behind, server="listen unix:client.sock;",
                    locations="location / { forwarded %s; proxy_pass modelarts; }" % word)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(guard.directory / "client.sock"))
        wire = Wire(sock)
        sock.sendall(request("GET", "/x", None, *([f"{name}: {earlier}"] if earlier else [])))
        assert wire.response("GET").status == 200
    assert behind.requests[0].get(name) == value


@pytest.mark.parametrize("status, body, code", [
    ("401 Unauthorized", b'{"error_msg":"x","error_code":"APIG.0301"}', "APIG.0301"),
    ("400 Bad Request", b'{"is_success":false,"error_code":"ModelArts.0104"}', "ModelArts.0104"),
    ("200 OK", b'{"is_success":true}', None)])
def test_error_code_of_the_api_gateway(gateway, origin, status, body, code):
    """An error_code is recorded also where no is_success stands beside it."""
    guard = gateway(origin([read, answer(body, status, JSON), again]))
    assert ask(guard.port, request()).body == body
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record.get("upstream.error_code") == code


FAILED = b'{"is_success":false,"error_code":"ModelArts.0104"}'
ACCEPT = "Accept-Encoding: gzip"


def signed(*names):
    """An Authorization that signs those fields (nobody checks it here)."""
    return ("Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=%s, Signature=%s"
            % (";".join(names), "0" * 64))


@pytest.mark.parametrize("fields, asked", [
    ([], "identity"),
    ([ACCEPT], "identity"),
    ([ACCEPT, "accept-encoding: br"], "identity"),
    (["X-Sdk-Date: x", signed("host", "x-sdk-date"), ACCEPT], "identity"),
    (["X-Sdk-Date: x", signed("accept-encoding", "x-sdk-date"), ACCEPT], "gzip")])
def test_guarded_routes_ask_for_identity(gateway, origin, fields, asked):
    """Where the answer is looked into it has to come uncoded, unless the field is signed; where
    bodies only pass through, the client's word goes on."""
    behind = origin()
    guard = gateway(behind, locations=LOCATIONS, upstream="accept_host gateway.test;")
    assert ask(guard.port, request("PUT", CONFIG, REPAIRED, JSON, *fields)).status == 200
    assert behind.requests[0].get("Accept-Encoding") == asked
    ask(guard.port, request("GET", "/x", None, ACCEPT))
    assert behind.requests[1].get("Accept-Encoding") == "gzip"


@pytest.mark.parametrize("target, method, coding, status, outcome, counted", [
    (CONFIG, "PUT", "gzip", "200 OK", "unknown", "unknown"),
    (CONFIG, "PUT", "identity, gzip", "200 OK", "unknown", "unknown"),
    (CONFIG, "PUT", "gzip", "400 Bad Request", "unknown", "failure"),
    (CONFIG, "PUT", "identity", "200 OK", None, "failure"),
    ("/x", "POST", "gzip", "200 OK", None, "success")])
def test_coded_answers_are_no_success(gateway, origin, target, method, coding, status, outcome,
                                      counted):
    """An answer that comes coded all the same goes on untouched; its outcome is recorded and counted
    as unknown, never as success."""
    body = gzip.compress(FAILED) if "gzip" in coding else FAILED
    behind = origin([read, answer(body, status, JSON, f"Content-Encoding: {coding}"), again])
    guard = gateway(behind, locations=LOCATIONS, main="admin {\n listen unix:admin.sock;\n}")
    told = ask(guard.port, request(method, target, REPAIRED, JSON))
    assert (told.body, told.get("Content-Encoding")) == (body, coding)
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record.get("upstream.outcome") == outcome
    assert record.get("upstream.failed") == (True if coding == "identity" else None)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(guard.directory / "admin.sock"))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        text = Wire(sock).response("GET").body.decode()
    for word in ("success", "failure", "unknown"):
        assert f'upstream_outcomes_total{{outcome="{word}"}} {int(word == counted)}\n' in text
