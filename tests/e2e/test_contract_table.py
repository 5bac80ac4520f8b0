"""The table of the contract (tests/data/contract/), through `trainguard eval` and through a running
gateway: the same findings, the same forwarded bytes, the same refusals."""

import json
from collections import defaultdict

import pytest

from client import Client, request
from command import run
from gateway import GUARDED, TOP, Gateway, config
from origin import Origin

CASES = [case for path in sorted((TOP / "tests/data/contract").glob("*.json"))
         for case in json.loads(path.read_text(encoding="utf-8"))]
NUMBERS = range(len(CASES))
LOCATION = f"""
    location {GUARDED} {{
        filters json normalize validate;
        validate %s;
        %s
        proxy_pass modelarts;
    }}
"""


def ids(number):
    """The name of a case, as it is shown."""
    return CASES[number]["name"]


def location(case):
    """The guarded location a case is about."""
    return LOCATION % (case["level"], " ".join(case.get("switches", [])))


def groups(*members):
    """The numbers of the cases that have the same location and the same members."""
    found = defaultdict(list)
    for number, case in enumerate(CASES):
        found[(location(case), *(case[m] for m in members))].append(number)
    return found


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """What `eval` says about each case that is not about a signature."""
    folder = tmp_path_factory.mktemp("cases")
    results = {}
    for i, ((place, project, name), numbers) in enumerate(groups("project_id",
                                                                 "config_name").items()):
        files = folder / f"group{i}"
        files.mkdir()
        for number in numbers:
            (files / f"{number:05}.json").write_bytes(CASES[number]["body"].encode())
        conf = folder / f"group{i}.conf"
        conf.write_text(config(folder, 1, locations=place))
        done = run("eval", "--output", "json", "-c", conf, "--project", project, "--name", name,
                   files)
        results.update(zip(numbers, done.bodies, strict=True))
    return results


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """What a client of a running gateway gets for each case, and what its upstream received."""
    places = list(groups())
    servers = "\n}\nserver {\n    listen 127.0.0.1:0;\n".join(place for (place,) in places)
    folder = tmp_path_factory.mktemp("gateway")
    results = {}
    with Origin() as origin, Gateway(folder, config(
            folder, origin.port, locations=servers,
            upstream="accept_host gateway.test;")) as gateway:
        for port, numbers in zip(gateway.ports, groups().values(), strict=True):
            with Client(port) as client:
                for number in numbers:
                    before = len(origin.requests)
                    answer = put(client, CASES[number])
                    sent = [r.body for r in origin.requests[before:]]
                    results[number] = (answer, sent)
    return results


def put(client, case):
    """Sends a case and returns the answer."""
    credentials = (f"Authorization: {case['authorization']}" if "authorization" in case
                   else "X-Auth-Token: t")
    target = f"/v1/{case['project_id']}/training-job-configs/{case['config_name']}"
    client.send(request("PUT", target, case["body"].encode(), "Content-Type: application/json",
                        credentials))
    return client.final("PUT")


def refusal(value):
    """A refusal without what differs from request to request."""
    return {k: v for k, v in value.items() if k != "request_id"}


def listed(findings):
    """Findings as the table has them, in an order of their own."""
    return sorted(([f["pointer"], f["rule"], f.get("line"), f.get("column"),
                    f.get("severity", "violation")] for f in findings), key=str)


def test_the_table_is_large():
    """At least 150 bodies, each case with a name of its own."""
    assert len({case["body"] for case in CASES}) >= 150


@pytest.mark.parametrize("number", [n for n in NUMBERS if "authorization" not in CASES[n]],
                         ids=ids)
def test_evaluator(evaluated, number):
    """`eval` finds what the table says, where the table says, and forwards what it says."""
    case, done = CASES[number], evaluated[number]
    assert listed(done["findings"]) == sorted(case["expected"], key=str)
    assert done.get("forwarded") == case["forwarded"]


@pytest.mark.parametrize("number", NUMBERS, ids=ids)
def test_gateway(answered, number):
    """A running gateway says the same and sends the same."""
    case, (answer, sent) = CASES[number], answered[number]
    if case["forwarded"] is not None:
        assert (answer.status, sent) == (200, [case["forwarded"].encode()])
        return
    assert sent == [] and answer.status >= 400
    violations = sorted((e for e in case["expected"] if e[4] == "violation"), key=str)
    assert listed(json.loads(answer.body)["violations"]) == violations


@pytest.mark.parametrize("number", [n for n in NUMBERS if "authorization" not in CASES[n]],
                         ids=ids)
def test_both_agree(evaluated, answered, number):
    """To the word: the refusal, or the warnings and the count of changes."""
    done, (answer, _) = evaluated[number], answered[number]
    if "answer" in done:
        assert answer.status == done["status"]
        assert refusal(json.loads(answer.body)) == refusal(done["answer"])
        return
    changes = len(done.get("changes", []))
    assert int(answer.get("X-Trainguard-Normalized") or 0) == changes
    warned = [f for f in done["findings"] if f["severity"] == "warning"]
    assert len(answer.all("Warning")) == min(changes + len(warned), 20)
