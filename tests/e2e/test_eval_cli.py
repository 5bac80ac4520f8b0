"""`trainguard eval`, `fmt` and `explain`: every output, every exit code, every bad input."""

import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
import sarif_om

from command import BODIES, SEED, evaluate, run
from gateway import TIMEOUT, TOP, binary

POLICIES = TOP / "conf/policies"

GOOD = (b'{"worker_server_num": 1, "spec_id": 7, "app_url": "/usr/app/", '
        b'"boot_file_url": "/usr/app/boot.py", "data_url": "/usr/data/"}')
DENIED = b'{\n  "worker_server_num": 0,\n\t"spec_id": true, "config_desc": "\xe4\xbd\xa0"\n}'
WARNED = GOOD.replace(b'"/usr/app/",', b'"/usr/app",')
REPAIRED = (SEED.read_bytes().replace(b'"value": 0.01', b'"value": "0.01"')
            .replace(b'"key"', b'"label"').replace(b'"value": 32', b'"value": "32"'))


@pytest.fixture
def files(tmp_path):
    """One body of each kind."""
    for name, body in {"good": GOOD, "denied": DENIED, "warned": WARNED,
                       "broken": b'{"a": 1,}', "seed": SEED.read_bytes()}.items():
        (tmp_path / f"{name}.json").write_bytes(body)
    return tmp_path


# --- verdicts and exit codes ---------------------------------------------------------------------

@pytest.mark.parametrize("names, options, code", [
    (["good"], [], 0),
    (["seed"], [], 0),
    (["warned"], [], 0),
    (["warned"], ["--fail-on-warn"], 3),
    (["good"], ["--fail-on-warn"], 0),
    (["warned"], ["--level", "strict"], 1),
    (["warned"], ["--level", "lax", "--fail-on-warn"], 0),
    (["denied"], [], 1),
    (["denied", "warned"], ["--fail-on-warn"], 1),
    (["broken"], [], 2),
    (["broken", "denied"], [], 2),
    (["absent", "good"], [], 2),
])
@pytest.mark.parametrize("output", ["text", "json", "github", "sarif", "junit"])
def test_exit_codes(files, names, options, code, output):
    """Every output ends with the same exit code."""
    paths = [files / f"{n}.json" for n in names]
    assert run("eval", "--output", output, *options, *paths).code == code


@pytest.mark.parametrize("args", [
    [], ["--output", "xml", "x"], ["--level", "loose", "x"], ["--name", "a/b", "x"],
    ["--name", "", "x"], ["--project", "x" * 65, "x"], ["--no-such-option", "x"],
    ["-c", "/no/such/file.conf", "x"], ["--policy", "/no/such/*.conf", "x"],
])
@pytest.mark.parametrize("command", ["eval", "fmt"])
def test_wrong_command_line(command, args):
    """A wrong option is exit 2 and a word on standard error, and nothing on standard output."""
    done = run(command, *args)
    assert done.code == 2 and done.out == "" and done.err


@pytest.mark.parametrize("command", ["eval", "fmt", "explain"])
def test_help(command):
    """Help goes to standard output."""
    done = run(command, "--help")
    assert done.code == 0 and done.out.startswith(f"Usage: trainguard {command}") and not done.err


def test_real_bodies_are_all_judged():
    """No recorded body is beyond the evaluator."""
    done = run("eval", "--output", "json", BODIES)
    names = [Path(b["file"]).name for b in done.bodies]
    assert names == sorted(p.name for p in BODIES.glob("*.json"))
    judged = [b for b in done.bodies if not b["file"].endswith("INDEX.json")]
    assert all(b["result"] in ("pass", "warn", "denied") for b in judged)


def test_seed():
    """The API's example: three changes, then it passes."""
    done = evaluate(SEED.read_bytes())
    assert done["result"] == "pass" and done["findings"] == []
    assert done["forwarded"].encode() == REPAIRED
    assert [(c["change"], c["pointer"]) for c in done["changes"]] == [
        ("key_to_label", "/parameter/1/key"), ("number_to_string", "/parameter/0/value"),
        ("number_to_string", "/parameter/1/value")]


def test_refusal_carries_the_answer():
    """The refusal a client would get is part of the output."""
    done = evaluate(DENIED)
    assert done["status"] == 400 and done["answer"]["is_success"] is False
    in_answer = [(v["pointer"], v["rule"]) for v in done["answer"]["violations"]]
    assert in_answer == [(f["pointer"], f["rule"]) for f in done["findings"]
                         if f["severity"] == "violation"]
    assert ("/spec_id", "type") in in_answer and "forwarded" not in done


def test_config_name_of_the_request(tmp_path):
    """--name, else the body's own config_name, else the file's name, else "config"."""
    own = GOOD[:-1] + b', "config_name": "mine"}'
    (tmp_path / "big-job.json").write_bytes(GOOD)
    (tmp_path / "with space.json").write_bytes(GOOD)
    (tmp_path / "other.json").write_bytes(own)

    def name(*args):
        return run("eval", "--output", "json", *args).bodies[0]["config_name"]

    assert name(tmp_path / "big-job.json") == "big-job"
    assert name(tmp_path / "with space.json") == "config"
    assert name(tmp_path / "other.json") == "mine"
    assert name("--name", "x1", tmp_path / "big-job.json") == "x1"
    assert evaluate(own, "--name", "mine")["result"] == "pass"
    assert evaluate(own, "--name", "yours")["result"] == "denied"


# --- configurations ------------------------------------------------------------------------------

CONF = """
audit_log /no/such/folder/audit.jsonl;
upstream modelarts {{ server modelarts.test; tls_ca /no/such/ca.pem; }}
server {{
    listen 127.0.0.1:0;
    location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
        filters json normalize validate; client_max_body_size 1k;
        {inside}
        proxy_pass modelarts;
    }}
    location / {{ proxy_pass modelarts; }}
}}
"""


def configure(folder, inside=""):
    """A configuration file whose guarded location has these directives."""
    path = folder / "trainguard.conf"
    path.write_text(CONF.format(inside=inside))
    return path


def test_configuration_judges(tmp_path):
    """The location of the configuration decides; what only a running gateway needs is not opened."""
    conf = configure(tmp_path, "normalize key_to_label off;")
    done = evaluate(SEED.read_bytes(), "-c", conf)
    assert "key_to_label" not in [c["change"] for c in done["changes"]]
    assert evaluate(GOOD, "-c", conf)["result"] == "pass"


def test_limit_of_the_location(tmp_path):
    """A body the location would not take is denied as in traffic."""
    done = evaluate(GOOD[:-1] + b" " * 1024 + b"}", "-c", configure(tmp_path))
    assert (done["result"], done["status"]) == ("denied", 413)
    assert done["answer"]["error_code"] == "ModelArts.4104"


def test_level_overrides_the_configuration(tmp_path):
    """--level counts more than the file."""
    conf = configure(tmp_path, "")
    assert evaluate(WARNED, "-c", conf)["result"] == "warn"
    assert evaluate(WARNED, "-c", conf, "--level", "strict")["result"] == "denied"


def test_configuration_without_a_guard(tmp_path):
    """A body nothing would judge is not called good."""
    conf = tmp_path / "open.conf"
    conf.write_text("upstream u { server u.test; } server { listen 127.0.0.1:0; "
                    "location / { proxy_pass u; } }")
    done = run("eval", "-c", conf, "-", data=GOOD)
    assert done.code == 2 and "no location" in done.err


def test_bad_configuration(tmp_path):
    """A configuration that does not load is named with file and line."""
    conf = configure(tmp_path, "normalize no_such_switch off;")
    done = run("eval", "-c", conf, "-", data=GOOD)
    assert done.code == 2 and f"{conf}:8" in done.err and done.out == ""


def test_policy(tmp_path):
    """--policy adds the organisation's rules to the contract, with and without a configuration."""
    policy = tmp_path / "team.conf"
    policy.write_text("policy team { mode deny; rule workers { at worker_server_num; max 4; } }")
    many = GOOD.replace(b'"worker_server_num": 1', b'"worker_server_num": 5')
    for conf in ([], ["-c", configure(tmp_path)]):
        assert evaluate(GOOD, *conf, "--policy", policy)["result"] == "pass"
        done = evaluate(many, *conf, "--policy", policy)
        assert (done["result"], done["status"]) == ("denied", 403)
        [finding] = [f for f in done["findings"] if f.get("policy") == "team"]
        assert (finding["rule"], finding["code"]) == ("workers", "ModelArts.0105")
        assert re.fullmatch("[0-9a-f]{64}", done["policy_revision"])
    sarif = run("eval", "--policy", policy, "--output", "sarif", "-", data=many).json
    assert "team/workers" in [r["ruleId"] for r in sarif["runs"][0]["results"]]


# --- text ----------------------------------------------------------------------------------------

def test_text():
    """file:line:column, severity, rule, message, source line, caret, fix, summary."""
    done = run("eval", "-", data=DENIED)
    lines = done.out.splitlines()
    at = next(i for i, line in enumerate(lines) if "/spec_id" in line)
    assert re.fullmatch(r"<stdin>:3:13: error: /spec_id .* \[type, ModelArts\.0107\]", lines[at])
    assert lines[at + 1] == '     3 |     "spec_id": true, "config_desc": "你"'
    assert lines[at + 2] == "       |                ^^^^"
    assert lines[at + 3].startswith("       = fix: ")
    assert re.fullmatch(r"1 body: 1 denied; \d+ violations", lines[-1])


def test_text_changes():
    """Each change with its value before and after."""
    out = run("eval", SEED).out
    assert ("/parameter/0/value [number_to_string]\n       - 0.01\n       + \"0.01\"\n") in out
    assert ("/parameter/1/key [key_to_label]\n       - /parameter/1/key\n"
            "       + /parameter/1/label\n") in out
    assert out.endswith("1 body: 1 passed; 3 changes\n")


def on_terminal(*args, **env):
    """What the program writes on a terminal."""
    master, slave = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    with subprocess.Popen([binary(), *map(str, args)], stdout=slave, stderr=slave,
                          stdin=subprocess.DEVNULL, env=environment | env) as process:
        os.close(slave)
        parts = []
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except OSError:  # Linux: EIO when the last writer has gone
            pass
        process.wait(TIMEOUT)
    os.close(master)
    return b"".join(parts)


def test_colour_only_where_it_is_wanted(files):
    """On a terminal, unless NO_COLOR or a dumb terminal; never in a pipe."""
    args = ["eval", files / "denied.json"]
    assert b"\x1b[" in on_terminal(*args, TERM="xterm")
    assert b"\x1b[" in on_terminal(*args, TERM="xterm", NO_COLOR="")
    assert b"\x1b[" not in on_terminal(*args, TERM="xterm", NO_COLOR="1")
    assert b"\x1b[" not in on_terminal(*args, TERM="dumb")
    assert b"\x1b[" not in on_terminal(*args, "--output", "github", TERM="xterm")
    assert b"\x1b[" not in run(*args).raw


def test_terminal_is_safe(tmp_path):
    """Neither a body nor a file's name can drive the terminal."""
    path = tmp_path / "a\x1b[2Jb.json"
    path.write_bytes(b'{"spec_id": "\xc2\x9b2J\xe2\x80\xae", "\\u001b[2J": 1, "x\x1b[2Jy": 1}')
    for data in (path.read_bytes(), path.read_bytes().replace(b"x\x1b", b"x")):
        path.write_bytes(data)
        for command in (["eval"], ["eval", "--output", "github"], ["fmt", "--check"]):
            done = run(*command, path)
            for hazard in ("\x1b", "\x9b", "\u202e"):
                assert hazard not in done.out + done.err, command


JOB = b'{"job_name": "j", "config": %s}'


@pytest.mark.parametrize("location", ["POST /v1/{project_id}/training-jobs",
                                      "POST /v1/{project_id}/training-jobs/{job_id}/versions"])
@pytest.mark.parametrize("conf", [True, False], ids=["conf", "contract"])
def test_bodies_that_hold_a_config(tmp_path, conf, location):
    """--location says which request a body belongs to: findings point into its config."""
    body = JOB % GOOD.replace(b'"worker_server_num": 1', b'"worker_server_num": 0')
    options = []
    if conf:
        (tmp_path / "x.conf").write_text(
            "upstream u { server 127.0.0.1:9; tls off; }\nserver { listen 127.0.0.1:0; location %s "
            "{ filters json validate; proxy_pass u; config_at /config; } }" % location)
        options = ["-c", tmp_path / "x.conf"]
    done = run("eval", *options, "--output", "json", "--location", location, "-", data=body)
    [found] = [f["pointer"] for f in done.bodies[0]["findings"] if f["severity"] == "violation"]
    assert (done.code, found) == (1, "/config/worker_server_num")
    assert run("eval", *options, "--location", location, "-", data=JOB % GOOD).code == 0


def test_locations_without_filters(tmp_path):
    """A location that nobody guards cannot be judged."""
    done = run("eval", "--location", "DELETE /v1/{project_id}/x", "-", data=GOOD)
    assert done.code == 2 and "the built-in configuration has no location with filters for DELETE /v1/project/x" in done.err


# --- formats for machines ------------------------------------------------------------------------

def test_verify(files):
    """The findings with their places, both languages, and a summary."""
    done = run("eval", "--output", "json", files).json
    by_name = {Path(b["file"]).stem: b for b in done["bodies"]}
    assert {n: b["result"] for n, b in by_name.items()} == {
        "broken": "error", "denied": "denied", "good": "pass", "seed": "pass", "warned": "warn"}
    [spec] = [f for f in by_name["denied"]["findings"] if f["pointer"] == "/spec_id"]
    assert (spec["line"], spec["column"], spec["severity"]) == (3, 13, "violation")
    assert spec["message"] and re.search("[\u4e00-\u9fff]", spec["message_zh"])
    summary = done["summary"]
    assert [summary[k] for k in ("bodies", "pass", "warn", "denied", "error", "changes")] == [
        5, 2, 1, 1, 1, 3]


def unescape(text):
    """What a runner makes of the data of a workflow command."""
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, char)
    return text


def test_github(tmp_path):
    """One annotation a line, whatever the file is called."""
    path = tmp_path / "50%, a:b\nc.json"
    path.write_bytes(DENIED)
    out = run("eval", "--output", "github", path).out
    found = 0
    for line in out.splitlines():
        match = re.fullmatch(r"::(error|warning|notice) file=([^,:]*)(?:,line=(\d+),col=(\d+))?"
                             r",title=([^,:]+)::(.*)", line)
        assert match, line
        assert unescape(match[2]) == str(path)
        found += (match[1], match[3], match[4], match[5]) == ("error", "3", "13", "type")
    assert found == 1


SARIF = {
    "type": "object", "required": ["version", "runs"], "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["tool", "results"], "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "tool": {"type": "object", "required": ["driver"], "properties": {
                    "driver": {"type": "object", "required": ["name", "rules"], "properties": {
                        "rules": {"type": "array", "uniqueItems": True, "items": {
                            "type": "object", "required": ["id"]}}}}}},
                "results": {"type": "array", "items": {
                    "type": "object", "required": ["message", "ruleId", "level", "locations"],
                    "properties": {
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "message": {"type": "object", "required": ["text"]},
                        "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}}}}},
                "invocations": {"type": "array", "items": {
                    "type": "object", "required": ["executionSuccessful"], "properties": {
                        "executionSuccessful": {"type": "boolean"},
                        "toolExecutionNotifications": {"type": "array", "items": {
                            "type": "object", "required": ["message"]}}}}}}}}},
    "$defs": {"location": {"type": "object", "required": ["physicalLocation"], "properties": {
        "physicalLocation": {"type": "object", "required": ["artifactLocation"], "properties": {
            "artifactLocation": {"type": "object", "required": ["uri"], "properties": {
                "uri": {"type": "string", "pattern": "^[A-Za-z0-9._~/:%-]*$"}}},
            "region": {"type": "object", "required": ["startLine", "startColumn"], "properties": {
                "startLine": {"type": "integer", "minimum": 1},
                "startColumn": {"type": "integer", "minimum": 1}}}}}}}},
}

# Which class of the object model (made from the published schema) a property holds.
MODEL = {
    "runs": sarif_om.Run, "tool": sarif_om.Tool, "driver": sarif_om.ToolComponent,
    "rules": sarif_om.ReportingDescriptor, "results": sarif_om.Result,
    "message": sarif_om.Message, "locations": sarif_om.Location,
    "physicalLocation": sarif_om.PhysicalLocation, "region": sarif_om.Region,
    "artifactLocation": sarif_om.ArtifactLocation, "invocations": sarif_om.Invocation,
    "toolExecutionNotifications": sarif_om.Notification,
    "shortDescription": sarif_om.MultiformatMessageString,
    "help": sarif_om.MultiformatMessageString,
}


def build(value, kind):
    """The object of the model; unknown or missing properties do not build."""
    if not isinstance(value, dict):
        return value
    fields = {a.metadata["schema_property_name"]: a.name for a in kind.__attrs_attrs__}
    made = {}
    for name, inner in value.items():
        if name in MODEL and isinstance(inner, list):
            inner = [build(i, MODEL[name]) for i in inner]
        elif name in MODEL:
            inner = build(inner, MODEL[name])
        made[fields[name]] = inner
    return kind(**made)


@pytest.mark.parametrize("names", [["good"], ["denied", "seed", "warned"], ["broken", "absent"]])
def test_sarif(files, names):
    """SARIF 2.1.0 by its object model and by the properties a viewer needs."""
    paths = [files / f"{n}.json" for n in names]
    log = run("eval", "--output", "sarif", *paths).json
    jsonschema.Draft7Validator(SARIF).validate(log)
    build(log, sarif_om.SarifLog)
    [found] = log["runs"]
    ids = {r["id"] for r in found["tool"]["driver"]["rules"]}
    assert len(ids) == len(found["tool"]["driver"]["rules"])
    assert {r["ruleId"] for r in found["results"]} <= ids
    assert found["invocations"][0]["executionSuccessful"] is ("absent" not in names)
    if "denied" in names:
        [spec] = [r for r in found["results"] if "/spec_id" in r["message"]["text"]]
        place = spec["locations"][0]["physicalLocation"]
        assert place["region"] == {"startLine": 3, "startColumn": 13}
        assert place["artifactLocation"]["uri"] == (files / "denied.json").as_uri()


def test_sentences_of_changes(tmp_path):
    """Each kind of change as one annotation, whole."""
    body = (b'{"worker_server_num": "1",\n"spec_id": 7, "model_id": null,\n"app_url": "/usr/app/",'
            b' "boot_file_url": "/usr/app/boot.py", "data_url": "/usr/data/",\n'
            b'"parameter": [{"key": "a", "value": "b"}]}')
    (tmp_path / "a.json").write_bytes(body)
    (tmp_path / "x.conf").write_text(
        "upstream u { server 127.0.0.1:9; tls off; }\nserver { listen 127.0.0.1:0; location PUT "
        "/v1/{project_id}/training-job-configs/{config_name} { filters json normalize; proxy_pass u; "
        "normalize drop_nulls on; normalize engine_default on; } }")
    done = run("eval", "-c", "x.conf", "--output", "github", "a.json", cwd=tmp_path)
    assert sorted(done.out.splitlines()) == sorted([
        '::notice file=a.json,line=1,col=23,title=string_to_integer::/worker_server_num: "1" becomes 1',
        "::notice file=a.json,line=2,col=15,title=drop_nulls::/model_id is removed, it was null",
        "::notice file=a.json,line=4,col=16,title=key_to_label::/parameter/0/key becomes "
        "/parameter/0/label",
        "::notice file=a.json,line=1,col=1,title=engine_default::/engine_id is added: 1"])


def test_places_of_what_is_missing(tmp_path):
    """Annotations point at the object a member is missing from."""
    path = tmp_path / "a.json"
    path.write_bytes(b'\n\n  {"parameter": [\n    {"value": "x"}]}')
    [found] = run("eval", "--output", "sarif", path).json["runs"]
    lines = {r["message"]["text"].split(" ")[0]:
             r["locations"][0]["physicalLocation"]["region"] for r in found["results"]}
    assert lines["/spec_id"] == {"startLine": 3, "startColumn": 3}
    assert lines["/parameter/0/label"] == {"startLine": 4, "startColumn": 5}
    assert f"file={path},line=3,col=3,title=required::/spec_id" in run(
        "eval", "--output", "github", path).out


def test_rules_of_policies_in_sarif(tmp_path):
    """Each rule a result names is among the driver's rules, once."""
    policy = tmp_path / "p.conf"
    policy.write_text('policy p { rule r { at spec_id; max 4; message "\\"}"; } '
                      "rule s { at worker_server_num; max 0; } }")
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(GOOD)
    log = run("eval", "--output", "sarif", "--policy", policy, tmp_path).json
    jsonschema.Draft7Validator(SARIF).validate(log)
    [found] = log["runs"]
    ids = [r["id"] for r in found["tool"]["driver"]["rules"]]
    assert {r["ruleId"] for r in found["results"]} == {"p/r", "p/s"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_sarif_uri(tmp_path):
    """Names become URI references."""
    (tmp_path / "a b%#é?.json").write_bytes(DENIED)
    log = run("eval", "--output", "sarif", "a b%#é?.json", cwd=tmp_path).json
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri = place["artifactLocation"]["uri"]
    assert uri == urllib.parse.quote("a b%#é?.json")


@pytest.mark.parametrize("options, failures", [([], 1), (["--fail-on-warn"], 2)])
def test_junit(files, options, failures):
    """One case for each body, failures and errors counted."""
    (files / "a&<\"'\x01.json").write_bytes(DENIED.replace(b"true", b'"]]>\xe4\xbd\xa0&"'))
    done = run("eval", "--output", "junit", *options, files)
    [suite] = ET.fromstring(done.raw)
    assert suite.tag == "testsuite"
    times = [float(c.get("time")) for c in suite]
    assert min(times) > 0 and abs(sum(times) - float(suite.get("time"))) < 1e-5
    cases = {c.get("name").rsplit("/", 1)[1]: c for c in suite}
    assert len(cases) == int(suite.get("tests")) == 6
    assert len(suite.findall("*/failure")) == int(suite.get("failures")) == failures + 1
    assert len(suite.findall("*/error")) == int(suite.get("errors")) == 1
    assert "/spec_id" in cases["denied.json"].find("failure").text
    assert "a&<\"'\ufffd.json" in cases
    assert list(cases["good.json"]) == []
    assert cases["warned.json"][0].tag == ("failure" if options else "system-out")


@pytest.mark.parametrize("words, why", [
    ("parameter x", 'cannot set "parameter"'),
    ("create_time 7", 'cannot set "create_time"'),
    ('train_url "/bkt/{project}/"', 'knows {project_id} and {config_name}, got "/bkt/{project}/"'),
    ("engine_id 1.5", 'takes an integer for "engine_id", got "1.5"'),
    ("engine_id 9223372036854775808", 'takes an integer for "engine_id", got "9223372036854775808"'),
    ("engine_idd 1", 'unknown member "engine_idd"')])
def test_defaults_that_cannot_be(tmp_path, words, why):
    """Each default that could never be added is an error at load."""
    conf = tmp_path / "x.conf"
    conf.write_text("upstream u { server 127.0.0.1:9; tls off; }\nserver { listen 127.0.0.1:0; location PUT "
                    "/v1/{project_id}/training-job-configs/{config_name} { filters json normalize; "
                    "proxy_pass u;\nnormalize_default %s; } }" % words)
    done = run("-t", "-c", conf)
    assert done.code == 1 and f"{why} in {conf}:3" in done.err


# --- bad input -----------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"nonsense", b"{}{}", b"[1,]", b'{"a":1,"a":2}', b'{"a":"\xff"}',
    b"\xef\xbb\xbf{}", b'{"\\ud800":1}', b"[" * 5000, b"\x00", b'{"a":01}',
])
def test_not_json(body):
    """Not JSON: exit 2, with the reason, and the other files still evaluated."""
    with tempfile.NamedTemporaryFile(suffix=".json") as bad:
        bad.write(body)
        bad.flush()
        done = run("eval", bad.name, "-", data=GOOD)
        assert done.code == 2
        assert bad.name in done.out + done.err
        assert "2 bodies: 1 passed, 1 not evaluated" in done.out


def test_too_large(tmp_path):
    """12 MB are read, one byte more is not."""
    most, more = tmp_path / "most.json", tmp_path / "more.json"
    fill = (12 << 20) - len(GOOD)
    most.write_bytes(GOOD + b" " * fill)
    more.write_bytes(GOOD + b" " * (fill + 1))
    done = run("eval", more, most)
    assert done.code == 2
    assert f"{more}: error: is larger than 12 MB" in done.err
    assert "2 bodies: 1 passed, 1 not evaluated" in done.out


def test_what_cannot_be_read(files):
    """No such file, an empty folder, a dangling link, a loop of links: named, the rest goes on."""
    (files / "empty").mkdir()
    (files / "tree").mkdir()
    (files / "tree/dangling.json").symlink_to("nowhere")
    (files / "tree/loop").symlink_to(".")
    (files / "tree/good.json").write_bytes(GOOD)
    done = run("eval", files / "absent.json", files / "empty", files / "tree")
    assert done.code == 2
    for name in ("absent.json", "empty", "tree/dangling.json", "tree/loop"):
        assert re.search(rf"{re.escape(str(files / name))}: error: ", done.err), name
    assert "5 bodies: 1 passed, 4 not evaluated" in done.out


@pytest.fixture
def stranger():
    """Runs the program as somebody who owns nothing, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="trainguard-"))
    folder.chmod(0o755)
    program = shutil.copy(binary(), folder / "trainguard")
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(*args):
        return run(*args, program=program, **user)

    yield folder, start
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


def test_no_permission(stranger):
    """A file and a folder without permission: named, exit 2, the others evaluated."""
    folder, start = stranger
    (folder / "good.json").write_bytes(GOOD)
    for name in ("secret.json", "closed/inner.json"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(GOOD)
    (folder / "secret.json").chmod(0)
    (folder / "closed").chmod(0)
    done = start("eval", folder)
    assert done.code == 2
    for name in ("secret.json", "closed"):
        assert f"{folder / name}: error: Permission denied" in done.err
    assert "3 bodies: 1 passed, 2 not evaluated" in done.out


@pytest.mark.parametrize("args", [
    ["eval", "-"], ["eval", "--output", "json", "-"], ["fmt", "-"], ["explain"], ["explain", "range"],
    ["test", POLICIES], ["-v"], ["-V"], ["-h"], ["help"], ["help", "fmt"], ["--reference"],
    *([c, "--help"] for c in ("audit", "catalogue", "eval", "explain", "fmt", "key", "policy", "replay", "sign", "test"))],
    ids=lambda args: " ".join(str(a) for a in args))
def test_full_disk(args):
    """Output that cannot be written is an error, not a pass, of every command."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), *args], input=GOOD, stdout=full, timeout=TIMEOUT,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2 and b"could not be written" in done.stderr


def test_folders_are_sorted(tmp_path):
    """Recursive, *.json only, in the order of the names."""
    for name in ("b.json", "a/z.json", "a/y.txt", "c/d/e.json", "a.json", ".json.swp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(GOOD)
    done = run("eval", "--output", "json", tmp_path)
    names = [os.path.relpath(b["file"], tmp_path) for b in done.bodies]
    assert names == ["a/z.json", "a.json", "b.json", "c/d/e.json"]


# --- fmt -----------------------------------------------------------------------------------------

def test_fmt_prints(tmp_path):
    """The normalized body, byte for byte, and nothing else."""
    done = run("fmt", SEED)
    assert (done.code, done.raw, done.err) == (0, REPAIRED, "")
    odd = b'\r\n{ "a" :1.50 ,"b":"\\u0041"}\n\n'
    assert run("fmt", "-", data=odd).raw == odd
    conf = configure(tmp_path, "normalize key_to_label off; normalize number_to_string off;")
    assert run("fmt", "-c", conf, SEED).raw == SEED.read_bytes()


def test_fmt_does_not_judge():
    """What only validation would refuse is printed."""
    assert run("fmt", "-", data=b'{"worker_server_num": 0}').raw == b'{"worker_server_num": 0}'


def test_fmt_refuses():
    """What cannot be normalized without guessing: exit 1 and why."""
    done = run("fmt", "-", data=b'{"parameter": [{"label": "a", "key": "b", "value": "c"}]}')
    assert done.code == 1 and done.raw == b"" and "/parameter/0" in done.err
    assert run("fmt", "-", data=b"{").code == 2


def test_fmt_check(files):
    """The names of the files that need changes; exit 1."""
    done = run("fmt", "--check", files / "good.json", files / "seed.json")
    assert (done.code, done.out) == (1, f"{files / 'seed.json'}\n")
    assert (files / "seed.json").read_bytes() == SEED.read_bytes()
    assert run("fmt", "--check", files / "good.json").code == 0


def test_fmt_patch():
    """An RFC 6902 patch on one line."""
    done = run("fmt", "--patch", SEED)
    patch = json.loads(done.raw)
    assert done.out.count("\n") == 1
    assert [p["op"] for p in patch] == ["test", "move", "test", "replace", "test", "replace"]
    assert json.loads(run("fmt", "--patch", "-", data=GOOD).raw) == []


def test_fmt_in_place(files):
    """Written by rename: same mode, links stay links, what needs no change is not touched."""
    target, link = files / "seed.json", files / "link.json"
    target.chmod(0o640)
    link.symlink_to("seed.json")
    before = {n: (files / n).stat().st_ino for n in ("good.json", "seed.json")}
    with open(target, "rb") as reader:
        assert run("fmt", "--in-place", link, files / "good.json").code == 0
        assert reader.read() == SEED.read_bytes()
    assert target.read_bytes() == REPAIRED and link.is_symlink()
    assert target.stat().st_mode & 0o7777 == 0o640
    assert (files / "good.json").stat().st_ino == before["good.json"]
    assert target.stat().st_ino != before["seed.json"]
    assert not list(files.glob("seed.json.*"))


def test_fmt_in_place_refused(files, stranger):
    """Bad bodies stay as they are; a folder that cannot be written is named; no stdin."""
    for name in ("broken.json", "denied.json"):
        before = (files / name).read_bytes()
        run("fmt", "--in-place", files / name)
        assert (files / name).read_bytes() == before
    assert run("fmt", "--in-place", "-").code == 2
    assert run("fmt", "--in-place", "--check", files / "good.json").code == 2
    folder, start = stranger
    (folder / "seed.json").write_bytes(SEED.read_bytes())
    folder.chmod(0o555)
    done = start("fmt", "--in-place", folder / "seed.json")
    assert done.code == 2 and "cannot be written: Permission denied" in done.err
    assert (folder / "seed.json").read_bytes() == SEED.read_bytes()


# --- explain -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, words", [
    ("type", ["rule", "ModelArts.0107", "lax denies", "mend:", "处理:"]),
    ("slash", ["lax does not look, documented warns, strict denies"]),
    ("key_to_label", ["normalization", '"label"']),
    ("upstream_tls", ["end of a request", "502 ModelArts.4302"]),
    ("obs_path", ["(rule)", "(end of a request)", "400 ModelArts.0404"]),
    ("ModelArts.0105", ["policy", "signed_refused"]),
    ("modelarts.0105", ["policy"]),
    ("0105", ["policy"]),
])
def test_explain(name, words):
    """Rules, normalizations, ends and codes, in both languages."""
    done = run("explain", name)
    assert done.code == 0 and not done.err
    for word in words:
        assert word in done.out
    assert re.search("[\u4e00-\u9fff]", done.out)


@pytest.mark.parametrize("name, nearest", [("slahs", "slash"), ("ModelArts.0106", "ModelArts.01"),
                                           ("xyzzy", None), ("", None)])
def test_explain_unknown(name, nearest):
    """Unknown: the nearest name, exit 2."""
    done = run("explain", name)
    assert done.code == 2 and done.out == "" and f'"{name}"' in done.err
    assert ("did you mean" in done.err) == (nearest is not None)
    assert nearest is None or nearest in done.err


def test_explain_lists_all():
    """Without a name: everything, and each name listed can be explained."""
    out = run("explain").out
    names = re.findall(r"^  ([a-z_]+) ", out, re.M)
    assert len(names) > 60 and {"type", "key_to_label", "policy"} <= set(names)
    done = run("explain", *names)
    assert done.code == 0 and not done.err


def test_every_finding_can_be_explained():
    """Rules that real bodies meet are all known to `explain`."""
    rules = {f["rule"] for level in ("lax", "documented", "strict")
             for b in run("eval", "--output", "json", "--level", level, BODIES).bodies
             for f in b["findings"]}
    assert rules and run("explain", *rules).code == 0
