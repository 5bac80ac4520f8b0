"""Gateways that share the keys of session tickets, and connections that end so that clients spread."""

import os

import pytest

from client import Client, request
from command import run
from test_processes import PASS, edit, send
from test_tls_listener import V1_2, V1_3, TlsClient, context, server


def make_key(path, mode=0o400):
    """A new key in a file."""
    path.unlink(missing_ok=True)
    path.write_bytes(os.urandom(80))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_a_session_resumes_at_another_gateway(gateway, origin, certificates, tmp_path, version):
    """By a key of both, also by one that no longer seals; by one that is gone, or nowhere named, not."""
    old, new = make_key(tmp_path / "old"), make_key(tmp_path / "new")
    made = context(certificates, minimum=version, maximum=version)

    def start(main):
        return gateway(origin(), server=server(certificates), locations=PASS, listen="", main=main)

    def visit(guard, session=None):
        with TlsClient(guard.port, made, session=session) as client:
            assert client.ask().status == 200
            return client.sock.session, client.sock.session_reused

    one, two, alone = start(f"tls_ticket_key_file {old};"), start(f"tls_ticket_key_file {old};"), start("")
    session, reused = visit(one)
    assert not reused
    assert visit(two, session)[1] and visit(one, session)[1]
    assert not visit(alone, session)[1]

    edit(two, f"{old};", f"{new} {old};")
    assert send(two, "reload").returncode == 0
    fresh, reused = visit(two, session)
    assert reused, "the old key opens"
    if version == V1_3:  # its tickets are new at each visit
        assert not visit(one, fresh)[1], "the new key seals"
    edit(two, f"{new} {old};", f"{new};")
    assert send(two, "reload").returncode == 0
    assert not visit(two, session)[1]


def test_what_is_no_key(tmp_path):
    """Told by name: too short, twice, not there; readable by all and too old are warned of."""
    good, other = make_key(tmp_path / "good"), make_key(tmp_path / "other", 0o644)
    twin = tmp_path / "twin"
    twin.write_bytes(good.read_bytes())
    twin.chmod(0o400)
    (tmp_path / "short").write_bytes(bytes(48))

    def load(*names):
        (tmp_path / "t.conf").write_text(
            f"audit_log off; tls_ticket_key_file {' '.join(names)}; "
            "upstream modelarts { server 127.0.0.1:1; tls off; }"
            "server { listen 127.0.0.1:0; location / { proxy_pass modelarts; } }")
        done = run("-t", "-c", tmp_path / "t.conf")
        return done.code, done.err

    assert load("good")[0] == 0 and "tls_ticket_key_file" not in load("good")[1]
    code, err = load("good", "other")
    assert code == 0 and "everybody can read it" in err
    for names, words in ((("short",), "it has 48 bytes, not the 80"), (("gone",), "No such file"),
                         (("good", "twin"), "an earlier file has a key of that name")):
        code, err = load(*names)
        assert code == 1 and f'/{names[-1]}": ' in err and words in err, err
    os.utime(good, (0, 0))
    code, err = load("other", "good")
    assert code == 0 and "days old" not in err, "the one that seals counts"
    code, err = load("good")
    assert code == 0 and "days old: put a new one before it" in err


def test_old_connections_end(gateway, origin):
    """After an answer that says so, and nothing is lost; a connection that may live goes on."""
    guard = gateway(origin(), server="keepalive_time 50ms; keepalive_requests 1000000;", locations=PASS)
    for _ in range(2):
        with Client(guard.port) as client:
            answers = 0
            closes = False
            while not closes:  # the clock decides; the test's own timeout is the bound
                client.send(request())
                answer = client.final()
                assert answer.status == 200
                answers += 1
                closes = answer.get("Connection") == "close"
            assert client.sock.recv(1) == b""
        assert answers >= 1
    edit(guard, "keepalive_time 50ms;", "keepalive_time 0;")
    assert send(guard, "reload").returncode == 0
    with Client(guard.port) as client:
        for _ in range(50):
            client.send(request())
            assert client.final().get("Connection") is None
