"""Planted secrets of clients' keys and of the gateway's own: in no log, record, answer, page or dump, and
gone from the memory of all processes when they were taken out of their files."""

import hashlib
import json
import os
import pathlib
import re
import resource
import signal

import pytest

import audit
import signing
from client import ask, request
from command import run
from endpoint import Endpoint
from gateway import sanitized
from listener import server_context
from test_callers import ask_unix, LOCATIONS, put
from test_processes import wait_gone
from test_seed import SEED
from test_signing import judge, PROJECT

TARGET = f"/v1/{PROJECT}/training-job-configs/config1"
PAGES = ("/healthz", "/livez", "/readyz?verbose", "/metrics", "/status", "/config", "/policies", "/certs",
         "/callers", "/credentials")


def planted(place):
    """A secret of its own for a place and a generation."""
    return "Pl4nt" + hashlib.sha256(place.encode()).hexdigest()[:35]


def write(directory, generation):
    """The files with their secrets; returns the secrets by their places."""
    made = {place: planted(f"{place} {generation}") for place in ("client SK", "own SK", "own token", "local key")}
    local = f"tglk_LK1_{made['local key']}"
    files = {
        "keys": f"key TGLK1 {{ secret {made['client SK']}; principal alice; projects {PROJECT}; }}\n"
                f"local_key LK1 {{ sha256 {hashlib.sha256(local.encode()).hexdigest()}; principal bob;"
                f" projects {PROJECT}; }}\n",
        "own.json": json.dumps({"credential": {
            "access": "GATEWAYAK", "secret": made["own SK"], "securitytoken": made["own token"],
            "expires_at": "2099-01-01T00:00:00Z"}})}
    for name, text in files.items():
        (directory / name).unlink(missing_ok=True)
        (directory / name).write_text(text)
        (directory / name).chmod(0o400)
    return made


def requests(made):
    """Good ones and bad ones of both kinds."""
    json_type = ("Content-Type", "application/json")
    for secret in (made["client SK"], made["client SK"] + "x"):
        wire = signing.sign("TGLK1", secret, "PUT", TARGET, [("Host", "localhost"), json_type], SEED)
        yield request("PUT", TARGET, SEED, *(f"{n}: {v}" for n, v in wire if n != "Host"), host="localhost")
    for key in (f"tglk_LK1_{made['local key']}", f"tglk_LK9_{made['local key']}", made["local key"]):
        yield request("PUT", TARGET, SEED, "Content-Type: application/json", f"X-Trainguard-Key: {key}",
                      host="localhost")
        yield request("PUT", TARGET, SEED, "Content-Type: application/json", f"Authorization: Bearer {key}",
                      host="localhost")
        yield request("GET", TARGET, None, f"X-Trainguard-Key: {key}", f"X-Auth-Token: {key}", host="localhost")
        yield request("GET", TARGET, None, f"X-Trainguard-Key: {key}", "Origin: https://evil.test", host="localhost")


def found(made, data, where):
    """Asserts that no secret, nor a digest of one, is in the data."""
    for place, secret in made.items():
        for form in (secret, hashlib.sha256(secret.encode()).hexdigest()):
            assert form.encode() not in data, f"{place} in {where}"


def shown(pid, name):
    """What the kernel shows of a process in a file of /proc; nothing of one that has just ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def processes(pid):
    """A process and all below it."""
    return [pid] + [p for child in shown(pid, f"task/{pid}/children").split() for p in processes(int(child))]


def memory(pid):
    """What is a process's own to write to, mapping by mapping."""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    with open(f"/proc/{pid}/mem", "rb") as file:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-p", maps, re.M):
            file.seek(int(start, 16))
            try:
                yield file.read(int(end, 16) - int(start, 16))
            except OSError:
                pass  # a device's page


def dumped(pid):
    """Of that, what a core file would hold: not the mappings that are left out of dumps (VmFlags: dd)."""
    text = pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8")
    with open(f"/proc/{pid}/mem", "rb") as file:
        for start, end, flags in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-p.*?^VmFlags: ([a-z ]*)", text, re.M | re.S):
            if "dd" in flags.split():
                continue
            file.seek(int(start, 16))
            try:
                yield file.read(int(end, 16) - int(start, 16))
            except OSError:
                pass  # a device's page


def holds(pid, secret):
    """True when a process has a secret in its memory; one that has just ended has nothing."""
    try:
        return any(secret.encode() in part for part in memory(pid))
    except (FileNotFoundError, ProcessLookupError):
        return False


def holders(guard, secret):
    """The processes whose memory has a secret."""
    return [pid for pid in processes(guard.process.pid) if holds(pid, secret)]


def test_nothing_tells_a_secret(gateway, certificates, tmp_path):
    """Neither at level debug nor with whole bodies."""
    made = write(tmp_path, 1)
    callers = "callers key notebooks; aksk resign notebooks;"
    with Endpoint(server_context(certificates / "server.pem")) as end:
        guard = gateway(f"localhost:{end.port}", tls=certificates / "ca.pem", level="debug",
                        locations=LOCATIONS % (callers, callers), main=(
                            f"audit_body full; client_keys notebooks {{ file {tmp_path}/keys; }}\n"
                            f"credential cloud {{ source file {tmp_path}/own.json; }}\n"
                            "admin {\n listen unix:admin.sock;\n}"))
        answers = [ask(guard.port, wire) for wire in requests(made)]
        assert {200, 400, 401, 403} <= {a.status for a in answers}
        signatures = [r.get("Authorization").rpartition("Signature=")[2] for r in end.requests]
        assert signatures and all(r.get("X-Security-Token") == made["own token"] for r in end.requests)
        told = {"answers": b"".join(a.body + str(a.fields).encode() for a in answers),
                "log": "\n".join(guard.lines).encode(),
                "records": json.dumps(audit.wait(guard.directory / "audit.jsonl", len(answers))).encode()}
        for page in PAGES:
            told[page] = ask_unix(guard, request("GET", page), "admin.sock").body
        dumped = run("-T", "-c", guard.directory / "trainguard.conf", "-p", f"{guard.directory}/")
        told["-T"] = dumped.raw + dumped.err.encode()
        told["key list"] = run("key", "list", tmp_path / "keys").raw
        for where, data in told.items():
            found(made, data, where)
            for one in signatures:
                assert one.encode() not in data, where
        if not sanitized():  # whose allocator keeps what was freed
            told_of(guard, made, tmp_path)


def told_of(guard, made, tmp_path):
    """Behind a reload with other keys no process has the old ones of clients."""
    assert holders(guard, made["client SK"]), "it is looked for in the right way"
    for pid in processes(guard.process.pid):
        for part in dumped(pid):
            for place in ("client SK", "own SK"):
                assert made[place].encode() not in part, f"{place} would be in a core of {pid}"
    workers = set(processes(guard.process.pid))
    fresh = write(tmp_path, 2)
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("master: reloaded")
    guard.wait(lambda: len(guard.matches("live objects")) >= 1, "the old worker's end")
    assert workers != set(processes(guard.process.pid))
    for _ in range(100):  # the master ends the old configuration when it has told of the new one
        if not (left := holders(guard, made["client SK"])):
            break
    assert left == []
    assert ask(guard.port, next(requests(fresh))).status == 200
    wire = next(requests(made))
    assert ask(guard.port, wire).status == 401


ENVIRONMENT = {"AK": "GATEWAYAK", "SK": planted("environment SK"), "SECURITY_TOKEN": planted("environment token")}


def in_environments(pids, *secrets):
    """The processes of which the kernel shows an environment with one of the secrets."""
    return [pid for pid in pids if any(s.encode() in shown(pid, "environ") for s in secrets)]


def test_the_environment_is_no_window(gateway, certificates, tmp_path, monkeypatch):
    """A key that came with the environment is shown by no process, and the master alone has it in memory of its
    own; reloads and the next program have it nevertheless."""
    write(tmp_path, 1)
    secrets = (ENVIRONMENT["SK"], ENVIRONMENT["SECURITY_TOKEN"])
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"HUAWEICLOUD_SDK_{name}", value)
    with Endpoint(server_context(certificates / "server.pem")) as end:
        guard = gateway(f"localhost:{end.port}", tls=certificates / "ca.pem",
                        locations=LOCATIONS % (("callers key notebooks;",) * 2), main=(
                            f"client_keys notebooks {{ file {tmp_path}/keys; }}\n"
                            "credential cloud { source env; }\nadmin {\n listen unix:admin.sock;\n}"))
        monkeypatch.undo()
        guard.wait_log("master: trainguard")

        def check(pid):
            key = f"X-Trainguard-Key: tglk_LK1_{planted('local key 1')}"
            assert ask(guard.port, put(key)).status == 200
            seen = end.requests[-1]
            assert judge(seen, ("GATEWAYAK", secrets[0])) == "GATEWAYAK"
            assert seen.get("X-Security-Token") == secrets[1]
            assert in_environments(processes(pid), *secrets) == []
            if not sanitized():
                assert [p for p in processes(pid) if holds(p, secrets[0])] == [pid]

        check(guard.process.pid)
        guard.process.send_signal(signal.SIGHUP)
        guard.wait_log("master: reloaded")
        guard.wait(lambda: len(guard.matches("live objects")) >= 1, "the old worker's end")
        check(guard.process.pid)
        guard.process.send_signal(signal.SIGUSR2)
        assert guard.process.wait(30) == 0
        new = int((guard.directory / "trainguard.pid").read_text())
        check(new)
        os.kill(new, signal.SIGTERM)
        wait_gone(new)


@pytest.mark.skipif(sanitized(), reason="a sanitizer's memory may be dumped")
def test_no_core_is_made(gateway, certificates, tmp_path):
    """Of no process, whatever the limit was it was started with: a worker's memory has what requests brought."""
    write(tmp_path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with Endpoint(server_context(certificates / "server.pem")) as end:
            guard = gateway(f"localhost:{end.port}", tls=certificates / "ca.pem", expect=["was killed by signal"],
                            locations=LOCATIONS % (("aksk resign notebooks;",) * 2), main=(
                                f"client_keys notebooks {{ file {tmp_path}/keys; }}\n"
                                f"credential cloud {{ source file {tmp_path}/own.json; }}\n"
                                "admin {\n listen unix:admin.sock;\n}"))
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    guard.wait_log("master: trainguard")
    master, *others = processes(guard.process.pid)
    assert len(others) >= 2
    for n, pid in enumerate(others, 1):
        os.kill(pid, signal.SIGABRT)
        guard.wait(lambda n=n: len(guard.matches("was killed by signal 6")) == n, "its end")
        limits = pathlib.Path(f"/proc/{master}/limits").read_text(encoding="utf-8")
        assert re.search(r"Max core file size +0 +0", limits)
    guard.wait(lambda: len(guard.matches(r"\w+ \d+ is process")) == 2 * len(others), "their successors")
    assert ask(guard.port, request("GET", "/x")).status == 401
    assert not guard.matches("core dumped")
    assert not [*guard.directory.glob("core*"), *pathlib.Path.cwd().glob("core*")]
