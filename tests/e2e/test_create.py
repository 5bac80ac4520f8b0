"""Creating a configuration is judged like changing one, by the locations the package ships."""

import pathlib
import re

import pytest

from client import ask, check_refusal, request
from gateway import TOP

SEED = pathlib.Path(TOP, "tests/data/bodies/01_seed_put_example.json").read_bytes()
REPAIRED = (SEED.replace(b'"value": 0.01', b'"value": "0.01"').replace(b'"key"', b'"label"')
            .replace(b'"value": 32', b'"value": "32"'))
FIELDS = ("Content-Type: application/json", "X-Auth-Token: t")
CONFIGS = "/v1/6b37a5f1/training-job-configs"
JOBS = "/v1/6b37a5f1/training-jobs"
VERSIONS = f"{JOBS}/4711/versions"


def shipped_locations():
    """The guarded locations of conf/trainguard.conf; the upstream of the tests has its name."""
    text = pathlib.Path(TOP, "conf/trainguard.conf").read_text(encoding="utf-8")
    found = re.findall(r"location (?:PUT|POST) [^\n]* \{\n(?:[^}]|\{\w+\})*?\n    \}", text)
    assert len(found) == 5
    return "\n".join(found)


def named(body, name=b"fresh"):
    """The body with a config_name, as a create has it."""
    return body.replace(b"{", b'{\n  "config_name": "%s",' % name, 1)


def in_job(body):
    """The body as the config of a training job."""
    return b'{"job_name": "j", "workspace_id": "0",\n "config": %s}' % body


@pytest.fixture
def guard(gateway, origin):
    """A gateway with the shipped locations before an origin that takes everything."""
    behind = origin()
    return gateway(behind, locations=shipped_locations()), behind


@pytest.mark.parametrize("path, wrap", [(CONFIGS, named), (JOBS, in_job), (VERSIONS, in_job)],
                         ids=["config", "job", "version"])
def test_create_is_repaired(guard, path, wrap):
    """The same three edits, wherever the config sits."""
    gateway_, behind = guard
    got = ask(gateway_.port, request("POST", path, wrap(SEED), *FIELDS))
    assert got.status == 200 and got.get("X-Trainguard-Normalized") == "3"
    assert [r.body for r in behind.requests] == [wrap(REPAIRED)]


@pytest.mark.parametrize("path, wrap, pointer", [(CONFIGS, named, "/spec_id"),
                                                 (JOBS, in_job, "/config/spec_id"),
                                                 (VERSIONS, in_job, "/config/spec_id")],
                         ids=["config", "job", "version"])
def test_create_is_refused(guard, path, wrap, pointer):
    """A violation is named where it stands, and nothing is forwarded."""
    gateway_, behind = guard
    body = wrap(SEED.replace(b'"spec_id": 1', b'"spec_id": 1.5'))
    value = check_refusal(ask(gateway_.port, request("POST", path, body, *FIELDS)),
                          400, "ModelArts.0107")
    assert [v["pointer"] for v in value["violations"]] == [pointer]
    assert behind.requests == []


def test_job_without_config_is_refused(guard):
    """Where the location says a config sits, there is one."""
    gateway_, behind = guard
    value = check_refusal(ask(gateway_.port, request("POST", JOBS, b'{"job_name": "j"}', *FIELDS)),
                          400, "ModelArts.0104")
    assert [v["pointer"] for v in value["violations"]] == ["/config"]
    assert behind.requests == []
