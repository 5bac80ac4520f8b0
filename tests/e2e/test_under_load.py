"""Reloads, an upgrade and deaths under load from wrk and from clients that do nothing but send ids of
their own: counted at the client, at the upstream and in the audit log."""

import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import audit
from client import Client, request
from gateway import Gateway, config
from test_processes import KILLED, PASS, SERVING, children, send, wait_gone
from wire import Closed

HERE = pathlib.Path(__file__).resolve().parent
RELOADS, KILLS, CLIENTS, WRK = 50, 10, 8, 4
IDLE = 1  # seconds after which a worker that drains takes a connection to be idle


class Load(threading.Thread):
    """A client that PUTs one unique id after the other over kept connections until it is stopped.
    A connection may only end with an answer that says so, or between two requests of a client that let
    a second pass: then the request is sent again, as RFC 9110 section 9.2.2 wants it."""

    def __init__(self, port, name, kills):
        super().__init__(daemon=True)
        self.port, self.name, self.kills = port, name, kills
        self.stopping = threading.Event()
        self.sent, self.failed = [], []
        self.closes = 0
        self.started = threading.Event()
        self.another = threading.Condition()

    def wait_more(self, n):
        """Waits until more than n requests were sent; false when none comes."""
        with self.another:
            return self.another.wait_for(lambda: len(self.sent) > n, 20)

    def connect(self):
        """A connection, and its port on this side."""
        client = Client(self.port)
        return client, client.sock.getsockname()[1]

    def run(self):
        number, again = 0, None
        client, mine = self.connect()
        last = time.monotonic()
        while again or not self.stopping.is_set():
            if not again:
                number += 1
                with self.another:
                    self.sent.append(f"{self.name}-{number}")
                    self.another.notify_all()
            ident, again = self.sent[-1], None
            before, last, count = last, time.monotonic(), client.wire.count
            try:
                client.send(request("PUT", f"/{ident}", b"x", f"X-Request-Id: {ident}"))
                answer = client.final("PUT")
                assert answer.status == 200
                if answer.get("Connection") == "close":
                    self.closes += 1
                    client.sock.close()
                    client, mine = self.connect()
            except (OSError, Closed, AssertionError) as error:
                was_idle = time.monotonic() - before >= IDLE and 0 < count == client.wire.count
                if was_idle and not self.kills:
                    again = ident
                else:
                    self.failed.append((ident, mine, repr(error)))
                client, mine = self.connect()
            self.started.set()
        client.sock.close()


class Loads:
    """Clients, and wrk where there is one and no worker is killed; each client has had its first
    answer."""

    def __init__(self, port, kills=False):
        self.clients = [Load(port, f"c{i}", kills) for i in range(CLIENTS)]
        self.wrk = None
        if not kills and shutil.which("wrk"):
            self.wrk = subprocess.Popen(
                ["wrk", "-t2", f"-c{WRK}", "-d10m", "--timeout", "1m", "-s", HERE / "under_load.lua",
                 f"http://127.0.0.1:{port}/"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for one in self.clients:
            one.start()
        for one in self.clients:
            assert one.started.wait(20)

    def end(self):
        """Ends all; returns the ids the clients sent, what of them failed, and how many requests of wrk
        were answered."""
        for one in self.clients:
            one.stopping.set()
        for one in self.clients:
            one.join(20)
            assert not one.is_alive()
        done, failed = 0, 0
        if self.wrk:
            self.wrk.send_signal(signal.SIGINT)
            words, _ = self.wrk.communicate(timeout=30)
            done, failed = map(int, re.search(r"figures: (\d+) (\d+)", words).groups())
            assert done > 0 and failed == 0, words
        return ([i for c in self.clients for i in c.sent], [f for c in self.clients for f in c.failed], done)


@pytest.fixture(name="two")
def two_workers(tmp_path, origin):
    """two(mode): a gateway with two workers, which serve, and its origin."""
    started = []

    def start(mode, expect=()):
        behind = origin()
        text = config(tmp_path, behind.port, locations=PASS,
                      audit="{dir}/audit.jsonl mode=" + mode)
        guard = Gateway(tmp_path, text.replace("worker_processes 1", "worker_processes 2"), expect)
        started.append(guard)
        guard.wait_log(SERVING)
        return guard, behind

    yield start
    for one in started:
        one.stop()


def upgrade(guard):
    """Upgrades; returns the process id of the new master once the old one has ended."""
    guard.process.send_signal(signal.SIGUSR2)
    guard.wait_log(rf"upgrade: process {guard.process.pid} may end")
    assert guard.process.wait(30) == 0
    return int((guard.directory / "trainguard.pid").read_text())


@pytest.mark.long
def test_reloads_and_an_upgrade_lose_nothing(two):
    """Not one request of a client or of wrk, and each has one record."""
    guard, behind = two("blocking")
    loads = Loads(guard.port)
    for turn in range(RELOADS):
        if turn == RELOADS // 2:
            new = upgrade(guard)
        answer = send(guard, "reload")
        assert (answer.returncode, answer.stderr) == (0, "")
    sent, failed, done = loads.end()
    assert failed == []
    assert sum(c.closes for c in loads.clients) >= RELOADS, "hardly a connection met a drain"
    assert send(guard, "quit").returncode == 0
    wait_gone(new)
    seen = collections.Counter(r.target[1:] for r in behind.requests)
    recorded = audit.ids(guard.directory / "audit.jsonl")
    assert set(seen.values()) == {1} and seen == recorded
    assert {ident for ident in seen if ident[0] == "c"} == set(sent)
    # wrk leaves without waiting for its last answers
    assert done <= len(seen) - len(sent) <= done + (WRK if loads.wrk else 0)


def killed(pid):
    """Kills a worker; returns the clients' ports of the connections it had accepted. It stands still
    while they are counted."""
    os.kill(pid, signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{pid}/stat")
    while stat.read_text(encoding="utf-8").rpartition(") ")[2][0] != "T":
        pass
    sockets = {os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split() for line in table]
    os.kill(pid, signal.SIGKILL)
    return {int(row[2].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in sockets}


@pytest.mark.long
def test_kills_lose_what_was_under_way(two):
    """Nothing of another worker fails; what fails after it went upstream may lack its outcome alone."""
    guard, behind = two("blocking", KILLED)
    loads = Loads(guard.port, kills=True)
    started = r"worker \d is process (\d+)"
    before = len(guard.matches(started))
    victims = set()
    for n in range(1, KILLS + 1):
        victims |= killed(children(guard.process.pid)[0])
        guard.wait(lambda n=n: len(guard.matches(started)) == before + n, "its successor")
    sent, failed, _ = loads.end()
    lost = {ident for ident, _, _ in failed}
    assert 0 < len(failed) <= CLIENTS * KILLS and {port for _, port, _ in failed} <= victims
    assert len(sent) > 10 * len(failed), "hardly anything went on"
    recorded = audit.ids(guard.directory / "audit.jsonl")
    seen = collections.Counter(r.target[1:] for r in behind.requests)
    assert set(seen.values()) == set(recorded.values()) == {1}
    assert set(sent) - lost <= set(recorded) <= set(seen) <= set(sent)
