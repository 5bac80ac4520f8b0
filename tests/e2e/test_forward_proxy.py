"""`proxy`: connections to the endpoint go through a forward proxy, whose faults are its own."""

import json
import os
import socket

import pytest

import audit
from client import Client, ask, check_refusal, request
from endpoint import Endpoint
from gateway import Gateway, config
from listener import server_context
from origin import Origin, again, answer, close, read, read_head, read_some, wait_end
from proxies import Squid, Tap, Tinyproxy, tunnel
from test_seed import REPAIRED, SEED, put

USER = "gateway:p:ss w/ord"
BASIC = "Basic Z2F0ZXdheTpwOnNzIHcvb3Jk"
PROXY_ERRORS = [r"\[error\].*(forward proxy)"]


def secret(directory, text=USER):
    """The file with the user."""
    path = directory / "proxy_user"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def record(guard, n=1):
    """The newest of n records."""
    return audit.wait(guard.directory / "audit.jsonl", n)[n - 1]


class Corporate:
    """A gateway that reaches a TLS endpoint through tinyproxy alone."""

    def __init__(self, guard, behind, tap):
        self.guard, self.port, self.behind, self.tap = guard, guard.port, behind, tap


@pytest.fixture(name="corporate", scope="module", params=["tinyproxy", "squid"])
def corporate_network(tmp_path_factory, certificates, request):  # pylint: disable=redefined-outer-name
    """One with each for all who need nothing special."""
    directory = tmp_path_factory.mktemp("corporate")
    user = secret(directory, "gateway:pass-word")
    real = Squid(directory) if request.param == "squid" else Tinyproxy(directory, "BasicAuth gateway pass-word")
    with real as proxy, Tap(proxy.port) as tap, \
            Endpoint(server_context(certificates / "server.pem")) as behind:
        text = config(directory, f"localhost:{behind.port}", tls=certificates / "ca.pem",
                      upstream=f"proxy http://127.0.0.1:{tap.port}; proxy_user_file {user};")
        with Gateway(directory, text) as guard:
            yield Corporate(guard, behind, tap)


def test_the_main_job(corporate):
    """Judged and repaired as ever; the tunnel is kept; the proxy sees the authority alone."""
    with Client(corporate.port) as client:
        for _ in range(3):
            client.send(put(SEED))
            assert json.loads(client.final().body) == {"is_success": True}
    assert [r.body for r in corporate.behind.requests] == [REPAIRED] * 3
    authority = f"localhost:{corporate.behind.port}"
    seen = corporate.tap.heads()
    assert len(seen) == 1 and seen[0].split("User-Agent: ")[0] == \
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    assert seen[0].endswith("\r\nProxy-Authorization: Basic Z2F0ZXdheTpwYXNzLXdvcmQ=\r\n\r\n")
    assert corporate.behind.connections[0].sni == "localhost"
    told = record(corporate.guard, 3)
    assert told["upstream.address"] == authority
    assert told["upstream.proxy"] == f"127.0.0.1:{corporate.tap.port}"


@pytest.mark.parametrize("size", [100, 8 << 20])
def test_up_and_down(corporate, size):
    """Bodies of any size, both ways."""
    body = os.urandom(size)
    got = ask(corporate.port, request("POST", "/v1/p/echo", body, "X-Auth-Token: t"))
    assert got.status == 404 and corporate.behind.requests[-1].body == body
    got = ask(corporate.port, request("GET", "/v1/p/training-job-configs", None, "X-Auth-Token: t",
                                      f"X-Stand-In: big={size}"))
    assert (got.status, len(got.body)) == (200, size)


@pytest.mark.parametrize("real, lines, user, end, words", [
    (Tinyproxy, ["BasicAuth a b"], None, "proxy_auth", "no proxy_user_file"),
    (Tinyproxy, ["BasicAuth a b"], "a:hunter2", "proxy_auth", "does not take the user and password"),
    (Tinyproxy, ["ConnectPort 1"], None, "proxy_refused", "CONNECT localhost:1234 answered 403"),
    (Squid, [], None, "proxy_auth", "no proxy_user_file"),
    (Squid, [], "gateway:hunter2", "proxy_auth", "does not take the user and password"),
    (Squid, ["acl other port 1234", "http_access deny other"], None, "proxy_refused",
     "CONNECT localhost:1234 answered 403")])
def test_a_real_proxy_refuses(tmp_path, gateway, real, lines, user, end, words):
    """Nothing comes through, and it is told why."""
    with real(tmp_path, *lines) as proxy:
        more = f"proxy_user_file {secret(tmp_path, user)};" if user else ""
        guard = gateway("localhost:1234", PROXY_ERRORS,
                        upstream=f"proxy http://127.0.0.1:{proxy.port}; {more}")
        check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
        told = record(guard)
        assert told["end"] == end and words in told["end_detail"]
        assert "hunter2" not in "\n".join(guard.lines)


def test_down(gateway):
    """Nobody listens there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        guard = gateway("localhost:1", PROXY_ERRORS, upstream=f"proxy http://127.0.0.1:{port};")
        check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
    told = record(guard)
    assert told["end"] == "proxy_connect" and told["upstream.proxy"] == f"127.0.0.1:{port}"
    assert told["end_detail"] == f"proxy 127.0.0.1:{port}: Connection refused"


def head(*lines):
    """The bytes of a head."""
    return "\r\n".join((*lines, "", "")).encode()


def silent(origin, connection):
    """Says nothing until the gateway has gone."""
    read_head(origin, connection)
    wait_end(origin, connection)


WRONG = {
    "403": ([read_head, head("HTTP/1.1 403 Forbidden", "Content-Length: 0"), wait_end], 502,
            "proxy_refused", "answered 403"),
    "503": ([read_head, head("HTTP/1.1 503 No", "Content-Length: 9") + b"sorry", close], 502,
            "proxy_refused", "answered 503"),
    "redirect": ([read_head, head("HTTP/1.1 302 Found", "Location: http://x.test/"), wait_end], 502,
                 "proxy_refused", "answered 302"),
    "other scheme": ([read_head, head("HTTP/1.1 407 No", "Proxy-Authenticate: Negotiate"), wait_end],
                     502, "proxy_auth", "does not take Basic"),
    "bytes behind": ([read_head, head("HTTP/1.1 200 OK") + b"HTTP/1.1 200 OK\r\n\r\n", wait_end], 502,
                     "proxy_failed", "19 bytes came behind"),
    "length behind": ([read_head, head("HTTP/1.1 200 OK", "Content-Length: 2") + b"ok", wait_end],
                      502, "proxy_failed", "2 bytes came behind"),
    "no HTTP": ([read_head, b"SSH-2.0-OpenSSH_9.2\r\n", wait_end], 502, "proxy_failed", "HTTP/1"),
    "endless": ([read_head, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000, wait_end], 502, "proxy_failed",
                "too large"),
    "interim": ([read_head, head("HTTP/1.1 103 Early Hints") * 20, wait_end], 502, "proxy_failed",
                "too many interim answers"),
    "closed": ([read_head, close], 502, "proxy_failed", "before it answered CONNECT"),
    "half": ([read_head, b"HTTP/1.1 200 OK\r\n", close], 502, "proxy_failed", "before it answered"),
    "silent": ([silent], 504, "proxy_timeout", "CONNECT not answered in time"),
    "cut": ([read_head, head("HTTP/1.1 200 OK"), close], 502, "proxy_failed", "TLS handshake"),
    "other server": ([read_head, head("HTTP/1.1 200 OK"), read_some, b"no TLS at all", wait_end], 502,
                     "upstream_tls", "localhost:1 through proxy 127.0.0.1:"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_proxy_misbehaves(origin, gateway, certificates, case):
    """Each way has its own end, and the gateway never takes its bytes for the endpoint's."""
    script, status, end, words = WRONG[case]
    proxy = origin(script)
    limit = "connect_timeout 400ms;" if case == "silent" else "connect_timeout 60s;"
    guard = gateway("localhost:1", [*PROXY_ERRORS, r"\[error\].*no trusted TLS"],
                    tls=certificates / "ca.pem",
                    upstream=f"proxy http://127.0.0.1:{proxy.port}; {limit}")
    check_refusal(ask(guard.port, request()), status, "ModelArts.4503" if status == 504
                  else "ModelArts.4302")
    told = record(guard)
    assert told["end"] == end and words in told["end_detail"]
    assert f'proxy 127.0.0.1:{proxy.port}' in told["end_detail"]


@pytest.mark.parametrize("fields", [["Content-Length: 5"], ["Transfer-Encoding: chunked"],
                                    ["Content-Length: 1", "Transfer-Encoding: gzip"]])
def test_fields_of_a_tunnel_mean_nothing(origin, gateway, fields):
    """RFC 9110 section 9.3.6, also behind interim answers and byte by byte."""
    text = head("HTTP/1.1 100 Continue") + head("HTTP/1.0 200 Connection established", *fields)
    proxy = origin([read_head, *[bytes([b]) for b in text], *[read, answer()] * 2, wait_end])
    guard = gateway("api.test:80", upstream=f"proxy http://127.0.0.1:{proxy.port};")
    for _ in range(2):
        assert ask(guard.port, request()).body == b"ok"
    connect, one, two = proxy.requests
    assert connect.start == "CONNECT api.test:80 HTTP/1.1" and connect.get("Host") == "api.test:80"
    assert [r.get("Host") for r in (one, two)] == ["api.test"] * 2
    assert b"gateway.test" not in connect.head


def test_the_next_server_is_asked_for(origin, gateway):
    """Where the proxy refuses one; neither server is blamed: each next request begins anew."""
    def choose(behind, connection):
        read_head(behind, connection)
        if "first.test" in connection.requests[-1].start:
            connection.send(head("HTTP/1.1 502 Bad Gateway"))
            wait_end(behind, connection)
        else:
            connection.send(head("HTTP/1.1 200 OK"))
            read(behind, connection)
            connection.send(answer(b"ok", "200 OK", "Connection: close"))
            wait_end(behind, connection)

    proxy = origin([choose])
    guard = gateway("first.test:80", upstream=f"server second.test:80 backup; "
                                              f"proxy http://127.0.0.1:{proxy.port};")
    for _ in range(2):
        assert ask(guard.port, request()).status == 200
    asked = [r.target for r in proxy.requests if r.method == "CONNECT"]
    assert asked == ["first.test:80", "second.test:80"] * 2
    assert not guard.matches("is passed over")


def test_a_proxy_dies_in_a_tunnel(origin, gateway):
    """The request that was under way fails once; the server behind is not passed over."""
    dead = [read_head, head("HTTP/1.1 200 OK"), read_head, close]
    proxy = origin(dead, dead, [read_head, head("HTTP/1.1 200 OK"), read, answer(), again])
    guard = gateway("first.test:80", [r"\[error\].*closed the connection"],
                    upstream="server second.test:80 backup; "
                             f"proxy http://127.0.0.1:{proxy.port};")
    for _ in range(2):
        check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
    assert ask(guard.port, request()).status == 200
    assert {r.target for r in proxy.requests if r.method == "CONNECT"} == {"first.test:80"}
    ends = [r["end"] for r in audit.wait(guard.directory / "audit.jsonl", 3)]
    assert ends == ["upstream_closed", "upstream_closed", "done"]
    assert not guard.matches("is passed over")


def test_a_kept_tunnel_that_ended(origin, gateway):
    """As any kept connection: once more, through a new tunnel."""
    proxy = origin([read_head, head("HTTP/1.1 200 OK"), read, answer(), read, close],
                   [read_head, head("HTTP/1.1 200 OK"), read, answer(), again])
    guard = gateway("api.test:80", upstream=f"proxy http://127.0.0.1:{proxy.port};")
    with Client(guard.port) as client:
        client.send(request() * 2)
        assert [client.final().status for _ in range(2)] == [200, 200]
    assert [r.method for r in proxy.requests] == ["CONNECT", "GET", "GET", "CONNECT", "GET"]


@pytest.mark.parametrize("tls", [False, True])
def test_tls_with_the_proxy(certificates, tmp_path, gateway, tls):
    """TLS to the proxy and, inside, to the endpoint, each with its own check."""
    context = server_context(certificates / "server.pem")
    with Origin(context=context if tls else None) as inner, Origin(context=context) as proxy:
        proxy.scripts = [[read_head, tunnel(inner.port)]]
        inner.scripts = [[read, answer(bytes(3 << 20)), again]]
        ca = certificates / "ca.pem"
        guard = gateway(f"localhost:{inner.port}", tls=ca if tls else None,
                        upstream=f"proxy https://localhost:{proxy.port}; proxy_tls_ca {ca}; "
                                 f"proxy_user_file {secret(tmp_path)};")
        body = os.urandom(2 << 20)
        with Client(guard.port) as client:
            for _ in range(3):
                client.send(request("POST", "/x", body))
                assert client.final().body == bytes(3 << 20)
        assert [r.body for r in inner.requests] == [body] * 3
        assert proxy.requests[0].get("Proxy-Authorization") == BASIC
        assert proxy.connections[0].sni == "localhost" and len(proxy.connections) == 1


@pytest.mark.parametrize("name, words", [("wrong-name", "not accepted"), (None, "is \"http://\" meant?")])
def test_a_proxy_that_is_not_trusted(origin, certificates, gateway, tmp_path, name, words):
    """It is not told who we are, and not what is asked."""
    proxy = origin([read_head, wait_end] if name else [b"HTTP/1.1 400 Bad Request\r\n\r\n", wait_end],
                   context=server_context(certificates / f"{name}.pem") if name else None)
    guard = gateway("localhost:1", PROXY_ERRORS,
                    upstream=f"proxy https://localhost:{proxy.port}; "
                             f"proxy_tls_ca {certificates}/ca.pem; "
                             f"proxy_user_file {secret(tmp_path)};")
    check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
    told = record(guard)
    assert told["end"] == "proxy_connect" and words in told["end_detail"]
    assert not proxy.requests


def test_a_proxy_that_cannot_be_found(gateway):
    """Its name is looked up; the endpoint's is not."""
    guard = gateway("localhost:1", PROXY_ERRORS,
                    upstream="proxy http://nothing.invalid:3128; connect_timeout 1s;")
    assert ask(guard.port, request()).status in (502, 504)
    assert record(guard)["end"] in ("proxy_connect", "proxy_timeout")


@pytest.mark.parametrize("text, words", [
    ("proxy proxy.test:3128;", "takes http://HOST[:PORT], https://HOST[:PORT] or off"),
    ("proxy socks5://proxy.test;", "takes http://"),
    ("proxy http://proxy.test/path;", "takes http://"),
    ("proxy http://proxy.test:0;", "takes http://"),
    ("proxy http://me:hunter2@proxy.test;", "takes no user"),
    ("proxy http://proxy.test; proxy_user_file missing;", "No such file"),
    ("proxy http://proxy.test; proxy_user_file open;", "everybody can read it"),
    ("proxy http://proxy.test; proxy_user_file bare;", "no line USER:PASSWORD"),
    ("proxy https://proxy.test; proxy_tls_ca bare;", "as its tls_ca")])
def test_refused_configurations(check, tmp_path, text, words):
    """Said before anything runs, and no password is repeated."""
    for name, mode, content in (("open", 0o644, USER), ("bare", 0o600, "justauser")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    code, said = check(upstream=text, options=["-p", f"{tmp_path}/"])
    assert code == 1 and words in said and "hunter2" not in said


def test_good_configurations(check, tmp_path):
    """What is said of them, -T among it, holds no password."""
    user = secret(tmp_path)
    code, said = check(upstream=f"proxy http://proxy.test:3128/; proxy_user_file {user};")
    assert code == 0 and "warn" not in said
    assert check(upstream="proxy off; proxy_user_file missing;")[0] == 0
    code, said = check(upstream="proxy_user_file missing;")
    assert code == 0 and '"proxy_user_file" does nothing without "proxy"' in said
    code, said = check(upstream="proxy http://p.test; proxy_tls_ca missing;")
    assert code == 0 and '"proxy_tls_ca" does nothing' in said
