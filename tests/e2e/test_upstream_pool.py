"""Several servers of an upstream: turns, failures, limits, retries, names."""

import os
import pathlib
import re
import signal
import socket
import threading

import pytest

from client import Client, ask, check_refusal, request
from gateway import Gateway
from origin import OK, again, answer, close, read, reset, wait_end
from test_limits import worker
from wire import Wire

PASS = "location / { proxy_pass modelarts; }"
ADMIN = "admin {\n listen unix:admin.sock;\n}"
GET = request("GET", "/x")
PUT = request("PUT", "/v1/p/training-job-configs/c",
              b'{"worker_server_num":1,"spec_id":1,"model_id":1,"data_url":"/bkt/x"}',
              "Content-Type: application/json")


def servers(*origins, option=""):
    """The servers behind the first one, as directives."""
    return "\n".join(f"server 127.0.0.1:{o if isinstance(o, int) else o.port} {option};"
                     for o in origins)


@pytest.fixture
def dead():
    """A port nobody listens on while the test runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def ask_all(port, n, data=GET):
    """n answers, one connection each."""
    return [ask(port, data).status for _ in range(n)]


def retries(guard):
    """The counts of `trainguard_upstream_retries_total` that are not 0, by reason."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(guard.directory / "admin.sock"))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        text = Wire(sock).response("GET").body.decode()
    found = re.findall(r'^trainguard_upstream_retries_total{reason="(\w+)"} (\d+)$', text, re.M)
    assert [reason for reason, _ in found] == ["connect", "closed", "reset"]
    return {reason: int(n) for reason, n in found if n != "0"}


def check_tries(guard, n):
    """How often a gateway tried to connect in vain, all its life."""
    guard.stop()
    assert len(guard.matches("Connection refused")) == n


def test_turns(gateway, origin):
    """Servers take turns, and each keeps its own connection."""
    behind = [origin() for _ in range(3)]
    guard = gateway(behind[0], upstream=servers(*behind[1:]), locations=PASS)
    assert ask_all(guard.port, 9) == [200] * 9
    assert [len(o.requests) for o in behind] == [3, 3, 3]
    assert [len(o.connections) for o in behind] == [1, 1, 1]


@pytest.mark.parametrize("data", [GET, request("POST", "/x", b"hello")], ids=["GET", "POST"])
def test_next_when_connecting_fails(gateway, origin, dead, data):
    """Nothing was sent, so whatever the method, the next server gets the request."""
    behind = origin()
    guard = gateway(dead, upstream=servers(behind), locations=PASS)
    assert ask_all(guard.port, 4, data) == [200] * 4
    assert len(behind.requests) == 4
    guard.wait_log("is passed over for 10000 ms")
    check_tries(guard, 1)  # the others did not try it


def test_max_fails(gateway, origin, dead):
    """A server is passed over after so many failures, not before."""
    behind = origin()
    guard = gateway(behind, upstream=servers(dead, option="max_fails=3 fail_timeout=60s"),
                    locations=PASS)
    assert ask_all(guard.port, 12) == [200] * 12
    check_tries(guard, 3)


def test_max_fails_never(gateway, origin, dead):
    """max_fails=0: it gets its turn each time."""
    behind = origin()
    guard = gateway(behind, upstream=servers(dead, option="max_fails=0"), locations=PASS)
    assert ask_all(guard.port, 8) == [200] * 8
    check_tries(guard, 4)


def test_up_again(gateway, origin):
    """After fail_timeout a server gets its turn again."""
    failing, good = origin([read, close], OK), origin()
    guard = gateway(good, [r"\[error\]"], upstream=servers(failing, option="fail_timeout=200ms"),
                    locations=PASS)
    statuses = ask_all(guard.port, 4, request("POST", "/x", b"a"))
    assert sorted(statuses) == [200, 200, 200, 502]
    while len(failing.requests) < 2:  # the clock decides; the test's own timeout is the bound
        assert ask(guard.port, GET).status == 200


def test_other_servers_are_counted_as_retries(gateway, origin, dead):
    """One for each server that was asked after another."""
    guard = gateway(dead, main=ADMIN, upstream=servers(dead, origin(), option="max_fails=0"),
                    locations=PASS)
    assert ask_all(guard.port, 3) == [200] * 3  # two others, one, none
    assert retries(guard) == {"connect": 3}


def test_in_vain_counts_as_retries(gateway, dead):
    """The first server is no retry."""
    guard = gateway(dead, [r"\[error\]"], main=ADMIN, upstream=servers(dead), locations=PASS)
    check_refusal(ask(guard.port, GET), 502, "ModelArts.4302")
    assert retries(guard) == {"connect": 1}


def test_a_kept_connection_that_ends_is_counted_as_retry(gateway, origin):
    """It ends when the second request comes."""
    guard = gateway(origin([read, answer(), read, close], OK), main=ADMIN, locations=PASS)
    assert ask_all(guard.port, 2) == [200] * 2
    assert retries(guard) == {"closed": 1}


def test_a_backup_stands_by(gateway, origin):
    """It is not even connected to while the others are up, and they take turns as without it."""
    behind = [origin() for _ in range(4)]
    guard = gateway(behind[0], locations=PASS,
                    upstream=servers(*behind[1:3], option="backup") + servers(behind[3]))
    assert ask_all(guard.port, 6) == [200] * 6
    assert [len(o.requests) for o in behind] == [3, 0, 0, 3]
    assert [len(o.connections) for o in behind] == [1, 0, 0, 1]


@pytest.mark.parametrize("data", [GET, request("POST", "/x", b"hello")], ids=["GET", "POST"])
def test_backups_when_the_others_fail(gateway, origin, dead, data):
    """The request that finds out gets one at once, out of turn; the next ones do not try the others."""
    behind = [origin(), origin()]
    guard = gateway(dead, upstream=servers(*behind, option="backup"), locations=PASS)
    assert ask_all(guard.port, 7, data) == [200] * 7
    assert [len(o.requests) for o in behind] == [4, 3]
    check_tries(guard, 1)


def test_a_failed_backup_is_passed_over(gateway, origin, dead):
    """Its failures count as any server's do."""
    behind = origin()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        guard = gateway(dead, upstream=servers(sock.getsockname()[1], behind, option="backup"),
                        locations=PASS)
        assert ask_all(guard.port, 6) == [200] * 6
        check_tries(guard, 2)
    assert len(behind.requests) == 6


def test_a_backup_is_left_again(clock, gateway, origin):
    """When another one is up, that is asked, and the backup's connections are not kept."""
    first, backup = origin([read, close], OK), origin()
    guard = gateway(backup, [r"\[error\]"], locations=PASS,
                    upstream="keepalive_timeout 1h;" + servers(first, option="fail_timeout=300ms"))
    text = (guard.directory / "trainguard.conf").read_text()
    guard.stop()
    text = text.replace(f"server 127.0.0.1:{backup.port};", f"server 127.0.0.1:{backup.port} backup;")
    with Gateway(guard.directory, text, [r"\[error\]"]) as guard:
        assert ask(guard.port, request("POST", "/x", b"a")).status == 502
        assert ask(guard.port, GET).status == 200
        assert len(backup.requests) == 1
        clock(0.4)
        while len(first.requests) < 2:  # until its turn comes
            assert ask(guard.port, GET).status == 200
        asked = len(backup.requests)
        assert ask_all(guard.port, 4) == [200] * 4
        assert len(backup.requests) == asked


def test_all_down(gateway, dead):
    """When none is up they are tried all the same, and the answer says what happened."""
    guard = gateway(dead, [r"\[error\]"], upstream=servers(dead + 0), locations=PASS)
    for _ in range(3):
        check_refusal(ask(guard.port, GET), 502, "ModelArts.4302")


def test_failure_after_sending_goes_nowhere_else(gateway, origin):
    """What was sent over a fresh connection may have worked: no other server gets it."""
    failing, good = origin([read, close]), origin()
    guard = gateway(failing, [r"\[error\]"], upstream=servers(good), locations=PASS)
    check_refusal(ask(guard.port, request("POST", "/x", b"hello")), 502, "ModelArts.4302")
    assert good.requests == []


def test_silent_server_is_left_in_time(gateway, origin):
    """A server that accepts and says nothing in the handshake leaves time for the next one."""
    silent = origin([wait_end])
    guard = gateway(f"localhost:{silent.port}", [r"\[error\]"],
                    upstream=f"server localhost:{silent.port}; connect_timeout 600ms;",
                    locations=PASS, tls="/etc/ssl/certs/ca-certificates.crt")
    check_refusal(ask(guard.port, GET), 504, "ModelArts.4503")
    guard.wait_log("TLS handshake not answered")
    silent.wait(lambda: len(silent.connections) >= 2)


class Gate:
    """A step that holds connections until it is opened."""

    def __init__(self):
        self.event = threading.Event()

    def __call__(self, _origin, _connection):
        assert self.event.wait(20)


def test_max_connections(gateway, origin):
    """Requests beyond max_connections wait, and go over the same connections."""
    gate = Gate()
    behind = origin([read, gate, answer(), *[read, answer()] * 20])
    guard = gateway(behind, upstream="max_connections 2;", locations=PASS)
    clients = [Client(guard.port) for _ in range(6)]
    for client in clients:
        client.send(GET)
    behind.wait(lambda: len(behind.requests) == 2)
    gate.event.set()
    assert [c.final().status for c in clients] == [200] * 6
    assert len(behind.connections) == 2
    for client in clients:
        client.sock.close()


def test_max_pending(gateway, origin):
    """A full queue refuses at once; who waits in it is served."""
    gate = Gate()
    behind = origin([read, gate, answer(), *[read, answer()] * 20])
    guard = gateway(behind, upstream="max_connections 1; max_pending 1;", locations=PASS)
    with Client(guard.port) as first, Client(guard.port) as second:
        first.send(GET)
        behind.wait(lambda: len(behind.requests) == 1)
        second.send(GET)
        check_refusal(ask(guard.port, GET), 503, "ModelArts.4700")
        gate.event.set()
        assert [first.final().status, second.final().status] == [200, 200]
    assert len(behind.connections) == 1


def test_waiting_has_a_deadline(gateway, origin):
    """A request does not wait for ever."""
    gate = Gate()
    behind = origin([read, gate, answer()])
    guard = gateway(behind, [r"\[error\]"],
                    upstream="max_connections 1; connect_timeout 300ms;", locations=PASS)
    with Client(guard.port) as first:
        first.send(GET)
        behind.wait(lambda: len(behind.requests) == 1)
        check_refusal(ask(guard.port, GET), 504, "ModelArts.4503")
        gate.event.set()
        assert first.final().status == 200


def test_waiting_client_leaves(gateway, origin):
    """Who leaves the queue is not forwarded."""
    gate = Gate()
    behind = origin([read, gate, answer(), *[read, answer()] * 3])
    guard = gateway(behind, upstream="max_connections 1;", locations=PASS)
    with Client(guard.port) as first:
        first.send(GET)
        behind.wait(lambda: len(behind.requests) == 1)
        with Client(guard.port) as second:
            second.send(request("GET", "/leaves"))
        guard.wait_log("client closed the connection")
        gate.event.set()
        assert first.final().status == 200
    assert ask(guard.port, GET).status == 200
    assert [r.target for r in behind.requests] == ["/x", "/x"]


@pytest.mark.parametrize("most, status", [(1, 200), (0, 502)])
def test_max_retries(gateway, origin, most, status):
    """A kept-alive connection that closes is retried, unless that is forbidden."""
    behind = origin([read, answer(), read, close], OK)
    guard = gateway(behind, [] if status == 200 else [r"\[error\]"],
                    upstream=f"max_retries {most};", locations=PASS)
    assert ask(guard.port, GET).status == 200
    assert ask(guard.port, GET).status == status


def test_ipv6_first_then_ipv4(gateway, origin):
    """localhost is ::1 and 127.0.0.1; only one of them listens."""
    behind = origin()
    guard = gateway(f"localhost:{behind.port}", locations=PASS)
    assert ask(guard.port, GET).status == 200


@pytest.mark.parametrize("option, words", [
    ("max_fails=many", "\"server\""), ("fail_timeout=0", "\"server\""), ("weight=3", "weight=3"),
    ("backup=1", "backup=1")])
def test_options_are_checked(check, option, words):
    """What a server does not take is said."""
    code, said = check(upstream=f"server h:1 {option};")
    assert code != 0 and words in said


def test_answer_out_of_turn_spares_what_is_pipelined(gateway, origin):
    """An answer that is read because a write failed is not taken for the client's next request."""
    early = answer(b"x" * 4000, "408 Request Timeout", "Connection: close")
    now = threading.Event()
    behind = origin([read, answer(), lambda *_: now.wait(20), early, reset], [read, answer(), again])
    guard = gateway(behind)
    with Client(guard.port) as client:
        client.send(GET)
        assert client.final().status == 200
        pid = worker(guard)
        while " S " not in pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"):
            pass  # asleep, it sees its events in the order they come
        os.kill(pid, signal.SIGSTOP)
        client.send(PUT + GET)
        now.set()
        assert behind.connections[0].done.wait(20)
        os.kill(pid, signal.SIGCONT)
        assert client.final("PUT").status in (200, 408)
        assert client.final().status == 200
    assert behind.seen()[-1] == "GET /x"
