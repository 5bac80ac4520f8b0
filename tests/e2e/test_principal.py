"""What the audit log calls a client with a token."""

import hashlib
import hmac
import signal

import audit
from client import Client, request

KEYS = b"0123456789abcdef0123456789abcdef", b"another key: 0123456789abcdef012"


def digest(key, text):
    """HMAC-SHA256."""
    return hmac.new(key, text.encode(), hashlib.sha256)


def called(key, token):
    """conf/audit.md: an HMAC under a key made from audit_key_file."""
    return "hmac-sha256:" + digest(digest(key, "trainguard audit salt").digest(), token).hexdigest()[:32]


def told(log, client, field):
    """The principal of one more request."""
    before = len(audit.records(log))
    client.send(request("GET", "/x", None, *([field] if field else [])))
    assert client.final().status == 200
    return audit.wait(log, before + 1)[-1].get("principal")


def test_tokens(gateway, origin, tmp_path):
    """Which tokens came before, on this connection or another, changes nothing; another key does."""
    key = tmp_path / "audit.key"
    key.write_bytes(KEYS[0])
    key.chmod(0o600)
    guard = gateway(origin(), main=f"audit_key_file {key};")
    log = guard.directory / "audit.jsonl"
    one, other = ("A" * 300 + middle + "Z" * 300 for middle in ("one", "two"))
    rows = [(f"X-Auth-Token: {one}", one), (f"X-Auth-Token: {other}", other),
            (f"X-Auth-Token: {one}", one), (None, None), (f"Authorization: Bearer {one}", one),
            (f"X-Auth-Token: {one}z", one + "z"), ("X-Auth-Token: short", "short"),
            (f"X-Auth-Token: {other}", other), (f"X-Auth-Token: {one}", one)]
    for _ in range(2):
        with Client(guard.port) as client:
            for field, token in rows:
                assert told(log, client, field) == (called(KEYS[0], token) if token else None)
    key.write_bytes(KEYS[1])
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    with Client(guard.port) as client:
        assert told(log, client, rows[0][0]) == called(KEYS[1], one)
