"""What an idle connection costs."""

import socket

import load as loads
import machine


def resident(server):
    """kB of all the server's workers."""
    return sum(machine.rss_kb(server.workers()))


def ask(s, request):
    """One request and its whole answer (shorter than a segment)."""
    s.sendall(request)
    s.settimeout(10)
    answer = s.recv(65536)
    if b" 200 " not in answer.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"refused: {answer[:200]!r}")


def idle_connection(server, number):
    """kB per connection that has had one request and stays open. A few requests go before, so that
    what is allocated once is not counted."""
    request = loads.raw_request(loads.Load())
    held = []
    try:
        for i in range(number + 50):
            if i == 50:
                before = resident(server)
            # several addresses: one has no more than 28,000 ports
            held.append(socket.create_connection(("127.0.0.1", server.port),
                                                 source_address=(f"127.0.0.{2 + i % 4}", 0)))
            ask(held[-1], request)
        return (resident(server) - before) / number
    finally:
        for s in held:
            s.close()
