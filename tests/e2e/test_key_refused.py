"""The service refuses the gateway's own key: the client learns that it is not its fault, the key is
fetched anew, and it rests before the service locks it."""

import json

import pytest

import audit
import signing
from client import ask
from endpoint import Endpoint
from listener import server_context
from sources import Metadata
from test_keeper import ADMIN, MAIN, Cloud, post
from test_signing import LOCATIONS, PROJECT, call, write_keys


class Service(Endpoint):
    """The stand-in, which can be told to answer otherwise: `reply` is a function of the request that
    gives the bytes of an answer, or None."""

    reply = None

    def answer(self, connection, request):
        if self.reply and (wire := self.reply(request)):
            connection.send(wire)
            return False
        return super().answer(connection, request)


@pytest.fixture(name="refusing")
def refusing_service(tmp_path, gateway, certificates):
    """refusing(known=..., ...): a gateway before a service that knows these numbers of the source's
    keys."""
    ends = []

    def start(known=(), expect=("the service refused key", "credential was refused"), main="",
              **options):
        write_keys(tmp_path)
        keys = signing.Keys({f"TEMPAK{n}": f"temp-secret-{n}" for n in known})
        source = Metadata()
        end = Service(server_context(certificates / "server.pem"), keys=keys)
        ends.extend([source, end])
        text = MAIN.format(dir=tmp_path, source="source metadata; "
                           f"endpoint http://127.0.0.1:{source.port};")
        return Cloud(gateway(f"localhost:{end.port}", tls=certificates / "ca.pem", main=text + main,
                             locations=LOCATIONS, expect=expect, **options), end, source)

    yield start
    for end in ends:
        end.close()


def records(one):
    """The outcomes in the audit log."""
    return [r for r in audit.records(one.guard.directory / "audit.jsonl")
            if r.get("event") == "outcome"]


def test_a_key_rests_before_it_is_locked(refusing):
    """502 three times, then 503: the service saw three wrong signatures, and its sixth would lock."""
    one = refusing(expect=("the service refused key", "credential was refused",
                           "credential is not available"))
    for _ in range(3):
        got = one.put()
        value = json.loads(got.body)
        assert (got.status, value["error_code"]) == (502, "ModelArts.4302")
        assert "the gateway's credential was refused (cloud: APIGW.0301)" in value["error_msg"]
        assert "canonicalRequest" not in got.body.decode() and "TEMPAK" not in got.body.decode()
    for _ in range(3):
        got = one.put()
        assert got.status == 503 and 0 < int(got.get("Retry-After")) <= 61
        assert "it rests" in json.loads(got.body)["error_msg"]
    assert len(one.end.requests) == 3
    assert one.end.keys.failures["TEMPAK1"][0] == 3
    one.guard.wait_log("refused key TEMPAK1 with APIGW.0301, three times in a row: it rests")
    for word in ("temp-token", "temp-secret", "canonicalRequest"):
        assert not one.guard.matches(word)
    ends = [r["end"] for r in records(one)]
    assert ends == ["credential_refused"] * 3 + ["credential_missing"] * 3
    assert records(one)[0]["signed.attempts"] == 1
    assert "signed.attempts" not in records(one)[-1]


def test_the_key_is_fetched_anew(refusing):
    """At once; the next request is signed with another one, and its count begins anew."""
    one = refusing(known=[2])
    one.guard.wait_log("a new key, TEMPAK1")
    one.source.renew()
    assert one.put().status == 502
    one.guard.wait_log("a new key, TEMPAK2")
    assert one.put().status == 200 and one.signer() == "TEMPAK2"
    asked = len(one.source.requests)
    one.end.keys.keys.clear()
    assert one.put().status == 502  # less than half a minute later nobody is asked again
    assert one.put().status == 502
    assert len(one.source.requests) == asked


@pytest.mark.parametrize("method, status, attempts", [("PUT", 200, 2), ("POST", 502, 1)])
def test_a_key_that_changed_meanwhile(refusing, method, status, attempts):
    """The request was signed just before: it is sent again, with the new key, unless it may not."""
    one = refusing(known=[2], main=ADMIN)
    one.guard.wait_log("a new key, TEMPAK1")

    def change(_request):
        if one.source.number == 1:
            one.source.renew()
            assert post(one, "/credentials/refresh").status == 202
            one.guard.wait_log("a new key, TEMPAK2")

    one.end.reply = change
    target = f"/v1/{PROJECT}/training-jobs" if method == "POST" else \
        f"/v1/{PROJECT}/training-job-configs/config1"
    got = ask(one.guard.port, call(method=method, target=target))
    assert got.status == status
    assert len(one.end.requests) == attempts
    record, = records(one)
    assert record["signed.attempts"] == attempts
    assert record["signed.key_id"] == f"TEMPAK{attempts}"
    if attempts == 2:
        assert one.signer() == "TEMPAK2"
        dates = [r.get("X-Sdk-Date") for r in one.end.requests]
        assert record["signed.date"] == dates[1] and record["signed.credential"] == "cloud"


def answer(body, *fields, length=None, status=401):
    """The bytes of an answer."""
    head = [f"HTTP/1.1 {status} X", "Content-Type: application/json", "Connection: close",
            f"Content-Length: {len(body) if length is None else length}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


OTHER = json.dumps({"error_code": "ModelArts.0205", "error_msg": "no"}).encode()
PASSED = {
    "another code": OTHER,
    "no JSON": b"<html>unauthorized</html>",
    "nothing": b"",
    "a long one": json.dumps({"error_msg": "x" * 300000, "error_code": "ModelArts.0205"}).encode(),
}


@pytest.mark.parametrize("mode", ["blocking", "strict"])
@pytest.mark.parametrize("name", PASSED)
def test_other_answers_pass(refusing, name, mode):
    """What does not concern the gateway's key goes to the client, byte for byte."""
    one = refusing(known=[1], expect=(), audit=f"{{dir}}/audit.jsonl mode={mode}")
    one.end.reply = lambda _request: answer(PASSED[name])
    got = one.put()
    assert (got.status, got.body) == (401, PASSED[name])
    assert records(one)[-1]["end"] == "done"
    assert one.put().status == 401  # and nothing is counted
    assert len(one.end.requests) == 2


def test_a_long_refusal(refusing):
    """The code comes first, and the rest is never read."""
    one = refusing(known=[1])
    long = json.dumps({"error_code": "ModelArts.0208", "error_msg": "x" * 300000}).encode()
    one.end.reply = lambda _request: answer(long)
    got = one.put()
    assert got.status == 502 and json.loads(got.body)["error_code"] == "ModelArts.4302"


def test_half_a_refusal(refusing):
    """It is not known what it was: the upstream broke off, and nothing of it is told."""
    one = refusing(known=[1], expect=("closed",))
    one.end.reply = lambda _request: answer(OTHER, length=500)
    got = one.put()
    assert got.status == 502 and b"ModelArts.0205" not in got.body
    assert records(one)[-1]["end"] == "upstream_closed"
