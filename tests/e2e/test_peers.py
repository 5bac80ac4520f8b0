"""Real servers behind: nginx and HAProxy end the TLS and pass on to the stand-in."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

from client import Client, ask, request
from endpoint import Endpoint
from gateway import TOP
from test_seed import REPAIRED, SEED, put

CONFIGS = pathlib.Path(TOP, "tests/data/peers")
START = {
    "nginx": ["nginx", "-q", "-p", "{dir}", "-c", "{config}"],
    "haproxy": ["haproxy", "-q", "-D", "-f", "{config}", "-p", "{dir}/haproxy.pid"],
}


def free_port():
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def started(name, directory, values):
    """The port at which the server listens. It takes no port of the kernel's choice, so another may have taken the free
    one first: then the next is tried."""
    config = directory / f"{name}.conf"
    command = [a.format(dir=directory, config=config) for a in START[name]]
    for _ in range(5):
        port = free_port()
        text = (CONFIGS / f"{name}.conf").read_text().replace("@PORT@", str(port))
        for word, value in values.items():
            text = text.replace(f"@{word}@", str(value))
        config.write_text(text)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        if done.returncode == 0:
            return port
    raise AssertionError(done.stderr)


@pytest.fixture(name="peer", params=list(START))
def running_peer(request, tmp_path, certificates):  # pylint: disable=redefined-outer-name
    """A server that listens when its start command returns; (port, stand-in endpoint)."""
    if not shutil.which(START[request.param][0]):
        pytest.skip(f"no {request.param} here")
    both = (certificates / "server.pem").read_text() + (certificates / "server.key").read_text()
    (tmp_path / "both.pem").write_text(both)
    with Endpoint() as behind:
        port = started(request.param, tmp_path, {"BACKEND": behind.port, "DIR": tmp_path,
                                                 "CERTIFICATES": certificates})
        yield port, behind
        pid = int((tmp_path / f"{request.param}.pid").read_text().split()[0])
        os.kill(pid, signal.SIGTERM)


def test_put(peer, gateway, certificates):
    """The main job, ten times over kept connections."""
    port, behind = peer
    guard = gateway(f"localhost:{port}", tls=certificates / "ca.pem")
    with Client(guard.port) as client:
        for _ in range(10):
            client.send(put(SEED))
            assert json.loads(client.final().body) == {"is_success": True}
    assert [r.body for r in behind.requests] == [REPAIRED] * 10


@pytest.mark.parametrize("fault, status, size", [
    ("chunked", 200, None), ("until-close", 200, None), ("big=5000000", 200, 5000000),
    ("empty=204", 204, 0), ("status=503", 503, None),
    ("slow-body", 200, None), ("close", 502, None)])
def test_answers(peer, gateway, certificates, fault, status, size):
    """What the server makes of the endpoint's ways of answering is relayed."""
    port, _behind = peer
    guard = gateway(f"localhost:{port}", tls=certificates / "ca.pem")
    data = request("GET", "/v1/p/training-job-configs", None, "X-Auth-Token: t",
                   f"X-Stand-In: {fault}")
    got = ask(guard.port, data)
    assert got.status == status
    assert size is None or len(got.body) == size


def test_large_upload(peer, gateway, certificates):
    """5 MB in chunks, passed through."""
    port, behind = peer
    guard = gateway(f"localhost:{port}", tls=certificates / "ca.pem")
    with Client(guard.port) as client:
        client.send(request("POST", "/v1/p/training-jobs", None, "X-Auth-Token: t",
                            "Transfer-Encoding: chunked"))
        body = json.dumps({"job_name": "j", "filler": "f" * 5000000}).encode()
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert json.loads(client.final().body)["is_success"] is True
    assert behind.requests[0].body == body
