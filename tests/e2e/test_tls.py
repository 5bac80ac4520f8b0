"""TLS to the upstream: nobody who is not verified gets a byte, and the log says why."""

import ssl

import pytest

from client import ask, check_refusal, request
from listener import server_context
from origin import wait_end
from test_seed import put, REPAIRED

V1_1, V1_2, V1_3 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

# certificate: what the log says
UNTRUSTED = {
    "expired": "certificate has expired",
    "future": "certificate is not yet valid",
    "wrong-name": "(?i)(name|address) mismatch",
    "common-name": "(?i)(name|address) mismatch",
    "unknown-ca": "unable to get (local )?issuer certificate",
    "self-signed": "self.signed certificate",
    "weak-key": "(?i)key too (weak|small)",
}


@pytest.mark.parametrize("name", UNTRUSTED)
@pytest.mark.parametrize("data", [put(REPAIRED), request("POST", "/x", b"hello", "X-Auth-Token: t")],
                         ids=["judged", "passed through"])
def test_untrusted(origin, gateway, certificates, name, data):
    """502, the reason in the log, not one byte of the request."""
    behind = origin(context=server_context(certificates / f"{name}.pem", weak=True))
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem")
    check_refusal(ask(guard.port, data), 502, "ModelArts.4302")
    guard.wait_log(UNTRUSTED[name])
    assert behind.bytes_received == 0


def test_old_version(origin, gateway, certificates):
    """TLS 1.1 is not spoken."""
    old = server_context(certificates / "server.pem", minimum=V1_1, maximum=V1_1, weak=True)
    behind = origin(context=old)
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem")
    check_refusal(ask(guard.port, put(REPAIRED)), 502, "ModelArts.4302")
    guard.wait_log("(?i)version|protocol")
    assert behind.bytes_received == 0


def test_system_ca_by_default(origin, gateway, certificates):
    """Without tls_ca, our throw-away CA is nobody."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls="/etc/ssl/certs/ca-certificates.crt")
    check_refusal(ask(guard.port, put(REPAIRED)), 502, "ModelArts.4302")
    assert behind.bytes_received == 0


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_versions(origin, gateway, certificates, version):
    """Both current versions; the name asked for is the server's."""
    behind = origin(context=server_context(certificates / "server.pem", minimum=version,
                                           maximum=version))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem")
    assert ask(guard.port, put(REPAIRED)).status == 200
    assert behind.connections[0].tls == version.name.replace("_", ".")
    assert behind.connections[0].sni == "localhost"


def test_address_without_name(origin, gateway, certificates):
    """An address is checked against the certificate's addresses; SNI has no addresses (RFC 6066)."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"127.0.0.1:{behind.port}", tls=certificates / "ca.pem")
    assert ask(guard.port, put(REPAIRED)).status == 200
    assert behind.connections[0].sni is None


@pytest.mark.parametrize("name, sni, status", [("127.0.0.1", None, 200), ("::1", None, 502),
                                               ("localhost.", "localhost", 200)])
def test_tls_name_is_no_host_name(origin, gateway, certificates, name, sni, status):
    """An address as tls_name is checked and not asked for; an absolute name has no dot in TLS."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", [] if status == 200 else [r"\[error\]"],
                    tls=certificates / "ca.pem", upstream=f"tls_name {name};")
    assert ask(guard.port, put(REPAIRED)).status == status
    assert behind.connections[0].sni == sni
    assert (behind.bytes_received == 0) == (status == 502)


@pytest.mark.parametrize("name, status", [("modelarts.test", 200), ("elsewhere.test", 502)])
def test_name_from_the_configuration(origin, gateway, certificates, name, status):
    """tls_name is asked for and checked."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"127.0.0.1:{behind.port}", [] if status == 200 else [r"\[error\]"],
                    tls=certificates / "ca.pem", upstream=f"tls_name {name};")
    assert ask(guard.port, put(REPAIRED)).status == status
    assert behind.connections[0].sni in (name, None)
    assert (behind.bytes_received == 0) == (status == 502)


def test_verification_off(origin, gateway, certificates):
    """Whoever says so gets it."""
    behind = origin(context=server_context(certificates / "self-signed.pem"))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem",
                    upstream="tls_verify off;")
    assert ask(guard.port, put(REPAIRED)).status == 200


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_resumption(origin, gateway, certificates, version):
    """A second connection resumes the session of the first."""
    behind = origin(context=server_context(certificates / "server.pem", minimum=version,
                                           maximum=version))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem",
                    upstream="keepalive 0;")
    for _ in range(2):
        assert ask(guard.port, put(REPAIRED)).status == 200
    assert [c.resumed for c in behind.connections] == [False, True]


def test_plain_server(origin, gateway, certificates):
    """A server that speaks no TLS gets a ClientHello and nothing else; the log asks what is meant."""
    behind = origin([b"HTTP/1.1 400 Bad Request\r\n\r\n", wait_end])
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem")
    check_refusal(ask(guard.port, put(REPAIRED)), 502, "ModelArts.4302")
    guard.wait_log(r'127\.0\.0\.1:\d+: .*the answer is no TLS: is "tls off" meant\?')
    assert b"training-job" not in behind.connections[0].wire.raw


# what a server does, and what the log says of it
LATE = {
    "silent": ([wait_end], 'TCP connected, TLS handshake not answered: is "tls off" meant\\?'),
    "half": ([b"\x16\x03\x03\x00\x7a", wait_end], "TCP connected, TLS handshake not ended in time"),
}


@pytest.mark.parametrize("name", LATE)
def test_late_handshake(origin, gateway, certificates, name):
    """The step and the address of a connection that did not come in time."""
    script, words = LATE[name]
    behind = origin(script)
    guard = gateway(f"127.0.0.1:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem",
                    upstream="connect_timeout 300ms;")
    check_refusal(ask(guard.port, put(REPAIRED)), 504, "ModelArts.4503")
    guard.wait_log(rf"127\.0\.0\.1:{behind.port}: {words}")


@pytest.mark.parametrize("script, status", [([wait_end], 504), ([b"", lambda *_: None], 502)],
                         ids=["silent", "closes"])
def test_no_handshake(origin, gateway, certificates, script, status):
    """A server that accepts and never shakes hands."""
    behind = origin(script)
    guard = gateway(f"localhost:{behind.port}", [r"\[error\]"], tls=certificates / "ca.pem",
                    upstream="connect_timeout 300ms;")
    check_refusal(ask(guard.port, put(REPAIRED)), status,
                  "ModelArts.4503" if status == 504 else "ModelArts.4302")

