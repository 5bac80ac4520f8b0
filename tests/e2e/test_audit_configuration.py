"""The event `configuration`: which configuration a stream serves by, who asked for it, what failed."""

import re
import signal
import subprocess

import pytest

import audit
from client import ask, request
from gateway import binary
from test_admin import POLICY, start_admin
from test_processes import FAILED, PASS, children, edit, send, serving
from test_seed import put

SAID = ("asked_by", "result", "why", "configuration.revision", "policy.revisions")
assert serving and start_admin  # fixtures


def said(record):
    """What a record says of the configuration."""
    return {k: record[k] for k in SAID if k in record}


def wait(guard, n):
    """Waits for so many records; what they say."""
    return [said(r) for r in audit.wait(guard.directory / "audit.jsonl", n, "configuration")]


def verified(guard):
    """The log verifies to its end, and every record is valid for who prints it."""
    guard.stop()
    log = guard.directory / "audit.jsonl"
    code, words = audit.verify(log, closed=True)
    assert code == 0, words
    return log


def more_workers(guard, n):
    """Puts so many in force."""
    edit(guard, "worker_processes 1", f"worker_processes {n}")
    assert send(guard, "reload").returncode == 0


def test_each_worker_begins_with_it(gateway, origin):
    """In the second line of its stream, at the start and at a reload."""
    guard = gateway(origin(), locations=PASS)
    (first,) = wait(guard, 1)
    assert len(bytes.fromhex(first.pop("configuration.revision"))) == 32
    assert first == {"asked_by": "start", "result": "done"}
    more_workers(guard, 3)
    records = audit.wait(guard.directory / "audit.jsonl", 4, "configuration")
    assert [r["seq"] for r in records] == [2] * 4
    assert len({r["stream"] for r in records}) == 4
    assert len({r["configuration.revision"] for r in records}) == 2
    assert [r["asked_by"] for r in records] == ["start"] + ["signal"] * 3
    starts = audit.wait(guard.directory / "audit.jsonl", 4, "start")
    assert [r["configuration.revision"] for r in starts] == [
        r["configuration.revision"] for r in records]
    verified(guard)


def test_a_revision_is_of_all_files(gateway, origin, tmp_path):
    """The same files have the same revision; one that the configuration names changes it."""
    (tmp_path / "one.conf").write_text(POLICY)
    policy = f"policies {tmp_path}/one.conf;"
    guarded = ("location PUT /v1/{project_id}/training-job-configs/{config_name} { filters json "
               "policy; " + policy + " proxy_pass modelarts; } " + PASS)
    guard = gateway(origin(), locations=guarded)
    (first,) = wait(guard, 1)
    assert send(guard, "reload").returncode == 0
    _, second = wait(guard, 2)
    assert second == first | {"asked_by": "signal"}
    (tmp_path / "one.conf").write_text(POLICY.replace('"no"', '"never"'))
    assert send(guard, "reload").returncode == 0
    third = wait(guard, 3)[2]
    for name in "configuration.revision", "policy.revisions":
        assert third[name] != second[name], name
    start = audit.wait(guard.directory / "audit.jsonl", 3, "start")[2]
    assert start["policy.revisions"] == third["policy.revisions"]
    answer = ask(guard.port, put(b'{"worker_server_num":1,"config_desc":"x"}'))
    assert answer.status == 403
    (outcome,) = audit.wait(guard.directory / "audit.jsonl", 1)
    assert [outcome["policy.revision"]] == third["policy.revisions"]
    verified(guard)


def test_reloads_that_fail(gateway, origin):
    """A worker in force says it, with the first error; of the files that were tried."""
    guard = gateway(origin(), expect=FAILED, locations=PASS)
    (first,) = wait(guard, 1)
    for _ in range(2):
        edit(guard, "proxy_pass", "proxy_pas")
        assert send(guard, "reload").returncode == 1
        edit(guard, "proxy_pas", "proxy_pass")
    records = audit.wait(guard.directory / "audit.jsonl", 3, "configuration")
    assert len({r["stream"] for r in records}) == 1
    for record in map(said, records[1:]):
        assert record.pop("configuration.revision") != first["configuration.revision"]
        why = record.pop("why")
        assert re.fullmatch(r'unknown directive "proxy_pas" in \S+:\d+, did you mean "proxy_pass"\?', why)
        assert record == {"asked_by": "signal", "result": "failed"}
    assert send(guard, "reload").returncode == 0
    assert wait(guard, 4)[3] == first | {"asked_by": "signal"}
    verified(guard)


def test_reloads_over_the_admin_socket(admin):
    """Done and failed, each once, however many workers there are."""
    one = admin(expect=FAILED)
    guard = one.guard
    edit(guard, "worker_processes 1", "worker_processes 2")
    assert one.unix("/reload").status == 200
    assert [r["asked_by"] for r in wait(guard, 3)] == ["start"] + ["admin"] * 2
    edit(guard, "proxy_pass", "proxy_pas")
    assert one.unix("/reload").status == 500
    (last,) = wait(guard, 4)[3:]
    assert (last["asked_by"], last["result"]) == ("admin", "failed")
    edit(guard, "proxy_pas", "proxy_pass")
    assert one.unix("/reload").status == 200
    records = wait(guard, 6)
    assert [r["result"] for r in records].count("failed") == 1
    verified(guard)


def test_a_worker_that_replaces_another(gateway, origin):
    """Says what it serves by, as the one before."""
    guard = gateway(origin(), expect=[r"was killed by signal 9"], locations=PASS)
    (first,) = wait(guard, 1)
    subprocess.run(["kill", "-KILL", str(children(guard.process.pid)[0])], check=True)
    assert wait(guard, 2)[1] == first
    guard.stop()


def test_upgrades(gateway, origin):
    """Who fails is told of by the program that goes on."""
    guard = gateway(origin(), expect=[r"upgrade failed", r"proxy_pas"], locations=PASS)
    wait(guard, 1)
    edit(guard, "proxy_pass", "proxy_pas")
    guard.process.send_signal(signal.SIGUSR2)
    assert wait(guard, 2)[1] == {"asked_by": "upgrade", "result": "failed",
                                 "why": "the new program ended with status 1"}
    verified(guard)


@pytest.mark.parametrize("command, words", [
    (["show"], " configuration asked-by=signal result=done revision=REVISION stream="),
    (["summary"], "\nconfigurations\n     count  asked_by  result  revision\n"
                  "         2  signal    done    REVISION\n")])
def test_commands_tell(gateway, origin, command, words):
    """People see it as well."""
    guard = gateway(origin(), locations=PASS)
    more_workers(guard, 2)
    revision = wait(guard, 3)[-1]["configuration.revision"]
    assert ask(guard.port, request("GET", "/x", None)).status == 200
    log = verified(guard)
    done = subprocess.run([binary(), "audit", *command, log], capture_output=True, text=True,
                          timeout=60, check=True)
    assert words.replace("REVISION", revision) in done.stdout, done.stdout


def test_a_log_that_is_off(gateway, origin):
    """Has nobody to tell it to, and fails nothing."""
    guard = gateway(origin(), expect=FAILED, locations=PASS, audit="off")
    edit(guard, "proxy_pass", "proxy_pas")
    assert send(guard, "reload").returncode == 1
    assert ask(guard.port, request("GET", "/x", None)).status == 200
    assert not (guard.directory / "audit.jsonl").exists()
