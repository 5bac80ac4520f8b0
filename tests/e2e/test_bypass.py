"""Ways around the rules that a server more lenient than the gateway would open: none of them goes on.
Each kind is a table; conf/policies/bypass.md tells what each is about."""

import functools
import json
import subprocess

import pytest

import audit
from client import ask, check_refusal, request
from gateway import GUARDED, Gateway, binary, config
from origin import Origin

POLICIES = """
policy vision {
    match config_name ~ "^vision-";
    rule workers { at worker_server_num; max 4; }
}
policy all {
    rule spec   { at spec_id; max 4; }
    rule labels { at parameter[*].label; not_matches "(?i)secret"; }
}
exception EXC-1 {
    policy all; rule spec; match config_name big; match principal HSTQ0EXAMPLE;
    owner me; ticket ML-1; expires 2099-01-31;
}
"""
ROUTES = [
    (GUARDED, ""),
    ("POST /v1/{project_id}/training-job-configs", ""),
    ("POST /v1/{project_id}/training-jobs", "config_at /config;"),
    ("POST /v1/{project_id}/training-jobs/{job_id}/versions", "config_at /config;"),
]
CONFIGS = "/v1/6b37a5f1/training-job-configs"
JOBS = "/v1/6b37a5f1/training-jobs"
VERSIONS = f"{JOBS}/7/versions"
GOOD = {"worker_server_num": 1, "spec_id": 2, "model_id": 3, "data_url": "/bkt/d/",
        "train_url": "/bkt/o/"}
JSON = "Content-Type: application/json"
TOKEN = "X-Auth-Token: t"
SDK = "Authorization: SDK-HMAC-SHA256 "


@pytest.fixture(scope="module")
def judging(tmp_path_factory, module_gateway, module_origin):
    """Gateways that judge all routes by the policies above, one for each choice of filters."""
    policies = tmp_path_factory.mktemp("policies") / "policies.conf"
    policies.write_text(POLICIES)

    @functools.cache
    def start(filters):
        locations = "".join(
            f"location {route} {{ filters {filters}; policies {policies}; {more}"
            " proxy_pass modelarts; }\n" for route, more in ROUTES)
        behind = module_origin()
        started = module_gateway(behind, locations=locations + "location / { proxy_pass modelarts; }",
                                 upstream="accept_host gateway.test;")
        started.origin = behind
        return started
    return start


class Guard:
    """A gateway that judges all routes by the policies above, before an origin that answers everything."""

    def __init__(self, directory, filters):
        self.origin = Origin()
        (directory / "policies.conf").write_text(POLICIES)
        locations = "".join(
            f"location {route} {{ filters {filters}; policies ../policies.conf; {more}"
            " proxy_pass modelarts; }\n" for route, more in ROUTES)
        inside = directory / "g"
        inside.mkdir()
        text = config(inside, self.origin.port, locations=locations + "location / { proxy_pass modelarts; }",
                      upstream="accept_host gateway.test;")
        self.gateway = Gateway(inside, text)
        self.port = self.gateway.port
        self.audit = inside / "audit.jsonl"
        self.told = 0

    def begin(self):
        """A test begins: what was before is forgotten."""
        self.origin.forget()
        self.told = len(audit.records(self.audit))

    def end(self):
        """Ends it, and judges how it went."""
        self.gateway.stop()
        self.origin.close()


@pytest.fixture(name="guards", scope="module")
def all_guards(tmp_path_factory):
    """One for each list of filters that a test of this module asks for."""
    guards = {}

    def start(filters):
        if filters not in guards:
            guards[filters] = Guard(tmp_path_factory.mktemp("guard"), filters)
        return guards[filters]

    yield start
    for guard in guards.values():
        guard.end()


@pytest.fixture
def guarded(guards):
    """The gateway with these filters."""
    def start(filters="json normalize validate policy"):
        guard = guards(filters)
        guard.begin()
        return guard
    return start


def send(guard, method, path, body, *fields):
    """One request's answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(guard.port, request(method, path, body, JSON, *(fields or (TOKEN,))), method)


def record(guard, n=1):
    """The n-th audit record of this test."""
    return audit.wait(guard.audit, guard.told + n)[guard.told + n - 1]


WORKERS = {**GOOD, "worker_server_num": 5}


@pytest.mark.parametrize("method, path, body, name", [
    ("PUT", f"{CONFIGS}/vision-x", WORKERS, "vision-x"),
    ("POST", CONFIGS, {"config_name": "vision-x", **WORKERS}, "vision-x"),
    ("POST", CONFIGS, {**WORKERS, "config_name": "vision-x"}, "vision-x"),
    ("POST", CONFIGS, WORKERS, None),
    ("POST", CONFIGS, {"config_name": None, **WORKERS}, None),
    ("POST", CONFIGS, {"config_name": "c", "job_name": "vision-x", **WORKERS}, None),
    ("POST", JOBS, {"job_name": "vision-x", "config": WORKERS}, "vision-x"),
    ("POST", JOBS, {"config": WORKERS, "job_name": "vision-x"}, "vision-x"),
    ("POST", JOBS, {"config": WORKERS}, None),
    ("POST", JOBS, {"job_name": "vision x", "config": WORKERS}, None),
    ("POST", JOBS, {"job_name": 7, "config": WORKERS}, None),
    ("POST", JOBS, {"job_name": "c", "config_name": "vision-x", "config": WORKERS}, None),
    ("POST", JOBS, {"job_name": "", "config": WORKERS}, None),
    ("POST", VERSIONS, {"config": WORKERS}, None),
    ("POST", JOBS, b'{"job_\\u006eame": "vision-x", "config": %s}' % json.dumps(WORKERS).encode(),
     "vision-x"),
])
def test_policy_of_a_name(guarded, method, path, body, name):
    """A policy for some names holds wherever the name is: in the path, in the body, or not known."""
    guard = guarded("json normalize policy")
    value = check_refusal(send(guard, method, path, body), 403, "ModelArts.0105")
    assert [v["policy"] for v in value["violations"]] == ["vision"]
    assert guard.origin.requests == []
    told = record(guard)
    assert told.get("config_name") == name
    assert told.get("policy.unknown") == (None if name else ["config_name"])


@pytest.mark.parametrize("method, path, body", [
    ("POST", CONFIGS, {"config_name": "nlp-x", **WORKERS}),
    ("POST", JOBS, {"job_name": "nlp-x", "config": WORKERS}),
    ("PUT", f"{CONFIGS}/nlp-x", WORKERS),
])
def test_policy_of_another_name(guarded, method, path, body):
    """Who is known to be somebody else is left alone."""
    guard = guarded()
    assert send(guard, method, path, body).status == 200
    assert record(guard)["config_name"] == "nlp-x" and "policy.unknown" not in record(guard)


def test_exception_of_an_unknown_name(guarded):
    """An exception is for the name it is granted to, not for who names nobody."""
    guard = guarded()
    body = {**GOOD, "spec_id": 5}
    signed = SDK + "Access=HSTQ0EXAMPLE, SignedHeaders=host, Signature=00"
    assert send(guard, "POST", CONFIGS, {"config_name": "big", **body}, signed).status == 200
    for other, fields in [(body, (signed,)), ({"config_name": "big", **body}, (TOKEN,)),
                          ({"config_name": "big", "job_name": "b", **body}, (signed,))]:
        check_refusal(send(guard, "POST", CONFIGS, other, *fields), 403, "ModelArts.0105")


BAD = {**GOOD, "spec_id": 99}


@pytest.mark.parametrize("filters", ["json normalize validate policy", "json normalize policy",
                                     "json policy"])
@pytest.mark.parametrize("path, body", [
    (JOBS, {"config": GOOD, "Config": BAD}),
    (JOBS, {"Config": BAD, "config": GOOD}),
    (JOBS, {"config": GOOD, "con_fig": BAD}),
    (JOBS, {"config": GOOD, "con-fig": BAD}),
    (JOBS, {"config": GOOD, "_config": BAD}),
    (JOBS, {"config": GOOD, "CONFIG": None}),
    (JOBS, {"config": GOOD, "conf\u0131g": BAD}),
    (JOBS, {"config": GOOD, "conf\u0130g": BAD}),
    (JOBS, {"config": GOOD, "\uff43onfig": BAD}),
    (JOBS, {"config": GOOD, "job_name": "a", "Job_Name": "vision-x"}),
    (JOBS, {"config": GOOD, "jobName": "vision-x"}),
    (JOBS, {"config": GOOD, "config-name": "vision-x"}),
    (VERSIONS, {"config": GOOD, "ConFig": BAD}),
    (CONFIGS, {**GOOD, "Worker_Server_Num": 99}),
    (CONFIGS, {**GOOD, "\u017fpec_id": 99}),
    (CONFIGS, {**GOOD, "spec\u2010id": 99}),
    (CONFIGS, {**GOOD, "configName": "vision-x"}),
    (CONFIGS, {**GOOD, "worker_server_num ": 99}),
    (CONFIGS, {**GOOD, "\tworker_server_num": 99}),
    (CONFIGS, {**GOOD, "worker server num": 99}),
    (CONFIGS, {**GOOD, "worker.server.num": 99}),
    (CONFIGS, {**GOOD, "spec_id[0]": 99}),
    (CONFIGS, {**GOOD, "spec_id[]": 99}),
    (CONFIGS, {**GOOD, "$.spec_id": 99}),
    (CONFIGS, {**GOOD, "/spec_id": 99}),
    (CONFIGS, {**GOOD, "spec_id.value": 99}),
    (CONFIGS, {**GOOD, "spec_id:": 99}),
    (CONFIGS, {**GOOD, "spec\u200b_id": 99}),
    (CONFIGS, {**GOOD, "\ufeffspec_id": 99}),
    (CONFIGS, {**GOOD, "spec_i\u00add": 99}),
    (CONFIGS, {**GOOD, "spec_id\u0301": 99}),
    (CONFIGS, {**GOOD, "spec_id\ufe0f": 99}),
    (CONFIGS, {**GOOD, "spec_id\n": 99}),
    (CONFIGS, {**GOOD, "parameter[0].label": "my_secret"}),
    (JOBS, {"config": GOOD, "config.spec_id": 99}),
    (JOBS, {"config": GOOD, "config[spec_id]": 99}),
    (JOBS, {"config": GOOD, "config/spec_id": 99}),
    (JOBS, {"config": GOOD, "config:spec_id": 99}),
    (JOBS, {"config": GOOD, "config ": BAD}),
    (JOBS, {"config": GOOD, "config[]": BAD}),
    (JOBS, {"config": GOOD, "con\u200bfig": BAD}),
    (CONFIGS, {**GOOD, "parameter": [{"Label": "my_secret", "value": "1"}]}),
    (CONFIGS, {**GOOD, "parameter": [{"Key": "my_secret", "value": "1"}]}),
    (CONFIGS, {**GOOD, "parameter": [{"\u212aey": "my_secret", "value": "1"}]}),
    (JOBS, {"config": GOOD, "con\ufb01g": BAD}),
    (JOBS, {"config": GOOD, "conf\u2170g": BAD}),
    (JOBS, {"config": GOOD, "conf\u00efg": BAD}),
    (JOBS, {"config": GOOD, "config\u0000": BAD}),
    (JOBS, {"config": GOOD, "config\u0000x": BAD}),
    (CONFIGS, {**GOOD, "spec\ufe33id": 99}),
    (CONFIGS, {**GOOD, "spec\u203fid": 99}),
    (CONFIGS, {**GOOD, "\u02e2pec_id": 99}),
    (CONFIGS, {**GOOD, "spec_ⅰd": 99}),
    (CONFIGS, {**GOOD, "sp\u00e9c_id": 99}),
    (CONFIGS, {**GOOD, "spec_id\u0000.x": 99}),
    (CONFIGS, {**GOOD, "parameter": [{"lab\u212fl": "my_secret", "value": "1"}]}),
    (CONFIGS, {**GOOD, "parameter": [{"labe\u2113": "my_secret", "value": "1"}]}),
])
def test_another_spelling_of_a_member(guarded, filters, path, body):
    """No object on the way to the config has a member that a lenient reader takes for another one."""
    guard = guarded(filters)
    value = check_refusal(send(guard, "POST", path, body), 400, "ModelArts.0107")
    assert "spelling" in [v["rule"] for v in value["violations"]]
    assert guard.origin.requests == []


@pytest.mark.parametrize("body", [
    {"notes": 1}, {"spec_ids": 1}, {"my_spec_id": 1}, {"spec": {"id": 1}}, {"specid2": 1}, {"label.x": 1},
    {"\u0456d": 1}])
def test_names_that_nobody_takes_for_another(guarded, body):
    """What only begins or ends like a member, or stands for itself, goes on."""
    guard = guarded("json normalize policy")
    assert send(guard, "PUT", f"{CONFIGS}/c", {**GOOD, **body}).status == 200


OWN_RULES = """policy own {
    rule rank  { at_unknown user_priority; max 4; }
    rule level { at_unknown notification.level; max 4; }
    rule each  { at_unknown extra[*].size; max 4; }
    rule where { at_unknown extra[kind=gpu].n; max 4; }
}"""


@pytest.mark.parametrize("body, passes", [
    ({"user_priority": 4}, True), ({"user_priority": 5}, False), ({"User_Priority": 5}, False),
    ({"userPriority": 5}, False), ({"user-priority": 1}, False), ({"user_priority ": 5}, False),
    ({"user_priority": 1, "USER_PRIORITY": 5}, False), ({"user_priority.x": 5}, False),
    ({"user_priorities": 5}, True), ({"notification": {"level": 4}}, True),
    ({"notification": {"Level": 5}}, False), ({"notification": {"lev\u200bel": 5}}, False),
    ({"notification": {}, "notification.level": 5}, False), ({"notification[level]": 5}, False),
    ({"extra": [{"size": 1}, {"Size": 5}]}, False), ({"Extra": [{"size": 5}]}, False),
    ({"extra": [{"kind": "gpu", "N": 5}]}, False), ({"extra": [{"kind": "gpu", "n": 4}]}, True),
])
def test_another_spelling_of_what_a_policy_alone_knows(gateway, origin, tmp_path, body, passes):
    """Members of no table of the contract's: the rule fails where a lenient reader may see them."""
    (tmp_path / "own.conf").write_text(OWN_RULES)
    behind = origin()
    guard = gateway(behind, locations=f"""location PUT {CONFIGS.replace("/p/", "/{project_id}/")}/{{config_name}} {{
        filters json policy; policies {tmp_path}/own.conf; proxy_pass modelarts; }}""")
    got = send(guard, "PUT", f"{CONFIGS}/c", body)
    assert (got.status == 200, len(behind.requests)) == (passes, passes), got.body
    if not passes:  # 400 where the contract knows a name on the way
        assert "own" in [v.get("policy") for v in json.loads(got.body)["violations"]]


def test_both_kinds_of_faults_at_once(guarded):
    """What the contract says and what a policy says stand in one answer, the contract's code first."""
    guard = guarded()
    body = {**GOOD, "spec_id": 5, "worker_server_num": 0, "train_url": 7}
    value = check_refusal(send(guard, "PUT", f"{CONFIGS}/c", body), 400, "ModelArts.0107")
    assert [(v["pointer"], v["rule"]) for v in value["violations"]] == [
        ("/train_url", "type"), ("/worker_server_num", "range"), ("/spec_id", "spec")]
    assert guard.origin.requests == [] and record(guard)["decision"] == "invalid"


LENIENT = [
    "/v1/p/training-jobs.json", "/v1/p/training-jobs.", "/v1/p/training-jobs%20",
    "/v1/p/training-jobs+", "/v1/p/training-jobs:create", "/v1/p/training-jobs;x=1",
    "/v1/p/training-jobs%3Bx", "/v1/p/training-jobs%3Fx", "/v1/p/training-jobs%23",
    "/v1/p/training%252Djobs", "/v1/p/training%25252Djobs", "/v1/p/training-job%C5%BF",
    "/v1/p/tra%C4%B1ning-jobs", "/v1/p/Training-Jobs", "/V1/p/training-jobs",
    "/v1/p%2Ftraining-jobs", "/v1/p%5Ctraining-jobs", "/v1/p%c0%aftraining-jobs",
    "/v1/p/x%2F..%2Ftraining-jobs", "/v1/p/x/..%3B/training-jobs", "/v1/p/x/..;/training-jobs",
    "/v1/p/x/%252e%252e/training-jobs", "/v1/p/x/%c0%ae%c0%ae/training-jobs",
    "/v1/p/%EF%BD%94raining-jobs", "/v1/p/training%E2%80%90jobs", "/v1/p/training-%C2%ADjobs",
    "/v1/p/training-%FFjobs", "/v1/p.x/training-jobs", "/v1/p;a/training-jobs",
    "/v1/p/training-jobs/7.x/versions", "/v1/p/training-jobs/7/versions.json",
    "/v1/p/training-jobs/7/Versions", "/v1/p/training-job-configs.json",
    "/v1/p/training-job-configs%2500", "/v1/p/training%C2%ADjobs", "/v1/p/training_jobs",
    "/v1/p/train%CC%81ing-jobs", "/v1/p/training-jobs%EF%B8%8F", "/v1/p%2fq/training-jobs",
    "/v1/p/training-jobs/7%2f8/versions", "/v1/p/training-jobs/7%255c8/versions",
    "/v1/p/tra%E2%85%B0ning-jobs", "/v1/p/x/%E2%80%A5/training-jobs", "/v1/p/tra%C3%AFning-jobs",
    "/v1/p/training-job%CB%A2", "/v1//training-jobs",
    "/v1//training-jobs/7/versions", "/v1/p/training-jobs//versions", "/v1//training-job-configs",
]


@pytest.mark.parametrize("path", LENIENT)
def test_another_spelling_of_a_path(guarded, path):
    """What some server would take for a guarded path is refused where it would change something;
    to read is free."""
    guard = guarded()
    check_refusal(send(guard, "POST", path, {"config": BAD}), 404, "ModelArts.0015")
    check_refusal(send(guard, "PATCH", path, {"config": BAD}), 404, "ModelArts.0015")
    assert guard.origin.requests == []
    assert ask(guard.port, request("GET", path, None, TOKEN)).status == 200
    assert [r.target for r in guard.origin.requests] == [path]


@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/p/training-jobs/7/stop"), ("POST", "/v1/p/training-jobs/7"),
    ("DELETE", "/v1/p/training-jobs/7"), ("DELETE", f"{CONFIGS}/c"), ("POST", "/v1/p/models"),
    ("POST", "/v1/p/notebooks;x=1"), ("PUT", "/v1/p/a%2Fb"), ("PUT", "/v1/p/models/a%2Fb"), ("POST", "/v1/p/x%ff"),
    ("POST", "/v1/p/%E4%B8%AD"), ("POST", "/v1/p/training-jobs-x"), ("POST", "/v1//x/../y"), ("POST", "/v1//models"),
])
def test_other_writes_go_on_untouched(guarded, method, path):
    """What resembles no guarded path goes on byte for byte."""
    guard = guarded()
    assert send(guard, method, path, b"{}").status == 200
    assert [r.target for r in guard.origin.requests] == [path]


@pytest.mark.parametrize("method", ["put", "Put", "pUT"])
def test_another_spelling_of_a_method(guarded, method):
    """A server that minds no case would take it for the guarded one."""
    guard = guarded()
    assert send(guard, method, f"{CONFIGS}/c", BAD).status in (400, 404, 501)
    assert guard.origin.requests == []


@pytest.mark.parametrize("query", [
    "_method=PUT", "_METHOD=put", "a=b&_method=PUT", "a=b;_method=PUT", "%5fmethod=PUT",
    "%255Fmethod=PUT", "_m%65thod=PUT", "x-http-method-override=PUT", "method_override=PUT",
    "_method", "a&%5F%6Dethod=PUT", "x_http_method_override=PUT", "X-HTTP-Method=PUT",
    "a&x-method%2doverride=PUT", "X_Original_URL=/x", "x-method-override%5b%5d=PUT",
])
def test_method_in_the_query(guarded, query):
    """The method that is routed is the one that goes on."""
    guard = guarded()
    for method, path in [("POST", f"{CONFIGS}/c"), ("GET", f"{CONFIGS}/c"), ("POST", JOBS)]:
        check_refusal(send(guard, method, f"{path}?{query}", BAD), 400, "ModelArts.4105")
    assert guard.origin.requests == []
    assert send(guard, "POST", f"/v1/p/models?{query}", {}).status == 200


@pytest.mark.parametrize("fields", [
    (SDK + "Access=HSTQ0EXAMPLE, Access=AKBAD, SignedHeaders=host, Signature=00",),
    (SDK + "Credential=HSTQ0EXAMPLE/x, Access=AKBAD",),
    (SDK + "access=AKBAD, SignedHeaders=host, Signature=00",),
    (SDK + "Access =AKBAD, SignedHeaders=host, Signature=00",),
    (SDK + 'Access="AKBAD", SignedHeaders=host, Signature=00',),
    (SDK + "SignedHeaders=host, Signature=00",),
    (SDK + "Access=HSTQ0EXAMPLE;Signature=00",),
    ("Authorization: Bearer x", TOKEN),
    ("Authorization: Basic x", TOKEN),
    (SDK + "Access=HSTQ0EXAMPLE", TOKEN),
    ("Authorization:", TOKEN),
    ("Authorization: SDK-HMAC-SHA256",),
    (TOKEN, TOKEN),
    ("X_Auth_Token: t",), ("Content_Length: 0", TOKEN), ("Transfer_Encoding: chunked", TOKEN),
    ("X_HTTP_Method_Override: PUT", TOKEN), ("X-HTTP-Method-Override: PUT", TOKEN),
    (f"X-Original-URL: {CONFIGS}/c", TOKEN), (f"X-Rewrite-URL: {CONFIGS}/c", TOKEN),
    (f"x_original_url: {CONFIGS}/c", TOKEN),
    ("X-Original-Method: PUT", TOKEN), ("X-Override-URL: /", TOKEN), ("X-HTTP-Path-Override: /", TOKEN),
    ("X-Forwarded-Method: PUT", TOKEN), ("X-Forwarded-Uri: /", TOKEN), ("X-Original-Path: /", TOKEN),
    ("X-Rewrite-Path: /", TOKEN), ("X-Override-Method: PUT", TOKEN),
    ("X.Auth.Token: u", TOKEN), ("X-Auth~Token: u", TOKEN), ("x!auth-token: u", TOKEN),
    ("Content.Length: 3", TOKEN), ("Transfer'Encoding: chunked", TOKEN), ("X|Original|URL: /", TOKEN),
    ("X-Auth-Token: a, b",), ("X-Auth-Token: a b",), ('X-Auth-Token: "a"',), ("X-Auth-Token: a\tb",),
])
@pytest.mark.parametrize("method, path", [("PUT", f"{CONFIGS}/big"), ("POST", "/v1/p/models")])
def test_callers_and_overrides(guarded, fields, method, path):
    """One caller, one method, one path: what could be read as another one is refused everywhere."""
    guard = guarded()
    check_refusal(send(guard, method, path, GOOD, *fields), 400, "ModelArts.4105")
    assert guard.origin.requests == []
    assert "principal" not in record(guard)


def test_a_part_of_a_body(guarded):
    """A server that knows partial PUTs would put it into what it has: nobody judged the whole."""
    guard = guarded()
    for part in ("bytes 0-9/100", "bytes */100", "x", ""):
        check_refusal(send(guard, "PUT", f"{CONFIGS}/c", GOOD, TOKEN, f"Content-Range: {part}"), 400, "ModelArts.4105")
    assert guard.origin.requests == []
    assert send(guard, "PUT", "/v1/p/models", GOOD, TOKEN, "Content-Range: bytes 0-9/100").status == 200


@pytest.mark.parametrize("upstream, host, accepted", [
    ("", "127.0.0.1:{port}", True), ("", "169.254.169.254", False), ("", "127.0.0.1", False),
    ("", "127.0.0.1.evil.test", False), ("", "gateway.test", False), ("", "localhost", False),
    ("host api.test;", "api.test", True), ("host api.test;", "API.test:80", True),
    ("host api.test;", "api.test:", True), ("host api.test;", "api.test:8080", False),
    ("host api.test;", "127.0.0.1:{port}", True), ("host api.test;", "xapi.test", False),
    ("accept_host a.test b.test:81;", "A.TEST", True),
    ("accept_host a.test b.test:81;", "b.test:81", True),
    ("accept_host a.test b.test:81;", "b.test", False),
    ("accept_host a.test b.test:81;", "127.0.0.1:{port}", False),
    ("accept_host a.test; host api.test;", "api.test", False),
])
@pytest.mark.parametrize("method, path", [("PUT", f"{CONFIGS}/c"), ("GET", "/v1/p/models")])
def test_host_of_a_signed_request(gateway, origin, upstream, host, accepted, method, path):
    """What goes on as the client named it is one of the upstream's names, and on record."""
    behind = origin()
    guard = gateway(behind, upstream=upstream)
    host = host.format(port=behind.port)
    signed = SDK + "Access=AK, SignedHeaders=host, Signature=00"
    body = json.dumps(GOOD).encode()
    answer = ask(guard.port, request(method, path, body, JSON, signed, host=host))
    if accepted:
        assert answer.status == 200
        assert [r.get("Host") for r in behind.requests] == [host]
        assert audit.wait(guard.directory / "audit.jsonl", 1)[0]["server.address"] == host
    else:
        check_refusal(answer, 400, "ModelArts.4105")
        assert behind.requests == []
    unsigned = ask(guard.port, request(method, path, body, JSON, TOKEN, host=host))
    assert unsigned.status == 200  # the upstream is asked by its own name


def test_unguarded_writing_routes_are_told(tmp_path):
    """`-t` names the API's routes that write a config and that no location guards."""
    conf = tmp_path / "a.conf"

    def warnings(locations):
        conf.write_text("error_log stderr; audit_log off; upstream u { server 127.0.0.1:1; tls off; }\n"
                        f"server {{ listen 127.0.0.1:0;\n{locations} }}")
        done = subprocess.run([binary(), "-t", "-c", conf], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if "[warn]" in line]

    guard = "location %s { filters json; proxy_pass u; }\n"
    rest = "location / { proxy_pass u; }\n"
    missing = warnings(guard % GUARDED + rest)
    assert [line.split('"')[1] for line in missing] == [
        "POST /v1/{project_id}/training-job-configs", "POST /v1/{project_id}/training-jobs",
        "POST /v1/{project_id}/training-jobs/{job_id}/versions",
        "POST /v2/{project_id}/training-jobs"]
    assert all(f"{conf}:4" in line and "filters" in line for line in missing)
    assert warnings(guard % GUARDED) == []  # what has no location does not go on
    everything = "".join(guard % route for route, _ in ROUTES)
    v2 = guard % "POST /v2/{project_id}/training-jobs"
    assert warnings(everything + v2 + rest) == []
    assert len(warnings(everything + rest)) == 1
    assert warnings(rest) == []  # nothing is judged, and nobody thinks so


def test_policy_for_a_project_needs_its_segment(tmp_path):
    """A location that calls the project something else would have the policy for all of them."""
    (tmp_path / "p.conf").write_text(
        "policy p { rule r { at spec_id; max 4; } }\n"
        "policy q { match project_id a; rule r { at spec_id; max 4; } }")
    for name, status in [("project_id", 0), ("project", 1)]:
        conf = tmp_path / "a.conf"
        conf.write_text("error_log stderr; audit_log off; upstream u { server 127.0.0.1:1; tls off; }\n"
                        "server { listen 127.0.0.1:0;\n"
                        f"location PUT /v1/{{{name}}}/training-job-configs/{{config_name}} {{\n"
                        f"filters json policy; policies {tmp_path}/p.conf; proxy_pass u; }} }}")
        done = subprocess.run([binary(), "-t", "-c", conf], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == status, done.stderr
        assert ('policy "q" asks for the project_id' in done.stderr) == (status == 1)
