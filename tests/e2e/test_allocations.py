"""What a request allocates once the gateway is warm: a stated number, and none per field, token or
record."""

import json
import struct

import pytest

from client import Client
from gateway import sanitized
from preload import preloaded
from test_seed import SEED, put

ROW = struct.Struct("56sQ")
WARM, ASKED = 300, 100
# Allocations per request. What libevhtp and libevent make for each is kept for the next one.
LIBRARIES = {"libcrypto": 4, "libssl": 2}


@pytest.fixture(name="counter")
def counting_gateway(tmp_path, monkeypatch):
    """The preloaded counter; counter() is the allocations so far, by object."""
    if sanitized():
        pytest.skip("a sanitizer has an allocator of its own")
    file = tmp_path / "counts"
    file.write_bytes(bytes(64 * ROW.size))
    for name, value in (preloaded("count_allocations", tmp_path) | {"TG_ALLOCATIONS": str(file)}).items():
        monkeypatch.setenv(name, value)

    def counts():
        rows = ROW.iter_unpack(file.read_bytes())
        return {name.rstrip(b"\0").decode().split(".so")[0]: n for name, n in rows if name[0]}

    return counts


def per_request(counter, client, data):
    """Allocations per request, by object, after the first ones."""
    for i in range(WARM + ASKED):
        if i == WARM:
            before = counter()
        client.send(data)
        assert json.loads(client.final().body)["is_success"] is True
    now = counter()
    return {name: (now[name] - before[name]) / ASKED for name in now if now[name] != before[name]}


def with_parameters(number):
    """The seed's example with so many parameters to mend."""
    document = json.loads(SEED)
    document["parameter"] = [{"key": f"p{i}", "value": i} for i in range(number)]
    return json.dumps(document).encode()


@pytest.fixture(name="seen")
def allocations_of_requests(counter, service, gateway, certificates):
    """{kind of request: {object: allocations per request}}"""
    guard = gateway(f"localhost:{service.origin.port}", tls=certificates / "ca.pem",
                    server="keepalive_requests 100000;", upstream="keepalive_requests 100000;")
    fields = [f"X-Field-{i}: {i}" for i in range(60)]
    with Client(guard.port) as client:
        seen = {
            "example": per_request(counter, client, put(SEED)),
            "60 more fields": per_request(counter, client, put(SEED, *fields)),
            "50 parameters": per_request(counter, client, put(with_parameters(50))),
        }
    print(json.dumps(seen, indent=1))
    return seen


def test_bounded(seen):
    """Only TLS allocates."""
    for name, one in seen.items():
        for library, count in one.items():
            assert count <= LIBRARIES.get(library, 0), (name, one)


def test_not_per_field(seen):
    """A field more costs no allocation more, in no library."""
    assert seen["60 more fields"] == seen["example"]


def test_not_per_token(seen):
    """A member that is read, mended and recorded costs no allocation."""
    assert seen["50 parameters"] == seen["example"]
