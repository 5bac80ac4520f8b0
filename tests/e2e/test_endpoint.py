"""The stand-in itself, without a gateway: it accepts what the tables say and refuses the rest."""

import json

import pytest

from client import Client, ask, request
from endpoint import Endpoint
from test_seed import REPAIRED, SEED, put
from wire import Closed, Malformed


def changed(old, new):
    """The repaired seed example with one change."""
    assert old in REPAIRED
    return REPAIRED.replace(old, new)


BODIES = {
    "repaired": (REPAIRED, None),
    "seed": (SEED, "ModelArts.0107"),
    "key": (changed(b'"label": "batch_size"', b'"key": "batch_size"'), "ModelArts.0104"),
    "value a number": (changed(b'"0.01"', b"0.01"), "ModelArts.0107"),
    "value true": (changed(b'"0.01"', b"true"), "ModelArts.0107"),
    "id a string": (changed(b'"spec_id": 1', b'"spec_id": "1"'), "ModelArts.0107"),
    "id a fraction": (changed(b'"spec_id": 1', b'"spec_id": 1.0'), "ModelArts.0107"),
    "id true": (changed(b'"spec_id": 1', b'"spec_id": true'), "ModelArts.0107"),
    "id of 65 bits": (changed(b'"spec_id": 1', b'"spec_id": 9223372036854775808'), "ModelArts.0107"),
    "id the largest": (changed(b'"spec_id": 1', b'"spec_id": 9223372036854775807'), None),
    "id null": (changed(b'"spec_id": 1', b'"spec_id": null'), "ModelArts.0104"),
    "flavor instead": (changed(b'"spec_id": 1', b'"flavor": {"code": "x"}'), None),
    "no servers": (changed(b'"worker_server_num": 1,', b""), "ModelArts.0104"),
    "description a number": (changed(b'"This is config"', b"1"), "ModelArts.0107"),
    "description null": (changed(b'"This is config"', b"null"), None),
    "parameter an object": (b'{"parameter": {}}', "ModelArts.0107"),
    "element a string": (b'{"parameter": ["a"]}', "ModelArts.0107"),
    "a name twice": (changed(b'"spec_id": 1', b'"spec_id": 1, "spec_id": 1'), "ModelArts.4105"),
    "not JSON": (b"{", "ModelArts.4105"),
    "an array": (b"[]", "ModelArts.0107"),
}


@pytest.fixture(name="port", scope="module")
def plain_endpoint():
    """A stand-in without TLS."""
    with Endpoint() as endpoint:
        yield endpoint.port


@pytest.mark.parametrize("name", BODIES)
def test_body(port, name):
    """Types exactly as documented."""
    body, code = BODIES[name]
    got = ask(port, put(body))
    value = json.loads(got.body)
    assert (got.status, value.get("error_code")) == ((400, code) if code else (200, None))
    assert value["is_success"] is (code is None)


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/v1/p/training-job-configs/none", 404), ("DELETE", "/v1/p/training-job-configs/none", 404),
    ("PATCH", "/v1/p/training-job-configs/none", 405), ("PUT", "/v1/p/training-jobs", 405),
    ("GET", "/v1/p/training-job-configs/a/b", 404), ("GET", "/v1/p/training-job-configs", 200)])
def test_routes(port, method, target, status):
    """Shapes of 404 and 405."""
    got = ask(port, request(method, target, None, "X-Auth-Token: t"))
    assert got.status == status
    assert json.loads(got.body)["is_success"] is (status == 200)


def test_life_of_a_configuration(port):
    """POST, GET, list, PUT, DELETE."""
    with Client(port) as client:
        def call(method, tail, body=None):
            client.send(request(method, f"/v1/q/training-job-configs{tail}", body, "X-Auth-Token: t"))
            return json.loads(client.final().body)

        named = REPAIRED.replace(b"{", b'{"config_name": "n",', 1)
        assert call("POST", "", named)["is_success"]
        assert not call("POST", "", named)["is_success"]
        assert call("GET", "/n")["spec_id"] == 1
        assert call("PUT", "/n", REPAIRED.replace(b'"spec_id": 1', b'"spec_id": 2'))["is_success"]
        assert [c["spec_id"] for c in call("GET", "")["configs"]] == [2]
        assert call("DELETE", "/n")["is_success"]
        assert not call("GET", "/n")["is_success"]


@pytest.mark.parametrize("fault, expected", [
    ("close", Closed), ("reset", ConnectionResetError), ("close-mid-head", Closed),
    ("close-mid-body", Closed), ("garbage", Malformed), ("length-long", Closed),
    ("length-and-chunked", Malformed), ("bad-chunk", Malformed), ("chunked", 200),
    ("until-close", 200), ("slow-head", 200), ("slow-body", 200), ("interim", 200), ("failed", 200),
    ("early", 200), ("huge-head=100000", 200), ("empty=304", 304), ("status=503", 503), ("big", 200)])
def test_faults(port, fault, expected):
    """Each misbehaves as it says."""
    data = request("GET", "/v1/p/training-job-configs", None, "X-Auth-Token: t", f"X-Stand-In: {fault}")
    with Client(port) as client:
        client.send(data)
        if isinstance(expected, int):
            assert client.final().status == expected
        else:
            with pytest.raises(expected):
                client.final()
