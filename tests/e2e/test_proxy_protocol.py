"""PROXY headers and unix sockets: whose address counts, and where the header ends."""

import re
import socket
import ssl

import pytest

import audit
from client import Client, request
from test_tls_listener import PASS, context
from wire import Wire

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
V1_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 3, 4])
V2_TLV = SIGNATURE + b"\x21\x11\x00\x13" + V2[16:] + b"\x02\x00\x04test"
GET = request("GET", "/x")

GOOD = {"v1": (V1, "192.0.2.7"), "v1 IPv6": (V1_6, "2001:db8::7"), "v2": (V2, "192.0.2.7"),
        "v2 with a TLV": (V2_TLV, "192.0.2.7"), "v1 unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        "v2 local": (SIGNATURE + b"\x20\x00\x00\x00", "127.0.0.1")}
BAD = {"none": b"", "HTTP inside": b"PROXY TCP4 GET / HTTP/1.1\r\n", "LF": V1.replace(b"\r", b""),
       "UDP": SIGNATURE + b"\x21\x12" + V2[14:], "short": SIGNATURE + b"\x21\x11\x00\x04abcd"}


@pytest.fixture
def proxied(gateway, origin):
    """A gateway that wants PROXY headers, and what is behind it."""
    def start(more=""):
        behind = origin()
        guard = gateway(behind, locations=PASS,
                        server=f"listen 127.0.0.1:0 proxy_protocol; forwarded x-forwarded-for; {more}")
        return guard, behind
    return start


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("step", [None, 1, 7], ids=["whole", "by byte", "by seven"])
def test_address(proxied, name, step):
    """The header's address is the client's, and the request behind it is untouched."""
    header, address = GOOD[name]
    guard, behind = proxied()
    data = header + GET
    with Client(guard.port) as client:
        client.send(*([data] if step is None else
                      [data[i:i + step] for i in range(0, len(data), step)]))
        assert client.final().status == 200
        client.send(GET)
        assert client.final().status == 200
    assert [r.get("X-Forwarded-For") for r in behind.requests] == [address] * 2
    records = audit.wait(guard.directory / "audit.jsonl", 2)
    assert [r["client.address"] for r in records] == [address] * 2


@pytest.mark.parametrize("name", BAD)
def test_bad_header(proxied, name):
    """No header, no service: nothing is guessed, nothing goes upstream."""
    guard, behind = proxied()
    with Client(guard.port) as client:
        client.send(BAD[name] + GET)
        client.closed()
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert (record["end"], record["client.address"]) == ("proxy_header", "127.0.0.1")
    assert record["end_detail"] and "http.request.method" not in record
    guard.wait_log("no valid PROXY header: " + re.escape(record["end_detail"]))
    assert behind.connections == []


def test_second_header_is_no_header(proxied):
    """A client cannot bring a header of its own behind the load balancer's."""
    guard, behind = proxied()
    with Client(guard.port) as client:
        client.send(V1 + b"PROXY TCP4 10.9.9.9 10.0.0.1 1 2\r\n" + GET)
        assert client.final().status == 400
    assert behind.connections == []
    assert audit.wait(guard.directory / "audit.jsonl", 1)[0]["client.address"] == "192.0.2.7"


def test_not_expected(gateway, origin):
    """A listener that does not ask for a header takes none."""
    behind = origin()
    guard = gateway(behind, locations=PASS)
    with Client(guard.port) as client:
        client.send(V1 + GET)
        assert client.final().status == 400
    assert behind.connections == []


@pytest.mark.parametrize("part", [b"", V1[:20], V2[:14]], ids=["nothing", "v1", "v2"])
def test_slow_header(proxied, part):
    """The header has client_header_timeout."""
    guard, _behind = proxied("client_header_timeout 300ms;")
    with Client(guard.port) as client:
        client.send(part)
        assert client.closed()
    if part:
        record, = audit.wait(guard.directory / "audit.jsonl", 1)
        assert (record["end"], record["end_detail"]) == ("proxy_header", "it did not come in time")


def test_left_in_the_header(proxied):
    """A balancer that goes in the middle of it has a record, one that only knocks has none."""
    guard, _behind = proxied()
    for part in (b"", V1[:20]):
        with Client(guard.port) as client:
            client.send(part)
            client.finish()
            assert client.closed()
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert (record["end"], record["end_detail"]) == ("proxy_header", "closed before its PROXY header")


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_before_tls(gateway, origin, certificates, header):
    """The header comes in the clear, the handshake behind it, perhaps in one segment."""
    behind = origin()
    guard = gateway(behind, locations=PASS, server=f"""
        listen 127.0.0.1:0 tls proxy_protocol;
        tls_certificate {certificates}/server.pem; tls_certificate_key {certificates}/server.key;""")
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(certificates).wrap_bio(into, out, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", guard.port), 20) as sock:
        first = header
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(first + out.read())
                first = b""
                into.write(sock.recv(65536))
        session.write(GET)
        sock.sendall(out.read())
        record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record["client.address"] == "192.0.2.7" and record["end"] == "done"


class UnixClient(Client):
    """A client on a unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.wire = Wire(self.sock)


@pytest.mark.parametrize("option, header, address", [("", b"", "unix:"),
                                                     ("proxy_protocol", V1, "192.0.2.7")])
def test_unix_socket(gateway, origin, option, header, address):
    """Requests over a unix socket; with a header, its address counts. The file goes at the end."""
    behind = origin()
    guard = gateway(behind, locations=PASS, server=f"listen unix:sock {option};")
    path = guard.directory / "sock"
    with UnixClient(path) as client:
        client.send(header + GET + GET)
        assert [client.final().status for _ in range(2)] == [200, 200]
    assert [r["client.address"] for r in audit.wait(guard.directory / "audit.jsonl", 2)] == [address] * 2
    guard.stop()
    assert not path.exists()
