"""The recorded requests of all SDKs through a socket, at the time at which each was signed: the verdicts
are those of the documents, by one worker and by four."""

import base64
import os
import socket
import struct

import pytest

import audit
import signing
from endpoint import Endpoint
from gateway import Gateway, config
from preload import preloaded
from test_key_cli import wire_of
from test_signing import OWN, write_keys
from test_signing_judge import AK, SECRET, VECTORS
from wire import Wire

NOW = "20261201T081530Z"
PROJECTS = "a4a5d4098fb4474fa22cd05f897d6b99"
ENDS = {"ok": "done", "mismatch": "auth_mismatch", "expired": "auth_expired", "malformed": "auth_malformed",
        "unknown_key": "auth_unknown"}
CASES = [c for k in ("vectors", "changed", "other_sdks", "odd", "wire") for c in VECTORS[k]]
# the gateway looks closer: a path of two meanings, and hashes that cover no body
CLOSER = {"d05": "bad_request", "d21": "auth_payload", "m19": "auth_payload", "w04": "auth_payload"}


def set_clock(directory, stamp):
    """In place: the gateway has the file in its memory."""
    with open(directory / "now", "r+b") as file:
        file.write(struct.pack("=q", int(signing.seconds_of(stamp))))


@pytest.fixture(name="clock", scope="module")
def build_clock(tmp_path_factory):
    """The folder of the file that the clock shows."""
    directory = tmp_path_factory.mktemp("clock")
    (directory / "now").write_bytes(bytes(8))
    set_clock(directory, NOW)
    return directory


@pytest.fixture(name="before", scope="module", params=[1, 4], ids=["one worker", "four workers"])
def start_gateway(request, clock, tmp_path_factory):
    """A gateway whose clock is that one, and a stand-in behind it."""
    directory = tmp_path_factory.mktemp("vectors")
    write_keys(directory, keys=f"key {AK} {{ secret {SECRET}; principal sdk; projects {PROJECTS}; }}")
    main = (f"client_keys notebooks {{ file {directory}/keys; }}\n"
            f"credential cloud {{ source file {directory}/own.json; }}")
    options = {"env": {**os.environ, **preloaded("fake_clock", clock), "FAKE_CLOCK": str(clock / "now")}}
    with Endpoint() as end:
        text = config(directory, end.port, main=main, locations="location / { filters verify sign; "
                      "aksk resign notebooks; sign cloud; proxy_pass modelarts; }").replace(
                          "worker_processes 1;", f"worker_processes {request.param};")
        with Gateway(directory, text, **options) as guard:
            yield guard, end


def send(port, number, raw):
    """One request; each comes from an address of its own, so that no failure locks the next one out."""
    with socket.socket() as sock:
        sock.settimeout(20)
        sock.bind((f"127.0.1.{number}", 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(raw)
        return Wire(sock).response(raw.split(b" ", 1)[0].decode())


def wire(case):
    """Its bytes, with an id to find its record by; a key that should not be known has another name."""
    raw = base64.b64decode(case["raw_base64"]) if "raw_base64" in case else wire_of(case)
    if case.get("ak_known") is False:
        raw = raw.replace(AK.encode(), b"TGNOBODY")
    return raw.replace(b"\r\n", f"\r\nX-Request-Id: {case['id']}\r\n".encode(), 1)


def test_recorded_requests(before, clock):
    """What came through went on with the gateway's own signature, and what did not, did not."""
    guard, end = before
    passed = 0
    for number, case in enumerate(CASES, 1):
        set_clock(clock, case.get("now", NOW))
        got = send(guard.port, number, wire(case))
        record, = [r for r in audit.wait(guard.directory / "audit.jsonl", number) if r["request_id"] == case["id"]]
        word, _, form = case["verify"].partition(":")
        assert record["end"] == CLOSER.get(case["id"], ENDS[word]), (case["id"], got.body)
        if record["end"] == "done":
            passed += 1
            assert (record["auth.verified"], record["principal"]) == (True, "sdk")
            assert record.get("auth.form", "") == form, case["id"]
    assert len(end.requests) == passed > 35
    for seen in end.requests:
        signing.verify({OWN[0]: OWN[1]}, seen.method, seen.target, seen.fields, seen.body,
                       signing.seconds_of(seen.get("X-Sdk-Date")))
