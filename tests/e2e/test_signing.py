"""Signed clients: their signature is checked, their config repaired, and signed with the gateway's
own key. The judge of what arrives is the stand-in's own implementation (endpoint/signing.py)."""

import hashlib
import json
import re
import signal
import time

import pytest

import audit
import signing
from client import ask, request
from endpoint import Endpoint
from listener import server_context
from test_seed import REPAIRED, SEED

PROJECT = "6b37a5f1"
CLIENT = ("TGLKCLIENT1", "client-secret-0123456789")
OWN = ("GATEWAYAK1", "gateway-secret-0123456789")
KEYS = f"""
key {CLIENT[0]} {{ secret {CLIENT[1]}; principal alice; projects {PROJECT} other; }}
key TGLKOLD     {{ secret old-secret-0123456789; principal bob; projects {PROJECT};
                   not_after 2020-01-31; }}
key TGLKOFF     {{ secret off-secret-0123456789; principal carol; projects {PROJECT}; disabled; }}
"""
MAIN = """
client_keys notebooks {{ file {dir}/keys; {more} }}
credential  cloud     {{ source file {dir}/own.json; }}
"""
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters verify json normalize validate sign;
        aksk resign notebooks;
        sign cloud;
        proxy_pass modelarts;
    }
    location / {
        filters verify sign;
        aksk resign notebooks;
        sign cloud;
        proxy_pass modelarts;
    }
"""


def write_keys(directory, token=None, keys=KEYS):
    """The files of a signing gateway."""
    own = {"access": OWN[0], "secret": OWN[1]}
    if token:
        own.update(securitytoken=token, expires_at="2099-01-01T00:00:00.000000Z")
    for name, text in (("keys", keys), ("own.json", json.dumps({"credential": own}))):
        (directory / name).write_text(text)
        (directory / name).chmod(0o400)


@pytest.fixture(name="signed")
def signing_gateway(tmp_path, gateway, certificates):
    """Starts gateways that verify and sign, before a stand-in over TLS."""
    ends = []

    def start(token=None, more="", locations=LOCATIONS, script=(), expect=(), **settings):
        write_keys(tmp_path, token)
        ends.append(Endpoint(server_context(certificates / "server.pem"), script=script))
        return gateway(f"localhost:{ends[-1].port}", tls=certificates / "ca.pem",
                       main=MAIN.format(dir=tmp_path, more=more), locations=locations,
                       expect=expect, **settings), ends[-1]

    yield start
    for end in ends:
        end.close()


def call(body=SEED, key=CLIENT, method="PUT", target=f"/v1/{PROJECT}/training-job-configs/config1",
         fields=(), host="127.0.0.1:8080", **more):
    """The bytes of a signed request."""
    wire = [("Host", host), ("Content-Type", "application/json"), *fields]
    wire = signing.sign(*key, method, target, wire, body, **more)
    lines = [f"{n}: {v}" for n, v in wire if n != "Host"]
    return request(method, target, body, *lines, host=host)


def judge(seen, own=OWN):
    """The access key under which the stand-in takes what it received."""
    return signing.verify({own[0]: own[1]}, seen.method, seen.target, seen.fields, seen.body,
                          time.time())


def test_a_config_is_repaired_and_signed_anew(signed):
    """The seed's example: three edits, then a signature of the gateway's over the new body."""
    guard, end = signed()
    got = ask(guard.port, call())
    assert (got.status, json.loads(got.body)) == (200, {"is_success": True})
    assert got.get("X-Trainguard-Normalized") == "3"
    seen, = end.requests
    assert seen.body == REPAIRED
    assert judge(seen) == OWN[0]
    assert seen.get("Host") == f"localhost:{end.port}"
    assert seen.get("X-Project-Id") == PROJECT
    assert CLIENT[0] not in seen.head.decode()
    record = audit.records(guard.directory / "audit.jsonl")[-1]
    assert record["principal"] == "alice"
    assert record["auth.verified"] is True
    assert record["signed.key_id"] == OWN[0]
    assert OWN[1] not in json.dumps(record)


def test_a_temporary_key_brings_its_token(signed):
    """X-Security-Token is the credential's, and signed; the client's own is dropped."""
    guard, end = signed(token="gateway-token")
    got = ask(guard.port, call(fields=[("X-Security-Token", "clients"), ("X-Domain-Id", "d")]))
    assert got.status == 200
    seen, = end.requests
    assert seen.all("X-Security-Token") == ["gateway-token"]
    assert seen.all("X-Domain-Id") == []
    assert "x-security-token" in seen.get("Authorization")
    assert judge(seen) == OWN[0]


REFUSED = {
    "no credentials": (lambda: request("PUT", f"/v1/{PROJECT}/training-job-configs/c", SEED,
                                       "Content-Type: application/json"),
                       401, "ModelArts.0205", "auth_missing"),
    "a token": (lambda: request("PUT", f"/v1/{PROJECT}/training-job-configs/c", SEED,
                                "Content-Type: application/json", "X-Auth-Token: t"),
                400, "ModelArts.4105", "bad_request"),
    "a local key": (lambda: request("GET", f"/v1/{PROJECT}/models", None,
                                    "X-Trainguard-Key: tglk_a_b"),
                    400, "ModelArts.4105", "bad_request"),
    "unknown key": (lambda: call(key=("TGLKNOBODY", CLIENT[1])), 401, "ModelArts.0208",
                    "auth_unknown"),
    "ended key": (lambda: call(key=("TGLKOLD", "old-secret-0123456789")), 401, "ModelArts.0208",
                  "auth_unknown"),
    "disabled key": (lambda: call(key=("TGLKOFF", "off-secret-0123456789")), 401,
                     "ModelArts.0208", "auth_unknown"),
    "wrong secret": (lambda: call(key=(CLIENT[0], "x" * 20)), 401, "ModelArts.0208",
                     "auth_mismatch"),
    "old date": (lambda: call(date="20200101T000000Z"), 401, "ModelArts.0207", "auth_expired"),
    "another body": (lambda: call().replace(b"This is config", b"This is confiG"), 401,
                     "ModelArts.0208", "auth_mismatch"),
    "another target": (lambda: call().replace(b"configs/config1 ", b"configs/config2 "), 401,
                       "ModelArts.0208", "auth_mismatch"),
    "no payload": (lambda: call(payload="UNSIGNED-PAYLOAD"), 401, "ModelArts.0208",
                   "auth_payload"),
    "another payload": (lambda: call(payload="0" * 64), 401, "ModelArts.0208", "auth_payload"),
    "another project": (lambda: call(target="/v1/foreign/training-job-configs/c"), 403,
                        "ModelArts.0210", "auth_project"),
    "another project in the path": (
        lambda: call(b"", method="GET", target="/v1/foreign/models", fields=[("X-Project-Id",
                                                                             PROJECT)]),
        403, "ModelArts.0210", "auth_project"),
    "no project": (lambda: call(b"", method="GET", target="/models"), 403, "ModelArts.0210",
                   "auth_project"),
    "two projects": (lambda: call(fields=[("X-Project-Id", "other")]), 403, "ModelArts.0210",
                     "auth_project"),
    "a signature in capitals": (lambda: re.sub(rb"Signature=[0-9a-f]{64}",
                                               lambda m: b"Signature=" + m[0][10:].upper(), call()),
                                401, "ModelArts.0208", "auth_malformed"),
    "an escaped percent": (lambda: call(target=f"/v1/{PROJECT}/x%2541"), 400, "ModelArts.4105",
                           "bad_request"),
    "a plus": (lambda: call(target=f"/v1/{PROJECT}/x?a=b+c"), 400, "ModelArts.4105",
               "bad_request"),
    "a local key beside": (lambda: call(fields=[("X-Trainguard-Key", "tglk_a_b")]), 400, "ModelArts.4105",
                           "bad_request"),
    "a version in other signs": (
        lambda: call(b"", method="GET", target="/v%EF%BC%91/foreign/models", fields=[("X-Project-Id", PROJECT)]),
        403, "ModelArts.0210", "auth_project"),
    "a version behind something": (
        lambda: call(b"", method="GET", target="/x/v1/foreign/models", fields=[("X-Project-Id", PROJECT)]),
        403, "ModelArts.0210", "auth_project"),
    "an empty segment": (lambda: call(target=f"/v1/{PROJECT}//x"), 400, "ModelArts.4105",
                         "bad_request"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(signed, name):
    """Nothing goes upstream; the answer has the API's shape, the record the reason."""
    make, status, code, end_word = REFUSED[name]
    guard, end = signed()
    got = ask(guard.port, make())
    value = json.loads(got.body)
    assert (got.status, value["error_code"], value["is_success"]) == (status, code, False)
    if status == 401:
        assert got.get("WWW-Authenticate") == "SDK-HMAC-SHA256"
    assert end.requests == []
    record = audit.records(guard.directory / "audit.jsonl")[-1]
    assert record["end"] == end_word
    assert record.get("auth.verified") is not True
    assert record.get("auth.failure") == (end_word if end_word.startswith("auth_") else None)


def test_a_mismatch_shows_what_was_expected(signed):
    """As the service does it: the canonical request on one line, but no value that could be secret. The SDKs
    for Python, Go and Java sign User-Agent."""
    guard, end = signed()
    wrong = {"key": (CLIENT[0], "x" * 20), "date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}
    target = f"/v1/{PROJECT}/training-job-configs/config1"
    fields = [("X-Security-Token", "tok:secret"), ("User-Agent", "sdk/1"), ("X-Own", "")]
    names = ("content-type", "host", "user-agent", "x-own", "x-sdk-date", "x-security-token")
    for query, shown in (("", ""), ("?b=secret&a", "a=&b=*"), ("?=secret", "=*")):
        got = ask(guard.port, call(target=target + query, fields=fields, names=names, **wrong))
        digest = hashlib.sha256(SEED).hexdigest()
        assert json.loads(got.body)["error_msg"].endswith(
            f"canonicalRequest:PUT|{target}/|{shown}|content-type:application/json|host:127.0.0.1:8080|"
            f"user-agent:***|x-own:***|x-sdk-date:{wrong['date']}|x-security-token:***||{';'.join(names)}|{digest}")
    assert end.requests == []
    assert "secret" not in "".join(guard.lines)


def test_failures_lock_the_key(signed):
    """Five failures are forgiven; behind the sixth even the right signature waits."""
    guard, end = signed()
    for _ in range(6):
        assert json.loads(ask(guard.port, call(key=(CLIENT[0], "x" * 20))).body)[
            "error_code"] == "ModelArts.0208"
    got = ask(guard.port, call())
    assert got.status == 401 and 0 < int(got.get("Retry-After")) <= 300
    assert "AK access failed to reach the limit,forbidden" in json.loads(got.body)["error_msg"]
    assert end.requests == []


def test_a_get_is_signed_too(signed):
    """Without a body; the query goes out in its canonical order."""
    guard, end = signed()
    ask(guard.port, call(b"", method="GET", target=f"/v1/{PROJECT}/training-job-configs?b=2&a=1"))
    seen, = end.requests
    assert seen.target == f"/v1/{PROJECT}/training-job-configs?a=1&b=2"
    assert judge(seen) == OWN[0]


def test_unsigned_payload_where_it_is_allowed(signed):
    """Then the gateway's own signature covers the body all the same."""
    guard, end = signed(more="unsigned_payload on;")
    assert ask(guard.port, call(payload="UNSIGNED-PAYLOAD")).status == 200
    assert judge(end.requests[0]) == OWN[0]


def test_forms_of_sdks(signed):
    """What Node signs of a path with escapes is taken, unless exact forms are asked for."""
    target = f"/v1/{PROJECT}/my%20config"
    # the SDK escapes the path's own escapes: the signature of another path, for the judge
    double = signing.sign(*CLIENT, "GET", target.replace("%", "%25"), [("Host", "h")], b"")
    lines = [f"{n}: {v}" for n, v in double if n != "Host"]
    wire = request("GET", target, None, *lines, host="h")
    guard, end = signed()
    ask(guard.port, wire)
    assert judge(end.requests[0]) == OWN[0]
    assert audit.records(guard.directory / "audit.jsonl")[-1]["auth.form"] == "path=double"
    guard, end = signed(more="signature_forms exact;")
    assert ask(guard.port, wire).status == 401


def test_every_attempt_is_signed(signed, certificates):
    """A kept connection that the upstream closed: the second attempt verifies by itself."""
    guard, end = signed(script=("", "close"))
    assert ask(guard.port, call()).status == 200
    assert ask(guard.port, call()).status == 200
    assert [judge(r) for r in end.requests] == [OWN[0]] * 3


def test_a_reload_without_a_key_fails(signed, tmp_path):
    """A reload without a valid key fails; the old one goes on."""
    guard, end = signed(expect=["reload failed", "credential .cloud. has no key"])
    (tmp_path / "own.json").chmod(0o600)
    (tmp_path / "own.json").write_text(json.dumps({"credential": {
        "access": "A", "secret": "s", "expires_at": "2020-01-01T00:00:00Z"}}))
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log(r"credential \"cloud\" has no key, file: already expired \(.*own.json\) in ")
    assert ask(guard.port, call()).status == 200  # the old configuration goes on


BAD = {
    "others can read the keys": (lambda d: (d / "keys").chmod(0o404), "everybody can read it"),
    "others can write the keys": (lambda d: (d / "keys").chmod(0o420), "can write it"),
    "others can read the key": (lambda d: (d / "own.json").chmod(0o404), "everybody can read it"),
    "no keys": (lambda d: (d / "keys").unlink(), "No such file"),
    "a key twice": (lambda d: write_keys(d, keys=KEYS + KEYS), "stands twice"),
    "a short secret": (lambda d: write_keys(d, keys="key A { secret short; principal p; "
                                                    "projects x; }"), "16 to 128 bytes, got 5"),
    "no projects": (lambda d: write_keys(d, keys="key A { secret 0123456789abcdef; "
                                                 "principal p; }"), 'has no "projects"'),
    "an unknown member": (lambda d: write_keys(d, keys="key A { sekret 0123456789abcdef; }"),
                          'did you mean "secret"?'),
    "no day": (lambda d: write_keys(d, keys="key A { secret 0123456789abcdef; principal p; "
                                            "projects x; not_after 2026-02-30; }"),
               "YYYY-MM-DD"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(check, tmp_path, name):
    """Each with what is wrong and where."""
    breaks, words = BAD[name]
    write_keys(tmp_path)
    for file in ("keys", "own.json"):
        (tmp_path / file).chmod(0o600)
    breaks(tmp_path)
    for file in ("keys", "own.json"):
        if (tmp_path / file).exists() and (tmp_path / file).stat().st_mode & 0o777 == 0o600:
            (tmp_path / file).chmod(0o400)
    code, told = check(main=MAIN.format(dir=tmp_path, more=""))
    assert code == 1 and words in told and " in " in told, told
    assert "0123456789abcdef" not in told


LOCATION_FAULTS = {
    "aksk resign notebooks; filters json;": '"aksk resign" needs the filter "verify"',
    "aksk resign notebooks; filters verify json;": '"aksk resign" needs the filter "sign"',
    "filters verify json;": 'filter "verify" needs "aksk resign KEYS" or "callers"',
    "callers any; filters json;": '"callers" needs the filter "verify"',
    "callers any; filters verify json;": '"callers" needs the filter "sign"',
    "callers any; filters json verify sign; sign cloud;": '"verify" must be the first',
    "callers any; filters verify sign;": 'filter "sign" needs "sign CREDENTIAL"',
    "callers key notebook; filters verify sign; sign cloud;": 'did you mean "notebooks"?',
    "callers tls a; filters verify sign; sign cloud;": 'needs "tls_verify_client"',
    "callers unix uid=0; filters verify sign; sign cloud;": 'needs a "listen unix:"',
    "callers unix; filters verify sign; sign cloud;": "uid=N,gid=N behind \"unix\", got nothing",
    "callers unix uid=; filters verify sign; sign cloud;": "takes a number",
    "callers unix uid=1,uid=2; filters verify sign; sign cloud;": "uid=N,gid=N behind",
    "callers unix pid=1; filters verify sign; sign cloud;": "uid=N,gid=N behind",
    "callers tls; filters verify sign; sign cloud;": "names of client certificates",
    "callers tls token; filters verify sign; sign cloud;": "names of client certificates",
    "callers key; filters verify sign; sign cloud;": "one name of client_keys",
    "callers key a b; filters verify sign; sign cloud;": "tls, unix, key, token or any, got \"b\"",
    "callers everybody; filters verify sign; sign cloud;": "tls, unix, key, token or any",
    "filters sign; sign cloud;": "it would sign for everybody",
    "aksk resign notebooks; filters verify sign;": 'filter "sign" needs "sign CREDENTIAL"',
    "aksk resign notebooks; filters json verify sign; sign cloud;": '"verify" must be the first',
    "aksk resign notebook; filters verify sign; sign cloud;": 'did you mean "notebooks"?',
    "aksk resign notebooks; filters verify sign; sign cluod;": 'did you mean "cloud"?',
    "aksk resign; filters json;": "resign with the name of client_keys",
    "aksk preserve notebooks; filters json;": "resign with the name of client_keys",
}


@pytest.mark.parametrize("text", LOCATION_FAULTS)
def test_bad_locations(check, tmp_path, text):
    """What belongs together is checked when the configuration is loaded."""
    write_keys(tmp_path)
    code, told = check(main=MAIN.format(dir=tmp_path, more=""),
                       server=f"location /x {{ {text} proxy_pass modelarts; }}")
    assert code == 1 and LOCATION_FAULTS[text] in told, told


@pytest.mark.parametrize("query, shown", [
    ("token=SECRET-1&a=SECRET-2", "a=*&token=*"), ("SECRET-3=", "SECRET-3="), ("", ""),
    ("a=SECRET=SECRET&b", "a=*&b="), ("a=%0aSECRET", "a=*")])
def test_a_refusal_tells_no_query(signed, query, shown):
    """What should have been signed is shown to the client, without the values of the query: they are in no
    answer's field and in no trace."""
    guard, end = signed()
    path = guard.directory / "trainguard.conf"
    path.write_text("debug_request address 127.0.0.1;\n" + path.read_text())
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    target = f"/v1/{PROJECT}/models" + ("?" + query if query else "")
    got = ask(guard.port, call(b"", (CLIENT[0], "not-the-secret"), "GET", target))
    assert got.status == 401
    assert f"canonicalRequest:GET|/v1/{PROJECT}/models/|{shown}|content-type:" in json.loads(
        got.body)["error_message"]
    guard.wait_log("trace: ended")
    if "SECRET-3" not in query:  # a name is no value
        assert "SECRET" not in got.head.decode() + got.body.decode() + "\n".join(guard.lines)
    assert end.requests == []


LIMITED = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters verify json normalize validate sign;
        aksk resign notebooks;
        sign cloud;
        limit_in_flight project 1 name=flying;
        limit_req address rate=60/m burst=99 name=address;
        limit_req principal rate=1/m burst=1 name=caller;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
"""


def test_a_limit_is_charged_once_the_caller_is_known(signed):
    """Who only names another one's key uses up nothing of his limit; it goes by the key's owner, and
    what that limit refuses has held nothing of the others."""
    guard, end = signed(locations=LIMITED)
    forged = (CLIENT[0], "not-the-secret-0123456789")
    assert [ask(guard.port, call(key=forged)).status for _ in range(4)] == [401] * 4
    assert [ask(guard.port, call()).status for _ in range(4)] == [200, 200, 429, 429]
    assert len(end.requests) == 2
    record = audit.records(guard.directory / "audit.jsonl")[-1]
    assert (record["principal"], record["auth.verified"]) == ("alice", True)
    assert [(l["rule"], l["by"]) for l in record["limits"]] == [("caller", "principal")]
    assert ask(guard.port, call(key=forged)).status == 401, "the project's slot is free again"


def test_a_broken_body_is_not_charged_twice(signed):
    """The caller is charged before the body is judged, once."""
    guard, _ = signed(locations=LIMITED)
    assert [ask(guard.port, call(b"{")).status for _ in range(3)] == [400, 400, 429]


@pytest.mark.parametrize("size, warned", [("12m", False), ("13m", True)])
def test_large_bodies_are_warned_of(check, tmp_path, size, warned):
    """The service does not take them signed."""
    write_keys(tmp_path)
    code, told = check(main=MAIN.format(dir=tmp_path, more="") + "worker_body_memory 0;",
                       server="location /x { aksk resign notebooks; filters verify sign; sign cloud; "
                              f"client_max_body_size {size}; proxy_pass modelarts; }}")
    assert code == 0 and ("at most 12m" in told) == warned, told
