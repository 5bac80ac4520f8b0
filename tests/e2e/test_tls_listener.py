"""TLS towards clients: names, versions, tickets, client certificates, reload."""

import collections
import re
import shutil
import signal
import socket
import ssl
import subprocess
import subprocess

import pytest

import audit
from client import check_refusal, Client, request
from gateway import binary, sanitized
from wire import Wire

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PASS = "location / { proxy_pass modelarts; }"


def server(certificates, *names, more=""):
    """The TLS part of a server block."""
    pairs = [f"tls_certificate {certificates}/{n}.pem; tls_certificate_key {certificates}/{n}.key;"
             for n in names or ("server",)]
    return "\n".join(["listen 127.0.0.1:0 tls;", *pairs, more])


def context(certificates, *, minimum=None, maximum=None, own=None, alpn=None):
    """A client that trusts our CA."""
    made = ssl.create_default_context(cafile=certificates / "ca.pem")
    if minimum:
        made.minimum_version = minimum
    if maximum:
        made.maximum_version = maximum
    if own:
        made.load_cert_chain(certificates / f"{own}.pem", certificates / f"{own}.key")
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


class TlsClient(Client):
    """A client that speaks TLS."""

    def __init__(self, port, made, name="localhost", session=None):
        super().__init__(port)
        self.sock = made.wrap_socket(self.sock, server_hostname=name, session=session)
        self.wire = Wire(self.sock)

    def ask(self, data=request("GET", "/x")):
        """One answer."""
        self.send(data)
        return self.final()


def subject(guard, certificates):
    """The common name of the certificate a gateway shows."""
    made = context(certificates)
    made.check_hostname = False
    with TlsClient(guard.port, made) as client:
        assert client.ask().status == 200
        return client.sock.getpeercert()["subject"][0][0][1]


def check_record(guard, words):
    """One record that tells why there was no TLS connection, and of no request."""
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert (record["end"], record["decision"]) == ("client_tls", "invalid")
    assert re.search(words, record["end_detail"]), record
    assert record["client.address"] == "127.0.0.1"
    assert not {"http.request.method", "url.path", "http.response.status_code"} & record.keys()
    guard.wait_log("no TLS connection with the client: .*" + words)


def check_refused(guard, made, session=None):
    """No request is answered; with TLS 1.3 the client learns so after its half of the handshake."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with TlsClient(guard.port, made, session=session) as client:
            client.sock.sendall(request("GET", "/x"))
            client.final()


@pytest.fixture
def tls(gateway, origin, certificates):
    """tls(*names, more="", main="", expect=()): a gateway with a TLS listener, its last port."""
    def start(*names, more="", main="", expect=()):
        return gateway(origin(), expect, server=server(certificates, *names, more=more), listen="",
                       main=main, locations=PASS)
    return start


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_versions(tls, certificates, version):
    """Both versions; several requests go over one connection."""
    guard = tls()
    made = context(certificates, minimum=version, maximum=version)
    with TlsClient(guard.port, made) as client:
        assert [client.ask().status for _ in range(3)] == [200] * 3
        assert client.sock.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("allowed, asked", [("TLSv1.3", V1_2), ("TLSv1.2", V1_3)])
def test_version_not_allowed(tls, certificates, allowed, asked):
    """A version that tls_protocols leaves out is not spoken, and the log says so."""
    guard = tls(more=f"tls_protocols {allowed};")
    with pytest.raises(ssl.SSLError):
        TlsClient(guard.port, context(certificates, minimum=asked, maximum=asked))
    check_record(guard, "(unsupported protocol|no protocols|.*version)")


def test_large_bodies(tls, certificates, origin):
    """Bytes survive in both directions, many records long."""
    body = bytes(range(256)) * 8192
    guard = tls()
    with TlsClient(guard.port, context(certificates)) as client:
        assert client.ask(request("POST", "/x", body)).status == 200
        assert client.ask().status == 200


def test_pipelined_in_one_record(tls, certificates):
    """What TLS has read ahead is not forgotten."""
    guard = tls()
    with TlsClient(guard.port, context(certificates)) as client:
        client.send(request("GET", "/a") * 20)
        assert [client.final().status for _ in range(20)] == [200] * 20


def test_request_with_the_handshake(tls, certificates):
    """The end of the handshake and the first request may come in one segment."""
    guard = tls()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(certificates).wrap_bio(into, out, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", guard.port), 20) as sock:
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(out.read())
                into.write(sock.recv(65536))
        session.write(request("GET", "/x"))
        sock.sendall(out.read())
        answer = b""
        while b"\r\n\r\nok" not in answer:
            try:
                answer += session.read()
            except ssl.SSLWantReadError:
                into.write(sock.recv(65536))
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("name, owner", [("localhost", "server"), ("modelarts.test", "server"),
                                         ("elsewhere.test", "wrong-name"), ("nobody.test", "server"),
                                         (None, "server")])
def test_certificate_by_name(tls, certificates, name, owner):
    """SNI chooses the certificate; without a match the first one counts."""
    guard = tls("server", "wrong-name")
    made = context(certificates)
    made.check_hostname = False
    with TlsClient(guard.port, made, name) as client:
        subject = dict(part[0] for part in client.sock.getpeercert()["subject"])
        assert subject["commonName"] == owner
        assert client.ask().status == 200


@pytest.mark.parametrize("order", [("server", "rsa"), ("rsa", "server")], ids=" then ".join)
@pytest.mark.parametrize("name", ["localhost", "nobody.test", None])
def test_two_keys_for_one_name(tls, certificates, order, name):
    """Who can check only one of the two gets that one."""
    guard = tls(*order)
    for cipher, owner in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"),
                          ("ECDHE-ECDSA-AES128-GCM-SHA256", "server")):
        made = context(certificates, maximum=V1_2)
        made.set_ciphers(cipher)
        made.check_hostname = False
        with TlsClient(guard.port, made, name) as client:
            assert client.sock.getpeercert()["subject"][0][0][1] == owner
            assert client.ask().status == 200


def test_two_keys_of_different_names(tls, certificates):
    """A certificate is not used for a name it does not have, whatever the client can check."""
    guard = tls("wrong-name", "rsa")
    made = context(certificates, maximum=V1_2)
    made.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    made.check_hostname = False
    with pytest.raises(ssl.SSLError):
        TlsClient(guard.port, made, "elsewhere.test")
    with TlsClient(guard.port, made, "localhost") as client:
        assert client.ask().status == 200


@pytest.mark.parametrize("names", [("server", "expired"), ("server", "server"),
                                   ("rsa", "server", "server"), ("server", "common-name")])
def test_certificate_nobody_gets(check, certificates, names):
    """Another one with such a key has all its names, or it has none: an error."""
    code, words = check(server=server(certificates, *names))
    assert code == 1
    assert re.search(rf"the certificate \"\S*/{names[-1]}.pem\" can never be used: ", words), words


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("reload", [False, True], ids=["", "reload"])
def test_tickets_of_all_workers(gateway, origin, certificates, version, reload):
    """A session resumes at whichever worker, also across a reload."""
    guard = gateway(origin(), server=server(certificates), locations=PASS,
                    main="", level="info")
    text = (guard.directory / "trainguard.conf").read_text()
    (guard.directory / "trainguard.conf").write_text(
        text.replace("worker_processes 1", "worker_processes 4"))
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("live objects")  # the one worker of before is gone, and its key's turn begins
    made = context(certificates, minimum=version, maximum=version)
    with TlsClient(guard.port, made) as client:
        assert client.ask().status == 200
        session = client.sock.session
    if reload:
        guard.process.send_signal(signal.SIGHUP)
        guard.wait(lambda: len(guard.matches("reloaded")) == 2, "second reload")
    for _ in range(12):
        with TlsClient(guard.port, made, session=session) as client:
            assert client.sock.session_reused
            assert client.ask().status == 200


def test_ticket_ages(tls, certificates):
    """A ticket is worth nothing two rotations later."""
    guard = tls(main="tls_ticket_rotation 1s;")
    made = context(certificates, maximum=V1_2)
    with TlsClient(guard.port, made) as client:
        client.ask()
        session = client.sock.session
    reused = True
    while reused:  # the clock decides; the test's own timeout is the bound
        with TlsClient(guard.port, made, session=session) as client:
            reused = client.sock.session_reused
            session = session if reused else None
            assert client.ask().status == 200


def test_protocols(tls, certificates):
    """ALPN: http/1.1 is chosen; who speaks only something else is told so."""
    guard = tls()
    with TlsClient(guard.port, context(certificates, alpn=["h2", "http/1.1"])) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
    with pytest.raises(ssl.SSLError):
        TlsClient(guard.port, context(certificates, alpn=["h2"]))


@pytest.mark.parametrize("verify, own, principal", [
    ("on", "wrong-name", "wrong-name"), ("optional", "wrong-name", "wrong-name"),
    ("optional", None, None), ("off", "wrong-name", None)])
@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_client_certificate(tls, certificates, verify, own, principal, version):
    """The common name of a client's certificate is in its records, resumed or not."""
    guard = tls(more=f"tls_verify_client {verify}; tls_client_ca {certificates}/ca.pem;")
    made = context(certificates, own=own, minimum=version, maximum=version)
    session = None
    for _ in range(2):
        with TlsClient(guard.port, made, session=session) as client:
            assert client.ask().status == 200
            session = client.sock.session
    records = audit.wait(guard.directory / "audit.jsonl", 2)
    assert [r.get("tls.principal") for r in records] == [principal] * 2


UNKNOWN = 'certificate of the client not accepted: .*issued by "other-ca", subject "unknown-ca"'
EXPIRED = 'certificate of the client not accepted: .*expired on 20.*, subject "expired"'


def test_certificate_as_principal(gateway, origin, certificates, tmp_path):
    """A policy may be about who owns a certificate, and nobody else can claim to be that one."""
    (tmp_path / "policies.conf").write_text(
        "policy ops { match principal tls:server; rule none { at worker_server_num; max 0; } }")
    guard = gateway(origin(), server=server(
        certificates, more=f"tls_verify_client optional; tls_client_ca {certificates}/ca.pem;"),
        main="audit_body full;", locations="location PUT /v1/{project_id}/training-job-configs/{config_name} { filters json "
                  f"policy; policies {tmp_path}/policies.conf; proxy_pass modelarts; }}",
        upstream="accept_host gateway.test;")

    def put(claim):
        return request("PUT", "/v1/p/training-job-configs/c", b'{"worker_server_num": 1}',
                       "Content-Type: application/json", "Authorization: SDK-HMAC-SHA256 "
                       f"Access={claim}, SignedHeaders=host, Signature=00")

    for own, status in [("server", 403), ("wrong-name", 200), (None, 200)]:
        with TlsClient(guard.port, context(certificates, own=own)) as client:
            assert client.ask(put("server")).status == status, own
            assert client.ask(put("tls:server")).status == 400
    log = guard.directory / "audit.jsonl"
    audit.wait(log, 6)
    done = subprocess.run([binary(), "replay", "--policy", tmp_path / "policies.conf", log],
                          capture_output=True, text=True, check=False)
    assert "1 denied as before" in done.stdout and "2 pass as before" in done.stdout, done.stdout


@pytest.mark.parametrize("verify, own, words", [
    ("on", None, "peer did not return a certificate"), ("on", "unknown-ca", UNKNOWN),
    ("on", "expired", EXPIRED), ("optional", "unknown-ca", UNKNOWN), ("optional", "expired", EXPIRED)])
@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_client_certificate_refused(tls, certificates, verify, own, words, version):
    """Whoever cannot show a good one does not get to send a request."""
    guard = tls(more=f"tls_verify_client {verify}; tls_client_ca {certificates}/ca.pem;")
    check_refused(guard, context(certificates, own=own, minimum=version, maximum=version))
    check_record(guard, words)


REVOKED = 'certificate of the client not accepted: certificate revoked, issued by "ca"'


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("verify", ["on", "optional"])
def test_client_certificate_revoked(tls, certificates, crl, verify, version):
    """A certificate on the list is out, another one of the same authority is not."""
    guard = tls(more=f"tls_verify_client {verify}; tls_client_ca {certificates}/ca.pem;"
                f"tls_client_crl {crl('wrong-name')};")
    check_refused(guard, context(certificates, own="wrong-name", minimum=version, maximum=version))
    check_record(guard, REVOKED)
    with TlsClient(guard.port, context(certificates, own="server")) as client:
        assert client.ask().status == 200


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_revoked_meanwhile(tls, certificates, crl, version):
    """A reload reads the list; a session from before it is no way around."""
    guard = tls(more=f"tls_verify_client on; tls_client_ca {certificates}/ca.pem; tls_client_crl {crl()};")
    made = context(certificates, own="wrong-name", minimum=version, maximum=version)
    with TlsClient(guard.port, made) as client:
        assert client.ask().status == 200
        session = client.sock.session
    crl("wrong-name")
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("live objects")  # the old worker is gone, its queue with it
    check_refused(guard, made, session)


def test_reload_of_certificates(gateway, origin, certificates, tmp_path):
    """HUP reads the files again; a bad file keeps the old certificate, and says so."""
    own = tmp_path / "own"
    own.mkdir()
    for kind in ("pem", "key"):
        shutil.copy(certificates / f"server.{kind}", own / f"server.{kind}")
    guard = gateway(origin(), [r"reload failed", r"cannot use the key .*/server.key"], server=server(own), locations=PASS)

    assert subject(guard, certificates) == "server"
    for kind in ("pem", "key"):
        shutil.copy(certificates / f"wrong-name.{kind}", own / f"server.{kind}")
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    guard.wait_log("live objects")  # the old worker is gone, its queue with it
    assert subject(guard, certificates) == "wrong-name"
    (own / "server.key").write_text("not a key")
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reload failed")
    assert subject(guard, certificates) == "wrong-name"


HELLO = b"\x16\x03\x01"


def test_slow_handshake(tls):
    """A handshake has client_header_timeout."""
    guard = tls(more="client_header_timeout 300ms;")
    with Client(guard.port) as client:
        client.send(HELLO)
        assert client.closed()
    check_record(guard, "did not come in time")


def test_left_in_the_handshake(tls):
    """A client that goes in the middle of it has a record too."""
    guard = tls()
    with Client(guard.port) as client:
        client.send(HELLO)
        client.finish()
        client.rest()
    check_record(guard, "unexpected eof")


def test_who_only_knocks_has_no_record(clock, tls, certificates):
    """A port scan or a health check that sends nothing fills no log, closed by whomever."""
    guard = tls(more="client_header_timeout 300ms;")
    with Client(guard.port) as silent, Client(guard.port) as gone, Client(guard.port) as torn:
        gone.finish()
        gone.rest()
        torn.reset()
        clock(0.4)
        assert silent.closed()
    with TlsClient(guard.port, context(certificates)) as client:
        assert client.ask().status == 200
    assert [r["end"] for r in audit.wait(guard.directory / "audit.jsonl", 1)] == ["done"]


@pytest.mark.parametrize("data", [request("GET", "/x"), request("DELETE", "/x"), request("HEAD", "/x"),
                                  request("PUT", "/x", b"x" * 2000000), b"GET", b"G"],
                         ids=["get", "delete", "head", "long body", "part", "letter"])
def test_plain_http(tls, data):
    """A request without TLS is answered without TLS, and that was all; nothing goes upstream."""
    guard = tls()
    with Client(guard.port) as client:
        client.send(data)
        answer = client.final("HEAD" if data.startswith(b"HEAD") else "GET")
        assert answer.status == 400 and answer.get("Connection") == "close"
        if not data.startswith(b"HEAD"):
            check_refusal(answer, 400, "ModelArts.4105")
            assert b"https" in answer.body
        client.finish()
        assert client.closed()
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert (record["end"], record["decision"]) == ("plain_http", "invalid")
    assert record["http.response.status_code"] == 400


def test_plain_http_behind_a_proxy(tls, certificates):
    """The PROXY header comes first, with TLS and without it."""
    guard = tls(more="listen 127.0.0.1:0 tls proxy_protocol;")
    with Client(guard.port) as client:
        client.send(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + request("GET", "/x"))
        assert client.final().status == 400
    record, = audit.wait(guard.directory / "audit.jsonl", 1)
    assert (record["end"], record["client.address"]) == ("plain_http", "10.0.0.1")


def test_scan_with_a_strict_log(gateway, origin, certificates):
    """Failed handshakes by the hundred do not keep others from being served, and each is on record."""
    guard = gateway(origin(), server=server(certificates), locations=PASS,
                    audit="{dir}/audit.jsonl mode=strict")
    for _ in range(300):
        with Client(guard.port) as client:
            client.send(b"\0\1 no TLS and no HTTP")
    with TlsClient(guard.port, context(certificates)) as client:
        assert client.ask().status == 200
    ends = [r["end"] for r in audit.wait(guard.directory / "audit.jsonl", 301)]
    assert collections.Counter(ends) == {"client_tls": 300, "done": 1}
    assert audit.verify(guard.directory / "audit.jsonl")[0] == 0


def test_refused_request_is_answered(tls, certificates):
    """An early answer arrives, and its end is announced."""
    guard = tls()
    with TlsClient(guard.port, context(certificates)) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert client.final().status == 400
        assert client.closed()


@pytest.mark.skipif(sanitized(), reason="a sanitizer keeps memory of its own")
def test_idle_memory(tls, certificates):
    """An idle connection keeps no buffers."""
    guard = tls(main="worker_connections 2048;")
    made = context(certificates)
    clients = [TlsClient(guard.port, made) for _ in range(300)]
    for client in clients:
        assert client.ask().status == 200
    before = guard.memory()
    clients += [TlsClient(guard.port, made) for _ in range(300)]
    for client in clients[300:]:
        assert client.ask().status == 200
    per_connection = (guard.memory() - before) / 300
    for client in clients:
        client.sock.close()
    assert per_connection < 20 * 1024


@pytest.mark.parametrize("text, words", [
    ("tls_certificate {c}/server.pem; tls_certificate_key {c}/expired.key;",
     "expired.key\": it is not that of the certificate"),
    ("tls_certificate {c}/server.pem; tls_certificate_key {c}/rsa.key;",
     "rsa.key\": it is not that of the certificate"),
    ("tls_certificate {c}/server.pem; tls_certificate_key {c}/none.key;",
     "cannot use the key \"{c}/none.key\": No such file"),
    ("tls_certificate /dev/null; tls_certificate_key {c}/server.key;",
     "cannot use the certificate \"/dev/null\": there is none in PEM form in it"),
    ("tls_certificate {c}/server.pem;", "has not as many \"tls_certificate_key\""),
    ("tls_certificate {c}/none.pem; tls_certificate_key {c}/server.key;",
     "cannot use the certificate \"{c}/none.pem\": No such file"),
    ("tls_certificate {c}/weak-key.pem; tls_certificate_key {c}/weak-key.key;", "key too small"),
    ("", "has a \"listen\" with \"tls\", but no \"tls_certificate\""),
    ("tls_certificate {c}/server.pem; tls_certificate_key {c}/server.key; tls_verify_client on;",
     "but no \"tls_client_ca\""),
    ("tls_certificate {c}/server.pem; tls_certificate_key {c}/server.key; tls_verify_client on;"
     "tls_client_ca {c}/ca.pem; tls_client_crl {c}/ca.pem;", "cannot use the file of \"tls_client_crl\""),
])
def test_files_are_checked(check, certificates, text, words):
    """-t finds what a start would find, and names the file."""
    code, said = check(f"listen 127.0.0.1:0 tls; {text.format(c=certificates)}", listen="")
    assert code != 0 and words.replace("{c}", str(certificates)) in said


PAIR = "tls_certificate {c}/%s; tls_certificate_key {c}/%s;"


@pytest.mark.parametrize("text, words", [
    (PAIR % ("server.pem", "../pkcs8.key"), "pkcs8.key\": it is encrypted"),
    (PAIR % ("rsa.pem", "../old.key"), "old.key\": it is encrypted"),
    (PAIR % ("server.pem", "server.pem"), "server.pem\": it is a certificate"),
    (PAIR % ("server.pem", "server.csr"), "server.csr\": it is a request for a certificate"),
    (PAIR % ("server.pem", "../public.key"), "public.key\": it is a public key"),
    (PAIR % ("server.key", "server.key"), "server.key\": it is a private key"),
    (PAIR % ("server.pem", "server.key") + "tls_verify_client on; tls_client_ca {c}/server.key;",
     "\"tls_client_ca\": it is a private key"),
    (PAIR % ("server.pem", "server.key") + "tls_verify_client on; tls_client_ca {c}/ca.pem;"
     "tls_client_crl {c}/ca.pem;", "\"tls_client_crl\": it is a certificate"),
])
def test_another_file_than_wanted(check, certificates, text, words):
    """What a file is, when it is not what the directive takes."""
    for args in (["pkey", "-in", "server.key", "-aes256", "-passout", "pass:x", "-out", "../pkcs8.key"],
                 ["rsa", "-in", "rsa.key", "-traditional", "-aes128", "-passout", "pass:x", "-out",
                  "../old.key"],
                 ["pkey", "-in", "server.key", "-pubout", "-out", "../public.key"]):
        subprocess.run(["openssl", *args], cwd=certificates, check=True, capture_output=True)
    code, said = check(f"listen 127.0.0.1:0 tls; {text.format(c=certificates)}", listen="")
    assert code != 0 and words in said, said


@pytest.mark.parametrize("tls, plain, verify, words", [
    (False, True, "on", "has \"tls_verify_client\", but no \"listen\" with \"tls\""),
    (False, True, "optional", "has \"tls_verify_client\", but no \"listen\" with \"tls\""),
    (True, True, "on", "a \"listen\" without \"tls\" where nobody would be asked"),
    (True, True, "optional", None), (True, False, "on", None), (False, True, "off", None)])
def test_verify_client_needs_tls(check, certificates, tls, plain, verify, words):
    """Certificates that nobody would be asked for are an error, also at one listener of two."""
    pair = (PAIR % ("server.pem", "server.key")).format(c=certificates) if tls else ""
    code, said = check(f"{'listen 127.0.0.1:0 tls;' if tls else ''} {pair}"
                       f"tls_verify_client {verify}; tls_client_ca {certificates}/ca.pem;",
                       listen="listen 127.0.0.1:0;" if plain else "")
    assert code == (words is not None), said
    assert words is None or words in said


@pytest.mark.parametrize("directive", ["tls_ca {c}/ca.pem", "tls_crl {c}/ca.pem", "tls_name x.test",
                                       "tls_verify on", "tls_cert {c}/server.pem"])
def test_tls_directives_beside_tls_off(check, certificates, directive):
    """They do nothing, and that is said."""
    code, said = check(upstream=f"{directive.format(c=certificates)};")
    name = directive.split(" ", 1)[0]
    assert code == 0 and f"\"{name}\" does nothing beside \"tls off\"" in said, said
    code, said = check(upstream="tls_name x.test;", tls=True)
    assert "does nothing" not in said


def test_tls_directives_of_a_plain_server(check, certificates):
    """The same on the other side."""
    code, said = check(server=f"tls_client_ca {certificates}/ca.pem;")
    assert code == 0 and "\"tls_client_ca\" does nothing without a \"listen\" with \"tls\"" in said


def test_expired_certificate_is_a_warning(check, certificates):
    """An old certificate is said, with its date, but does not keep a gateway from starting."""
    code, said = check(f"listen 127.0.0.1:0 tls; tls_certificate {certificates}/expired.pem; "
                       f"tls_certificate_key {certificates}/expired.key;")
    assert code == 0
    assert "[warn]" in said and "has expired on 20" in said
