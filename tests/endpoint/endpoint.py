#!/usr/bin/python3
"""The stand-in ModelArts endpoint: a TLS server that answers as the API is documented (api.py) and
misbehaves on demand (faults.py). A tool for tests and demonstrations.

As a module: `with Endpoint(context) as e: ... e.port, e.requests`. As a program it prints one line
of JSON with its ports, and tells on a second, plain port what it received:
    GET /__requests    a JSON array, one object for each request, oldest first
    DELETE /__requests forgets them
"""

import argparse
import base64
import json
import signal
import sys
import threading

import faults
import signing
from api import Api
from listener import Listener, server_context
from wire import Closed, Malformed

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
           405: "Method Not Allowed"}


def render(status, value, request_id=None):
    """Head and body of an answer with a JSON value."""
    body = json.dumps(value, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nServer: stand-in\r\n"
    head += "Content-Type: application/json\r\n"
    if request_id:
        head += f"X-Request-Id: {request_id}\r\n"
    return head.encode("latin-1") + b"Content-Length: %d\r\n\r\n" % len(body), body


class Endpoint(Listener):
    """The endpoint. `script` replaces X-Stand-In for a test: fault names, one for each request. With
    `keys` (signing.Keys) it takes signed requests alone, and refuses signatures as the service does."""

    def __init__(self, context=None, port=0, script=(), keys=None):
        self.api = Api()
        self.keys = keys
        self.trouble = {}  # part of a target -> names of faults, one for each request, the last for all
        self.script = iter(script)
        super().__init__(context, port)

    def serve(self, connection):
        try:
            while self.exchange(connection):
                pass
        except Closed:
            if connection.wire.buffer:
                raise

    def fault(self, request, table):
        """The fault for a request: the script's next, else what the request asks for."""
        due = next((f for part, f in self.trouble.items() if part in request.target), None)
        if due and table is faults.ANSWERS:
            name, _, number = (due.pop(0) if len(due) > 1 else due[0]).partition("=")
            return (table[name], int(number or 0)) if name in table else None
        if not hasattr(request, "scripted"):
            request.scripted = next(self.script, None)
        if request.scripted is not None:
            return (table[request.scripted], 0) if request.scripted in table else None
        return faults.find(request, table)

    def exchange(self, connection):
        """One request and its answer; False when the connection ends."""
        wire = connection.wire
        try:
            request = wire.head()
            before = self.fault(request, faults.BEFORE_BODY)
            if before:
                self.note(connection, request)
                head, body = render(200, {"is_success": True})
                if not before[0](connection, head, body, before[1]):
                    connection.finish()
                    wire.rest()
                    return False
            if request.get("Expect", "").lower() == "100-continue" and not before:
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            wire.body(request)
        except Malformed as error:
            head, body = render(400, {"is_success": False, "error_code": "APIG.0201",
                                      "error_msg": f"Bad request: {error}"})
            connection.send(faults.field(head, b"Connection: close") + body)
            return False
        if before:
            return True
        self.note(connection, request)
        return self.answer(connection, request)

    def judge(self, request):
        """The API's answer, or the refusal of a signature."""
        try:
            if self.keys:
                self.keys.check(request.method, request.target, request.fields, request.body)
        except signing.Refused as refused:
            return 401, {"error_code": "APIGW.0301", "error_msg": str(refused),
                         "request_id": "stand-in"}
        return self.api.answer(request)

    def answer(self, connection, request):
        """Sends the API's answer, or what a fault makes of it."""
        status, value = self.judge(request)
        head, body = render(status, value, request.get("X-Request-Id"))
        close = "close" in [v.lower() for v in request.all("Connection")]
        fault = self.fault(request, faults.ANSWERS)
        if fault:
            return bool(fault[0](connection, head, body, fault[1])) and not close
        if close:
            head = faults.field(head, b"Connection: close")
        connection.send(head if request.method == "HEAD" else head + body)
        return not close

    def described(self):
        """All requests as JSON values."""
        with self.lock:
            return [describe(c, r) for c in self.connections for r in c.requests]


def describe(connection, request):
    """One received request as a JSON value; bytes as they came, in Base64."""
    return {
        "connection": connection.number, "tls": connection.tls, "sni": connection.sni,
        "method": request.method, "target": request.target, "fields": request.fields,
        "head": base64.b64encode(request.head).decode(),
        "body": base64.b64encode(request.body).decode(),
    }


class Control(Listener):
    """The plain port that tells what the endpoint received."""

    def __init__(self, endpoint, port=0):
        self.endpoint = endpoint
        super().__init__(None, port)

    def serve(self, connection):
        request = connection.wire.request()
        if request.target != "/__requests":
            head, body = render(404, None)
        elif request.method == "DELETE":
            self.endpoint.forget()
            head, body = render(200, None)
        else:
            head, body = render(200, self.endpoint.described())
        connection.send(faults.field(head, b"Connection: close") + body)


def main():
    """The program."""
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--control-port", type=int, default=0)
    options.add_argument("--plain", action="store_true", help="no TLS")
    options.add_argument("--cert", help="certificate chain (PEM)")
    options.add_argument("--key", help="its key; default: the certificate's name with .key")
    chosen = options.parse_args()
    if not chosen.plain and not chosen.cert:
        options.error("--cert or --plain is needed")
    context = None if chosen.plain else server_context(chosen.cert, chosen.key)
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with Endpoint(context, chosen.port) as endpoint, Control(endpoint, chosen.control_port) as control:
        print(json.dumps({"port": endpoint.port, "control": control.port}), flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
