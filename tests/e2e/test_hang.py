"""A worker whose event loop stands still is found, ended by the master and replaced."""

import os
import select
import signal

import pytest

from client import Client, ask, request
from test_admin import Admin, series
from test_processes import children
from test_trial import build

ADMIN = "admin {\n listen 127.0.0.1:0;\n}"
HUNG = r"worker 0 \(process {}\) has not turned its event loop for 2000 ms, while {}: it is ended"
DUE = [r"has not turned its event loop", r"was killed by signal 9"]


@pytest.fixture(name="module", scope="module")
def built(tmp_path_factory):
    """A filter that can be made to loop for ever."""
    return build(tmp_path_factory.mktemp("module") / "endless.so", "endless")


def test_an_endless_filter(origin, gateway, module):
    """The master names what it was doing, ends it and starts another; others are served by that."""
    guard = gateway(origin(), expect=DUE, locations="""
        location / { filters endless; proxy_pass modelarts; }""",
                    main=f"worker_hang_timeout 2s; load_module {module}; {ADMIN}")
    one = Admin(guard)
    assert (one.get("/livez").status, one.get("/livez").body) == (200, b"ok\n")
    worker = int(guard.matches(r"worker 0 is process (\d+)")[0][1])
    with Client(guard.port) as client:
        client.send(request("PUT", "/endless", b"x"))
        guard.wait_log(HUNG.format(worker, "running the filters, in the filter endless"))
        assert client.rest() == b""
    assert ask(guard.port, request("PUT", "/x", b"x"), "PUT").status == 200
    assert worker not in children(guard.process.pid)
    assert series(one.get("/metrics").body.decode(), "worker_restarts_total")[""] == 1
    assert one.get("/livez").status == 200


def test_a_stopped_worker_without_requests(origin, gateway):
    """Stopped, it cannot even take a signal but the last one."""
    guard = gateway(origin(), expect=DUE, main=f"worker_hang_timeout 2s; {ADMIN}")
    guard.wait_log(r"master: trainguard")
    worker = int(guard.matches(r"worker 0 is process (\d+)")[0][1])
    os.kill(worker, signal.SIGSTOP)
    guard.wait_log(HUNG.format(worker, "dealing with no request"))
    guard.wait(lambda: len(guard.matches(r"worker 0 is process")) == 2, "another worker")


def livez(one, status):
    """Asks until that is the answer; the test's own timeout is the bound."""
    while (got := one.get("/livez")).status != status:
        select.select([], [], [], 0.05)
    return got.body


def test_livez_when_the_master_is_no_help(clock, origin, gateway):
    """A loop that stands still is told by the admin process; who goes on in time is not ended."""
    guard = gateway(origin(), main=f"worker_hang_timeout 2s; {ADMIN}")
    guard.wait_log(r"master: trainguard")
    worker = int(guard.matches(r"worker 0 is process (\d+)")[0][1])
    one = Admin(guard)
    try:
        guard.process.send_signal(signal.SIGSTOP)
        os.kill(worker, signal.SIGSTOP)
        clock(30)
        assert livez(one, 503) == b"a worker does not turn its loop\n"
        assert [one.get("/livez").status for _ in range(3)] == [503] * 3  # it is not the admin process's own loop
        os.kill(worker, signal.SIGCONT)
        assert livez(one, 200) == b"ok\n"
    finally:
        os.kill(worker, signal.SIGCONT)
        guard.process.send_signal(signal.SIGCONT)
    assert ask(guard.port, request()).status == 200
    assert worker in children(guard.process.pid)
