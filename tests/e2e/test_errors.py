"""Contract section 5, row by row: status, code, the connection's state, nothing forwarded."""

import json

import pytest

import audit
from client import Client, check_refusal, request
from conftest import Pair
from gateway import GUARDED, Gateway, config
from origin import Origin
from test_seed import JSON, REPAIRED

TARGET = "/v1/p/training-job-configs/c"


def put(body, *fields, target=TARGET):
    """A PUT that is JSON by its type."""
    return request("PUT", target, body, JSON, *fields)


def changed(old, new):
    """A PUT of the repaired seed example with one change."""
    assert old in REPAIRED
    return put(REPAIRED.replace(old, new))


# name: bytes, status, code, whether the connection stays
ROWS = {
    "not JSON": (put(b"{"), 400, "ModelArts.4105", True),
    "empty object's rest": (put(b"{} x"), 400, "ModelArts.4105", True),
    "empty body": (put(b""), 400, "ModelArts.4105", True),
    "duplicate member": (changed(b'"spec_id": 1', b'"spec_id": 1, "spec\\u005fid": 2'),
                         400, "ModelArts.4105", True),
    "bad UTF-8": (changed(b"This is", b"Th\xffs is"), 400, "ModelArts.4105", True),
    "lone surrogate": (changed(b"This is", b"\\ud800"), 400, "ModelArts.4105", True),
    "BOM": (put(b"\xef\xbb\xbf" + REPAIRED), 400, "ModelArts.4105", True),
    "too deep": (put(b"[" * 5000 + b"]" * 5000), 400, "ModelArts.4105", True),
    "control character in a string": (changed(b"This is", b"This\nis"), 400, "ModelArts.4105", True),
    "member missing": (changed(b'"spec_id": 1,', b""), 400, "ModelArts.0104", True),
    "array": (put(b"[]"), 400, "ModelArts.0107", True),
    "wrong type": (changed(b'"config_desc": "This is config"', b'"config_desc": 1'),
                   400, "ModelArts.0107", True),
    "fraction": (changed(b'"spec_id": 1', b'"spec_id": 1.0'), 400, "ModelArts.0107", True),
    "too large for 64 bits": (changed(b'"spec_id": 1', b'"spec_id": 9223372036854775808'),
                              400, "ModelArts.0107", True),
    "out of range": (changed(b'"worker_server_num": 1', b'"worker_server_num": 0'),
                     400, "ModelArts.0107", True),
    "too long": (changed(b"This is config", "你".encode() * 257), 400, "ModelArts.0107", True),
    "key and label differ": (changed(b'"label": "batch_size"', b'"label": "a", "key": "b"'),
                             400, "ModelArts.0107", True),
    "bad OBS path": (changed(b"/usr/train/", b"/usr//train/"), 400, "ModelArts.0404", True),
    "bad bucket": (changed(b"/usr/train/", b"/Us/train/"), 400, "ModelArts.0404", True),
    "route unknown": (request("GET", "/v2/nothing"), 404, "ModelArts.0015", True),
    "route unknown with a body": (request("POST", "/v2/nothing", b"hello"), 404, "ModelArts.0015",
                                  None),
    "method wrong": (request("PATCH", TARGET), 405, "ModelArts.2803", True),
    "method unknown": (request("put", TARGET), 501, "ModelArts.2803", False),
    "too large by its length": (request("PUT", TARGET, None, JSON, "Content-Length: 2000000"),
                                413, "ModelArts.4104", False),
    "too large in chunks": (request("PUT", TARGET, None, JSON, "Transfer-Encoding: chunked")
                            + b"fffff\r\n" + b" " * 0xFFFFF + b"\r\n" + b"2\r\n  \r\n",
                            413, "ModelArts.4104", False),
    "no length": (request("PUT", TARGET, None, JSON), 411, "ModelArts.4105", None),
    "no content type": (request("PUT", TARGET, REPAIRED), 415, "ModelArts.4105", None),
    "other content type": (request("PUT", TARGET, REPAIRED, "Content-Type: text/plain"),
                           415, "ModelArts.4105", None),
    "content type with more": (request("PUT", TARGET, REPAIRED, "Content-Type: application/jsonx"),
                               415, "ModelArts.4105", None),
    "compressed": (put(REPAIRED, "Content-Encoding: gzip"), 415, "ModelArts.4105", None),
    "another charset": (request("PUT", TARGET, REPAIRED, JSON + "; a=b; Charset = gbk"),
                        415, "ModelArts.4105", None),
    "charset in a quoted string": (request("PUT", TARGET, REPAIRED, JSON + '; a="; charset=gbk'),
                                   415, "ModelArts.4105", None),
    "two charsets": (request("PUT", TARGET, REPAIRED, JSON + "; charset=utf-8; charset=utf-7"),
                     415, "ModelArts.4105", None),
    "two Authorization": (put(REPAIRED, "Authorization: Bearer a", "authorization: Bearer b"),
                          400, "ModelArts.4105", False),
    "two tokens": (put(REPAIRED, "X-Auth-Token: a", "X-Auth-Token: a"),
                   400, "ModelArts.4105", False),
    "token beside a signature": (
        put(REPAIRED, "X-Auth-Token: a",
            "Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0"),
        400, "ModelArts.4105", False),
    "method in a field": (request("GET", TARGET, None, "X-HTTP-Method-Override: PUT"),
                          400, "ModelArts.4105", False),
    "content type twice": (put(REPAIRED, JSON), 415, "ModelArts.4105", None),
}
ROUTES = "location %s { client_max_body_size 1m; filters json normalize validate; " \
    "proxy_pass modelarts; } location GET /v1 { proxy_pass modelarts; }" % GUARDED


# what of a mistake a client is told beside the status
TOLD = {
    "name too long": (put(REPAIRED, target=TARGET + "c" * 64), 404,
                      "spell it as /v1/{project_id}/training-job-configs/{config_name}, "
                      "each {name} 1 to 64 letters, digits, - and _"),
    "other case": (put(REPAIRED, target=TARGET.replace("v1", "V1")), 404, "spell it as /v1/{"),
    "too large": (request("PUT", TARGET, None, JSON, "Content-Length: 2000000"), 413,
                  "client_max_body_size is 1048576"),
    "compressed": (put(REPAIRED, "Content-Encoding: gzip"), 415, "no Content-Encoding"),
    "UTF-16": (put(REPAIRED.decode().encode("utf-16")), 400, "this is UTF-16, write it as UTF-8"),
}


@pytest.fixture(name="routes", scope="module")
def routes_gateway(tmp_path_factory):
    """A gateway without a way for everything."""
    directory = tmp_path_factory.mktemp("routes")
    with Origin() as behind:
        with Gateway(directory, config(directory, behind.port, locations=ROUTES)) as guard:
            yield Pair(guard, behind)


@pytest.mark.parametrize("name", TOLD)
def test_what_would_be_right(routes, name):
    """The answer tells more than that it is wrong."""
    sent, status, told = TOLD[name]
    with Client(routes.port) as client:
        client.send(sent)
        answer = client.final()
    assert answer.status == status
    assert told in json.loads(answer.body)["error_msg"]


@pytest.mark.parametrize("name", ROWS)
def test_row(routes, name):
    """None for the connection's state: either is right, as long as it is said."""
    data, status, code, stays = ROWS[name]
    recorded = len(audit.records(routes.audit))
    with Client(routes.port) as client:
        client.send(data)
        got = client.final()
        value = check_refusal(got, status, code)
        assert stays is None or (got.get("Connection") != "close") == stays
        if got.get("Connection") == "close":
            assert client.closed()
        else:
            client.send(request("GET", "/v1/next"))
            assert client.final().status == 200
    assert [r.target for r in routes.origin.requests] in ([], ["/v1/next"])
    routes.origin.forget()
    record = audit.wait(routes.audit, recorded + 1)[recorded]
    assert record["http.response.status_code"] == status
    assert record["request_id"] == value["request_id"]


def test_405_names_the_methods(routes):
    """RFC 9110 section 15.5.6."""
    with Client(routes.port) as client:
        client.send(request("PATCH", TARGET))
        assert "PUT" in client.final().get("Allow", "")


def test_obs_path_text(routes):
    """A real client matches this text."""
    with Client(routes.port) as client:
        client.send(changed(b"/usr/train/", b"/usr//train/"))
        value = json.loads(client.final().body)
    assert "Invalid OBS path '/usr//train/'." in value["error_msg"]


def test_language(routes):
    """Accept-Language chooses between English and Chinese."""
    with Client(routes.port) as client:
        client.send(put(b"{}", "Accept-Language: zh-CN,zh;q=0.9,en;q=0.5") + put(b"{}"))
        chinese, english = (json.loads(client.final().body)["error_msg"] for _ in range(2))
    assert not chinese.isascii()
    assert english.isascii()


def test_the_log_names_an_upstream_that_was_chosen(routes):
    """Not one for a request that was refused before."""
    with Client(routes.port) as client:
        client.send(put(b"{", "X-Request-Id: refused") + request("GET", "/v2", None, "X-Request-Id: lost"))
        assert [client.final().status for _ in range(2)] == [400, 404]
    for ident in ("refused", "lost"):
        routes.gateway.wait_log(rf"exchange: .*, client \S+, request \"[A-Z]+ \S+\", id {ident}$")


@pytest.mark.parametrize("content_type", [
    "application/json", 'application/json; charset="UTF-8"; a=b', "application/json; charset=utf8", "application/json;charset=UTF-8",
    "Application/JSON", "application/json ; a=b"])
def test_content_types(routes, content_type):
    """Real clients' spellings."""
    with Client(routes.port) as client:
        client.send(request("PUT", TARGET, REPAIRED, f"Content-Type: {content_type}"))
        assert client.final().status == 200
    routes.origin.forget()


@pytest.mark.parametrize("target", [
    "/v1/p/training%2Djob-configs/c", "/v1/p/%74raining-job-configs/c",
    "/v1/p/./training-job-configs/c", "/v1/q/../p/training-job-configs/c",
    "//v1/p/training-job-configs/c", "/v1//p/training-job-configs//c",
    "/v1/p/training-job-configs/c/", "/v1/p/training-job-configs/%63",
    "/v1/p/training-job-configs/c?a=b", "/v1/p/%2e/training-job-configs/c"])
def test_no_way_round_the_guarded_route(service, target):
    """Whatever spells the guarded path is judged."""
    service.origin.forget()
    with Client(service.port) as client:
        client.send(put(b"{", target=target))
        assert client.final().status == 400
    assert service.origin.requests == []
