"""What commands print of texts from outside is safe for terminals, logs and spreadsheets, in every format:
no control characters, no bidirectional overrides, no formulas."""

import csv
import io
import json
import re

import pytest

from command import run

ODD = "=a\x1b[31m\x9b31m\u202e\x85\u2028\u2066\ufeffx"
HAZARD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\u200e\u200f\u061c\ufeff]")
POLICY = """
policy t {{
    rule a {{ at spec_id; max 4; message "M{0}"; }}
    rule b {{ at data_url; prefix /x/; message_zh "{0}"; }}
    rule c {{ at app_url; one_of "{0}"; mode warn; }}
}}
exception E {{ policy t; rule a; match config_name zz; owner "{0}"; ticket "{0}"; expires 2099-01-01; }}
"""
CONFIG = """
upstream u {{ server 127.0.0.1:9; tls off; }}
server {{ listen 127.0.0.1:0; location "/{0}" {{ proxy_pass "{0}"; {0} on; filters "{0}"; }} }}
"""
RULE = {"rule": ODD, "pointer": ODD, "message": ODD, "policy": ODD}
RECORD = {
    "schema": 1, "time": "2026-01-01T00:00:00.000000Z", "stream": "s" + ODD, "seq": 1, "event": "outcome",
    "request_id": ODD, "client.address": ODD, "http.request.method": ODD, "url.path": ODD, "project_id": ODD,
    "config_name": ODD, "principal": ODD, "decision": "deny", "end": ODD, "http.response.status_code": 400,
    "upstream.error_code": ODD, "violations": [RULE], "warnings": [RULE], "chain": "x",
    "patch": [{"op": "test", "path": ODD, "value": ODD}, {"op": "replace", "path": ODD, "value": ODD, "why": ODD},
              {"op": "remove", "path": ODD, "was": ODD, "why": ODD}],
    "policy.results": [RULE | {"result": "fail", "mode": ODD, "exception": ODD, "owner": ODD, "ticket": ODD}],
}


@pytest.fixture
def odd(tmp_path):
    """A folder with a body, a policy, its cases, a configuration and a log, full of ODD."""
    body = {"worker_server_num": 9, "spec_id": ODD, "data_url": ODD, "app_url": ODD, "user_command": ODD, ODD: 1,
            "parameter": [{"label": ODD, "value": ODD}]}
    (tmp_path / f"b{ODD}.json").write_text(json.dumps(body, ensure_ascii=False).replace("\x1b", "\\u001b"))
    (tmp_path / "raw.json").write_text(f'{{"spec_id": "{ODD}"}}')
    (tmp_path / "p.conf").write_text(POLICY.format(ODD))
    (tmp_path / "p.test.conf").write_text(f'case "{ODD}" {{ body "b{ODD}.json"; expect deny; }}\n'
                                          f'case "c{ODD}" {{ body "{ODD}"; expect deny t.a; }}\n')
    (tmp_path / "c.conf").write_text(CONFIG.format(ODD))
    events = [RECORD, RECORD | {"event": "start", "version": ODD, "mode": ODD, "instance": ODD},
              RECORD | {"event": "configuration", "asked_by": ODD, "result": ODD, "problem": ODD}]
    (tmp_path / "log").write_text("\n".join([*map(json.dumps, events), f"noise{ODD}", f"{{{ODD}", ""]))
    (tmp_path / f"log{ODD}").write_text((tmp_path / "log").read_text())
    (tmp_path / f"cases{ODD}").mkdir()
    for name in ("p.conf", "p.test.conf"):
        (tmp_path / f"cases{ODD}" / name).write_text((tmp_path / name).read_text())
    return tmp_path


FORMATS = {"eval": ["text", "json", "github", "sarif", "junit"], "test": ["text", "junit"],
           "replay": ["text", "json", "junit"], "audit show": ["text", "csv"], "audit summary": ["text", "json", "csv"]}
COMMANDS = [[*command.split(), "--output", output, *rest] for command, rests in {
    "eval": [[f"b{ODD}.json"], ["--policy", "p.conf", "--trace", f"b{ODD}.json", "raw.json"], [f"no{ODD}"]],
    "test": [["."], ["--policy"]], "replay": [["--policy", "p.conf", "log"], ["--policy", ODD, ODD]],
    "audit show": [["log"], [ODD]], "audit summary": [["log"], [ODD]],
}.items() for output in [*FORMATS[command], ODD] for rest in rests]
COMMANDS += [[*words, ODD] for words in [
    [], ["help"], ["explain"], ["-t", "-c"], ["-T", "-c"], ["-s"], ["-t", "-p"], ["audit"], ["audit", "verify"],
    ["audit", "verify", "--key-file"], ["audit", "show", "--since"], ["audit", "show", "--tail"],
    ["audit", "show", "--decision"], ["fmt"], ["fmt", "--patch"], ["fmt", "--in-place"], ["eval", "--level"],
    ["eval", "--project"], ["eval", "--location"], ["eval", "--policy"], ["eval", "-c"], ["test"],
    ["key"], ["key", "list"], ["key", "disable", "log"], ["key", "new", "--principal"], ["key", "new", "--output"],
    ["sign"], ["sign", "--explain", "log", "--keys"], ["sign", "--at"], ["policy"], ["policy", "verify", "--key"],
    ["policy", "sign", "--expires"], ["catalogue"], ["catalogue", "fetch", "-c"], ["catalogue", "fetch", "--project"]]]
COMMANDS += [[*words, f"{dash}{ODD}"] for dash in ("-", "--", "--policy", "--help=", "-h")
             for words in ([], ["eval"], ["fmt"], ["test"], ["replay"], ["explain"], ["audit", "show"], ["key", "new"],
                           ["key", "list"], ["sign"], ["policy", "verify"], ["catalogue", "fetch"])]
COMMANDS += [[*words, f"log{ODD}"] for words in (["audit", "verify"], ["audit", "show"], ["replay", "--policy", "p.conf"])]
COMMANDS += [["test", "--coverage", "--output", output, f"cases{ODD}"] for output in ("text", "junit")]
COMMANDS += [["-t", "-c", "c.conf"], ["audit", "verify", "log"], ["fmt", "--patch", "raw.json"]]


@pytest.mark.parametrize("args", COMMANDS, ids=lambda a: " ".join(a).encode("ascii", "replace").decode())
def test_nothing_acts_on_a_terminal(odd, args):
    done = run(*args, cwd=odd)
    for text in done.out, done.err:
        assert not HAZARD.search(text.replace("\r\n", "\n")), ascii(text)
    assert done.out or done.err


@pytest.mark.parametrize("value, shown", [
    ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@a", "'@a"), ("\t=1", "' =1"), (" \n-1", "'  -1"),
    ("\uff1d1", "'\uff1d1"), ("\uff0b1", "'\uff0b1"), ("\uff0d1", "'\uff0d1"), ("\uff201", "'\uff201"),
    ("a=1", "a=1"), ("'=1", "'=1"), ("-", "-"), ("", ""), ('"a"', '"a"'), ("a\x1b[1m\x9bb", "a\ufffd[1m\ufffdb"),
    ("a\r\nb", "a  b"), ("Ümläut", "Ümläut")])
def test_cells_of_spreadsheets(tmp_path, value, shown):
    (tmp_path / "log").write_text(json.dumps(RECORD | {"config_name": value, "end": value}) + "\n")
    rows = run("audit", "show", "--output", "csv", tmp_path / "log").out
    [row] = csv.DictReader(io.StringIO(rows, newline=""))
    assert row["config_name"] == shown
    rows = run("audit", "summary", "--output", "csv", tmp_path / "log").out
    assert "\n" in value or shown in [row["end"] for row in csv.DictReader(io.StringIO(rows, newline=""))]


@pytest.mark.parametrize("args, why", [
    (["eval", "--polcy", "x"], 'trainguard eval: unknown option "--polcy", did you mean "--policy"?'),
    (["eval", "-x"], 'trainguard eval: unknown option "-x"'),
    (["eval", "--policy"], 'trainguard eval: option "--policy" needs a value'),
    (["fmt", "--check=1"], 'trainguard fmt: option "--check=1" takes no value'),
    (["audit", "verify", "--key-fil"], 'trainguard audit verify: option "--key-fil" needs a value'),
    (["audit", "show", "--key-file", "x"], "trainguard audit show: an option of another command: --key-file"),
    (["replay", "--since"], 'trainguard replay: option "--since" needs a value'),
    (["key", "new", "--princpal", "x"], 'trainguard key new: unknown option "--princpal", did you mean "--principal"?'),
    (["sign", "--key"], 'trainguard sign: option "--key" needs a value'),
    (["catalogue", "fetch", "-x"], 'trainguard catalogue: unknown option "-x"'),
    (["-tx"], 'trainguard: unknown option "-tx"'), (["-c"], 'trainguard: option "-c" needs a value'),
    (["--vers"], None), (["--versoin"], 'trainguard: unknown option "--versoin", did you mean "--version"?')])
def test_wrong_options(args, why):
    done = run(*args)
    assert done.code == (0 if why is None else 2 if args[0][0] != "-" else done.code)
    assert why is None or done.err.splitlines()[0] == why
