"""Organisation policy over HTTP: refusals, warnings, dry runs, and what a clever user may try."""

import json
import os
import re
import signal
import subprocess

import pytest

import audit
from client import ask, check_refusal, request
from gateway import GUARDED, TOP, binary

POLICIES = """
policy team {
    match project_id 6b37a5f1;
    rule workers { at worker_server_num; max 4; message "4 workers at most"; message_zh "最多 4 个"; }
    rule code    { at app_url; prefix /ml-vision/; }
    rule secrets { at parameter[*].label; not_matches "(?i)(secret|password|_?[as]k)$"; }
    rule rate    { at parameter[label=rate].value; max 1; }
    rule ticket  { at config_desc; matches "^ML-[0-9]+ "; mode warn; }
    rule image   { at user_image_url; absent; mode dryrun; }
}
exception EXC-1 {
    policy team; rule workers; match config_name big; owner me; ticket ML-1; expires 2099-01-31;
}
"""
FAMILY = """
    location %s {
        filters json normalize validate policy;
        policies policies.conf;
        proxy_pass modelarts;
    }
    location POST /v1/{project_id}/training-job-configs {
        filters json normalize policy;
        policies policies.conf;
        proxy_pass modelarts;
    }
    location POST /v1/{project_id}/training-jobs {
        filters json normalize policy;
        config_at /config;
        policies policies.conf;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
""" % GUARDED
GOOD = {"worker_server_num": 4, "spec_id": 1, "app_url": "/ml-vision/app/",
        "boot_file_url": "/ml-vision/app/boot.py", "data_url": "/ml-vision/data/x",
        "config_desc": "ML-1 run"}
JSON = ("Content-Type: application/json", "X-Auth-Token: t")
PATH = "/v1/6b37a5f1/training-job-configs/c1"


@pytest.fixture
def guarded(tmp_path, gateway, origin):
    """A gateway with the policies above; gives it and its origin."""
    (tmp_path / "policies.conf").write_text(POLICIES)
    behind = origin()
    started = gateway(behind, locations=FAMILY.replace("policies.conf", "../policies.conf"))
    started.origin = behind
    return started


def text(**changes):
    """The good body with changes; None removes a member."""
    body = {**GOOD, **changes}
    return json.dumps({k: v for k, v in body.items() if v is not None}).encode()


def put(guard, body, *fields, path=PATH, method="PUT"):
    """One request's answer."""
    return ask(guard.port, request(method, path, body, *JSON, *fields))


def record(guard, n=1):
    """The n-th audit record."""
    return audit.wait(guard.directory / "audit.jsonl", n)[n - 1]


def test_good(guarded):
    """What the rules allow goes through, under their revision."""
    got = put(guarded, text())
    assert got.status == 200 and not got.all("Warning")
    told = record(guarded)
    assert told["decision"] == "allow" and len(told["policy.revision"]) == 64
    assert "policy.results" not in told


def test_denial_lists_every_rule(guarded):
    """403, all failing rules with their policy, in the order of the file, and nothing goes on."""
    body = text(worker_server_num=8, app_url="/other-team/app/", boot_file_url="/other-team/app/b.py",
                parameter=[{"label": "DB_PASSWORD", "value": "x"}])
    value = check_refusal(put(guarded, body), 403, "ModelArts.0105")
    assert [(v["policy"], v["rule"]) for v in value["violations"]] == [
        ("team", "workers"), ("team", "code"), ("team", "secrets")]
    first = value["violations"][0]
    assert first["pointer"] == "/worker_server_num"
    assert first["message"] == "4 workers at most (got 8)"
    assert first["message_zh"].startswith("最多 4 个")
    assert guarded.origin.requests == []
    told = record(guarded)
    assert told["decision"] == "deny"
    assert [r["rule"] for r in told["policy.results"]] == ["workers", "code", "secrets"]


def test_warning(guarded):
    """`mode warn` forwards and says so."""
    got = put(guarded, text(config_desc="a run"))
    assert got.status == 200
    assert any("/config_desc" in w and "must match" in w for w in got.all("Warning"))
    told = record(guarded)
    assert told["decision"] == "warn"
    assert [(r["rule"], r["result"], r["mode"]) for r in told["policy.results"]] == [
        ("ticket", "warn", "warn")]


def test_dryrun(guarded):
    """`mode dryrun` is on record alone."""
    got = put(guarded, text(user_image_url="swr.cn/ml/x:1", user_command="ls"))
    assert got.status == 200
    assert not any("user_image_url" in w for w in got.all("Warning"))
    (told,) = record(guarded)["policy.results"]
    assert (told["rule"], told["result"], told["mode"]) == ("image", "fail", "dryrun")
    assert told["pointer"] == "/user_image_url" and "must not be given" in told["message"]


def test_exception(guarded):
    """An exception lets its config through, and is on record."""
    got = put(guarded, text(worker_server_num=8), path=PATH.replace("c1", "big"))
    assert got.status == 200
    told = record(guarded)
    assert told["exceptions"] == [{"name": "EXC-1", "owner": "me", "ticket": "ML-1",
                                   "last_day": "2099-01-31"}]
    assert told["policy.results"][0]["result"] == "skip"


def test_other_project(guarded):
    """A policy's matches decide whom it is about."""
    assert put(guarded, text(worker_server_num=8), path=PATH.replace("6b37a5f1", "p2")).status == 200


SIGNED = "Authorization: SDK-HMAC-SHA256 Access=%s, SignedHeaders=host;x-sdk-date, Signature=00"


TOKEN = "X-Auth-Token: %s"


@pytest.mark.parametrize("caller, other", [
    pytest.param(TOKEN % "told-token", TOKEN % "told-tokem", id="token"),
    pytest.param(SIGNED % "HSTQ0EXAMPLE", SIGNED % "HSTQ0EXAMPLF", id="signed"),
])
def test_principal(tmp_path, gateway, origin, caller, other):
    """What the audit log shows of a caller can be copied into a policy, which is then about that one
    alone, also after a start: the key of the log keys the digests of tokens."""
    key = tmp_path / "audit.key"
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    key.chmod(0o600)
    policies = tmp_path / "policies.conf"
    policies.write_text("policy team { rule workers { at worker_server_num; max 8; } }")
    settings = {"main": f"audit_key_file {key};", "upstream": "accept_host gateway.test;",
                "locations": FAMILY.replace("policies.conf", str(policies))}

    def put_as(guard, who):
        return ask(guard.port, request("PUT", PATH, text(worker_server_num=8), JSON[0], who,
                                       "X-Sdk-Date: 20260101T000000Z"))

    with gateway(origin(), **settings) as guard:
        assert put_as(guard, caller).status == 200
        principal = record(guard)["principal"]
    assert "told-token" not in principal
    policies.write_text(f"policy team {{ match principal {principal};"
                        " rule workers { at worker_server_num; max 4; } }")
    guard = gateway(origin(), **settings)
    check_refusal(put_as(guard, caller), 403, "ModelArts.0105")
    assert put_as(guard, other).status == 200


def test_broken_reload_keeps_the_rules(guarded, tmp_path):
    """A policy with a mistake is refused as a whole; the old one goes on."""
    guarded.expect += ["unknown member", "the old configuration goes on"]
    (tmp_path / "policies.conf").write_text(POLICIES.replace("worker_server_num", "wroker_num"))
    guarded.process.send_signal(signal.SIGHUP)
    guarded.wait_log("unknown member .*worker_server_num")
    guarded.wait_log("the old configuration goes on")
    check_refusal(put(guarded, text(worker_server_num=8)), 403, "ModelArts.0105")


def test_dump_tells_the_revision(guarded):
    """`-T` has what the audit record has."""
    put(guarded, text())
    status, said = run("-T", "-c", guarded.directory / "trainguard.conf")
    assert status == 0
    assert f"# policy revision {record(guarded)['policy.revision']}, rules: 6" in said
    assert "# exception EXC-1 expires 2099-01-31" in said


@pytest.mark.parametrize("body", [
    pytest.param(b'{"worker_server_num": 4, "worker_server_num": 8}', id="duplicate name"),
    pytest.param(text(worker_server_num=8).replace(b'"worker_server_num"', b'"worker_server_n\\u0075m"'),
                 id="escaped name"),
    pytest.param(text(worker_server_num="8"), id="number as string"),
    pytest.param(text().replace(b'_num": 4', b'_num": 4.5'), id="fraction"),
    pytest.param(text().replace(b'_num": 4', b'_num": 0.8e1'), id="exponent"),
    pytest.param(text(app_url="/ml-vision/../other/"), id="dots"),
    pytest.param(text(app_url="/ml-vision//../other/"), id="slashes"),
    pytest.param(text(app_url="obs://other/app/", boot_file_url="obs://other/app/b.py"), id="scheme"),
    pytest.param(text(app_url="/ML-Vision/app/"), id="case of a bucket"),
    pytest.param(text(parameter=[{"key": "db_password", "value": "1"}]), id="key for label"),
    pytest.param(text(parameter=[{"label": "my_s\u212a", "value": "1"}]), id="look-alike"),
    pytest.param(text(parameter=[{"label": "rate", "value": "1"}, {"label": "rate", "value": "2"}]),
                 id="second label"),
    pytest.param(text(parameter=[{"label": "rate", "value": 2}]), id="bare number"),
    pytest.param(text(worker_server_num=[8]), id="array for number"),
])
def test_bypass_by_body(guarded, body):
    """No spelling of a forbidden body goes upstream."""
    assert put(guarded, body).status in (400, 403)
    assert guarded.origin.requests == []


@pytest.mark.parametrize("path", [
    "/v1/6b37a5f1//training-job-configs/c1",
    "/v1/6b37a5f1/./training-job-configs/c1",
    "/v1/x/../6b37a5f1/training-job-configs/c1",
    "/v1/6b37a5f1/training%2Djob%2Dconfigs/c1",
    "/v1/6b37a5f1/training-job-configs%2Fc1",
    "/v1/6b37a5f1/Training-Job-Configs/c1",
    "/V1/6b37a5f1/training-job-configs/c1",
    "/v1/6b37a5f1/training-job-configs/c1/",
    "/v1/6b37a5f1/training-job-configs/c1;x=1",
    "/v1/6b37a5f1/training-job-configs/c%2e1",
    "/v1/%36b37a5f1/training-job-configs/c1",
    "/v1/6b37a5f1/training-job-configs/c1?project_id=p2",
])
def test_bypass_by_path(guarded, path):
    """No spelling of the guarded path leads around the rules."""
    assert put(guarded, text(worker_server_num=8), path=path).status in (400, 403, 404)
    assert guarded.origin.requests == []


@pytest.mark.parametrize("path, body", [
    ("/v1/6b37a5f1/training-job-configs", text(worker_server_num=8, config_name="c1")),
    ("/v1/6b37a5f1/training-jobs", b'{"job_name": "j", "config": %s}' % text(worker_server_num=8)),
])
def test_bypass_by_another_endpoint(guarded, path, body):
    """The rest of the family is guarded by the same policies where it has a location."""
    check_refusal(put(guarded, body, path=path, method="POST"), 403, "ModelArts.0105")
    assert guarded.origin.requests == []


@pytest.mark.parametrize("fields", [
    ("X-Auth-Token: another-project's-token",),
    ("X-HTTP-Method-Override: GET",),
    ("X-Project-Id: p2",),
    ("Transfer-Encoding: chunked",),
])
def test_bypass_by_fields(guarded, fields):
    """The project is the path's; a token or header for another one changes nothing."""
    body = text(worker_server_num=8)
    answer = ask(guarded.port, request("PUT", PATH, body, JSON[0], *fields))
    assert answer.status in (400, 403)
    assert guarded.origin.requests == []


def test_bypass_by_a_method_in_a_field(guarded):
    """What is routed as POST is nothing else behind the gateway."""
    for field in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert put(guarded, text(worker_server_num=8), f"{field}: PUT", method="POST").status == 400
    assert guarded.origin.requests == []


@pytest.mark.parametrize("fields", [
    ("Content-Type: application/json; charset=gbk",),
    ("Content-Type: application/json", "Content-Encoding: deflate"),
])
def test_bypass_by_another_reading(guarded, fields):
    """Bytes that are another text to who believes the charset or the coding."""
    assert ask(guarded.port, request("PUT", PATH, text(), *fields)).status == 415
    assert guarded.origin.requests == []


def run(*args):
    """Runs a command; gives its status and output."""
    done = subprocess.run([binary(), *map(os.fspath, args)], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_library_passes_its_tests():
    """The shipped policies with their cases; no rule is without one."""
    status, said = run("test", TOP / "conf/policies", "--require-tests", "--coverage")
    assert status == 0, said
    assert " 0 failed" in said and "no case touches" not in said


def test_failing_case(tmp_path):
    """A case that does not hold is told and makes the exit status 1."""
    (tmp_path / "a.conf").write_text("policy p { rule r { at spec_id; max 4; } "
                                     "rule s { at log_url; required; } }")
    (tmp_path / "a.test.conf").write_text(
        "case \"five\" { body '{\"spec_id\": 5}'; expect p.r pass; }")
    status, said = run("test", tmp_path, "--coverage")
    assert status == 1
    assert "p.r: expected pass, got fail" in said and "p.s: it never passes" in said
    status, said = run("test", tmp_path, "--output", "junit")
    assert status == 1 and '<failure message="p.r: expected pass, got fail"/>' in said
    assert re.search(r'<testcase [^>]* time="\d+\.\d{6}">', said), said
    assert re.search(r'<testsuite [^>]* time="\d+\.\d{6}">', said), said


@pytest.mark.parametrize("output", ["text", "junit"])
def test_cases_do_not_drive_the_terminal(tmp_path, output):
    """A name out of a test file is text, whatever is in it."""
    (tmp_path / "a.conf").write_text("policy p { rule r { at spec_id; max 4; } }")
    (tmp_path / "a.test.conf").write_text(
        "case \"\u202e<&\x9b2J\" { body '{\"spec_id\": 5}'; expect p.r pass; }")
    status, said = run("test", tmp_path, "--output", output)
    assert status == 1 and not re.search("[\x1b\x9b\u202e]", said), said


def test_headers_and_days_in_a_case(tmp_path):
    """A case may have header fields, and a day of its own: exceptions end by it."""
    (tmp_path / "a.conf").write_text(
        "policy p { match header X-Team vision; rule r { at spec_id; max 4; } } "
        'exception e { policy p; rule r; match config_name c; expires 2027-01-31; owner o; ticket t; }')
    cases = [("field", "header X-Team vision; now 2027-02-01;", "fail"),
             ("case of its name", "header x-team vision; now 2027-02-01;", "fail"),
             ("other value", "header X-Team audio; now 2027-02-01;", "skip"),
             ("no such field", "header X-Tea vision; now 2027-02-01;", "fail"),
             ("last day", "header X-Team vision; now 2027-01-31;", "skip"),
             ("day after", "header X-Team vision; now 2027-02-01;", "fail")]
    (tmp_path / "a.test.conf").write_text("".join(
        f'case "{name}" {{ body \'{{"spec_id": 5}}\'; config_name c; {words} expect p.r {result}; }}'
        for name, words, result in cases))
    status, said = run("test", tmp_path)
    assert status == 0 and f"{len(cases)} cases, 0 failed" in said, said
    (tmp_path / "a.test.conf").write_text("case x { body '{}'; now 2027-02-30; expect p.r pass; }")
    status, said = run("test", tmp_path)
    assert status == 2 and "2027-02-30" in said, said


def test_certificate_in_a_case(tmp_path):
    """A case may be about who owns a certificate."""
    (tmp_path / "a.conf").write_text(
        "policy p { match principal tls:ops; rule r { at spec_id; max 4; } }")
    (tmp_path / "a.test.conf").write_text("".join(
        f"case {name} {{ body '{{\"spec_id\": 5}}'; principal {name}; expect p.r {result}; }}"
        for name, result in [("tls:ops", "fail"), ("tls:dev", "skip"), ("ops", "skip")]))
    status, said = run("test", tmp_path)
    assert status == 0, said


def test_broken_tests(tmp_path):
    """A case about a rule that is not there, and a folder without tests."""
    (tmp_path / "a.conf").write_text("policy p { rule r { at spec_id; max 4; } }")
    assert run("test", tmp_path)[0] == 2
    (tmp_path / "a.test.conf").write_text("case x { body '{}'; expect p.q pass; }")
    status, said = run("test", tmp_path)
    assert status == 2 and 'no rule is called "p.q"' in said


def test_replay(tmp_path, gateway, origin):
    """A candidate policy over what was recorded: who would newly be refused, and for what."""
    locations = FAMILY.split("location POST")[0].replace(" validate policy", "").replace(
        "policies policies.conf;", "")
    guard = gateway(origin(), locations=locations, main="audit_body full;")
    for workers in (1, 8):
        assert put(guard, text(worker_server_num=workers)).status == 200
    record(guard, 2)
    candidate = tmp_path / "candidate.conf"
    candidate.write_text(POLICIES.replace("policy team {", "policy team { mode dryrun;"))
    log = guard.directory / "audit.jsonl"
    status, said = run("replay", "--policy", candidate, log)
    assert status == 0 and "2 pass as before" in said, said
    status, said = run("replay", "--policy", candidate, "--enforce", log)
    assert status == 1 and "1 newly denied" in said, said
    assert "team.workers: /worker_server_num 4 workers at most (got 8)" in said
    assert "1 refused by team.workers" in said


def test_replay_without_bodies(guarded, tmp_path):
    """Records without a body are counted, not guessed."""
    put(guarded, text())
    record(guarded)
    candidate = tmp_path / "candidate.conf"
    candidate.write_text(POLICIES)
    status, said = run("replay", "--policy", candidate, guarded.directory / "audit.jsonl")
    assert status == 0 and "1 could not be replayed" in said, said
