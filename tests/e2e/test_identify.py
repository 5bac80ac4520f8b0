"""`identify`: whose token a request brings, from the identity service; a token of another project
is refused before anything is judged."""

import json

import pytest

import audit
import catalogue
from client import Client, ask, request
from endpoint import Endpoint

TARGET = "/v1/p/training-job-configs/c"
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters identify json normalize validate%s; %s
        proxy_pass modelarts;
    }
    location / { filters identify; proxy_pass modelarts; }
"""
BODY = json.dumps({"spec_id": 4, "worker_server_num": 1, "model_id": 1, "data_url": "/bucket/data/"}).encode()


@pytest.fixture(name="known")
def start_known(gateway):
    """known(more=""): a gateway that asks an identity service of its own, the service, and it."""
    ends = []

    def start(more="", expect=(), main="", filters="", location=""):
        service, iam = Endpoint(), Endpoint()
        ends.extend((service, iam))
        iam.api.tokens = {"alice": catalogue.token(), "bob": catalogue.token("bob", "other")}
        main = f"upstream iam {{ server 127.0.0.1:{iam.port}; tls off; }} identify iam; {more} {main}"
        return gateway(service, main=main, locations=LOCATIONS % (filters, location), expect=expect), service, iam

    yield start
    for end in ends:
        end.close()


def put(guard, token="alice", target=TARGET, body=BODY):
    """A config of a caller."""
    fields = ["Content-Type: application/json"] + ([f"X-Auth-Token: {token}"] if token else [])
    return ask(guard.port, request("PUT", target, body, *fields))


def records(guard):
    """All records."""
    return audit.records(guard.directory / "audit.jsonl")


def test_the_record_names_the_user(known):
    """Asked once, with the caller's own token; every record says who it was."""
    guard, service, iam = known()
    assert [put(guard).status, put(guard).status] == [200, 200]
    seen, = iam.requests
    assert (seen.method, seen.target) == ("GET", "/v3/auth/tokens")
    assert seen.get("X-Auth-Token") == seen.get("X-Subject-Token") == "alice"
    assert [r.method for r in service.requests] == ["PUT", "PUT"]
    first, second = records(guard)
    for record in first, second:
        assert {k: v for k, v in record.items() if k.startswith("user.")} == {
            "user.id": "id-alice", "user.name": "alice", "user.domain": "acme",
            "user.domain_id": "d1", "user.project": "cn-north-4", "user.project_id": "p",
            "user.roles": ["te_admin", "ml-admin"]}
    assert [r["lookups"][0]["cached"] for r in (first, second)] == [False, True]
    assert "alice\r" not in json.dumps(first)


def test_another_project_is_refused_first(known):
    """403 0210 before the body is judged."""
    guard, service, _ = known()
    got = put(guard, "bob", body=b"{nonsense")
    assert got.status == 403
    assert json.loads(got.body)["error_code"] == "ModelArts.0210"
    assert "project other" in json.loads(got.body)["error_msg"]
    record, = records(guard)
    assert (record["decision"], record["end"]) == ("deny", "token_project")
    assert record["user.name"] == "bob"
    assert service.requests == []


@pytest.mark.parametrize("on_error, status", [("allow", 401), ("deny", 401)])
def test_a_bad_token(known, on_error, status):
    """The identity service refuses it: told here, or by the service itself; the next is served."""
    guard, service, iam = known(f"identify_on_error {on_error};")
    service.api.tokens = iam.api.tokens
    assert put(guard, "bad").status == status
    assert put(guard).status == 200
    assert [r.get("X-Auth-Token") for r in iam.requests] == ["bad", "alice"]
    assert [r.get("X-Auth-Token") for r in service.requests] == (
        ["bad", "alice"] if on_error == "allow" else ["alice"])
    assert records(guard)[0]["end"] == ("done" if on_error == "allow" else "token_refused")


BAD = {"silent": "no answer came", "status=500": "it was answered 500", "garbage": "",
       "status=429": "it was answered 429", "big=10485760": "lookup_max_size",
       "failed": "no token.user.id", "close": "the connection closed"}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_service_in_trouble(known, fault, on_error):
    """Bounded and told; `deny` answers 503, and who comes afterwards is served."""
    guard, service, iam = known(f"identify_on_error {on_error}; identify_timeout {'300ms' if fault == 'silent' else '20s'};")
    iam.trouble = {"/v3/": [fault, "none"]}
    assert put(guard).status == (200 if on_error == "allow" else 503)
    assert BAD[fault] in records(guard)[0]["lookups"][0]["error"]
    assert "user.id" not in records(guard)[0]
    assert len(service.requests) == (on_error == "allow")
    iam.api.tokens["carol"] = catalogue.token("carol")
    if fault in ("silent", "garbage", "close"):  # for everybody, for a second
        while "user.id" not in records(guard)[-1]:
            put(guard, "carol")
    else:
        assert put(guard, "carol").status == 200
    assert records(guard)[-1]["user.name"] == "carol"


@pytest.mark.parametrize("subject, status", [("match user id-bob;", 503), ("match role te_admin;", 503),
                                             ("match project_id q;", 200)])
def test_auto_denies_where_a_policy_asks_who(known, tmp_path, subject, status):
    """Without a word on errors: a policy that matches on users, domains or roles cannot do without."""
    (tmp_path / "p.conf").write_text(f"policy p {{ {subject} rule r {{ at spec_id; max 9; }} }}")
    guard, _, iam = known(filters=" policy", location=f"policies {tmp_path}/p.conf;")
    iam.trouble = {"/v3/": ["status=500", "none"]}
    assert put(guard).status == status
    assert put(guard, "nobody").status == (401 if status == 503 else 200)  # a refused token is told
    iam.api.tokens["carol"] = catalogue.token("carol")
    assert put(guard, "carol").status == 200


def test_a_token_that_ends_and_changes_its_owner(known):
    """Kept until it ends and no longer; another owner is told in the log."""
    guard, _, iam = known()
    iam.api.tokens["alice"] = catalogue.token(expires="2020-01-01T00:00:00Z")
    put(guard)
    iam.api.tokens["alice"] = catalogue.token("mallory", expires="2020-01-01T00:00:00Z")
    put(guard)
    assert [r["user.name"] for r in records(guard)] == ["alice", "mallory"]
    guard.wait_log("a token's owner was user id-alice and is now user id-mallory")


def test_who_has_no_token(known):
    """Nothing to ask with."""
    guard, service, iam = known("identify_on_error deny;")
    assert put(guard, None).status == 503
    assert service.requests == iam.requests == []


def test_streams_pass_with_it(known):
    """It runs on the head: other routes have it too."""
    guard, service, iam = known()
    assert ask(guard.port, request("GET", "/v1/p/training-job-configs/c", None,
                                   "X-Auth-Token: alice")).status == 404
    assert len(service.requests) == len(iam.requests) == 1
    assert records(guard)[0]["user.name"] == "alice"


def test_new_tokens_are_limited(known):
    """One address brings so many unknown tokens a minute; known ones pass."""
    guard, _, iam = known("identify_rate 3;")
    assert put(guard).status == 200
    assert [put(guard, f"guess{n}").status for n in range(4)] == [200, 200, 429, 429]
    assert put(guard).status == 200
    assert len(iam.requests) == 3


def test_limits_by_user(known):
    """Whose token it is counts, however many tokens that may be; whom nobody names counts by the token.
    A limit of the second stage charges none of that stage when it refuses."""
    guard, service, iam = known("limit_req user rate=1/m burst=1 name=each; limit_req principal rate=1/m "
                                "burst=2 name=token;")
    iam.api.tokens |= {"alice2": catalogue.token(), "alice3": catalogue.token()}
    statuses = [put(guard, token).status for token in ("alice", "alice2", "alice3", "alice", "bob")]
    assert statuses == [200, 200, 429, 429, 403] and len(service.requests) == 2  # bob's is of another project
    refused = [r["limits"] for r in records(guard) if "limits" in r]
    assert [(f["rule"], f["by"], f["result"]) for one in refused for f in one] == [
        ("each", "user", "refuse")] * 2
    assert [put(guard, "stranger").status for _ in range(3)] == [200, 200, 429]
    assert len(service.requests) == 4


def test_a_thousand_at_once(known):
    """One question for all of them."""
    guard, _, iam = known(main="worker_connections 2048;")
    clients = []
    for _ in range(1000):
        clients.append(Client(guard.port))
        clients[-1].send(request("GET", TARGET, None, "X-Auth-Token: alice"))
    assert {c.final().status for c in clients} == {404}
    for client in clients:
        client.sock.close()
    assert len(iam.requests) == 1


@pytest.mark.parametrize("locations, words", {
    "location / { filters identify; proxy_pass modelarts; }": 'needs "identify UPSTREAM"',
    "location / { filters identify; identify iamm; proxy_pass modelarts; }":
        'unknown upstream "iamm"',
    "location / { filters identify; identify modelarts; aksk preserve; proxy_pass modelarts; }":
        'learns nothing of requests that are signed',
    "location PUT /x { filters json identify; identify modelarts; proxy_pass modelarts; }":
        'filter "identify" stands behind "json", put it before it',
    "location / { limit_req user rate=1/s; proxy_pass modelarts; }":
        'limit "limit_req user rate=1/s" goes by user: it needs filter "identify"',
}.items())
def test_load(check, locations, words):
    """Mistakes in the configuration."""
    code, told = check(main="", server=locations.replace("location /", "location /q"))
    assert words in told
    assert code == (0 if "aksk" in locations else 1)
