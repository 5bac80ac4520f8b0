"""Names of upstreams: how long their addresses are used."""

import os
import re
import shlex
import socket
import subprocess
import threading

import pytest

from client import ask, request
from gateway import binary

PASS = "location / { proxy_pass modelarts; }"
OWN_FILES = ["unshare", "--mount", "--map-root-user"]
A, AAAA = 1, 28


class Names(threading.Thread):
    """A name server on loopback: every name has one IPv4 address with a time to live."""

    def __init__(self, ttl):
        super().__init__(daemon=True)
        self.ttl, self.asked = ttl, {A: 0, AAAA: 0}
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.start()

    def run(self):
        while True:
            query, peer = self.sock.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            kind = int.from_bytes(query[end - 4:end - 2], "big")
            if kind not in self.asked:
                return  # close() asks for nothing
            self.asked[kind] += 1
            record = b"\xc0\x0c\0\x01\0\x01" + self.ttl.to_bytes(4, "big") + b"\0\4\x7f\0\0\1"
            self.sock.sendto(query[:2] + b"\x81\x80\0\1" + (b"\0\1" if kind == A else b"\0\0")
                             + bytes(4) + query[12:end] + (record if kind == A else b""), peer)

    def close(self):
        """Ends it."""
        self.sock.sendto(bytes(17), self.sock.getsockname())
        self.join()
        self.sock.close()


@pytest.fixture
def named(gateway, origin, tmp_path, monkeypatch):
    """named(ttl, upstream): a gateway that knows its upstream by a name, and who tells it."""
    if subprocess.run([*OWN_FILES, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    started = []

    def start(ttl, upstream, server=None):
        names = Names(ttl)
        started.append(names)
        conf = tmp_path / "resolv.conf"
        port = names.sock.getsockname()[1]
        conf.write_text(f"nameserver {server or f'127.0.0.1:{port}'}\n")
        wrapper = tmp_path / "in-own-files"
        inner = f"mount --bind {conf} /etc/resolv.conf && exec \"$0\" \"$@\""
        wrapper.write_text(f"#!/bin/sh\nexec {' '.join(OWN_FILES)} sh -c {shlex.quote(inner)} "
                           f"{shlex.quote(os.path.abspath(binary()))} \"$@\"\n")
        wrapper.chmod(0o755)
        monkeypatch.setenv("TRAINGUARD", str(wrapper))
        behind = origin()
        guard = gateway(f"upstream.test:{behind.port}", locations=PASS,
                        upstream=f"keepalive 0; {upstream}")
        return guard, names

    yield start
    for names in started:
        names.close()


def test_time_to_live(named):
    """A record that ends before resolve_valid is asked for again."""
    guard, names = named(1, "resolve_valid 1h;")
    while names.asked[AAAA] < 2:  # the clock decides; the test's own timeout is the bound
        assert ask(guard.port, request()).status == 200


def test_long_time_to_live(named):
    """One that ends later is not used for longer than resolve_valid."""
    guard, names = named(86400, "resolve_valid 300ms;")
    while names.asked[AAAA] < 2:
        assert ask(guard.port, request()).status == 200


@pytest.mark.parametrize("ttl, most", [(0, 9), (3600, 1)])
def test_not_asked_each_time(named, ttl, most):
    """While it holds nobody is asked, and even a time to live of 0 holds for a second."""
    guard, names = named(ttl, "resolve_valid 1h;")
    for _ in range(20):
        assert ask(guard.port, request()).status == 200
    assert names.asked[AAAA] <= most


def test_asked_each_time(named):
    """resolve_valid 0."""
    guard, names = named(3600, "resolve_valid 0;")
    for _ in range(3):
        assert ask(guard.port, request()).status == 200
    assert names.asked == {A: 3, AAAA: 3}


def test_a_name_server_that_cannot_be_asked(named):
    """The client is told, and what the library says about it are lines of the log as all others."""
    guard, _ = named(3600, "connect_timeout 2s;", "127.255.255.255")  # a broadcast address
    guard.expect += ["the upstream could not be reached|could not be resolved"]
    assert ask(guard.port, request()).status in (502, 504)
    guard.wait_log(r"\[notice\] \d+ libevent: All nameservers have failed")
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in guard.lines), guard.lines
