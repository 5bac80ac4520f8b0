#!/usr/bin/python3
"""Everything that goes wrong at the same time: `chaos.py [REQUESTS] [SEED]`, 20000 by default.

Clients that are good, bad, slow, pipelining and vanishing, plain and over TLS; upstreams that answer
nonsense; two reloads a second, workers killed, an audit log in mode strict that rotates. At the end:
no request has two records, no answer is without its record, the upstream saw nothing without an
intent, what has an intent and no end was under way when a worker was killed, and the log verifies.
"""

import os
import pathlib
import random
import select
import signal
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "e2e"), str(HERE / "endpoint")]

# pylint: disable=wrong-import-position
import certs  # noqa: E402
import soak  # noqa: E402
from gateway import Gateway, TIMEOUT  # noqa: E402
from listener import server_context  # noqa: E402
from origin import Origin, again, answer, close, finish, read, read_head, read_some, reset  # noqa: E402

CLIENTS = 24
RELOAD_EVERY = 0.5  # seconds
KILL_EVERY = 3  # reloads
HUGE = b"A: " + b"a" * 8000 + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
MAD = soak.FAILING + [
    [read_some, answer(b"early"), close],
    [read, answer(b"more than that") + b"HTTP/1.1 200 OK\r\n", again],
    [read, b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + answer(), again],
    [read, b"HTTP/1.1 102 Processing\r\n\r\n" * 50 + answer(), close],
    [read, OK + HUGE * 20 + b"Content-Length: 0\r\n\r\n", close],
    [read, OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", close],
    [read, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", reset],
    [read, OK + b"\r\n", b"until the end", finish],
    [read, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", close],
    [read, b"\0" * 100, reset],
    [read_head, b"HT", b"TP/1.1 200", b" OK\r\nContent-Le", b"ngth: 2\r\n\r\nok", close],
    [reset],
]
DUE = [r"\[error\]", r"was killed by signal 9"]


class Chaos(soak.Soak):
    """As many requests as are asked for."""

    def __init__(self, guard, directory, most):
        super().__init__(guard, directory, 0)
        self.guard = guard
        self.most = most
        self.over = threading.Event()
        self.reloads = self.kills = 0

    def going(self):
        """Clients of a gateway that is gone would find nobody, again and again."""
        if not self.errors and (code := self.guard.process.poll()) is not None:
            self.errors.append(f"the gateway ended by itself: exit code {code}")
        return self.sent < self.most and not self.errors


def children(pid):
    """The processes of the gateway."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text(encoding="utf-8").split()]


def kill(pid):
    """Kills a process and waits until it has ended; False when it had ended by itself."""
    try:
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    ended, _, _ = select.select([process], [], [], TIMEOUT)
    os.close(process)
    assert ended, f"process {pid} was killed and does not end"
    return True


def disturb(chaos, guard, rng):
    """Reloads and kills, until it is over."""
    while not chaos.over.wait(RELOAD_EVERY) and chaos.going():
        guard.process.send_signal(signal.SIGHUP)
        chaos.reloads += 1
        if chaos.reloads % KILL_EVERY == 0 and (alive := children(guard.process.pid)):
            chaos.kills += kill(rng.choice(alive))


def disturb_all(chaos, guard, rng):
    """What goes wrong with it ends the run, and is told."""
    try:
        disturb(chaos, guard, rng)
    except Exception as error:  # pylint: disable=broad-except
        chaos.errors.append(f"what disturbs: {error!r}")


def settings(directory, certificates, well, ill):
    """Two workers, strict, rotating often, drained soon."""
    text = soak.settings(directory, "strict rotate=1m keep=1000", certificates, well, ill)
    return text.replace("worker_processes 1;", "worker_processes 2; shutdown_timeout 2s;")


def play(guard, certificates, requests, seed):
    """All clients, and what disturbs them; returns when both have ended."""
    chaos = Chaos(guard, certificates, requests)
    clients = [threading.Thread(target=soak.run, args=(chaos, f"{seed} {i}")) for i in range(CLIENTS)]
    trouble = threading.Thread(target=disturb_all, args=(chaos, guard, random.Random(seed)))
    for thread in [trouble, *clients]:
        thread.start()
    for thread in clients:
        thread.join()
    chaos.over.set()
    trouble.join()
    return chaos


def main(requests, seed):
    """One run; what it came to."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        certificates = certs.make(directory / "certificates", ["server"])
        context = server_context(certificates / "server.pem")
        scripts = random.Random(seed).choices(MAD, k=100000)
        with Origin(context=context) as well, Origin(*scripts, context=context) as ill:
            text = settings(directory, certificates, well, ill)
            with Gateway(directory, text, DUE) as guard:
                chaos = play(guard, certificates, requests, seed)
                assert not chaos.errors, chaos.errors
            paths = sorted(directory.glob("audit.jsonl*"))
            lines = soak.judge_log(paths, chaos)
            intents, endless = soak.judge_intents(lines, soak.seen_by(well, ill))
    assert chaos.reloads > 0 and chaos.kills > 0, "nothing was disturbed: ask for more requests"
    assert len(endless) <= chaos.kills * CLIENTS, f"{len(endless)} intents without an end"
    assert not endless & chaos.answered
    for what, n in sorted(chaos.counts.items()):
        print(f"{n:8} {what}")
    print(f"seed {seed}: {chaos.sent} requests, {len(chaos.answered)} answers, {intents} intents "
          f"({len(endless)} without an end), {chaos.reloads} reloads, {chaos.kills} kills, "
          f"{len(paths)} files of the log")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000,
         int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32))
