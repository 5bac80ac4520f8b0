"""The main job: the seed's example is repaired, arrives, is answered and is on record."""

import base64
import json
import pathlib

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import TOP

BODIES = pathlib.Path(TOP, "tests/data/bodies")
SEED = (BODIES / "01_seed_put_example.json").read_bytes()
REPAIRED = (SEED.replace(b'"value": 0.01', b'"value": "0.01"').replace(b'"key"', b'"label"')
            .replace(b'"value": 32', b'"value": "32"'))
SECRET = "MIIPAgYJ-this-token-is-secret"
JSON = "Content-Type: application/json"


def put(body, *fields, name="config1", token=SECRET):
    """A PUT of a configuration."""
    return request("PUT", f"/v1/6b37a5f1/training-job-configs/{name}", body, JSON,
                   f"X-Auth-Token: {token}", *fields)


@pytest.fixture
def before(service):
    """The service with nothing on its record; gives the number of audit records so far."""
    service.origin.forget()
    return len(audit.records(service.audit))


def test_unrepaired_is_refused(service):
    """The stand-in tells right from wrong: without repair the example is a 400."""
    got = ask(service.port, request("POST", "/v1/6b37a5f1/training-job-configs", SEED, JSON,
                                    f"X-Auth-Token: {SECRET}"))
    assert got.status == 400
    assert json.loads(got.body)["error_code"] == "ModelArts.0107"


def test_seed_example(service, before):
    """Three edits, every other byte as sent; the answer as it came; the patch on record."""
    got = ask(service.port, put(SEED))
    assert (got.status, json.loads(got.body)) == (200, {"is_success": True})
    assert got.get("X-Trainguard-Normalized") == "3"
    assert all(w.startswith("299 trainguard ") for w in got.all("Warning")) and got.all("Warning")
    (arrived,) = service.origin.requests
    assert arrived.body == REPAIRED
    assert arrived.get("Content-Length") == str(len(REPAIRED))
    assert arrived.get("X-Auth-Token") == SECRET

    record = audit.wait(service.audit, before + 1)[-1]
    assert record["decision"] in ("allow", "warn")
    assert record["http.request.method"] == "PUT"
    assert record["project_id"] == "6b37a5f1" and record["config_name"] == "config1"
    assert record["http.response.status_code"] == record["upstream.status_code"] == 200
    assert record["request_id"] == got.get("X-Request-Id")
    assert record["end"] == "done"
    changes = [(p["op"], p["path"]) for p in record["patch"]]
    assert ("replace", "/parameter/0/value") in changes
    assert ("replace", "/parameter/1/value") in changes
    assert any(path == "/parameter/1/label" for _op, path in changes)
    assert len(changes) == 3


def test_token_is_nowhere(service, before):
    """No credentials in the audit log or the error log, in clear or in Base64."""
    ask(service.port, put(SEED, "Authorization: Bearer " + SECRET))
    ask(service.port, put(b"{", "Cookie: " + SECRET))
    audit.wait(service.audit, before + 2)
    written = service.audit.read_text("utf-8") + "\n".join(service.gateway.lines)
    assert SECRET not in written
    assert base64.b64encode(SECRET.encode()).decode() not in written


def test_untouched_body(service, before):
    """What needs no repair arrives byte for byte, odd spacing and escapes and all."""
    odd = (b'\xe2\x80\x8b {"spec_id" :9007199254740993,\r\n\t"worker_server_num": 1,'
           b'"config_desc":"\\u4f60\\/\xe5\xa5\xbd","app_url":"/usr/app/",'
           b'"boot_file_url":"/usr/app/boot.py","data_url":"/usr/data/x" }\n ')[3:]
    got = ask(service.port, put(odd))
    assert got.status == 200, got.body
    assert got.get("X-Trainguard-Normalized") is None and not got.all("Warning")
    assert service.origin.requests[0].body == odd
    record = audit.wait(service.audit, before + 1)[-1]
    assert "forwarded.sha256" not in record


def test_chunked_upload(service, before):
    """A body in chunks is judged as any other, and goes on with a length."""
    del before
    cut = [SEED[i : i + 50] for i in range(0, len(SEED), 50)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in cut) + b"0\r\n\r\n"
    got = ask(service.port, request("PUT", "/v1/p/training-job-configs/c", None, JSON,
                                    "X-Auth-Token: t", "Transfer-Encoding: chunked") + body)
    assert got.status == 200
    assert service.origin.requests[0].body == REPAIRED
    assert service.origin.requests[0].get("Content-Length") == str(len(REPAIRED))


def test_byte_by_byte(service, before):
    """Delivery in single bytes changes nothing."""
    del before
    data = put(SEED)
    with Client(service.port) as client:
        client.send(*(data[i : i + 1] for i in range(len(data))))
        assert client.final().status == 200
    assert service.origin.requests[0].body == REPAIRED


def test_read_edit_put(service):
    """What GET answers can be sent back."""
    ask(service.port, put(SEED, name="again"))
    get = ask(service.port, request("GET", "/v1/6b37a5f1/training-job-configs/again", None,
                                    "X-Auth-Token: t"))
    assert json.loads(get.body)["config_name"] == "again"
    assert ask(service.port, put(get.body, name="again")).status == 200


def test_all_violations_in_one_answer(service, before):
    """Every violation, with its place in what the client wrote."""
    body = (b'{\n  "worker_server_num": 0,\n  "app_url": "usr/app/",\n'
            b'  "parameter": [{"label": "a", "value": true}]\n}')
    value = check_refusal(ask(service.port, put(body)), 400, "ModelArts.0107")
    places = {(v["pointer"], v.get("line")) for v in value["violations"]}
    assert {("/worker_server_num", 2), ("/app_url", 3), ("/parameter/0/value", 4)} <= places
    assert all(v["message"] and v["message_zh"] for v in value["violations"])
    assert any(v["pointer"] == "/spec_id" and v["code"] == "ModelArts.0104"
               for v in value["violations"])
    assert service.origin.requests == []
    record = audit.wait(service.audit, before + 1)[-1]
    assert record["decision"] == "invalid" and record["violations"]


def test_warnings_fit_into_a_head(service):
    """However long names and values are, clients can read the head of the answer."""
    body = {"worker_server_num": 1, "spec_id": 1, "model_id": 1,
            "data_source": [{"data_url": "/bkt/" + "数" * 300} for _ in range(15)]}
    body.update({"n" * 50000 + str(i): 1 for i in range(10)})
    got = ask(service.port, put(json.dumps(body, ensure_ascii=False).encode()))
    warnings = got.all("Warning")
    assert got.status == 200, got.body
    assert len(warnings) == 20 and sum(map(len, warnings)) < 15000
