"""audit_log mode=strict: the intent before the request goes, the outcome before its answer."""

import pytest

import audit
from client import Client, check_refusal, request
from origin import answer, again, read, read_some, wait_end

STRICT = "{dir}/audit.jsonl mode=strict"
TARGET = "/v1/p/training-job-configs/c"
GOOD = b'{"worker_server_num":1,"spec_id":1,"model_id":1,"data_url":"/bkt/x"}'
PUT = request("PUT", TARGET, GOOD, "Content-Type: application/json")


@pytest.mark.parametrize("data", [
    PUT, request("POST", "/x", b"body"), request("POST", "/x", None, "Transfer-Encoding: chunked")
    + b"4\r\nbody\r\n0\r\n\r\n"], ids=["judged", "streamed", "chunked"])
def test_intent(gateway, origin, data):
    """No byte goes upstream before the log says that it will."""
    intents = []

    def look(_origin, _connection):
        intents.extend(audit.records(path, "intent"))

    guard = gateway(origin([read_some, look, answer()]), audit=STRICT)
    path = guard.directory / "audit.jsonl"
    with Client(guard.port) as client:
        client.send(data)
        client.final()
    assert [r["decision"] for r in intents] == ["allow"]
    outcome = audit.wait(path, 1)[0]
    assert intents[0]["request_id"] == outcome["request_id"]


def test_refused_behind_its_intent(gateway, origin):
    """An outcome that follows from writing the intent is written before it is answered, too."""
    behind = origin([read, wait_end])
    guard = gateway(behind, audit=STRICT, upstream="max_connections 1; max_pending 0;")
    with Client(guard.port) as first, Client(guard.port) as second:
        first.send(request())
        behind.wait(lambda: behind.requests)
        second.send(PUT)
        check_refusal(second.final("PUT"), 503, "ModelArts.4700")
        written = audit.records(guard.directory / "audit.jsonl")
    assert [r["end"] for r in written] == ["overloaded"]
