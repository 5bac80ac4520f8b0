"""Requests of the gateway's own: what a filter asks (asking_filter.c), for whom it is kept, what
becomes of bad answers, and that nobody else notices."""

import pathlib
import select
import subprocess
import threading

import pytest

import audit
from client import Client, ask, request
from gateway import TOP
from origin import again, answer, close, read, read_head, wait_end
from proxies import tunnel

OWN = "/own"


@pytest.fixture(name="module", scope="session")
def build_module(tmp_path_factory):
    """The filter of asking_filter.c."""
    source = pathlib.Path(__file__).with_name("asking_filter.c")
    library = tmp_path_factory.mktemp("module") / "asking.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-I", TOP / "gateway", "-I",
                    TOP / "filters", source, "-o", library], check=True)
    return library


@pytest.fixture(name="asking")
def start_asking(module, gateway):
    """asking(origin, directives, main=...): a gateway whose filter asks for /own."""
    def start(behind, more="", main="", **settings):
        text = f"location / {{ filters asking; asking_target {OWN}; {more} proxy_pass modelarts; }}"
        return gateway(behind, main=f"load_module {module}; {main}", locations=text, **settings)

    return start


def own(*answers):
    """A script: own requests get these answers in turn (the last one again), others a plain one."""
    left = list(answers)
    lock = threading.Lock()

    def serve(origin, connection):
        read(origin, connection)
        if not connection.requests[-1].target.startswith(OWN):
            connection.send(answer())
            return
        with lock:
            step = left.pop(0) if len(left) > 1 else left[0]
        for part in step if isinstance(step, list) else [step]:
            if isinstance(part, bytes):
                connection.send(part)
            else:
                part(origin, connection)

    return [serve, again]


def call(guard, token="alice", target="/x", **more):
    """One request of a caller."""
    return ask(guard.port, request("GET", target, None, f"X-Auth-Token: {token}"), **more)


def told(behind):
    """What the filter told with each request that went on."""
    return [r.get("X-Asked") for r in behind.requests if not r.target.startswith(OWN)]


def asked(behind):
    """The tokens of the own requests."""
    return [r.get("X-Auth-Token") for r in behind.requests if r.target.startswith(OWN)]


def lookups(guard):
    """The spans of all records."""
    return [s for r in audit.records(guard.directory / "audit.jsonl") for s in r.get("lookups", [])]


def test_asks_once_and_keeps_it(asking, origin):
    """The first request waits for the answer, the second one has it; each has its span."""
    behind = origin(own(answer(b"yes")))
    guard = asking(behind)
    assert [call(guard).status, call(guard).status] == [200, 200]
    assert told(behind) == ["found 200 yes"] * 2
    assert asked(behind) == ["alice"]
    seen = [r for r in behind.requests if r.target == OWN]
    assert seen[0].get("Accept-Encoding") == "identity"
    assert seen[0].get("Host") == f"127.0.0.1:{behind.port}"
    first, second = lookups(guard)
    assert (first["what"], first["status"], first["cached"]) == ("kept", 200, False)
    assert first["us"] > 0
    assert second == {"what": "kept", "status": 200, "cached": True, "us": 0}


def test_asks_through_the_proxy(asking, origin):
    """As the requests themselves go."""
    behind = origin(own(answer(b"yes")))
    proxy = origin([read_head, tunnel(behind.port)])
    guard = asking(behind, upstream=f"proxy http://127.0.0.1:{proxy.port};")
    assert call(guard).status == 200 and asked(behind) == ["alice"]
    assert {r.start for r in proxy.requests} == {f"CONNECT 127.0.0.1:{behind.port} HTTP/1.1"}
    assert len(proxy.connections) == len(behind.connections)


def test_many_at_once_ask_once(asking, origin):
    """One question for all requests of one caller, however many wait."""
    behind = origin(own(answer(b"yes")))
    guard = asking(behind, main="worker_connections 2048;")
    for _ in range(10):
        clients = [Client(guard.port) for _ in range(100)]
        for client in clients:
            client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
        assert {client.final().status for client in clients} == {200}
        for client in clients:
            client.sock.close()
    assert asked(behind) == ["alice"]
    assert set(told(behind)) == {"found 200 yes"}


def test_others_ask_with_their_own(asking, origin):
    """What is kept is told to those who could fetch it themselves."""
    behind = origin(own(answer(b"first"), answer(b"no", "403 Forbidden"), answer(b"third")))
    guard = asking(behind)
    for token in ("alice", "mallory", "alice", "bob", "bob"):
        call(guard, token)
    assert told(behind) == ["found 200 first", "refused 403", "found 200 first",
                            "found 200 third", "found 200 third"]
    assert asked(behind) == ["alice", "mallory", "bob"]


def test_who_belongs_there_is_told(asking, origin):
    """Callers known to be of the subject share one answer."""
    behind = origin(own(answer(b"yes")))
    guard = asking(behind, "asking_trusted on;")
    for token in ("alice", "bob"):
        call(guard, token)
    assert told(behind) == ["found 200 yes"] * 2
    assert asked(behind) == ["alice"]


def test_a_bad_token_first(asking, origin):
    """A refusal belongs to the caller whose token it was: the next in line asks with its own."""
    go = threading.Event()
    behind = origin(own([lambda *_: go.wait(20), answer(b"", "401 Unauthorized")], answer(b"yes")))
    guard = asking(behind, "asking_trusted on;")
    clients = []
    for token in ("bad", "alice", "alice"):
        clients.append(Client(guard.port))
        clients[-1].send(request("GET", f"/x?{token}", None, f"X-Auth-Token: {token}"))
        behind.wait(lambda: asked(behind))
    go.set()
    assert [c.final().status for c in clients] == [200] * 3
    assert asked(behind) == ["bad", "alice"]
    assert {r.target: r.get("X-Asked") for r in behind.requests if r.target != OWN} == {
        "/x?bad": "refused 401", "/x?alice": "found 200 yes"}


def test_pages(asking, origin):
    """One more request for each page, over one connection."""
    behind = origin(own(answer(b"/own?2"), answer(b"/own?3"), answer(b"end")))
    guard = asking(behind)
    call(guard)
    assert told(behind) == ["found 200 end"]
    assert [r.target for r in behind.requests][:3] == ["/own", "/own?2", "/own?3"]


def test_pages_without_end(asking, origin):
    """A page that names itself again and again ends."""
    behind = origin(own(answer(b"/own?2")))
    guard = asking(behind, "asking_timeout 60s;")
    call(guard)
    assert told(behind) == ["failed 200 it has no end of pages"]
    assert len(asked(behind)) == 100


def test_stale_is_told_while_it_is_asked_again(asking, origin):
    """Behind its time an answer is told for a while, and asked for once."""
    behind = origin(own(answer(b"old"), answer(b"new")))
    guard = asking(behind, "asking_ttl 0; asking_stale 60s;")
    call(guard)
    call(guard)
    behind.wait(lambda: len(asked(behind)) == 2)
    while told(behind)[-1] != "found 200 new":
        call(guard)
    assert told(behind)[:2] == ["found 200 old"] * 2
    assert [s.get("stale", False) for s in lookups(guard)][:2] == [False, True]


def test_not_kept(asking, origin):
    """What is not kept is asked for every time."""
    behind = origin(own(answer(b"1"), answer(b"2")))
    guard = asking(behind, "asking_kept off;")
    call(guard)
    call(guard)
    assert told(behind) == ["found 200 1", "found 200 2"]


CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
BAD = {
    "404": (answer(b"", "404 Not Found"), "none 404"),
    "429": (answer(b"", "429 Too Many"), "failed 429 it was answered 429"),
    "500": (answer(b"", "500 Oh"), "failed 500 it was answered 500"),
    "302": (answer(b"", "302 Found", "Location: http://127.0.0.1/"), "failed 302 it was answered 302"),
    "chunked": (CHUNKED, "found 200 abcde"),
    "until the end": ([b"HTTP/1.1 200 OK\r\n\r\nall", close], "found 200 all"),
    "hints": (HINTS + answer(b"yes"), "found 200 yes"),
    "only hints": (HINTS * 20, "failed 0 too many interim answers"),
    "empty": (answer(b""), "failed 200 it is empty"),
    "too large": (answer(b"x" * (10 << 20)), "failed 0 its answer is larger than lookup_max_size"),
    "too large, chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           + b"10000\r\n" + b"x" * 65536 + b"\r\n" + b"10000\r\nx",
                           "failed 0 its answer is larger than lookup_max_size"),
    "cut": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close],
            "failed 0 the connection closed before the answer was complete"),
    "nonsense": (b"SSH-2.0\r\n\r\n", "failed 0 "),
}


@pytest.mark.parametrize("case", BAD)
def test_answers(asking, origin, case):
    """Whatever comes is bounded and told, and the request goes on."""
    step, words = BAD[case]
    behind = origin(own(step))
    guard = asking(behind, main="lookup_max_size 64k;")
    assert call(guard).status == 200
    assert told(behind)[0].startswith(words)
    span, = lookups(guard)
    assert ("error" in span) == words.startswith("failed")


def test_a_service_that_hangs(clock, asking, origin):
    """The deadline is that of all of it; whoever asks within a second is told so at once."""
    behind = origin(own([wait_end]))
    guard = asking(behind, "asking_timeout 300ms;")
    with Client(guard.port) as client:
        client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
        behind.wait(lambda: asked(behind))
        clock(0.4)
        assert client.final().status == 200
    clock(0.9)
    assert call(guard, "bob").status == 200
    assert set(told(behind)) == {"failed 0 no answer came"}
    assert len(asked(behind)) == 1
    assert [s["cached"] for s in lookups(guard)] == [False, True]


def test_what_one_caller_breaks_is_no_failure_for_others(asking, origin):
    """A token at which the service stumbles concerns who brought it."""
    behind = origin(own(answer(b"", "500 Oh"), answer(b"yes")))
    guard = asking(behind)
    call(guard, "poison")
    call(guard, "alice")
    assert told(behind) == ["failed 500 it was answered 500", "found 200 yes"]


def test_a_client_that_leaves(asking, origin):
    """Its question is given up; a late answer finds nobody."""
    behind = origin(own([wait_end]))
    guard = asking(behind, "asking_kept off;")
    with Client(guard.port) as client:
        client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
        behind.wait(lambda: asked(behind))
    guard.wait_log("the client closed the connection")
    assert behind.connections[0].done.wait(20)


def test_a_kept_connection_that_was_closed(asking, origin):
    """The next one is tried, as for clients' requests."""
    behind = origin([read, answer(b"1"), read, answer(), read_head, close],
                    [read, answer(b"2"), again])
    guard = asking(behind, "asking_kept off;", upstream="keepalive 1;")
    call(guard)
    call(guard)
    assert told(behind) == ["found 200 1", "found 200 2"]


def test_one_at_a_time(asking, origin):
    """lookup_concurrency bounds what is on its way; the others wait for their turn."""
    go = threading.Event()
    behind = origin(own([lambda *_: go.wait(20), answer(b"yes")]))
    guard = asking(behind, "asking_kept off;", main="lookup_concurrency 1;")
    clients = [Client(guard.port) for _ in range(3)]
    for client in clients:
        client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
    behind.wait(lambda: asked(behind))
    assert len(asked(behind)) == 1
    go.set()
    assert {c.final().status for c in clients} == {200}
    assert asked(behind) == ["alice"] * 3


def test_no_more_than_max_pending_wait(asking, origin):
    """Beyond that they fail at once."""
    go = threading.Event()
    behind = origin(own([lambda *_: go.wait(100), answer(b"yes")]))
    guard = asking(behind, "asking_kept off; asking_timeout 60s;", main="lookup_concurrency 1;",
                   upstream="max_pending 1;")
    clients = {c.sock: c for c in (Client(guard.port) for _ in range(3))}
    for client in clients.values():
        client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
    [refused], _, _ = select.select(list(clients), [], [])
    assert clients.pop(refused).final().status == 200
    assert told(behind) == ["failed 0 max_pending own requests wait"] and len(asked(behind)) == 1
    go.set()
    assert {c.final().status for c in clients.values()} == {200}
    assert told(behind)[1:] == ["found 200 yes"] * 2 and asked(behind) == ["alice"] * 2


def test_own_failures_mark_no_server(asking, origin):
    """max_fails counts what clients' requests meet."""
    behind, second = origin(own([close])), origin(own([close]))
    guard = asking(behind, "asking_kept off;",
                   upstream=f"server 127.0.0.1:{second.port}; connect_timeout 2s;")
    for _ in range(4):
        assert call(guard).status == 200
    assert len(asked(behind) + asked(second)) == 4
    assert not guard.matches("is passed over")


def test_the_end_of_a_worker(asking, origin):
    """What is on its way is given up (judged by the live objects at exit)."""
    behind = origin(own([wait_end]))
    guard = asking(behind, main="shutdown_timeout 1s;")
    with Client(guard.port) as client:
        client.send(request("GET", "/x", None, "X-Auth-Token: alice"))
        behind.wait(lambda: asked(behind))
        guard.stop()


def test_strict_writes_it_down_first(asking, origin):
    """A line of each own request is on disk before it goes."""
    behind = origin(own(answer(b"/own?2"), answer(b"end")))
    guard = asking(behind, "asking_kept off;", audit="{dir}/audit.jsonl mode=strict")
    assert call(guard).status == 200
    assert told(behind) == ["found 200 end"]
    lines = audit.records(guard.directory / "audit.jsonl", None)
    mine = [r for r in lines if "request_id" in r]
    assert [r["event"] for r in mine] == ["lookup", "lookup", "intent", "outcome"]
    assert len({r["request_id"] for r in mine}) == 1
    assert mine[0]["what"] == "loose" and mine[0]["url.path"] == mine[1]["url.path"] == OWN
    assert mine[0]["upstream.name"] == "modelarts"
