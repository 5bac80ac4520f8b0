"""Signatures of requests as the service checks them, and as its SDKs make them.

SDK-HMAC-SHA256 and V11-HMAC-SHA256, from the vendor's description of the algorithm. Nothing of the
gateway is used here: this is the judge of what it sends.

As a program, with the secret key in $SECRET:
    signing.py sign ACCESS_KEY METHOD URL FILE   prints the fields of a signed request
    signing.py check ACCESS_KEY                  judges the last of the requests that the stand-in
                                                 tells of (JSON on standard input)
"""

import base64
import calendar
import hashlib
import hmac
import json
import os
import pathlib
import re
import sys
import threading
import time
from urllib.parse import quote, unquote_to_bytes, urlsplit

SKEW = 900  # seconds
TRIES = 5  # failures in a row; the next one finds the key locked
LOCKED = 300  # seconds
UNSIGNED = "UNSIGNED-PAYLOAD"
SCHEMES = ("SDK-HMAC-SHA256", "V11-HMAC-SHA256")


class Refused(Exception):
    """Why a signature does not hold: a word, and the text the service would answer."""

    def __init__(self, word, text):
        super().__init__(text)
        self.word = word


def escape(raw):
    """Everything but unreserved characters as %XX."""
    return quote(raw, safe="-_.~")


def canonical_path(path):
    """Each segment decoded once and escaped; with a slash at the end."""
    text = "/".join(escape(unquote_to_bytes(part)) for part in path.split("/"))
    return text if text.endswith("/") else text + "/"


def canonical_query(query):
    """Decoded pairs sorted by name, then value, and escaped."""
    pairs = []
    for piece in filter(None, query.split("&")):
        name, _, value = piece.partition("=")
        pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return "&".join(f"{escape(n)}={escape(v)}" for n, v in sorted(pairs))


def canonical_request(method, target, fields, signed, payload):
    """The text whose hash is signed; a signed field that is not there exactly once is refused."""
    path, _, query = target.partition("?")
    lines = [method, canonical_path(path), canonical_query(query)]
    for name in signed:
        values = [v for n, v in fields if n.lower() == name]
        if len(values) != 1:
            raise Refused("mismatch", f"{name} is there {len(values)} times")
        lines.append(f"{name}:{values[0].strip()}")
    return "\n".join(lines + ["", ";".join(signed), payload])


def signing_key(scheme, access_key, secret, scope):
    """The bytes the string to sign is signed with."""
    if scheme == "SDK-HMAC-SHA256":
        return secret.encode()
    extracted = hmac.new(access_key.encode(), secret.encode(), hashlib.sha256).digest()
    return hmac.new(extracted, scope.encode() + b"\x01", hashlib.sha256).hexdigest().encode()


def signature(scheme, access_key, secret, date, scope, canonical):
    """The hex text behind Signature=."""
    lines = [scheme, date] + ([scope] if scheme == "V11-HMAC-SHA256" else [])
    lines.append(hashlib.sha256(canonical.encode("latin-1")).hexdigest())
    key = signing_key(scheme, access_key, secret, scope)
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def parse(value):
    """(scheme, access key, scope, signed names, signature) of an Authorization field."""
    scheme, _, rest = value.partition(" ")
    if scheme not in SCHEMES:
        raise Refused("malformed", f"Unsupported algorithm {scheme}")
    members = {}
    for part in rest.split(","):
        name, equals, text = part.strip(" \t").partition("=")
        if not equals or name in members or name not in ("Access", "Credential", "SignedHeaders",
                                                         "Signature"):
            raise Refused("malformed", f"Authorization has {part!r}")
        members[name] = text
    if ("Access" in members) == ("Credential" in members):
        raise Refused("malformed", "one of Access and Credential is needed")
    key, _, scope = members.get("Access", members.get("Credential")).partition("/")
    signed = members.get("SignedHeaders", "").split(";")
    if not re.fullmatch("[0-9a-f]{64}", members.get("Signature", "")):
        raise Refused("malformed", "Signature")
    if "x-sdk-date" not in signed or any(n != n.lower() for n in signed):
        raise Refused("malformed", "SignedHeaders")
    return scheme, key, scope, signed, members["Signature"]


def seconds_of(date):
    """YYYYMMDDTHHMMSSZ as seconds."""
    if not re.fullmatch(r"\d{8}T\d{6}Z", date):
        raise Refused("malformed", f"X-Sdk-Date {date!r}")
    return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))


def verify(keys, method, target, fields, body, now=None):
    """The access key a request is signed with; raises Refused. `keys` maps access keys to secrets;
    `now` in seconds, None: time is not looked at."""
    values = [v for n, v in fields if n.lower() == "authorization"]
    if len(values) != 1:
        raise Refused("malformed", "one Authorization field is needed")
    scheme, access_key, scope, signed, claimed = parse(values[0])
    dates = [v.strip() for n, v in fields if n.lower() == "x-sdk-date"]
    if len(dates) != 1:
        raise Refused("mismatch", "X-Sdk-Date")
    when = seconds_of(dates[0])
    if scheme == "V11-HMAC-SHA256" and scope.split("/")[0] != dates[0][:8]:
        raise Refused("malformed", "the scope is of another day")
    if now is not None and abs(now - when) > SKEW:
        raise Refused("expired", f"signature expired, signature time:{dates[0]}")
    if access_key not in keys:
        raise Refused("unknown_key", f"ak {access_key} not exist")
    hashes = [v.strip() for n, v in fields if n.lower() == "x-sdk-content-sha256"]
    actual = hashlib.sha256(body).hexdigest()
    payload = hashes[0] if hashes else actual
    canonical = canonical_request(method, target, fields, signed, payload)
    if not hmac.compare_digest(claimed, signature(scheme, access_key, keys[access_key], dates[0],
                                                  scope, canonical)):
        raise Refused("mismatch", "verify aksk signature fail, canonicalRequest:" +
                      canonical.replace("\n", "|"))
    if payload not in (UNSIGNED, actual):
        raise Refused("body", "the body is not the one that was signed")
    return access_key


def sign(access_key, secret, method, target, fields, body, date=None, scheme="SDK-HMAC-SHA256",
         scope="", payload=None, names=("host", "content-type", "x-project-id", "x-sdk-date")):
    """`fields` with X-Sdk-Date and Authorization, as an SDK sends them. `payload` claims another
    hash than the body's."""
    date = date or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    fields = list(fields) + [("X-Sdk-Date", date)]
    if payload is not None:
        fields.append(("X-Sdk-Content-Sha256", payload))
        names = (*names, "x-sdk-content-sha256")
    signed = sorted(n for n in set(names) if any(f.lower() == n for f, _ in fields))
    canonical = canonical_request(method, target, fields, signed,
                                  payload or hashlib.sha256(body).hexdigest())
    made = signature(scheme, access_key, secret, date, scope, canonical)
    word = f"Credential={access_key}/{scope}" if scope else f"Access={access_key}"
    return fields + [("Authorization",
                      f"{scheme} {word}, SignedHeaders={';'.join(signed)}, Signature={made}")]


class Keys:
    """Access keys as the service keeps them: the sixth failure in a row finds the key locked."""

    def __init__(self, keys=(), clock=time.time):
        self.keys = dict(keys)
        self.clock = clock
        self.lock = threading.Lock()
        self.failures = {}  # access key -> (failures in a row, locked until)

    def check(self, method, target, fields, body):
        """As verify(), counting."""
        try:
            key = parse(next((v for n, v in fields if n.lower() == "authorization"), ""))[1]
            self.refuse_locked(key)
        except Refused as refused:
            if refused.word == "locked":
                raise
            key = None
        try:
            got = verify(self.keys, method, target, fields, body, self.clock())
        except Refused:
            self.count(key)
            raise
        with self.lock:
            self.failures.pop(got, None)
        return got

    def refuse_locked(self, key):
        """Raises while a key is locked."""
        with self.lock:
            failed, until = self.failures.get(key, (0, 0))
            if failed > TRIES and self.clock() < until:
                raise Refused("locked", "AK access failed to reach the limit,forbidden")

    def count(self, key):
        """Notes a failure."""
        with self.lock:
            failed, _ = self.failures.get(key, (0, 0))
            self.failures[key] = (failed + 1, self.clock() + LOCKED)


def print_fields(access_key, method, url, file):
    """The fields an SDK would send."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    fields = [("Host", parts.netloc), ("Content-Type", "application/json")]
    body = pathlib.Path(file).read_bytes()
    for name, value in sign(access_key, os.environ["SECRET"], method, target, fields, body):
        print(f"{name}: {value}")


def print_verdict(access_key):
    """Whether the last request is signed with the key; the exit code says so too."""
    last = json.load(sys.stdin)[-1]
    try:
        verify({access_key: os.environ["SECRET"]}, last["method"], last["target"], last["fields"],
               base64.b64decode(last["body"]), time.time())
    except Refused as refused:
        print(f"the signature does not hold: {refused}")
        return 1
    print(f"the signature of {access_key} holds over the repaired body")
    return 0


def main():
    """The program."""
    if sys.argv[1:2] == ["sign"] and len(sys.argv) == 6:
        print_fields(*sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["check"] and len(sys.argv) == 3:
        return print_verdict(sys.argv[2])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
