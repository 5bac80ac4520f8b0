"""A TCP or TLS server with one thread per connection that a test can end without leftovers."""

import socket
import struct
import ssl
import threading

from wire import Wire

TIMEOUT = 20  # seconds; a test that waits longer has failed


class Connection:
    """One accepted connection and what is known of it."""

    def __init__(self, number, sock):
        self.number = number
        self.sock = sock
        self.wire = None  # made when TLS is up
        self.tls = None  # version, "TLSv1.3"
        self.sni = None
        self.resumed = False
        self.error = None  # how the TLS handshake or the script ended, when badly
        self.requests = []
        self.done = threading.Event()
        self.owner = None  # the thread that serves it

    def send(self, data):
        """Sends all of it."""
        self.sock.sendall(data)

    def finish(self):
        """Ends our direction only."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def hang_up(self):
        """Ends the connection for whoever reads from it; from any thread."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        """Ends the connection; with TLS, with a close_notify when the peer still takes one. Its own
        thread alone may: the number of a descriptor that another one reads is soon another's."""
        assert threading.current_thread() is self.owner
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(0)
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.sock.close()

    def wait_end(self):
        """Waits until the peer ends the connection; returns what came before that."""
        try:
            return self.wire.rest()
        except ConnectionError:
            return bytes(self.wire.buffer)


def server_context(certificate, key=None, minimum=None, maximum=None, weak=False):
    """An SSLContext for a server; `certificate` holds the chain, `key` defaults beside it; `weak`
    allows keys and versions that OpenSSL's defaults refuse."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if weak:
        context.set_ciphers("ALL:@SECLEVEL=0")
    if minimum is not None:
        context.minimum_version = minimum
    if maximum is not None:
        context.maximum_version = maximum
    context.load_cert_chain(certificate, key or str(certificate).replace(".pem", ".key"))
    context.sni_callback = lambda sock, name, _context: setattr(sock, "asked_name", name)
    return context


class Listener:
    """Listens on 127.0.0.1; runs `self.serve(connection)` in a thread for each connection."""

    def __init__(self, context=None, port=0):
        self.context = context
        self.lock = threading.Condition()
        self.connections = []
        self.log = []  # requests of all connections, in the order they came
        self.threads = []
        self.closing = False
        self.sock = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.sock.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        """Takes connections until close()."""
        while True:
            try:
                sock, _address = self.sock.accept()
            except OSError:
                return
            sock.settimeout(TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                if self.closing:
                    sock.close()
                    return
                connection = Connection(len(self.connections), sock)
                self.connections.append(connection)
                self.lock.notify_all()
            thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection):
        """TLS, then serve(); whatever goes wrong is noted in the connection."""
        connection.owner = threading.current_thread()
        try:
            if self.context:
                connection.sock = self.context.wrap_socket(connection.sock, server_side=True)
                connection.tls = connection.sock.version()
                connection.sni = getattr(connection.sock, "asked_name", None)
                connection.resumed = connection.sock.session_reused
            connection.wire = Wire(connection.sock)
            self.serve(connection)
        except Exception as error:  # noted, and shown by the test that looks
            connection.error = error
        finally:
            connection.close()
            with self.lock:
                connection.done.set()
                self.lock.notify_all()

    def serve(self, connection):
        """What happens on a connection; for subclasses."""
        raise NotImplementedError

    def note(self, connection, request):
        """Records a request."""
        with self.lock:
            connection.requests.append(request)
            self.log.append(request)
            self.lock.notify_all()

    @property
    def requests(self):
        """All requests so far, in the order they came."""
        with self.lock:
            return list(self.log)

    def wait(self, predicate):
        """Waits until the predicate holds (it is asked whenever something was recorded)."""
        with self.lock:
            assert self.lock.wait_for(predicate, TIMEOUT), "the origin did not see what was due"

    def forget(self):
        """Drops the record of requests."""
        with self.lock:
            self.log.clear()
            for connection in self.connections:
                connection.requests.clear()

    def close(self):
        """Ends all connections and threads."""
        with self.lock:
            self.closing = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.sock.close()
        self.acceptor.join(TIMEOUT)
        for connection in self.connections:
            connection.hang_up()
        for thread in self.threads:
            thread.join(TIMEOUT)
