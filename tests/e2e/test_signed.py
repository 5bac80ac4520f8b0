"""Signed policies: what refuses a load, what a reload refuses, what goes on, and `trainguard policy`."""

import hashlib
import json
import re
import subprocess

import pytest

import audit
from client import ask, request
from command import run
from gateway import GUARDED
from test_admin import series, start_admin
from test_audit_configuration import said
from test_processes import FAILED, PASS, edit, send

assert start_admin  # a fixture
POLICY = """
table teams teams.csv;
policy team {{
    include {folder}/inner.rules;
    match project_id in teams;
    rule workers {{ at worker_server_num; max {most}; message "{most} at most"; }}
}}
"""
FAR, PAST = "2099-12-31", "2020-01-31"
PATH = "/v1/p1/training-job-configs/c1"


def openssl(*args):
    """One command of OpenSSL's, its output."""
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60).stdout


@pytest.fixture(scope="module", name="keys")
def make_keys(tmp_path_factory):
    """A folder with the key pairs `one` and `two`, and others that are no good."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", folder / f"{name}.key")
    openssl("genpkey", "-algorithm", "ed448", "-out", folder / "other.key")
    for name in ("one", "two", "other"):
        openssl("pkey", "-in", folder / f"{name}.key", "-pubout", "-out", folder / f"{name}.pub")
    return folder


class Policies:
    """A folder of policies, and who signs them."""

    def __init__(self, folder, keys):
        self.folder, self.keys = folder, keys
        folder.mkdir()
        self.put(4)

    def put(self, most):
        """Policies that tell what they are by the most workers they allow."""
        (self.folder / "team.conf").write_text(POLICY.format(folder=self.folder, most=most))
        (self.folder / "teams.csv").write_text("project_id\np1\n")
        (self.folder / "inner.rules").write_text("rule described { at config_desc; absent; }\n")
        (self.folder / "team.test.conf").write_text("not looked at")

    def sign(self, *options, key="one", expires=FAR):
        """By the command."""
        done = run("policy", "sign", "--key", self.keys / f"{key}.key", "--expires", expires, *options,
                   self.folder)
        assert done.code == 0, done.err

    def manifest(self, change):
        """Signs a changed list with OpenSSL."""
        path = self.folder / "MANIFEST"
        path.write_text(change(path.read_text()))
        openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.keys / "one.key", "-in", path,
                "-out", self.folder / "MANIFEST.sig")

    def locations(self, *by):
        """Of a gateway that judges by them."""
        by = " ".join(str(self.keys / f"{n}.pub") if "/" not in n and "_" not in n else n
                      for n in by or ("one",))
        return f"""
    location {GUARDED} {{
        filters json policy;
        policies {self.folder}/*.conf;
        policies_signed_by {by};
        proxy_pass modelarts;
    }}
    """ + PASS


@pytest.fixture(name="policies")
def signed(tmp_path, keys):
    """Policies with a signature that holds."""
    made = Policies(tmp_path / "policies", keys)
    made.sign()
    return made


@pytest.fixture(name="load")
def try_load(tmp_path):
    """load(policies, *keys): exit code and words of -t."""

    def load(policies, *by):
        (tmp_path / "t.conf").write_text(
            "audit_log off; upstream modelarts { server 127.0.0.1:1; tls off; }"
            "server { listen 127.0.0.1:0; %s }" % policies.locations(*by))
        done = run("-t", "-c", tmp_path / "t.conf")
        return done.code, done.err

    return load


def line(policies, name, digest=None):
    """A line of the list."""
    digest = digest or hashlib.sha256((policies.folder / name).read_bytes()).hexdigest()
    return f"{digest}  {name}\n"


BAD = {
    "a file too many": (lambda p: (p.folder / "stray.conf").write_text(""),
                        r'stray.conf" is not listed in the signed'),
    "a file less": (lambda p: (p.folder / "teams.csv").unlink(), "teams.csv"),
    "a policy less": (lambda p: ((p.folder / "more.conf").write_text(""), p.sign(),
                                 (p.folder / "more.conf").unlink()),
                      'more.conf", which cannot be read: No such file'),
    "another policy": (lambda p: p.put(99), 'team.conf" is not the file that was signed'),
    "another table": (lambda p: (p.folder / "teams.csv").write_text("project_id\nother\n"),
                      'teams.csv" is not the file that was signed'),
    "another include": (lambda p: (p.folder / "inner.rules").write_text("rule x { deny; mode dryrun; }"),
                        'inner.rules" is not the file that was signed'),
    "a table that is not listed": (
        lambda p: p.manifest(lambda t: t.replace(line(p, "teams.csv"), "")),
        'teams.csv" is not listed'),
    "an include that is not listed": (
        lambda p: p.manifest(lambda t: t.replace(line(p, "inner.rules"), "")),
        'inner.rules" is not listed'),
    "no list": (lambda p: (p.folder / "MANIFEST").unlink(), 'MANIFEST": No such file'),
    "no signature": (lambda p: (p.folder / "MANIFEST.sig").unlink(), 'MANIFEST.sig": No such file'),
    "half a signature": (lambda p: (p.folder / "MANIFEST.sig").write_bytes(b"x" * 32), "is no signature of"),
    "a broken signature": (lambda p: (p.folder / "MANIFEST.sig").write_bytes(bytes(64)), "is no signature of"),
    "another key": (lambda p: p.sign(key="two"), "is no signature of"),
    "a changed list": (lambda p: (p.folder / "MANIFEST").write_text(
        (p.folder / "MANIFEST").read_text().replace("# revision 1", "# revision 2")), "is no signature of"),
    "no revision": (lambda p: p.manifest(lambda t: t.replace("# revision 1\n", "")),
                    'this line is not "# revision NUMBER" in .*MANIFEST:1'),
    "no end": (lambda p: p.manifest(lambda t: t.replace(FAR, "never")),
               'this line is not "# expires YYYY-MM-DD" in .*MANIFEST:2'),
    "a path out of it": (lambda p: p.manifest(lambda t: t + line(p, "team.conf").replace(
        "team.conf", "../team.conf")), "has a name that is not plain.* in .*MANIFEST:6"),
    "an absolute path": (lambda p: p.manifest(lambda t: t + line(p, "team.conf").replace(
        "team.conf", f"{p.folder}/team.conf")), "has a name that is not plain"),
    "a name twice": (lambda p: p.manifest(lambda t: t + line(p, "team.conf")), "a name stands twice"),
    "a cut list": (lambda p: p.manifest(lambda t: t[:-1]), "the file is cut off"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_refuses_a_load(policies, load, what):
    """Each with the file that is wrong."""
    change, words = BAD[what]
    change(policies)
    code, err = load(policies)
    assert code == 1
    assert re.search(words, err), err


def test_keys(policies, load, keys, tmp_path):
    """Several keys while they are rotated; what is no key, or in the wrong place, is told by name."""
    assert load(policies, "two", "one")[0] == 0
    assert load(policies, "two")[0] == 1
    inside = policies.folder / "one.pub"
    inside.write_bytes((keys / "one.pub").read_bytes())
    policies.sign()
    for name, words in ((str(keys / "one.key"), "it is the private key"),
                        (str(keys / "other.pub"), "it is no key of Ed25519"),
                        (str(tmp_path / "gone.pub"), "No such file"),
                        (str(inside), "it lies in the folder that it shall guard")):
        code, err = load(policies, "one", name)
        assert code == 1 and f'cannot use "{name}": ' in err and words in err, err
    code, err = load(policies, "revision_may_fall")
    assert code == 1 and "takes 1 to 16 files of public keys, got 0" in err


def test_openssl_and_sha256sum(policies, keys):
    """What one signs the other verifies; the list is one of sha256sum's."""
    path = policies.folder / "MANIFEST"
    openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keys / "one.pub", "-in", path,
            "-sigfile", policies.folder / "MANIFEST.sig")
    subprocess.run(["sha256sum", "--check", "--strict", "MANIFEST"], cwd=policies.folder, check=True,
                   capture_output=True)
    policies.manifest(lambda t: t.replace("# revision 1", "# revision 12"))
    done = run("policy", "verify", "--key", keys / "two.pub", "--key", keys / "one.pub", policies.folder)
    assert done.code == 0
    der = openssl("pkey", "-pubin", "-in", keys / "one.pub", "-outform", "DER")
    assert done.out == f"revision 12, expires {FAR}, 3 files, signed by {hashlib.sha256(der).hexdigest()[:16]}\n"


def put(guard, workers):
    """The status for so many workers."""
    body = json.dumps({"worker_server_num": workers}).encode()
    return ask(guard.port, request("PUT", PATH, body, "Content-Type: application/json"), "PUT").status


def test_one_after_the_other(admin, policies, keys):
    """Expired ones serve from the start and degrade; a reload takes newer ones only."""
    policies.sign("--revision", "7", expires=PAST)
    one = admin(expect=FAILED, locations=policies.locations("one", "two"))
    guard = one.guard
    assert guard.matches(rf"\[warn\] the signed policies of .* expired on {PAST}")
    assert (put(guard, 4), put(guard, 5)) == (200, 403)
    assert one.get("/readyz").status == 200 and one.get("/readyz").body == b"degraded\n"
    assert b"[!] policies: what is signed expired on 2020-01-31 and goes on judging" in one.get(
        "/readyz?verbose").body
    assert series(one.get("/metrics").body.decode(), "policy_bundle_expires_timestamp_seconds")[""] == 1580515200
    assert send(guard, "reload").returncode == 0  # the same set may go on

    policies.put(5)
    policies.sign("--revision", "8", expires=PAST)
    answer = send(guard, "reload")
    assert answer.returncode == 1 and "is new, revision 8, and expired on 2020-01-31" in answer.stderr
    policies.sign("--revision", "6")
    answer = send(guard, "reload")
    assert answer.returncode == 1 and "has revision 6, lower than 7, which is in force" in answer.stderr
    assert (put(guard, 4), put(guard, 5)) == (200, 403)

    policies.sign("--revision", "8", key="two")
    assert send(guard, "reload").returncode == 0
    assert (put(guard, 5), put(guard, 6)) == (200, 403)
    assert one.get("/readyz").body == b"ok\n"
    der = openssl("pkey", "-pubin", "-in", keys / "two.pub", "-outform", "DER")
    signer = hashlib.sha256(der).hexdigest()[:16]
    (labels,) = series(one.get("/metrics").body.decode(), "config_info")
    assert labels.endswith(f',bundle="8",signed_by="{signer}"}}')
    told = json.loads(one.get("/status").body)["config"]
    assert (told["bundle"], told["signed_by"], told["bundle_expires"]) == ("8", signer, FAR)

    policies.put(4)
    policies.sign("--revision", "6")
    edit(guard, "two.pub;", "two.pub revision_may_fall;")
    assert send(guard, "reload").returncode == 0
    assert (put(guard, 4), put(guard, 5)) == (200, 403)
    log = guard.directory / "audit.jsonl"
    done = [r for r in audit.wait(log, 6, "configuration") if r["result"] == "done"]
    assert [r["policy.bundle"] for r in done] == ["7", "7", "8", "6"]
    assert [r["policy.signed_by"] == signer for r in done] == [False, False, True, False]
    starts = audit.wait(log, 4, "start")
    assert [r["policy.bundle"] for r in starts] == ["7", "7", "8", "6"]
    assert said(done[-1])["asked_by"] == "signal"


def test_the_command(policies, keys, tmp_path):
    """Revisions go up by themselves; what does not hold is told and is exit 1, wrong usage exit 2."""
    path = policies.folder / "MANIFEST"
    assert path.read_text().startswith(f"# revision 1\n# expires {FAR}\n")
    policies.sign()
    assert path.read_text().startswith("# revision 2\n")
    assert [entry.split("  ")[1] for entry in path.read_text().splitlines()[2:]] == [
        "inner.rules", "team.conf", "teams.csv"]
    assert path.stat().st_mode & 0o777 == 0o644
    key, pub = ("--key", keys / "one.key"), ("--key", keys / "one.pub")
    (policies.folder / "stray").write_text("x")
    done = run("policy", "verify", *pub, f"{policies.folder}/")
    assert done.code == 1 and 'stray" is not listed' in done.err and done.out == ""
    path.write_text("nonsense")
    done = run("policy", "sign", *key, "--expires", FAR, policies.folder)
    assert done.code == 1 and "say --revision" in done.err
    done = run("policy", "sign", *pub, "--expires", FAR, "--revision", 3, policies.folder)
    assert done.code == 1 and "there is no private key" in done.err
    done = run("policy", "sign", *key, "--expires", FAR, tmp_path / "gone")
    assert done.code == 1 and "No such file" in done.err
    (policies.folder / "odd\nname").write_text("x")
    done = run("policy", "sign", *key, "--expires", FAR, "--revision", 3, policies.folder)
    assert done.code == 1 and "its name cannot stand in a list" in done.err
    assert path.read_text() == "nonsense"
    for args in ((), ("sing",), ("sign",), ("sign", *key, policies.folder), ("sign", "--expires", FAR, "x"),
                 ("sign", *key, "--expires", "2027-02-30", "x"), ("verify", *pub), ("verify", "x"),
                 ("sign", *key, "--expires", FAR, "--revision", "0", "x"), ("verify", *pub, "--expires", FAR, "x"),
                 ("verify", "--kye", "x"), ("sign", *key, *key, "--expires", FAR, "x"), ("verify", *pub, "x", "y")):
        done = run("policy", *args)
        assert done.code == 2 and "trainguard policy" in done.err, args
    done = run("policy", "sign", *key, "--expires", "2027-02-30", "x")
    assert done.err == 'trainguard policy: --expires takes a day, YYYY-MM-DD, got "2027-02-30"\n' + \
        "`trainguard policy --help` tells how it is used\n"
    for args in (("--help",), ("sign", "--help")):
        assert run("policy", *args).out.startswith("Usage: trainguard policy sign")
