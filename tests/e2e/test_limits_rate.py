"""Limits by rate, by what is under way and by connections, over all workers."""

import json
import re
import subprocess
import threading

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import binary, config
from origin import OK, again, answer, read

PROJECT = "/v1/{project_id}/x"


def location(*limits):
    """A location with a project in its path, and limits."""
    return "location %s { %s proxy_pass modelarts; } location / { proxy_pass modelarts; }" % (
        PROJECT, " ".join(limits))


def get(port, project, *fields):
    """One request of a project."""
    return ask(port, request("GET", f"/v1/{project}/x", None, *fields))


@pytest.mark.parametrize("workers", ["worker_processes 1", "worker_processes 2"])
def test_a_rate_holds_for_all_workers(clock, origin, gateway, workers):
    """Each connection may meet another worker; the limit is one."""
    # pylint: disable=unused-argument
    guard = gateway(origin(), locations=location("limit_req project rate=2/m burst=3;"))
    path = guard.directory / "trainguard.conf"
    path.write_text(path.read_text().replace("worker_processes 1", workers))
    guard.process.send_signal(1)
    guard.wait_log("reloaded")
    answers = [get(guard.port, "a") for _ in range(8)]
    assert [a.status for a in answers] == [200] * 4 + [429] * 4
    check_refusal(answers[-1], 429, "ModelArts.0114")
    assert answers[-1].get("Retry-After") == "30"
    assert get(guard.port, "b").status == 200
    record = audit.wait(guard.directory / "audit.jsonl", 9)[-2]
    assert (record["decision"], record["end"]) == ("deny", "limited")


def test_by_principal(origin, gateway):
    """Equal tokens share a limit, others have their own; without credentials there is none."""
    guard = gateway(origin(), locations=location("limit_req principal rate=1/m;"))
    status = [get(guard.port, "p", *fields).status
              for fields in (["X-Auth-Token: a"], ["X-Auth-Token: a"], ["X-Auth-Token: b"], [], [])]
    assert status == [200, 429, 200, 200, 200]


def test_dry_run(origin, gateway):
    """Nothing is refused; the log and the records say what would have been."""
    guard = gateway(origin(), locations=location("limit_req address rate=1/m name=slow dry_run;"))
    assert [get(guard.port, "p").status for _ in range(3)] == [200] * 3
    guard.wait(lambda: len(guard.matches(
        r'limit_req would refuse "127\.0\.0\.1", rule slow, ')) == 2, "2 lines")
    first, *others = audit.wait(guard.directory / "audit.jsonl", 3)
    assert "limits" not in first
    for record in others:
        assert 59000 < record["limits"][0].pop("wait_ms") <= 60000
        assert (record["decision"], record["limits"]) == ("allow", [
            {"rule": "slow", "limit": "limit_req", "by": "address", "result": "would_refuse",
             "store": "local"}])


HEADERS = [
    (["limit_req address rate=2/m burst=2 name=slow;"],
     ['"slow";q=3;w=90'] * 4,
     ['"slow";r=2;t=30', '"slow";r=1;t=60', '"slow";r=0;t=90', '"slow";r=0;t=30']),
    (["limit_req project rate=1/m;"],
     ['"limit_req project rate=1/m";q=1;w=60'] * 2,
     ['"limit_req project rate=1/m";r=0;t=60'] * 2),
    (["limit_in_flight project 3 name=few;", "limit_req address rate=1/s burst=59 name=b;",
      "limit_req address rate=1/m dry_run;"],
     ['"few";q=3;qu="concurrent-requests", "b";q=60;w=60'] * 2,
     ['"few";r=2, "b";r=59;t=1', '"few";r=2, "b";r=58;t=2']),
    (["limit_req principal rate=1/m;"], [None], [None]),  # nobody calls
]


@pytest.mark.parametrize("limits,policies,left", HEADERS)
def test_headers(clock, origin, gateway, limits, policies, left):
    """What applies and what is left of it, in relayed answers and refusals; nothing unless asked for."""
    # pylint: disable=unused-argument
    guard = gateway(origin(), locations=location("limit_headers draft;", *limits))
    answers = [get(guard.port, "p") for _ in policies]
    assert [a.get("RateLimit-Policy") for a in answers] == policies
    assert [a.get("RateLimit") for a in answers] == left
    assert all(a.get("Retry-After") == a.get("RateLimit").rpartition("t=")[2]
               for a in answers if a.status == 429)
    guard = gateway(origin(), locations=location(*limits))
    assert get(guard.port, "p").get("RateLimit-Policy") is None


def test_a_name_is_a_count(origin, gateway):
    """Limits of one name and key share it, wherever they stand, also when the line moves."""
    text = """location /a { limit_req address rate=2/m burst=1 name=one; proxy_pass modelarts; }
        location / { limit_req address rate=2/m burst=1 name=one; proxy_pass modelarts; }"""
    guard = gateway(origin(), locations=text)
    assert [ask(guard.port, request("GET", path)).status for path in ("/a", "/", "/a", "/")] == [
        200, 200, 429, 429]
    path = guard.directory / "trainguard.conf"
    path.write_text("# moved\n\n" + path.read_text())
    guard.process.send_signal(1)
    guard.wait_log("reloaded")
    assert ask(guard.port, request("GET", "/a")).status == 429


def test_in_flight(origin, gateway):
    """One more while two are under way is refused; when one has ended there is room."""
    go = threading.Event()
    behind = origin([read, lambda *_: go.wait(20), answer(), again])
    guard = gateway(behind, locations=location("limit_in_flight project 2;"))
    with Client(guard.port) as one, Client(guard.port) as two:
        for client in (one, two):
            client.send(request("GET", "/v1/p/x"))
        behind.wait(lambda: len(behind.requests) == 2)
        assert get(guard.port, "p").status == 429
        go.set()
        assert one.final().status == two.final().status == 200
        assert get(guard.port, "p").status == 200


def test_connections(origin, gateway):
    """A third connection of an address is refused and closed; when one has gone there is room."""
    guard = gateway(origin(), server="limit_conn 2;", locations=location())
    with Client(guard.port) as one, Client(guard.port) as two, Client(guard.port) as three:
        for client in (one, two):
            client.send(request())
            assert client.final().status == 200
        three.send(request())
        assert three.final().status == 429
        assert three.closed()
        one.finish()
        assert one.closed()
        assert ask(guard.port, request()).status == 200
        two.send(request())
        assert two.final().status == 200


@pytest.mark.parametrize("line,message", [
    ("limit_req tenant rate=1/s;", '"limit_req" takes'),
    ("limit_req project rate=1;", "rate=NUMBER/s or rate=NUMBER/m"),
    ("limit_req project rate=0/s;", "rate=NUMBER/s or rate=NUMBER/m"),
    ("limit_req project rate=1/s burst=-1;", "between 0 and 100000"),
    ("limit_req project rate=1/s burst=1 dry;", 'does not take "dry"'),
    ("limit_req project rate=1/s name=;", "a limit's name is 1 to 63 letters"),
    ("limit_req project rate=1/s name=a/b;", "a limit's name is 1 to 63 letters"),
    (f"limit_req project rate=1/s name={'a' * 64};", "a limit's name is 1 to 63 letters"),
    ("limit_req project rate=1/s dry_run name=a;", 'does not take "name=a"'),
    ("limit_req project rate=1/s name=a; limit_req project rate=9/m name=a;",
     'the location has a limit "a" already: give one of them another name='),
    ("limit_req project rate=1/s; limit_req project rate=9/m;", ".conf:14\" already: give one of them another name="),
    ("limit_headers on;", '"limit_headers" takes'),
    ("limit_in_flight project 0;", "between 1 and 65535"),
])
def test_mistakes(tmp_path, line, message):
    """Each is told before anything starts."""
    path = tmp_path / "x.conf"
    path.write_text(config(tmp_path, 1, locations=location(line)))
    got = subprocess.run([binary(), "-t", "-c", str(path)], capture_output=True, text=True,
                         check=False)
    assert got.returncode == 1
    assert re.search(re.escape(message), got.stderr), got.stderr


@pytest.mark.parametrize("fields,trace", [
    (["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
     "4bf92f3577b34da6a3ce929d0e0e4736"),
    (["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] * 2, None),
    (["traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01"], None),
])
def test_traces(origin, gateway, fields, trace):
    """The fields go on as they came; the record has the id of one that can be read."""
    behind = origin(OK)
    guard = gateway(behind)
    ask(guard.port, request("GET", "/x", None, *fields, "tracestate: a=b,c=d"))
    record = audit.wait(guard.directory / "audit.jsonl", 1)[0]
    assert record.get("trace_id") in ([trace] if trace else [None, ""]), json.dumps(record)
    seen = [f"{n}: {v}" for n, v in behind.requests[0].fields if n.lower().startswith("trace")]
    assert seen == fields + ["tracestate: a=b,c=d"]
