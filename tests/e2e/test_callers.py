"""Who may use the gateway's key without a signature: client certificates, processes at a unix
socket, local keys; and whom a browser brings."""

import hashlib
import json
import os
import socket

import pytest

import audit
from client import ask, check_refusal, request
from endpoint import Endpoint
from listener import server_context
from test_seed import REPAIRED, SEED
from test_signing import call, CLIENT, judge, KEYS, OWN, PROJECT, write_keys
from test_tls_listener import context, server, TlsClient
from wire import Wire

SECRET = "tglk_LK1_0123456789abcdefghijklmnopqrstuvwxyz0123"
LOCAL = f"""
local_key LK1 {{ sha256 {hashlib.sha256(SECRET.encode()).hexdigest()}; principal alice;
                projects {PROJECT}; }}
local_key LK2 {{ sha256 {hashlib.sha256(b"tglk_LK2_x").hexdigest()}; principal bob;
                projects {PROJECT}; disabled; }}
"""
TARGET = f"/v1/{PROJECT}/training-job-configs/config1"
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters verify json normalize validate sign; %s sign cloud; proxy_pass modelarts;
    }
    location / { filters verify sign; %s sign cloud; proxy_pass modelarts; }
"""
ME = f"uid={os.getuid()}"


@pytest.fixture(name="lent")
def lending_gateway(tmp_path, gateway, certificates):
    """Starts gateways that lend their key to `callers`, before a stand-in over TLS."""
    ends = []

    def start(callers, server="", listen="listen 127.0.0.1:0;", upstream="", main=""):
        write_keys(tmp_path, keys=KEYS + LOCAL)
        ends.append(Endpoint(server_context(certificates / "server.pem")))
        main = (f"client_keys notebooks {{ file {tmp_path}/keys; }}\n"
                f"credential cloud {{ source file {tmp_path}/own.json; }}\n{main}")
        return gateway(f"localhost:{ends[-1].port}", tls=certificates / "ca.pem", main=main,
                       locations=LOCATIONS % (callers, callers), listen=listen,
                       server=server, upstream=upstream), ends[-1]

    yield start
    for end in ends:
        end.close()


def put(*lines, host="localhost", target=TARGET):
    """The seed's example, with these fields."""
    return request("PUT", target, SEED, "Content-Type: application/json", *lines, host=host)


def last(guard):
    """The last record."""
    return audit.records(guard.directory / "audit.jsonl")[-1]


def check_signed(guard, end, got, kind, principal):
    """The config was repaired and went on under the gateway's key; the record tells for whom."""
    assert got.status == 200, got.body
    seen = end.requests[-1]
    assert (seen.body, judge(seen)) == (REPAIRED, OWN[0])
    record = last(guard)
    assert (record["auth.kind"], record["auth.verified"]) == (kind, kind != "any")
    assert record.get("principal") == principal
    assert (record["signed.key_id"], record["project_id"]) == (OWN[0], PROJECT)


def ask_unix(guard, data, path="client.sock"):
    """One answer over a unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(guard.directory / path))
        sock.sendall(data)
        return Wire(sock).response("PUT")


def test_a_process_at_a_unix_socket(lent):
    """The kernel says whose it is."""
    guard, end = lent(f"callers unix uid=4294967294 unix {ME},gid={os.getgid()};",
                      server="listen unix:client.sock mode=0660;")
    check_signed(guard, end, ask_unix(guard, put()), "unix", f"uid:{os.getuid()}")
    check_refusal(ask(guard.port, put()), 401, "ModelArts.0205")  # nobody knows who that is
    assert (last(guard)["end"], last(guard)["auth.kind"]) == ("auth_missing", "none")


@pytest.mark.parametrize("rule", ["unix uid=4294967294", f"unix {ME},gid=4294967294"])
def test_another_process(lent, rule):
    """Another user, or another group, is nobody."""
    guard, end = lent(f"callers {rule};", server="listen unix:client.sock;")
    check_refusal(ask_unix(guard, put()), 401, "ModelArts.0205")
    assert end.requests == []


def test_behind_a_proxy_there_is_no_process(lent):
    """What connects is the proxy, whoever asks through it."""
    guard, end = lent(f"callers unix {ME};", server="listen unix:client.sock proxy_protocol; "
                      "listen unix:other.sock;")
    check_refusal(ask_unix(guard, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + put()), 401,
                  "ModelArts.0205")
    assert end.requests == []


@pytest.mark.parametrize("name, own, principal", [
    ("workload", "workload", "tls:workload"),
    ("dns:notebook.test", "workload", "tls:dns:notebook.test"),
    ("uri:spiffe://cluster.test/ns/ml/sa/notebook", "workload",
     "tls:uri:spiffe://cluster.test/ns/ml/sa/notebook"),
    ("dns:notebook.test", "dns:notebook.test", None), ("dns:workload", "workload", None), ("notebook.test", "workload", None),
    ("workload", "server", None), ("workload", None, None)])
def test_client_certificates(lent, certificates, name, own, principal):
    """The common name, or another name with what kind it is of."""
    guard, end = lent(f"callers tls {name};", listen="", server=server(
        certificates, more=f"tls_verify_client optional; tls_client_ca {certificates}/ca.pem;"))
    with TlsClient(guard.port, context(certificates, own=own)) as client:
        got = client.ask(put())
    if principal:
        check_signed(guard, end, got, "tls", principal)
    else:
        check_refusal(got, 401, "ModelArts.0205")
        assert end.requests == []


@pytest.mark.parametrize("line", [f"Authorization: Bearer {SECRET}", f"X-Trainguard-Key: {SECRET}"])
def test_local_keys(lent, line):
    """In one of two fields; neither goes on."""
    guard, end = lent("callers key notebooks;")
    check_signed(guard, end, ask(guard.port, put(line)), "key", "alice")
    assert SECRET not in end.requests[0].head.decode()
    assert last(guard)["auth.key_id"] == "LK1"
    assert SECRET[-40:] not in json.dumps(last(guard))


@pytest.mark.parametrize("line, status, code, end_word", [
    ("X-Trainguard-Key: tglk_LK1_0", 401, "ModelArts.0208", "auth_unknown"),
    ("X-Trainguard-Key: tglk_LK9_0", 401, "ModelArts.0208", "auth_unknown"),
    ("X-Trainguard-Key: tglk_LK2_x", 401, "ModelArts.0208", "auth_unknown"),
    ("X-Trainguard-Key: x", 401, "ModelArts.0208", "auth_unknown"),
    (f"X-Trainguard-Key: tglk_{CLIENT[0]}_{CLIENT[1]}", 401, "ModelArts.0208", "auth_unknown"),
    ("Authorization: Bearer x", 400, "ModelArts.4105", "bad_request"),
    ("Authorization: Basic eDp4", 400, "ModelArts.4105", "bad_request"),
    ("X-Auth-Token: t", 400, "ModelArts.4105", "bad_request"),
    (f"X-Trainguard-Key: {SECRET}\r\nX-Auth-Token: t", 400, "ModelArts.4105", "bad_request"),
    (f"X-Trainguard-Key: {SECRET}\r\nX-Trainguard-Key: x", 400, "ModelArts.4105", "bad_request"),
    (f"X_Trainguard_Key: {SECRET}", 400, "ModelArts.4105", "bad_request"),
    (f"X-Trainguard-Key: {SECRET}\r\nX-Project-Id: other", 403, "ModelArts.0210", "auth_project"),
    ("Accept: */*", 401, "ModelArts.0205", "auth_missing")])
def test_bad_local_keys(lent, line, status, code, end_word):
    """A key of the cloud is not replaced by the gateway's, a wrong local key is nobody's."""
    guard, end = lent("callers key notebooks;")
    got = ask(guard.port, put(line))
    told = check_refusal(got, status, code)["error_message"]
    assert "HTTP/1.1" not in told and told.startswith("bad request: " if status == 400 else ""), told
    if status == 401:
        assert got.get("WWW-Authenticate") == "Bearer"
    assert (last(guard)["end"], end.requests) == (end_word, [])
    assert "0123456789abcdefghij" not in json.dumps(last(guard))


def test_a_local_key_is_of_its_projects(lent):
    """The path's project counts, whatever the location's pattern names."""
    guard, end = lent("callers key notebooks;")
    line = f"X-Trainguard-Key: {SECRET}"
    check_refusal(ask(guard.port, put(line, target="/v1/other/training-job-configs/c")), 403,
                  "ModelArts.0210")
    own = f"X-Project-Id: {PROJECT}"
    for target in ("/v2/other/x", "/v%C2%B9/other/x", "/v_1/other/x", "/x/v1/other/x", "/%E2%85%B41/other/x"):
        for more in ((), (own,)):
            got = ask(guard.port, request("GET", target, None, line, *more, host="localhost"))
            check_refusal(got, 403, "ModelArts.0210")
    for target in (f"/v1/{PROJECT}/%252e%252e/other/x", f"/v1/{PROJECT}/x?a=b+c"):
        check_refusal(ask(guard.port, request("GET", target, None, line, host="localhost")), 400, "ModelArts.4105")
    assert end.requests == []


def test_failures_lock_a_local_key(lent):
    """As an access key, for one address."""
    guard, _ = lent("callers key notebooks;")
    for _ in range(6):
        check_refusal(ask(guard.port, put("X-Trainguard-Key: tglk_LK1_x")), 401, "ModelArts.0208")
    got = ask(guard.port, put(f"X-Trainguard-Key: {SECRET}"))
    check_refusal(got, 401, "ModelArts.0208")
    assert last(guard)["end"] == "auth_locked" and int(got.get("Retry-After")) > 0


def test_any_caller_is_warned_of(lent):
    """It must be written, and the log says what it means."""
    guard, end = lent("callers any;")
    assert guard.matches(r"\[warn\].*\"callers any\" lends the gateway's key to everybody")
    check_signed(guard, end, ask(guard.port, put()), "any", None)


def test_tokens_go_on_where_that_is_said(lent):
    """Under their own name, and unsigned."""
    guard, end = lent("callers token;")
    assert ask(guard.port, put("X-Auth-Token: their-own")).status == 200
    seen, = end.requests
    assert (seen.body, seen.get("X-Auth-Token")) == (REPAIRED, "their-own")
    assert seen.get("Authorization") is None and seen.get("X-Sdk-Date") is None
    assert (last(guard)["auth.kind"], last(guard)["auth.verified"]) == ("token", False)
    check_refusal(ask(guard.port, put()), 401, "ModelArts.0205")


def test_signatures_need_resign(lent):
    """A signature says nothing to a location that does not check it."""
    guard, end = lent("callers key notebooks;", upstream="accept_host 127.0.0.1:8080;")
    check_refusal(ask(guard.port, call()), 400, "ModelArts.4105")
    guard, end = lent("callers key notebooks; aksk resign notebooks;")
    assert ask(guard.port, call()).status == 200
    assert last(guard)["auth.kind"] == "aksk" and judge(end.requests[0]) == OWN[0]
    check_signed(guard, end, ask(guard.port, put(f"X-Trainguard-Key: {SECRET}")), "key", "alice")
    # a local key's digest is no secret to sign with
    check_refusal(ask(guard.port, call(key=("LK1", ""))), 401, "ModelArts.0208")


PAGES = {
    "Origin: https://evil.test": "Origin",
    "Origin: null": "Origin",
    "Sec-Fetch-Site: cross-site": "Sec-Fetch-Site",
    "Sec-Fetch-Site: same-origin": "Sec-Fetch-Site",
}


@pytest.mark.parametrize("line", PAGES)
def test_web_pages(lent, line):
    """A page in a browser of this machine is no caller, whatever its user may do."""
    guard, end = lent("callers any;")
    check_refusal(ask(guard.port, put(line)), 403, "ModelArts.0105")
    assert end.requests == [] and last(guard)["end"] == "auth_origin"
    assert ask(guard.port, put("Sec-Fetch-Site: none")).status == 200


@pytest.mark.parametrize("host, status", [
    ("evil.test", 403), ("evil.test:8080", 403), ("localhost.evil.test", 403),
    ("127.0.0.1.evil.test", 403), ("127.1", 403), ("gateway.ml", 200), ("gateway.ml:8080", 200),
    ("other.ml:8443", 200), ("other.ml", 403), ("localhost", 200), ("LOCALHOST:1", 200),
    ("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("192.0.2.7", 200)])
def test_names_that_lead_here(lent, host, status):
    """A page can have its name resolved to this machine (DNS rebinding), an address not."""
    guard, _ = lent("callers any; accept_host gateway.ml other.ml:8443;")
    assert ask(guard.port, put(host=host)).status == status


def test_keys_in_the_configuration(check, tmp_path):
    """What -T shows has no secret, and -t names the line of what is wrong in a key's block."""
    for text, words in [
            ("local_key A { principal p; projects x; }", 'has no "sha256"'),
            ("local_key A { sha256 12; principal p; projects x; }", "64 hex digits"),
            (f"local_key A {{ sha256 {'g' * 64}; principal p; projects x; }}", "64 hex digits"),
            ("local_key A { secret 0123456789abcdef; }", '"secret" is not allowed'),
            ("key A { sha256 12; }", '"sha256" is not allowed'),
            (LOCAL + LOCAL, "stands twice"), ("local_key a-b { }", "letters and digits")]:
        for file in tmp_path.glob("keys"):
            file.unlink()
        write_keys(tmp_path, keys=text) if not (tmp_path / "own.json").exists() else (
            tmp_path / "keys").write_text(text)
        (tmp_path / "keys").chmod(0o400)
        code, told = check(main=f"client_keys n {{ file {tmp_path}/keys; }}")
        assert code == 1 and words in told and "keys:" in told, told


def test_the_page_of_callers(lent):
    """Who has keys and how they were used; no secret, and no whole name of a key."""
    guard, _ = lent("callers key notebooks; aksk resign notebooks;",
                    main="admin {\n listen unix:admin.sock;\n}")
    assert ask(guard.port, call()).status == 200
    for _ in range(6):
        ask(guard.port, put("X-Trainguard-Key: tglk_LK1_x"))
    page = ask_unix(guard, request("GET", "/callers"), "admin.sock").body.decode()
    value = json.loads(page)
    keys = {(k["principal"], k["kind"]): k for k in value["client_keys"][0]["keys"]}
    assert {k: v.get("locked_until") is not None for k, v in keys.items()} == {
        ("alice", "aksk"): False, ("bob", "aksk"): False, ("carol", "aksk"): False,
        ("alice", "key"): True, ("bob", "key"): False}
    alice = keys["alice", "aksk"]
    assert (alice["key"], alice["passed"], alice["failed"]) == ("...", 1, 0) and "last_seen" in alice
    assert keys["alice", "key"]["failed"] == 6 and "last_seen" not in keys["alice", "key"]
    assert keys["bob", "aksk"]["not_after"].startswith("2020-01-31T23:59:59")
    assert [l["callers"] for l in value["locations"]] == [["key", "notebooks"]] * 2
    assert CLIENT[1] not in page and CLIENT[0] not in page and SECRET not in page
    metrics = ask_unix(guard, request("GET", "/metrics"), "admin.sock").body.decode()
    for line in ('auth_total{kind="aksk",result="passed"} 1', 'auth_total{kind="key",result="auth_unknown"} 6',
                 'auth_forms_total{form="documented"} 1', 'client_keys{keys="notebooks"} 5'):
        assert f"trainguard_{line}\n" in metrics, metrics
    assert "# client_keys notebooks: 5 keys (2 local, 2 disabled)" in ask_unix(
        guard, request("GET", "/config"), "admin.sock").body.decode()
