"""The stand-in's own check of signatures, judged by recorded ones before it judges the gateway."""

import base64
import json
from pathlib import Path

import pytest

import signing
from wire import Message

DATA = Path(__file__).parents[1] / "data" / "signing"
VECTORS = json.loads((DATA / "vectors.json").read_text(encoding="utf-8"))
PUBLIC = json.loads((DATA / "public_vectors.json").read_text(encoding="utf-8"))
SECRET = "tg-test-only/secret+1=not-a-real-key-000"
AK = "TGTESTAK0000000000D1"


def verdict(case, key=None):
    """The word the check says of a recorded request."""
    fields = [tuple(pair) for pair in case["headers"]]
    if "authorization" in case:
        fields.append(("Authorization", case["authorization"]))
    keys = {} if case.get("ak_known") is False else {key or case.get("ak", AK): case.get("sk", SECRET)}
    now = signing.seconds_of(case["now"]) if "now" in case else None
    try:
        signing.verify(keys, case["method"], case["target"],
                       [(n, v.encode().decode("latin-1")) for n, v in fields],
                       case.get("body", "").encode(), now)
    except signing.Refused as refused:
        return refused.word
    return "ok"


def expected(case):
    """A form of one SDK alone is a mismatch for the documented algorithm."""
    return "mismatch" if case["verify"].startswith("ok:") else case["verify"]


CASES = [c for k in ("vectors", "changed", "other_sdks", "odd") for c in VECTORS[k]]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_recorded(case):
    """Verdicts of an implementation of its own."""
    assert verdict(case) == expected(case)


@pytest.mark.parametrize("case", VECTORS["wire"], ids=lambda c: c["id"])
def test_wire(case):
    """Bytes that the real client sent."""
    head, _, body = base64.b64decode(case["raw_base64"]).partition(b"\r\n\r\n")
    message = Message(head)
    seen = {"headers": message.fields, "method": message.method, "target": message.target,
            "body": body.decode(), "ak": case["ak"], "sk": case["sk"]}
    assert verdict(seen) == expected(case)


@pytest.mark.parametrize("case", [c for c in PUBLIC["vectors"] if "SM3" not in c["alg"]],
                         ids=lambda c: c["src"])
def test_public(case):
    """The vendor's own unit tests."""
    target = "/" + case["url"].split("/", 3)[3]
    seen = {**case, "headers": list(case["headers"].items()), "target": target}
    assert verdict(seen) == "ok"


def test_sign_and_lock():
    """What sign() makes holds; five failures are forgiven, the sixth locks, other keys go on."""
    clock = [1_800_000_000.0]
    keys = signing.Keys({"AKA": "a" * 20, "AKB": "b" * 20}, clock=lambda: clock[0])
    date = "20270115T080000Z"

    def call(key, secret, body=b"{}", sent=b"{}"):
        fields = signing.sign(key, secret, "PUT", "/v1/p/x", [("Host", "h")], body, date)
        try:
            return keys.check("PUT", "/v1/p/x", fields, sent)
        except signing.Refused as refused:
            return refused.word

    assert call("AKA", "a" * 20) == "AKA"
    assert call("AKA", "a" * 20, sent=b"{} ") == "mismatch"
    for _ in range(5):
        assert call("AKA", "wrong") == "mismatch"
    assert call("AKA", "a" * 20) == "locked"
    assert call("AKB", "b" * 20) == "AKB"
    clock[0] += 300
    assert call("AKA", "a" * 20) == "AKA"
