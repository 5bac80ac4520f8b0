"""Misbehaviour on demand: `X-Stand-In: NAME` or `NAME=NUMBER` in a request to the stand-in.

One table. A fault gets the connection, the answer that would be right (head and body as bytes) and
the number. It returns True when the connection can go on to the next request.
"""

import time

JUNK = b"\x16\x03\x01 this is not HTTP\r\n\r\n"
PAUSE = 0.05  # between the pieces of what is slow; slow is a matter of pieces, not of seconds


def pieces(connection, data, n):
    """Sends data in n-byte pieces, each in a segment of its own."""
    for at in range(0, len(data), n):
        connection.send(data[at : at + n])
        time.sleep(PAUSE)
    return True


def close_now(connection, _head, _body, _n):
    """Closes without a byte."""


def reset(connection, _head, _body, _n):
    """RST without a byte."""
    connection.reset()


def close_mid_head(connection, head, _body, n):
    """Closes after n bytes of the head."""
    connection.send(head[: n or len(head) // 2])


def close_mid_body(connection, head, body, n):
    """Closes after n bytes of the body."""
    connection.send(head + body[: n or len(body) // 2])


def reset_mid_body(connection, head, body, n):
    """RST after n bytes of the body."""
    connection.send(head + body[: n or len(body) // 2])
    connection.reset()


def slow_head(connection, head, body, n):
    """The head in pieces."""
    pieces(connection, head, n or max(16, len(head) // 8))
    connection.send(body)
    return True


def slow_body(connection, head, body, n):
    """The body in pieces."""
    connection.send(head)
    return pieces(connection, body, n or max(4, len(body) // 8))


def silent(connection, _head, _body, _n):
    """Never answers."""
    connection.wait_end()


def garbage(connection, _head, _body, _n):
    """Bytes that are not HTTP."""
    connection.send(JUNK)


def length_short(connection, head, body, _n):
    """A Content-Length one too small: one byte follows the answer."""
    connection.send(head.replace(b"Content-Length: %d" % len(body),
                                 b"Content-Length: %d" % (len(body) - 1)) + body)


def length_long(connection, head, body, _n):
    """A Content-Length one too large, then the end."""
    connection.send(head.replace(b"Content-Length: %d" % len(body),
                                 b"Content-Length: %d" % (len(body) + 1)) + body)


def length_and_chunked(connection, head, body, _n):
    """Content-Length and Transfer-Encoding."""
    connection.send(field(head, b"Transfer-Encoding: chunked") + chunks(body, 8))


def bad_chunk(connection, head, body, _n):
    """A chunk size that is no number."""
    connection.send(chunked_head(head) + b"5\r\n" + body[:5] + b"\r\nxyz\r\n")


def chunked(connection, head, body, n):
    """The right answer, in n-byte chunks."""
    connection.send(chunked_head(head) + chunks(body, n or 8))
    return True


def until_close(connection, head, body, _n):
    """The right answer, its end the end of the connection."""
    connection.send(without(head, b"Content-Length") + body)


def interim(connection, head, body, n):
    """n interim answers before the right one."""
    connection.send(b"HTTP/1.1 102 Processing\r\n\r\n" * (n or 1) + head + body)
    return True


def early(connection, head, body, _n):
    """The right answer before the request's body was read, then the end."""
    connection.send(field(head, b"Connection: close") + body)


def early_keep(connection, head, body, _n):
    """The right answer before the request's body was read; the body is read afterwards."""
    connection.send(head + body)
    return True


def failed(connection, _head, _body, _n):
    """200 with is_success false."""
    body = b'{"is_success": false, "error_code": "ModelArts.0010", "error_msg": "System error."}'
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return True


def extra(connection, head, body, _n):
    """A second answer that nobody asked for."""
    connection.send((head + body) * 2)
    return True


def stale(connection, head, body, _n):
    """The right answer, then the end without having said so."""
    connection.send(head + body)


def big(connection, _head, _body, n):
    """n bytes of body."""
    n = n or 1 << 20
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                    b"Content-Length: %d\r\n\r\n" % n)
    block = bytes(range(256)) * 256
    while n > 0:
        connection.send(block[:n])
        n -= len(block)
    return True


def huge_head(connection, head, body, n):
    """A head with a field of n bytes."""
    connection.send(field(head, b"X-Huge: " + b"a" * (n or 1 << 20)) + body)
    return True


def empty(connection, _head, _body, n):
    """An answer without a body: 204 or 304."""
    connection.send(b"HTTP/1.1 %d Nothing\r\n\r\n" % (n or 204))
    return True


def status(connection, _head, body, n):
    """The right body under another status."""
    connection.send(b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n" % (n or 500, len(body)) + body)
    return True


def field(head, line):
    """A head with one more field."""
    return head[:-2] + line + b"\r\n\r\n"


def without(head, name):
    """A head without a field."""
    lines = head[:-4].split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(name + b":")) + b"\r\n\r\n"


def chunked_head(head):
    """A head that announces chunks."""
    return field(without(head, b"Content-Length"), b"Transfer-Encoding: chunked")


def chunks(body, n):
    """A body in n-byte chunks."""
    cut = (body[at : at + n] for at in range(0, len(body), n))
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in cut) + b"0\r\n\r\n"


# Run before the request's body was read, or instead of the answer.
BEFORE_BODY = {"early": early, "early-keep": early_keep, "reset-early": reset}
ANSWERS = {
    "close": close_now, "reset": reset, "close-mid-head": close_mid_head,
    "close-mid-body": close_mid_body, "reset-mid-body": reset_mid_body, "slow-head": slow_head,
    "slow-body": slow_body, "silent": silent, "garbage": garbage, "length-short": length_short,
    "length-long": length_long, "length-and-chunked": length_and_chunked, "bad-chunk": bad_chunk,
    "chunked": chunked, "until-close": until_close, "interim": interim, "failed": failed,
    "extra": extra, "stale": stale, "big": big, "huge-head": huge_head, "empty": empty,
    "status": status,
}


def find(request, table):
    """The fault a request asks for, with its number, or None."""
    name, _, number = (request.get("X-Stand-In") or "").partition("=")
    return (table[name], int(number or 0)) if name in table else None
