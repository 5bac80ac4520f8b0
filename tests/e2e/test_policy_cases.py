"""`trainguard test`: whole outputs of cases that hold, that do not, and that cannot be run; the rules they see."""

import re

import pytest

from command import run

POLICY = """
policy team {
    match header X-Team vision;
    rule workers { at worker_server_num; max 4; }
    rule code { at app_url; prefix /ml/; }
}
exception OLD { policy team; rule workers; match config_name big; owner me; ticket T-1; expires 2099-01-31; }
"""
CASES = """
case "a file" { body ok.json; header X-Team other; header X-Team vision; expect team.workers pass; }
case "in quotes" { body '{"worker_server_num": 5}'; header X-Team vision; expect team.workers fail; expect decision deny; }
case "its last day" { body '{"worker_server_num": 5}'; header X-Team vision; config_name big; now 2099-01-31;
    expect team.workers skip; expect decision allow; }
case "the day after" { body '{"worker_server_num": 5}'; header X-Team vision; config_name big; now 2099-02-01;
    expect team.workers fail; }
case "no JSON" { body '{"worker_server_num": }'; expect decision invalid; }
"""
WRONG = """
case "another result" { body '{"worker_server_num": 5}'; header X-Team vision; expect team.workers pass; }
case "no such body" { body nowhere.json; expect decision allow; }
case "never comes to policy" { body '{"worker_server_num": 01}'; expect team.workers pass; expect decision allow; }
case "before policy" { body '[1]'; expect decision deny; }
"""


@pytest.fixture
def folder(tmp_path):
    """folder(cases): a folder with the policies and these cases."""
    def make(cases=CASES):
        (tmp_path / "team.conf").write_text(POLICY)
        (tmp_path / "team.test.conf").write_text(cases)
        (tmp_path / "ok.json").write_text('{"worker_server_num": 4}')
        return tmp_path

    return make


def told(done, where):
    """Lines of standard output, without the folder and times."""
    return [re.sub(r'time="[0-9.]+"', 'time=""', line) for line in done.out.replace(f"{where}/", "").splitlines()]


def test_cases_hold(folder):
    where = folder()
    done = run("test", where)
    assert (done.code, done.err) == (0, "")
    assert told(done, where) == [
        "ok    a file (team.test.conf:2)", "ok    in quotes (team.test.conf:3)",
        "ok    its last day (team.test.conf:4)", "ok    the day after (team.test.conf:6)",
        "ok    no JSON (team.test.conf:8)", "5 cases, 0 failed"]


def test_cases_that_do_not_hold(folder):
    where = folder(WRONG)
    done = run("test", where)
    assert (done.code, done.err) == (1, "")
    assert told(done, where)[:-1] == [
        "FAIL  another result (team.test.conf:2)", "      team.workers: expected pass, got fail",
        "FAIL  no such body (team.test.conf:3)",
        '      cannot read the body "nowhere.json": No such file or directory',
        "FAIL  never comes to policy (team.test.conf:4)",
        "      the body never came to policy: this is not a JSON number",
        "      team.workers: expected pass, got skip", "      decision: expected allow, got invalid",
        "FAIL  before policy (team.test.conf:5)", '      cannot read the body "[1]": No such file or directory']


def test_junit(folder):
    where = folder(WRONG)
    done = run("test", "--output", "junit", where)
    assert done.code == 1
    assert [line.strip() for line in told(done, where) if "message" in line] == [
        '<failure message="team.workers: expected pass, got fail"/>',
        '<error message="No such file or directory"/>', '<failure message="team.workers: expected pass, got skip"/>',
        '<failure message="decision: expected allow, got invalid"/>', '<error message="No such file or directory"/>']


def test_rules_that_cases_see(folder):
    """Of all files together."""
    where = folder('case "one" { body ok.json; header X-Team vision; expect decision allow; }')
    (where / "more.test.conf").write_text(
        'case "two" { body \'{"worker_server_num": 5}\'; header X-Team vision; expect decision deny; }')
    done = run("test", "--coverage", "--require-tests", where)
    assert done.code == 1
    assert [line for line in told(done, where) if line.startswith("team.")] == [
        "team.code: no case touches it (team.conf:5)"]
    (where / "more.test.conf").unlink()
    assert "team.workers: it never fails (team.conf:4)" in told(run("test", "--coverage", where), where)


@pytest.mark.parametrize("cases, why", [
    ('case "x" { expect decision allow; }', 'case "x" has no "body", and no "method" without one in team.test.conf:1'),
    ('case "x" { body ok.json; }', 'case "x" has no "expect" in team.test.conf:1'),
    ('case "x" { body ok.json; expect team.nosuch pass; }', 'no rule is called "team.nosuch" in team.test.conf:1'),
    ('case "x" { body ok.json; expect nodot pass; }', 'no rule is called "nodot"'),
    ('case "x" { body ok.json; expect other.workers pass; }', 'no rule is called "other.workers"'),
    ('case "x" { body ok.json; now 2026-02-30; expect decision allow; }', '"now" takes a day as YYYY-MM-DD, got'),
    ('case "x" { body ok.json; expect decision maybe; }', '"expect" takes'),
    ('policies nowhere.conf; case "x" { body ok.json; expect decision allow; }', "no policy file matches"),
    ('case "x" { body ok.json; ', 'is never closed')])
def test_files_that_are_wrong(folder, cases, why):
    """Nothing is run, and what was loaded is let go (a sanitizer would tell)."""
    where = folder(cases)
    done = run("test", where)
    assert done.code == 2 and why in done.err.replace(f"{where}/", ""), done.err


def test_a_folder_without_cases(tmp_path):
    (tmp_path / "team.conf").write_text(POLICY)
    assert run("test", tmp_path).code == 2
