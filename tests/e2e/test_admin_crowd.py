"""Crowds before the admin process: probes and scrapes are answered beside connections that never end."""

import socket

import pytest

from client import Client, ask, request
from gateway import Gateway, config
from test_admin import start_admin  # pylint: disable=unused-import # a fixture
from test_descriptors import limited
from test_limits import crowd
from test_processes import wait_gone
from wire import Wire

METRICS = request("GET", "/metrics", None, host="127.0.0.1")
CROWDS = {
    "nothing": b"",
    "a byte": b"G",
    "half a line": b"GET /healthz HT",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
    "no body": request("POST", "/reload", None, "Content-Length: 4000", host="127.0.0.1"),
    "half a chunk": request("POST", "/reload", None, "Transfer-Encoding: chunked", host="127.0.0.1") + b"ff\r\n",
    "refused": b"NONSENSE\r\n\r\n",
    "answered": request("GET", "/healthz", None, host="127.0.0.1"),
    "answered, then half": request("GET", "/healthz", None, host="127.0.0.1") + b"GET /healthz HT",
    "viewers": request("GET", "/events", None, host="127.0.0.1"),
}
FREE = ["/healthz", "/livez", "/readyz", "/metrics"]


@pytest.fixture(scope="module", name="before")
def start_once(tmp_path_factory):
    """One admin process for all crowds, each of which stays while the next one comes."""
    directory = tmp_path_factory.mktemp("crowd")
    text = config(directory, 1, locations="location / { proxy_pass modelarts; }",
                  main="admin { listen 127.0.0.1:0; listen unix:admin.sock; }")
    socks = []
    with Gateway(directory, text) as guard:
        guard.wait_log("master: trainguard")
        yield guard.ports[0], str(directory / "admin.sock"), socks
        for sock in socks:
            sock.close()


@pytest.mark.parametrize("data", CROWDS.values(), ids=CROWDS)
def test_a_crowd_does_not_silence_probes(before, data):
    """More connections than there may be, none of which ever ends by itself."""
    port, path, socks = before
    while len(socks) > 260:
        socks.pop(0).close()
    socks += crowd(port, 260, data)
    for target in FREE:
        assert ask(port, request("GET", target, None, host="127.0.0.1")).status == 200
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(path)
        sock.sendall(request("GET", "/healthz", None, host="127.0.0.1"))
        assert Wire(sock).response("GET").status == 200


def test_who_waits_for_a_reload_stays(admin):
    """Neither it nor a viewer of the feed gives way."""
    one = admin()
    viewer = Client(one.port)
    viewer.send(request("GET", "/events", None, host="127.0.0.1"))
    while b"hello" not in viewer.wire.buffer:
        viewer.wire.more()
    socks = crowd(one.port, 300, b"GET /x")
    assert one.unix("/reload").body == b"reloaded\n"
    assert b"HTTP/1.1 200" in viewer.wire.buffer
    for sock in [viewer.sock, *socks]:
        sock.close()


def test_who_leaves_before_the_reload(admin):
    """Its answer is thrown away; the gateway reloads, and ends in order."""
    one = admin()
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(one.path)
            sock.sendall(request("POST", "/reload", b""))
    one.guard.wait_log("master: reloaded")
    assert one.unix("/reload").status == 200
    assert one.get("/healthz").status == 200


def test_answers_that_nobody_takes_hold_no_process(admin):
    """Their connections break; the process that made them ends with the next reload all the same."""
    one = admin()
    one.guard.wait_log(r"admin \d+ is process")
    pid = int(one.guard.matches(r"admin \d+ is process (\d+)")[0][1])
    greedy = [Client(one.port) for _ in range(3)]
    for client in greedy:
        client.send(METRICS * 40)
    assert one.get("/healthz").status == 200
    for client in greedy:
        client.reset()
    assert one.unix("/reload").status == 200
    wait_gone(pid)


def test_answers_that_nobody_takes_make_room(origin, tmp_path):
    """Connections full of answers, as many as there may be."""
    text = config(tmp_path / "g", origin().port, locations="location / { proxy_pass modelarts; }",
                  main="admin { listen 127.0.0.1:0; }")
    with Gateway(tmp_path / "g", text, **limited(32, 32)) as guard:
        socks = crowd(guard.ports[0], 24, METRICS * 60)
        for target in FREE:
            assert ask(guard.ports[0], request("GET", target, None, host="127.0.0.1")).status == 200
        for sock in socks:
            sock.close()


def test_viewers_leave_room_where_descriptors_are_few(origin, tmp_path):
    """Who looks at the feed does not give way, so half of the connections are for others."""
    text = config(tmp_path / "g", origin().port, locations="location / { proxy_pass modelarts; }",
                  main="admin { listen 127.0.0.1:0; }")
    with Gateway(tmp_path / "g", text, **limited(32, 32)) as guard:
        socks = crowd(guard.ports[0], 40, request("GET", "/events", None, host="127.0.0.1"))
        for target in FREE:
            assert ask(guard.ports[0], request("GET", target, None, host="127.0.0.1")).status == 200
        refused = ask(guard.ports[0], request("GET", "/events", None, host="127.0.0.1"))
        assert (refused.status, refused.get("Retry-After")) == (503, "5")
        for sock in socks:
            sock.close()
