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


LIVE = """
policy live {
    rule gpus   { at total.gpus; max 16; }
    rule code   { at spec.spec_code; prefix v100; }
    rule engine { at engine.engine_name; in PyTorch; }
    rule model  { at model.model_name; absent; }
    rule stays  { at worker_server_num; unchanged; }
    rule new    { at old; required; }
}
policy admins { match role ml-admin; unless domain acme; rule all { deny; } }
policy alice  { match user alice; rule small { at worker_server_num; max 1; } }
"""
LIVE_CASES = """
policies live.conf;
case "known" { body '{"worker_server_num": 2}'; old '{"worker_server_num": 2}'; total gpus 16; spec spec_code v100.8;
    engine engine_name PyTorch; model model_name ""; role viewer; user name bob; user id u-2; domain other;
    expect live.gpus pass; expect live.code pass; expect live.engine pass; expect live.model pass; expect live.stays pass;
    expect live.new pass; expect admins.all skip; expect alice.small skip; expect decision allow; }
case "too much" { body '{"worker_server_num": 2}'; old '{"worker_server_num": 1}'; total gpus 16.5; spec spec_code p4.8;
    engine engine_name ""; model model_name x; role viewer ml-admin; user name alice; domain other;
    expect live.gpus fail; expect live.code fail; expect live.engine skip; expect live.model fail; expect live.stays fail;
    expect live.new pass; expect admins.all fail; expect alice.small fail; expect decision deny; }
case "none stands there" { body '{"worker_server_num": 2}'; old none; total gpus ""; role ml-admin; domain acme; user id u-1;
    expect live.gpus skip; expect live.stays skip; expect live.new fail; expect admins.all skip; expect alice.small fail; }
case "nothing known" { body '{"worker_server_num": 2}'; expect live.gpus error; expect live.stays error;
    expect live.new error; expect admins.all fail; expect decision deny; }
case "old is no JSON" { body '{"worker_server_num": 2}'; old '{"a":}'; expect decision deny; }
case "old is no file" { body '{"worker_server_num": 2}'; old none.json; expect decision deny; }
"""


def test_what_is_found_out_beside_the_request(tmp_path):
    """Live values, and the config that stands there: known, absent, not known."""
    (tmp_path / "live.conf").write_text(LIVE)
    (tmp_path / "live.test.conf").write_text(LIVE_CASES)
    done = run("test", tmp_path)
    assert told(done, tmp_path) == [
        "ok    known (live.test.conf:3)", "ok    too much (live.test.conf:7)", "ok    none stands there (live.test.conf:11)",
        "ok    nothing known (live.test.conf:13)", "FAIL  old is no JSON (live.test.conf:15)",
        '      cannot read the body "{"a":}": it is no config', "FAIL  old is no file (live.test.conf:16)",
        '      cannot read the body "none.json": No such file or directory', "6 cases, 2 failed"]


@pytest.mark.parametrize("line, why", [
    ("spec gpus 1", 'no live value is called "spec.gpus"'), ("total gpus many", '"total.gpus" takes a number, got "many"'),
    ("role", '"role" takes 1 or more arguments, got 0'), ("user name", '"user" takes 2 arguments, got 1'),
    ("old a b", '"old" takes 1 argument, got 2: text with blanks stands in quotes')])
def test_live_values_that_are_none(tmp_path, line, why):
    (tmp_path / "live.conf").write_text(LIVE)
    (tmp_path / "live.test.conf").write_text(f'policies live.conf; case "c" {{ body "{{}}"; {line}; expect decision deny; }}\n')
    done = run("test", tmp_path)
    assert done.code == 2 and f"[emerg] {why} in {tmp_path}/live.test.conf:1\n" in done.err
