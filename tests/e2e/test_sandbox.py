"""What workers gave up, seen from outside, and that everything still works inside."""

import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess

import pytest

import audit
from client import ask, request
from gateway import binary, config, sanitized
from listener import server_context

PASS = "location / { proxy_pass modelarts; }"
GET = request("GET", "/x")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
closed = pytest.mark.skipif(sanitized(), reason="a sanitizer's build has no sandbox")


def status(guard):
    """/proc/PID/status of the worker, as a dictionary; the gateway has served once."""
    children = pathlib.Path(f"/proc/{guard.process.pid}/task/{guard.process.pid}/children")
    pid = children.read_text(encoding="utf-8").split()[0]
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(\w+):\t(.*)$", text, re.M))
    return found | {"core": re.search(r"Max core file size\s+(\d+)\s+(\d+)", limits)}


@closed
def test_closed(gateway, origin):
    """No capabilities, no new privileges, a filter, no core dumps, and a line that says so."""
    guard = gateway(origin(), locations=PASS)
    assert ask(guard.port, GET).status == 200
    seen = status(guard)
    assert seen["NoNewPrivs"] == "1" and seen["Seccomp"] == "2"
    assert int(seen["CapEff"], 16) == int(seen["CapPrm"], 16) == 0
    assert seen["core"].groups() == ("0", "0")
    guard.wait_log("sandbox: closed: no new privileges, no capabilities")


def test_off(gateway, origin):
    """Whoever turns it off has it off."""
    guard = gateway(origin(), locations=PASS, main="sandbox off;")
    assert ask(guard.port, GET).status == 200
    assert status(guard)["Seccomp"] == "0"
    assert not guard.matches("sandbox:")


def nobodys_folder(tmp_path):
    """A folder that belongs to nobody, who can reach it."""
    nobody = pwd.getpwnam("nobody")
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    folder = tmp_path / "log"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return folder


@root
@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_user(gateway, origin, tmp_path, sandbox):
    """Workers become that user, with no way back, and write the log as that user."""
    nobody, log = pwd.getpwnam("nobody"), nobodys_folder(tmp_path)
    guard = gateway(origin(), locations=PASS, main=f"user nobody; sandbox {sandbox};",
                    audit=f"{log}/audit.jsonl")
    assert ask(guard.port, GET).status == 200
    ids = [str(nobody.pw_uid)] * 4
    assert status(guard)["Uid"].split() == ids
    assert status(guard)["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert int(status(guard)["CapEff"], 16) == 0
    audit.wait(log / "audit.jsonl", 1)
    assert (log / "audit.jsonl").stat().st_uid == nobody.pw_uid


@root
def test_user_cannot_write(tmp_path, origin):
    """A log the user cannot write is said, and the worker does not serve."""
    text = config(tmp_path, origin().port, locations=PASS, main="user nobody;")
    (tmp_path / "audit.jsonl").touch(0o600)
    (tmp_path / "trainguard.conf").write_text(text)
    done = subprocess.Popen([binary(), "-p", f"{tmp_path}/", "-c", tmp_path / "trainguard.conf"],
                            stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "cannot open the audit log" not in said and (line := done.stderr.readline()):
            said += line
    finally:
        done.terminate()
        done.communicate()
    assert "cannot open the audit log" in said and "ermission denied" in said


@pytest.mark.parametrize("text, words", [("user nobody-knows;", "there is no user \"nobody-knows\""),
                                         ("user nobody no-group;", "there is no group \"no-group\"")])
def test_user_is_checked(check, text, words):
    """Names are looked up when the configuration is read."""
    code, said = check(main=text)
    assert code != 0 and words in said


def test_everything_works_inside(gateway, origin, certificates):
    """TLS by name, reopened and rotated logs, reload: after the sandbox is closed."""
    behind = origin(context=server_context(certificates / "server.pem"))
    guard = gateway(f"localhost:{behind.port}", tls=certificates / "ca.pem", locations=PASS,
                    upstream="keepalive 0; resolve_valid 0;")
    log = guard.directory / "audit.jsonl"
    assert ask(guard.port, GET).status == 200
    log.rename(log.with_suffix(".old"))
    guard.process.send_signal(signal.SIGUSR1)
    while not log.exists():  # the test's own timeout is the bound
        assert ask(guard.port, GET).status == 200
    assert ask(guard.port, GET).status == 200
    audit.wait(log, 1)
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    assert ask(guard.port, GET).status == 200


def test_rotation_inside(gateway, origin):
    """A log that grows is rotated by the worker itself."""
    guard = gateway(origin(), locations=PASS, audit="{dir}/audit.jsonl rotate=4k keep=3")
    for _ in range(20):
        assert ask(guard.port, GET).status == 200
    assert (guard.directory / "audit.jsonl.1").exists()


def test_unix_socket_inside(gateway, origin):
    """Connections over a unix socket are none of Landlock's business."""
    guard = gateway(origin(), locations=PASS, server="listen unix:sock;")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(guard.directory / "sock"))
        sock.sendall(GET)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
