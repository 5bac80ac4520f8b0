"""`trainguard audit`: the chain is written here a second time, from its description alone."""

import csv
import datetime
import gzip
import hashlib
import hmac
import io
import json
import os
import pathlib
import random
import re
import subprocess

import pytest

from gateway import sanitized

TRAINGUARD = os.environ.get("TRAINGUARD", "trainguard")
KEY = b"0123456789abcdef0123456789abcdef"
ZEROS = "0" * 64
POLICIES = pathlib.Path(__file__).parents[2] / "conf/policies"


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


def test_what_a_start_says_is_kept_however_long_the_log_goes_on(log):
    """The stream before it is looked up at the end, when the line is not in memory any more."""
    first = Stream("0-first").records(2000).stop()
    second = Stream("0-second", previous=first).records(2000).stop()
    run = audit("verify", write(log, first.lines + second.lines))
    assert (run.returncode, run.stdout) == (
        0, "4004 lines, 2 streams, 0 problems: the log is intact (no key)\n")


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


def test_a_stream_is_named_long_before_it_is_looked_for(log):
    """What start records say is judged when all lines have been read, much later."""
    first = Stream("0-a").records(2000)
    second = Stream("0-b", previous=first).records(2000).stop()
    write(log, first.lines + second.lines)
    run = audit("verify", log)
    assert run.returncode == 0 and "note: crash: the stream 0-a" in run.stdout, run.stdout
    write(log, first.lines[:-1] + second.lines)
    run = audit("verify", log)
    assert run.returncode == 1
    assert "truncated: the stream 0-a had 2001 lines when this one began" in run.stdout, run.stdout


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


def rotate_keys(log, tmp_path):
    """A log whose second stream has another key; the files of both keys."""
    other = b"fedcba9876543210fedcba9876543210"
    first = Stream("0-a", KEY).records(3).stop()
    second = Stream("0-b", other, previous=first).records(3).stop()
    for name, key in ("old", KEY), ("new", other):
        (tmp_path / name).write_bytes(key)
    write(log, first.lines + second.lines)
    return tmp_path / "old", tmp_path / "new"


def test_a_key_is_chosen_by_its_id(log, tmp_path):
    old, new = rotate_keys(log, tmp_path)
    for keys in ((old, new), (new, old)):
        run = audit("verify", "--key-file", keys[0], "--key-file", keys[1], log)
        assert run.returncode == 0 and "intact" in run.stdout
    run = audit("verify", "--key-file", new, log)
    assert run.returncode == 2 and "another key" in run.stderr and not run.stdout
    log.write_text(log.read_text().replace('"r1"', '"r7"'))
    run = audit("verify", "--key-file", old, "--key-file", new, log)
    assert run.returncode == 1 and run.stdout.count("changed:") == 2


def test_files_in_one(log):
    """`cat a.2 a.1 a`: continue records stand within the file, and say the same as the chain."""
    names = rotated(log)
    lines = [line for name in names for line in name.read_text().splitlines()]
    run = audit("verify", write(log, lines))
    assert run.returncode == 0 and "intact" in run.stdout
    for i, line in enumerate(lines):
        left = lines[:i] + lines[i + 1:]
        fine = '"continue"' in line or '"stop"' in line
        assert audit("verify", write(log, left)).returncode == (0 if fine else 1), line


def test_streams_of_many_gateways_in_one(log):
    """As a shipper mixes them, a stream whole in itself."""
    streams = [Stream(f"0-{i}").records(4).stop() for i in range(5)]
    lines = [line for same in zip(*(s.lines for s in streams)) for line in same]
    assert audit("verify", write(log, lines)).returncode == 0
    del lines[12]
    run = audit("verify", write(log, lines))
    assert run.returncode == 1 and run.stdout.count("removed:") == 1


def test_stored_lines_have_no_order(log):
    """A database gives lines back sorted by something, some twice; one that is gone is found."""
    names = rotated(log)
    lines = sorted(line for name in names for line in name.read_text().splitlines())
    lines.append(lines[3])
    run = audit("verify", "--stored", write(log, lines))
    assert run.returncode == 0 and "1 lines are there more than once\n" in run.stdout
    assert audit("verify", log).returncode == 1
    gone = next(i for i, line in enumerate(lines) if '"seq":3' in line)
    run = audit("verify", "--stored", write(log, lines[:gone] + lines[gone + 1:]))
    assert run.returncode == 1 and "removed: before this line, 1 " in run.stdout


def untsv(cell):
    """A cell as ClickHouse reads it."""
    marks = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\\": "\\", "'": "'"}
    return re.sub(r"\\(.)", lambda m: marks[m[1]], cell)


def test_columns(log):
    """A line per record, the record last; what clients and rules are called breaks no cell."""
    nasty = "\t\\N\n\r'\0\b\f中"
    stream = Stream("0-a").add(
        request_id=nasty, project_id="p", config_name="c", decision="deny", end="policy", duration_us=7,
        principal="AK", violations=[{"rule": "type"}, {"policy": "team", "rule": "it's\\"}],
        limits=[{"rule": "slow", "result": "refuse"}, {"rule": "few", "result": "would_refuse"}],
        **{"http.request.method": "PUT", "http.response.status_code": 403, "user.name": "me",
           "policy.results": [{"policy": "team", "rule": "on trial", "result": "fail", "mode": "dryrun"},
                              {"policy": "team", "rule": "r", "result": "fail", "mode": "deny"}]})
    stream.add(**{"http.request.method": "PUT", "upstream.status_code": 200, "request_id": "ok"})
    path = write(log, ["a line of another program", "  " + stream.lines[0], *stream.lines[1:], "{torn"])
    run = audit("columns", path)
    assert (run.returncode, run.stderr) == (1, f"trainguard audit: {path}:5: not a record\n")
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    assert {len(row) for row in rows} == {25}
    assert [untsv(row[-1]) for row in rows] == stream.lines
    assert rows[0][:5] == ["0-a", "1", "start", "1767323041", "0"]
    assert untsv(rows[1][6]) == nasty and rows[1][7:10] == ["p", "c", "PUT"]
    assert rows[1][13:24] == ["AK", "me", "", "deny", "policy", "403", "0", "7", "0",
                              "['type','team.it\\'s\\\\','slow']", "['team.on trial','few']"]
    assert rows[2][6] == "ok" and rows[2][21] == "1"
    assert audit("columns", "--id", "ok", log).stdout.split("\t")[1] == "3"


def stored_lines(n=4):
    """Lines of some streams with rotations, as their workers wrote them."""
    lines = []
    for i in range(n):
        first = Stream(f"{i}-a").records(3)
        lines += first.lines + [first.next_file()]
        first.lines = []
        first.records(3)
        lines += first.lines + [first.next_file()]
        first.lines = []
        first.records(2).stop()
        lines += first.lines
        lines += Stream(f"{i}-b", previous=first).records(5).lines
    return lines


@pytest.mark.parametrize("seed", range(6))
def test_stored_lines_in_any_order(log, seed):
    """Shuffled, each line once or more often: as good as the files; memory or not."""
    lines, rng = stored_lines(), random.Random(seed)
    mixed = lines + rng.choices(lines, k=40)
    rng.shuffle(mixed)
    run = audit("verify", "--stored", write(log, mixed))
    assert (run.returncode, run.stdout.splitlines()[-2:]) == (0, [
        "40 lines are there more than once",
        f"{len(lines)} lines, 8 streams, 0 problems: the log is intact (no key)"]), run.stdout


def altered(line):
    return line.replace('"allow"', '"deny"')


STORED = {
    "removed": (lambda one, s: s.remove(one), "removed: before this line, 1 of the stream 2-a "),
    "changed": (lambda one, s: s.__setitem__(s.index(one), altered(one)), "changed: the line does"),
    "a changed copy": (lambda one, s: s.append(altered(one)), "inserted: seq 5 "),
    "a changed copy first": (lambda one, s: s.insert(0, altered(one)), "changed: the line does"),
    "no beginning": (lambda one, s: s.remove(next(x for x in s if '"2-a","seq":1,' in x)),
                     "removed: the beginning of the stream 2-a"),
    "a forged continue": (lambda one, s: s.append(Stream("2-a").next_file().replace(
        '"seq":1', '"seq":2')), "changed: the line does not fit"),
}


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_stored_lines_that_were_touched(log, how, seed):
    """What was done to a line is found in any order of the lines."""
    lines = stored_lines()
    one = next(x for x in lines if '"2-a","seq":5,"event":"outcome"' in x)
    STORED[how][0](one, lines)
    if seed is not None and how != "a changed copy first":
        random.Random(seed).shuffle(lines)
    run = audit("verify", "--stored", write(log, lines))
    words = {STORED[how][1], "changed: the line does"} if "copy" in how else {STORED[how][1]}
    assert run.returncode == 1 and any(w in run.stdout for w in words), run.stdout


def test_stored_lines_cannot_be_kept(log, tmp_path):
    """Without a place for what waits nothing is judged; lines in their order need none."""
    lines = stored_lines()
    for order, code in ((lines, 0), (lines[::-1], 2)):
        done = subprocess.run([TRAINGUARD, "audit", "verify", "--stored", write(log, order)],
                              env=os.environ | {"TMPDIR": str(tmp_path / "gone")}, text=True,
                              capture_output=True, timeout=20, check=False)
        assert done.returncode == code, done.stderr
    assert done.stderr == ("trainguard audit: lines that wait for others cannot be kept: "
                           f"{tmp_path}/gone: No such file or directory\n")


def head_of(line, **other):
    record = json.loads(line)
    return json.dumps({k: record[k] for k in ("time", "stream", "seq", "chain")} | other)


def test_heads_show_a_cut(log, tmp_path):
    """A cut tail, a stream that is gone, a log written anew; heads of before do no harm."""
    lines, heads = Stream("0-a").records(6).lines, tmp_path / "heads"
    verify = ["verify", "--heads", heads, log]
    write(log, lines)
    write(heads, [head_of(lines[2]), "", head_of(lines[-1]), head_of(lines[2])])
    for more in [], ["--stored"]:
        run = audit(*verify, *more)
        assert run.returncode == 0, run.stdout
    write(log, lines[:-1])
    run = audit(*verify)
    assert run.returncode == 1 and run.stdout.splitlines()[0] == (
        f"{heads}:3: truncated: the stream 0-a had 7 lines, its last one here is line 6 of {log} "
        "with seq 6")
    write(log, Stream("0-b").records(6).lines)
    run = audit(*verify)
    assert run.returncode == 1 and (
        f"{heads}:3: removed: the stream 0-a, which had 7 lines" in run.stdout.splitlines())
    write(log, Stream("0-a").add("forged").records(6).lines)
    run = audit(*verify)
    assert run.returncode == 1 and (
        f"{log}:3: changed: the line is not the head of its stream in {heads}:1" in run.stdout)


@pytest.mark.parametrize("line", ["{}", "x", '{"stream":"0-a","seq":-1,"chain":"' + ZEROS + '"}',
                                  '{"stream":"0-a","seq":1,"chain":"00"}'])
def test_heads_that_are_none(log, tmp_path, line):
    write(log, Stream("0-a").lines)
    run = audit("verify", "--heads", write(tmp_path / "heads", [line]), log)
    assert (run.returncode, run.stderr) == (
        2, f"trainguard audit: {tmp_path}/heads:1: is no head of a stream: stream, seq and chain\n")


@pytest.mark.parametrize("ends", [(".2.gz", ".1.gz", ""), ("-20260101.gz", "-20260102.gz", "")])
def test_packed_files(log, ends):
    plain = rotated(log)
    names = [log.with_name("packed.jsonl" + end) for end in ends]
    for name, of in zip(names, plain):
        data = of.read_bytes()
        name.write_bytes(gzip.compress(data) if name.suffix == ".gz" else data)
    for order in names, names[::-1]:
        run = audit("verify", *order)
        assert run.returncode == 0 and "intact" in run.stdout, run.stdout
    for command in "show", "summary":
        whole = audit(command, "--output", "json", *plain)
        assert audit(command, "--output", "json", *names).stdout == whole.stdout != ""


@pytest.mark.parametrize("data, word", [
    (gzip.compress(b"x" * 100000)[:-20], "damaged"), (b"\xfd7zXZ\0\0", "unpack it first"),
    (b"\x28\xb5\x2f\xfd\0", "unpack it first"), (b"BZh91AY", "unpack it first")],
    ids=["gzip", "xz", "zstd", "bzip2"])
@pytest.mark.parametrize("command", ["verify", "show", "summary", "replay"])
def test_what_cannot_be_read_is_not_judged(log, tmp_path, data, word, command):
    log.write_bytes(data)
    policy = tmp_path / "policy.conf"
    policy.write_text("policy p { rule r { at spec_id; max 4; } }")
    arguments = ["replay", "--policy", policy] if command == "replay" else ["audit", command]
    run = subprocess.run([TRAINGUARD, *map(str, arguments), str(log)], capture_output=True,
                         text=True, timeout=20)
    assert run.returncode == 2 and word in run.stderr
    assert "intact" not in run.stdout


def test_lines_of_other_programs_stand_between(log):
    """`kubectl logs` has the error log in it; a torn record is found all the same."""
    stream = Stream("0-a").records(3).stop()
    lines = [line for record in stream.lines for line in ("2026-01-02 [notice] words", record, "")]
    run = audit("verify", write(log, lines))
    assert run.returncode == 0 and "10 lines are none of an audit log\n5 lines" in run.stdout
    run = audit("show", log)
    assert run.returncode == 0 and not run.stderr and run.stdout.count("allow") == 3
    assert audit("summary", log).returncode == 0
    lines[4] = lines[4][:50]
    run = audit("verify", write(log, lines))
    assert run.returncode == 1 and f"{log}:5: truncated" in run.stdout


@pytest.mark.parametrize("begin, last", [
    (b"\0", "5 lines, 1 streams, 0 problems: the log is intact (no key)"), (b"[", "5 lines, 1 streams, 0 problems: the log is intact (no key)"),
    (b"{", "5 lines, 1 streams, 1 problem")], ids=["zeros", "bracket", "brace"])
def test_a_line_without_end(log, begin, last):
    """What a power cut may leave behind the records: memory does not grow with it."""
    write(log, Stream("0-a").records(3).stop().lines)
    size = log.stat().st_size
    with open(log, "r+b") as file:
        file.seek(size)
        file.write(begin)
        file.truncate(size + (200 << 20))
    bound = [] if sanitized() else ["prlimit", f"--data={150 << 20}"]
    done = subprocess.run([*bound, TRAINGUARD, "audit", "verify", log], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == int("1 problem" in last) and done.stdout.splitlines()[-1] == last, done


@pytest.mark.parametrize("text", ["", "\n", "only words\n"])
def test_an_empty_file_proves_nothing(log, text):
    log.write_text(text)
    run = audit("verify", log)
    assert run.returncode == 1 and run.stdout.endswith("nothing to verify\n")


COMMANDS = [
    ["-v"], ["-V"], ["-h"], ["--reference"], ["audit", "--help"], ["audit", "verify", "LOG"],
    ["audit", "show", "LOG"], ["audit", "show", "--output", "csv", "LOG"],
    ["audit", "show", "--tail", "1", "LOG"], ["audit", "summary", "LOG"], ["explain"],
    ["explain", "obs_path"], ["eval", "BODY"], ["eval", "--output", "json", "BODY"],
    ["fmt", "BODY"], ["replay", "--policy", "POLICY", "LOG"], ["test", "FOLDER"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_is_told(log, tmp_path, arguments):
    """What is printed and cannot be written: exit 2, in every command."""
    policy = tmp_path / "policy.conf"
    policy.write_text("policy p { rule r { at spec_id; max 4; } }")
    body = tmp_path / "body.json"
    body.write_text('{"worker_server_num": 1, "spec_id": 1, "model_id": 1, "data_url": "/bkt/x"}')
    write(log, Stream("0-a").records(2).stop().lines)
    paths = {"LOG": log, "BODY": body, "POLICY": policy, "FOLDER": POLICIES}
    with open("/dev/full", "w", encoding="ascii") as full:
        run = subprocess.run([TRAINGUARD, *(str(paths.get(a, a)) for a in arguments)], stdout=full,
                             stderr=subprocess.PIPE, text=True, timeout=20)
    assert run.returncode == 2 and "No space left on device" in run.stderr


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
               exceptions=["EXC-1", {"name": "EXC-2", "owner": "me"}],
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


@pytest.mark.parametrize("options, ids", [
    (["--id", "r2"], ["r2"]), (["--method", "PUT"], ["r1"]), (["--method", "put"], []),
    (["--path", "/v1/p1/x"], ["r1"]), (["--status", "400"], ["r2"]),
    (["--end", "policy"], ["r2"]), (["--client", "192.0.2.1"], ["r1"]),
    (["--client", "192.0.2.1", "--id", "r2"], []), (["--tail", "2"], ["r2", "r3"]),
    (["--tail", "9"], ["r1", "r2", "r3"]), (["--tail", "1", "--project", "p1"], ["r2"])])
def test_show_by_fields(log, options, ids):
    stream = Stream("0-a")
    stream.add(request_id="r1", decision="allow", end="done", project_id="p1",
               **{"url.path": "/v1/p1/x", "http.request.method": "PUT",
                  "client.address": "192.0.2.1", "http.response.status_code": 200})
    stream.add(request_id="r2", decision="deny", end="policy", project_id="p1",
               **{"client.address": "192.0.2.11", "http.response.status_code": 400})
    stream.add(request_id="r3", decision="allow", end="done")
    run = audit("show", "--output", "json", *options, write(log, stream.lines[1:]))
    assert [json.loads(line)["request_id"] for line in run.stdout.splitlines()] == ids
    for command in "show", "summary":
        run = audit(command, "--output", "csv", *options[:2], log)
        assert run.returncode == 0 or "--tail" in options


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
        {"op": "add", "path": "/d", "value": "(hidden)", "why": "more"},
        {"op": "replace", "path": "/e", "was": "7", "value": 7, "why": "number"},
        {"op": "replace", "path": "/f", "value": "(hidden)", "why": "number"},
        {"op": "remove", "path": "/g", "was": None, "why": "gone"}])
    run = audit("show", write(log, stream.add("dropped", count=7).lines))
    assert [line[4:] for line in run.stdout.splitlines() if line.startswith("    ")] == [
        "- /a: null  (gone)", "- /secret  (gone)", "- /b: 1", "> /c  (name)",
        '+ /d: "(hidden)"  (more)', '- /e: "7"', "+ /e: 7  (number)", '+ /f: "(hidden)"  (number)',
        "- /g: null  (gone)"]
    assert " dropped count=7 " in run.stdout


def test_show_csv_has_no_formulas(log):
    write(log, Stream("0-a").add(config_name="=cmd()", **{"url.path": 'a"b'}).stop().lines)
    rows = list(csv.DictReader(io.StringIO(audit("show", "--output", "csv", log).stdout)))
    assert rows[1]["config_name"] == "'=cmd()" and rows[1]["url.path"] == 'a"b'


def test_show_tells_of_lines_that_are_none(log):
    write(log, ["{nonsense"])
    run = audit("show", log)
    assert run.returncode == 1 and f"{log}:1: not a record" in run.stderr


def test_show_reads_standard_input(three):
    run = audit("show", "--output", "json", "-", stdin=three.read_text())
    assert len(run.stdout.splitlines()) == 5


@pytest.mark.parametrize("tail", [[], ["--tail", "1"]], ids=["end", "tail"])
def test_show_follows_across_a_rotation(log, tail):
    """From the end of the file on, or from its last records on."""
    stream = Stream("0-a").records(3)
    write(log, stream.lines)
    arguments = ["show", "--output", "json", "--follow", *tail]
    with subprocess.Popen([TRAINGUARD, "audit", *arguments, log], stdout=subprocess.PIPE,
                          text=True) as child:
        wait_until_read(child, log)
        with log.open("a") as file:
            file.write(stream.records(1).lines[-1] + "\n")
        seen = [child.stdout.readline() for _ in range(len(tail) // 2 + 1)]
        log.rename(log.with_name("audit.jsonl.1"))
        write(log, [stream.records(1).lines[-1]])
        seen.append(child.stdout.readline())
        child.terminate()
    assert [json.loads(line)["seq"] for line in seen] == ([4, 5, 6] if tail else [5, 6])


def wait_until_read(child, log):
    """Waits until the program has read the file to its end."""
    size, at = log.stat().st_size, 0
    while at < size:
        assert child.poll() is None
        for fd in os.listdir(f"/proc/{child.pid}/fd"):
            try:
                if os.readlink(f"/proc/{child.pid}/fd/{fd}") == str(log):
                    with open(f"/proc/{child.pid}/fdinfo/{fd}", encoding="ascii") as info:
                        at = int(info.readline().split()[1])
            except FileNotFoundError:
                pass


def test_summary_counts(three):
    run = audit("summary", "--output", "json", three)
    tables = json.loads(run.stdout)
    assert tables["requests"] == 3
    assert {"count": 2, "decision": "allow"} in tables["decisions"]
    assert tables["violations and warnings"] == [
        {"count": 1, "policy": "team", "rule": "spec"}]
    assert tables["violations and warnings by project"] == [
        {"count": 1, "policy": "team", "rule": "spec", "project": "p1"}]
    assert tables["normalizations"] == [{"count": 1, "name": "string_to_integer"}]
    assert tables["exceptions used"] == [{"count": 1, "exception": "EXC-1"},
                                         {"count": 1, "exception": "EXC-2"}]


def test_summary_tells_whom_a_dry_run_would_refuse(three):
    run = audit("summary", three)
    assert "would be refused if dry runs were enforced" in run.stdout
    head, row = run.stdout.split("enforced\n")[1].splitlines()[:2]
    assert row.split() == ["1", "team", "workers"]
    head, row = run.stdout.split("enforced, by project\n")[1].splitlines()[:2]
    assert row.split() == ["1", "team", "workers", "p2"]
    assert [head.index(w) for w in ("policy", "rule", "project")] == \
        [row.index(w) for w in ("team", "workers", "p2")]


def test_summary_csv_is_one_table(log):
    write(log, Stream("0-a").add(decision="allow", end="done", project_id='=cmd("x")').lines)
    rows = list(csv.reader(io.StringIO(audit("summary", "--output", "csv", log).stdout)))
    names = rows[0]
    assert names == ["table", "count", "decision", "end", "status", "upstream", "policy", "rule",
                     "project", "name", "result", "mode", "exception", "asked_by",
                     "revision"]
    assert {len(r) for r in rows} == {len(names)}
    project = next(dict(zip(names, r)) for r in rows if r[0] == "projects")
    assert {k: v for k, v in project.items() if v} == {
        "table": "projects", "count": "1", "decision": "allow", "project": "'=cmd(\"x\")"}


def test_summary_is_as_long_as_the_rules(log):
    """200 requests of many configs and callers: a row per rule, per project, and the top of them."""
    stream = Stream("0-a")
    for i in range(200):
        stream.add(decision="deny", end="policy", project_id=f"p{i % 5}", config_name=f"c{i}",
                   principal=f"AK{i}", violations=[{"pointer": f"/parameter/{i}/value", "rule":
                                                    f"r{i % 3}", "policy": "team", "message": "x"}])
    write(log, stream.lines)
    tables = json.loads(audit("summary", "--output", "json", log).stdout)
    assert len(tables["violations and warnings"]) == 3
    assert len(tables["violations and warnings by project"]) == 15
    tables = json.loads(audit("summary", "--output", "json", "--top", "2", log).stdout)
    assert [r["rule"] for r in tables["violations and warnings"]] == ["r0", "r1"]
    assert {len(rows) for rows in tables.values() if isinstance(rows, list)} == {1, 2}


def test_summary_tells_its_span(three):
    assert audit("summary", three).stdout.startswith(
        "3 requests from 2026-01-02T03:04:02.000000Z to 2026-01-02T03:04:04.000000Z\n")
