"""OCSP stapling: the response of a file goes out with the certificate it is about."""

import re
import signal
import subprocess

import pytest

import certs

PASS = "location / { proxy_pass modelarts; }"


@pytest.fixture
def response(certificates, tmp_path):
    """response(name, status, minutes): a file with the CA's answer about a certificate."""
    def make(name, status="V", minutes=60):
        out = tmp_path / f"{name}.der"
        serial = subprocess.run(["openssl", "x509", "-serial", "-noout", "-in",
                                 certificates / f"{name}.pem"],
                                capture_output=True, text=True, check=True).stdout.strip()[7:]
        revoked = "200101000000Z" if status == "R" else ""
        index = tmp_path / "responses.txt"
        index.write_text(f"{status}\t400101000000Z\t{revoked}\t{serial}\tunknown\t/CN={name}\n")
        ca = certificates / "ca.pem"
        certs.openssl("ocsp", "-index", index, "-rsigner", ca, "-rkey", certificates / "ca.key",
                      "-CA", ca, "-issuer", ca, "-cert", certificates / f"{name}.pem", "-noverify",
                      "-respout", out, *(["-nmin", minutes] if minutes else []))
        return out

    return make


def server(certificates, *names, more=""):
    """The TLS part of a server block."""
    return "\n".join(["listen 127.0.0.1:0 tls;", *(
        f"tls_certificate {certificates}/{n}.pem; tls_certificate_key {certificates}/{n}.key;"
        for n in names), more])


def status(guard, certificates, name="localhost", version="-tls1_3"):
    """What `openssl s_client -status` reads: the response's status, or None without one."""
    said = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{guard.port}", "-servername", name, version,
         "-CAfile", certificates / "ca.pem", "-status"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False).stdout
    assert "OCSP response:" in said, said
    assert ("no response sent" in said) == ("Cert Status" not in said)
    found = re.search("Cert Status: (.*)", said)
    return found and found[1]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_stapled(gateway, origin, certificates, response, version):
    """Clients that ask get it, each with the certificate of its name."""
    more = "".join(f"tls_stapling_file {response(*r)};" for r in [("wrong-name", "R"), ("server",)])
    guard = gateway(origin(), locations=PASS,
                    server=server(certificates, "server", "wrong-name", "rsa", more=more))
    assert guard.matches(r"\[warn\].*wrong-name.der\" says that its certificate is not good")
    assert status(guard, certificates, "localhost", version) == "good"
    assert status(guard, certificates, "elsewhere.test", version) == "revoked"


def test_not_stapled(gateway, origin, certificates):
    """Without a file there is none."""
    guard = gateway(origin(), locations=PASS, server=server(certificates, "server"))
    assert status(guard, certificates) is None


def test_expired(gateway, origin, certificates, response):
    """One that is too old is said, and not handed out: clients end connections for it. A reload
    brings a newer one."""
    file = response("server", minutes=60)
    made = file.read_bytes()
    guard = gateway(origin(), locations=PASS, server=server(
        certificates, "server", more=f"tls_stapling_file {file};"))
    assert status(guard, certificates) == "good"
    file.write_bytes(old(made))
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("live objects")
    guard.wait_log(r"\[warn\].*server.der\" has expired on 20\d\d-\d\d-\d\d and is not handed out")
    assert status(guard, certificates) is None
    file.write_bytes(made)
    guard.process.send_signal(signal.SIGHUP)
    guard.wait(lambda: len(guard.matches("live objects")) == 2, "second reload")
    assert status(guard, certificates) == "good"


def old(response):
    """The same response with times of 2001; its signature is not the gateway's business."""
    return re.sub(rb"(?<=\x18\x0f)20\d\d(?=\d{10}Z)", b"2001", response)


@pytest.mark.parametrize("what, words", [
    ("none.der", "none.der\" as tls_stapling_file: No such file"),
    ("server.pem", "server.pem\" as tls_stapling_file:"),
    ("other", "other.der\" is about no certificate that has none"),
    ("twice", "server.der\" is about no certificate that has none"),
    ("try later", "later.der\" as tls_stapling_file: trylater"),
])
def test_files_are_checked(check, certificates, response, tmp_path, what, words):
    """-t finds what a start would find."""
    response("server").rename(tmp_path / "good.der")
    response("expired").rename(tmp_path / "other.der")
    (tmp_path / "later.der").write_bytes(b"\x30\x03\x0a\x01\x03")
    file = {"none.der": tmp_path / "none.der", "server.pem": certificates / "server.pem",
            "other": tmp_path / "other.der", "try later": tmp_path / "later.der",
            "twice": response("server")}[what]
    more = f"tls_stapling_file {file};"
    if what == "twice":
        more = f"tls_stapling_file {tmp_path}/good.der; {more}"
    code, said = check(server(certificates, "server", more=more))
    assert code != 0 and words in said, said


def test_needs_tls(check, certificates, response):
    """A plain server has no use for it."""
    code, said = check(f"tls_stapling_file {response('server')};")
    assert code != 0 and "has a \"tls_stapling_file\", but no \"listen\" with \"tls\"" in said
