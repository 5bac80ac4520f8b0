"""The audit log when processes are killed under load and when the power goes.

30,000 requests go through the tests that kill, counted on both sides."""

import collections
import os
import select
import shutil
import signal
import threading

import pytest

import audit
from client import Client, check_refusal, request
from gateway import Gateway, config
from origin import again, answer, read, wait_end
from preload import preloaded
from test_limits import worker
from test_processes import children, wait_gone
from wire import Closed

PASS = "location / { proxy_pass modelarts; }"
KILLED = [r"was killed by signal 9"]
REQUESTS, CALLERS, KILLS = 5000, 8, 6


class Caller(threading.Thread):
    """Sends its share of the requests over kept connections, whatever happens to them."""

    def __init__(self, load, name, n):
        super().__init__(daemon=True)
        self.load, self.name, self.n = load, name, n

    def run(self):
        client = None
        for i in range(self.n):
            ident = f"{self.name}-{i}"
            try:
                client = client or self.load.connect()
                client.send(request("PUT", f"/{ident}", b"x", f"X-Request-Id: {ident}"))
                good = client.final("PUT").status == 200
            except (OSError, Closed):
                good, client = False, None
            self.load.count(ident, good)


class Load:
    """Callers, and what they were told."""

    def __init__(self, port):
        self.port, self.changed = port, threading.Condition()
        self.answered, self.failed = [], []
        self.callers = [Caller(self, f"c{i}", REQUESTS // CALLERS) for i in range(CALLERS)]
        for one in self.callers:
            one.start()

    def connect(self):
        """A connection; while nobody listens it waits for another gateway."""
        while True:
            port = self.port
            try:
                return Client(port)
            except ConnectionRefusedError:
                with self.changed:
                    assert self.changed.wait_for(lambda p=port: self.port != p, 60)

    def go_on(self, port):
        """The gateway listens there now."""
        with self.changed:
            self.port = port
            self.changed.notify_all()

    def count(self, ident, good):
        """One more."""
        with self.changed:
            (self.answered if good else self.failed).append(ident)
            self.changed.notify_all()

    def wait(self, n):
        """Until n were answered."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.answered) >= n, 60)

    def end(self):
        """Waits for all of them."""
        for one in self.callers:
            one.join(60)
            assert not one.is_alive()
        assert len(self.answered) + len(self.failed) == REQUESTS


def judge(load, behind, log, mode, deaths):
    """Every answered request has its outcome, every one the upstream saw its record."""
    assert len(load.failed) <= deaths * CALLERS
    seen = collections.Counter(r.get("X-Request-Id") for r in behind.requests)
    outcomes, intents = audit.ids(log), audit.ids(log, "intent")
    lines = log.read_bytes().split(b"\n")
    assert lines.pop() == b"" and all(lines)
    assert not [i for i in load.answered if outcomes[i] != 1 or seen[i] != 1]
    assert max(outcomes.values()) == max(seen.values()) == 1
    unrecorded = set(seen) - set(outcomes)
    assert unrecorded <= set(load.failed)
    assert set(outcomes) <= set(load.answered) | set(load.failed)
    if mode == "strict":
        assert not set(seen) - set(intents)


@pytest.fixture(name="two")
def two_workers(tmp_path, origin):
    """two(mode, n): the n-th gateway with two workers over one log."""
    behind = origin()
    log = tmp_path / "audit.jsonl"
    started = []

    def start(mode):
        text = config(tmp_path, behind.port, locations=PASS, audit=f"{log} mode={mode}")
        text = text.replace("worker_processes 1;", "worker_processes 2;")
        started.append(Gateway(tmp_path / f"gateway{len(started)}", text, KILLED))
        audit.wait(log, 2 * len(started), "start")
        return started[-1]

    start.origin, start.log = behind, log
    yield start
    for one in started:
        one.stop(judge=False)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["blocking", "strict"])
def test_workers_killed(two, mode):
    """Each death costs what was under way, and is told from tampering."""
    guard = two(mode)
    load = Load(guard.port)
    for i in range(KILLS):
        load.wait((i + 1) * REQUESTS // (KILLS + 2))
        pid = children(guard.process.pid)[i % 2]
        os.kill(pid, signal.SIGKILL)
        audit.wait(two.log, 3 + i, "start")  # it is replaced
    load.end()
    guard.stop()
    judge(load, two.origin, two.log, mode, KILLS)
    code, words = audit.verify(two.log)
    assert code == 0 and words.count("note: crash: the stream") == KILLS, words
    check_tampering(two.log)


def check_tampering(log):
    """Without the last line of a stream that crashed the log is not intact any more."""
    start = next(r for r in audit.records(log, "start") if r.get("previous.seq", 0) > 2)
    lines = log.read_bytes().splitlines(keepends=True)
    needle = f'"chain":"{start["previous.chain"]}"}}'.encode()
    changed = log.with_name("changed.jsonl")
    changed.write_bytes(b"".join(x for x in lines if not x.rstrip().endswith(needle)))
    code, words = audit.verify(changed)
    assert code == 1 and "truncated: the stream " + start["previous.stream"] in words, words


@pytest.mark.long
@pytest.mark.parametrize("mode", ["blocking", "strict"])
def test_master_killed(two, mode):
    """Workers end in order when their master is gone: every stream is closed."""
    guard = two(mode)
    pids = children(guard.process.pid)
    load = Load(guard.port)
    load.wait(REQUESTS // 2)
    guard.process.kill()
    for pid in pids:
        wait_gone(pid)
    again = two(mode)
    load.go_on(again.port)
    load.end()
    again.stop()
    judge(load, two.origin, two.log, mode, 2)
    code, words = audit.verify(two.log, closed=True)
    assert code == 0, words


@pytest.mark.long
@pytest.mark.parametrize("mode", ["blocking", "strict"])
def test_all_killed(two, mode):
    """What the log says when all processes die at once and others go on with it."""
    guard = two(mode)
    pids = children(guard.process.pid)
    load = Load(guard.port)
    load.wait(REQUESTS // 2)
    guard.process.send_signal(signal.SIGSTOP)
    for pid in [*pids, guard.process.pid]:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_gone(pid)
    again = two(mode)
    load.go_on(again.port)
    load.end()
    again.stop()
    judge(load, two.origin, two.log, mode, 3)
    code, words = audit.verify(two.log)
    assert code == 0 and words.count("note: crash: the stream") == 2, words


# --- power ---


@pytest.fixture(name="synced")
def power_loss(tmp_path, monkeypatch):
    """synced(log, event): the records that a loss of power now would leave; synced.plan(guard, byte):
    what is to happen when the log is synced next (power_loss.c)."""
    file = tmp_path / "synced"
    file.write_bytes(bytes(8))
    for name, value in (preloaded("power_loss", tmp_path) | {"TG_SYNCED": str(file)}).items():
        monkeypatch.setenv(name, value)

    def left(log, event):
        copy = tmp_path / "left.jsonl"
        shutil.copy(log, copy)
        os.truncate(copy, int.from_bytes(file.read_bytes()[:8], "little"))
        assert audit.verify(copy)[0] == 0
        return [r["request_id"] for r in audit.records(copy, event)]

    def plan(guard, what):
        guard.wait_log("master: trainguard .* worker")  # the start record is on the disk
        with open(file, "r+b") as shared:
            shared.seek(8)
            shared.write(what)

    left.plan = plan
    return left


PUT = request("PUT", "/v1/p/training-job-configs/c",
              b'{"worker_server_num":1,"spec_id":1,"model_id":1,"data_url":"/bkt/x"}',
              "Content-Type: application/json", "X-Request-Id: one")
POST = request("POST", "/x", b"body", "X-Request-Id: one")


@pytest.mark.parametrize("data", [PUT, POST], ids=["judged", "streamed"])
@pytest.mark.parametrize("dies, kept", [(b"1", ["intent"]), (b"2", ["intent", "outcome"])],
                         ids=["not forwarded", "not answered"])
def test_power_lost_behind_a_record(gateway, origin, synced, data, dies, kept):
    """Between the intent and its request, and between the outcome and its answer."""
    behind = origin()
    guard = gateway(behind, KILLED, audit="{dir}/audit.jsonl mode=strict")
    log = guard.directory / "audit.jsonl"
    synced.plan(guard, dies)
    with Client(guard.port) as client:
        client.send(data)
        assert client.rest() == b""
    audit.wait(log, 2, "start")
    assert [e for e in ("intent", "outcome") if synced(log, e) == ["one"]] == kept
    assert len(behind.requests) == len(kept) - 1
    guard.stop()
    code, words = audit.verify(log)
    assert code == 0 and "note: crash" in words, words


@pytest.mark.parametrize("data", [PUT, POST], ids=["judged", "streamed"])
def test_nothing_goes_without_its_intent_on_disk(gateway, origin, synced, data):
    """A written intent is not enough when the disk does not take it; the log recovers."""
    behind = origin()
    guard = gateway(behind, [r"the log cannot be written: .*fdatasync: Input/output error",
                             r"exchange: the audit log"], audit="{dir}/audit.jsonl mode=strict")
    synced.plan(guard, b"e")
    with Client(guard.port) as client:
        client.send(data)
        check_refusal(client.final(), 503, "ModelArts.4700")
    assert not behind.requests
    synced.plan(guard, b"0")
    guard.wait_log("the log can be written again")
    with Client(guard.port) as client:
        client.send(data)
        assert client.final().status == 200
    assert len(behind.requests) == 1
    guard.stop()
    log = guard.directory / "audit.jsonl"
    assert synced(log, "outcome") == ["one", "one"]
    assert audit.verify(log, closed=True)[0] == 0


@pytest.mark.parametrize("data", [PUT, POST], ids=["judged", "streamed"])
def test_power_lost_behind_the_intent(gateway, origin, synced, data):
    """A change the upstream may have made has its intent on the disk."""
    kept = {}

    def lose(_origin, _connection):
        os.kill(worker(guard), signal.SIGKILL)
        kept.update((e, synced(log, e)) for e in ("intent", "outcome"))

    behind = origin([read, lose])
    guard = gateway(behind, KILLED, audit="{dir}/audit.jsonl mode=strict")
    log = guard.directory / "audit.jsonl"
    with Client(guard.port) as client:
        client.send(data)
        assert client.rest() == b""
    behind.wait(lambda: behind.connections[0].done.is_set())
    assert kept == {"intent": ["one"], "outcome": []}
    audit.wait(log, 2, "start")
    guard.stop()
    code, words = audit.verify(log)
    assert code == 0 and "note: crash" in words, words


def test_power_lost_within_an_answer(gateway, origin, synced):
    """Of an answer without its outcome the client has nothing; its request has an intent."""
    half, sent = answer(b"x" * 30000)[:-1], threading.Event()

    def note(_origin, _connection):
        sent.set()

    behind = origin([read, half, note, wait_end], [read, answer(), again])
    guard = gateway(behind, KILLED, audit="{dir}/audit.jsonl mode=strict")
    log = guard.directory / "audit.jsonl"
    with Client(guard.port) as client, Client(guard.port) as other:
        client.send(POST)
        assert sent.wait(20)
        other.send(request())  # behind what the first one got
        assert other.final().status == 200
        os.kill(worker(guard), signal.SIGKILL)
        assert client.rest() == b""
    assert "one" in synced(log, "intent") and "one" not in synced(log, "outcome")
    audit.wait(log, 2, "start")


@pytest.mark.parametrize("size, event", [(20000, "outcome"), (1 << 20, "answer")])
@pytest.mark.parametrize("data", [PUT, POST], ids=["judged", "streamed"])
def test_record_before_the_first_byte(gateway, origin, synced, data, size, event):
    """Who has a byte of an answer has it on record: its outcome, or that it began."""
    guard = gateway(origin([read, answer(b"y" * size)]), audit="{dir}/audit.jsonl mode=strict")
    log = guard.directory / "audit.jsonl"
    with Client(guard.port) as client:
        client.send(data)
        assert select.select([client.sock], [], [], 20)[0]
        assert synced(log, event) == ["one"]
        assert client.final().body == b"y" * size
        assert synced(log, "outcome") == ["one"]
    assert [r["http.response.status_code"] for r in audit.records(log, "answer")] == \
        ([200] if event == "answer" else [])


def test_upstream_that_breaks_off(gateway, origin):
    """A short answer that never ends is none: the client learns what happened."""
    guard = gateway(origin([read, answer(b"x" * 100)[:-1]]), audit="{dir}/audit.jsonl mode=strict",
                    expect=[r"upstream"])
    with Client(guard.port) as client:
        client.send(POST)
        assert client.final().status == 502
    one = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert (one["http.response.status_code"], one["upstream.status_code"]) == (502, 200)
