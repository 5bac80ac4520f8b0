"""reload_on_change: folders that are swapped as kubelet swaps them, by one step or half, broken, under
load; certificates; what is told of it."""

import json
import os
import pwd
import shutil

import pytest

import audit
from client import ask, check_refusal, request
from gateway import GUARDED
from test_admin import series, start_admin
from test_audit_configuration import said
from test_processes import FAILED, PASS
from test_sandbox import nobodys_folder
from test_tls_listener import subject
from test_under_load import Load

assert start_admin  # a fixture
WATCH = "reload_on_change on quiet=20ms most=200ms;"
JUDGED = f"""
    location {GUARDED} {{
        filters json policy;
        policies mount/*.conf;
        proxy_pass modelarts;
    }}
""" + PASS
POLICY = """
policy team {{
    rule workers {{ at worker_server_num; max {most}; message "{most} at most"; }}
}}
"""
PATH = "/v1/p1/training-job-configs/c1"


class Volume:
    """A folder whose files are replaced as kubelet does it: a new folder beside the old one, links to it
    by the name `..data`, which is renamed over."""

    def __init__(self, path):
        self.path, self.turn = path, 0
        path.mkdir()

    def begin(self, files):
        """The new folder, and the links of what has not been there."""
        self.turn += 1
        fresh = self.path / f"..2026_{self.turn}"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / name).write_text(text)
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        (self.path / "..data_tmp").symlink_to(fresh.name)

    def end(self, files):
        """The swap, and away with what is old."""
        data = self.path / "..data"
        old = os.readlink(data) if data.is_symlink() else None
        (self.path / "..data_tmp").rename(data)
        for link in self.path.glob("[!.]*"):
            if link.name not in files:
                link.unlink()
        if old:
            shutil.rmtree(self.path / old)

    def swap(self, files):
        """Both."""
        self.begin(files)
        self.end(files)


def policies(most):
    """One file, with a limit that tells it from others."""
    return {"team.conf": POLICY.format(most=most)}


def put(guard, workers):
    """Asks for so many workers."""
    body = json.dumps({"worker_server_num": workers}).encode()
    return ask(guard.port, request("PUT", PATH, body, "Content-Type: application/json"), "PUT")


def reloaded(guard, n):
    """Waits for so many reloads that are done: the new workers serve, those before no longer accept."""
    guard.wait(lambda: len(guard.matches("reloaded ")) >= n, f"reload {n}")


def configurations(guard, n):
    """What the records say of the first n configurations."""
    return [said(r) for r in audit.wait(guard.directory / "audit.jsonl", n, "configuration")]


def test_swaps(admin, tmp_path):
    """Good, broken, half, good again: what judges, what is recorded, what is counted."""
    mount = Volume(tmp_path / "mount")
    mount.swap(policies(1))
    one = admin(expect=FAILED, main=WATCH, locations=JUDGED.replace("mount", str(mount.path)))
    guard = one.guard
    check_refusal(put(guard, 2), 403, "ModelArts.0105")

    mount.swap(policies(2))
    reloaded(guard, 1)
    first, second = configurations(guard, 2)
    assert (first["asked_by"], second["asked_by"], second["result"]) == ("start", "watch", "done")
    assert put(guard, 2).status == 200

    mount.swap({"team.conf": "policy team { nonsense; }"})
    broken = configurations(guard, 3)[2]
    assert (broken["asked_by"], broken["result"]) == ("watch", "failed")
    assert 'unknown directive "nonsense"' in broken["why"]
    assert put(guard, 2).status == 200
    assert put(guard, 3).status == 403

    mount.begin(policies(4) | {"more.conf": ""})  # a link that leads nowhere yet
    (mount.path / "team.conf").unlink()
    guard.wait_log(r"cannot read .*more\.conf")
    assert put(guard, 2).status == 200
    (mount.path / "team.conf").symlink_to("..data/team.conf")
    mount.end(policies(4) | {"more.conf": ""})
    reloaded(guard, 2)
    assert put(guard, 4).status == 200
    assert put(guard, 5).status == 403

    text = one.get("/metrics").body.decode()
    counts = series(text, "config_watch_reloads_total")
    assert counts['{result="done"}'] == 2 and counts['{result="failed"}'] >= 2
    assert series(text, "config_watch_last_reload_timestamp_seconds")[""] > 1e9
    status = json.loads(one.get("/status").body)
    assert status["watch_reloaded"] == status["reloaded"]
    assert status["watch_reloads_failed"] == counts['{result="failed"}']


def test_fifty_swaps_under_load(gateway, origin, tmp_path):
    """No request fails, and the last policies are those that judge. So fast that a configuration may
    never hold still while it is read: then it is tried again."""
    mount = Volume(tmp_path / "mount")
    mount.swap(policies(1))
    guard = gateway(origin(), FAILED, main=WATCH, locations=JUDGED.replace("mount", str(mount.path)))
    guard.wait_log(r"master: trainguard")
    loads = [Load(guard.port, f"c{i}", kills=False) for i in range(2)]
    for one in loads:
        one.start()
    for last in range(2, 7):
        for turn in range(10):
            mount.swap(policies(turn + 20 if turn < 9 else last))
            seen = [len(one.sent) for one in loads]
            assert all(one.wait_more(n) for one, n in zip(loads, seen))
        guard.wait(lambda n=last: put(guard, n + 1).status == 403 and put(guard, n).status == 200,
                   "the last policies")
    for one in loads:
        one.stopping.set()
        one.join(20)
    assert [one.failed for one in loads] == [[], []]
    guard.stop()
    records = audit.records(guard.directory / "audit.jsonl", "configuration")
    assert len([r for r in records if r["result"] == "done"]) > 5
    assert {r["asked_by"] for r in records} == {"start", "watch"}


def test_certificates(gateway, origin, certificates, tmp_path):
    """A renewed certificate, its key beside it, is served to who connects after the swap."""

    def pair(name):
        return {f"tls.{to}": (certificates / f"{name}.{of}").read_text()
                for to, of in (("crt", "pem"), ("key", "key"))}

    mount = Volume(tmp_path / "mount")
    mount.swap(pair("server"))
    guard = gateway(origin(), main=WATCH, locations=PASS, listen="", server=f"""
        listen 127.0.0.1:0 tls;
        tls_certificate {mount.path}/tls.crt; tls_certificate_key {mount.path}/tls.key;""")

    assert subject(guard, certificates) == "server"
    mount.swap(pair("wrong-name"))
    reloaded(guard, 1)
    guard.wait_log("live objects")  # the old worker is gone, its queue with it
    assert subject(guard, certificates) == "wrong-name"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_as_nobody(gateway, origin, tmp_path):
    """The master watches and reads what is root's alone; workers, who are nobody, judge by it, whatever
    it was swapped for."""
    nobody, log = pwd.getpwnam("nobody"), nobodys_folder(tmp_path)
    mount = Volume(tmp_path / "mount")
    mount.path.chmod(0o700)
    mount.swap(policies(1))
    guard = gateway(origin(), expect=FAILED, main=f"user nobody; {WATCH}", audit=f"{log}/audit.jsonl",
                    locations=JUDGED.replace("mount", str(mount.path)))
    check_refusal(put(guard, 2), 403, "ModelArts.0105")
    for turn, most in enumerate((2, 3), 1):
        mount.swap(policies(most))
        reloaded(guard, turn)
        assert [put(guard, n).status for n in (most, most + 1)] == [200, 403]
        mount.swap({"team.conf": "policy team { nonsense; }"})
        guard.wait(lambda turn=turn: len(guard.matches("reload failed")) >= turn, "a refusal")
        assert [put(guard, n).status for n in (most, most + 1)] == [200, 403]
    told = [said(r) for r in audit.wait(log / "audit.jsonl", 5, "configuration")]
    assert told[0]["asked_by"] == "start" and {t["asked_by"] for t in told[1:]} == {"watch"}
    assert (log / "audit.jsonl").stat().st_uid == nobody.pw_uid
