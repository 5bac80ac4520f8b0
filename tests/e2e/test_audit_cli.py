"""`trainguard audit`: the chain is written here a second time, from its description alone."""

import csv
import datetime
import hashlib
import hmac
import io
import json
import os
import subprocess

import pytest

TRAINGUARD = os.environ.get("TRAINGUARD", "trainguard")
KEY = b"0123456789abcdef0123456789abcdef"
ZEROS = "0" * 64


def digest(key, data):
    if key:
        return hmac.new(key, data, hashlib.sha256).hexdigest()
    return hashlib.sha256(data).hexdigest()


class Stream:
    """A stream of records as a worker writes them."""

    def __init__(self, name, key=None, previous=None):
        self.name, self.key, self.seq, self.chain, self.lines = name, key, 0, ZEROS, []
        start = {"version": "0.1.0", "pid": 1, "mode": "blocking"} | self.algorithm()
        if previous:
            start |= {"previous.stream": previous.name, "previous.seq": previous.seq,
                      "previous.chain": previous.chain}
        self.add("start", **start)

    def algorithm(self):
        if not self.key:
            return {"chain_algorithm": "sha256"}
        return {"chain_algorithm": "hmac-sha256",
                "chain_key_id": digest(self.key, b"trainguard audit key id")[:16]}

    def line(self, event, seq, chain, members):
        record = {"time": f"2026-01-02T03:04:{seq % 60:02}.000000Z", "stream": self.name,
                  "seq": seq, "event": event} | members
        text = json.dumps(record, separators=(",", ":"))[:-1]
        chain = digest(self.key, chain.encode() + text.encode())
        return f'{text},"chain":"{chain}"}}', chain

    def add(self, event="outcome", **members):
        self.seq += 1
        line, self.chain = self.line(event, self.seq, self.chain, members)
        self.lines.append(line)
        return self

    def next_file(self):
        """The record a stream begins another file with; it does not move the chain."""
        members = self.algorithm() | {"previous.chain": self.chain}
        return self.line("continue", self.seq, self.chain, members)[0]

    def records(self, n):
        for i in range(n):
            self.add(request_id=f"r{i}", decision="allow", end="done")
        return self

    def stop(self):
        return self.add("stop", records=self.seq - 1)


def audit(*arguments, stdin=None):
    return subprocess.run([TRAINGUARD, "audit", *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, timeout=20)


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    return path


def test_an_intact_log_verifies(log):
    run = audit("verify", write(log, Stream("0-a").records(5).stop().lines))
    assert (run.returncode, run.stdout) == (
        0, "7 lines, 1 streams, 0 problems: the log is intact (no key)\n")


def swap(lines, a, b):
    lines[a], lines[b] = lines[b], lines[a]


TAMPERING = {
    "changed": (lambda s: s.__setitem__(3, s[3].replace('"allow"', '"deny"')), 4, "changed:"),
    "changed start": (lambda s: s.__setitem__(0, s[0].replace("0.1.0", "0.1.1")), 1, "changed:"),
    "removed": (lambda s: s.pop(3), 4, "removed: before this line, 1 "),
    "two removed": (lambda s: (s.pop(3), s.pop(3)), 4, "removed: before this line, 2 "),
    "beginning removed": (lambda s: s.pop(0), 1, "removed: the beginning"),
    "moved": (lambda s: swap(s, 3, 4), 4, "moved: the line with seq 4 "),
    "copied": (lambda s: s.insert(4, s[2]), 5, "inserted: seq 3 "),
    "inserted": (lambda s: s.insert(4, '{"a":1}'), 5, "inserted: not a line"),
    "empty line": (lambda s: s.insert(4, ""), 5, "inserted: an empty line"),
    "cut off": (lambda s: s.__setitem__(3, s[3][:60]), 4, "truncated: the end of the line"),
    "behind the end": (lambda s: s.append(s[-1].replace('"seq":7', '"seq":8')), 8,
                       "inserted: behind the stop record"),
}


@pytest.mark.parametrize("case", TAMPERING)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "keyed"])
def test_the_first_bad_line_is_named(log, key_file, case, key):
    tamper, number, text = TAMPERING[case]
    stream = Stream("0-a", key).records(5).stop()
    tamper(stream.lines)
    options = ["--key-file", key_file] if key else []
    run = audit("verify", *options, write(log, stream.lines))
    assert run.returncode == 1
    assert run.stdout.startswith(f"{log}:{number}: {text}"), run.stdout


def test_a_crash_is_told_from_a_cut(log):
    first = Stream("0-a").records(5)
    second = Stream("0-b", previous=first).stop()
    run = audit("verify", write(log, first.lines + second.lines))
    assert run.returncode == 0 and "note: crash: the stream 0-a" in run.stdout
    run = audit("verify", write(log, first.lines[:-1] + second.lines))
    assert run.returncode == 1
    assert f"{log}:6: truncated: the stream 0-a had 6 lines" in run.stdout


def test_an_open_end_is_a_problem_when_asked(log):
    write(log, Stream("0-a").records(2).lines)
    assert audit("verify", log).returncode == 0
    assert audit("verify", "--closed", log).returncode == 1


def test_a_line_torn_by_a_power_cut_is_no_tampering(log):
    first = Stream("0-a").records(3)
    second = Stream("0-b", previous=first).stop()
    torn = first.add(request_id="lost").lines.pop()[:50]
    run = audit("verify", write(log, first.lines + [torn] + second.lines))
    assert run.returncode == 0 and "note: torn by a crash" in run.stdout
    log.write_text("\n".join(first.lines) + "\n" + torn)
    run = audit("verify", log)
    assert run.returncode == 0 and "ends within a line" in run.stdout


def test_a_repaired_torn_line_verifies(log):
    stream = Stream("0-a").records(3).stop()
    stream.lines[2] = " " * 40 + stream.lines[2]
    assert audit("verify", write(log, stream.lines)).returncode == 0


def rotated(log, streams_continue=True):
    """Two workers over three files."""
    a, b = Stream("0-a").records(3), Stream("1-b").records(3)
    files = [[x for pair in zip(a.lines, b.lines) for x in pair]]
    for _ in range(2):
        more = [a.next_file(), b.next_file()] if streams_continue else []
        del a.lines[:], b.lines[:]
        a.records(3), b.records(3)
        files.append(more + a.lines + b.lines)
    a.stop(), b.stop()
    files[-1] += [a.lines[-1], b.lines[-1]]
    names = [log.with_name(log.name + end) for end in (".2", ".1", "")]
    for name, lines in zip(names, files):
        write(name, lines)
    return names


def test_a_chain_runs_across_rotated_files(log):
    names = rotated(log)
    assert audit("verify", *reversed(names)).returncode == 0
    run = audit("verify", *names[1:])
    assert run.returncode == 0 and "continues the stream 0-a from a file" in run.stdout


def test_a_missing_rotated_file_is_noticed(log):
    names = rotated(log)
    run = audit("verify", names[0], names[2])
    assert run.returncode == 1
    assert f"{names[2]}:1: removed: the stream 0-a goes on behind seq 7" in run.stdout


def test_a_missing_continue_record_is_noticed(log):
    names = rotated(log, streams_continue=False)
    assert audit("verify", *names).returncode == 1
    assert audit("verify", names[2]).returncode == 1


def test_a_missing_stream_is_noticed(log):
    first = Stream("0-a").stop()
    second = Stream("0-b", previous=first).stop()
    third = Stream("0-c", previous=second).stop()
    write(log.with_name("audit.jsonl.1"), first.lines)
    write(log, third.lines)
    run = audit("verify", log, log.with_name("audit.jsonl.1"))
    assert run.returncode == 1 and "removed: the stream 0-b" in run.stdout


def test_a_chain_without_the_key_does_not_pass(log, key_file):
    write(log, Stream("0-a").stop().lines)
    run = audit("verify", "--key-file", key_file, log)
    assert run.returncode == 1 and "has no key" in run.stdout
    write(log, Stream("0-a", KEY).stop().lines)
    run = audit("verify", log)
    assert run.returncode == 2 and "give --key-file" in run.stderr
    key_file.write_bytes(b"another key of some length")
    run = audit("verify", "--key-file", key_file, log)
    assert run.returncode == 2 and "has another key" in run.stderr


@pytest.mark.parametrize("arguments, word", [
    ([], ""), (["frobnicate"], ""), (["verify"], "no file"), (["show", "--nope", "x"], "--nope"),
    (["show", "--output", "xml", "x"], '"xml"'), (["show", "--since"], "--since"),
    (["show", "--key-file", "x", "y"], "--key-file"), (["verify", "--follow", "x"], "--follow"),
    (["summary", "--decision", "maybe", "x"], '"maybe"'),
    (["show", "--since", "yesterday", "x"], '"yesterday"'),
    (["show", "--since", "2026-13-01", "x"], '"2026-13-01"'),
    (["show", "--since", "2026-01-01+08:00", "x"], '"2026-01-01+08:00"'),
    (["show", "--until", "7y", "x"], '"7y"'), (["show", "--until", "", "x"], '""')])
def test_wrong_usage(arguments, word):
    run = audit(*arguments)
    assert run.returncode == 2 and not run.stdout
    *said, where = run.stderr.splitlines()
    assert word in said[0] and where == "`trainguard audit --help` tells how it is used"


def test_a_file_that_is_not_there():
    run = audit("verify", "/nowhere")
    assert run.returncode == 2 and "/nowhere: No such file" in run.stderr and not run.stdout


@pytest.fixture
def three(log):
    stream = Stream("0-a")
    stream.add(request_id="r1", decision="allow", end="done", project_id="p1", config_name="c1",
               **{"http.response.status_code": 200, "url.path": "/v1/p1/x\x1b[31m\x9b31m\u202e",
                  "patch": [{"op": "test", "path": "/spec_id", "value": "7"},
                            {"op": "replace", "path": "/spec_id", "value": 7,
                             "why": "string_to_integer"}]})
    stream.add(request_id="r2", decision="deny", end="policy", project_id="p1", config_name="c2",
               principal="AK1",
               violations=[{"pointer": "/spec_id", "rule": "spec", "policy": "team",
                            "code": "ModelArts.0105", "message": "=no \"such\" spec"}])
    stream.add(request_id="r3", decision="allow", end="done", project_id="p2", config_name="c3",
               exceptions=["EXC-1"],
               **{"policy.results": [{"policy": "team", "rule": "workers", "result": "fail",
                                      "mode": "dryrun"}]})
    return write(log, stream.stop().lines)


@pytest.mark.parametrize("options, ids", [
    (["--decision", "deny"], ["r2"]),
    (["--project", "p1"], ["r1", "r2"]),
    (["--config", "c3"], ["r3"]),
    (["--principal", "AK1"], ["r2"]),
    (["--rule", "spec"], ["r2"]),
    (["--rule", "workers"], ["r3"]),
    (["--rule", "team.workers"], ["r3"]),
    (["--rule", "teamXworkers"], []),
    (["--since", "2026-01-02T03:04:03", "--until", "2026-01-02T03:04:04"], ["r2"]),
    (["--since", "2026-01-02T03:04:03Z", "--until", "2026-01-02T03:04:04Z"], ["r2"]),
    (["--since", "2026-01-02 03:04:03.0", "--until", "2026-01-02t03:04:03.5z"], ["r2"]),
    (["--since", "2026-01-02T11:04:03+08:00", "--until", "2026-01-01T22:04:04-05:00"], ["r2"]),
    (["--since", "2026", "--decision", "deny"], ["r2"]),
    (["--until", "2026-01-02"], []),
    (["--project", "p1", "--decision", "allow"], ["r1"]),
])
def test_show_filters(three, options, ids):
    run = audit("show", "--output", "json", *options, three)
    assert [json.loads(line)["request_id"] for line in run.stdout.splitlines()] == ids


@pytest.mark.parametrize("span, seen", [("1h", "c"), ("90m", "c"), ("2d", "bc"), ("1w", "abc"),
                                        ("7200s", "c")])
def test_the_last_days(log, span, seen):
    now = datetime.datetime.now(datetime.timezone.utc)
    write(log, [json.dumps({"time": (now - datetime.timedelta(hours=h)).strftime("%FT%T.%fZ"),
                            "event": "outcome", "decision": "allow", "end": name})
                for name, h in (("a", 100), ("b", 5), ("c", 0))])
    rows = csv.DictReader(io.StringIO(audit("show", "--output", "csv", "--since", span, log).stdout))
    assert "".join(r["end"] for r in rows) == seen
    assert json.loads(audit("summary", "--output", "json", "--since", span,
                            log).stdout)["requests"] == len(seen)


def test_a_violation_of_the_whole_body_has_no_place(log):
    stream = Stream("0-a")
    stream.add(request_id="r1", decision="invalid", end="not_json",
               violations=[{"pointer": "", "rule": "json", "message": "a value must stand here"}])
    run = audit("show", write(log, stream.lines))
    assert "    json: a value must stand here\n" in run.stdout


def test_show_prints_for_people(three):
    run = audit("show", three)
    assert run.returncode == 0
    assert "allow 200" in run.stdout and "spec of team at /spec_id" in run.stdout
    assert '    - /spec_id: "7"\n    + /spec_id: 7  (string_to_integer)\n' in run.stdout
    assert "start version=0.1.0 mode=blocking stream=0-a seq=1\n" in run.stdout
    assert "stop records=3 stream=0-a seq=5\n" in run.stdout
    assert not {"\x1b", "\x9b", "\u202e"} & set(run.stdout)


def test_show_tells_every_change(log):
    stream = Stream("0-a").add(decision="allow", end="done", patch=[
        {"op": "test", "path": "/a", "value": None}, {"op": "remove", "path": "/a", "why": "gone"},
        {"op": "remove", "path": "/secret", "why": "gone"},
        {"op": "test", "path": "/b", "value": 1},
        {"op": "move", "from": "/b", "path": "/c", "why": "name"},
        {"op": "add", "path": "/d", "value": "hmac-sha256:00", "why": "more"}])
    run = audit("show", write(log, stream.add("dropped", count=7).lines))
    assert [line[4:] for line in run.stdout.splitlines() if line.startswith("    ")] == [
        "- /a: null  (gone)", "- /secret  (gone)", "- /b: 1", "> /c  (name)",
        '+ /d: "hmac-sha256:00"  (more)']
    assert " dropped count=7 " in run.stdout


def test_show_csv_has_no_formulas(log):
    write(log, Stream("0-a").add(config_name="=cmd()", **{"url.path": 'a"b'}).stop().lines)
    rows = list(csv.DictReader(io.StringIO(audit("show", "--output", "csv", log).stdout)))
    assert rows[1]["config_name"] == "'=cmd()" and rows[1]["url.path"] == 'a"b'


def test_show_tells_of_lines_that_are_none(log):
    write(log, ["nonsense"])
    run = audit("show", log)
    assert run.returncode == 1 and f"{log}:1: not a record" in run.stderr


def test_show_reads_standard_input(three):
    run = audit("show", "--output", "json", "-", stdin=three.read_text())
    assert len(run.stdout.splitlines()) == 5


def test_show_follows_across_a_rotation(log):
    stream = Stream("0-a").records(1)
    write(log, stream.lines)
    with subprocess.Popen([TRAINGUARD, "audit", "show", "--output", "json", "--follow", log],
                          stdout=subprocess.PIPE, text=True) as child:
        seen = [child.stdout.readline() for _ in range(2)]
        stream.records(1)
        with log.open("a") as file:
            file.write(stream.lines[-1] + "\n")
        seen.append(child.stdout.readline())
        log.rename(log.with_name("audit.jsonl.1"))
        write(log, [stream.records(1).lines[-1]])
        seen.append(child.stdout.readline())
        child.terminate()
    assert [json.loads(line)["seq"] for line in seen] == [1, 2, 3, 4]


def test_summary_counts(three):
    run = audit("summary", "--output", "json", three)
    tables = json.loads(run.stdout)
    assert tables["requests"] == 3
    assert {"count": 2, "decision": "allow"} in tables["decisions"]
    assert tables["violations and warnings"] == [
        {"count": 1, "rule": "spec", "pointer": "/spec_id"}]
    assert tables["normalizations"] == [{"count": 1, "name": "string_to_integer"}]
    assert tables["exceptions used"] == [{"count": 1, "exception": "EXC-1"}]


def test_summary_tells_whom_a_dry_run_would_refuse(three):
    run = audit("summary", three)
    assert "would be refused if dry runs were enforced" in run.stdout
    head, row = run.stdout.split("enforced\n")[1].splitlines()[:2]
    assert row.split() == ["1", "team", "workers", "p2", "c3", "-"]
    assert [head.index(w) for w in ("policy", "rule", "project", "config", "principal")] == \
        [row.index(w) for w in ("team", "workers", "p2", "c3", "-")]


def test_summary_csv_is_one_table(log):
    write(log, Stream("0-a").add(decision="allow", end="done", project_id='=cmd("x")').lines)
    rows = list(csv.reader(io.StringIO(audit("summary", "--output", "csv", log).stdout)))
    assert rows[0] == ["table", "count", "1", "2", "3", "4", "5"]
    assert {len(r) for r in rows} == {7}
    assert ["projects", "1", "'=cmd(\"x\")", "allow", "", "", ""] in rows


def test_summary_tells_its_span(three):
    assert audit("summary", three).stdout.startswith(
        "3 requests from 2026-01-02T03:04:02.000000Z to 2026-01-02T03:04:04.000000Z\n")
