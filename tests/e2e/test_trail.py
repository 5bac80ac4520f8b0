"""One trail of many gateways: 100,000 records of real requests through Debian's ClickHouse and back,
with the schema, the columns and the questions that are shipped."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys

import pytest

from client import Client, request
from clickhouse import ClickHouse, statements
from command import run
from gateway import TOP, binary, sanitized
from test_audit_cli import ZEROS
from test_policy import FAMILY, GOOD, JSON, POLICIES

SHIPPED = TOP / "conf/deploy/clickhouse"
STREAMS = 20
MEMORY = 64 << 20  # bytes; the lines have twice as many
RECORDS = 10000 if sanitized() else 100000
INSERT = "INSERT INTO audit FORMAT TSV"
FIELDS = re.compile(r'"stream":"[^"]+","seq":\d+')
pytestmark = pytest.mark.timeout(900)  # 130 MB go through a server and back
LIMIT = "limit_req project rate=1/m dry_run; "


def real_lines(guard):
    """The log of a gateway that allowed, changed, warned, denied and refused."""
    bodies = {"good": GOOD, "big": GOOD | {"worker_server_num": 8}, "denied": GOOD | {"worker_server_num": 9},
              "tried": GOOD | {"user_image_url": "r/i:1"}, "changed": GOOD | {"spec_id": "1"},
              "bad": GOOD | {"worker_server_num": "x"}, "warned": GOOD | {"config_desc": "no \\ 'ticket'"}}
    with Client(guard.port) as client:
        for name, body in bodies.items():
            client.send(request("PUT", f"/v1/6b37a5f1/training-job-configs/{name}",
                                json.dumps(body).encode(), *JSON, f"X-Request-Id: of-{name}"))
            assert client.final()
        client.send(request("GET", "/x", None, "X-Request-Id: it\\'s", "User-Agent: \\t\\N \"'"))
        assert client.final()
    guard.stop()
    return (guard.directory / "audit.jsonl").read_text().splitlines()


def sealed(text, chain):
    """A line whose chain follows from another one's, and its chain."""
    chain = hashlib.sha256((chain + text).encode()).hexdigest()
    return f'{text},"chain":"{chain}"}}\n', chain


class Many:
    """The lines of many streams: each begins as the real one, then goes on with its requests, has a
    `continue` where its file was rotated, and stops."""

    def __init__(self, real):
        self.texts = [line.rpartition(',"chain"')[0] for line in real]
        self.lines, self.heads = [], []
        for number in range(STREAMS):
            self.stream(f"0-{number:012x}", RECORDS // STREAMS)

    def stream(self, name, n):
        """Adds the lines of one stream."""
        first, last = self.texts[:2], self.texts[-1]
        again = [t for t in self.texts[2:-1] if "request_id" in t]
        wanted = first + [again[i % len(again)] for i in range(n - 3)] + [last]
        chain = ZEROS
        for seq, text in enumerate(wanted, 1):
            text = FIELDS.sub(f'"stream":"{name}","seq":{seq}', text, count=1)
            text = text.replace('"request_id":"', f'"request_id":"{name}-{seq}-', 1)
            line, chain = sealed(text, chain)
            self.lines.append(line)
            if seq == n // 2:
                start = FIELDS.sub(f'"stream":"{name}","seq":{seq}', first[0], count=1)
                self.lines.append(sealed(start.replace('"event":"start"', '"event":"continue"') +
                                         f',"previous.chain":"{chain}"', chain)[0])
        self.heads.append({"stream": name, "seq": len(wanted), "chain": chain})


@pytest.fixture(name="many")
def many_lines(gateway, origin, tmp_path):
    """The lines; their sum has been proved by the command that is tested elsewhere."""
    (tmp_path / "policies.conf").write_text(POLICIES)
    locations = FAMILY.replace("policies.conf", f"{tmp_path}/policies.conf").replace(
        "filters json normalize validate policy;", LIMIT + "filters json normalize validate policy;")
    return Many(real_lines(gateway(origin(), locations=locations)))


@pytest.fixture(name="folder")
def make_folder(many, tmp_path):
    """A folder with what the gateways wrote, mixed by a shipper that delivered some lines twice."""
    folder, rng = tmp_path, random.Random(1)
    lines = many.lines + rng.choices(many.lines, k=RECORDS // 20)
    rng.shuffle(lines)
    (folder / "mixed.jsonl").write_text("".join(lines))
    (folder / "heads").write_text("".join(json.dumps(head) + "\n" for head in many.heads))
    return folder


@pytest.fixture(name="house")
def filled_house(folder, tmp_path):
    """A server with the shipped table, in which all lines are."""
    (tmp_path / "clickhouse").mkdir()
    house = ClickHouse(tmp_path / "clickhouse")
    try:
        for statement in statements((SHIPPED / "schema.sql").read_text()):
            house.query(statement)
        with subprocess.Popen([binary(), "audit", "columns", folder / "mixed.jsonl"],
                              stdout=subprocess.PIPE) as columns:
            house.query(INSERT, columns.stdout)
        assert columns.returncode == 0
        yield house
    finally:
        house.close()


@pytest.fixture(name="queries")
def shipped_queries():
    """The questions, by the words before them."""
    text = (SHIPPED / "queries.sql").read_text()
    found = re.findall(r"^-- ([^\n]*)\n(?:--[^\n]*\n)*([^;]+);$", text, re.M)
    assert len(found) == len(statements(text))
    return dict(found)


def ask(house, queries, words, **values):
    """The rows that answer one of the questions."""
    [query] = [q for w, q in queries.items() if w.startswith(words)]
    for name, value in values.items():
        assert name in query
        query = query.replace(name, value)
    return [row.split("\t") for row in house.query(query).splitlines()]


def verify(path, *options):
    """Exit code and words of `audit verify --stored`, which must do with little memory."""
    bound = [] if sanitized() else ["prlimit", f"--data={MEMORY}"]
    done = subprocess.run([*bound, binary(), "audit", "verify", "--stored", *options, path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


@pytest.fixture(name="back")
def brought_back(house, queries, folder):
    """The lines as the shipped query gives them back."""
    [query] = [q for w, q in queries.items() if w.startswith("Everything")]
    with open(folder / "back.jsonl", "wb") as file:
        house.query(query, out=file)
    return folder / "back.jsonl"


INTACT = f"{RECORDS + STREAMS} lines, {STREAMS} streams, 0 problems: the log is intact (no key)"


def check_what_comes_back_is_what_was_written(back, many, folder):
    """Byte by byte; proved in little memory where the lines come in order, and also where not."""
    lines = back.read_text().splitlines(keepends=True)
    assert set(lines) == set(many.lines)
    for path in back, folder / "mixed.jsonl":
        code, words = verify(path, "--heads", folder / "heads")
        assert (code, words.splitlines()[-1]) == (0, INTACT), words[-2000:]


def check_a_line_that_is_gone(back, folder):
    """Taken out of what came back: found, with its number."""
    with open(back, encoding="utf-8") as file, open(folder / "less.jsonl", "w", encoding="utf-8") as less:
        less.writelines(line for line in file if '"stream":"0-000000000003","seq":77,' not in line)
    code, words = verify(folder / "less.jsonl")
    assert code == 1 and re.search(
        r"removed: before this line, 1 of the stream 0-000000000003 \(seq 77 to 77\)\n", words), words
    assert words.splitlines()[-1].endswith("1 problem")


def check_a_tail_that_was_cut(back, many, folder):
    """The chain cannot show it, the heads do."""
    name, n = many.heads[5]["stream"], many.heads[5]["seq"]
    late = re.compile(rf'"stream":"{name}","seq":({n}|{n - 1}),')
    with open(back, encoding="utf-8") as file, open(folder / "cut.jsonl", "w", encoding="utf-8") as cut:
        cut.writelines(line for line in file if not late.search(line))
    assert verify(folder / "cut.jsonl")[0] == 0
    code, words = verify(folder / "cut.jsonl", "--heads", folder / "heads")
    assert code == 1 and f"truncated: the stream {name} had {n} lines" in words, words


def check_the_same_lines_again(house):
    """A shipper that begins anew changes no answer: FINAL counts a line once."""
    part = house.query("SELECT raw FROM audit WHERE stream = '0-000000000001' LIMIT 500 FORMAT TSVRaw").splitlines()
    columns = run("audit", "columns", "-", data="\n".join(part).encode()).raw
    house.query(INSERT, columns)
    count = "SELECT count() FROM audit FINAL WHERE stream = '0-000000000001'"
    assert int(house.query(count)) == RECORDS // STREAMS + 1


def check_what_an_auditor_asks(house, queries, many):
    """Who changed it, which rule refused, whom dry runs would refuse, one request's story."""
    real = [json.loads(text + "}") for text in many.texts]
    rows = ask(house, queries, "Who changed", PROJECT="6b37a5f1", CONFIG="changed")
    assert rows and {(r[1], r[4]) for r in rows} == {("PUT", "127.0.0.1")}
    assert not ask(house, queries, "Who changed", PROJECT="6b37a5f1", CONFIG="denied")
    refused = {row[1]: int(row[2]) for row in ask(house, queries, "How many requests")}
    assert "team.workers" in refused and "type" in " ".join(refused)
    would = {row[0]: row for row in ask(house, queries, "Whom would")}
    assert "team.image" in would and len(would) == 2  # and the limit
    assert sum(refused.values()) > RECORDS // 10 and int(would["team.image"][3]) > RECORDS // 10
    number = next(i for i, line in enumerate(many.lines) if "-of-tried" in line)
    story = json.loads(many.lines[number])["request_id"]
    assert ask(house, queries, "One request", REQUEST=story) == [[many.lines[number].rstrip("\n")]]
    gateways = ask(house, queries, "Which gateways")
    assert {(r[0], int(r[4]), r[5]) for r in gateways} == {
        (h["stream"], h["seq"], "1") for h in many.heads}
    assert {r[1] for r in gateways} == {real[0]["instance"]}


@pytest.mark.long
def test_one_trail(house, queries, many, folder, back):
    """All that is shown of the same lines: they are made, written and read once."""
    check_what_comes_back_is_what_was_written(back, many, folder)
    check_a_line_that_is_gone(back, folder)
    check_a_tail_that_was_cut(back, many, folder)
    check_the_same_lines_again(house)
    check_what_an_auditor_asks(house, queries, many)


@pytest.mark.long
def test_the_fleet_that_is_shown():
    """`./dev fleet --once`: policies swapped as Kubernetes does under two gateways that judge by them,
    one trail, the questions, the proof. Each act judges itself, and each gateway its end."""
    done = subprocess.run([sys.executable, "-B", TOP / "tests/fleet.py", "--once"], text=True, check=False,
                          capture_output=True, env=os.environ | {"TRAINGUARD": binary()})
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("    mode dryrun: {'gateway-a': 200, 'gateway-b': 200}", "    the same request now: 403 at both"):
        assert line in done.stdout.splitlines()
