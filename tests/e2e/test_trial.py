"""What a child tries before the master does it: configurations that kill who reads them, files that
change meanwhile, files a user cannot write or read."""

import os
import pathlib
import pwd
import re
import subprocess

import pytest

from client import ask, request
from gateway import TOP, Gateway, binary, config
from test_control import order
from test_processes import FAILED, PASS, edit, send
from test_sandbox import root
from test_signing import LOCATIONS, MAIN, write_keys

HERE = pathlib.Path(__file__).parent
PUT = request("PUT", "/x", b"x")


def build(path, name):
    """A filter module."""
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-Wall", "-Werror",
                    f"-I{TOP}/gateway", f"-I{TOP}/filters", f'-DNAME="{name}"', "-o", path,
                    HERE / "endless.c"], check=True)
    return path


@pytest.mark.long
def test_a_half_copied_module(origin, gateway, tmp_path):
    """At twenty places: the reload fails and the gateway goes on, also when the loader dies of it."""
    module = tmp_path / "endless.so"
    whole = build(tmp_path / "whole.so", "endless").read_bytes()
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    guard.wait_log(r"master: trainguard")
    edit(guard, "worker_processes 1;", f"worker_processes 1; load_module {module};")
    for i in range(20):
        (tmp_path / "part.so").write_bytes(whole[:len(whole) * i // 25])
        (tmp_path / "part.so").rename(module)
        assert send(guard, "reload").returncode == 1
        assert guard.process.poll() is None
        assert ask(guard.port, request()).status == 200
    assert guard.matches(r"the configuration kills the process that tries it: signal \d+ \(")
    module.write_bytes(whole)
    assert send(guard, "reload").returncode == 0
    edit(guard, PASS, "location / { filters endless; proxy_pass modelarts; }")
    assert send(guard, "reload").returncode == 0
    assert ask(guard.port, PUT, "PUT").status == 200


@pytest.mark.parametrize("status", [0, 3])
def test_a_module_that_ends_its_process(status, origin, gateway, tmp_path):
    """It ends the child alone, also when it says that all is well."""
    module, source = tmp_path / "leaves.so", tmp_path / "leaves.c"
    source.write_text("#include <unistd.h>\n"
                      f"__attribute__((constructor)) static void leave(void) {{ _exit({status}); }}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", module, source], check=True)
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    guard.wait_log(r"master: trainguard")
    edit(guard, "worker_processes 1;", f"worker_processes 1; load_module {module};")
    done = send(guard, "reload")
    assert done.returncode == 1
    assert f"the configuration ends the process that tries it: status {status}" in done.stderr
    assert ask(guard.port, request()).status == 200


def test_files_that_change_while_they_are_read(origin, tmp_path, monkeypatch):
    """The child has read a good module, which is a broken one before the master reads it."""
    module, broken = build(tmp_path / "other.so", "other"), tmp_path / "broken.so"
    whole = module.read_bytes()
    broken.write_bytes(whole[:len(whole) // 2])
    monkeypatch.setenv("TEST_RENAME_FROM", str(broken))
    monkeypatch.setenv("TEST_RENAME_TO", str(module))
    text = config(tmp_path / "g", origin().port, locations=PASS)
    with Gateway(tmp_path / "g", text, FAILED) as guard:
        guard.wait_log(r"master: trainguard")
        edit(guard, "worker_processes 1;", f"worker_processes 1; load_module {module};")
        assert send(guard, "reload").returncode == 1
        assert not broken.exists()
        assert guard.process.poll() is None
        assert ask(guard.port, request()).status == 200
        module.unlink()
        build(module, "other")
        assert send(guard, "reload").returncode == 0


def unwritable(tmp_path):
    """A configuration whose audit log is root's alone."""
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (tmp_path / "audit.jsonl").touch(0o600)
    text = config(tmp_path, 1, locations=PASS, main="user nobody;")
    (tmp_path / "trainguard.conf").write_text(text)
    return tmp_path / "trainguard.conf"


@root
@pytest.mark.parametrize("start", [["-t"], []], ids=["tested", "started"])
@pytest.mark.parametrize("log", ["stderr", "error.log"])
def test_an_audit_log_the_user_cannot_write(tmp_path, log, start):
    """`-t` says what a start would: that user cannot open it, and why; a start says it on standard
    error wherever its log is."""
    conf = unwritable(tmp_path)
    conf.write_text(conf.read_text().replace("error_log stderr", f"error_log {log}"))
    done = subprocess.run([binary(), *start, "-c", conf], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 1
    assert f'"nobody" cannot open the audit log "{tmp_path}/audit.jsonl": Permission denied' in done.stderr


@root
@pytest.mark.parametrize("start", [["-t"], []], ids=["tested", "started"])
def test_an_audit_log_in_the_folder_of_another_user(tmp_path, start):
    """Without `user` it is root who will not write there."""
    folder = tmp_path / "logs"
    folder.mkdir()
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    conf = tmp_path / "trainguard.conf"
    conf.write_text(config(tmp_path, 1, locations=PASS, audit=f"{folder}/audit.jsonl"))
    done = subprocess.run([binary(), *start, "-c", conf], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 1
    assert re.search(rf'\[emerg\] cannot open the audit log "{folder}/audit.jsonl": .*belongs to another '
                     "user", done.stderr)
    assert list(folder.iterdir()) == []


@root
def test_an_audit_log_the_user_can_write(tmp_path):
    """Nothing is amiss once it is that user's."""
    conf = unwritable(tmp_path)
    os.chown(tmp_path / "audit.jsonl", pwd.getpwnam("nobody").pw_uid, -1)
    done = subprocess.run([binary(), "-t", "-c", conf], capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert order(conf, "quit").returncode == 1


def with_key(tmp_path, mode, group):
    """A configuration with a key in a file of root's; it says last who the gateway becomes."""
    conf = unwritable(tmp_path)
    write_keys(tmp_path)
    os.chown(tmp_path / "audit.jsonl", pwd.getpwnam("nobody").pw_uid, -1)
    os.chown(tmp_path / "own.json", 0, group)
    (tmp_path / "own.json").chmod(mode)
    text = config(tmp_path, 1, locations=LOCATIONS, main=MAIN.format(dir=tmp_path, more=""))
    conf.write_text(text + "user nobody;\n")
    return conf


@root
@pytest.mark.parametrize("mode, ours, words", [
    (0o440, True, 'credential "cloud": key GATEWAYAK1'),
    (0o400, True, '"nobody" cannot read a credential\'s file "{}/own.json": Permission denied'),
    (0o440, False, "a group the gateway is not in can read it"), (0o644, True, "everybody can read it")])
def test_a_key_is_for_the_user_to_read_again(tmp_path, mode, ours, words):
    """The keeper is that user: a file of root's and of the user's group is read by both, and no other."""
    group = pwd.getpwnam("nobody").pw_gid
    conf = with_key(tmp_path, mode, group if ours else group - 1)
    done = subprocess.run([binary(), "-t", "--online", "-c", conf], capture_output=True, text=True, timeout=60,
                          check=False)
    assert words.format(tmp_path) in done.stderr
    assert done.returncode == (0 if "GATEWAYAK1" in words else 1)
