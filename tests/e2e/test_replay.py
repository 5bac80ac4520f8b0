"""`trainguard replay`: candidate policies over recorded requests, and what is printed of them."""

import datetime
import json
import subprocess
import xml.etree.ElementTree

import pytest

from gateway import binary

CANDIDATE = """
policy team {
    rule workers { at worker_server_num; max 4; message "4 workers at most"; }
    rule code    { at app_url; prefix /mlx/; message "code lies in <ml> & nowhere else"; }
    rule ticket  { at config_desc; matches "^ML-"; mode dryrun; message "no ticket"; }
}
"""
TIME = "2026-01-02T03:04:0%d.000000Z"


def record(number, decision, project, **body):
    """An outcome with a whole body."""
    return {"time": TIME % number, "event": "outcome", "request_id": f"r{number}",
            "project_id": project, "config_name": f"c{number}\x1b[31m\u202e", "decision": decision,
            "request.body_full": True, "request.body": body}


RECORDS = [
    {"time": TIME % 0, "event": "start", "version": "0.1.0"},
    record(1, "allow", "p1", worker_server_num=1, app_url="/mlx/a/"),
    record(2, "allow", "p1", worker_server_num=8, app_url="/x/", config_desc="x"),
    record(3, "deny", "p2", worker_server_num=2, app_url="/mlx/"),
    record(4, "deny", "p2", worker_server_num=9, app_url="/mlx/"),
    record(5, "warn", "p2", worker_server_num=9, app_url="hmac-sha256:00"),
    record(6, "invalid", "p2", worker_server_num="x"),
    {k: v for k, v in record(7, "allow", "p2").items() if k != "request.body_full"},
]


@pytest.fixture(name="replay")
def run_replay(tmp_path):
    """replay(*options): exit code, standard output, standard error."""
    (tmp_path / "candidate.conf").write_text(CANDIDATE)
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(json.dumps(r) + "\n" for r in RECORDS) + "2026 [notice] x\n{torn\n")

    def run(*options, policy=True, files=(log,)):
        policies = ["--policy", tmp_path / "candidate.conf"] if policy else []
        done = subprocess.run([binary(), "replay", *policies, *options, *files], text=True,
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


CHANGES = """\
newly denied: p1/c2\ufffd[31m\ufffd at 2026-01-02T03:04:02.000000Z, request r2
    team.workers: /worker_server_num 4 workers at most (got 8)
    team.code: /app_url code lies in <ml> & nowhere else (got "/x/")
newly passes: p2/c3\ufffd[31m\ufffd at 2026-01-02T03:04:03.000000Z, request r3
newly denied: p2/c5\ufffd[31m\ufffd at 2026-01-02T03:04:05.000000Z, request r5
    team.workers: /worker_server_num 4 workers at most (got 9)
    team.code: /app_url code lies in <ml> & nowhere else (got "hmac-sha256:00")
"""
SUMS = """\
7 records
       2 newly denied
       1 newly pass
       1 denied as before
       1 pass as before
       1 were invalid and never reached policy
       1 could not be replayed: they have no full body (audit_body full)
       1 have redacted values, rules on those may judge otherwise
       1 lines are no records
       3 refused by team.workers
       2 refused by team.code
"""


def test_text(replay):
    """Requests that would fare otherwise, as they stand in the log; then the sums."""
    assert replay() == (1, CHANGES + SUMS, "")


def test_quiet(replay):
    """The sums alone, and the rules that refuse most."""
    assert replay("--quiet") == (1, SUMS, "")
    assert replay("--quiet", "--top", "1") == (1, SUMS[:SUMS.index("       2 refused")], "")
    assert replay("--quiet", "--top", "9") == (1, SUMS, "")


def test_enforce(replay):
    """Dry runs count as well."""
    code, said, _ = replay("--quiet", "--enforce")
    assert code == 1 and said.endswith("       1 refused by team.ticket\n")


@pytest.mark.parametrize("options, code, records, newly", [
    (["--project", "p1"], 1, 2, 1), (["--project", "p2"], 1, 5, 1), (["--project", "p3"], 0, 0, 0),
    (["--since", "2026-01-02T03:04:03"], 1, 5, 1), (["--since", "2026-01-02T03:04:06Z"], 0, 2, 0),
    (["--since", "2026-01-02T11:04:05+08:00", "--project", "p2"], 1, 3, 1),
    (["--since", "2026-01-03"], 0, 0, 0)])
def test_filters(replay, options, code, records, newly):
    """Only these requests count; the exit status is theirs."""
    got, said, _ = replay("--output", "json", *options)
    sums = json.loads(said)
    assert (got, sums["records"], sums["newly_denied"]) == (code, records, newly)


def test_the_last_days(replay, tmp_path):
    """A span counts back from now."""
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=5)
    log = tmp_path / "now.jsonl"
    log.write_text(json.dumps(RECORDS[2] | {"time": now.strftime("%FT%T.%fZ")}) + "\n")
    assert [replay("--quiet", "--since", span, files=[log])[0] for span in ("1d", "4h")] == [1, 0]


def refusal(rule, pointer, message):
    """As JSON has it."""
    return {"policy": "team", "rule": rule, "pointer": pointer, "message": message}


def test_json(replay):
    """One object: each change, each sum, each rule."""
    code, said, _ = replay("--output", "json")
    sums = {"records": 7, "newly_denied": 2, "newly_passes": 1, "denied_as_before": 1,
            "passes_as_before": 1, "invalid": 1, "without_body": 1, "unknown": 0, "redacted": 1, "unread": 1,
            "rules": [{"policy": "team", "rule": "workers", "refused": 3, "newly": 2},
                      {"policy": "team", "rule": "code", "refused": 2, "newly": 2},
                      {"policy": "team", "rule": "ticket", "refused": 0, "newly": 0}]}

    def change(number, what, *refused_by):
        source = RECORDS[number]
        return {"change": what} | {k: source[k] for k in ("time", "request_id", "project_id",
                                                          "config_name")} | {
            "refused_by": list(refused_by)}

    assert (code, json.loads(said)) == (1, {"changes": [
        change(2, "newly denied",
               refusal("workers", "/worker_server_num", "4 workers at most (got 8)"),
               refusal("code", "/app_url", 'code lies in <ml> & nowhere else (got "/x/")')),
        change(3, "newly passes"),
        change(5, "newly denied",
               refusal("workers", "/worker_server_num", "4 workers at most (got 9)"),
               refusal("code", "/app_url",
                       'code lies in <ml> & nowhere else (got "hmac-sha256:00")'))]} | sums)
    assert json.loads(replay("--output", "json", "--quiet")[1]) == sums
    assert json.loads(replay("--output", "json", "--quiet", "--top", "1")[1]) == sums | {
        "rules": sums["rules"][:1]}


def test_parts_add_up(replay, tmp_path):
    """A log in parts, side by side under xargs: the sums are those of the whole log. A failure is told
    from what is newly denied."""
    options = ["--quiet", "--output", "json"]
    whole = json.loads(replay(*options)[1])
    for number, part in enumerate((RECORDS[:3], RECORDS[3:5], RECORDS[5:])):
        (tmp_path / f"part{number}").write_text("".join(json.dumps(r) + "\n" for r in part))
    command = ["xargs", "-P2", "-n1", binary(), "replay", *options, "--policy", tmp_path / "candidate.conf"]
    for more, gone, code in (([], [], 123), (["--exit-zero"], [], 0), (["--exit-zero"], ["/gone"], 123)):
        names = [str(tmp_path / f"part{n}") for n in range(3)] + gone
        done = subprocess.run([*command, *more], input="\n".join(names), text=True, timeout=60,
                              capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        parts = [json.loads(line) for line in done.stdout.splitlines()]
        sums = {k: sum(p[k] for p in parts) for k in whole if k != "rules"}
        assert sums | {"unread": 1} == {k: whole[k] for k in sums}
        for rule in whole["rules"]:
            same = [r for p in parts for r in p["rules"]
                    if (r["policy"], r["rule"]) == (rule["policy"], rule["rule"])]
            assert len(same) == len(parts) and all(
                sum(r[k] for r in same) == rule[k] for k in ("refused", "newly"))


def test_junit(replay):
    """A case per rule fails for the requests it would newly deny."""
    code, said, _ = replay("--output", "junit")
    suite = xml.etree.ElementTree.fromstring(said)
    assert float(suite.attrib.pop("time")) > 0
    assert (code, suite.tag, suite.attrib) == (
        1, "testsuite", {"name": "trainguard replay", "tests": "3", "failures": "2"})
    assert [case.attrib for case in suite] == [
        {"classname": "team", "name": name} for name in ("workers", "code", "ticket")]
    assert [[(f.get("message"), f.text) for f in case] for case in suite] == [
        [("2 requests would newly be denied",
          "p1/c2\ufffd[31m\ufffd at 2026-01-02T03:04:02.000000Z, request r2: "
          "/worker_server_num 4 workers at most (got 8)\n"
          "p2/c5\ufffd[31m\ufffd at 2026-01-02T03:04:05.000000Z, request r5: "
          "/worker_server_num 4 workers at most (got 9)\n")],
        [("2 requests would newly be denied",
          "p1/c2\ufffd[31m\ufffd at 2026-01-02T03:04:02.000000Z, request r2: "
          '/app_url code lies in <ml> & nowhere else (got "/x/")\n'
          "p2/c5\ufffd[31m\ufffd at 2026-01-02T03:04:05.000000Z, request r5: "
          '/app_url code lies in <ml> & nowhere else (got "hmac-sha256:00")\n')],
        []]
    quiet = xml.etree.ElementTree.fromstring(replay("--output", "junit", "--quiet")[1])
    assert [[(f.get("message"), f.text) for f in case] for case in quiet] == [
        [("2 requests would newly be denied", None)]] * 2 + [[]]


@pytest.mark.parametrize("n", [99, 100, 101, 500])
def test_junit_tells_of_a_hundred(replay, tmp_path, n):
    """Of each rule; their number is told in any case."""
    log = tmp_path / "many.jsonl"
    log.write_text((json.dumps(RECORDS[2]) + "\n") * n)
    case = xml.etree.ElementTree.fromstring(replay("--output", "junit", files=[log])[1])[0]
    assert case[0].get("message") == f"{n} requests would newly be denied"
    assert case[0].text.count("\n") == min(n, 100)


@pytest.mark.parametrize("options, said", [
    (["--output", "xml"], "--output takes text, json or junit"), (["--top", "0"], "--top takes"),
    (["--top", "x"], "--top takes"), (["--since", "soon"], "--since takes a time"),
    (["--nope"], "--nope"), (["--project"], "--project")])
def test_wrong_usage(replay, options, said):
    """Exit status 2, and nothing is judged."""
    code, out, error = replay(*options, files=[])
    assert (code, out) == (2, "") and said in error
    assert error.endswith("`trainguard replay --help` tells how it is used\n")


def test_no_files(replay):
    """Without policies or a log there is nothing to do."""
    assert replay(policy=False)[2].startswith("trainguard replay: no --policy given\n")
    assert replay(files=[])[2].startswith("trainguard replay: no AUDIT file given\n")
    code, _, error = replay(files=["/nonexistent"])
    assert code == 2 and "/nonexistent" in error
