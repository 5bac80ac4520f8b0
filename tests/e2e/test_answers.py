"""The fields of answers: what the gateway writes into its own, and what it adds to relayed ones."""

from client import ask, request
from origin import again, read


def relayed(gateway, origin, head, body=b"", method="GET"):
    """The client's view of a raw answer."""
    behind = origin([read, head + body, again])
    return ask(gateway(behind).port, request(method), method)


def test_length_is_canonical(gateway, origin):
    """Content-Length goes on in its canonical form, in both directions, also of a HEAD."""
    behind = origin([read, b"HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok", again])
    port = gateway(behind).port
    data = b"POST /x HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 003\r\n\r\nabc"
    assert ask(port, data).get("Content-Length") == "2"
    assert behind.requests[0].get("Content-Length") == "3"
    assert relayed(gateway, origin, b"HTTP/1.1 200 OK\r\nContent-Length: 0070\r\n\r\n",
                   method="HEAD").get("Content-Length") == "70"
