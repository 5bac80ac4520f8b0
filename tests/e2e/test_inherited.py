"""What the gateway gets from whoever started it: signals, descriptors, processors, shared files."""

import json
import os
import signal
import socket
import subprocess

import pytest

import audit
from client import ask, request
from gateway import Gateway, binary, config
from test_processes import KILLED, children

PASS = "location / { proxy_pass modelarts; }"
SIGNALS = ["SIGCHLD", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGIO", "SIGALRM", "SIGPIPE"]


def ignored(*names):
    """Starts with signals ignored."""
    return lambda: [signal.signal(signal.Signals[n], signal.SIG_IGN) for n in names]


def blocked(*names):
    """Starts with signals blocked."""
    return lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.Signals[n] for n in names])


HANDED = ({f"{how.__name__} {name}": how(name) for how in (ignored, blocked) for name in SIGNALS} |
          {"ignored all": ignored(*SIGNALS), "blocked all": blocked(*SIGNALS)})


@pytest.mark.parametrize("start", HANDED.values(), ids=HANDED)
def test_signals(origin, tmp_path, start):
    """A dead worker is replaced, HUP reloads and TERM ends it, however it was started."""
    text = config(tmp_path / "g", origin().port, locations=PASS)
    with Gateway(tmp_path / "g", text, KILLED, preexec_fn=start) as guard:
        guard.wait_log(r"master: trainguard .* worker")
        worker = children(guard.process.pid)[0]
        os.kill(worker, signal.SIGKILL)
        guard.wait(lambda: len(guard.matches(r"worker 0 is process")) == 2, "another worker")
        assert ask(guard.port, request()).status == 200
        guard.process.send_signal(signal.SIGHUP)
        guard.wait_log("reloaded")
        assert ask(guard.port, request()).status == 200


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]], ids=str)
def test_closed_descriptors(origin, tmp_path, closed):
    """Started with some of 0 to 2 closed: they are /dev/null, and the log holds its lines alone."""
    reader, writer = os.pipe()
    text = config(tmp_path / "g", origin().port, locations=PASS)
    text = text.replace("error_log stderr", f"error_log /dev/fd/{writer}")
    options = {"preexec_fn": lambda: [os.close(fd) for fd in closed], "pass_fds": [writer],
               "stdin": None, "stderr": subprocess.DEVNULL}
    with open(reader, encoding="utf-8") as log:
        with Gateway(tmp_path / "g", text, log=log, **options) as guard:
            os.close(writer)
            assert ask(guard.port, request()).status == 200
            [worker] = children(guard.process.pid)
            for pid in (guard.process.pid, worker):
                for fd in closed:
                    assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
            assert len(audit.wait(tmp_path / "g/audit.jsonl", 1)) == 1


def stream(kind, tmp_path):
    """Two ends of a pipe or of a socket pair, or of a file: what the gateway gets, and what reads."""
    if kind == "socket":
        ours, theirs = socket.socketpair()
        return theirs.detach(), ours.detach()
    if kind == "pipe":
        reader, writer = os.pipe()
        return writer, reader
    return os.open(tmp_path / "stream", os.O_CREAT | os.O_RDWR), os.open(tmp_path / "stream", os.O_RDONLY)


@pytest.mark.parametrize("kind", ["socket", "pipe"])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_error_log_on_a_stream(origin, tmp_path, name, kind):
    """`error_log /dev/stderr` is the descriptor, also where no file of that name can be opened."""
    theirs, ours = stream(kind, tmp_path)
    text = config(tmp_path / "g", origin().port, locations=PASS)
    text = text.replace("error_log stderr", f"error_log /dev/{name}")
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {name: theirs}
    with open(ours, encoding="utf-8") as log:
        with Gateway(tmp_path / "g", text, log=log, **options) as guard:
            os.close(theirs)
            assert ask(guard.port, request()).status == 200
            guard.process.send_signal(signal.SIGUSR1)
            guard.process.send_signal(signal.SIGHUP)
            guard.wait_log("reloaded")
            assert ask(guard.port, request()).status == 200


@pytest.mark.parametrize("kind", ["socket", "pipe"])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_audit_log_on_a_stream(origin, tmp_path, name, kind):
    """The same of the audit log; the error log goes to a file."""
    theirs, ours = stream(kind, tmp_path)
    reader, writer = os.pipe()
    text = config(tmp_path / "g", origin().port, locations=PASS, audit=f"/dev/{name}")
    text = text.replace("error_log stderr", f"error_log /dev/fd/{writer}")
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "pass_fds": [writer]}
    with open(reader, encoding="utf-8") as log, open(ours, encoding="utf-8") as lines:
        with Gateway(tmp_path / "g", text, log=log, **(options | {name: theirs})) as guard:
            os.close(writer)
            os.close(theirs)
            assert ask(guard.port, request()).status == 200
        kinds = [json.loads(line)["event"] for line in lines]
    assert kinds.count("outcome") == 1


@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["overwriting", "appending"])
def test_a_file_shared_by_two_logs(origin, tmp_path, flags):
    """`> file 2>&1`: not one line of either log is overwritten."""
    shared = os.open(tmp_path / "shared", os.O_CREAT | os.O_WRONLY | os.O_TRUNC | flags)
    reader = os.open(tmp_path / "shared", os.O_RDONLY)
    text = config(tmp_path / "g", origin().port, locations=PASS, audit="/dev/stdout")
    (tmp_path / "g").mkdir()
    (tmp_path / "g/trainguard.conf").write_text(text)
    process = subprocess.Popen([binary(), "-c", tmp_path / "g/trainguard.conf"], stdout=shared,
                               stderr=shared)
    os.close(shared)
    with open(reader, encoding="utf-8") as file:
        seen = follow(file, process, "listening on 127.0.0.1:")
        port = int(seen.rpartition(":")[2])
        for _ in range(20):
            assert ask(port, request()).status == 200
        process.terminate()
        assert process.wait(30) == 0
        file.seek(0)
        lines = file.read().splitlines()
    records = [line for line in lines if line.startswith("{")]
    assert [json.loads(line)["event"] for line in records].count("outcome") == 20
    logged = [line for line in lines if not line.startswith("{")]
    assert all(line[:2] == "20" and "[" in line for line in logged), lines
    assert any("master: ended" in line for line in logged)


def follow(file, process, words):
    """The first line of a growing file that holds some words, while the process lives."""
    line = ""
    while not (line.endswith("\n") and words in line):
        line = file.readline() if line.endswith("\n") else line + file.readline()
        assert process.poll() is None
    return line.rstrip("\n")


def test_processors(origin, tmp_path):
    """`auto` starts as many workers as there are processors the gateway may use."""
    text = config(tmp_path / "g", origin().port, locations=PASS)
    text = text.replace("worker_processes 1;", "worker_processes auto;")
    one = min(os.sched_getaffinity(0))
    with Gateway(tmp_path / "g", text, preexec_fn=lambda: os.sched_setaffinity(0, [one])) as guard:
        guard.wait_log(r"master: trainguard .*, 1 worker$")
        assert len(children(guard.process.pid)) == 1
