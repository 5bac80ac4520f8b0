"""Servers of an upstream, each failing in one of its ways: state, metrics, record and log agree."""

import json
import re
import socket
import threading
from contextlib import contextmanager

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import PORT, TIMEOUT, Gateway, config
from listener import server_context
from origin import again, answer, close, read, read_some, reset, wait_end
from test_names import DEAD, etc  # pylint: disable=unused-import # a fixture

ADMIN = "admin {\n    listen 127.0.0.1:0;\n}"
OK = [read, answer(), again]
GET = request()


@contextmanager
def nobody():
    """A port that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def told(guard):
    """What /status and /metrics tell of each server."""
    admin = [int(m[1]) for m in guard.matches(PORT)][0]
    status = json.loads(ask(admin, request("GET", "/status", host="127.0.0.1")).body)
    metrics = ask(admin, request("GET", "/metrics", host="127.0.0.1")).body.decode()
    states = {s["server"]: s for u in status["upstreams"] for s in u["servers"]}
    ups = dict(re.findall(r'upstream_server_up\{upstream="modelarts",server="(.*?)"\} (\d)', metrics))
    failures = {}
    for server, kind, n in re.findall(
            r'upstream_server_failures_total\{upstream="modelarts",server="(.*?)",kind="(.*?)"\} (\d+)',
            metrics):
        if n != "0":
            failures.setdefault(server, {})[kind] = int(n)
    assert set(ups) == set(states)
    for server, state in states.items():
        assert ups[server] == ("1" if state["state"] == "up" else "0")
        assert state.get("failures", {}) == failures.get(server, {})
    return states, metrics


# The phase: how it ends, the first server's script (None: nobody listens), whether the next server can still
# answer, else the status.
PHASES = {
    "resolve": ("upstream_resolve", None, True),
    "connect": ("upstream_connect", None, True),
    "TLS": ("upstream_tls", [wait_end], True),
    "TLS not answered": ("connect_timeout", [wait_end], True),
    "send": ("upstream_closed", [read_some, reset], 502),
    "send timeout": ("send_timeout", [read_some, lambda origin, _: origin.hold.wait(TIMEOUT), close], 504),
    "no answer": ("upstream_closed", [read, close], 502),
    "head": ("upstream_nonsense", [read, b"NONSENSE\r\n\r\n", wait_end], 502),
    "body": ("upstream_closed", [read, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close], 200),
    "answer timeout": ("read_timeout", [read, wait_end], 504),
}


def send_until_stuck(client):
    """A body that is too large for all that lies on its way; the client then waits for its answer."""
    client.send(request("POST", "/x", None, "Content-Length: 100000000"))
    client.sock.settimeout(0.2)
    try:
        while True:
            client.sock.sendall(bytes(1 << 20))
    except OSError:
        client.sock.settimeout(TIMEOUT)


def send_much(port):
    """A body that nobody takes; the answer that comes all the same."""
    with Client(port) as client:
        send_until_stuck(client)
        return client.final("POST").status


def cut_answer(port):
    """The status of an answer that breaks off."""
    with Client(port) as client:
        client.send(request())
        answered = client.rest()
        assert answered.endswith(b"half")
        return int(answered.split(b" ")[1])


def ask_first(phase, port):
    """The first request; its status."""
    if phase.startswith("send"):
        return send_much(port)
    return cut_answer(port) if phase == "body" else ask(port, request()).status


@pytest.mark.parametrize("phase", PHASES)
def test_one_fails_in_each_phase(origin, gateway, certificates, phase, request):  # pylint: disable=redefined-outer-name
    """The server is down until it answers, the other one serves, and everybody says so."""
    kind, script, moves = PHASES[phase]
    if phase == "resolve":
        etc = request.getfixturevalue("etc")
        etc.put("hosts", "127.0.0.1 localhost\n")
        etc.put("resolv.conf", DEAD)
    good = server_context(certificates / "server.pem")
    bad = {"TLS": server_context(certificates / "wrong-name.pem"), "TLS not answered": None}.get(phase, good)
    second = origin(OK, context=good)
    with nobody() as port:
        name = "nothing.test" if phase == "resolve" else "localhost"
        behind = origin(script or OK, context=bad)
        behind.hold = threading.Event()
        first = f"{name}:{port if script is None else behind.port}"
        other = f"localhost:{second.port}"
        times = {"connect_timeout": "60s", "send_timeout": "60s", "read_timeout": "60s"} | {
            "TLS not answered": {"connect_timeout": "4s"}, "send timeout": {"send_timeout": "300ms"},
            "answer timeout": {"read_timeout": "1s"}}.get(phase, {})
        guard = gateway(f"{first} fail_timeout=1h", [r"\[error\]"], tls=certificates / "ca.pem", main=ADMIN,
                        upstream=f"server {other}; keepalive 0; " + " ".join(f"{k} {v};" for k, v in times.items()))
        before, _ = told(guard)
        assert {s["state"] for s in before.values()} == {"up"}
        assert ask_first(phase, guard.port) == (200 if moves is True else moves)
        behind.hold.set()
        for _ in range(3):
            assert ask(guard.port, GET).status == 200
        states, metrics = told(guard)
    assert states[other]["state"] == "up" and "last_failure" not in states[other]
    down = states[first]
    assert (down["state"], down["last_kind"], down["failures"]) == ("down", kind, {kind: 1})
    assert down["since"] >= down["last_failure"][:19]
    record = audit.wait(guard.directory / "audit.jsonl", 4)[0]
    assert record["end"] == ("done" if moves is True else kind)
    if moves is True:
        assert re.match(r"nothing\.test: |127\.0\.0\.1:\d+: ", record["upstream.tried"][-1])
        assert 'upstream_retries_total{reason="connect"} 1\n' in metrics
    else:
        assert "upstream.tried" not in record
    assert guard.matches(rf"server {first} of \"modelarts\" is passed over")


def test_it_comes_back(origin, gateway):
    """An answer, also one that ends the connection, is what makes a server be up again."""
    behind = origin([read, close], [read, answer(b"ok", "200 OK", "Connection: close"), wait_end])
    guard = gateway(behind, [r"\[error\]"], main=ADMIN)
    check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
    name = f"127.0.0.1:{behind.port}"
    down = told(guard)[0][name]
    assert down["state"] == "down" and not guard.matches("is passed over")
    assert ask(guard.port, request()).status == 200
    up = told(guard)[0][name]
    assert up["state"] == "up" and up["since"] >= down["since"]
    assert up["failures"] == {"upstream_closed": 1}


def test_workers_know_of_it_together(origin, tmp_path):
    """One failure that any worker meets, and none asks the server again."""
    second = origin(OK)
    with nobody() as port:
        text = config(tmp_path, f"127.0.0.1:{port} fail_timeout=1h", main=ADMIN,
                      upstream=f"server 127.0.0.1:{second.port}; keepalive 0;")
        with Gateway(tmp_path, text.replace("worker_processes 1", "worker_processes 2")) as guard:
            for _ in range(30):
                assert ask(guard.port, request()).status == 200
            assert told(guard)[0][f"127.0.0.1:{port}"]["failures"] == {"upstream_connect": 1}


def test_named_twice(origin, gateway):
    """A series has one sample."""
    behind = origin()
    guard = gateway(behind, main=ADMIN, upstream=f"server 127.0.0.1:{behind.port} backup;")
    _, metrics = told(guard)
    assert metrics.count("trainguard_upstream_server_up{") == 1


def test_a_proxy_marks_nobody(origin, gateway):
    """Neither does a 401, nor a client that leaves."""
    with nobody() as port:
        guard = gateway("localhost:1", [r"\[error\]"], main=ADMIN,
                        upstream=f"server localhost:2; proxy http://127.0.0.1:{port};")
        for _ in range(2):
            check_refusal(ask(guard.port, request()), 502, "ModelArts.4302")
        states, _ = told(guard)
    assert [s["state"] for s in states.values()] == ["up", "up"]
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record["upstream.tried"] == [f"proxy 127.0.0.1:{port}: Connection refused"]


def test_an_unauthorized_caller_marks_nobody(origin, gateway):
    """401 is an answer."""
    behind = origin([read, answer(b"no", "401 Unauthorized"), again])
    guard = gateway(behind, main=ADMIN)
    assert ask(guard.port, request()).status == 401
    assert told(guard)[0][f"127.0.0.1:{behind.port}"]["state"] == "up"


def test_the_wait_for_a_connection(origin, gateway):
    """Is told apart from the time a new one takes."""
    behind = origin([read, lambda o, _: o.hold.wait(20), answer(), again])
    behind.hold = threading.Event()
    guard = gateway(behind, main=ADMIN, upstream="max_connections 1; connect_timeout 60s;")
    with Client(guard.port) as one, Client(guard.port) as two:
        one.send(request())
        behind.wait(lambda: len(behind.log) == 1)
        two.send(request())
        admin = [int(m[1]) for m in guard.matches(PORT)][0]
        while b"trainguard_http_requests_in_flight 2" not in ask(
                admin, request("GET", "/metrics", host="127.0.0.1")).body:
            pass
        behind.hold.set()
        assert [c.final().status for c in (one, two)] == [200, 200]
    _, metrics = told(guard)
    assert "trainguard_upstream_pool_wait_duration_seconds_count 1\n" in metrics
    waited = [r for r in audit.wait(guard.directory / "audit.jsonl", 2) if "pool_us" in r]
    assert len(waited) == 1 and waited[0]["pool_us"] > 0 and "connect_us" not in waited[0]
