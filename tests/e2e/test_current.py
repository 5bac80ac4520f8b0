"""`current`: the config that stands there before it is changed or deleted, and what a PUT changes."""

import json
import pathlib
import subprocess

import pytest

import audit
from client import Client, ask, request
from endpoint import Endpoint
from gateway import TOP, binary

TARGET = "/v1/p/training-job-configs/c"
LOCATIONS = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters json normalize %s current %s;
        validate lax;
        %s
        proxy_pass modelarts;
    }
    location DELETE /v1/{project_id}/training-job-configs/{config_name} {
        filters current; %s
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
"""
STORED = {"spec_id": 4, "worker_server_num": 2, "model_id": 3, "data_url": "/bucket/data/",
          "parameter": [{"label": "lr", "value": "0.1"}], "config_desc": "old"}


@pytest.fixture(name="stored")
def start_stored(gateway):
    """stored(more, config): a gateway before a service that has a config."""
    ends = []

    def start(more="", config=STORED, judge="validate", then="", expect=(), **settings):
        ends.append(Endpoint())
        if config is not None:
            ends[-1].api.configs["p", "c"] = dict(config)
        text = LOCATIONS % (judge, then, more, more)
        return gateway(ends[-1], main="audit_body full;", locations=text, expect=expect,
                       **settings), ends[-1]

    yield start
    for end in ends:
        end.close()


def send(guard, body, method="PUT", token="alice"):
    """A request for the config."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    fields = ["Content-Type: application/json"] if body is not None else []
    return ask(guard.port, request(method, TARGET, body, *fields, f"X-Auth-Token: {token}"), method)


def last(guard):
    """The last record."""
    return audit.records(guard.directory / "audit.jsonl")[-1]


def test_the_record_has_the_diff(stored):
    """One question before the PUT, with the caller's token; what changes stands in the record."""
    guard, end = stored()
    new = {"worker_server_num": 2.0, "spec_id": 7, "model_id": 3, "data_url": "/bucket/data/",
           "parameter": [{"label": "lr", "value": "0.2"}], "train_url": "/bucket/out/", "log_url": ""}
    new["worker_server_num"] = 2
    assert send(guard, new).status == 200
    assert [(r.method, r.target, r.get("X-Auth-Token")) for r in end.requests] == [
        ("GET", TARGET, "alice"), ("PUT", TARGET, "alice")]
    record = last(guard)
    assert record["diff"] == [
        {"op": "replace", "path": "/spec_id", "value": 7},
        {"op": "replace", "path": "/parameter", "value": [{"label": "lr", "value": "0.2"}]},
        {"op": "add", "path": "/train_url", "value": "/bucket/out/"},
        {"op": "remove", "path": "/config_desc"}]
    assert len(record["before.sha256"]) == 64
    assert "diff_partial" not in record
    assert record["lookups"][0] == {"what": "config", "status": 200, "cached": False,
                                    "us": record["lookups"][0]["us"]}


def test_read_edit_put(stored):
    """What a GET answered, put back with one member edited, differs in that member alone."""
    body = json.loads((TOP / "tests/data/bodies/05_get_then_put_roundtrip.json").read_text("utf-8"))
    body["config_name"] = "c"
    config = {k: v for k, v in body.items() if k not in ("is_success", "config_name")}
    guard, _ = stored(config=config, judge="")
    assert send(guard, body | {"config_desc": "edited"}).status == 200
    assert last(guard)["diff"] == [{"op": "replace", "path": "/config_desc", "value": "edited"}]


def test_nothing_changes(stored):
    """The client is told; numbers count by value, nulls and empty values not at all."""
    guard, _ = stored()
    text = json.dumps(STORED | {"log_url": "", "data_source": None}).replace('"spec_id": 4', '"spec_id": 4')
    got = send(guard, text.encode())
    assert got.status == 200
    assert any("changes nothing" in w for w in got.all("Warning"))
    assert last(guard)["diff"] == []


def test_a_partial_put(stored):
    """Without required members nothing counts as gone."""
    guard, end = stored(config=STORED)
    end.trouble = {}
    send(guard, {"config_desc": "new"})
    assert last(guard)["diff"] == [{"op": "replace", "path": "/config_desc", "value": "new"}]
    assert last(guard)["diff_partial"] is True


def test_secrets_stay_secret(stored):
    """The same rules as for bodies."""
    guard, _ = stored(config=STORED)
    send(guard, STORED | {"parameter": [{"label": "password", "value": "hunter2"}]})
    record = json.dumps(last(guard))
    assert "hunter2" not in record
    assert last(guard)["diff"][0]["value"][0]["value"].startswith("hmac-sha256:")


def test_onto_nothing(stored):
    """A PUT that creates."""
    guard, _ = stored(config=None)
    assert send(guard, STORED).status == 200
    assert last(guard)["before.absent"] is True
    assert "diff" not in last(guard)


def test_delete(stored):
    """What is deleted is told by its digest."""
    guard, end = stored()
    assert send(guard, STORED).status == 200
    before = last(guard)["before.sha256"]
    assert send(guard, None, "DELETE").status == 200
    assert [r.method for r in end.requests] == ["GET", "PUT", "GET", "DELETE"]
    assert last(guard)["before.sha256"] == before
    assert "diff" not in last(guard)


TROUBLE = {"silent": "silent", "401": "status=401", "403": "status=403", "500": "status=500",
           "429": "status=429", "nonsense": "garbage", "10 MB": "big=10485760", "no config": "failed"}


@pytest.mark.parametrize("case", TROUBLE)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_a_service_in_trouble(stored, case, on_error):
    """Bounded and told, and the next request is served."""
    guard, end = stored(f"current_on_error {on_error}; current_timeout {'300ms' if case == 'silent' else '20s'};")
    end.trouble = {TARGET: [TROUBLE[case], "none"]}
    assert send(guard, STORED).status == (200 if on_error == "allow" else 503)
    assert "before.sha256" not in last(guard)
    assert send(guard, STORED).status == 200
    assert "before.sha256" in last(guard)


@pytest.mark.parametrize("rule, status", [("at data_url; unchanged;", 503), ("at worker_server_num; max 9;", 200)])
def test_auto_denies_where_a_policy_looks_back(stored, tmp_path, rule, status):
    """Without a word on errors: the policy that judges by the stored config cannot, any other can."""
    (tmp_path / "p.conf").write_text(f"policy p {{ rule r {{ {rule} }} }}")
    guard, end = stored(f"policies {tmp_path}/p.conf;", judge="validate", then="policy")
    end.trouble = {TARGET: ["status=500", "none"]}
    assert [send(guard, STORED).status for _ in range(2)] == [status, 200]


def test_a_bearer_asks_with_its_own_token(stored):
    """As it came, and for its caller alone."""
    guard, end = stored()
    fields = ("Content-Type: application/json", "Authorization: Bearer abc.def-1")
    got = ask(guard.port, request("PUT", TARGET, json.dumps(STORED | {"config_desc": "new"}).encode(), *fields))
    look, sent = end.requests
    assert (got.status, look.method, sent.method) == (200, "GET", "PUT")
    assert look.get("Authorization") == sent.get("Authorization") == "Bearer abc.def-1"
    assert look.get("X-Auth-Token") is None
    assert [(d["op"], d["path"]) for d in last(guard)["diff"]] == [("replace", "/config_desc")]


def test_what_is_refused_already(stored):
    """Nothing is asked."""
    guard, end = stored()
    assert send(guard, {"spec_id": "x"}).status == 400
    assert end.requests == []


def test_a_client_that_leaves(stored):
    """The question is given up, and nothing is forwarded."""
    guard, end = stored()
    end.trouble = {TARGET: ["silent"]}
    with Client(guard.port) as client:
        client.send(request("PUT", TARGET, json.dumps(STORED).encode(),
                            "Content-Type: application/json", "X-Auth-Token: alice"))
        end.wait(lambda: end.log)
    guard.wait_log("the client closed the connection")
    assert end.connections[0].done.wait(20)
    assert [r.method for r in end.requests] == ["GET"]


def test_large_objects(stored):
    """Many members on both sides cost no more than time by their number."""
    many = STORED | {"notification": {f"m{n}": n for n in range(5000)}}
    guard, _ = stored(config=many)
    other = STORED | {"notification": {f"m{n}": n + 1 for n in range(5000)}}
    assert send(guard, other).status == 200
    assert [d["path"] for d in last(guard)["diff"]] == ["/notification"]


def test_bodies_of_real_clients(stored):
    """Every one, put twice, changes nothing the second time."""
    for path in sorted(pathlib.Path(TOP / "tests/data/bodies").glob("*.json")):
        body = json.loads(path.read_text("utf-8"))
        if path.name == "INDEX.json" or not isinstance(body, dict):
            continue
        guard, _ = stored("normalize drop_nulls off;", config=body)
        got = send(guard, body)
        if got.status == 200:
            assert last(guard)["diff"] == [], path.name
        guard.stop()


def test_history(stored):
    """Who changed the config, what of it, and what it was then."""
    guard, _ = stored(config=None)
    send(guard, STORED)
    send(guard, STORED | {"spec_id": 7}, token="bob")
    send(guard, {"spec_id": "bad"})
    send(guard, None, "DELETE")
    log = guard.directory / "audit.jsonl"
    run = [binary(), "audit", "history", "--config", "c", "--project", "p", log]
    text = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    lines = text.splitlines()
    assert [line.split()[1] for line in lines if line[0] != " "] == ["PUT", "PUT", "DELETE"]
    assert "    before: nothing" in lines and "    ~ /spec_id: 7" in lines
    assert any(line.startswith('    config: {"spec_id": 7') or '"spec_id":7' in line for line in lines)
    done = subprocess.run([*run[:-1], "--output", "json", log], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["diff"] for r in rows if "diff" in r] == [[{"op": "replace", "path": "/spec_id", "value": 7}]]
    assert rows[0]["principal"] != rows[1]["principal"]
    assert subprocess.run([binary(), "audit", "history", log], capture_output=True, check=False).returncode == 2
