#!/usr/bin/python3
"""A gateway under good, bad, slow and vanishing clients and failing upstreams: `soak.py SECONDS`,
half of them with an audit log in mode blocking, half in mode strict.

At the end: no live object, flat memory, an audit log that verifies and has exactly one record for
every request that was answered, and at most one for every request that was abandoned; in mode
strict also exactly one intent for every request that an upstream saw.
"""

import collections
import json
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "endpoint")]

# pylint: disable=wrong-import-position
import certs  # noqa: E402
from client import Client, request  # noqa: E402
from gateway import Gateway, binary, config  # noqa: E402
from listener import server_context  # noqa: E402
from origin import Origin, again, answer, close, read, read_head, reset  # noqa: E402
from wire import Closed, Wire  # noqa: E402

CLIENTS = 24
GUARDED = "/v1/p/training-job-configs/c"
BODY = (HERE / "data/bodies/01_seed_put_example.json").read_bytes()
BAD = [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\0\0\0\0\r\n\r\n",
       b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"]
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters json normalize validate;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
"""
FAILING = [[read, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close], [read_head, reset],
           [read, b"what is this\r\n\r\n", close], [read, close],
           [read, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", close],
           [read, answer(b"x" * 200000), again], [lambda *_: time.sleep(0.3), reset]]


class Soak:
    """What the clients share."""

    def __init__(self, guard, directory, seconds):
        self.port, self.tls_port = guard.ports
        self.context = ssl.create_default_context(cafile=directory / "ca.pem")
        self.until = time.monotonic() + seconds
        self.sent = 0  # requests, whole or not
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.answered = set()  # ids that had a whole answer
        self.refused = 0  # answers to heads that could not be read
        self.errors = []

    def going(self):
        """True while clients go on."""
        return time.monotonic() < self.until

    def count(self, what):
        """One more of it."""
        with self.lock:
            self.counts[what] += 1

    def note(self, name):
        """A request that had its answer."""
        with self.lock:
            self.answered.add(name)

    def connect(self, tls):
        """A client, with or without TLS."""
        client = Client(self.tls_port if tls else self.port)
        if tls:
            client.sock = self.context.wrap_socket(client.sock, server_hostname="localhost")
            client.wire = Wire(client.sock)
        return client


def message(soak, rng):
    """A whole request with an id of its own, and its method."""
    with soak.lock:
        soak.sent += 1
    name = f"soak-{rng.getrandbits(64):016x}"
    kind = rng.randrange(4)
    if kind == 0:
        return name, "PUT", request("PUT", GUARDED, BODY, f"X-Request-Id: {name}",
                                    "Content-Type: application/json")
    if kind == 1:
        return name, "POST", request("POST", "/x", rng.randbytes(rng.randrange(60000)),
                                     f"X-Request-Id: {name}")
    if kind == 2:
        return name, "HEAD", request("HEAD", "/x", None, f"X-Request-Id: {name}")
    return name, "GET", request("GET", "/x", None, f"X-Request-Id: {name}")


def good(soak, rng):
    """Some requests over one connection."""
    with soak.connect(rng.random() < 0.4) as client:
        for _ in range(rng.randrange(1, 20)):
            name, method, data = message(soak, rng)
            if not client.send(data):
                return
            client.final(method)
            soak.note(name)


def pipelined(soak, rng):
    """Requests that do not wait for answers."""
    with soak.connect(rng.random() < 0.4) as client:
        sent = [message(soak, rng) for _ in range(5)]
        client.send(b"".join(data for _, _, data in sent))
        for name, method, _ in sent:
            client.final(method)
            soak.note(name)


def bad(soak, rng):
    """A head that cannot be read is answered with 400."""
    with soak.connect(rng.random() < 0.4) as client:
        client.send(rng.choice(BAD))
        if client.final().status == 400:
            with soak.lock:
                soak.refused += 1


def slow(soak, rng):
    """A request in small pieces, whole or not."""
    with soak.connect(rng.random() < 0.4) as client:
        name, method, data = message(soak, rng)
        cut = rng.randrange(1, len(data)) if rng.random() < 0.5 else len(data)
        for at in range(0, cut, max(1, cut // 6)):
            client.send(data[at:min(cut, at + max(1, cut // 6))])
            time.sleep(0.03)
        if cut == len(data):
            client.final(method)
            soak.note(name)


def vanishing(soak, rng):
    """Gone at any moment, in any way."""
    client = soak.connect(rng.random() < 0.4)
    _name, _method, data = message(soak, rng)
    client.send(data[:rng.randrange(1, len(data) + 1)])
    if rng.random() < 0.3:
        time.sleep(rng.random() / 20)
    if rng.random() < 0.5 and not isinstance(client.sock, ssl.SSLSocket):
        client.reset()
    client.sock.close()


def strange(soak, rng):
    """Noise, on either port."""
    with socket.create_connection(("127.0.0.1", rng.choice([soak.port, soak.tls_port])), 20) as sock:
        sock.sendall(rng.randbytes(rng.randrange(1, 300)))


KINDS = [good, good, good, pipelined, bad, slow, vanishing, vanishing, strange]


def run(soak, seed):
    """One client after the other until the time is up."""
    rng = random.Random(seed)
    while soak.going():
        kind = rng.choice(KINDS)
        try:
            kind(soak, rng)
            soak.count(kind.__name__)
        except (Closed, OSError, ssl.SSLError):
            soak.count(f"{kind.__name__}, cut off")
        except Exception as error:  # pylint: disable=broad-except
            soak.errors.append(f"{kind.__name__}: {error!r}")
            return


def resident(guard):
    """Resident memory of the worker, in bytes."""
    children = pathlib.Path(f"/proc/{guard.process.pid}/task/{guard.process.pid}/children")
    pids = children.read_text(encoding="utf-8").split()
    sizes = [pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
             for pid in pids]
    return max(int(size) for size in sizes) * 4096


def seen_by(*origins):
    """The ids of all requests that came to an upstream."""
    return [r.get("X-Request-Id") for origin in origins for r in origin.requests]


def named(lines, event):
    """How often each of our ids has a record of that event."""
    return collections.Counter(r["request_id"] for r in lines if r["event"] == event
                               and r["request_id"].startswith("soak-"))


def judge_log(paths, soak):
    """Exactly one record for each answer. Returns the log's records."""
    lines = [json.loads(line) for path in paths
             for line in path.read_text(encoding="utf-8").splitlines()]
    ids = named(lines, "outcome")
    unnamed = sum(r["event"] == "outcome" and r["end"] == "bad_request"
                  and r.get("http.response.status_code") == 400 for r in lines)
    twice = [name for name, n in ids.items() if n > 1]
    missing = soak.answered - set(ids)
    assert not twice, f"{len(twice)} requests with two records, e.g. {twice[:3]}"
    assert not missing, f"{len(missing)} answers without a record, e.g. {list(missing)[:3]}"
    assert unnamed >= soak.refused, f"{soak.refused} refusals, {unnamed} records of them"
    subprocess.run([binary(), "audit", "verify", *paths], check=True, stdout=subprocess.DEVNULL)
    return lines


def judge_intents(lines, seen):
    """Exactly one intent for each request of ours that an upstream saw. Returns how many there are,
    and those that have no end."""
    intents = named(lines, "intent")
    twice = [name for name, n in intents.items() if n > 1]
    missing = {name for name in seen if name.startswith("soak-")} - set(intents)
    endless = set(intents) - set(named(lines, "outcome"))
    assert not twice, f"{len(twice)} requests with two intents, e.g. {twice[:3]}"
    assert not missing, f"{len(missing)} requests without an intent, e.g. {list(missing)[:3]}"
    return sum(intents.values()), endless


def settings(name, mode, directory, well, ill):
    """The gateway's configuration."""
    text = config(name, f"localhost:{well.port}", tls=directory / "ca.pem",
                  upstream=f"server localhost:{ill.port} max_fails=0; read_timeout 2s;",
                  server="listen 127.0.0.1:0 tls; tls_certificate "
                  f"{directory}/server.pem; tls_certificate_key {directory}/server.key;",
                  main="worker_connections 256; client_header_timeout 2s;"
                  "client_body_timeout 2s;", level="error", locations=LOCATIONS,
                  audit=f"{name}/audit.jsonl mode={mode}")
    # the log has nothing below errors, which are due; "listening" is a notice
    return text.replace("error_log stderr error", "error_log stderr notice")


def main(seconds, mode):
    """All of it in one mode of the audit log."""
    with tempfile.TemporaryDirectory() as name:
        directory = certs.make(pathlib.Path(name) / "certificates", ["server"])
        context = server_context(directory / "server.pem")
        with Origin(context=context) as well, Origin(*FAILING * 10000, context=context) as ill:
            text = settings(name, mode, directory, well, ill)
            with Gateway(pathlib.Path(name), text, [r"\[error\]"]) as guard:
                soak = Soak(guard, directory, seconds)
                threads = [threading.Thread(target=run, args=(soak, seed)) for seed in range(CLIENTS)]
                for thread in threads:
                    thread.start()
                time.sleep(seconds / 2)
                before = resident(guard)
                for thread in threads:
                    thread.join()
                after = resident(guard)
            lines = judge_log([pathlib.Path(name) / "audit.jsonl"], soak)
            intents, endless = judge_intents(lines, seen_by(well, ill)) if mode == "strict" else (0, ())
            assert not endless, f"{len(endless)} intents without an end, e.g. {list(endless)[:3]}"
    assert not soak.errors, soak.errors
    assert after < before * 1.15 + (2 << 20), f"memory grew from {before} to {after} bytes"
    print(f"audit log in mode {mode}:")
    for what, n in sorted(soak.counts.items()):
        print(f"{n:8} {what}")
    outcomes = sum(r["event"] == "outcome" for r in lines)
    print(f"{len(soak.answered)} answers, {outcomes} records, {intents} intents, "
          f"memory {before >> 10} KB half way, {after >> 10} KB at the end")


if __name__ == "__main__":
    for part in ("blocking", "strict"):
        main((float(sys.argv[1]) if len(sys.argv) > 1 else 60.0) / 2, part)
