"""Stand-ins for the services the gateway's own keys come from: the metadata service of a machine with
an agency, and IAM, which exchanges ID tokens. Each misbehaves as it is told.

As the vendor's SDKs speak to them; nothing of the gateway is used here.
"""

import json
import threading
import time

from listener import Listener
from wire import Closed

LARGE = 10 << 20  # bytes of an answer nobody wants


def stamp(seconds, digits=6):
    """A time as the services write it."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{'0' * digits}Z" if digits else f"{text}Z"


class Source(Listener):
    """A service that hands keys out. `lifetime` is how long a key holds from when it is handed out
    first; `fault` names what goes wrong from now on, None: nothing; `ahead` sets its clock."""

    def __init__(self, context=None, lifetime=3600):
        self.lifetime = lifetime
        self.fault = None
        self.ahead = 0
        self.token = "token-1"  # what a caller must bring
        self.number = 0
        self.key = None
        self.changed = threading.Condition()
        self.renew()
        super().__init__(context)

    def renew(self, lifetime=None):
        """A new key from now on."""
        with self.changed:
            self.number += 1
            ends = time.time() + (self.lifetime if lifetime is None else lifetime)
            self.key = {"access": f"TEMPAK{self.number}", "secret": f"temp-secret-{self.number}",
                        "securitytoken": f"temp-token-{self.number}", "expires_at": stamp(ends)}
            return self.key

    def keys(self):
        """All access keys that were handed out, with their secrets: the service's own list."""
        return {f"TEMPAK{n}": f"temp-secret-{n}" for n in range(1, self.number + 1)}

    def serve(self, connection):
        try:
            while True:
                request = connection.wire.head()
                connection.wire.body(request)
                self.note(connection, request)
                if not self.misbehave(connection, request):
                    self.send(connection, *self.answer(request))
        except Closed:
            pass

    def send(self, connection, status, value, *fields):
        """An answer: a JSON value, or text."""
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + self.ahead))
        head = [f"HTTP/1.1 {status} X", f"Date: {date}", "Content-Type: application/json",
                f"Content-Length: {len(body)}", *fields]
        connection.send(("\r\n".join(head) + "\r\n\r\n").encode() + body)

    def misbehave(self, connection, request):
        """Does what `fault` says; False: nothing, the request is answered as it should be."""
        fault = self.fault
        if callable(fault):
            fault = fault(request)
        if fault is None:
            return False
        if isinstance(fault, int):
            self.send(connection, fault, {"message": "told to"})
        elif isinstance(fault, tuple):  # a status and fields
            self.send(connection, fault[0], {"message": "told to"}, *fault[1:])
        else:
            getattr(self, f"fault_{fault}")(connection, request)
        return True

    def fault_slow(self, connection, _request):
        """Never answers."""
        connection.wire.rest()

    def fault_half(self, connection, _request):
        """Half an answer, then the end."""
        connection.send(b"HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{\"credential\": {\"access\": \"A")
        connection.finish()
        connection.wire.rest()

    def fault_nonsense(self, connection, _request):
        """What is no HTTP."""
        connection.send(b"\x00\x01\x02 nonsense\r\n\r\n")
        connection.finish()
        connection.wire.rest()

    def fault_large(self, connection, _request):
        """Ten megabytes."""
        connection.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % LARGE)
        try:
            for _ in range(LARGE // 65536):
                connection.send(b" " * 65536)
        except OSError:
            pass  # nobody takes it

    def fault_redirect(self, connection, _request):
        """Another place."""
        self.send(connection, 302, {}, f"Location: http://127.0.0.1:{self.port}/elsewhere")

    def fault_reset(self, connection, _request):
        """The connection breaks."""
        connection.reset()

    def fault_text(self, connection, _request):
        """An answer that is not JSON."""
        self.send(connection, 200, "<html>welcome</html>")

    def fault_empty(self, connection, _request):
        """JSON without a key."""
        self.send(connection, 200, {})

    def fault_expired(self, connection, _request):
        """A key that has ended."""
        self.send(connection, 200, {"credential": {**self.key, "expires_at": stamp(time.time() - 1)}})

    def fault_halfkey(self, connection, _request):
        """A key without its token."""
        self.send(connection, 200, {"credential": {k: v for k, v in self.key.items()
                                                   if k != "securitytoken"}})

    def answer(self, request):
        """Status, value and fields of a good answer; for subclasses."""
        raise NotImplementedError


class Metadata(Source):
    """The metadata service. `version` 1 gives no tokens and asks for none; `agency` False: the
    machine has none."""

    version = 2
    agency = True

    def answer(self, request):
        if request.target == "/meta-data/latest/api/token":
            if self.version == 1:
                return 404, {"message": "not found"}
            if request.method != "PUT" or request.all("X-Forwarded-For"):
                return 400, {"message": "bad"}
            if request.all("X-Metadata-Token-Ttl-Seconds") != ["21600"]:
                return 400, {"message": "no lifetime"}
            return 200, self.token
        if (request.method, request.target) != ("GET", "/openstack/latest/securitykey"):
            return 404, {"message": "not found"}
        if self.version == 2 and request.get("X-Metadata-Token") != self.token:
            return 401, {"message": "token"}
        if not self.agency:
            return 401, {"message": "Please configure Cloud Service Agency first"}
        return 200, {"credential": self.key}


class Iam(Source):
    """IAM: a token for an ID token, then a key for that token."""

    idp = "my-idp"
    id_token = "id-token-1"

    def answer(self, request):
        if request.method != "POST":
            return 404, {"error_msg": "not found"}
        value = json.loads(request.body)
        if request.target == "/v3.0/OS-AUTH/id-token/tokens":
            good = request.get("X-Idp-Id") == self.idp and \
                value == {"auth": {"id_token": {"id": self.id_token}}}
            if not good:
                return 401, {"error_msg": "the ID token is not taken"}
            return (201, {"token": {"expires_at": stamp(time.time() + 86400)}},
                    f"X-Subject-Token: {self.token}")
        if request.target == "/v3.0/OS-CREDENTIAL/securitytokens":
            identity = {"methods": ["token"], "token": {"id": self.token, "duration_seconds": 21600}}
            if value != {"auth": {"identity": identity}}:
                return 401, {"error_msg": "the token is not taken"}
            return 201, {"credential": self.key}
        return 404, {"error_msg": "not found"}
