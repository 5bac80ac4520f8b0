"""One policy and one table for fifty teams: traffic, eval, tests of policies, and a reload."""

import json
import re
import signal
import subprocess

import pytest

from client import ask, check_refusal, request
from gateway import GUARDED, binary

TEAMS = 50
POLICY = """table teams teams.csv;
policy budgets {
    match project_id in teams;
    rule workers { at worker_server_num; max {teams.workers}; }
}
policy strangers { unless project_id in teams; rule unknown { deny; } }
"""
JSON = ("Content-Type: application/json", "X-Auth-Token: t")


def table(more=0):
    """Team n may have n % 5 + 1 workers."""
    rows = [f"team{n},ml-{n},{n % 5 + 1 + more}" for n in range(TEAMS)]
    return "\r\n".join(["project,bucket,workers", *rows, ""])


@pytest.fixture(name="guarded")
def start_guarded(tmp_path, gateway, origin):
    """A gateway with the policy and the table."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/budgets.conf").write_text(POLICY)
    (tmp_path / "policies/teams.csv").write_text(table())
    behind = origin()
    guard = gateway(behind, locations=f"""
        location {GUARDED} {{
            filters json normalize policy; policies ../policies/*.conf; proxy_pass modelarts;
        }}
        location / {{ proxy_pass modelarts; }}""")
    guard.origin = behind
    return guard


def put(guard, team, workers):
    """One request's answer."""
    return ask(guard.port, request("PUT", f"/v1/{team}/training-job-configs/c",
                                   json.dumps({"worker_server_num": workers}).encode(), *JSON))


def test_each_team_has_its_budget(guarded):
    """What a team's row allows passes, one more is refused by the row's number."""
    for n in range(TEAMS):
        most = n % 5 + 1
        assert put(guarded, f"team{n}", most).status == 200
        refused = put(guarded, f"team{n}", most + 1)
        check_refusal(refused, 403, "ModelArts.0105")
        assert f"must be at most {most} (got {most + 1})" in refused.body.decode()
    assert len(guarded.origin.seen()) == TEAMS
    assert "strangers" in put(guarded, "team99", 1).body.decode()


def test_a_changed_table(tmp_path, guarded):
    """A changed table takes effect by a reload, and one that is wrong keeps the old one."""
    assert put(guarded, "team0", 2).status == 403
    (tmp_path / "policies/teams.csv").write_text(table(more=1))
    guarded.process.send_signal(signal.SIGHUP)
    guarded.wait_log("reloaded")
    assert put(guarded, "team0", 2).status == 200
    guarded.expect += ["team0", "the old configuration goes on"]
    (tmp_path / "policies/teams.csv").write_text(table() + "team0,x,9\r\n")
    guarded.process.send_signal(signal.SIGHUP)
    guarded.wait_log("the old configuration goes on")
    assert put(guarded, "team0", 2).status == 200


@pytest.mark.parametrize("row, words", [
    ("team1,x,1", 'table "teams" has the row "team1" twice, in line 3 and again in .*teams.csv:52'),
    ("team98,x,many", '"max" takes a number, got "many" in .*teams.csv:52'),
    ("team98,x", 'a row of table "teams" lacks cells in .*teams.csv:52'),
])
def test_mistakes(tmp_path, row, words):
    """What is wrong with a table is told at its line."""
    (tmp_path / "teams.csv").write_text(table() + row + "\r\n")
    (tmp_path / "budgets.conf").write_text(POLICY)
    done = subprocess.run([binary(), "eval", "--policy", tmp_path / "budgets.conf", "-"], input="{}",
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(words, done.stderr), done.stderr


def test_cases_give_rows_and_tables(tmp_path):
    """A test of policies judges by the policies' own table, by one of its own, or by rows of a case."""
    (tmp_path / "teams.csv").write_text(table())
    (tmp_path / "few.csv").write_text("project,bucket,workers\nteam0,x,9\n")
    (tmp_path / "budgets.conf").write_text(POLICY)
    case = "case %s { project_id team%d; %s body '{\"worker_server_num\": %d}'; expect %s; }\n"
    own = (case % ("own", 1, "", 3, "budgets.workers fail")
           + case % ("rows", 1, "row teams team1 x 3;", 3, "budgets.workers pass")
           + case % ("replaced", 0, "row teams team1 x 3;", 1, "strangers.unknown fail"))
    (tmp_path / "a.test.conf").write_text(own)
    (tmp_path / "b.test.conf").write_text(
        "table teams few.csv;\n" + case % ("stands-in", 0, "", 9, "budgets.workers pass")
        + case % ("stands-in", 1, "", 1, "strangers.unknown fail"))
    done = subprocess.run([binary(), "test", "--require-tests", tmp_path], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 cases, 0 failed" in done.stdout
    (tmp_path / "a.test.conf").write_text(case % ("x", 1, "row team team1 x 3;", 3, "decision deny"))
    done = subprocess.run([binary(), "test", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and 'no table is called "team"' in done.stderr
