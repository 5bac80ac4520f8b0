"""Policies on what a request does not say (old, spec, user, a table): traffic, its record and `replay`
agree, and a record that lacks a value is counted as unknown."""

import json

import pytest

import audit
import catalogue
from client import ask, request
from command import run
from endpoint import Endpoint

POLICIES = """
table teams teams.csv;
policy live {
    match project_id in teams;
    rule gpus     { at total.gpus; max {teams.gpus}; }
    rule workers  { at worker_server_num; unchanged; mode dryrun; }
    rule fixed    { at data_url; unchanged; }
    rule type     { at spec.gpu_type; required; }
}
policy roles { unless role ml-admin; rule nobody { at worker_server_num; max 1; } }
policy user  { match user id-mallory; rule never { deny; } }
"""
TEAMS = "project_id,gpus\np,4\nq,64\n"
STORED = {"spec_id": 4, "worker_server_num": 2, "model_id": 3, "data_url": "/bucket/data/"}
LOCATION = """
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters identify json normalize validate catalogue current policy;
        identify modelarts; policies %s;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
"""
# What is asked: token, config and members of the body; and the status.
ASKED = [
    ("alice", "c", {}, 200),
    ("alice", "c", {"spec_id": 7, "worker_server_num": 1}, 403),  # 8 GPUs, 4 are the most
    ("alice", "c", {"spec_id": 2}, 403),                          # no GPU
    ("alice", "c", {"data_url": "/bucket/other/"}, 403),          # another one stands there
    ("alice", "c", {"worker_server_num": 3}, 200),                # more, where that is on trial
    ("alice", "new", {}, 200),                                    # nothing stood there that could change
    ("bob", "c", {}, 403),                                        # not his role
    ("bob", "c", {"worker_server_num": 1}, 200),
    ("mallory", "c", {}, 403),
]


@pytest.fixture(name="judged", scope="module")
def judged_traffic(module_gateway, tmp_path_factory):
    """The folder of policies and log after the requests, whose statuses are as they should be."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "live.conf").write_text(POLICIES)
    (folder / "teams.csv").write_text(TEAMS)
    end = Endpoint()
    end.api.tokens = {"alice": catalogue.token(), "bob": catalogue.token("bob", roles=("te_agency",)),
                      "mallory": catalogue.token("mallory")}
    guard = module_gateway(end, main="audit_body full;", locations=LOCATION % (folder / "live.conf"))
    for token, config, changes, status in ASKED:
        end.api.configs["p", "c"] = dict(STORED)
        body = json.dumps(STORED | changes).encode()
        got = ask(guard.port, request("PUT", f"/v1/p/training-job-configs/{config}", body,
                                      "Content-Type: application/json", f"X-Auth-Token: {token}"))
        assert got.status == status, (token, config, changes, got.body)
    guard.stop()
    end.close()
    (folder / "audit.jsonl").write_bytes((guard.directory / "audit.jsonl").read_bytes())
    return folder


def replayed(folder, log="audit.jsonl", policies="live.conf"):
    """What replay says of the log, and of each rule how often it refuses."""
    done = run("replay", "--policy", folder / policies, "--output", "json", folder / log)
    return done.json, {rule["rule"]: rule["refused"] for rule in done.json["rules"]}


def test_replay_judges_as_traffic_did(judged):
    """The same policies change nothing, rule by rule."""
    found, rules = replayed(judged)
    assert found["changes"] == [] and found["unknown"] == 0
    assert (found["denied_as_before"], found["passes_as_before"]) == (5, 4)
    told = [v["rule"] for r in audit.records(judged / "audit.jsonl") for v in r.get("violations", [])]
    assert rules == {rule: told.count(rule) for rule in rules}
    assert all(rules[rule] for rule in ("gpus", "fixed", "type", "nobody", "never"))


def test_a_stricter_table(judged):
    """A candidate is judged by its own table: two workers of one GPU are too many now."""
    (judged / "strict").mkdir()
    (judged / "strict/live.conf").write_text(POLICIES)
    (judged / "strict/teams.csv").write_text(TEAMS.replace("p,4", "p,1"))
    found, _ = replayed(judged, policies="strict/live.conf")
    assert {c["change"] for c in found["changes"]} == {"newly denied"}
    assert [c["refused_by"][0]["rule"] for c in found["changes"]] == ["gpus"] * 3


def test_enforced(judged):
    """What was on trial would refuse the two that change the number of workers."""
    (judged / "enforced").mkdir()
    (judged / "enforced/live.conf").write_text(POLICIES.replace(" mode dryrun;", ""))
    (judged / "enforced/teams.csv").write_text(TEAMS)
    found, _ = replayed(judged, policies="enforced/live.conf")
    assert [c["refused_by"][0]["rule"] for c in found["changes"]] == ["workers"] * 2


@pytest.mark.parametrize("lacks, rule", [("total.gpus", "gpus"), ("old", "fixed"), ("role", "nobody"),
                                         ("spec.gpu_type", "type"), ("user.id", "never")])
def test_a_record_that_lacks_a_value(judged, lacks, rule):
    """As one from before the policy read it: never judged as if the value were fine; told as unknown, or
    refused because it is not known."""
    lines = []
    for record in audit.records(judged / "audit.jsonl"):
        record["live"] = {k: v for k, v in record.get("live", {}).items() if k != lacks}
        lines.append(json.dumps(record) + "\n")
    (judged / "lacks.jsonl").write_text("".join(lines))
    found, rules = replayed(judged, "lacks.jsonl")
    _, before = replayed(judged)
    assert found["unknown"] > 0 or rules[rule] > before[rule], (found, rules)
    assert found["newly_passes"] == 0 or lacks == "user.id"


READS = {
    "at total.gpus; max 1;": 'policies read "total.gpus", which is never known here: it comes from filter "catalogue"',
    "at data_url; unchanged;": 'policies read "old", which is never known here: it comes from filter "current"',
    "at spec_id; max 1;": "",
}


@pytest.mark.parametrize("test", READS)
def test_what_nobody_publishes(check, tmp_path, test):
    """A location whose policies read what none of its filters finds out is warned of."""
    (tmp_path / "p.conf").write_text(f"policy p {{ match project_id x; rule r {{ {test} }} }}")
    code, told = check("location PUT /v1/{project_id}/training-job-configs/{config_name} { "
                       f"filters json policy; policies {tmp_path}/p.conf; proxy_pass modelarts; }}")
    assert code == 0 and READS[test] in told and ("never known" in told) == bool(READS[test])
