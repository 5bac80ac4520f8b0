"""Debian's redis-server at a unix socket of its own, and its other ways to be reached."""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from wire import Closed

TIMEOUT = 30


class Redis:
    """A running server. `configuration` are lines of redis.conf."""

    def __init__(self, *configuration):
        # not pytest's folder: the path of a unix socket is short
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.directory / "s"
        self.file = self.directory / "redis.conf"
        self.file.write_text("\n".join([
            "port 0", f"unixsocket {self.socket}", "unixsocketperm 777", f"dir {self.directory}",
            'save ""', "appendonly no", f"logfile {self.directory}/log", *configuration, ""]))
        self.process = None
        self.start()

    def start(self):
        """Starts it, again when it was killed, and waits until it answers."""
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(["redis-server", self.file], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(OSError):
                with self.connection():
                    return
            assert self.process.poll() is None and time.monotonic() < deadline, (
                self.directory / "log").read_text()
            select.select([], [], [], 0.02)

    def connection(self):
        """A connected socket."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(TIMEOUT)
            sock.connect(str(self.socket))
        except OSError:
            sock.close()
            raise
        return sock

    def all(self, *commands):
        """Commands over one connection; their answers: texts, numbers, lists of them, None."""
        with self.connection() as sock, sock.makefile("rb") as stream:
            answers = []
            for words in commands:
                sock.sendall(b"".join([b"*%d\r\n" % len(words)] + [
                    b"$%d\r\n%s\r\n" % (len(w), w) for w in map(os.fsencode, map(str, words))]))
                answers.append(read(stream))
            return answers

    def do(self, *words):
        """One command."""
        return self.all(words)[0]

    def keys(self, pattern="*"):
        """The names that stand there."""
        return self.do("KEYS", pattern)

    def owed(self, name):
        """What the only key of a rate is used up ahead, in seconds, as of when it was told last."""
        found = self.keys(f"*:{name}:rate")
        if not found:
            return 0
        used_up, written = map(int, self.do("GET", found[0]).split())
        return (used_up - written) / 1e6

    def wait(self, predicate, what):
        """Waits for something that shows in the server alone."""
        deadline = time.monotonic() + TIMEOUT
        while not predicate():
            assert time.monotonic() < deadline, f"no sign of: {what}"
            select.select([], [], [], 0.01)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def freeze(self):
        """It stands still; who connects is not refused."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """Ends it and takes its folder away."""
        if self.process.poll() is None:
            self.thaw()
            self.kill()
        shutil.rmtree(self.directory)


def read(stream):
    """One answer of RESP 2; errors are texts with their "-"."""
    line = stream.readline().rstrip(b"\r\n").decode()
    kind, rest = line[:1], line[1:]
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [read(stream) for _ in range(int(rest))]
    return int(rest) if kind == ":" else line if kind == "-" else rest


def relay(server):
    """A step of a scripted listener: what comes goes on to the server, and back."""
    def run(_origin, connection):
        front = connection.sock
        with server.connection() as behind:
            while True:
                pending = getattr(front, "pending", lambda: 0)
                ready = [front] if pending() else select.select([front, behind], [], [], TIMEOUT)[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        raise Closed()
                    (behind if source is front else front).sendall(data)

    return run
