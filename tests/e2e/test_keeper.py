"""The gateway's own keys from services: the keeper fetches them, workers sign with them, and nothing
that a service does makes the gateway forward a request unsigned."""

import calendar
import json
import os
import signal
import socket
import subprocess
import time

import pytest

import signing
from client import ask, request
from endpoint import Endpoint
from gateway import PORT
from listener import server_context
from origin import read_head, wait_end
from proxies import tunnel_where_asked
from sources import Iam, Metadata, stamp
from test_processes import wait_gone
from test_signing import LOCATIONS, call, write_keys
from wire import Wire

ADMIN = "admin { listen 127.0.0.1:0; listen unix:admin.sock; }"
MAIN = """
client_keys notebooks {{ file {dir}/keys; }}
credential  cloud     {{ {source} }}
"""


def child(guard, role):
    """The process id of the keeper, or of another child, as the log last told it."""
    return int(guard.matches(rf"{role} \d+ is process (\d+)")[-1][1])


class Cloud:
    """A gateway before a stand-in of the API, and a source of its keys."""

    def __init__(self, guard, end, source):
        guard.wait_log("master: trainguard")
        ports = [int(m[1]) for m in guard.matches(PORT)]
        self.admin, guard.port = ports[0], ports[-1]
        self.guard = guard
        self.end = end
        self.source = source

    def put(self):
        """A client's request; returns the answer."""
        return ask(self.guard.port, call())

    def signer(self):
        """The access key by which the last request that arrived verifies."""
        seen = self.end.requests[-1]
        keys = self.source.keys()
        key = signing.verify(keys, seen.method, seen.target, seen.fields, seen.body, time.time())
        number = key.removeprefix("TEMPAK")
        assert seen.all("X-Security-Token") == [f"temp-token-{number}"]
        return key


def online(source, tmp_path, check):
    """Exit code and words of `-t --online` for a metadata service."""
    write_keys(tmp_path)
    text = f"source metadata; endpoint http://127.0.0.1:{source.port};"
    with source:
        return check(main=MAIN.format(dir=tmp_path, source=text), options=["--online"])


def test_online(check, tmp_path):
    """Asks once and tells the key and its end, or what went wrong; -t alone asks nobody."""
    code, said = online(Metadata(), tmp_path, check)
    assert code == 0 and 'credential "cloud": key TEMPAK1, until 20' in said and "secret" not in said
    source = Metadata()
    source.agency = False
    code, said = online(source, tmp_path, check)
    assert code == 1
    assert '[emerg] credential "cloud" has no key: metadata: the machine has no agency' in said
    assert len(source.requests) == 2
    text = f"source metadata; endpoint http://127.0.0.1:{source.port};"
    assert check(main=MAIN.format(dir=tmp_path, source=text))[0] == 0
    assert len(source.requests) == 2


@pytest.fixture(name="cloud")
def cloud_gateway(tmp_path, gateway, certificates):
    """cloud(source, ...): `kind` and `more` are the credential's directives."""
    ends = []

    def start(source, kind="source metadata;", more="", main="", **options):
        write_keys(tmp_path)
        tls = certificates / "server.pem"
        ends.extend([Endpoint(server_context(tls)), source])
        scheme = f"https://localhost:{source.port}; tls_ca {certificates}/ca.pem" if source.context \
            else f"http://127.0.0.1:{source.port}"
        text = MAIN.format(dir=tmp_path, source=f"{kind} endpoint {scheme}; {more}")
        guard = gateway(f"localhost:{ends[-2].port}", tls=certificates / "ca.pem", main=text + main,
                        locations=LOCATIONS, **options)
        return Cloud(guard, ends[-2], source)

    yield start
    for end in ends:
        end.close()


def test_the_agency_of_the_machine(cloud):
    """Token mode: PUT for a token, GET for the key, with that token; the request verifies."""
    one = cloud(Metadata())
    assert one.put().status == 200
    assert one.signer() == "TEMPAK1"
    asked = [(r.method, r.target, r.all("X-Metadata-Token")) for r in one.source.requests]
    assert asked == [("PUT", "/meta-data/latest/api/token", []),
                     ("GET", "/openstack/latest/securitykey", ["token-1"])]
    put = one.source.requests[0]
    assert put.get("Content-Length") == "0" and put.body == b""
    assert put.get("User-Agent").startswith("trainguard/")


def test_a_service_without_tokens(cloud):
    """404 for the token: the key is asked for without one."""
    source = Metadata()
    source.version = 1
    one = cloud(source)
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    assert one.source.requests[-1].all("X-Metadata-Token") == []


def test_an_id_token(cloud, tmp_path, certificates):
    """IAM over TLS, by name; the token is exchanged, then the key is asked for."""
    (tmp_path / "token").write_text("id-token-1\n")
    one = cloud(Iam(server_context(certificates / "server.pem")),
                f"source idtoken my-idp {tmp_path}/token;")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    assert [r.target for r in one.source.requests] == ["/v3.0/OS-AUTH/id-token/tokens",
                                                       "/v3.0/OS-CREDENTIAL/securitytokens"]
    assert one.source.connections[0].sni == "localhost"


@pytest.mark.parametrize("tls", [False, True])
def test_iam_is_asked_through_the_proxy(cloud, origin, tmp_path, certificates, tls):
    """The one of the upstream that the key signs for; it learns where to, and nothing else."""
    (tmp_path / "token").write_text("id-token-1\n")
    (tmp_path / "user").write_text("a:b\n")
    (tmp_path / "user").chmod(0o600)
    context = server_context(certificates / "server.pem")
    proxy = origin([read_head, tunnel_where_asked], context=context if tls else None)
    where = f"https://localhost:{proxy.port}; proxy_tls_ca {certificates}/ca.pem;" if tls else \
        f"http://127.0.0.1:{proxy.port};"
    one = cloud(Iam(context), f"source idtoken my-idp {tmp_path}/token;",
                upstream=f"proxy {where} proxy_user_file {tmp_path}/user;")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    seen = [r.start.split(" ")[1] for r in proxy.requests]
    iam = f"localhost:{one.source.port}"
    assert sorted(seen) == sorted([iam, iam, f"localhost:{one.end.port}"])
    for asked in proxy.requests:
        assert asked.method == "CONNECT" and asked.get("Host") == asked.target
        assert asked.all("Proxy-Authorization") == ["Basic YTpi"]
        assert {n for n, _ in asked.fields} <= {"Host", "Proxy-Authorization", "User-Agent",
                                                "Proxy-Connection"}
    assert not any(r.all("Proxy-Authorization") for r in one.source.requests)


@pytest.mark.parametrize("status, words", [(407, "wants another user or password"),
                                           (403, "makes no connection")])
def test_the_proxy_refuses_iam(cloud, origin, tmp_path, certificates, status, words):
    """It is told whose fault it is."""
    (tmp_path / "token").write_text("id-token-1\n")
    proxy = origin([read_head, f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode(), wait_end])
    one = cloud(Iam(server_context(certificates / "server.pem")),
                f"source idtoken my-idp {tmp_path}/token;",
                upstream=f"proxy http://127.0.0.1:{proxy.port};",
                expect=[rf"keeper: credential.*the proxy {words}"])
    one.guard.wait_log(rf"the proxy {words}")
    assert not one.source.connections


def test_metadata_is_asked_directly(cloud, origin, monkeypatch):
    """Whatever the upstream's proxy is, and whatever the environment names."""
    proxy = origin([read_head, tunnel_where_asked])
    nobody = origin([read_head, wait_end])
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{nobody.port}")
    one = cloud(Metadata(), upstream=f"proxy http://127.0.0.1:{proxy.port};")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    assert len(one.source.requests) == 2
    assert [r.start.split(" ")[1] for r in proxy.requests] == [f"localhost:{one.end.port}"]
    assert not nobody.connections


def test_a_key_is_renewed_before_it_ends(cloud, tmp_path):
    """A quarter before its end; the ID token is read again each time."""
    (tmp_path / "token").write_text("id-token-1")
    one = cloud(Iam(lifetime=8), f"source idtoken my-idp {tmp_path}/token;")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    one.source.renew(lifetime=3600)
    one.source.id_token = "id-token-2"
    (tmp_path / "token").write_text("id-token-2")
    one.guard.wait_log("a new key, TEMPAK2")
    assert one.put().status == 200 and one.signer() == "TEMPAK2"


FIRST = {  # what goes wrong at the first question, and the word for it
    "slow": "metadata token: timeout",
    "half": "metadata token: cut off",
    "nonsense": "metadata token: not HTTP",
    "large": "metadata token: too large",
    "reset": "metadata token: connection broken",
    "redirect": "metadata token: status 302",
    500: "metadata token: status 500",
    400: "metadata token: status 400",
}
SECOND = {  # the same at the second one
    "half": "metadata key: cut off",
    "text": "metadata key: not JSON",
    "empty": "metadata key: no credential",
    "halfkey": "metadata key: no security token",
    "expired": "metadata key: already expired",
    404: "metadata key: status 404",
    503: "metadata key: status 503",
    401: "metadata key: status 401",
}


@pytest.mark.parametrize("fault", FIRST)
def test_without_a_first_key(cloud, fault):
    """The request waits, and is refused with the reason; it never goes on unsigned."""
    source = Metadata()
    source.fault = fault
    one = cloud(source, expect=["credential .cloud. is none", "credential is not available"])
    one.guard.wait_log(f'credential "cloud" is none: {FIRST[fault]}')
    if fault != "reset":
        return  # the wait of all is the same
    got = one.put()
    assert got.status == 503 and got.get("Retry-After")
    value = json.loads(got.body)
    assert value["error_code"] == "ModelArts.4700"
    assert FIRST[fault] in value["error_msg"] and "none" in value["error_msg"]
    assert one.end.requests == []


class Once(Metadata):
    """Its first key holds for so many seconds from the moment it is given; then `later` goes wrong."""

    def __init__(self, seconds, later):
        super().__init__()
        self.seconds, self.later, self.given = seconds, later, 0
        self.fault = self.choose

    def choose(self, request):
        """What goes wrong with a request: nothing with the first for a key."""
        if request.method == "GET" and self.given > 0:
            return self.later
        if request.method == "GET":
            self.given += 1
            self.key = {**self.key, "expires_at": stamp(time.time() + self.seconds)}
        return None


@pytest.mark.parametrize("fault", SECOND)
def test_a_bad_answer_never_replaces_a_key(cloud, fault):
    """The key that is there goes on until its end, and the log says what is wrong."""
    # a key with less than nine minutes left is asked for again in a second
    one = cloud(Once(300, fault), expect=["credential .cloud. is"])
    one.guard.wait_log(f'credential "cloud" is stale: {SECOND[fault]}')
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    if isinstance(fault, int):
        return
    one.source.renew()
    one.source.fault = None
    one.guard.wait_log("the key could be fetched again")
    assert one.put().status == 200 and one.signer() == "TEMPAK2"


def test_no_agency(cloud):
    """The service says so, and nobody asks it again at once."""
    source = Metadata()
    source.agency = False
    one = cloud(source, expect=["credential .cloud. is none"])
    one.guard.wait_log('credential "cloud" is none: metadata: the machine has no agency')


def test_a_request_waits_for_the_first_key(cloud):
    """Until the service is well again."""
    source = Metadata()
    source.fault = 500
    one = cloud(source, expect=["credential .cloud. is none"])
    one.guard.wait_log("is none: metadata token: status 500")
    source.fault = None
    assert one.put().status == 200 and one.signer() == "TEMPAK1"


def test_a_key_that_ends_is_not_used(cloud):
    """Not a second longer: the service counts refused signatures."""
    one = cloud(Once(3, 500), expect=["credential .cloud. is expired", "credential is not available"])
    one.guard.wait_log("a new key, TEMPAK1")
    one.guard.wait_log('credential "cloud" is expired: metadata key: status 500')
    seen = len(one.end.requests)
    got = one.put()
    assert got.status == 503 and "expired" in json.loads(got.body)["error_msg"]
    assert len(one.end.requests) == seen


def test_another_clock(cloud):
    """Its service's clock is ten minutes ahead: the log says so."""
    source = Metadata()
    source.ahead = 600
    one = cloud(source)
    assert one.put().status == 200
    one.guard.wait_log("service.s clock is (599|600) s ahead")


def test_a_file_is_read_when_it_changes(cloud, tmp_path):
    """By its folder's changes: replaced, or written in place; a broken one changes nothing."""
    own = tmp_path / "secret"
    own.mkdir()

    def write(number, **more):
        key = {"access": f"TEMPAK{number}", "secret": f"temp-secret-{number}",
               "securitytoken": f"temp-token-{number}", "expires_at": stamp(time.time() + 900)}
        (own / "new").write_text(json.dumps({"credential": key | more}))
        (own / "new").chmod(0o400)
        (own / "new").rename(own / "key.json")

    class Keys(Metadata):
        """Nobody asks it: it only knows the keys."""
        number = 3

    source = Keys()
    source.number = 3
    write(1)
    one = cloud(source, f"source file {own}/key.json; }} credential other {{ source metadata;",
                expect=["is stale: file"])
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    write(2)
    one.guard.wait_log("a new key, TEMPAK2")
    assert one.put().status == 200 and one.signer() == "TEMPAK2"
    write(3, secret="")
    one.guard.wait_log('credential "cloud" is (stale|fresh): file: no secret key')
    assert one.put().status == 200 and one.signer() == "TEMPAK2"


def test_the_keeper_dies(cloud):
    """Workers go on with the key; another keeper is started, and asks nobody before it is due."""
    one = cloud(Metadata(), expect=["keeper .* was killed by signal 9"])
    assert one.put().status == 200
    first = child(one.guard, "keeper")
    asked = len(one.source.requests)
    os.kill(first, signal.SIGKILL)
    one.guard.wait(lambda: child(one.guard, "keeper") != first, "another keeper")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    assert len(one.source.requests) == asked


def admin(one, target):
    """A page of the admin block, whose socket is one of the gateway's."""
    return ask(one.admin, request("GET", target, host="127.0.0.1"))


def post(one, target):
    """An order over the unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(one.guard.directory / "admin.sock"))
        sock.sendall(request("POST", target, b""))
        return Wire(sock).response("POST")


def test_what_is_told(cloud):
    """Page, status, readiness and metrics: states and times, no secret."""
    source = Metadata(lifetime=3600)
    one = cloud(source, main=ADMIN,
                expect=["credential .cloud. is none"])
    assert one.put().status == 200
    page = json.loads(admin(one, "/credentials").body)["credentials"]
    assert page[0] | {"expires_at": 0, "refreshed_at": 0} == {
        "name": "cloud", "source": "metadata", "endpoint": f"http://127.0.0.1:{source.port}",
        "state": "fresh", "key_id": "...", "expires_at": 0, "refreshed_at": 0, "refreshes": 1,
        "failures": 0, "error": ""}
    assert page[0]["expires_at"] == source.key["expires_at"]
    assert json.loads(admin(one, "/status").body)["credentials"] == {"cloud": "fresh"}
    ready = admin(one, "/readyz?verbose")
    assert ready.status == 200 and "[+] credential cloud fresh\n" in ready.body.decode()
    metrics = admin(one, "/metrics").body.decode()
    for line in ('credential_state{credential="cloud",state="fresh"} 1',
                 'credential_state{credential="cloud",state="stale"} 0',
                 'credential_refreshes_total{credential="cloud",result="done"} 1',
                 'credential_refreshes_total{credential="cloud",result="failed"} 0'):
        assert f"trainguard_{line}\n" in metrics
    ends = calendar.timegm(time.strptime(source.key["expires_at"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert f'credential_expires_timestamp_seconds{{credential="cloud"}} {ends}\n' in metrics
    checked = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True,
                             text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    told = "".join(admin(one, t).body.decode() for t in ("/credentials", "/status", "/config"))
    for secret in ("temp-secret", "temp-token", "token-1"):
        assert secret not in told + metrics and not one.guard.matches(secret)
    assert admin(one, "/credentials/refresh").status == 405
    source.renew()
    assert post(one, "/credentials/refresh").status == 202
    one.guard.wait_log("a new key, TEMPAK2")


def test_not_ready_without_a_key(cloud):
    """Until there is one."""
    source = Metadata()
    source.fault = 500
    one = cloud(source, main=ADMIN,
                expect=["credential .cloud. is none"])
    one.guard.wait_log("is none: metadata token: status 500")
    got = admin(one, "/readyz?verbose")
    assert got.status == 503
    assert "[-] credential cloud none: metadata token: status 500\n" in got.body.decode()
    source.fault = None
    one.guard.wait_log("could be fetched again")
    assert admin(one, "/readyz").status == 200


def test_a_reload_keeps_the_key(cloud):
    """The service is away, and the configuration is read again."""
    one = cloud(Metadata())
    assert one.put().status == 200
    one.source.fault = 500
    one.guard.process.send_signal(signal.SIGHUP)
    one.guard.wait_log("reloaded")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"


def test_an_upgrade_keeps_the_key(cloud):
    """The new program finds the keys of the old one, though the service is away."""
    one = cloud(Metadata())
    assert one.put().status == 200
    one.source.fault = 500
    one.guard.process.send_signal(signal.SIGUSR2)
    assert one.guard.process.wait(30) == 0
    assert one.put().status == 200 and one.signer() == "TEMPAK1"
    new = int((one.guard.directory / "trainguard.pid").read_text())
    os.kill(new, signal.SIGTERM)
    wait_gone(new)


def test_a_keeper_that_stands_still(cloud):
    """It is found, ended and replaced; requests do not notice."""
    one = cloud(Metadata(), main="worker_hang_timeout 2s;",
                expect=["keeper .* has not turned its event loop", "keeper .* was killed by signal 9"])
    assert one.put().status == 200
    first = child(one.guard, "keeper")
    os.kill(first, signal.SIGSTOP)
    assert one.put().status == 200
    one.guard.wait(lambda: child(one.guard, "keeper") != first, "another keeper")
    assert one.put().status == 200 and one.signer() == "TEMPAK1"


def test_the_end(cloud):
    """QUIT: workers drain, and the keeper ends behind them."""
    one = cloud(Metadata())
    assert one.put().status == 200
    keeper = child(one.guard, "keeper")
    one.guard.process.send_signal(signal.SIGQUIT)
    assert one.guard.process.wait(30) == 0
    wait_gone(keeper)
