"""What becomes of each kind of caller under each mode, of paths that can be read in two ways, and of
keys that fail from one address."""

import itertools
import json
import re
import time

import pytest

import audit
from client import ask, check_refusal, Client, request
from test_callers import lending_gateway, SECRET  # noqa: F401  pylint: disable=unused-import
from test_seed import REPAIRED, SEED
from test_signing import call, CLIENT, judge, OWN, PROJECT
from test_signing import signing_gateway  # noqa: F401  pylint: disable=unused-import

TARGET = f"/v1/{PROJECT}/training-job-configs/config1"
RIGHT = REPAIRED  # needs no change
TOKEN = ("X-Auth-Token", "a-token")

CALLERS = {
    "token": lambda body: request("PUT", TARGET, body, "Content-Type: application/json",
                                  "X-Auth-Token: a-token", host="localhost"),
    "signature": lambda body: call(body=body, host="localhost"),
    "both": lambda body: call(body=body, fields=[TOKEN], host="localhost"),
    "none": lambda body: request("PUT", TARGET, body, "Content-Type: application/json",
                                 host="localhost"),
}
MODES = {"preserve": "aksk preserve;", "refuse": "aksk refuse;",
         "resign": "aksk resign notebooks;", "sign": "callers key notebooks;"}

# (caller, mode): the status of a body that needs changes, of one that needs none, the end
OUTCOMES = {
    ("token", "preserve"): (200, 200, "done"),
    ("token", "refuse"): (200, 200, "done"),
    ("token", "resign"): (400, 400, "bad_request"),
    ("token", "sign"): (400, 400, "bad_request"),
    ("signature", "preserve"): (400, 200, "signed_change"),
    ("signature", "refuse"): (401, 401, "signed_refused"),
    ("signature", "resign"): (200, 200, "done"),
    ("signature", "sign"): (400, 400, "bad_request"),
    ("both", "preserve"): (400, 400, "bad_request"),
    ("both", "refuse"): (400, 400, "bad_request"),
    ("both", "resign"): (400, 400, "bad_request"),
    ("both", "sign"): (400, 400, "bad_request"),
    ("none", "preserve"): (401, 401, "done"),  # the upstream's own
    ("none", "refuse"): (401, 401, "done"),
    ("none", "resign"): (401, 401, "auth_missing"),
    ("none", "sign"): (401, 401, "auth_missing"),
}


def locations(mode):
    """A location that judges and one for all else."""
    lends = mode in ("resign", "sign")
    filters = "filters verify json normalize validate sign;" if lends else \
        "filters json normalize validate;"
    rest = "filters verify sign;" if lends else ""
    more = MODES[mode] + (" sign cloud;" if lends else "")
    return f"""
        location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
            {filters} {more} proxy_pass modelarts; }}
        location / {{ {rest} {more} proxy_pass modelarts; }}"""


@pytest.fixture(name="mode")
def gateway_of_a_mode(signed):
    """mode(name): a gateway and its stand-in, which takes signed requests for localhost."""
    def start(name):
        return signed(locations=locations(name), upstream="accept_host localhost;")
    return start


@pytest.mark.parametrize("caller, name", itertools.product(CALLERS, MODES))
def test_outcomes(mode, caller, name):
    """Both sides: what the client is told, and what the upstream saw of it."""
    changed, right, end_word = OUTCOMES[caller, name]
    guard, end = mode(name)
    got = ask(guard.port, CALLERS[caller](SEED))
    assert got.status == changed, got.body
    assert audit.records(guard.directory / "audit.jsonl")[-1]["end"] == end_word
    assert ask(guard.port, CALLERS[caller](RIGHT)).status == right
    went = (end_word == "done") + (end_word == "done" or right == 200)
    assert [r.body for r in end.requests] == [REPAIRED] * went
    for seen in end.requests:
        own = caller == "signature" and name == "resign"
        assert seen.get("X-Auth-Token") == ("a-token" if caller == "token" else None)
        if caller == "signature":
            assert judge(seen, OWN if own else CLIENT) == (OWN if own else CLIENT)[0]
            assert seen.get("Host") == (f"localhost:{end.port}" if own else "localhost")


@pytest.mark.parametrize("caller", ["signature", "token", "none"])
def test_refuse_holds_where_nothing_is_judged(mode, caller):
    """`aksk refuse` is for all requests of its location, with a document or without one."""
    guard, end = mode("refuse")
    wire = {"signature": call(b"", method="GET", target=f"/v1/{PROJECT}/models", host="localhost"),
            "token": request("GET", f"/v1/{PROJECT}/models", None, "X-Auth-Token: t"),
            "none": request("GET", f"/v1/{PROJECT}/models")}[caller]
    got = ask(guard.port, wire)
    assert len(end.requests) == (0 if caller == "signature" else 1)
    if caller == "signature":
        check_refusal(got, 401, "ModelArts.0105")


PATHS = ["//", "/./", "/../", "/%2e/", "/%2E%2e/", "/%2f/", "/%25/", "/%2541/", "/a%2eb/", "/;/", "/%5c/",
         "/%00/", "/%41/", "/a%20b/"]


@pytest.mark.parametrize("name", ["preserve", "resign"])
@pytest.mark.parametrize("middle", PATHS)
def test_paths_with_two_meanings(mode, name, middle):
    """What the upstream reads is the path that was judged, or there is no request."""
    guard, end = mode(name)
    for target in (f"/v1/{PROJECT}{middle}training-job-configs/c", f"/v1/{PROJECT}/training-job-configs{middle}c",
                   f"/v1/{PROJECT}/training-job-configs/c{middle[:-1]}"):
        before = len(end.requests)
        try:
            wire = call(RIGHT, target=target, host="localhost")
        except ValueError:
            continue
        got = ask(guard.port, wire)
        record = audit.wait(guard.directory / "audit.jsonl", 1)[-1]
        if len(end.requests) == before:
            assert got.status in (400, 404), (target, got.body)
        elif "http.route" in record and record["http.route"] != "/":
            assert end.requests[-1].target == record["url.path"]


def test_the_lock_is_of_one_address(signed):
    """The one that the PROXY header tells: a colleague behind the same proxy is not locked out."""
    guard, end = signed(listen="listen 127.0.0.1:0 proxy_protocol;")

    def come(address, secret):
        with Client(guard.port) as client:
            client.send(f"PROXY TCP4 {address} 192.0.2.9 1 2\r\n".encode() + call(key=(CLIENT[0], secret)))
            return client.final()

    for _ in range(6):
        check_refusal(come("192.0.2.1", "x" * 20), 401, "ModelArts.0208")
    locked = come("192.0.2.1", CLIENT[1])
    assert "AK access failed to reach the limit" in json.loads(locked.body)["error_msg"]
    assert come("192.0.2.2", CLIENT[1]).status == 200
    assert len(end.requests) == 1


@pytest.mark.parametrize("offset, status", [(-890, 200), (890, 200), (-910, 401), (910, 401)])
def test_clocks(signed, offset, status):
    """A quarter of an hour either way; the answer has both times."""
    guard, _ = signed()
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + offset))
    got = ask(guard.port, call(date=date))
    assert got.status == status
    record = audit.records(guard.directory / "audit.jsonl")[-1]
    assert abs(record["auth.skew_s"] + offset) < 8
    if status == 401:
        text = check_refusal(got, 401, "ModelArts.0207")["error_msg"]
        assert re.search(rf"signature expired, signature time:{date},server time:\d{{8}}T\d{{6}}Z", text)


@pytest.mark.parametrize("scheme", ["SDK-HMAC-SM3", "SDK-ECDSA-P256-SHA256", "SDK-SM2-SM3", "V11-HMAC-SM3",
                                    "AWS4-HMAC-SHA256", "Basic"])
def test_other_algorithms(signed, scheme):
    """Nothing is tried with them; the known ones are named."""
    guard, end = signed()
    got = ask(guard.port, call().replace(b"Authorization: SDK-HMAC-SHA256", b"Authorization: " + scheme.encode()))
    text = check_refusal(got, 401, "ModelArts.0208")["error_msg"]
    assert "the scheme must be SDK-HMAC-SHA256 or V11-HMAC-SHA256" in text
    assert audit.records(guard.directory / "audit.jsonl")[-1]["auth.failure"] == "auth_malformed"
    assert end.requests == []


@pytest.mark.parametrize("scheme", ["SDK-HMAC-SM3", "SDK-ECDSA-P256-SHA256", "SDK-SM2-SM3", "V11-HMAC-SM3"])
def test_other_algorithms_are_signatures(mode, scheme):
    """All of the SDKs' are: refused where signatures are, and byte for byte where they are preserved, under
    the access key they name."""
    wire = CALLERS["signature"](RIGHT).replace(b"SDK-HMAC-SHA256", scheme.encode())
    guard, end = mode("refuse")
    check_refusal(ask(guard.port, wire), 401, "ModelArts.0105")
    assert end.requests == []
    guard, end = mode("preserve")
    assert ask(guard.port, wire).status == 200
    seen, = end.requests
    assert (seen.get("Host"), seen.body) == ("localhost", RIGHT)
    assert audit.records(guard.directory / "audit.jsonl")[-1]["principal"] == CLIENT[0]
    changed = CALLERS["signature"](SEED).replace(b"SDK-HMAC-SHA256", scheme.encode())
    check_refusal(ask(guard.port, changed), 400, "ModelArts.0107")
    assert len(end.requests) == 1


def test_local_keys_are_locked_by_user(lent):
    """At a unix socket, where there is no address, by who is at its other end."""
    guard, _ = lent("callers key notebooks;", server="listen unix:client.sock;")
    from test_callers import ask_unix, put  # pylint: disable=import-outside-toplevel
    for _ in range(6):
        check_refusal(ask_unix(guard, put("X-Trainguard-Key: tglk_LK1_x")), 401, "ModelArts.0208")
    assert audit.records(guard.directory / "audit.jsonl")[-1]["end"] == "auth_unknown"
    check_refusal(ask_unix(guard, put(f"X-Trainguard-Key: {SECRET}")), 401, "ModelArts.0208")
    assert ask(guard.port, put(f"X-Trainguard-Key: {SECRET}")).status == 200
