"""The audit log on a bad day, in each mode: what is refused, what waits, what is told, and that
nothing is missing afterwards."""

import collections
import os
import re
import select
import shutil
import signal
import subprocess

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import LOCATIONS
from test_admin import Admin, series
from test_processes import children

PASS = "location / { proxy_pass modelarts; }"
ADMIN = "admin { listen 127.0.0.1:0; }"
TROUBLE = r"audit: the log cannot be written"
EXPECT = [TROUBLE, r"exchange: the audit log cannot be written"]
MODES = ["batch", "blocking", "strict"]
LIMITS = "limits"  # no disk of its own, but workers that may not write more (RLIMIT_FSIZE)


class Folder:
    """The folder of a log: a small disk of its own where that can be mounted (by root)."""

    def __init__(self, path, size):
        self.path, self.log = path, path / "audit.jsonl"
        self.mounts = 0
        path.mkdir()
        self.limits = size == LIMITS or size is not None and not self.mount(f"size={size}")

    def mount(self, options):
        """Puts an empty file system over the folder; False where that is not allowed."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path],
                              capture_output=True, check=False)
        self.mounts += done.returncode == 0
        return done.returncode == 0

    def unmount(self):
        """Takes the newest one away, used or not."""
        subprocess.run(["umount", "-l", self.path], check=True)
        self.mounts -= 1

    def fill(self, guard):
        """No byte more fits in: the disk is full, else the workers' files may not grow."""
        if self.limits:
            size = str(self.log.stat().st_size)
            for pid in children(guard.process.pid):
                subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={size}:"], check=True)
            return
        with open(self.path / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def empty(self, guard):
        """There is room again."""
        if not self.limits:
            (self.path / "filler").unlink()
            return
        for pid in children(guard.process.pid):
            subprocess.run(["prlimit", f"--pid={pid}", "--fsize=unlimited:"], check=True)

    def forbid(self):
        """Nothing can be made in the folder; the files that are open stay so."""
        if not self.mount("ro"):
            self.path.chmod(0o500)

    def allow(self):
        """Undoes forbid()."""
        if self.mounts:
            self.unmount()
        else:
            self.path.chmod(0o700)

    def close(self):
        """Leaves no mount behind."""
        while self.mounts:
            self.unmount()


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    """folder(size): a Folder for the log; without a size, part of the disk around it."""
    made = []

    def make(size):
        made.append(Folder(tmp_path / "log", size))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Day:
    """A gateway that logs into a folder, and requests with their ids."""

    def __init__(self, gateway, origin, folder, mode, **settings):
        self.origin, self.folder, self.mode = origin, folder, mode
        main = settings.pop("main", "")
        if folder.limits:
            main += "sandbox off;"  # a closed one lets nobody but root set limits
        settings.setdefault("locations", PASS)
        self.guard = gateway(origin, EXPECT, audit=f"{folder.log} mode={mode}", main=main,
                             **settings)
        self.sent = []

    def make(self, *fields, target="/x"):
        """A request with the next id."""
        self.sent.append(f"r{len(self.sent)}")
        return request("PUT", target, b"x", f"X-Request-Id: {self.sent[-1]}", *fields)

    def ask(self, n=1):
        """So many answers, which are fine."""
        for _ in range(n):
            assert ask(self.guard.port, self.make()).status == 200

    def refused(self):
        """One answer, which is the refusal due."""
        check_refusal(ask(self.guard.port, self.make()), 503, "ModelArts.4700")

    def until_trouble(self):
        """Asks until the log cannot be written; returns clients that have no answer yet: theirs wait
        for their records, or (strict) are on their way."""
        waiting = []
        while not self.guard.matches(TROUBLE):
            client = Client(self.guard.port)
            client.send(self.make())
            if self.answered(client):
                assert client.final().status in (200, 503)
                client.sock.close()
            else:
                waiting.append(client)
        assert waiting or self.mode != "blocking"
        return waiting

    def answered(self, client):
        """Waits for an answer; False when the trouble comes first. Nothing waits in batch."""
        while not select.select([client.sock], [], [], 0.01)[0]:
            if self.mode != "batch" and self.guard.matches(TROUBLE):
                return False
        return True

    def finish(self, waiting):
        """They are answered in the end. In strict mode the disk may have been full at the intent,
        which refuses the request, or only at the outcome: records differ in length."""
        good = (200, 503) if self.mode == "strict" else (200,)
        for client in waiting:
            assert client.final().status in good
            client.sock.close()

    def until_fine(self):
        """Waits until the log is written again, by itself and without a request."""
        self.guard.wait_log("the log can be written again")
        self.ask()

    def judge(self, *older):
        """Ends it: the log is intact, and nothing that was asked or forwarded is missing."""
        self.guard.stop()
        files = [*older, self.folder.log]
        code, words = audit.verify(*files, closed=True)
        assert code == 0, words
        outcomes = [r for f in files for r in audit.records(f)]
        assert collections.Counter(r["request_id"] for r in outcomes) == \
            collections.Counter(self.sent)
        seen = collections.Counter(r.get("X-Request-Id") for r in self.origin.requests)
        done = [r["request_id"] for r in outcomes if r["end"] == "done"]
        assert seen == collections.Counter(done)
        assert {r["end"] for r in outcomes} <= {"done", "audit"}
        if self.mode == "strict":
            intents = sum((audit.ids(f, "intent") for f in files), collections.Counter())
            assert set(seen) <= set(intents)


@pytest.fixture(name="day")
def make_day(folder, gateway, origin):
    """day(mode): a Day."""
    return lambda mode, size="128k", **settings: Day(gateway, origin(), folder(size), mode,
                                                     **settings)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", ["128k", LIMITS])
def test_disk_full(day, size, mode):
    """Nothing goes through unrecorded, and what had to wait is answered in the end."""
    one = day(mode, size)
    one.ask(10)
    one.folder.fill(one.guard)
    waiting = one.until_trouble()
    seen = len(one.origin.requests)
    for _ in range(5):
        one.ask() if mode == "batch" else one.refused()
    assert len(one.origin.requests) == seen + (5 if mode == "batch" else 0)
    one.folder.empty(one.guard)
    one.until_fine()
    one.finish(waiting)
    one.ask(5)
    one.judge()


@pytest.mark.parametrize("mode", ["blocking", "strict"])
def test_admitted_before_the_trouble(day, mode):
    """A request that came when all was well goes nowhere when its body comes too late."""
    one = day(mode, locations=LOCATIONS)
    body = b'{"worker_server_num":1,"spec_id":1,"model_id":1,"data_url":"/bkt/x"}'
    one.sent.append("early")
    with Client(one.guard.port) as client:
        client.send(request("PUT", "/v1/p/training-job-configs/c", None, "X-Request-Id: early",
                            "Content-Type: application/json", f"Content-Length: {len(body)}",
                            "Expect: 100-continue"))
        assert client.response().status == 100
        one.folder.fill(one.guard)
        waiting = one.until_trouble()
        client.send(body)
        check_refusal(client.final("PUT"), 503, "ModelArts.4700")
    one.folder.empty(one.guard)
    one.until_fine()
    one.finish(waiting)
    one.judge()


def test_answers_do_not_wait_for_ever(day):
    """After audit_timeout the clients are cut off and counted; their records are written later."""
    one = day("blocking", main=f"audit_timeout 1s; {ADMIN}")
    admin = Admin(one.guard)
    one.ask()
    one.folder.fill(one.guard)
    waiting = one.until_trouble()
    assert waiting
    while (ready := admin.get("/readyz?verbose")).status == 200:
        pass  # until the worker has told it
    assert re.search(rb"^\[-\] audit log: .*(No space left on device|File too large)", ready.body, re.M), ready.body
    for client in waiting:
        assert client.closed()
        client.sock.close()
    text = admin.get("/metrics").body.decode()
    assert series(text, "audit_timeouts_total")[""] == len(waiting)
    assert series(text, "http_requests_in_flight")[""] == 0
    one.folder.empty(one.guard)
    one.until_fine()
    one.judge()


def test_answers_that_wait_do_not_hold_up_the_end(day):
    """A gateway that is told to stop while the disk is full says what is lost."""
    one = day("blocking", main="shutdown_timeout 1s;")
    one.ask()
    one.guard.expect.append(r"bytes of lines are lost")
    one.folder.fill(one.guard)
    waiting = one.until_trouble()
    one.guard.stop(signal.SIGQUIT)
    assert one.guard.matches(r"bytes of lines are lost")
    for client in waiting:
        assert client.closed()
        client.sock.close()


@pytest.mark.parametrize("mode", MODES)
def test_file_removed(day, mode, tmp_path):
    """The log goes on in a new file; no line of the removed one is missing there."""
    one = day(mode)
    one.ask(10)
    removed = tmp_path / "removed"
    with open(one.folder.log, "rb") as old:
        one.folder.log.unlink()
        one.ask(10)
        removed.write_bytes(old.read())
    kept = removed.read_bytes()
    removed.write_bytes(b"".join(line for line in kept.splitlines(keepends=True)
                                 if line not in one.folder.log.read_bytes()))
    one.judge(removed)


@pytest.mark.parametrize("mode", MODES)
def test_read_only_folder(day, mode):
    """A log that was moved away cannot be made anew until the folder may be written."""
    one = day(mode)
    one.ask(10)
    one.folder.log.rename(one.folder.path / "audit.jsonl.1")
    one.folder.forbid()
    one.guard.process.send_signal(signal.SIGUSR1)
    one.guard.wait_log(TROUBLE)
    for _ in range(5):
        one.ask() if mode == "batch" else one.refused()
    one.folder.allow()
    one.until_fine()
    one.judge(one.folder.path / "audit.jsonl.1")


@pytest.mark.parametrize("mode", MODES)
def test_folder_gone(day, mode):
    """A folder that is away for a while."""
    one = day(mode, size=None)
    one.ask(10)
    away = one.folder.path.with_name("away")
    one.folder.log.rename(one.folder.path / "old.jsonl")
    one.folder.path.rename(away)
    one.guard.process.send_signal(signal.SIGUSR1)
    one.guard.wait_log(TROUBLE)
    for _ in range(5):
        one.ask() if mode == "batch" else one.refused()
    away.rename(one.folder.path)
    one.until_fine()
    one.judge(one.folder.path / "old.jsonl")


@pytest.mark.parametrize("mode", MODES)
def test_folder_removed(day, mode, tmp_path):
    """A folder that is removed and made anew; a closed sandbox would not let workers in."""
    one = day(mode, size=None, main="sandbox off;")
    one.ask(10)
    old = tmp_path / "old.jsonl"
    one.folder.log.rename(old)
    shutil.rmtree(one.folder.path)
    one.guard.process.send_signal(signal.SIGUSR1)
    one.guard.wait_log(TROUBLE)
    for _ in range(5):
        one.ask() if mode == "batch" else one.refused()
    one.folder.path.mkdir()
    one.until_fine()
    one.judge(old)


def test_folder_removed_in_the_sandbox(day):
    """A reload brings workers that may write into the new folder."""
    one = day("blocking", size=None)
    one.ask(10)
    one.guard.wait_log(r"master: trainguard .* worker")
    if not one.guard.matches(r"sandbox: closed: .*Landlock"):
        pytest.skip("no sandbox for files here")
    shutil.rmtree(one.folder.path)
    one.guard.process.send_signal(signal.SIGUSR1)
    one.guard.wait_log(TROUBLE)
    one.refused()
    one.folder.path.mkdir()
    one.guard.expect.append(r"bytes of lines are lost")
    one.guard.process.send_signal(signal.SIGHUP)
    one.guard.wait_log(r"bytes of lines are lost")
    one.ask(5)


def test_batch_counts_what_it_drops(day):
    """More than the queue holds is lost; metrics and a line say how much."""
    one = day("batch", size="40m", main=ADMIN, server="client_header_max_size 128k;")
    admin = Admin(one.guard)
    one.folder.fill(one.guard)
    large = "y" * 30000
    for _ in range(320):
        data = one.make(f"User-Agent: {large}", target="/" + large)
        assert ask(one.guard.port, data).status == 200
    one.folder.empty(one.guard)
    one.until_fine()
    text = admin.get("/metrics").body.decode()
    dropped = int(series(text, "audit_events_dropped_total")['{reason="queue_full"}'])
    assert dropped > 0 and series(text, "audit_write_errors_total")[""] > 0
    one.guard.stop()
    assert audit.verify(one.folder.log, closed=True)[0] == 0
    assert [r["count"] for r in audit.records(one.folder.log, "dropped")] == [dropped]
    assert len(one.origin.requests) == len(one.sent)
    assert len(audit.records(one.folder.log)) == len(one.sent) - dropped
