"""GET /events: what is told of requests, once each, in order, and how many are not."""

import json
import os
import re
import signal
import socket
import threading

import pytest

from client import Client, ask, request
from gateway import LOCATIONS, TIMEOUT
from test_admin import series, start_admin  # pylint: disable=unused-import # a fixture
from test_seed import SEED, put

PASS = "location / { proxy_pass modelarts; }"
LARGE = 25


class Viewer:
    """A connection to /events. Comments are passed over."""

    def __init__(self, port, *fields, path="/events"):
        self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.sock.sendall(request("GET", path, None, *fields, host="127.0.0.1", version="1.0"))
        self.file = self.sock.makefile("r", encoding="utf-8", newline="\n")
        self.status = int(self.file.readline().split(" ")[1])
        while self.file.readline() not in ("\r\n", ""):
            pass
        self.last = None
        if self.status == 200:
            kind, _, data = self.event()
            assert kind == "hello"
            self.epoch = json.loads(data)["epoch"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Leaves. No other thread may read at this time."""
        self.file.close()
        self.sock.close()

    def line(self):
        """The next line; empty at the end."""
        try:
            return self.file.readline()
        except ConnectionResetError:  # it was written to after we had ended it
            return ""

    def event(self):
        """The next one: kind, id, data; None at the end, however it comes."""
        kind, at, data = "message", None, None
        while line := self.line():
            line = line.rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                at = self.last = value
            elif name == "data":
                assert data is None
                data = value
            elif line == "" and data is not None:
                return kind, at, data
        return None

    def record(self):
        """The next record, which no gap precedes."""
        kind, _, data = self.event()
        assert kind == "message", data
        return json.loads(data)

    def until(self, n):
        """Records and how many were skipped, until there are n together."""
        records, skipped = [], 0
        while len(records) + skipped < n:
            kind, _, data = self.event()
            if kind == "skipped":
                skipped += int(data)
            else:
                records.append(json.loads(data))
        return records, skipped


def ordinary(one, n=1, path="/x"):
    """Requests that pass."""
    with Client(one.guard.port) as client:
        for i in range(n):
            client.send(request("GET", f"{path}{i}"))
            assert client.final().status == 200


def told(one, result="told"):
    """How many events there were."""
    return series(one.get("/metrics").body.decode(), "feed_events_total")[f'{{result="{result}"}}']


def test_the_refused_and_the_changed_are_always_told(admin):
    """Who looks later sees them; ordinary ones only from then on."""
    one = admin(locations=LOCATIONS)
    ordinary(one)
    assert ask(one.guard.port, put(SEED), "PUT").status == 200
    assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
    assert ask(one.guard.port, b"GET\r\n\r\n").status == 400
    with Viewer(one.port) as viewer:
        changed, missing, nonsense = (viewer.record() for _ in range(3))
        ordinary(one)
        now = viewer.record()
    assert changed["decision"] == "allow"
    assert len(changed["patch"]) == 3
    assert (missing["decision"], missing["http.response.status_code"]) == ("invalid", 400)
    assert (nonsense["decision"], "url.path" in nonsense) == ("invalid", False)
    assert (now["decision"], now["url.path"]) == ("allow", "/x0")
    assert told(one) == 4


def test_the_level_is_metadata(admin):
    """Whatever the log tells."""
    one = admin(main="audit_body full;", locations=LOCATIONS)
    body = b'{"config_name": "c", "user_command": "echo hush-1", "parameter": [{"label": "a", "value": 7}]}'
    assert ask(one.guard.port, put(body), "PUT").status in (200, 400)
    with Viewer(one.port) as viewer:
        text = json.dumps(viewer.record())
    log = (one.guard.directory / "audit.jsonl").read_text()
    assert "hush-1" in log and "hush-1" not in text
    assert "request.body_full" in log and "request.body_full" not in text


def test_hostile_texts(admin):
    """Each event is one line of JSON, whatever the client wrote."""
    one = admin(server="client_header_max_size 128k;", locations=LOCATIONS)
    names = ["%3Cscript%3E", "%00%0a%0d%0adata:%20x", "%e2%80%ae%d7%90", "%ff%fe", "n" * 7000, "n" * 65536]
    agent = "<script>alert(1)</script>\t\xe2\x80\xae\xff"
    with Viewer(one.port) as viewer:
        for name in names:
            ask(one.guard.port, request("GET", f"/v1/p/{name}", None, f"User-Agent: {agent}"))
        records = [viewer.record() for _ in names]
    assert [r.get("url.path") for r in records] == [
        "/v1/p/%3Cscript%3E", "/v1/p/" + names[1], "/v1/p/%E2%80%AE%D7%90", "/v1/p/%FF%FE", "/v1/p/" + "n" * 7000, None]
    assert all(len(json.dumps(r)) < 16384 for r in records)
    assert records[0]["user_agent.original"] == "<script>alert(1)</script>\t\u202e\ufffd"


def test_taken_up_again(admin):
    """By the field that browsers send, or in the query: what came since, each once."""
    one = admin()
    with Viewer(one.port) as viewer:
        ordinary(one, 3)
        first = [viewer.record()["url.path"] for _ in range(2)]
        last = viewer.last
    ordinary(one, 2, "/y")
    for fields, path in (([f"Last-Event-ID: {last}"], "/events"), ([], f"/events?after={last}")):
        with Viewer(one.port, *fields, path=path) as viewer:
            assert [viewer.record()["url.path"] for _ in range(3)] == ["/x2", "/y0", "/y1"]
            assert viewer.epoch == last.split(".")[0]
    assert first == ["/x0", "/x1"]
    for nonsense in ("0000000000000000.1.0", "x", last + ".1", last.replace(".", "..")):
        with Viewer(one.port, f"Last-Event-ID: {nonsense}") as viewer:
            assert viewer.record()["url.path"] == "/x0"


def test_a_gap_is_told(admin):
    """What no ring holds any more is one event."""
    one = admin(locations=LOCATIONS)
    body = b'{"config_desc": "' + b"x" * 3000 + b'"}'  # more than a ring holds, and than is told at once
    with Viewer(one.port) as viewer:
        assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
        viewer.record()
        last = viewer.last
    for _ in range(2):
        with Client(one.guard.port) as client:
            for _ in range(600):
                client.send(put(body))
                client.final("PUT")
    with Viewer(one.port, f"Last-Event-ID: {last}") as viewer:
        events = []
        while sum(1 if kind == "message" else int(data) for kind, _, data in events) < 1200:
            events.append(viewer.event())
    gaps = [int(data) for kind, _, data in events if kind == "skipped"]
    assert len(gaps) == 1 and len(events) - 1 + gaps[0] == 1200


def test_none_is_forgotten_at_speed(admin):
    """Events and what was skipped are what the counters say, over several workers."""
    one = admin()
    path = one.guard.directory / "trainguard.conf"
    path.write_text(path.read_text().replace("worker_processes 1", "worker_processes 2"))
    assert one.unix("/reload").status == 200
    n, clients = 4000, 4

    def run():
        with Client(one.guard.port) as client:
            for _ in range(n // clients // 50):
                client.send(request() * 50)
                for _ in range(50):
                    assert client.final().status == 200

    with Viewer(one.port) as viewer:
        threads = [threading.Thread(target=run) for _ in range(clients)]
        for thread in threads:
            thread.start()
        records, skipped = viewer.until(n)
        for thread in threads:
            thread.join(TIMEOUT)
        assert len(records) + skipped == n and skipped > 0
        assert len({r["request_id"] for r in records}) == len(records)
        counted = series(one.get("/metrics").body.decode(), "http_requests_total")
        assert sum(counted.values()) == n
        assert (told(one), told(one, "left_out")) == (len(records) + skipped - told(one, "left_out"), n - told(one))


def test_twenty_viewers(admin):
    """One more is told to come again; who leaves makes room."""
    one = admin()
    viewers = [Viewer(one.port) for _ in range(20)]
    more = Viewer(one.port)
    assert more.status == 503
    more.close()
    viewers.pop().close()
    while (more := Viewer(one.port)).status != 200:
        more.close()
    ordinary(one)
    assert more.record()["url.path"] == "/x0"
    for viewer in viewers + [more]:
        viewer.close()


def large(one):
    """Requests with large records, no more than the ring of a process holds."""
    ordinary(one, LARGE, "/" + "n" * 7000)


def narrow(port, path):
    """A viewer whose kernel takes less than the feed has."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(TIMEOUT)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request("GET", path, None, host="127.0.0.1"))
    return sock


def test_a_backlog_is_taken_slowly(small_buffers, admin):
    """Who comes back to more than waits for anybody has all of it at his own speed."""
    # pylint: disable=unused-argument
    one = admin()
    with Viewer(one.port) as viewer:
        for _ in range(4):
            large(one)
            for _ in range(LARGE):
                viewer.record()
        with narrow(one.port, f"/events?after={viewer.epoch}.0.0") as slow:
            for _ in range(3):
                ordinary(one)
                assert viewer.record()["url.path"] == "/x0"  # all were looked at meanwhile
            text = b""
            while text.count(b'"url.path":"/nnnnn') < 4 * LARGE:
                assert (more := slow.recv(1 << 17)), f"dropped after {len(text)} bytes"
                text += more


def test_who_takes_nothing_is_dropped(small_buffers, admin):
    """And others are told on."""
    # pylint: disable=unused-argument
    one = admin()
    with narrow(one.port, "/events"), Viewer(one.port) as viewer:
        reader = threading.Thread(target=lambda: [*iter(viewer.event, None)])
        reader.start()
        while not one.guard.matches("takes nothing of the feed"):
            large(one)
        viewer.sock.shutdown(socket.SHUT_RDWR)
        reader.join(TIMEOUT)
    assert told(one) > 50


def test_a_reload_with_a_viewer(admin):
    """The stream ends, and another process goes on with it: nothing twice, nothing lost."""
    one = admin(locations=LOCATIONS)
    with Viewer(one.port) as viewer:
        ordinary(one, 2)
        assert [viewer.record()["url.path"] for _ in range(2)] == ["/x0", "/x1"]
        assert one.unix("/reload").status == 200
        assert viewer.event() is None
        last, epoch = viewer.last, viewer.epoch
    assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
    with Viewer(one.port, f"Last-Event-ID: {last}") as viewer:
        assert viewer.epoch == epoch
        assert viewer.record()["decision"] == "invalid"
        ordinary(one)
        assert viewer.record()["url.path"] == "/x0"


def test_an_upgrade_with_a_viewer(admin):
    """The counters of the new program start anew, and say so."""
    one = admin()
    with Viewer(one.port) as viewer:
        ordinary(one)
        viewer.record()
        one.guard.process.send_signal(signal.SIGUSR2)
        assert viewer.event() is None
        last, epoch = viewer.last, viewer.epoch
    assert one.guard.process.wait(TIMEOUT) == 0
    with Viewer(one.port, f"Last-Event-ID: {last}") as viewer:
        assert viewer.epoch != epoch
        ordinary(one, path="/new")
        assert viewer.record()["url.path"] == "/new0"
    assert one.unix("/drain").status == 202


def test_a_worker_that_dies(admin):
    """What it told stands, and the next one goes on."""
    one = admin(locations=LOCATIONS, expect=[r"killed by signal 9"])
    assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
    pid = json.loads(one.get("/status").body)["workers"][0]["pid"]
    with Viewer(one.port) as viewer:
        viewer.record()
        os.kill(pid, signal.SIGKILL)
        one.guard.wait_log("killed by signal 9")
        one.guard.wait(lambda: len(one.guard.matches(r"worker 0 is process")) == 2, "another worker")
        assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
        assert viewer.record()["decision"] == "invalid"


@pytest.mark.parametrize("look", [False, True])
def test_history(admin, look):
    """The counters of the last minutes, whoever looks."""
    one = admin()
    ordinary(one, 3)
    if look:
        with Viewer(one.port):
            pass
    samples = json.loads(one.get("/history").body)["samples"]
    assert len(samples) >= 1 and samples[0]["counts"] in ([0] * 6, [3, 0, 0, 0, 0, 0])
    assert re.fullmatch(r"\d+", str(samples[-1]["age"]))
