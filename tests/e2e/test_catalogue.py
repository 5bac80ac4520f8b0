"""`catalogue`: what a config chooses is compared with what the project can choose from, and policies
read what it is."""

import json
import os
import subprocess

import pytest

import audit
import catalogue
import test_signing
from client import Client, ask, request
from endpoint import Endpoint
from gateway import binary

TARGET = "/v1/p/training-job-configs/c"
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters %s;
        %s
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
"""
GOOD = {"spec_id": 4, "worker_server_num": 2, "engine_id": 4, "app_url": "/bucket/app/",
        "boot_file_url": "/bucket/app/boot.py", "data_url": "/bucket/data/"}
BUDGET = """policy budget { rule gpus { at total.gpus; max 16; } }"""


@pytest.fixture(name="listed")
def start_listed(gateway, tmp_path):
    """listed(more): a gateway with the filter, and the service behind it."""
    ends = []

    def start(more="", filters="json normalize validate catalogue policy", policy=BUDGET, main="",
              expect=(), **settings):
        ends.append(Endpoint())
        (tmp_path / "budget.conf").write_text(policy)
        more += f" policies {tmp_path}/budget.conf;"
        return gateway(ends[-1], main=main, locations=LOCATIONS % (filters, more), expect=expect,
                       **settings), ends[-1]

    yield start
    for end in ends:
        end.close()


def put(guard, token="alice", target=TARGET, **changes):
    """A config, the good one but for the changes; None leaves a member out."""
    body = {k: v for k, v in (GOOD | changes).items() if v is not None}
    return ask(guard.port, request("PUT", target, json.dumps(body).encode(),
                                   "Content-Type: application/json", f"X-Auth-Token: {token}"))


def records(guard):
    """All records."""
    return audit.records(guard.directory / "audit.jsonl")


def lists(end):
    """The questions the service was asked for its lists."""
    return [r.target for r in end.requests if r.method == "GET"]


def test_lists_are_asked_for_once(listed):
    """Each list and each page once, with the caller's token; then they are kept."""
    guard, end = listed()
    assert [put(guard).status for _ in range(3)] == [200] * 3
    assert lists(end) == ["/v1/p/job/resource-specs?job_type=train",
                          "/v1/p/job/ai-engines?job_type=train",
                          "/v1/p/built-in-algorithms?per_page=100&page=1",
                          "/v1/p/built-in-algorithms?per_page=100&page=2",
                          "/v1/p/built-in-algorithms?per_page=100&page=3"]
    assert {r.get("X-Auth-Token") for r in end.requests} == {"alice"}
    assert [r["lookups"][0]["cached"] for r in records(guard)] == [False, True, True]


WRONG = {
    "a typo in spec_id": ({"spec_id": 44}, "/spec_id", "44 is no specification of this project; the "
                          "nearest: 4 (modelarts.vm.gpu.v100), "),
    "too many nodes": ({"worker_server_num": 5}, "/worker_server_num",
                       "5 is too many: specification 4 (modelarts.vm.gpu.v100) has at most 4 nodes"),
    "an engine": ({"engine_id": 12}, "/engine_id", "12 is no engine of this project; the nearest: "
                  "1 (TF-1.8.0-python2.7), 122 (MindSpore-1.1.0-gpu-cuda10.1-python3.7), "),
    "an algorithm": ({"model_id": 251, "engine_id": None, "app_url": None, "boot_file_url": None},
                     "/model_id", "251 is no built-in algorithm of this project; the nearest: "
                     "250 (algorithm_250), "),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_there(listed, case):
    """Refused with what would be right; nothing is forwarded."""
    changes, pointer, words = WRONG[case]
    guard, end = listed()
    got = put(guard, **changes)
    assert got.status == 400
    violation, = [v for v in json.loads(got.body)["violations"] if "policy" not in v]
    assert (violation["pointer"], violation["rule"], violation["code"]) == (
        pointer, "catalogue", "ModelArts.0107")
    assert violation["message"].startswith(words)
    assert not [r for r in end.requests if r.method == "PUT"]


WARNED = {
    "sold out": ({"spec_id": 27, "worker_server_num": 1},
                 "specification 27 (modelarts.vm.cpu.8u) is sold out at present"),
    "an engine for GPUs": ({"spec_id": 2, "engine_id": 122},
                           "engine 122 (MindSpore-1.1.0-gpu-cuda10.1-python3.7) is for GPUs, and "
                           "specification 2 (modelarts.vm.cpu.2u) has none"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_may_fail(listed, case):
    """Warned of, and forwarded."""
    changes, words = WARNED[case]
    guard, _ = listed()
    got = put(guard, **changes)
    assert got.status == 200
    assert any(words in w for w in got.all("Warning"))


def test_the_budget(listed):
    """total.gpus is gpu_num times worker_server_num; above the budget it is refused."""
    guard, _ = listed()
    assert put(guard, spec_id=7, worker_server_num=2).status == 200
    got = put(guard, spec_id=7, worker_server_num=3)
    assert got.status == 403
    violation, = json.loads(got.body)["violations"]
    assert violation["rule"] == "gpus"
    assert "24" in violation["message"] and "16" in violation["message"]


NEVER_SKIPS = {
    "flavor": {"spec_id": None, "flavor": {"code": "modelarts.vm.gpu.8v100"}},
    "flavor beside spec_id": {"flavor": {"code": "modelarts.vm.gpu.8v100"}},
    "pool_id": {"pool_id": "pool1"},
    "pool_id alone": {"spec_id": None, "pool_id": "pool1"},
}


@pytest.mark.parametrize("case", NEVER_SKIPS)
def test_the_budget_never_skips(listed, case):
    """What chooses in another way is not known to be within the budget."""
    guard, end = listed(filters="json normalize catalogue policy")
    assert put(guard, **NEVER_SKIPS[case]).status == 403
    result, = records(guard)[-1]["policy.results"]
    assert result["result"] == "error"
    assert put(guard).status == 200
    assert [r.method for r in end.requests].count("PUT") == 1


TROUBLE = {"silent": "silent", "429": "status=429", "500": "status=500", "nonsense": "garbage",
           "401": "status=401", "403": "status=403", "404": "status=404", "10 MB": "big=10485760",
           "is_success false": "failed", "cut": "close-mid-body"}


@pytest.mark.parametrize("case", TROUBLE)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_catalogue_in_trouble(listed, case, on_error):
    """Bounded and told: a warning or a 503; the budget gives `error`, and the next caller is
    served."""
    guard, end = listed(f"catalogue_on_error {on_error}; catalogue_timeout {'300ms' if case == 'silent' else '20s'};")
    end.trouble = {"resource-specs": [TROUBLE[case], "none"]}
    got = put(guard)
    assert got.status == (403 if on_error == "allow" else 503)
    if on_error == "allow":
        assert any("could not be compared" in w for w in got.all("Warning"))
        assert records(guard)[0]["policy.results"][0]["result"] == "error"
    assert not [r for r in end.requests if r.method == "PUT"]
    span, = records(guard)[0]["lookups"]
    assert "error" in span or span["status"] in (401, 403, 404)
    while put(guard, "bob").status != 200:
        assert case in ("silent", "nonsense", "10 MB", "cut")


def test_a_page_that_repeats_itself(listed):
    """No end of pages is awaited."""
    guard, end = listed("catalogue_on_error deny;")
    end.api.lists["built-in-algorithms"] = [{"model_id": 1, "model_name": "a"}] * 500
    assert put(guard).status == 503
    assert "a page repeats itself" in records(guard)[0]["lookups"][0]["error"]
    assert len(lists(end)) == 4


def test_a_catalogue_that_lacks_members(listed):
    """What it does not tell is not known: no node limit, no count of GPUs."""
    guard, end = listed()
    end.api.lists["resource-specs"] = [{"spec_id": 4, "spec_code": "x"}, {"spec_code": "no id"}, 7]
    assert put(guard, worker_server_num=999).status == 403
    assert records(guard)[0]["policy.results"][0]["result"] == "error"


def test_a_thousand_at_once(listed):
    """One caller, a cold table: one question for each list."""
    guard, end = listed(main="worker_connections 2048;")
    body = json.dumps(GOOD).encode()
    clients = []
    for _ in range(1000):
        clients.append(Client(guard.port))
        clients[-1].send(request("PUT", TARGET, body, "Content-Type: application/json",
                                 "X-Auth-Token: alice"))
    assert {c.final("PUT").status for c in clients} == {200}
    for client in clients:
        client.sock.close()
    assert len(lists(end)) == len(set(lists(end))) == 5


def test_callers_are_told_what_is_theirs(listed):
    """A catalogue that somebody else fetched is told to nobody who could not fetch it."""
    guard, end = listed("catalogue_on_error deny;")
    end.api.tokens = {"alice": catalogue.token(), "bob": catalogue.token("bob")}
    assert [put(guard, t).status for t in ("alice", "mallory", "bob")] == [200, 503, 200]
    assert [r.get("X-Auth-Token") for r in end.requests if "resource-specs" in r.target] == [
        "alice", "mallory", "bob"]


def test_users_of_the_project_share_it(listed):
    """Whom the identity service knows as of the project need not fetch it."""
    guard, end = listed("identify modelarts;", "identify json normalize validate catalogue policy")
    end.api.tokens = {"alice": catalogue.token(), "bob": catalogue.token("bob")}
    assert [put(guard, t).status for t in ("alice", "bob")] == [200, 200]
    assert len([r for r in end.requests if "resource-specs" in r.target]) == 1


def test_nothing_is_asked_for_what_is_refused(listed):
    """The look-up comes after every check that needs none."""
    guard, end = listed()
    assert put(guard, spec_id="x").status == 400
    assert end.requests == []


def test_a_file(listed, tmp_path):
    """A catalogue from a file asks nobody."""
    text = {"specs": catalogue.SPECS, "engines": catalogue.ENGINES, "models": catalogue.MODELS}
    (tmp_path / "catalogue.json").write_text(json.dumps(text))
    guard, end = listed(f"catalogue file {tmp_path}/catalogue.json;")
    assert [put(guard).status, put(guard, spec_id=5).status] == [200, 400]
    assert lists(end) == []


def test_a_bad_file(check, tmp_path):
    """Told at load."""
    (tmp_path / "catalogue.json").write_text('{"specs": []}')
    code, words = check(server=f"catalogue file {tmp_path}/catalogue.json; location PUT /x {{ "
                        "filters json catalogue; proxy_pass modelarts; }")
    assert code == 1 and "the answer has no list of what there is" in words


def command(*args, **options):
    """`trainguard`: exit code, standard output and error."""
    done = subprocess.run([binary(), *map(str, args)], capture_output=True, text=True, check=False,
                          **options)
    return done.returncode, done.stdout, done.stderr


def test_fetch_writes_what_eval_and_the_gateway_read(listed, tmp_path):
    """`trainguard catalogue fetch` asks for all pages; eval judges by the file."""
    guard, end = listed()
    conf = guard.directory / "trainguard.conf"
    env = os.environ | {"TRAINGUARD_TOKEN": "alice"}
    code, text, words = command("catalogue", "fetch", "-c", conf, "--project", "p", env=env)
    assert code == 0, words
    got = json.loads(text)
    assert (got["specs"], got["engines"], got["models"]) == (
        catalogue.SPECS, catalogue.ENGINES, catalogue.MODELS)
    assert {r.get("X-Auth-Token") for r in end.requests} == {"alice"}
    (tmp_path / "c.json").write_text(text)
    for body, code, words in ((GOOD, 0, ""), (GOOD | {"spec_id": 44}, 1, "4 (modelarts.vm.gpu.v100)"),
                              (GOOD | {"spec_id": 7, "worker_server_num": 3}, 1, "total.gpus")):
        (tmp_path / "b.json").write_text(json.dumps(body))
        status, told, _ = command("eval", "--catalogue", tmp_path / "c.json", "--policy",
                                  tmp_path / "budget.conf", tmp_path / "b.json")
        assert status == code and words in told
    end.api.tokens = {"other": None}
    code, _, words = command("catalogue", "fetch", "-c", conf, "--project", "p", env=env)
    assert code == 1 and "the service answered 401" in words


def test_eval_knows_old_config_and_user(tmp_path):
    """Values come from files; without them rules that read them give `error`."""
    files = {"old.json": GOOD | {"worker_server_num": 1}, "user.json": catalogue.token(),
             "body.json": GOOD, "none.json": None}
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "p.conf").write_text(
        "policy a { match role ml-admin; rule more { at worker_server_num; unchanged; } }")
    run = ["eval", "--policy", tmp_path / "p.conf", "--project", "p"]
    more = ["--old", tmp_path / "old.json", "--user", tmp_path / "user.json"]
    assert command(*run, *more, tmp_path / "body.json")[0] == 1
    assert command(*run, "--old", tmp_path / "body.json", *more[2:], tmp_path / "body.json")[0] == 0
    assert command(*run, "--old", tmp_path / "none.json", *more[2:], tmp_path / "body.json")[0] == 0
    assert command(*run, tmp_path / "body.json")[0] == 1


def test_the_gateway_asks_with_its_own_key(signed_listed):
    """Where requests are signed anew, look-ups are signed with the same credential."""
    guard, end, judge = signed_listed
    got = ask(guard.port, test_signing.call(json.dumps(GOOD).encode()))
    assert got.status == 200, got.body
    asked = [r for r in end.requests if r.method == "GET"]
    assert len(asked) == 6 and {judge(r) for r in asked} == {test_signing.OWN[0]}
    assert not [r for r in asked if r.all("X-Auth-Token")]
    record = records(guard)[-1]
    assert [s["what"] for s in record["lookups"]] == ["catalogue", "config"]
    assert record["before.absent"] is True


@pytest.fixture(name="signed_listed")
def start_signed_listed(gateway, tmp_path):
    """A gateway that verifies and signs, with look-ups."""
    test_signing.write_keys(tmp_path)
    end = Endpoint()
    locations = """
        location PUT /v1/{project_id}/training-job-configs/{config_name} {
            filters verify json normalize validate catalogue current sign;
            aksk resign notebooks; sign cloud; proxy_pass modelarts;
        }"""
    guard = gateway(end, main=test_signing.MAIN.format(dir=tmp_path, more=""), locations=locations)
    yield guard, end, test_signing.judge
    end.close()
