"""No credential appears in any log: a secret of its own in every place one can be, then a search
through the audit log of each body level, the error log at level debug, and standard output."""

import base64
import hashlib
import json

import pytest

import audit
from client import Client, ask, request
from gateway import GUARDED
from origin import answer, read
from test_tls_listener import TlsClient, context, server

CONFIG = "/v1/p/training-job-configs/c"
JSON = "Content-Type: application/json"
LEVELS = ["none", "metadata", "full"]
EXPECT = [r"\[error\]"]

# What rules say about values is told to clients, and must not be told to logs.
POLICY = """
policy all {
    match project_id p;
    rule values   { at parameter[*].value; not_matches "^S3cr3t"; message "not this value"; }
    rule bare     { at parameter[*].value; max_length 3; }
    rule command  { at user_command; not_matches "S3cr3t"; mode dryrun; }
    rule text     { at user_command; max_length 10; mode warn; }
    rule behind   { at_unknown user_command.x; max 3; }
    rule within   { at_unknown parameter[*].value.x; max 3; mode warn; }
    rule quoted   { at config_desc; max_length 3; message "it's not 'short'"; }
}
"""
LOCATIONS = """
    location %s {
        filters json normalize validate policy;
        policies policies.conf;
        proxy_pass modelarts;
    }
    location POST /v1/{project_id}/training-jobs {
        filters json normalize policy;
        config_at /config;
        policies policies.conf;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
""" % GUARDED


class Secrets:
    """Makes secrets and remembers them; each begins so that none contains another one."""

    def __init__(self):
        self.made = {}

    def new(self, place):
        """A secret for a place."""
        some = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.made[place] = f"S3cr3t{len(self.made):03}AxBy{some}"
        return self.made[place]

    def forms(self, place):
        """How it could be written, also by one who wants to hide it but does not."""
        plain = self.made[place].encode()
        yield plain
        yield base64.b64encode(plain)[:-4]
        yield base64.b64encode(b"user:" + plain)[8:-4]
        yield plain.hex().encode()
        yield hashlib.sha256(plain).hexdigest().encode()[:32]
        yield hashlib.md5(plain).hexdigest().encode()

    def found(self, data):
        """The places whose secret is somewhere in the data."""
        return {p for p in self.made if any(f in data for f in self.forms(p))}


def headers(new):
    """A request for each field that carries credentials."""
    basic = base64.b64encode(b"user:" + new("Basic").encode()).decode()
    fields = {
        "X-Auth-Token": new("X-Auth-Token"),
        "X-Subject-Token": new("X-Subject-Token"),
        "X-Security-Token": new("X-Security-Token"),
        "Authorization": f"Basic {basic}",
        "Proxy-Authorization": f"Bearer {new('Proxy-Authorization')}",
        "Cookie": f"session={new('Cookie')}; other=1",
        "Cookie2": new("Cookie2"),
        "X-Api-Key": new("X-Api-Key"),
        "Referer": f"https://x/?token={new('Referer')}",
        "X-Unknown": new("a field nobody knows"),
        "Forwarded": f"for=\"{new('Forwarded')}\"",
        "traceparent": f"00-{new('traceparent')}",
        "If-Match": new("If-Match"),
    }
    for name, value in fields.items():
        yield request("GET", "/x", None, f"{name}: {value}")
    yield request("GET", "/x", None, f"Authorization: Bearer {new('Bearer')}")
    yield request("GET", "/x", None, f"Authorization: Digest response=\"{new('Digest')}\"")
    yield request("GET", "/x", None, f"Authorization: {new('bare Authorization')}")
    for field in (f"SDK-HMAC-SHA256 Access=AK;Signature={new('blank-less Signature')}",
                  f"SDK-HMAC-SHA256 Signature={new('leading Signature')} Access=AK",
                  f"SDK-HMAC-SHA256 Access={new('AK with a dot')}.x, Signature=0",
                  f"V11-HMAC-SHA256 Credential=AK;Signature={new('V11 blank-less')}",
                  f"V11-HMAC-SHA256 Credential=AK Signature={new('V11 with a blank')}/x, y"):
        yield request("GET", "/x", None, f"Authorization: {field}")
    signed = (f"Authorization: SDK-HMAC-SHA256 Access=AKID, SignedHeaders=host;x-sdk-date, "
              f"Signature={new('Signature')}")
    yield request("GET", "/x", None, signed, "X-Sdk-Date: 20260101T000000Z")
    yield request("GET", "/x", None, f"Authorization: V11-HMAC-SHA256 Credential=AKID/x, Signature="
                  + new("V11 signature"))
    yield request("GET", "/x", None, f"X-Auth-Token: {new('first token')}",
                  f"X-Auth-Token: {new('second token')}")


def targets(new):
    """A request for each part of a target that is not the path, and heads that are refused."""
    yield request("GET", f"/x?token={new('query')}")
    yield request("GET", f"{CONFIG}?X-Auth-Token={new('query of a guarded location')}")
    yield request("PUT", f"/v1/p/nothing?sk={new('query of no location')}", b"x")
    yield request("GET", f"/x#{new('fragment')}")
    yield request("GET", f"/x%3Ftoken={new('query behind an escape')}")
    yield request("GET", f"/x%253ftoken={new('query behind two escapes')}")
    yield request("GET", f"/v1/p/%23{new('fragment behind an escape')}")
    yield request("GET", f"http://user:{new('userinfo')}@gateway.test/x")
    yield request("GET", f"/%zz?token={new('query behind a bad path')}")
    yield request("GET", f"/../../x?token={new('query behind dots')}")
    yield request("GET", "/x", None, f"X-Auth-Token : {new('a refused field')}")
    yield request("GET", "/x", None, f"Cookie: {new('a field with a control')}\x01")
    yield request("GET", "/x", None, f"X-Auth-Token: {new('before a bad length')}",
                  "Content-Length: x")
    yield request("GET", "/x", None, host=f"{new('a bad host')}@x")
    yield f"GET /x?{new('a bad version')} HTTP/9.9\r\n\r\n".encode()
    yield f"{new('nonsense')}\r\n\r\n".encode()
    yield request("POST", "/x", None, "Transfer-Encoding: chunked") + \
        f"{new('a bad chunk size')}\r\n".encode()
    yield request("POST", "/x", None, "Transfer-Encoding: chunked") + \
        f"1;x={new('a chunk extension')}\r\nx\r\n0\r\nX-T: {new('a trailer')}\r\n\r\n".encode()


def bodies(new):
    """Bodies with secrets under names that say so, and beside them."""
    def value(label, place, of=lambda s: s):
        return {"label": label, "value": of(new(place))}

    base = {"worker_server_num": 1, "spec_id": 1, "model_id": 1, "data_url": "/bkt/x"}
    parameters = [
        value("secret_key", "parameter secret_key"), value("password", "parameter password"),
        value("AccessKey", "parameter AccessKey"), value("dbPasswd", "parameter dbPasswd"),
        value("api-key", "parameter api-key"), value("TOKEN2", "parameter TOKEN2"),
        value("sk", "parameter sk"), {"key": "ak", "value": new("parameter by key")},
        {"name": "auth", "value": new("parameter by name")},
        value("token", "parameter object", lambda s: {"inner": s}),
        value("token", "parameter list", lambda s: [s]),
    ]
    yield {**base, "parameter": parameters[:9]}
    yield {**base, "parameter": parameters[9:]}
    yield {**base, "auth_token": new("member"), "nested": {"deep": {"secretKey": new("deep")}}}
    yield {**base, "credentials": {"ak": new("member object"), "list": [new("member list")]}}
    yield {**base, "secret_url": f"it's '{new('quoted member')}'"}


def plain_bodies(new):
    """Secrets where no name tells: told at level full, and only there."""
    base = {"worker_server_num": 1, "spec_id": 1, "model_id": 1, "data_url": "/bkt/x"}
    plain = [{"label": "lr", "value": new("any parameter")},
             {"label": "n", "value": [{"label": new("within a parameter"), "value": 1}]}]
    yield {**base, "parameter": plain}
    yield {**base, "user_command": f"python x.py --token={new('user_command')}"}
    yield {**base, "user_command": [new("user_command of another type")]}
    yield {**base, "user_command": f"it's --token='{new('user_command in quotes')}'"}
    yield {**base, "parameter": [{"label": "n", "value": f"'{new('quoted parameter')}' it's \"x\""}]}


def unknown_bodies(new):
    """Members the contract does not know, or not there, and free text: told at level full."""
    base = {"worker_server_num": 1, "spec_id": 1, "model_id": 1, "data_url": "/bkt/x"}
    yield {**base, "config_desc": f"it's '{new('description')}'"}
    for name in "Parameter", "params", "parameters":
        yield {**base, name: [{"label": "n", "value": new(name)}]}
    for name in "User_Command", "user-command", "command", "env", "annotations":
        yield {**base, name: new(name)}
    yield {**base, "volumes": [{"nfs": {"path": new("volumes")}}], "notification": new("notified")}
    yield {**base, "parameter": [{"label": "n", "value": "1", "hint": new("parameter's hint")}]}
    yield {**base, "data_url": [new("a list for a path")], "spec_id": {"x": new("no number")}}


def texts(new):
    """Bodies that are refused before anything is known about them."""
    yield f'{{"parameter": [{{"label": "token", "value": "{new("torn body")}'.encode()
    yield f'{{"token": "{new("repeated member")}", "token": "x"}}'.encode()
    yield f'["{new("no object")}"]'.encode()
    yield f'{{"token": {new("no JSON")}}}'.encode()
    yield f'token={new("a form")}'.encode()


def everything(new):
    """All requests."""
    yield from headers(new)
    yield from targets(new)
    for body in [*bodies(new), *plain_bodies(new), *unknown_bodies(new)]:
        yield request("PUT", CONFIG, json.dumps(body).encode(), JSON)
    for make in bodies, plain_bodies, unknown_bodies:
        for body in make(lambda place: new("job " + place)):
            yield request("POST", "/v1/p/training-jobs",
                          json.dumps({"job_name": "j", "config": body}).encode(), JSON)
    for body in texts(new):
        yield request("PUT", CONFIG, body, JSON)
    yield request("POST", "/x", new("a body that is passed on").encode())


def answers(new):
    """What an upstream may say, in order and out of it."""
    failed = {"is_success": False, "error_code": "ModelArts.0104",
              "error_message": new("error_message"), "token": new("answer's token")}
    yield answer(json.dumps(failed).encode(), "400 Bad Request", JSON,
                 f"Set-Cookie: {new('Set-Cookie')}", f"X-Subject-Token: {new('answered token')}")
    failed = {"is_success": False, "error_code": new("code") + " and more"}
    yield answer(json.dumps(failed).encode(), "200 OK", JSON)
    yield f"HTTP/1.1 200 {new('reason')}\r\nContent-Length: 0\r\n\r\n".encode()
    yield f"HTTP/1.1 200 OK\r\nX-Token : {new('bad answer')}\r\n\r\n".encode()
    yield f"{new('no answer')}\r\n\r\n".encode()
    yield answer(b"") + f"HTTP/1.1 200 {new('behind an answer')}".encode()
    yield f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{new('bad chunk')}\r\n".encode()


@pytest.fixture(name="logs")
def all_logs(capfd):
    """logs(guard): ends the gateway; the audit log, and all else it wrote."""
    def read_all(guard):
        guard.stop()
        out = "".join(capfd.readouterr())
        return ((guard.directory / "audit.jsonl").read_bytes(),
                ("\n".join(guard.lines) + out).encode())

    return read_all


@pytest.fixture(name="guarded")
def guarded_gateway(tmp_path, gateway):
    """guarded(origin, level, more=""): a gateway with all filters that logs everything."""
    (tmp_path / "policies.conf").write_text(POLICY)

    def start(behind, level, more="", **settings):
        settings.setdefault("locations", LOCATIONS.replace("policies.conf", "../policies.conf"))
        main = f"audit_body {level}; {more}"
        return gateway(behind, EXPECT, level="debug", main=main, **settings)

    return start


@pytest.mark.parametrize("level", LEVELS)
def test_requests(guarded, origin, logs, level):
    """What the client sends; at level full what stands under names that tell nothing is told."""
    secrets = Secrets()
    behind = origin()
    guard = guarded(behind, level)
    n = 0
    for data in everything(secrets.new):
        ask(guard.port, data)
        n += 1
    audit.wait(guard.directory / "audit.jsonl", n)
    written, others = logs(guard)
    assert not secrets.found(others)
    open_ones = set()
    if level == "full":
        shown = Secrets()
        for make in plain_bodies, unknown_bodies:
            list(make(shown.new)), list(make(lambda p: shown.new("job " + p)))
        open_ones = set(shown.made)
    assert secrets.found(written) == open_ones
    assert b"hmac-sha256:" in written
    assert secrets.made["X-Auth-Token"] in [r.get("X-Auth-Token") for r in behind.requests
                                            if len(r.all("X-Auth-Token")) == 1]


def told_to_client(new):
    """Bodies whose secrets are refused, as what a client is told may be logged on its way."""
    base = {"worker_server_num": 1, "spec_id": 1, "model_id": 1, "data_url": "/bkt/x"}
    yield {**base, "user_command": f"it's --token='{new('command')}'"}
    yield {**base, "User_Command": f"it's --token='{new('misspelt command')}'"}
    yield {**base, "parameter": [{"label": "token", "value": f"it's '{new('named')}'"}]}
    yield {**base, "parameter": [{"label": "n", "value": f"'{new('begins so')}'"}]}
    yield {**base, "parameter": [{"label": "n", "value": new("looks so")}]}
    yield {**base, "parameter": [{"label": "token", "value": {"x": new("object")}}]}


def test_what_a_client_is_told(guarded, origin):
    """Answers and Warning fields show no secret, whatever quotes stand around it."""
    secrets = Secrets()
    guard = guarded(origin(), "full")
    n = 0
    for body in told_to_client(secrets.new):
        for where, what in ((CONFIG, body), ("/v1/p/training-jobs", {"config": body})):
            data = request("POST" if where.endswith("jobs") else "PUT", where,
                           json.dumps(what).encode(), JSON)
            with Client(guard.port) as client:
                client.send(data)
                client.finish()
                reply = client.rest()
            assert not secrets.found(reply), where
            n += b"violations" in reply
    assert n >= 8


def test_more_names_at_level_full(guarded, origin, logs):
    """Who adds names has them hidden at level full, too."""
    secrets = Secrets()
    guard = guarded(origin(), "full", "audit_redact user_command value;")
    for body in plain_bodies(secrets.new):
        ask(guard.port, request("PUT", CONFIG, json.dumps(body).encode(), JSON))
    written, _others = logs(guard)
    assert not secrets.found(written)


@pytest.mark.parametrize("level", LEVELS)
def test_answers(guarded, origin, logs, level):
    """What the upstream says."""
    secrets = Secrets()
    scripts = [[read, data] for data in answers(secrets.new)]
    guard = guarded(origin(*scripts), level, upstream="keepalive 0;")
    for _ in scripts:
        with Client(guard.port) as client:
            client.send(request("GET", "/x", None, "Connection: close"))
            client.rest()
    written, others = logs(guard)
    assert not secrets.found(written + others)


def test_connections(guarded, origin, logs, certificates):
    """What comes before a request: a PROXY header's bytes, the name a TLS client asks for."""
    secrets = Secrets()
    pass_all = "location / { proxy_pass modelarts; }"
    more = server(certificates) + " listen 127.0.0.1:0 proxy_protocol;"
    guard = guarded(origin(), "full", server=more, locations=pass_all)
    _plain, tls, proxied = guard.ports
    text = secrets.new("PROXY TLV").encode()
    tlv = b"\x02" + len(text).to_bytes(2, "big") + text
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (12 + len(tlv)).to_bytes(2, "big")
    ports = {p: name for name, p in (("tls", tls), ("proxied", proxied))}
    for port in ports:
        for first in (head + bytes([192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 3, 4]) + tlv,
                      f"PROXY {secrets.new(f'bad PROXY {port}')}\r\n".encode(),
                      secrets.new(f"nonsense {port}").encode() + b"\r\n\r\n"):
            with Client(port) as client:
                client.send(first + request("GET", "/x", None, "Connection: close"))
                client.rest()
    made = context(certificates)
    made.check_hostname = False
    for port in ports:
        try:
            with TlsClient(port, made, name=f"{secrets.new(f'SNI {port}').lower()}.test") as client:
                client.ask()
        except OSError:
            pass
    written, others = logs(guard)
    assert b"192.0.2.7" in written and b"handshake failed" in others
    everything_written = (written + others).lower()
    assert not {p for p in secrets.made if secrets.made[p].lower().encode() in everything_written}
