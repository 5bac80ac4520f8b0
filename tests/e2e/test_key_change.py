"""Ten thousand requests while the gateway's key changes again and again: none is refused, and none
goes with the parts of two keys."""

import json
import threading
import time

import pytest

import signing
from client import Client
from endpoint import Endpoint
from sources import stamp
from test_keeper import MAIN
from test_signing import LOCATIONS, PROJECT, call, write_keys

CLIENTS, REQUESTS, CHANGES = 4, 2500, 10
PATIENCE = 120  # seconds; a stand-in in Python on a busy machine
KEYS = {f"TEMPAK{n}": f"temp-secret-{n}" for n in range(CHANGES + 1)}


def write(path, number):
    """Swaps the file of the gateway's key."""
    key = {"access": f"TEMPAK{number}", "secret": f"temp-secret-{number}",
           "securitytoken": f"temp-token-{number}", "expires_at": stamp(time.time() + 3600)}
    path.with_name("new").write_text(json.dumps({"credential": key}))
    path.with_name("new").chmod(0o400)
    path.with_name("new").rename(path)


def run(port, statuses):
    """One client with a kept connection: the same signed request again and again."""
    wire = call(b"", method="GET", target=f"/v1/{PROJECT}/training-job-configs")
    with Client(port) as client:
        for _ in range(REQUESTS):
            client.send(wire)
            statuses.append(client.final().status)


@pytest.mark.long
def test_ten_thousand_requests(gateway, tmp_path):
    """Each arrives with a signature of one whole key; all keys have their share."""
    write_keys(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    write(own / "key.json", 0)
    statuses, seen = [], set()
    with Endpoint() as end:
        guard = gateway(end, main=MAIN.format(dir=tmp_path, source=f"source file {own}/key.json;"),
                        locations=LOCATIONS, server=f"keepalive_requests {REQUESTS};")
        clients = [threading.Thread(target=run, args=(guard.port, statuses)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for number in range(1, CHANGES + 1):
            due = CLIENTS * REQUESTS * number // (CHANGES + 1)
            with end.lock:
                assert end.lock.wait_for(lambda due=due: len(end.log) >= due, PATIENCE)
            write(own / "key.json", number)
            guard.wait_log(f"a new key, TEMPAK{number}")
        for client in clients:
            client.join()
        requests = end.requests
    assert statuses == [200] * CLIENTS * REQUESTS
    assert len(requests) == CLIENTS * REQUESTS
    for one in requests:
        key = signing.verify(KEYS, one.method, one.target, one.fields, one.body, time.time())
        assert one.all("X-Security-Token") == [f"temp-token-{key.removeprefix('TEMPAK')}"]
        seen.add(key)
    assert seen == set(KEYS)
