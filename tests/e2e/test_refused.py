"""What the kernel refuses: the gateway goes on without it and says so, or ends with a reason; no command loses or
leaves behind a file."""

import errno
import os
import re
import signal

import pytest

import audit
from client import ask, request
from command import SEED, run
from gateway import Gateway, config, sanitized
from refused import refused

SET_DUMPABLE, NO_NEW_PRIVS = 4, 38


@pytest.fixture
def limited(tmp_path, origin):
    """limited(*calls, error=..., expect=..., **config): a gateway the kernel refuses these calls, that serves."""
    started = []

    def start(*calls, error=errno.EPERM, expect=(), **settings):
        directory = tmp_path / f"gateway{len(started)}"
        directory.mkdir()
        started.append(Gateway(directory, config(directory, origin().port, **settings), expect,
                               preexec_fn=refused(*calls, error=error)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("calls, error, level, words, closed", [
    (["landlock_create_ruleset"], errno.ENOSYS, "notice", "sandbox: no Landlock here: Function not implemented", "no new privileges, no capabilities, seccomp"),
    (["landlock_add_rule"], errno.EINVAL, "warn", "sandbox: no Landlock rule for .*: Invalid argument", "Landlock, seccomp"),
    (["landlock_restrict_self"], errno.E2BIG, "notice", "sandbox: no Landlock here: Argument list too long", "no capabilities, seccomp"),
    (["capset"], errno.EPERM, "warn", "sandbox: capabilities stay: Operation not permitted", "no new privileges, Landlock, seccomp"),
    (["seccomp", ("prctl", 22)], errno.EINVAL, "notice", "sandbox: no seccomp here: ", "no capabilities, Landlock"),
    ([("prctl", NO_NEW_PRIVS)], errno.EINVAL, "warn", "sandbox: none, the kernel refuses: Invalid argument", None),
    ([("prctl", SET_DUMPABLE)], errno.EPERM, "warn", "sandbox: core dumps stay on: Operation not permitted", "Landlock, seccomp"),
    (["sched_getaffinity"], errno.ENOSYS, "info", "sandbox: closed", "Landlock, seccomp"),
    (["sched_setaffinity"], errno.EINVAL, "warn", "worker: cannot bind worker 0 to a processor: Invalid argument", "Landlock, seccomp"),
])
def test_the_gateway_serves_without(limited, calls, error, level, words, closed):
    """What is not there is told, and what is there; no request fails for it."""
    if sanitized():
        pytest.skip("with a sanitizer there is no sandbox")
    guard = limited(*calls, error=error, main="worker_cpu_affinity auto; sandbox on;")
    guard.wait_log(rf"\[{level}\] \d+ {words}")
    if closed is not None:
        guard.wait_log(f"sandbox: closed: .*{closed}$")
    assert ask(guard.port, request()).status == 200
    assert (closed is None) == (not guard.matches("sandbox: closed"))


def test_a_record_that_does_not_reach_the_disk(limited):
    """Only mode strict asks for it."""
    guard = limited("fdatasync", error=errno.EIO, audit="{dir}/audit.jsonl mode=blocking")
    assert ask(guard.port, request()).status == 200


def test_a_first_record_that_does_not_reach_the_disk(tmp_path):
    """In mode strict nobody is served then."""
    code, told = start_fails(tmp_path, "fdatasync", error=errno.EIO, audit="{dir}/audit.jsonl mode=strict")
    assert code == 1 and re.search("fdatasync: Input/output error", told), told


def test_a_folder_that_is_not_synced(limited):
    guard = limited("fsync", error=errno.EIO, audit="{dir}/audit.jsonl mode=strict")
    guard.wait_log(r"\[warn\] .*audit: syncing the directory of .*audit.jsonl failed: Input/output error")
    assert ask(guard.port, request()).status == 200


def fill(guard):
    """More records than a file of 64 KB takes."""
    for _ in range(130):
        assert ask(guard.port, request("GET", "/" + "x" * 600)).status == 200


@pytest.mark.parametrize("taken", ["audit.jsonl.1", "audit.jsonl.2"])
def test_a_file_that_cannot_be_rotated_grows_on(gateway, origin, taken):
    """A folder has the name."""
    guard = gateway(origin(), audit="{dir}/audit.jsonl rotate=64k keep=2", expect=["rotation failed"])
    (guard.directory / taken / "inside").mkdir(parents=True)
    if taken == "audit.jsonl.1":
        (guard.directory / "audit.jsonl.2").mkdir()
    fill(guard)
    guard.wait_log(r"\[error\] \d+ audit: rotation failed: \S*audit.jsonl: rotate: ")
    records = audit.wait(guard.directory / "audit.jsonl", 130)
    assert len(records) == 130 and (guard.directory / taken / "inside").is_dir()


def test_without_locks_a_file_is_not_rotated(limited):
    """Who cannot tell other workers does not rename the file under them."""
    guard = limited("flock", error=errno.ENOLCK, audit="{dir}/audit.jsonl rotate=64k keep=2")
    fill(guard)
    assert len(audit.wait(guard.directory / "audit.jsonl", 130)) == 130


def start_fails(tmp_path, *calls, error=errno.EPERM, **settings):
    """Exit code and words of a start under refusals."""
    conf = tmp_path / "trainguard.conf"
    conf.write_text(config(tmp_path, 1, **settings))
    done = run("-c", conf, preexec_fn=refused(*calls, error=error))
    return done.code, done.err


@pytest.mark.parametrize("calls, error, words", [
    (["bind"], errno.EACCES, r"127\.0\.0\.1:0.*Permission denied"),
    (["listen"], errno.EADDRINUSE, r"127\.0\.0\.1:0.*Address already in use"),
    (["socket"], errno.EMFILE, r"127\.0\.0\.1:0.*Too many open files"),
    (["rename", "renameat", "renameat2"], errno.EROFS, r"cannot write \S*trainguard.pid: Read-only file system"),
    (["clone"], errno.EAGAIN, r"(opening files|master: fork): Resource temporarily unavailable"),
])
def test_a_start_that_cannot_be(tmp_path, calls, error, words):
    code, told = start_fails(tmp_path, *calls, error=error)
    assert code == 1 and re.search(words, told), told
    assert not list(tmp_path.glob("trainguard.pid*")), "something was left behind"


def test_no_process_for_the_background(tmp_path):
    code, told = start_fails(tmp_path, "clone", error=errno.EAGAIN, main="daemon on;")
    assert code == 1
    assert told.endswith("trainguard: cannot go into the background: Resource temporarily unavailable\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("audit_log, words", [
    ("{dir}/audit.jsonl", r'\[emerg\] cannot become "nobody": Operation not permitted'),
    ("off", r'worker: cannot become "nobody": Operation not permitted')], ids=["file", "none"])
def test_who_cannot_become_the_user_does_not_serve(tmp_path, audit_log, words):
    """Nor does anybody serve as root instead."""
    code, told = start_fails(tmp_path, "setgroups", main="user nobody;", audit=audit_log)
    assert code == 1 and re.search(words, told), told


def control(guard, word, *calls, error=errno.EPERM):
    """`-s WORD` under refusals: exit code and words."""
    done = run("-c", guard.directory / "trainguard.conf", "-s", word, preexec_fn=refused(*calls, error=error))
    return done.code, done.err


@pytest.mark.parametrize("word, calls, words", [
    ("reload", ["inotify_add_watch"], "cannot watch the folder of"),
    ("reload", ["inotify_init1"], "cannot watch the folder of"),
    ("stop", ["pidfd_open"], "no master: process"),
    ("reload", ["kill", "pidfd_send_signal"], "cannot signal the master of"),
    ("stop", ["kill", "pidfd_send_signal"], "cannot signal the master of")])
def test_a_master_that_cannot_be_reached(gateway, origin, word, calls, words):
    """It is told, and nothing was done."""
    guard = gateway(origin())
    code, told = control(guard, word, *calls)
    assert code == 1 and words in told and "Operation not permitted" in told, told
    assert ask(guard.port, request()).status == 200 and not guard.matches("reloaded|signal TERM")


@pytest.mark.parametrize("calls, error, why", [
    (["fchmod"], errno.EPERM, "Operation not permitted"),
    (["fsync"], errno.EIO, "Input/output error"),
    (["rename", "renameat", "renameat2"], errno.EXDEV, "Invalid cross-device link")])
def test_fmt_leaves_the_file_as_it_was(tmp_path, calls, error, why):
    body = tmp_path / "body.json"
    body.write_bytes(SEED.read_bytes())
    done = run("fmt", "--in-place", body, preexec_fn=refused(*calls, error=error))
    assert done.code == 2 and f"{body}: cannot be written: {why}" in done.err
    assert body.read_bytes() == SEED.read_bytes() and os.listdir(tmp_path) == ["body.json"]


def test_fmt_may_lose_the_owner(tmp_path):
    """An owner that may not be given is no reason to fail, but set-id bits then go."""
    body = tmp_path / "body.json"
    body.write_bytes(SEED.read_bytes())
    body.chmod(0o6640)
    done = run("fmt", "--in-place", body, preexec_fn=refused("fchown"))
    assert done.code == 0 and body.stat().st_mode & 0o7777 == 0o640 and body.read_bytes() != SEED.read_bytes()


@pytest.mark.parametrize("args", [["eval", "FOLDER"], ["test", "FOLDER"], ["fmt", "FOLDER"]], ids=lambda a: a[0])
def test_a_folder_that_cannot_be_listed(tmp_path, args):
    (tmp_path / "a.json").write_text("{}")
    done = run(*[a.replace("FOLDER", str(tmp_path)) for a in args], preexec_fn=refused("getdents64", error=errno.EIO))
    assert done.code == 2 and str(tmp_path) in done.err, done.err


UNREADABLE = "/proc/self/mem"  # opens, and cannot be read from its beginning


@pytest.mark.parametrize("args", [
    ["eval", UNREADABLE], ["fmt", UNREADABLE], ["fmt", "--in-place", UNREADABLE], ["audit", "show", UNREADABLE],
    ["audit", "verify", UNREADABLE], ["audit", "summary", UNREADABLE],
    ["audit", "verify", "--key-file", UNREADABLE, os.devnull],
    ["-t", "-c", UNREADABLE], ["eval", "-c", UNREADABLE, SEED],
], ids=lambda a: " ".join(map(str, a)))
def test_a_file_that_cannot_be_read(args):
    done = run(*args)
    assert done.code in (1, 2) and UNREADABLE in done.err, done.err


def test_service_manager_out_of_reach(tmp_path, origin):
    """Without its socket nobody is told, and the gateway serves."""
    for where in ("/nowhere/notify", "@nobody", "relative", "/" + "x" * 200, "/", ""):
        directory = tmp_path / f"g{len(where)}"
        directory.mkdir()
        with Gateway(directory, config(directory, origin().port), env={**os.environ, "NOTIFY_SOCKET": where}) as guard:
            assert ask(guard.port, request()).status == 200
            guard.process.send_signal(signal.SIGHUP)
            guard.wait_log("reloaded")
