"""Descriptors: how many there may be, who is told, and which of them a process has at all."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import stat
import threading

import pytest

from client import Client, ask, check_refusal, request
from gateway import Gateway, config, sanitized
from origin import again, answer, read
from test_processes import PASS
from test_sandbox import closed

ADMIN = "admin {\n listen 127.0.0.1:0;\n listen unix:admin.sock;\n}"


def limited(soft, hard):
    """Starts with a limit on descriptors."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


def process(guard, role):
    """The last process of that role."""
    guard.wait_log(r"master: trainguard")
    return int(guard.matches(rf"{role} \d+ is process (\d+)")[-1][1])


def descriptors(pid):
    """What each descriptor of a process is; one that is closed meanwhile is none."""
    found = {}
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[fd.name] = os.readlink(fd)
    return found


def links(pid):
    """What the descriptors of a process are."""
    return set(descriptors(pid).values())


def test_too_few_are_told(origin, tmp_path):
    """`ulimit -n 100` with 1024 connections: the figure that is needed, and what is done instead."""
    text = config(tmp_path / "g", origin().port, locations=PASS)
    with Gateway(tmp_path / "g", text, **limited(100, 100)) as guard:
        guard.wait_log(r'"worker_connections 1024" needs 2\d\d\d descriptors, the limit is 100 '
                       r"\(ulimit -n\): each worker takes \d+ connections")
        most = int(guard.matches(r"each worker takes (\d+) connections")[0][1])
        assert 4 <= most <= 50
        clients = [Client(guard.port) for _ in range(most)]
        for client in clients:
            client.send(request())
            assert client.final().status == 200
        for client in clients:
            client.sock.close()


@pytest.mark.parametrize("soft", [20, 64, 1024])
def test_the_limit_is_raised(origin, tmp_path, soft):
    """As far as the hard one: nothing is amiss then."""
    text = config(tmp_path / "g", origin().port, locations=PASS)
    with Gateway(tmp_path / "g", text, **limited(soft, 4096)) as guard:
        worker = process(guard, "worker")
        limits = pathlib.Path(f"/proc/{worker}/limits").read_text(encoding="utf-8")
        assert re.search(r"Max open files\s+4096\s+4096", limits)
        assert not guard.matches("worker_connections")


def run_out(pid):
    """No descriptor is left for a process from now on; returns how to give them back."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    free = min(set(range(len(taken) + 1)) - taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, limits[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("upstream", ["", "keepalive 0;"])
def test_idle_connections_give_way(origin, gateway, clock, upstream):
    """A worker without a descriptor accepts, and goes upstream, in the place of what is idle."""
    behind = origin()
    guard = gateway(behind, locations=PASS, upstream=upstream)
    idle = [Client(guard.port) for _ in range(20)]
    for client in idle:
        client.send(request())
        assert client.final().status == 200
    clock(2)  # who is idle for less is left alone
    run_out(process(guard, "worker"))
    for _ in range(10):
        assert ask(guard.port, request()).status == 200
    guard.wait_log("descriptors are scarce: idle connections are closed")
    assert len(behind.requests) == 30
    for client in idle:
        client.sock.close()


def test_nothing_can_give_way(origin, gateway):
    """No descriptor for the upstream, and nothing is idle: overloaded, which is nobody's fault."""
    behind = origin()
    guard = gateway(behind, locations=PASS, upstream="keepalive 0;")
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
        give_back = run_out(process(guard, "worker"))
        client.send(request())
        check_refusal(client.final(), 503, "ModelArts.4700")
        guard.wait_log("the gateway is overloaded: Too many open files, while connecting")
        give_back()
        client.send(request())
        assert client.final().status == 200
    assert len(behind.requests) == 2


def test_names_find_a_descriptor(origin, tmp_path):
    """What is kept for others never takes the last ones: hosts and resolv.conf can be read."""
    go = [threading.Event() for _ in range(15)]
    ends = [origin(*[[read, lambda *_, e=e: e.wait(60), answer(), again]] * 20) for e in go]
    upstreams = "".join(f"upstream u{i} {{ server {'127.0.0.1' if i else 'localhost'}:{end.port}; "
                        "tls off; keepalive 64; }\n" for i, end in enumerate(ends))
    places = "".join(f"location /{i} {{ proxy_pass u{i}; }}\n" for i in reversed(range(15)))
    text = config(tmp_path / "g", ends[0].port, locations=places, main=upstreams)
    with Gateway(tmp_path / "g", text, **limited(120, 120)) as guard:
        guard.wait_log(r"each worker takes \d+ connections")
        most = int(guard.matches(r"each worker takes (\d+) connections")[0][1])
        clients = [Client(guard.port) for _ in range(most)]
        for i in range(1, 15):
            for client in clients:
                client.send(request("GET", f"/{i}"))
            ends[i].wait(lambda i=i: len(ends[i].requests) == most)
            go[i].set()
            assert {client.final().status for client in clients} == {200}
        go[0].set()
        clients[0].send(request("GET", "/0"))
        assert clients[0].final().status == 200
        guard.wait_log("descriptors are scarce: idle connections are closed")
        assert not guard.matches("Too many open files")
        assert len(os.listdir(f"/proc/{process(guard, 'worker')}/fd")) <= 120 - 12
        for client in clients:
            client.sock.close()


@pytest.mark.parametrize("mode", [None, "0600", "0666", "0777"])
@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777], ids=oct)
def test_mode_of_the_admin_socket(origin, tmp_path, umask, mode):
    """0660 whatever the umask, or what is written; and after a reload what that says."""
    conf = f"admin {{\n listen unix:admin.sock{f' mode={mode}' if mode else ''};\n}}"
    text = config(tmp_path / "g", origin().port, locations=PASS, main=conf)
    (tmp_path / "g").mkdir()
    with Gateway(tmp_path / "g", text, preexec_fn=lambda: os.umask(umask)) as guard:
        process(guard, "admin")
        path = tmp_path / "g/admin.sock"
        assert stat.S_IMODE(path.stat().st_mode) == int(mode or "0660", 8)
        (tmp_path / "g/trainguard.conf").write_text(re.sub(r"unix:admin\.sock[^;]*", "unix:admin.sock mode=0640", text))
        guard.process.send_signal(1)
        guard.wait_log("reloaded")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def crowd(port, n):
    """Connections that say nothing."""
    return [socket.create_connection(("127.0.0.1", port), 30) for _ in range(n)]


def test_the_admin_process_takes_what_it_has_descriptors_for(origin, tmp_path):
    """Silent connections give way before they run out."""
    text = config(tmp_path / "g", origin().port, locations=PASS, main=ADMIN)
    with Gateway(tmp_path / "g", text, **limited(64, 64)) as guard:
        waiting = crowd(guard.ports[0], 200)
        for _ in range(3):
            assert ask(guard.ports[0], request("GET", "/healthz")).status == 200
        for one in waiting:
            one.close()
        assert not guard.matches("cannot accept a connection")


def test_the_admin_process_has_no_more_to_give(origin, gateway):
    """A pause, not a flood of lines; then it answers again."""
    guard = gateway(origin(), locations=PASS, main=ADMIN)
    admin = process(guard, "admin")
    most = len(descriptors(admin)) + 3
    resource.prlimit(admin, resource.RLIMIT_NOFILE, (most, most))
    waiting = crowd(guard.ports[0], 20)
    guard.wait_log("admin: cannot accept a connection: Too many open files")
    assert ask(guard.ports[1], request()).status == 200
    for one in waiting:
        one.close()
    assert ask(guard.ports[0], request("GET", "/healthz")).status == 200
    assert len(guard.matches("cannot accept a connection")) < 1000


def test_the_admin_process_takes_so_many(origin, gateway):
    """However many connect, and whatever the limit of descriptors is."""
    guard = gateway(origin(), locations=PASS, main=ADMIN)
    admin = process(guard, "admin")
    waiting = crowd(guard.ports[0], 400)
    for _ in range(20):
        assert ask(guard.ports[0], request("GET", "/healthz")).status == 200
        assert len(os.listdir(f"/proc/{admin}/fd")) <= 270
    for one in waiting:
        one.close()
    assert ask(guard.ports[0], request("GET", "/healthz")).status == 200


def test_who_has_what(origin, gateway):
    """A worker has nothing of the master's but the log: not the pipe of orders, no pid file, nothing
    of the admin process; that one cannot read the orders."""
    guard = gateway(origin(), locations=PASS, main=ADMIN)
    worker, admin = process(guard, "worker"), process(guard, "admin")
    assert ask(guard.port, request()).status == 200
    log = os.readlink(f"/proc/{guard.process.pid}/fd/2")
    common = {"/dev/null", log, os.readlink(f"/proc/{guard.process.pid}/fd/1")}
    shared = {link for link in links(guard.process.pid) & links(worker) if "socket:" not in link}
    assert shared <= common
    assert not {link for link in links(worker) if "trainguard.pid" in link}
    assert {link for link in links(worker) & links(admin) if "anon" not in link} <= common
    orders = {link for link in links(guard.process.pid) & links(admin) if "pipe:" in link} - common
    assert len(orders) == 1
    ends = [fd for fd, link in descriptors(admin).items() if link in orders]
    flags = [int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{admin}/fdinfo/{fd}").read_text(
        encoding="utf-8"))[1], 8) for fd in ends]
    assert [f & os.O_ACCMODE for f in flags] == [os.O_WRONLY]


@closed
def test_the_admin_process_is_closed(origin, gateway):
    """It reads bytes from the network, too: no capabilities, a filter of system calls; it still can
    have the gateway reloaded and its log opened anew."""
    assert not sanitized()
    guard = gateway(origin(), locations=PASS, main=ADMIN)
    text = pathlib.Path(f"/proc/{process(guard, 'admin')}/status").read_text(encoding="utf-8")
    assert re.search(r"^Seccomp:\s+2$", text, re.M) and re.search(r"^NoNewPrivs:\s+1$", text, re.M)
    assert int(re.search(r"^CapEff:\s+(\w+)$", text, re.M)[1], 16) == 0
    guard.process.send_signal(10)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(guard.directory / "admin.sock"))
        sock.sendall(request("POST", "/reload", b""))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
