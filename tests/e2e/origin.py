"""A scripted upstream: a test gives each connection a list of steps.

Bytes are sent as they are; the other steps are the functions below. Connections beyond the list
run its last script; a script begins anew when it asks for it with AGAIN.
"""

from listener import Listener
from wire import Closed


def read(origin, connection):
    """Reads a whole request and records it."""
    origin.note(connection, connection.wire.request())


def read_head(origin, connection):
    """Reads a request's head and records it."""
    origin.note(connection, connection.wire.head())


def read_some(_origin, connection):
    """Reads once."""
    connection.wire.more()


def finish(_origin, connection):
    """Ends our direction."""
    connection.finish()


def close(_origin, connection):
    """Closes now, whatever was not read."""
    connection.sock.close()
    raise Closed()


def reset(_origin, connection):
    """RST."""
    connection.reset()
    raise Closed()


def wait_end(_origin, connection):
    """Waits until the gateway ends the connection."""
    connection.wait_end()


def again(_origin, _connection):
    """Starts the script anew."""


def answer(body=b"ok", status="200 OK", *fields):
    """The bytes of an answer with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


OK = [read, answer(), again]


class Origin(Listener):
    """The scripted upstream."""

    def __init__(self, *scripts, context=None):
        self.scripts = scripts or (OK,)
        super().__init__(context)

    def serve(self, connection):
        script = self.scripts[min(connection.number, len(self.scripts) - 1)]
        try:
            while self.play(connection, script):
                pass
        except Closed:
            if connection.wire.buffer:
                raise

    def play(self, connection, script):
        """Runs the steps; True when the last one was AGAIN."""
        for step in script:
            if isinstance(step, bytes):
                connection.send(step)
            else:
                step(self, connection)
        return script[-1] is again

    def seen(self):
        """The requests so far, as `METHOD target body`."""
        return [line(r) for r in self.requests]

    @property
    def bytes_received(self):
        """Application bytes of all connections."""
        return sum(c.wire.count for c in self.connections if c.wire)


def line(request):
    """A request in one line."""
    text = f"{request.method} {request.target}"
    return f"{text} {request.body.decode('latin-1')}" if request.body else text
