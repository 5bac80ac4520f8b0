"""Bodies of real clients and documents (tests/data/bodies) at the `documented` level: the verdict of
each, with the reason where it is a judgement."""

import json

import pytest

from client import Client, ask, check_refusal, request
from test_seed import BODIES, put

# file: status, how many changes, the code of the first violation, why
VERDICTS = {
    "01_seed_put_example": (200, 3, None, "key to label, two numbers to strings"),
    "02_cn2019_put_example": (400, 0, "ModelArts.0107", "data_url and the dataset pair: which one?"),
    "03_otc2025_put_example": (200, 2, None, "model_id with app_url is only warned about"),
    "04_cn_create_config_example": (200, 1, None, "config_name is the path's and is dropped"),
    "05_get_then_put_roundtrip": (400, 0, "ModelArts.0107",
                                  "without its GET-only members three data sources are left"),
    "08_cn_usecase_flavor_code": (200, 0, None, "flavor.code stands for spec_id"),
    "10_go_client_custom_image_min": (200, 0, None, "a custom image needs no app_url"),
    "12_openi_user_image_job": (200, 0, None, "null parameter, shell text: untouched"),
    "14_carbondata_gson": (200, 0, None, "plain"),
    "15_real_version_echo_nulls": (400, 0, "ModelArts.0107", "data_url and the dataset pair"),
    "16_builtin_algorithm": (200, 0, None, "the form of model_id that is meant"),
    "20_otcextensions_partial_put": (400, 0, "ModelArts.0104", "a partial PUT lacks what is required"),
}
NAMES = {"04_cn_create_config_example": "testConfig", "05_get_then_put_roundtrip": "config123"}


def test_every_body_has_a_verdict():
    """No body is forgotten."""
    assert sorted(VERDICTS) == sorted(p.stem for p in BODIES.glob("[0-9]*.json"))


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(service, name):
    """Status, number of changes, and what arrived."""
    status, changes, code, why = VERDICTS[name]
    body = (BODIES / f"{name}.json").read_bytes()
    service.origin.forget()
    got = ask(service.port, put(body, name=NAMES.get(name, "c")))
    answer = json.loads(got.body)
    assert got.status == status, (why, answer)
    if status == 200:
        assert got.get("X-Trainguard-Normalized", "0") == str(changes)
        arrived = service.origin.requests[0].body
        assert (arrived == body) == (changes == 0)
        assert json.loads(arrived).keys() == json.loads(body).keys() - {"config_name"}
    else:
        assert answer["violations"][0]["code"] == code, (why, answer)
        assert service.origin.requests == []


def test_no_coding_is_a_coding(service):
    """Content-Encoding: identity says that there is none."""
    body = (BODIES / "14_carbondata_gson.json").read_bytes()
    sent = put(body).replace(b"\r\n\r\n", b"\r\nContent-Encoding: identity\r\n\r\n", 1)
    assert ask(service.port, sent).status == 200


@pytest.mark.parametrize("fields", [
    ("Content-Type: text/plain",), ("Content-Type: application/json; charset=gbk",), (),
    ("Content-Type: application/json", "Content-Encoding: gzip"),
    ("Content-Type: application/json", "Content-Type: application/json"),
    ("Content-Type: text/plain", "Expect: 100-continue"),
    ("Content-Type: multipart/form-data; boundary=x",), ("Content-Type: application/jsonx",),
    ("Content-Type: application/json, text/plain",), ("Content-Type: application/merge-patch+json",),
])
def test_what_cannot_be_judged_need_not_come(service, fields):
    """The head says that the body will be refused: nobody waits for it, and none is asked for."""
    service.origin.forget()
    for framing in ("Content-Length: 100000", "Transfer-Encoding: chunked"):
        with Client(service.port) as client:
            client.send(request("PUT", "/v1/p/training-job-configs/c", None, framing, *fields))
            check_refusal(client.response(), 415, "ModelArts.4105")
            assert client.closed()
    assert service.origin.requests == []
