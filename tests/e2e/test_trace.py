"""`debug_request`, `error_log ... debug` and `eval --trace`: how requests are judged, told of those that
somebody asked about."""

import json
import re

import pytest

import audit
from client import ask, request
from command import run
from gateway import GUARDED

POLICIES = """
policy team {
    rule workers { at worker_server_num; max 4; }
    rule code    { at app_url; prefix /ml/; }
    rule spec    { at spec_id; max 9; }
}
policy other { match project_id elsewhere; rule none { at spec_id; absent; } }
exception EXC-1 {
    policy team; rule workers; match config_name big; owner me; ticket T-1; expires 2099-01-31;
}
"""
LOCATIONS = """
    location %s {
        filters json normalize validate policy;
        policies ../policies.conf;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
""" % GUARDED
BODY = {"worker_server_num": 9, "spec_id": 2, "model_id": "3", "data_url": "/bkt/d/", "train_url": "/bkt/o/",
        "parameter": [{"label": "password", "value": "hunter2"}]}
FIELDS = ("Content-Type: application/json", "X-Auth-Token: tokentokentoken")


def put(guard, name, request_id, project="p1"):
    """The status of a PUT, of which the log is told under `request_id`."""
    answer = ask(guard.port, request("PUT", f"/v1/{project}/training-job-configs/{name}", json.dumps(BODY).encode(),
                                     *FIELDS, f"X-Request-Id: {request_id}"))
    return answer.status


def lines(guard, request_id):
    """What the log says of a request that has ended, without times."""
    mark = f", client 127.0.0.1, id {request_id}"
    guard.wait_log(f"trace: ended.*{mark}$")
    found = [m[1] for m in guard.matches(rf"\[debug\] \d+ trace: (.*){mark}$")]
    return [re.sub(r"\d+ us\b", "N us", line) for line in found]


@pytest.fixture
def traced(tmp_path, gateway, origin):
    """traced(main, **config): a gateway with the policies above."""
    (tmp_path / "policies.conf").write_text(POLICIES)
    return lambda main="", **more: gateway(origin(), main=main, locations=LOCATIONS, **more)


def judged(verdict, workers, ended, name, matched=()):
    """The lines of a PUT that gets to the policies."""
    return [
        f'"PUT /v1/p1/training-job-configs/{name}" goes to location "{GUARDED}" (CONF), 4 filters, '
        f'upstream modelarts, project_id "p1", config_name "{name}"',
        "filter json: next, 0 changes, N us",
        "filter normalize: next, 1 changes, N us",
        "filter validate: next, 0 changes, N us",
        *matched,
        f'policy team, rule workers (POLICIES:3): {workers} at "/worker_server_num", mode deny',
        "policy team, rule code (POLICIES:4): skip, nothing stands there",
        "policy team, rule spec (POLICIES:5): pass",
        "match project_id (POLICIES:7): not met",
        "policy other: not for this request",
        f"filter policy: {verdict}, 0 changes, N us",
        f"ended while {ended}, N us",
    ]


def places(found):
    """Lines without the folders of files."""
    return [re.sub(r"[^ (]*/(trainguard|policies)\.conf:(\d+)",
                   lambda m: "CONF" if m[1] == "trainguard" else f"POLICIES:{m[2]}", line) for line in found]


@pytest.mark.parametrize("main", ["debug_request id asked again;", "debug_request address 10.0.0.0/8 127.0.0.0/8;",
                                  "debug_request project p0 p1;", "debug_request id x; debug_request address ::1 ::/0;"])
def test_f9_one_request_is_told_of(traced, main):
    guard = traced(main, level="notice")
    assert put(guard, "c1", "asked") == 403
    assert places(lines(guard, "asked")) == judged(
        "next", "fail", "running the filters: denied by the organisation's policy, 403, upstream 0", "c1",
        matched=["match config_name (POLICIES:9): not met"])
    assert put(guard, "big", "again") == 200
    assert places(lines(guard, "again")) == judged(
        "next", "skip, exception EXC-1", "relaying the upstream's answer: answered, 200, upstream 200", "big")
    assert not guard.matches("hunter2|tokentoken")


@pytest.mark.parametrize("main", ["", "debug_request id other;", "debug_request address 10.0.0.0/8 ::1;",
                                  "debug_request project p2;"])
def test_f9_others_are_not_told_of(traced, main):
    guard = traced(main)
    assert put(guard, "c1", "asked") == 403
    guard.wait_log("id asked")
    assert not guard.matches(" trace: ")


def test_f9_level_debug_tells_of_all(traced):
    guard = traced(level="debug")
    assert put(guard, "c1", "one", "p1") == put(guard, "c2", "two", "p2") == 403
    assert len(lines(guard, "one")) == len(lines(guard, "two")) == 12


def test_f9_denials_took_time(traced):
    guard = traced()
    assert put(guard, "c1", "asked") == 403
    [record] = audit.wait(guard.directory / "audit.jsonl", 1)
    assert record["duration_us"] >= record["filter_us"] > 0


def test_f9_no_location(gateway, origin):
    guard = gateway(origin(), main="debug_request id r1 r2;", locations=LOCATIONS.split("location /")[0].replace(
        " policy;", ";").replace("policies ../policies.conf;", ""))
    for name, path, method, why in [
            ("r1", "/v1/p/other", "GET", "no pattern matches"),
            ("r1", "/v1/p/training-job-configs/c1", "POST", "patterns match, but no method does"),
            ("r2", "/v1/p/training-job-configs/c1.json", "PUT", f"the path resembles a guarded one, {GUARDED[4:]}")]:
        ask(guard.port, request(method, path, b"{}", f"X-Request-Id: {name}"))
        guard.wait_log(re.escape(f'trace: "{method} {path}" has no location: {why}, client'))


def test_f9_limits_and_bodyless(gateway, origin):
    guard = gateway(origin(), main="debug_request address 127.0.0.1;", locations="""
        location / { filters json; limit_req address rate=1/m burst=0 name=slow; proxy_pass modelarts; }""")
    assert ask(guard.port, request("GET", "/", b"", "X-Request-Id: r1")).status == 200
    assert "filter json: passed by, no body" in lines(guard, "r1")
    assert ask(guard.port, request("GET", "/", b"", "X-Request-Id: r2")).status == 429
    assert lines(guard, "r2")[1] == "limit_req refuses, rule slow"


@pytest.mark.parametrize("output", ["text", "json"])
def test_f9_eval_trace(tmp_path, output):
    (tmp_path / "policies.conf").write_text(POLICIES)
    (tmp_path / "c1.json").write_text(json.dumps({**BODY, "train_url": 5}))
    args = ["eval", "--policy", tmp_path / "policies.conf", "--output", output, tmp_path / "c1.json"]
    silent, told = run(*args), run(*args, "--trace")
    assert (silent.code, silent.err) == (1, "") and told.code == 1
    if output == "text":
        assert told.out == silent.out
    found = [re.sub(r"\d+ us$", "N us", line.removeprefix(f"{tmp_path}/c1.json: ")) for line in told.err.splitlines()]
    assert found[0].startswith('"PUT /v1/project/training-job-configs/c1" goes to location "PUT')
    assert found[3:5] == ['filter validate: violation type at "/train_url"', "filter validate: next, 0 changes, N us"]
    assert 'policy team, rule workers' in found[6] and found[6].endswith('fail at "/worker_server_num", mode deny')
    assert "hunter2" not in told.err
    lost = run("eval", "--trace", "--location", "GET /x", tmp_path / "c1.json")
    assert lost.err.splitlines()[0] == f'{tmp_path}/c1.json: "GET /x" has no location: no pattern matches'


@pytest.mark.parametrize("main, why", [
    ("debug_request adress 10.0.0.1;", 'debug_request'),
    ("debug_request address 10.0.0.1/8;", '"10.0.0.1/8" has bits behind its prefix'),
    ("debug_request address localhost;", '"localhost" is no address'),
    ("debug_request project;", "debug_request"),
])
def test_f9_wrong_directive(check, main, why):
    code, words = check(main=main)
    assert code == 1 and why in words, words
