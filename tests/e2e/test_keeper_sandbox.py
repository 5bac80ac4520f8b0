"""A keeper that somebody has taken over, and what it has in its hands."""

import os
import pathlib
import re

import pytest

from gateway import sanitized
from preload import preloaded
from sources import Metadata
from test_keeper import ADMIN, child, post
from test_keeper import cloud_gateway  # noqa: F401  pylint: disable=unused-import
from test_signing import CLIENT

pytestmark = pytest.mark.skipif(sanitized(), reason="a sanitizer's build has no sandbox")
FORBIDDEN = {"Permission denied", "Operation not permitted", "No such process"}
ATTEMPTS = 17


def maps(pid):
    """(range, rights, name) of each mapping of a process."""
    text = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    for line in text.splitlines():
        part = line.split(None, 5)
        start, end = (int(x, 16) for x in part[0].split("-"))
        yield range(start, end), part[1], part[5] if len(part) > 5 else ""


def memory(pid):
    """All bytes a process can read, that are not of a file."""
    with open(f"/proc/{pid}/mem", "rb") as file:
        for where, rights, name in maps(pid):
            if not rights.startswith("r") or name in ("[vvar]", "[vsyscall]"):
                continue
            file.seek(where.start)
            try:
                yield file.read(len(where))
            except OSError:
                pass  # a page that is not there


def test_a_keeper_that_is_taken_over(cloud, tmp_path, monkeypatch):
    """It reads no file but its own, reaches nobody but its sources, and touches no other process."""
    targets = tmp_path / "targets"
    targets.touch()
    for name, value in (preloaded("taken_over", tmp_path) | {"ATTACK": str(targets)}).items():
        monkeypatch.setenv(name, value)
    own = tmp_path / "own"
    own.mkdir()
    (own / "token").write_text("id-token-1")
    one = cloud(Metadata(), main=f"""{ADMIN}
        credential file {{ source idtoken idp {own}/token; endpoint http://127.0.0.1:1; }}""",
                expect=["credential .file. is none"])
    monkeypatch.undo()
    assert one.put().status == 200
    worker = child(one.guard, "worker")
    targets.write_text(f"{one.guard.process.pid} {worker} {one.end.port} {tmp_path}/keys "
                       f"{own}/token {one.guard.directory}/admin.sock\n")
    assert post(one, "/credentials/refresh").status == 202
    one.guard.wait_log("attack: over")
    got = dict(re.fullmatch(r"attack: (.*): (.*)", line).groups()
               for line in one.guard.lines if re.fullmatch(r"attack: (.*): (.*)", line))
    assert len(got) == ATTEMPTS
    assert set(got.values()) <= FORBIDDEN, got
    assert one.put().status == 200 and child(one.guard, "worker") == worker
    assert (own / "token").read_text() == "id-token-1"


def test_what_a_keeper_holds(cloud):
    """No listening socket, no memory of others that it could write, no pipe to the master; and the
    sandbox of a server is not its."""
    one = cloud(Metadata(), main=ADMIN)
    assert one.put().status == 200
    keeper, worker = child(one.guard, "keeper"), child(one.guard, "worker")
    shared = [(where, name) for where, rights, name in maps(keeper) if rights.startswith("rw-s")]
    named = [name for _, name in shared if "trainguard-credentials" in name]
    assert len(named) == 1
    assert sum(len(where) for where, name in shared if name not in named) <= 65536
    writable = [name for _, rights, name in maps(worker)
                if rights.startswith("rw-s") and "trainguard-credentials" in name]
    assert writable == []
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{keeper}/net/{table}").read_text("utf-8").splitlines()[1:]:
            if line.split()[3] == "0A":
                listening.add(f"socket:[{line.split()[9]}]")
    open_files = [os.readlink(f"/proc/{keeper}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper}/fd")]
    assert not listening & set(open_files)
    status = pathlib.Path(f"/proc/{keeper}/status").read_text(encoding="utf-8")
    assert re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads another process's memory")
def test_no_secrets_of_others(cloud):
    """What clients sign with is not in the keeper's memory."""
    one = cloud(Metadata())
    assert one.put().status == 200
    secret = CLIENT[1].encode()
    assert any(secret in part for part in memory(child(one.guard, "worker")))
    assert not any(secret in part for part in memory(child(one.guard, "keeper")))
