"""Master and workers: who dies is replaced, reloads and upgrades lose nothing, failures say why."""

import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading

import pytest

import audit
from client import Client, ask, request
from gateway import binary, config
from origin import read, wait_end

PASS = "location / { proxy_pass modelarts; }"
KILLED = [r"was killed by signal 9"]
FAILED = [r"master: (reload failed|\[emerg\])"]


SERVING = r"master: trainguard .* worker"


@pytest.fixture(name="gateway")
def serving(gateway):
    """Gateways whose pid file is there and whose workers serve."""

    def start(*args, **settings):
        guard = gateway(*args, **settings)
        guard.wait_log(SERVING)
        return guard

    return start


def send(guard, word, conf=None):
    """`trainguard -s WORD` for a running gateway."""
    conf = conf or guard.directory / "trainguard.conf"
    return subprocess.run([binary(), "-c", str(conf), "-p", f"{guard.directory}/", "-s", word],
                          capture_output=True, text=True, timeout=60, check=False)


def edit(guard, old, new):
    """Changes the configuration file."""
    path = guard.directory / "trainguard.conf"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def children(pid):
    """Process ids of the workers."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(c) for c in text.split()]


def wait_gone(pid):
    """Waits until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with open(fd, "rb", buffering=0) as file:
        end = select.poll()
        end.register(file, select.POLLIN)
        assert end.poll(30000), f"process {pid} lives on"


def test_a_killed_worker_is_replaced(origin, gateway):
    """Only what that worker had under way is lost."""
    guard = gateway(origin(), expect=KILLED, locations=PASS)
    before = children(guard.process.pid)
    os.kill(before[0], signal.SIGKILL)
    guard.wait_log(r"was killed by signal 9")
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
    assert set(children(guard.process.pid)).isdisjoint(before)


def test_a_worker_that_dies_again_is_started_with_a_delay(origin, gateway):
    """Back-off: the gateway comes back all the same."""
    guard = gateway(origin(), expect=KILLED, locations=PASS)
    for n in range(1, 4):
        guard.wait(lambda n=n: len(guard.matches(r"worker 0 is process")) >= n, "a worker")
        worker = int(guard.matches(r"worker 0 is process (\d+)")[-1][1])
        os.kill(worker, signal.SIGKILL)
        guard.wait(lambda n=n: len(guard.matches(r"was killed by signal 9")) >= n, "its death")
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200


def test_fewer_workers_take_all_queues(origin, gateway):
    """Connections that wait for a worker that is no more are served by another."""
    behind = origin()
    guard = gateway(behind, locations=PASS)
    edit(guard, "worker_processes 1", "worker_processes 4")
    assert send(guard, "reload").returncode == 0
    edit(guard, "worker_processes 4", "worker_processes 1")
    assert send(guard, "reload").returncode == 0
    for _ in range(40):
        with Client(guard.port, timeout=5) as client:
            client.send(request())
            assert client.final().status == 200


BROKEN = {
    "mistake": ("proxy_pass modelarts;", "proxy_pas modelarts;", r'unknown directive "proxy_pas"'),
    "no such CA": ("tls off;", "tls on; tls_ca /nonexistent/ca.pem;", r"/nonexistent/ca\.pem"),
    "no upstream": ("proxy_pass modelarts;", "proxy_pass other;", r'"other"'),
}


@pytest.mark.parametrize("old,new,message", BROKEN.values(), ids=BROKEN)
def test_a_reload_that_fails_changes_nothing(origin, gateway, old, new, message):
    """-s reload says why and fails; the old configuration goes on, with its workers."""
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    before = children(guard.process.pid)
    edit(guard, old, new)
    answer = send(guard, "reload")
    assert answer.returncode == 1
    assert re.search(message, answer.stderr), answer.stderr
    assert "old configuration goes on" in answer.stderr
    assert children(guard.process.pid) == before
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
    edit(guard, new, old)
    assert send(guard, "reload").returncode == 0


def test_a_port_in_use_at_reload(origin, gateway):
    """The address is named, nothing changes, and what was opened on the way is closed again."""
    guard = gateway(origin(), expect=FAILED + ["cannot listen on"], locations=PASS)
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        busy = taken.getsockname()[1]
        edit(guard, "listen 127.0.0.1:0;",
             f"listen 127.0.0.1:0; listen 127.0.0.1:{port}; listen 127.0.0.1:{busy};")
        answer = send(guard, "reload")
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1:{busy}: Address already in use" in answer.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200


def test_a_unix_socket_left_behind(origin, gateway, tmp_path):
    """A socket whose process has gone is replaced; any other file stays what it was."""
    left, file = tmp_path / "left.sock", tmp_path / "precious"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    file.write_text("precious")
    guard = gateway(origin(), expect=FAILED + ["cannot listen on"], locations=PASS,
                    server=f"listen unix:{left};")
    edit(guard, f"listen unix:{left};", f"listen unix:{file};")
    answer = send(guard, "reload")
    assert answer.returncode == 1
    assert f"cannot listen on unix:{file}: it is there and is no socket" in answer.stderr
    assert file.read_text() == "precious"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(left))


def test_a_kept_connection_meets_a_reload(clock, origin, gateway):
    """A request on it within the second of grace is answered, and the answer says that it was the
    last."""
    # pylint: disable=unused-argument
    guard = gateway(origin(), locations=PASS)
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().get("Connection") != "close"
        head = request()
        client.send(head[:8])  # an idle one would be closed a second after the reload
        assert send(guard, "reload").returncode == 0
        client.send(head[8:])
        answer = client.final()
        assert (answer.status, answer.get("Connection")) == (200, "close")
        assert client.closed()


@pytest.mark.long
def test_a_failed_reload_leaves_no_queue_behind(origin, gateway):
    """More workers were wanted, and an address that is taken: who comes to the addresses that could be had for them
    is served by the workers that there are."""
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        edit(guard, "worker_processes 1;", "worker_processes 8;")
        edit(guard, PASS, f"listen 127.0.0.1:{taken.getsockname()[1]}; {PASS}")
        assert send(guard, "reload").returncode == 1
    for _ in range(20):
        assert ask(guard.port, request()).status == 200


def test_a_new_connection_meets_the_new_configuration(origin, gateway):
    """From when a reload is done: then the old worker takes none any more."""
    guard = gateway(origin(), locations=PASS)
    for n in range(20):
        edit(guard, PASS, PASS.replace("/ {", f"/old-{n} {{"))
        assert send(guard, "reload").returncode == 0
        assert ask(guard.port, request()).status == 404
        edit(guard, f"/old-{n} {{", "/ {")
        assert send(guard, "reload").returncode == 0
        assert ask(guard.port, request()).status == 200


def at_once(guard, *signals):
    """Signals that wait for the master when it looks."""
    guard.process.send_signal(signal.SIGSTOP)
    for number in signals:
        guard.process.send_signal(number)
    guard.process.send_signal(signal.SIGCONT)


def test_a_killed_worker_does_not_hold_a_reload_up(origin, gateway):
    """A worker that was killed cannot say that it has stopped listening: nobody waits for that, and
    its death is seen although reloads keep coming."""
    guard = gateway(origin(), expect=KILLED)
    [worker] = children(guard.process.pid)
    guard.process.send_signal(signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    wait_gone(worker)
    guard.process.send_signal(signal.SIGHUP)
    guard.process.send_signal(signal.SIGCONT)
    guard.wait_log("reloaded")
    assert not guard.matches("may still take connections")
    [died] = [i for i, line in enumerate(guard.lines) if "was killed by signal 9" in line]
    [reloaded] = [i for i, line in enumerate(guard.lines) if "reloaded" in line]
    assert died < reloaded
    assert ask(guard.port, request()).status == 200


def test_workers_on_processors_of_their_own(origin, gateway):
    """worker_cpu_affinity auto: each worker has one of the processors the gateway may use, in turn."""
    allowed = sorted(os.sched_getaffinity(0))
    guard = gateway(origin(), main="worker_cpu_affinity auto;")
    [one] = children(guard.process.pid)
    assert os.sched_getaffinity(one) == {allowed[0]}
    edit(guard, "worker_processes 1", "worker_processes 3")
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    wait_gone(one)
    workers = set(children(guard.process.pid)) - {one}  # which may not be reaped yet
    assert sorted(min(os.sched_getaffinity(pid)) for pid in workers) == sorted(
        allowed[number % len(allowed)] for number in range(3))
    assert ask(guard.port, request()).status == 200


def test_an_end_comes_before_a_reload(origin, gateway):
    """Reloads that come faster than they are done do not keep the gateway from ending."""
    guard = gateway(origin())
    at_once(guard, signal.SIGHUP, signal.SIGTERM)
    guard.wait(lambda: guard.ended, "the end")
    assert not guard.matches("reloaded")


def test_an_old_worker_that_hangs_does_not_hold_a_reload_up(origin, gateway):
    """It is waited for, not for ever, and named."""
    guard = gateway(origin(), locations=PASS)
    old, = children(guard.process.pid)
    os.kill(old, signal.SIGSTOP)
    assert send(guard, "reload").returncode == 0
    guard.wait_log(rf"\[warn\].*worker 0 \(process {old}\) may still take connections")
    os.kill(old, signal.SIGCONT)
    wait_gone(old)


def test_an_idle_connection_meets_a_reload(origin, gateway):
    """It is ended, not reset, and its worker goes."""
    guard = gateway(origin(), locations=PASS)
    old = children(guard.process.pid)
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
        assert send(guard, "reload").returncode == 0
        assert client.wire.rest() == b""
    wait_gone(old[0])


def test_shutdown_timeout(origin, gateway):
    """What hangs is cut off, with a record."""
    behind = origin([read, wait_end])
    guard = gateway(behind, locations=PASS, main="shutdown_timeout 1s;")
    old = children(guard.process.pid)
    with Client(guard.port) as client:
        client.send(request())
        behind.wait(lambda: behind.requests)
        assert send(guard, "reload").returncode == 0
        assert client.final().status == 503
        record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record["end"] == "draining"
    wait_gone(old[0])


@pytest.mark.parametrize("word", ["stop", "quit"])
def test_stop_and_quit(origin, gateway, word):
    """The master ends and its pid file goes, also when the configuration has a mistake by now."""
    guard = gateway(origin(), locations=PASS)
    edit(guard, "proxy_pass modelarts;", "proxy_pas modelarts;")
    assert send(guard, word).returncode == 0
    assert guard.process.wait(30) == 0
    assert not (guard.directory / "trainguard.pid").exists()
    answer = send(guard, word)
    assert answer.returncode == 1
    assert "no master" in answer.stderr


def test_reopen(origin, gateway):
    """A log that was moved away is written anew."""
    guard = gateway(origin(), locations=PASS)
    log = guard.directory / "audit.jsonl"
    log.rename(guard.directory / "old.jsonl")
    assert send(guard, "reopen").returncode == 0
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
    assert len(audit.wait(log, 1)) == 1


def test_reopen_the_error_log(origin, tmp_path):
    """Of the master, the workers and the admin process; a reload takes another file and level over."""
    log = tmp_path / "error.log"
    text = config(tmp_path, origin().port, locations=PASS,
                  main="admin { listen unix:admin.sock; }").replace("stderr info", f"{log} info")
    guard = background(tmp_path, text)
    old = set(children(guard.pid))
    log.rename(tmp_path / "rotated.log")
    assert send(guard, "reopen").returncode == 0
    while sum(f"[info] {pid} " in (log.read_text() if log.exists() else "") for pid in old) == 0:
        ask(guard.port, b"GET\r\n\r\n")
    edit(guard, f"{log} info", f"{tmp_path}/other.log debug")
    assert send(guard, "reload").returncode == 0
    assert ask(guard.port, request()).status == 200
    words = (tmp_path / "other.log").read_text()
    assert re.search(r"\[debug\] (\d+) exchange", words) and "reloaded" in words
    before = (tmp_path / "rotated.log").read_text()
    assert send(guard, "quit").returncode == 0
    wait_gone(guard.pid)
    assert (tmp_path / "rotated.log").read_text() == before
    for pid in old:
        assert not re.search(rf" {pid} .*live objects", before)


def test_an_error_log_that_cannot_be_opened_at_reload(origin, gateway):
    """Is a reason to go on with the old configuration."""
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    edit(guard, "error_log stderr info", "error_log /nonexistent/error.log")
    answer = send(guard, "reload")
    assert answer.returncode == 1 and "/nonexistent/error.log" in answer.stderr
    assert ask(guard.port, request()).status == 200


def test_a_second_gateway_does_not_share_the_port(origin, gateway, tmp_path):
    """It says so and ends, and the first one's pid file stays."""
    guard = gateway(origin(), locations=PASS)
    edit(guard, "127.0.0.1:0", f"127.0.0.1:{guard.port}")
    conf = guard.directory / "trainguard.conf"
    for extra in ("", f"error_log {tmp_path}/second.log;"):
        conf.write_text(conf.read_text().replace("error_log stderr info;", extra or "error_log stderr info;"))
        second = subprocess.run([binary(), "-p", f"{guard.directory}/", "-c", conf], capture_output=True,
                                text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert f"[emerg] cannot listen on 127.0.0.1:{guard.port}: Address already in use" in \
            re.sub(r"\d+ listen: ", "", second.stderr)
    assert int((guard.directory / "trainguard.pid").read_text()) == guard.process.pid
    assert ask(guard.port, request()).status == 200


def test_nobody_queues_for_a_gateway_that_ends(origin, gateway):
    """While it drains its port is closed: who waited would be reset in the end."""
    go = threading.Event()

    def hold(_origin, connection):
        assert go.wait(20)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    behind = origin([read, hold])
    guard = gateway(behind, locations=PASS)
    with Client(guard.port) as client:
        client.send(request())
        behind.wait(lambda: behind.requests)
        assert send(guard, "quit").returncode == 0
        guard.wait_log("ending gracefully")
        with pytest.raises(ConnectionRefusedError):
            while True:
                socket.create_connection(("127.0.0.1", guard.port)).close()
        go.set()
        assert client.final().status == 200


@pytest.mark.parametrize("text", ["", "garbage\n", "0\n", "-1\n"])
def test_a_pid_file_without_a_process_id(tmp_path, text):
    """Nothing is signalled; what is wrong with the file is told."""
    (tmp_path / "x.conf").write_text("pid x.pid;")
    (tmp_path / "x.pid").write_text(text)
    answer = subprocess.run([binary(), "-c", str(tmp_path / "x.conf"), "-s", "reload"],
                            capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr == (f"trainguard: no master: cannot read {tmp_path}/x.pid: "
                             "it holds no process id\n")


def test_an_unknown_word(tmp_path):
    """Usage, not failure."""
    (tmp_path / "x.conf").write_text("pid x.pid;")
    answer = subprocess.run([binary(), "-c", str(tmp_path / "x.conf"), "-s", "restart"],
                            capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert 'stop, quit, reload or reopen, got "restart"' in answer.stderr


def test_winch_rests_and_reload_wakes(origin, gateway):
    """Without workers the master keeps the sockets: who connects is served later."""
    guard = gateway(origin(), locations=PASS)
    old = children(guard.process.pid)
    guard.process.send_signal(signal.SIGWINCH)
    wait_gone(old[0])
    with Client(guard.port) as client:
        client.send(request())
        assert send(guard, "reload").returncode == 0
        assert client.final().status == 200


def test_an_upgrade_that_fails(origin, gateway):
    """A new program that does not start leaves the old one as it was."""
    guard = gateway(origin(), expect=[r"upgrade failed", r"proxy_pas"], locations=PASS)
    edit(guard, "proxy_pass modelarts;", "proxy_pas modelarts;")
    guard.process.send_signal(signal.SIGUSR2)
    guard.wait_log(r"upgrade failed with status 1")
    with Client(guard.port) as client:
        client.send(request())
        assert client.final().status == 200
    assert int((guard.directory / "trainguard.pid").read_text()) == guard.process.pid


def test_systemd_is_told(origin, gateway, tmp_path, monkeypatch):
    """READY when it serves, RELOADING and READY around a reload, WATCHDOG, STOPPING."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        guard = gateway(origin(), locations=PASS)

        def until(word):
            while word not in (got := manager.recv(4096).decode()).split("\n"):
                pass
            return got

        until("READY=1")
        until("WATCHDOG=1")
        assert send(guard, "reload").returncode == 0
        assert "MONOTONIC_USEC=" in until("RELOADING=1")
        until("READY=1")
        guard.stop()
        until("STOPPING=1")


def test_systemd_is_told_of_an_upgrade(origin, gateway, tmp_path, monkeypatch):
    """Who is the master now; the old one's end is not the service's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        guard = gateway(origin(), locations=PASS)
        guard.process.send_signal(signal.SIGUSR2)
        assert guard.process.wait(30) == 0
        new = int((guard.directory / "trainguard.pid").read_text())
        assert send(guard, "quit").returncode == 0
        wait_gone(new)
        told = []
        while not told or "STOPPING=1" not in told[-1]:
            told.append(manager.recv(4096).decode().split("\n"))
        assert [t[0] for t in told] == ["READY=1", f"MAINPID={new}", "READY=1", "STOPPING=1"]
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


class Background:
    """A gateway with `daemon on` and a log file, as far as other functions look at it."""

    def __init__(self, directory, text):
        self.directory = directory
        path = directory / "trainguard.conf"
        path.write_text("daemon on;" + text)
        # the pipes end with the command: whoever started it over ssh is not kept waiting
        done = subprocess.run([binary(), "-p", f"{directory}/", "-c", path], timeout=30, check=False,
                              capture_output=True, text=True)
        self.status, self.words = done.returncode, done.stderr
        if self.status == 0:
            self.pid = int((directory / "trainguard.pid").read_text())
            log = re.search(r"error_log (\S+)", text)[1]
            self.port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+)",
                                       pathlib.Path(log).read_text(encoding="utf-8"))[-1])


def background(directory, text):
    """One that serves."""
    started = Background(directory, text)
    assert (started.status, started.words) == (0, "")
    return started


def test_daemon(origin, tmp_path):
    """The command returns when the gateway serves, and says so when it does not."""
    text = config(tmp_path, origin().port, locations=PASS).replace("error_log stderr",
                                                                   f"error_log {tmp_path}/error.log")
    first = background(tmp_path, text)
    assert ask(first.port, request()).status == 200
    (tmp_path / "second").mkdir()
    second = Background(tmp_path / "second", text.replace("127.0.0.1:0", f"127.0.0.1:{first.port}"))
    assert second.status == 1
    assert f"trainguard: [emerg] cannot listen on 127.0.0.1:{first.port}" in second.words
    os.kill(first.pid, signal.SIGTERM)
    wait_gone(first.pid)


def can_unshare():
    """True where a test may have process 1."""
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=False,
                          capture_output=True).returncode == 0


def test_as_process_1_term_drains(origin, tmp_path):
    """A container's TERM lets requests finish, however often it comes."""
    if not can_unshare():
        pytest.skip("no new process namespaces here")
    go = threading.Event()

    def hold(_origin, connection):
        assert go.wait(20)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    behind = origin([read, hold])
    path = tmp_path / "trainguard.conf"
    path.write_text(config(tmp_path, behind.port, locations=PASS))
    with subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", binary(), "-c", str(path)],
                          stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr.readline, "")
        port = int(next(m for m in map(re.compile(r"listening on .*:(\d+)").search, lines) if m)[1])
        with Client(port) as client:
            client.send(request())
            behind.wait(lambda: behind.requests)
            os.kill(children(process.pid)[0], signal.SIGUSR2)
            next(line for line in lines if "process 1 cannot be upgraded" in line)
            for _ in range(2):
                os.kill(children(process.pid)[0], signal.SIGTERM)
                next(line for line in lines if "ending gracefully" in line)
            go.set()
            assert client.final().status == 200
        assert "ended" in process.stderr.read()
    assert json.loads((tmp_path / "audit.jsonl").read_text().split("\n")[-2])["event"] == "stop"
