"""HTTP/1.1 as bytes: a strict reader for both directions that keeps what it saw.

Used by the stand-in endpoint, the scripted origin and the test client. It refuses what RFC 9112
leaves in doubt, so that a test cannot pass because two lenient parsers agree.
"""

import re

KEEP = 1 << 20  # raw bytes remembered per connection; counts go on behind that
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Closed(Exception):
    """The other side ended the connection where more bytes were due."""


class Malformed(Exception):
    """Bytes that are not HTTP/1.1."""


class Message:
    """One request or response: start line, fields in order, decoded body, and the raw head."""

    def __init__(self, head):
        lines = head.split(b"\r\n")
        self.head = head + b"\r\n\r\n"
        self.start = lines[0].decode("latin-1")
        self.fields = [self.field(line) for line in lines[1:]]
        self.body = b""
        self.chunks = []  # sizes, when the body came chunked
        self.trailers = []

    @staticmethod
    def field(line):
        """Splits a field line; names are tokens, folding and bare CR or LF are malformed."""
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or b"\r" in value or b"\n" in value:
            raise Malformed(f"field line {line!r}")
        return name.decode(), value.strip(b" \t").decode("latin-1")

    def all(self, name):
        """Every value of a field, in order."""
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name, default=None):
        """The one value of a field; twice is malformed."""
        values = self.all(name)
        if len(values) > 1:
            raise Malformed(f"{name} {len(values)} times: {values}")
        return values[0] if values else default

    @property
    def status(self):
        """The status of a response."""
        match = re.fullmatch(r"HTTP/1\.[01] ([1-5]\d\d) [^\r\n]*", self.start)
        if not match:
            raise Malformed(f"status line {self.start!r}")
        return int(match[1])

    @property
    def method(self):
        """The method of a request."""
        return self.start.split(" ")[0]

    @property
    def target(self):
        """The target of a request."""
        return self.start.split(" ")[1]


class Wire:
    """A socket with a read buffer."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()
        self.raw = bytearray()  # the first KEEP bytes that came
        self.count = 0  # all bytes that came

    def more(self):
        """Reads once; raises Closed at the end."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise Closed(f"closed after {self.count} bytes, {bytes(self.buffer[:200])!r} left over")
        self.raw += data[: max(0, KEEP - len(self.raw))]
        self.count += len(data)
        self.buffer += data

    def take(self, n):
        """Exactly n bytes."""
        while len(self.buffer) < n:
            self.more()
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def until(self, mark, limit=1 << 17):
        """The bytes before a mark, which is dropped."""
        at = 0
        while (found := self.buffer.find(mark, at)) < 0:
            at = max(0, len(self.buffer) - len(mark))
            if len(self.buffer) > limit:
                raise Malformed(f"no {mark!r} in {limit} bytes")
            self.more()
        data = bytes(self.buffer[:found])
        del self.buffer[: found + len(mark)]
        return data

    def chunked(self, message):
        """A chunked body with its trailers, into the message."""
        body = bytearray()
        while True:
            size = self.until(b"\r\n", 4096)
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise Malformed(f"chunk size {size!r}")
            message.chunks.append(int(size, 16))
            if message.chunks[-1] == 0:
                break
            body += self.take(message.chunks[-1])
            if self.take(2) != b"\r\n":
                raise Malformed("no CRLF behind a chunk")
        while line := self.until(b"\r\n", 8192):
            message.trailers.append(Message.field(line))
        message.body = bytes(body)

    def rest(self):
        """Everything until the connection ends."""
        try:
            while True:
                self.more()
        except Closed:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data

    def head(self):
        """A message without its body."""
        return Message(self.until(b"\r\n\r\n"))

    def body(self, message, bodiless=False, until_close=False):
        """Reads the body of a message whose head came, by RFC 9112 section 6.3."""
        coding, length = message.get("Transfer-Encoding"), message.get("Content-Length")
        if coding is not None and length is not None:
            raise Malformed("Transfer-Encoding with Content-Length")
        if bodiless:
            return
        if coding is not None:
            if coding.lower() != "chunked":
                raise Malformed(f"Transfer-Encoding {coding!r}")
            self.chunked(message)
        elif length is not None:
            if not re.fullmatch(r"\d{1,18}", length):
                raise Malformed(f"Content-Length {length!r}")
            message.body = self.take(int(length))
        elif until_close:
            message.body = self.rest()

    def request(self):
        """A whole request."""
        message = self.head()
        self.body(message)
        return message

    def response(self, method="GET"):
        """A whole response to a request with that method; 1xx answers come one by one."""
        message = self.head()
        none = method == "HEAD" or message.status < 200 or message.status in (204, 304)
        self.body(message, bodiless=none, until_close=True)
        return message
