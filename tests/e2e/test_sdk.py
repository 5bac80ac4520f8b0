"""The vendor's Node SDK, unchanged: endpoint and key are the gateway's, the rest is as for the service."""

import json
import os
import shutil
import subprocess

import pytest

from command import SEED as SEED_FILE
from gateway import TIMEOUT, TOP
from test_seed import REPAIRED
from test_signing import CLIENT, judge, OWN, PROJECT
from test_signing import signing_gateway  # noqa: F401  pylint: disable=unused-import

SDK = TOP / "tests" / "sdk"


def put(port, secret=CLIENT[1], project=PROJECT):
    """What the SDK says of the seed's example."""
    assert shutil.which("node"), "node is not installed: run ./dev setup"
    assert (SDK / "node_modules").is_dir(), "the SDK is not installed: run ./dev setup"
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(["node", SDK / "put.js", f"http://127.0.0.1:{port}", project, SEED_FILE],
                          env=environment | {"AK": CLIENT[0], "SK": secret}, timeout=TIMEOUT,
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_the_example_of_the_api(signed):
    """200; the stand-in saw a good signature of the gateway's key over the repaired body."""
    guard, end = signed()
    assert put(guard.port)["status"] == 200
    seen, = end.requests
    assert json.loads(seen.body) == json.loads(REPAIRED)
    assert judge(seen) == OWN[0]
    assert CLIENT[0] not in seen.head.decode()


@pytest.mark.long
def test_the_sdk_shows_what_was_wrong(signed):
    """Code and text of a refusal come through as the service's would."""
    guard, end = signed()
    got = put(guard.port, secret="another-secret-0123456789")
    assert (got["status"], got["code"]) == (401, "ModelArts.0208")
    assert "canonicalRequest:PUT|" in got["text"]
    got = put(guard.port, project="foreign")
    assert (got["status"], got["code"]) == (403, "ModelArts.0210")
    assert end.requests == []
