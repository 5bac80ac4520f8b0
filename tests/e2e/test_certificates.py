"""Certificates of endpoints: what is wrong is said in words, ours is shown, revoked ones are out."""

import re
import ssl

import pytest

from client import ask, check_refusal, request
from listener import server_context
from origin import OK

PASS = "location / { proxy_pass modelarts; }"
POST = request("POST", "/x", b"hello", "X-Auth-Token: t")
DATE = r"20\d\d-\d\d-\d\d"

WORDS = {
    "expired": f"certificate has expired on {DATE}",
    "future": f"certificate is not yet valid before {DATE}",
    "wrong-name": "(?i)(name|address) mismatch.*subject \"wrong-name\"",
    "unknown-ca": "unable to get local issuer certificate, issued by \"other-ca\"",
    "self-signed": "self-signed certificate",
    "weak-key": "(?i)key too (weak|small)",
}


def refused(gateway, behind, words, ca, upstream=""):
    """502, the reason in the log, not one byte upstream."""
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=ca, upstream=upstream,
                    locations=PASS)
    check_refusal(ask(guard.port, POST), 502, "ModelArts.4302")
    guard.wait_log(words)
    assert behind.bytes_received == 0


@pytest.mark.parametrize("name", WORDS)
def test_words(origin, gateway, certificates, name):
    """Each way to be wrong, with its date or its issuer."""
    behind = origin(context=server_context(certificates / f"{name}.pem", weak=True))
    refused(gateway, behind, WORDS[name], certificates / "ca.pem")


def test_revoked(origin, gateway, certificates, crl):
    """A certificate on the list."""
    behind = origin(context=server_context(certificates / "server.pem"))
    refused(gateway, behind, "certificate revoked, issued by \"ca\"", certificates / "ca.pem",
            f"tls_crl {crl('server')};")


def test_not_revoked(origin, gateway, certificates, crl):
    """A certificate that is not on it."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem",
                    upstream=f"tls_crl {crl('expired')};", locations=PASS)
    assert ask(guard.port, POST).status == 200


def mutual(certificates):
    """A server that wants a certificate of our CA."""
    made = server_context(certificates / "server.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(certificates / "ca.pem")
    return made


def own(certificates, name="server"):
    """The gateway's certificate."""
    return f"tls_cert {certificates}/{name}.pem; tls_key {certificates}/{name}.key;"


def test_our_certificate(origin, gateway, certificates):
    """An endpoint that asks for a certificate gets it."""
    seen = []

    def note(_origin, connection):
        seen.append(connection.sock.getpeercert()["subject"][0][0][1])

    behind = origin([note, *OK], context=mutual(certificates))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem",
                    upstream=own(certificates), locations=PASS)
    assert ask(guard.port, POST).status == 200
    assert seen[0] == "server"


@pytest.mark.parametrize("upstream", ["", "expired"])
def test_our_certificate_refused(origin, gateway, certificates, upstream):
    """Without one, or with a bad one, the endpoint ends it; the client learns so."""
    behind = origin(context=mutual(certificates))
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem",
                    upstream=own(certificates, upstream) if upstream else "", locations=PASS)
    check_refusal(ask(guard.port, POST), 502, "ModelArts.4302")
    assert behind.requests == []


@pytest.mark.parametrize("upstream, words", [
    ("tls_ca {c}/none.pem;", "none.pem\" as its tls_ca: No such file"),
    ("tls_ca {c}/server.key;", "server.key\" as its tls_ca:"),
    ("tls_crl {c}/server.pem;", "server.pem\" as its tls_crl:"),
    ("tls_cert {c}/server.pem; tls_key {c}/expired.key;", "it is not that of the certificate"),
    ("tls_cert {c}/server.pem;", "cannot use the key"),
])
def test_files_are_checked(check_tls, certificates, upstream, words):
    """-t says which file of which directive is no good."""
    code, said = check_tls(upstream.format(c=certificates))
    assert code != 0 and re.search(re.escape(words), said), said


@pytest.fixture
def check_tls(check):
    """check() with TLS to the upstream."""
    return lambda upstream: check(upstream=upstream, tls=True)
