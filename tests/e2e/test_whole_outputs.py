"""Outputs compared whole with the files of tests/data/outputs, so that no line, member or metric goes
missing or comes to be unseen; and what an address or a test file may be, at its edge. With TG_RECORD
set the files are written: look at the difference before it is committed."""

import os
import re

import pytest

from client import ask, request
from command import run
from gateway import TOP
from test_admin import start_admin  # pylint: disable=unused-import # a fixture
from test_audit_cli import Stream, write

RULES = """
policy queue {
    description "who may use what";
    rule workers { at worker_server_num; max 4; }
    rule text    { at config_desc; absent; mode dryrun; }
}
exception EXC-1 { policy queue; rule workers; match config_name big; owner "a team"; ticket ML-1;
                  expires 2099-01-31; }
exception EXC-2 { policy queue; rule workers text; match config_name small; owner me; ticket ML-2;
                  expires 2099-02-28; }
"""

# What differs from run to run, and what stands for it.
MASKS = [
    (r"^(process_\w+) [\d.]+$", r"\1 N"),
    (r"(start_time_seconds|last_reload_timestamp_seconds) \d+", r"\1 N"),
    (r'("?config"?[:=])"[0-9a-f]{12}"', r'\1"REVISION"'),
    (r"(_duration_seconds_(bucket|sum)\S*) [\d.]+", r"\1 N"),
    (r'"file":"[^"]*/', '"file":"DIR/'),
    (r'"(started|now|last|last_write)":"[^"]*"', r'"\1":"TIME"'),
    (r'"(disk_\w+|queued_bytes|sum_us|events|audit_seq)":\d+', r'"\1":N'),
    (r'"buckets":\[[\d,]*\]', '"buckets":[N]'),
    (r'"audit_(stream|chain)":"[^"]*"', r'"audit_\1":"HEX"'),
    (r'(audit_last_seq\{worker="\d+",stream=)"[^"]*"\} \d+', r'\1"HEX"} N'),
    (r'"target":"[^"]*"', '"target":"FILE"'),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r'"pid":\d+', '"pid":N'),
    (r'"uptime_seconds":\d+', '"uptime_seconds":N'),
    # told at the end of a turn of the worker's loop, which may be later than its answer
    (r"(trainguard_(connections|\w+_connections|\w+_in_flight|\w+_bytes)) \d+", r"\1 N"),
    (r"(trainguard_(connections_accepted|audit_events)_total) \d+", r"\1 N"),
    (r'"(connections|requests_in_flight|upstream_connections)":\d+', r'"\1":N'),
]


def same(text, name):
    """Compares an output with its file."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text, flags=re.M)
    path = TOP / "tests/data/outputs" / name
    if "TG_RECORD" in os.environ:
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode()


@pytest.fixture(name="served")
def serve(admin, tmp_path):
    """A gateway with policies that has served one request."""
    (tmp_path / "queue.conf").write_text(RULES)
    one = admin(locations=f"""location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
            filters json policy; policies {tmp_path}/queue.conf; proxy_pass modelarts; }}
        location / {{ proxy_pass modelarts; }}""")
    assert ask(one.guard.port, request("GET", "/x", None, "Connection: close")).status == 200
    return one


@pytest.mark.parametrize("page, name", [("/policies", "policies.json"), ("/metrics", "metrics.txt"),
                                        ("/status", "status.json")])
def test_pages(served, page, name):
    """Every page that programs read."""
    same(served.get(page).body.decode(), name)


@pytest.fixture(name="log")
def write_log(tmp_path):
    """An audit log with one record of each event and most members."""
    stream = Stream("0-a")
    stream.add(request_id="r1", decision="allow", end="done", project_id="p1", config_name="c1",
               duration_us=1500, principal="AK1",
               **{"http.request.method": "PUT", "http.response.status_code": 200,
                  "url.path": "/v1/p1/x", "client.address": "192.0.2.1",
                  "patch": [{"op": "test", "path": "/spec_id", "value": "7"},
                            {"op": "replace", "path": "/spec_id", "value": 7, "why": "string_to_integer"}]})
    stream.add(request_id="r2", decision="deny", end="policy", project_id="p1", config_name="c2",
               violations=[{"pointer": "/spec_id", "rule": "spec", "policy": "team",
                            "code": "ModelArts.0105", "message": "no \"such\" spec"}])
    stream.add(request_id="r4", decision="deny", end="limited", limits=[
        {"rule": "slow", "limit": "limit_req", "by": "project", "result": "would_refuse",
         "store": "local", "wait_ms": 9},
        {"rule": "few", "limit": "limit_in_flight", "by": "principal", "result": "refuse",
         "store": "local", "wait_ms": 1000}])
    stream.add("intent", request_id="r3").add("dropped", count=7)
    stream.add(request_id="r3", decision="warn", end="done", exceptions=["EXC-1", "EXC-2"],
               **{"policy.results": [{"policy": "team", "rule": "workers", "result": "fail",
                                      "mode": "dryrun"}]})
    return write(tmp_path / "audit.jsonl", stream.stop().lines)


@pytest.mark.parametrize("options, name", [
    (["show"], "show.txt"), (["show", "--output", "csv"], "show.csv"), (["summary"], "summary.txt"),
    (["summary", "--output", "csv"], "summary.csv"), (["summary", "--output", "json"], "summary.json")])
def test_audit(log, options, name):
    """What people and their tools read of the log."""
    done = run("audit", *options, log)
    assert (done.code, done.err) == (0, "")
    same(done.out, name)


LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"  # 45 bytes, the most inet_pton() takes


@pytest.mark.parametrize("address, good", [
    (LONGEST[1:], True), (LONGEST, True), ("0" + LONGEST, False), ("00" + LONGEST, False),
    ("000" + LONGEST, False), ("", False)])
def test_the_longest_address(tmp_path, address, good):
    """One byte below what an address can have, as many, and more."""
    conf = tmp_path / "x.conf"
    conf.write_text(f"upstream u {{ server [{address}]:1; tls off; }}\n"
                    f"server {{ listen [{address}]:0; location / {{ proxy_pass u; }} }}\n"
                    "audit_log off;\n")
    done = run("-t", "-c", conf)
    assert (done.code == 0) == good, done.err
    if not good:
        assert "x.conf:1" in done.err or "x.conf:2" in done.err


@pytest.mark.parametrize("words, said", [
    ("queue.no_such fail;", 'no rule is called "queue.no_such"'), ("decision maybe;", '"maybe"'),
    ("queue.workers fail; nonsense 1;", 'unknown directive "nonsense"')])
def test_a_test_file_that_is_wrong_is_let_go(tmp_path, words, said):
    """What was loaded before the mistake is freed (the sanitizers say if not)."""
    (tmp_path / "queue.conf").write_text(RULES)
    (tmp_path / "queue.test.conf").write_text(
        f"policies queue.conf;\ncase one {{ body '{{\"worker_server_num\": 8}}'; expect {words} }}\n")
    done = run("test", tmp_path)
    assert done.code != 0 and said in done.out + done.err
