"""How a master is found and spoken to: its locked pid file, and answers to the order they belong to."""

import os
import signal
import socket
import subprocess
import threading

import pytest

from client import request
from gateway import Gateway, binary, config
from test_processes import FAILED, PASS, children, edit, send
from wire import Wire


@pytest.fixture(name="bystander")
def another_program():
    """A process that has nothing to do with the gateway, and repeats what it is told."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def lives(process):
    """True when it still repeats."""
    process.stdin.write(b"x\n")
    process.stdin.flush()
    return process.stdout.readline() == b"x\n"


def order(conf, word):
    """`trainguard -s WORD`."""
    return subprocess.run([binary(), "-c", str(conf), "-s", word], capture_output=True, text=True,
                          timeout=60, check=False)


@pytest.mark.parametrize("word", ["stop", "quit", "reload", "reopen"])
def test_a_pid_file_left_over(origin, tmp_path, bystander, word):
    """The number is another program's by now: nothing is signalled, and it is said."""
    text = config(tmp_path / "g", origin().port, locations=PASS)
    guard = Gateway(tmp_path / "g", text)
    guard.wait_log(r"master: trainguard .* worker")
    pid = tmp_path / "g/trainguard.pid"
    assert pid.read_text() == f"{guard.process.pid}\n"
    guard.process.kill()
    guard.stop(judge=False)
    conf = tmp_path / "g/trainguard.conf"
    gone = order(conf, word)
    assert (gone.returncode, gone.stderr[:22]) == (1, "trainguard: no master:")
    pid.write_text(f"{bystander.pid}\n")
    other = order(conf, word)
    assert other.returncode == 1
    assert other.stderr == (f"trainguard: no master: {pid} is not locked by process {bystander.pid}, "
                            "which is another program's\n")
    assert lives(bystander)


def test_the_next_start_takes_a_pid_file_left_over(origin, tmp_path, bystander):
    """It belongs to nobody."""
    (tmp_path / "g").mkdir()
    (tmp_path / "g/trainguard.pid").write_text(f"{bystander.pid}\n")
    with Gateway(tmp_path / "g", config(tmp_path / "g", origin().port, locations=PASS)) as guard:
        guard.wait_log(r"master: trainguard .* worker")
        assert send(guard, "reload").returncode == 0
    assert lives(bystander)
    assert not (tmp_path / "g/trainguard.pid").exists()


def test_a_second_gateway_leaves_the_pid_file(origin, gateway, tmp_path):
    """The file is the first one's as long as that lives; the second one does not start."""
    guard = gateway(origin(), locations=PASS)
    guard.wait_log(r"master: trainguard .* worker")
    done = subprocess.run([binary(), "-c", guard.directory / "trainguard.conf"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"trainguard.pid belongs to process {guard.process.pid}" in done.stderr
    assert send(guard, "reload").returncode == 0


def test_an_upgrade_hands_the_pid_file_over(origin, gateway):
    """The new master owns it, and the old one's end does not take it away."""
    guard = gateway(origin(), locations=PASS)
    guard.wait_log(r"master: trainguard .* worker")
    guard.process.send_signal(signal.SIGUSR2)
    assert guard.process.wait(30) == 0
    new = int((guard.directory / "trainguard.pid").read_text())
    assert new != guard.process.pid
    assert send(guard, "reload").returncode == 0
    fd = os.pidfd_open(new)
    assert send(guard, "stop").returncode == 0
    with open(fd, "rb", buffering=0) as file:
        import select  # pylint: disable=import-outside-toplevel
        assert select.select([file], [], [], 30)[0]


def by_signal(guard):
    """Reloads with `-s`; what came of it, in words."""
    return "done" if send(guard, "reload").returncode == 0 else "failed"


def by_socket(guard):
    """Reloads over the admin socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(guard.directory / "admin.sock"))
        sock.sendall(request("POST", "/reload", b""))
        return {200: "done", 500: "failed"}[Wire(sock).response("POST").status]


@pytest.mark.parametrize("second", [by_signal, by_socket])
@pytest.mark.parametrize("first", [by_signal, by_socket])
def test_an_answer_belongs_to_its_order(origin, gateway, first, second):
    """A reload is under way, with the good configuration it has read, when one of a broken one is
    asked for: each asker gets its own answer."""
    guard = gateway(origin(), expect=FAILED, locations=PASS,
                    main="admin {\n listen unix:admin.sock;\n}")
    guard.wait_log(r"master: trainguard .* worker")
    old = [int(m[1]) for m in guard.matches(r"worker 0 is process (\d+)")][0]
    os.kill(old, signal.SIGSTOP)  # the reload waits a second for it
    answers = {}
    asker = threading.Thread(target=lambda: answers.update(first=first(guard)))
    asker.start()
    guard.wait(lambda: len(guard.matches(r"worker 0 is process")) == 2, "the reload")
    edit(guard, "proxy_pass", "proxy_pas")
    answers["second"] = second(guard)
    asker.join(60)
    assert answers == {"first": "done", "second": "failed"}
    os.kill(old, signal.SIGCONT)
    edit(guard, "proxy_pas", "proxy_pass")
    assert first(guard) == second(guard) == "done"
    assert len(children(guard.process.pid)) >= 2
