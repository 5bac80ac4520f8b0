"""Real clients in front: curl, Python's two, Node's fetch."""

import http.client
import json
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from test_seed import BODIES, REPAIRED, SEED

PATH = "/v1/p/training-job-configs/c"
FIELDS = {"Content-Type": "application/json", "X-Auth-Token": "t"}
NODE = """
const [port, path, body] = process.argv.slice(1);
const fields = {'Content-Type': 'application/json', 'X-Auth-Token': 't'};
for (let i = 0; i < 3; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`,
                               {method: 'PUT', headers: fields, body});
    console.log(answer.status, await answer.text());
}
"""


def run(*command, **options):
    """A command's output; it must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=60, check=False,
                          **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(*args):
    """curl's output."""
    return run("curl", "-sS", "--max-time", 30, "-H", "X-Auth-Token: t", *args)


@pytest.fixture(name="url")
def url_of(service):
    """The guarded URL, with nothing on the endpoint's record."""
    service.origin.forget()
    return f"http://127.0.0.1:{service.port}{PATH}"


def test_curl(service, url):
    """The example of the README."""
    got = curl("-X", "PUT", "-H", "Content-Type: application/json", "--data-binary",
               f"@{BODIES / '01_seed_put_example.json'}", url)
    assert json.loads(got) == {"is_success": True}
    assert service.origin.requests[0].body == REPAIRED


def test_curl_reuses_its_connection(url):
    """Several transfers of one curl."""
    got = curl("-w", "%{num_connects}\n", "-o", "/dev/null", url, "-o", "/dev/null", url)
    assert got.split() == [b"1", b"0"]


def test_curl_uploads_from_a_pipe(service, url):
    """No length: curl sends chunks, and asks with Expect for a large body."""
    got = run("curl", "-sS", "--max-time", "30", "-T", "-", "-H", "Expect: 100-continue", "-H",
              "Content-Type: application/json", "-H", "X-Auth-Token: t", url, input=SEED)
    assert json.loads(got) == {"is_success": True}
    assert service.origin.requests[0].body == REPAIRED


def test_curl_sees_why(url):
    """A refusal is shown."""
    got = curl("-X", "PUT", "-H", "Content-Type: application/json", "-d", "{}", url)
    assert "spec_id" in json.loads(got)["error_msg"]


def test_urllib(service, url):
    """One connection for each request."""
    for _ in range(2):
        asked = urllib.request.Request(url, SEED, FIELDS, method="PUT")
        with urllib.request.urlopen(asked, timeout=20) as got:
            assert json.load(got) == {"is_success": True}
    assert [r.body for r in service.origin.requests] == [REPAIRED] * 2


def test_urllib_error(url):
    """A refusal is an HTTPError whose body can be read."""
    asked = urllib.request.Request(url, b"{", FIELDS, method="PUT")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked, timeout=20)
    assert caught.value.code == 400
    assert json.load(caught.value)["error_code"] == "ModelArts.4105"


def test_http_client(service, url):
    """One connection for all, one body of them in chunks."""
    del url
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    for body in (SEED, iter([SEED[:100], SEED[100:]]), SEED):
        connection.request("PUT", PATH, body, FIELDS)
        assert json.load(connection.getresponse()) == {"is_success": True}
    connection.close()
    assert [r.body for r in service.origin.requests] == [REPAIRED] * 3


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_node_fetch(service, url):
    """Node's own fetch, which keeps its connections."""
    del url
    got = run("node", "--input-type=module", "-e", NODE, service.port, PATH, SEED.decode())
    assert got.split(b"\n")[:3] == [b'200 {"is_success": true}'] * 3
    assert [r.body for r in service.origin.requests] == [REPAIRED] * 3
