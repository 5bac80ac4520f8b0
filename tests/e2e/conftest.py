"""Fixtures: certificates once, gateways and origins for a test or a whole module."""

import mmap
import pathlib
import struct
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "endpoint"))

# pylint: disable=wrong-import-position
import certs  # noqa: E402
from endpoint import Endpoint  # noqa: E402
from gateway import Gateway, binary, config  # noqa: E402
from listener import server_context  # noqa: E402
from origin import Origin  # noqa: E402
from preload import preloaded  # noqa: E402


def pytest_collection_modifyitems(items):
    """Those that take long come first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """The directory of throw-away certificates."""
    return certs.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def crl(certificates, tmp_path):
    """crl(*names): the CA's revocation list with these certificates on it."""
    def make(*names):
        config = tmp_path / "crl.cnf"
        config.write_text(f"[ca]\ndatabase = {tmp_path}/index.txt\ndefault_md = sha256\n"
                          "default_crl_days = 7\n")
        (tmp_path / "index.txt").touch()
        signer = ["-config", config, "-name", "ca", "-cert", certificates / "ca.pem",
                  "-keyfile", certificates / "ca.key"]
        for name in names:
            certs.openssl("ca", *signer, "-revoke", certificates / f"{name}.pem")
        certs.openssl("ca", *signer, "-gencrl", "-out", tmp_path / "crl.pem")
        return tmp_path / "crl.pem"

    return make


def gateways(folder):
    """Starts gateways in a folder; they end, and are judged, with the fixture this serves."""
    started = []

    def start(origin, expect=(), **settings):
        port = getattr(origin, "port", origin)
        directory = folder / f"gateway{len(started)}"
        directory.mkdir()
        started.append(Gateway(directory, config(directory, port, **settings), expect))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def gateway(tmp_path):
    """Starts gateways that end, and are judged, with the test:
    gateway(origin, expect=[...], **config)."""
    yield from gateways(tmp_path)


@pytest.fixture(scope="module")
def module_gateway(tmp_path_factory):
    """The same for gateways that the tests of a module share."""
    yield from gateways(tmp_path_factory.mktemp("gateways"))


@pytest.fixture
def check(tmp_path):
    """check(server, main="", upstream=""): exit code and words of `trainguard -t`. The upstream has
    `tls off` unless `tls`; `options` stand behind `-t`; more arguments are config()'s."""
    def run(server="", main="", upstream="", tls=False, options=(), **more):
        text = config(tmp_path, 1, server=server, main=main, upstream=upstream,
                      locations="location / { proxy_pass modelarts; }", **more)
        if tls:
            text = text.replace("tls off;", "")
        (tmp_path / "checked.conf").write_text(text)
        done = subprocess.run([binary(), "-t", *options, "-c", tmp_path / "checked.conf"],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return run


def origins():
    """Starts scripted origins that end with the fixture this serves."""
    started = []

    def start(*scripts, context=None):
        started.append(Origin(*scripts, context=context))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def origin():
    """Starts scripted origins that end with the test."""
    yield from origins()


@pytest.fixture(scope="module")
def module_origin():
    """The same for origins that the tests of a module share."""
    yield from origins()


def preload(name, tmp_path, monkeypatch):
    """Gateways of this test are started with a library made of a file beside this one."""
    for variable, value in preloaded(name, tmp_path).items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """clock(seconds): so much passes for gateways, for which time stands still otherwise."""
    preload("still_clock", tmp_path, monkeypatch)
    file = tmp_path / "clock"
    file.write_bytes(struct.pack("Q", 10 ** 12))
    monkeypatch.setenv("STILL_CLOCK", str(file))
    with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 8) as time:
        def pass_on(seconds):
            time[:] = struct.pack("Q", struct.unpack("Q", time)[0] + int(seconds * 10 ** 9))
        yield pass_on


@pytest.fixture
def small_buffers(tmp_path, monkeypatch):
    """The gateway's kernel takes little at a time."""
    preload("small_buffers", tmp_path, monkeypatch)


class Pair:
    """A gateway with a stand-in endpoint or an origin behind it."""

    def __init__(self, guard, behind):
        self.gateway = guard
        self.port = guard.port
        self.origin = behind
        self.audit = guard.directory / "audit.jsonl"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A gateway before a plain origin that answers everything, for a whole module. Heads may be as
    large as the API's limits allow."""
    directory = tmp_path_factory.mktemp("plain")
    with Origin() as behind:
        text = config(directory, behind.port, server="client_header_max_size 128k;",
                      upstream="accept_host gateway.test gateway.test:8080;")
        with Gateway(directory, text) as guard:
            yield Pair(guard, behind)


@pytest.fixture(scope="module")
def service(tmp_path_factory, certificates):
    """A gateway before the stand-in endpoint over TLS, for a whole module."""
    directory = tmp_path_factory.mktemp("service")
    context = server_context(certificates / "server.pem")
    with Endpoint(context) as behind:
        text = config(directory, f"localhost:{behind.port}", tls=certificates / "ca.pem")
        with Gateway(directory, text) as guard:
            yield Pair(guard, behind)
