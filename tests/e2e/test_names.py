"""Names of upstreams: who is asked for their addresses, when, and how long those are used."""

import contextlib
import os
import pathlib
import re
import select
import selectors
import shlex
import socket
import subprocess
import threading
import time

import pytest

from client import Client, ask, request
from gateway import binary, config
from listener import server_context

PASS = "location / { proxy_pass modelarts; }"
OWN_FILES = ["unshare", "--mount", "--map-root-user"]
A, AAAA = 1, 28
ADDRESS, EMPTY, DROP, TRUNCATED = "address", "empty", "drop", "truncated"
DEAD = "nameserver 127.255.255.255\n"  # a broadcast address: nobody can be asked there


class Names(threading.Thread):
    """A name server on loopback. Every name is 127.0.0.1, or what the script says for its record:
    no such record, no answer, or an answer over TCP alone."""

    def __init__(self, ttl=3600, v4=ADDRESS, v6=EMPTY):
        super().__init__(daemon=True)
        self.ttl, self.script = ttl, {A: v4, AAAA: v6}
        self.asked, self.names, self.over_tcp = {A: 0, AAAA: 0}, set(), 0
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp.bind(self.tcp.getsockname())
        self.port = self.udp.getsockname()[1]
        self.line = f"nameserver 127.0.0.1:{self.port}\n"
        self.stop, self.stopped = socket.socketpair()
        self.start()

    def run(self):
        with selectors.DefaultSelector() as ready:
            for sock in (self.udp, self.tcp, self.stopped):
                ready.register(sock, selectors.EVENT_READ)
            while True:
                sock = ready.select()[0][0].fileobj
                if sock is self.stopped:
                    return
                if sock is self.udp:
                    query, peer = self.udp.recvfrom(512)
                    if (answer := self.answer(query)) is not None:
                        self.udp.sendto(answer, peer)
                else:
                    self.serve(self.tcp.accept()[0])

    def serve(self, peer):
        """The questions of a TCP connection, until the gateway ends it."""
        with peer, peer.makefile("rb") as stream:
            while len(head := stream.read(2)) == 2:
                self.over_tcp += 1
                answer = self.answer(stream.read(int.from_bytes(head, "big")), tcp=True)
                peer.sendall(len(answer).to_bytes(2, "big") + answer)

    def answer(self, query, tcp=False):
        """The answer to a query, or None."""
        end = query.index(b"\0", 12) + 5
        kind = int.from_bytes(query[end - 4:end - 2], "big")
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        self.asked[kind] += 1
        self.names.add(".".join(name))
        act = self.script[kind]
        if act == DROP:
            return None
        given = kind == A and (act == ADDRESS or tcp)
        record = b"\xc0\x0c\0\x01\0\x01" + self.ttl.to_bytes(4, "big") + b"\0\4\x7f\0\0\1"
        flags = b"\x83\x80" if act == TRUNCATED and not tcp else b"\x81\x80"
        return (query[:2] + flags + b"\0\1" + (b"\0\1" if given else b"\0\0") + bytes(4)
                + query[12:end] + (record if given else b""))

    def close(self):
        """Ends it."""
        self.stop.close()
        self.join()
        for sock in (self.udp, self.tcp, self.stopped):
            sock.close()


class Etc:
    """The gateway's own /etc."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name in ("passwd", "group"):
            (folder / name).write_bytes(pathlib.Path("/etc", name).read_bytes())

    def put(self, name, text):
        """A new file takes the place of the old one, as programs that mean well do it."""
        replace(self.folder / name, text)


def replace(path, text):
    """A new file in the place of an old one."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.rename(new, path)


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """Gateways of this test have this /etc."""
    if subprocess.run([*OWN_FILES, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    made = Etc(tmp_path / "etc")
    wrapper = tmp_path / "in-own-files"
    inner = f"mount --bind {made.folder} /etc && exec \"$0\" \"$@\""
    wrapper.write_text(f"#!/bin/sh\nexec {' '.join(OWN_FILES)} sh -c {shlex.quote(inner)} "
                       f"{shlex.quote(os.path.abspath(binary()))} \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("TRAINGUARD", str(wrapper))
    return made


@pytest.fixture
def names():
    """names(...): name servers that end with the test."""
    started = []

    def start(*args, **kwargs):
        started.append(Names(*args, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def named(gateway, origin):
    """named(upstream=""): a gateway that knows its upstream by a name."""
    def start(upstream=""):
        return gateway(f"upstream.test:{origin().port}", locations=PASS,
                       upstream=f"keepalive 0; {upstream}")
    return start


def check_served(guard, times=1):
    """Requests reach the upstream."""
    for _ in range(times):
        assert ask(guard.port, request()).status == 200


# --- how long addresses are used ---

def test_time_to_live(etc, names, named):
    """A record that ends before resolve_valid is asked for again."""
    server = names(ttl=1)
    etc.put("resolv.conf", server.line)
    guard = named("resolve_valid 1h;")
    while server.asked[AAAA] < 2:  # the clock decides; the test's own timeout is the bound
        check_served(guard)


def test_long_time_to_live(etc, names, named):
    """One that ends later is not used for longer than resolve_valid."""
    server = names(ttl=86400)
    etc.put("resolv.conf", server.line)
    guard = named("resolve_valid 300ms;")
    while server.asked[AAAA] < 2:
        check_served(guard)


@pytest.mark.parametrize("ttl, most", [(0, 9), (3600, 1)])
def test_not_asked_each_time(etc, names, named, ttl, most):
    """While it holds nobody is asked, and even a time to live of 0 holds for a second."""
    server = names(ttl=ttl)
    etc.put("resolv.conf", server.line)
    check_served(named("resolve_valid 1h;"), 20)
    assert server.asked[AAAA] <= most


def test_asked_each_time(etc, names, named):
    """resolve_valid 0."""
    server = names()
    etc.put("resolv.conf", server.line)
    check_served(named("resolve_valid 0;"), 3)
    assert server.asked == {A: 3, AAAA: 3}


def test_a_name_server_that_cannot_be_asked(etc, named):
    """The client is told, and the log says which server it was."""
    etc.put("resolv.conf", DEAD)
    guard = named("connect_timeout 2s;")
    guard.expect += ["could not be resolved"]
    assert ask(guard.port, request()).status == 502
    guard.wait_log(r"upstream\.test: name server 127\.255\.255\.255:53: ")


def test_addresses_of_before_go_on(etc, names, named):
    """A name that cannot be resolved any more keeps the addresses it had."""
    etc.put("resolv.conf", names().line)
    guard = named("resolve_valid 0;")
    check_served(guard)
    etc.put("resolv.conf", DEAD)
    check_served(guard)
    guard.wait_log(r"\[warn\].*upstream\.test: .*; the addresses of before go on")


# --- one family, one transport, one server ---

def test_one_family_is_dropped(etc, names, named):
    """A is answered, AAAA never: the request goes on with what is there, each time."""
    server = names(v6=DROP)
    etc.put("resolv.conf", server.line)
    check_served(named("connect_timeout 3s; resolve_valid 0;"), 3)
    assert server.asked[A] == 3


def test_truncated_answer(etc, names, named):
    """An answer that does not fit is asked for over TCP."""
    server = names(v4=TRUNCATED)
    etc.put("resolv.conf", server.line)
    check_served(named())
    assert server.over_tcp == 1


def test_first_name_server_is_silent(etc, names, named):
    """The second one is asked in time, and from then on first."""
    silent, good = names(v4=DROP, v6=DROP), names()
    etc.put("resolv.conf", silent.line + good.line)
    guard = named("connect_timeout 3s; resolve_valid 0;")
    check_served(guard)
    asked = dict(silent.asked)
    assert asked[A] > 0
    check_served(guard, 3)
    assert silent.asked == asked


# --- the files ---

@pytest.mark.parametrize("before", [DEAD, None], ids=["replaced", "made"])
def test_resolv_conf_comes_after_the_start(etc, names, named, before):
    """Within the sandbox, before the first request."""
    if before is not None:
        etc.put("resolv.conf", before)
    guard = named("resolve_valid 0;")
    for server in (names(), names()):
        etc.put("resolv.conf", server.line)
        check_served(guard)
        assert server.asked[A] == 1


@pytest.mark.parametrize("before", [DEAD, None, "no folder"], ids=["replaced", "made", "with its folder"])
def test_target_of_the_link_comes_after_the_start(etc, names, named, tmp_path, before):
    """resolv.conf is a link to a file that another program owns."""
    target = tmp_path / "run" / "somebody" / "resolv.conf"
    (etc.folder / "resolv.conf").symlink_to(target)
    target.parent.parent.mkdir()
    if before != "no folder":
        target.parent.mkdir()
    if before == DEAD:
        target.write_text(before)
    guard = named("resolve_valid 0;")
    target.parent.mkdir(exist_ok=True)
    for server in (names(), names()):
        replace(target, server.line)
        check_served(guard)
        assert server.asked[A] == 1


def test_hosts_changes(etc, names, named):
    """A line comes, and goes again."""
    server = names()
    etc.put("resolv.conf", server.line)
    etc.put("hosts", "127.0.0.9 other.test\n")
    guard = named("resolve_valid 0;")
    check_served(guard)
    etc.put("hosts", "127.0.0.9 other.test\n127.0.0.1 upstream.test\n")
    check_served(guard)
    assert server.asked[A] == 1
    etc.put("hosts", "127.0.0.9 other.test\n")
    check_served(guard)
    assert server.asked[A] == 2


@pytest.mark.parametrize("conf", [None, "", "options ndots:2\n"], ids=["none", "empty", "no server"])
def test_hosts_alone(etc, named, conf):
    """A name of the hosts file needs no name server."""
    etc.put("hosts", "127.0.0.1 gw upstream.test\n")
    if conf is not None:
        etc.put("resolv.conf", conf)
    check_served(named())


def test_replaced_under_load(etc, names, named):
    """resolv.conf is replaced thirty times, every 100 ms or as soon as the last one was read, while
    requests come in: no one of them fails, with the sandbox on."""
    servers = [names(), names()]
    etc.put("resolv.conf", servers[0].line)
    guard = named("resolve_valid 0;")
    guard.wait_log("sandbox: (closed|none: this build)")
    statuses, over = [], threading.Event()

    def load():
        while not over.is_set():
            statuses.append(ask(guard.port, request()).status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for i in range(30):
            server = servers[i % 2 - 1]
            before, due = server.asked[A], time.monotonic() + 0.1
            etc.put("resolv.conf", server.line)
            while server.asked[A] == before and time.monotonic() < due:
                check_served(guard)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    check_served(guard)  # nothing is left of the one before
    assert set(statuses) == {200} and len(statuses) >= 20
    assert all(server.asked[A] > 0 for server in servers)


# --- absolute names ---

def test_absolute_name(etc, names, gateway, origin, certificates):
    """The dot at its end keeps the search list out, and is no part of what TLS is told."""
    server = names()
    etc.put("resolv.conf", server.line + "search corp.test\noptions ndots:5\n")
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"modelarts.test.:{behind.port}", tls=certificates / "ca.pem", locations=PASS)
    check_served(guard)
    assert server.names == {"modelarts.test"}
    assert behind.connections[0].sni == "modelarts.test"


def test_search_list(etc, names, gateway, origin):
    """Any other name is looked for in the domains of resolv.conf."""
    server = names()
    etc.put("resolv.conf", server.line + "search corp.test\n")
    guard = gateway(f"modelarts:{origin().port}", locations=PASS)
    check_served(guard)
    assert server.names == {"modelarts.corp.test"}
    assert not guard.matches(re.escape("[error]"))


# --- the audit log ---

class Syslog(threading.Thread):
    """A syslog server over TCP that keeps what it gets."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.bytes, self.changed, self.peers = b"", threading.Condition(), []
        self.start()

    def run(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            self.peers.append(peer)
            threading.Thread(target=self.keep, args=(peer,), daemon=True).start()

    def keep(self, peer):
        """What one connection brings."""
        with peer:
            while piece := peer.recv(65536):
                with self.changed:
                    self.bytes += piece
                    self.changed.notify_all()

    def wait(self, word):
        """Waits until it has got a word."""
        with self.changed:
            assert self.changed.wait_for(lambda: word.encode() in self.bytes, 20), self.bytes

    def hang_up(self):
        """Ends the connections; new ones are taken."""
        for peer in self.peers:
            with contextlib.suppress(OSError):  # the gateway was first
                peer.shutdown(socket.SHUT_RDWR)
        self.peers = []

    def close(self):
        """Ends it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()


@pytest.fixture
def syslog():
    """A syslog server that ends with the test."""
    one = Syslog()
    yield one
    one.close()


def until(condition):
    """Waits for what another thread of the test sees; the test's own timeout is the bound."""
    while not condition():
        select.select([], [], [], 0.01)


def receiver(port):
    """A socket that takes datagrams, and lets nobody read them."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    return sock


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("mode, status", [("batch", 200), ("blocking", 503)])
def test_syslog_server_by_name(etc, names, syslog, gateway, origin, transport, mode, status):
    """While nobody tells its address a worker goes on, and refuses what it may not let through;
    records that waited arrive when somebody does. The name server is asked all the time: it answers
    only after the client had its answer."""
    server, behind = names(ttl=0), origin()
    etc.put("resolv.conf", server.line)
    datagrams = receiver(syslog.port)
    guard = gateway(behind, locations=PASS, expect=["log cannot be written"],
                    audit=f"syslog:{transport}:log.test:{syslog.port} mode={mode}")
    assert ask(guard.port, request("GET", "/x")).status == 200
    datagrams.close()
    if transport == "tcp":
        syslog.wait('"outcome"')
        syslog.hang_up()
    else:  # the kernel tells of the closed port with the datagram behind this one
        assert ask(guard.port, request("GET", "/x")).status == 200
    server.script = {A: DROP, AAAA: DROP}
    asked = server.asked[A]
    with Client(guard.port) as first:
        first.send(request("GET", "/x", None, "X-Request-Id: first"))
        guard.wait_log("the log cannot be written")
        until(lambda: server.asked[A] > asked)
        seen = len(behind.requests)
        for i in range(3):
            answer = ask(guard.port, request("GET", "/x", None, f"X-Request-Id: silent-{i}"))
            assert answer.status == status
        assert len(behind.requests) - seen == (3 if status == 200 else 0)
        datagrams = receiver(syslog.port)
        server.script = {A: ADDRESS, AAAA: EMPTY}
        assert first.final().status == 200
    guard.wait_log("the log can be written again")
    if transport == "tcp":
        syslog.wait('"first"')
        syslog.wait('"silent-2"')
    guard.stop()
    datagrams.close()


def test_syslog_server_nobody_knows(etc, names, tmp_path):
    """The gateway does not start, and says which name it is about."""
    etc.put("resolv.conf", names(v4=EMPTY).line)
    (tmp_path / "c.conf").write_text(config(tmp_path, 1, audit="syslog:tcp:log.test:514"))
    done = subprocess.run([binary(), "-p", f"{tmp_path}/", "-c", tmp_path / "c.conf"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"cannot open the audit log: syslog:tcp:log\.test:514: log\.test: no name server "
                     "knows an address of this name", done.stderr), done.stderr
