"""Forward proxies: real ones (tinyproxy, Squid) behind a tap that notes what it is asked, and steps for
scripted ones (origin.py)."""

import select
import shutil
import socket
import ssl
import subprocess
import threading

from listener import Listener

TRIES = 20
TIMEOUT = 20
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 100
LogFile "{dir}/tinyproxy.log"
LogLevel Connect
PidFile "{dir}/tinyproxy.pid"
{more}
"""

SQUID = """
http_port 127.0.0.1:{port}
pid_filename none
cache_log /dev/null
access_log none
cache deny all
memory_cache_shared off
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname proxy.test
auth_param basic program /bin/sed -u -e "s/^gateway pass-word$/OK/;t" -e "s/.*/ERR/"
auth_param basic children 1 startup=1
acl known proxy_auth REQUIRED
{more}
http_access allow known
http_access deny all
"""


def free_port():
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def readable(one, two):
    """Which of two sockets can be read."""
    held = [s for s in (one, two) if isinstance(s, ssl.SSLSocket) and s.pending()]
    return held or select.select([one, two], [], [], TIMEOUT)[0]


def pump(one, two):
    """Moves bytes both ways until one side ends; False when it was not in order."""
    other = {one: two, two: one}
    try:
        while ready := readable(one, two):
            for sock in ready:
                data = sock.recv(65536)
                if not data:
                    return True
                other[sock].sendall(data)
    except (OSError, ValueError):
        pass
    return False


class Tap(Listener):
    """Stands before a proxy: notes the head of what each connection asks first, passes all on, and
    can cut every tunnel."""

    def __init__(self, port):
        self.behind = port
        self.inner = []
        super().__init__()

    def serve(self, connection):
        head = connection.wire.head()
        self.note(connection, head)
        early = bytes(connection.wire.buffer)
        with socket.create_connection(("127.0.0.1", self.behind), TIMEOUT) as inner:
            with self.lock:
                self.inner.append(inner)
            inner.sendall(head.head + early)
            pump(connection.sock, inner)

    def heads(self):
        """What was asked, as text."""
        return [r.head.decode("latin-1") for r in self.requests]


class RealProxy:
    """A program of Debian's on a free port. `more` are lines of its configuration."""

    config = ""

    def __init__(self, directory, *more):
        for _ in range(TRIES):
            self.port = free_port()
            if self.start(directory, more):
                return
        raise RuntimeError(f"{type(self).__name__} does not start")

    def command(self, path):
        """How it is started with a configuration."""
        raise NotImplementedError

    def start(self, directory, more):
        """False when somebody else has the port by now."""
        path = directory / f"{type(self).__name__}.conf"
        path.write_text(self.config.format(port=self.port, dir=directory, more="\n".join(more)))
        self.process = subprocess.Popen(self.command(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), TIMEOUT).close()
                return True
            except ConnectionRefusedError:
                threading.Event().wait(0.01)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(TIMEOUT)


class Tinyproxy(RealProxy):
    """tinyproxy."""

    config = TINYPROXY

    def command(self, path):
        return [shutil.which("tinyproxy"), "-d", "-c", path]


class Squid(RealProxy):
    """Squid with the user "gateway", "pass-word". Its name keeps its shared memory apart from that of others."""

    config = SQUID

    def command(self, path):
        return [shutil.which("squid") or "/usr/sbin/squid", "-N", "-n", f"squid{self.port}", "-f", path]


def tunnel(port):
    """A step of a script: answers CONNECT and passes on to a port."""
    def step(_origin, connection):
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as inner:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump(connection.sock, inner)
    return step


def tunnel_where_asked(origin, connection):
    """The same to the port the last request named, on this machine."""
    tunnel(int(connection.requests[-1].target.rpartition(":")[2]))(origin, connection)
