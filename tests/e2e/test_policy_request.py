"""Policies about requests that need no body: they run on the head, with modes, exceptions, records
and replay like all others, and bodies stream past them."""

import json
import subprocess

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import GUARDED, TOP, binary, sanitized
from origin import again
from test_filters import GROWTH, LARGE, private
from test_stream import BLOCK, MIB, upload

SHIPPED = TOP / "conf/policies/default-deny.conf"
DELETES = """
policy deletes {
    match  method DELETE;
    unless config_name sandbox;
    rule   no-delete { deny; message "configs are kept"; message_zh "配置需要保留"; }
    rule   told      { deny; mode warn; message "mind you"; }
}
exception EXC-1 {
    policy deletes; rule no-delete; match config_name old; owner me; ticket ML-1; expires 2099-01-31;
}
"""
BUDGET = "policy budget { rule workers { at worker_server_num; required; max 4; } }\n"
CONFIG = "/v1/p/training-job-configs/c"
FAMILY = """
    location %s { filters json normalize validate policy; policies %s; proxy_pass modelarts; }
    location /v1/{project_id}/training-job-configs/{config_name} {
        filters json normalize validate policy; policies %s; proxy_pass modelarts;
    }
    location / { filters policy; policies %s; proxy_pass modelarts; }
"""


@pytest.fixture(name="guarded")
def start_guarded(tmp_path, gateway, origin):
    """guarded(): a gateway whose every location judges: the config's by both files, all else by the
    one that needs no body."""
    (tmp_path / "deletes.conf").write_text(DELETES)
    (tmp_path / "budget.conf").write_text(BUDGET)
    both = "../budget.conf ../deletes.conf"
    behind = origin()
    guard = gateway(behind, locations=FAMILY % (GUARDED, both, both, "../deletes.conf"))
    guard.origin = behind
    return guard


def record(guard, n=1):
    """The n-th audit record."""
    return audit.wait(guard.directory / "audit.jsonl", n)[n - 1]


@pytest.mark.parametrize("path", [CONFIG, "/v1/p/other/c"])
def test_method(guarded, path):
    """A DELETE is refused by both kinds of location, without a body and before the upstream hears of
    it; reading goes on."""
    refused = ask(guarded.port, request("DELETE", path), "DELETE")
    check_refusal(refused, 403, "ModelArts.0105")
    told = json.loads(refused.body)
    assert told["error_message"] == "1 problem in the request: configs are kept"
    assert [(v["policy"], v["rule"], v["pointer"]) for v in told["violations"]] == [
        ("deletes", "no-delete", "")]
    assert ask(guarded.port, request("GET", path)).status == 200
    assert guarded.origin.seen() == [f"GET {path}"]
    kept = record(guarded)
    assert kept["decision"] == "deny"
    results = {r["rule"]: r["result"] for r in kept["policy.results"]}
    assert results == {"no-delete": "fail", "told": "warn"}


def test_unless_and_exception(guarded):
    """What an `unless` or an exception takes out passes, with the warning of the other rule, and is
    on record."""
    assert ask(guarded.port, request("DELETE", "/v1/p/training-job-configs/sandbox"),
               "DELETE").status == 200
    granted = ask(guarded.port, request("DELETE", "/v1/p/training-job-configs/old"), "DELETE")
    assert granted.status == 200
    assert "mind you" in granted.get("Warning")
    kept = record(guarded, 2)
    assert [(r["rule"], r["result"], r.get("exception")) for r in kept["policy.results"]] == [
        ("no-delete", "skip", "EXC-1"), ("told", "warn", None)]


def test_rules_of_bodies_are_skipped_without_one(guarded):
    """A DELETE is none of the budget's business, a PUT is."""
    assert ask(guarded.port, request("DELETE", "/v1/p/training-job-configs/sandbox"),
               "DELETE").status == 200
    assert ask(guarded.port, request("PUT", CONFIG, b"{}", "Content-Type: application/json"),
               "PUT").status in (400, 403)


def test_refused_before_the_body(tmp_path, gateway, origin):
    """The shipped policy refuses an unlisted write on its head: no byte of the body is asked for."""
    behind = origin()
    guard = gateway(behind, locations=f"""
        location / {{ filters policy; policies {SHIPPED}; proxy_pass modelarts; }}""")
    with Client(guard.port) as client:
        client.send(request("POST", "/v1/p/notebooks", None, "Content-Length: 100",
                            "Expect: 100-continue"))
        first = client.response("POST")
    assert first.status == 403
    assert ask(guard.port, request("GET", "/v1/p/notebooks")).status == 200
    assert behind.seen() == ["GET /v1/p/notebooks"]


def test_disguised(tmp_path, gateway, origin):
    """A location that judges on the head alone is not got around by another spelling of its path."""
    (tmp_path / "deletes.conf").write_text(DELETES)
    behind = origin()
    guard = gateway(behind, locations="""
        location DELETE /v1/{project_id}/training-job-configs/{config_name} {
            filters policy; policies ../deletes.conf; proxy_pass modelarts;
        }
        location / { proxy_pass modelarts; }""")
    for path in (CONFIG, CONFIG + ".json", CONFIG + "%20", "/V1/p/training-job-configs/c",
                 "/v1/p/training%252Djob-configs/c", "/v1/p//training-job-configs/c"):
        assert ask(guard.port, request("DELETE", path), "DELETE").status in (400, 403, 404), path
    assert behind.seen() == []


@pytest.mark.skipif(sanitized(), reason="a sanitizer has an allocator of its own")
def test_large_body_streams(tmp_path, gateway, origin):
    """Half a gigabyte through `location / { filters policy; }` takes no memory."""
    (tmp_path / "deletes.conf").write_text(DELETES)
    behind = origin([upload, again])
    guard = gateway(behind, locations="""
        location / { filters policy; policies ../deletes.conf; proxy_pass modelarts; }""")

    def head(blocks):
        return request("PUT", "/x", None, f"Content-Length: {blocks * MIB}")

    with Client(guard.port) as client:
        client.send(head(32), *[BLOCK] * 32)
        assert client.final().status == 200
        before = private(guard)
        client.send(head(LARGE // MIB), *[BLOCK] * (LARGE // MIB - 1))
        assert private(guard) - before < GROWTH
        client.send(BLOCK)
        assert client.final().status == 200


def test_json_is_asked_for(tmp_path):
    """Where a rule looks into the body, `json` has to stand before; the message names the rule."""
    (tmp_path / "budget.conf").write_text(BUDGET)
    conf = tmp_path / "t.conf"
    conf.write_text("""audit_log off; upstream api { server 127.0.0.1:1; tls off; }
server { listen 127.0.0.1:0; location / { filters policy; policies budget.conf; proxy_pass api; } }
""")
    done = subprocess.run([binary(), "-t", "-c", conf, "-p", tmp_path], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        'trainguard: [emerg] filter "policy" needs a document: rule "budget.workers" in '
        f'{tmp_path}/budget.conf:1 looks into it, put "json" before it in {conf}:2')


def test_replay_of_requests_without_a_body(guarded, tmp_path):
    """Records of requests that had no body are judged by what needs none."""
    for method, path in (("DELETE", "/v1/p/training-job-configs/sandbox"), ("GET", CONFIG)):
        assert ask(guarded.port, request(method, path), method).status == 200
    record(guarded, 2)
    (tmp_path / "all.conf").write_text("policy all { match method DELETE; rule none { deny; } }")
    done = subprocess.run([binary(), "replay", "--policy", tmp_path / "all.conf",
                           guarded.directory / "audit.jsonl"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "all.none" in done.stdout
