"""Limits where the store decides about each request: rates with `exact`, and what is in flight, in
all gateways together; who waits for the store, and for how long; who dies while it holds something."""

import os
import select
import signal
import threading

import pytest

import audit
from client import Client, ask, check_refusal, request
from gateway import GUARDED, Gateway, config
from origin import OK, again, answer, read
from redis import Redis
from test_identify import put, start_known
from test_keeper import child
from test_limit_store import (ROWS, calls, get, key, location, redis, start, store, with_three)
from test_processes import wait_gone
from wire import Closed

__all__ = ["key", "redis", "start_known"]  # the fixtures
RATE = "limit_req project rate=1/m burst=4 shared=fleet exact name=put;"
FLIGHT = "limit_in_flight address 3 shared=fleet name=few;"


class Gate:
    """An upstream that answers when it is told to, one request at a time."""

    def __init__(self, module_origin):
        self.slots = threading.Semaphore(0)
        self.end = module_origin([read, self.wait, answer(), again])

    def wait(self, _origin, connection):
        """Waits for its turn; who has gone has none."""
        while True:
            turn = self.slots.acquire(timeout=0.02)
            if select.select([connection.sock], [], [], 0)[0]:
                if turn:
                    self.open()
                raise Closed()
            if turn:
                return

    def open(self):
        """Answers one request, whichever."""
        self.slots.release()


@pytest.fixture(scope="module")
def gate(module_origin):
    """The upstream of those who hold something."""
    return Gate(module_origin)


def held(server, name="few"):
    """What each gateway holds of the only key of a limit, as the store knows it."""
    found = server.keys(f"*:{name}:held")
    values = server.do("HGETALL", found[0]) if found else []
    return sorted(int(v.split()[0]) for v in values[1::2])


def owed(server, name):
    """What each key of a rate is used up ahead, in seconds, as of when it was told last."""
    values = [server.do("GET", k).split() for k in server.keys(f"*:{name}:rate")]
    return [(int(used_up) - int(written)) / 1e6 for used_up, written in values]


def take(guard, server, before, path="/held", name="few"):
    """A client whose request is under way: the store knows of one more than `before`."""
    client = Client(guard.port)
    client.send(request("GET", path))
    server.wait(lambda: sum(held(server, name)) == before + 1, f"{before + 1} in flight")
    return client


def leave(clients, server):
    """They go away without an answer, and nothing is held any more."""
    for client in clients:
        client.sock.close()
    server.wait(lambda: not held(server), "all gone")


@pytest.fixture(scope="module")
def two(module_origin, module_gateway, gate, redis, key):
    """Two gateways, of one worker each, with one store."""
    locations = (location("/v1/{project_id}/x", RATE) +
                 f"location /held {{ {FLIGHT} proxy_pass gate; }}\n"
                 "location /both { limit_req address rate=1/m burst=1 shared=fleet exact name=some;\n"
                 "limit_in_flight address 1 shared=fleet name=one; limit_headers draft;\n"
                 "proxy_pass gate; }\n")
    behind = f"upstream gate {{ server 127.0.0.1:{gate.end.port}; tls off; }}"
    return [start(module_gateway, module_origin(OK),
                  behind + store("fleet", f"unix:{redis.socket}", key), locations) for _ in range(2)]


@pytest.fixture(autouse=True)
def empty(request):
    """Nothing is left of the test before."""
    if "two" in request.fixturenames:
        request.getfixturevalue("redis").do("FLUSHALL")


def test_exact(two, redis):
    """Not one more than the limit, whoever is asked; nobody is told later."""
    got = [get(two[i % 2], "/v1/project-of-mine/x") for i in range(7)]
    assert got == [200] * 5 + [429] * 2
    assert 290 < redis.owed("put") <= 300
    assert get(two[1], "/v1/project-of-others/x") == 200
    refusal = ask(two[0].port, request("GET", "/v1/project-of-mine/x"))
    check_refusal(refusal, 429, "ModelArts.0114")
    assert 1 <= int(refusal.get("Retry-After")) <= 60
    records = audit.wait(two[0].directory / "audit.jsonl", 5)
    limits = records[-1]["limits"][0]
    assert (limits["rule"], limits["result"], limits["store"]) == ("put", "refuse", "fleet")
    assert not [k for k in redis.keys() if "project" in k]


def test_in_flight(two, gate, redis):
    """Not one more at once than the limit; who is done, or goes away, makes room."""
    clients = [take(two[0], redis, 0), take(two[0], redis, 1), take(two[1], redis, 2)]
    assert held(redis) == [1, 2]
    for guard in two:
        refusal = ask(guard.port, request("GET", "/held"))
        check_refusal(refusal, 429, "ModelArts.0114")
        assert refusal.get("Retry-After") == "1"
    gate.open()
    redis.wait(lambda: sum(held(redis)) == 2, "one answered")
    clients.append(take(two[1], redis, 2))
    leave(clients, redis)


def test_all_or_nothing(two, gate, redis):
    """What one limit refuses, the other is not charged for, wherever it is counted."""
    client = take(two[0], redis, 0, "/both", "one")
    assert get(two[1], "/both") == 429
    redis.wait(lambda: 50 < redis.owed("some") <= 60, "one request charged")
    gate.open()
    answered = client.final()
    assert answered.status == 200
    assert answered.get("RateLimit") == '"some";r=1;t=60, "one";r=0'
    redis.wait(lambda: not held(redis, "one"), "room")
    client = take(two[1], redis, 0, "/both", "one")
    gate.open()
    assert client.final().status == 200
    redis.wait(lambda: not held(redis, "one"), "room")
    refused = ask(two[0].port, request("GET", "/both"))
    assert refused.status == 429 and refused.get("RateLimit").startswith('"some";r=0')


def test_a_new_syncer_and_new_workers(two, gate, redis):
    """What is held stays held, whoever tells the store of it."""
    clients = [take(two[0], redis, n) for n in range(3)]
    times = len(two[0].matches("answers"))
    two[0].expect.append("syncer .* was killed by signal 9")
    os.kill(child(two[0], "syncer"), signal.SIGKILL)
    two[0].wait(lambda: len(two[0].matches("answers")) > times, "another syncer")
    assert get(two[1], "/held") == 429
    two[0].process.send_signal(signal.SIGHUP)
    two[0].wait(lambda: len(two[0].matches("answers")) > times + 1, "a third one")
    two[0].wait_log("reloaded")
    assert held(redis) == [3]
    assert get(two[0], "/held") == get(two[1], "/held") == 429
    for _ in clients:
        gate.open()
    assert [client.final().status for client in clients] == [200] * 3
    redis.wait(lambda: not held(redis), "all done")
    leave([take(two[1], redis, 0)], redis)


def test_an_upgrade(module_origin, gateway, redis, key):
    """What the old program's clients hold counts for the new one, until they are done."""
    redis.do("FLUSHALL")
    gate = Gate(module_origin)
    guard = start(gateway, gate.end, store("fleet", f"unix:{redis.socket}", key),
                  location("/held", "limit_in_flight address 1 shared=fleet name=few;"))
    guard.wait_log("answers")
    client = take(guard, redis, 0)
    guard.process.send_signal(signal.SIGUSR2)
    for line in "master: trainguard", "answers":
        guard.wait(lambda line=line: len(guard.matches(line)) == 2, f"the new program's {line}")
    assert get(guard, "/held") == 429
    gate.open()
    assert client.final().status == 200
    assert guard.process.wait(30) == 0
    redis.wait(lambda: not held(redis), "room")
    gate.open()
    assert get(guard, "/held") == 200
    new = int((guard.directory / "trainguard.pid").read_text())
    os.kill(new, signal.SIGQUIT)
    wait_gone(new)


def test_a_syncer_that_stands_still(module_origin, gateway, redis, key):
    """Who asks it waits no longer than twice the `timeout`, and nothing is kept for who has waited."""
    redis.do("FLUSHALL")
    guard = start(gateway, module_origin(OK),
                  "worker_hang_timeout 0; " +
                  store("fleet", f"unix:{redis.socket}", key, "timeout 200ms; lease 60s; on_error deny;"),
                  location("/rate", "limit_req address rate=1000/s burst=99 shared=fleet exact;") +
                  location("/flight", "limit_in_flight address 1 shared=fleet name=few;"))
    guard.wait_log("answers")
    syncer = child(guard, "syncer")
    os.kill(syncer, signal.SIGSTOP)
    for path in "/rate", "/flight", "/flight":
        check_refusal(ask(guard.port, request("GET", path)), 503, "ModelArts.4700")
    os.kill(syncer, signal.SIGCONT)
    for path in "/rate", "/flight":
        redis.wait(lambda path=path: get(guard, path) == 200, "back")


def test_forgotten_scripts_and_clock(two, redis):
    """Scripts are sent again. Where the clock falls back, what a key owed and what is held stay for
    so long as they were to stay."""
    assert get(two[0], "/v1/p/x") == 200
    client = take(two[0], redis, 0)
    redis.do("SCRIPT", "FLUSH")
    before = calls(two[0], "noscript")
    assert get(two[0], "/v1/p/x") == 200
    assert calls(two[0], "noscript") > before
    ahead = int(redis.do("TIME")[0]) * 10**6 + 3600 * 10**6
    redis.do("SET", redis.keys("*:put:rate")[0], f"{ahead + 240 * 10**6} {ahead}")
    redis.do("HSET", redis.keys("*:few:held")[0], "other", f"1 {ahead + 60 * 10**6} {ahead}")
    assert [get(two[0], "/v1/p/x") for _ in range(2)] == [200, 429]
    client = [client, take(two[0], redis, 2)]
    assert get(two[1], "/held") == 429
    ends, written = redis.do("HGET", redis.keys("*:few:held")[0], "other").split()[1:]
    assert int(ends) < ahead - 3000 * 10**6 and int(ends) - int(written) == 60 * 10**6
    redis.do("HDEL", redis.keys("*:few:held")[0], "other")
    leave(client, redis)


def test_who_waits(module_origin, gateway, key):
    """A store that says nothing is waited for by those whom it decides about, and by nobody else.
    Who goes away meanwhile gives back what comes."""
    server = Redis()
    try:
        guard = start(gateway, module_origin(OK),
                      store("fleet", f"unix:{server.socket}", key, "timeout 10s; lease 60s;"),
                      location("/rate", "limit_req address rate=1/m shared=fleet exact name=put;") +
                      location("/flight", FLIGHT) + location("/", ""))
        guard.wait_log("answers")
        server.freeze()
        clients = [Client(guard.port), Client(guard.port)]
        for client, path in zip(clients, ("/rate", "/flight")):
            client.send(request("GET", path))
        assert [get(guard) for _ in range(3)] == [200] * 3
        for client in clients:
            client.sock.close()
        log = guard.directory / "audit.jsonl"
        ends = {r["url.path"]: r["end"] for r in audit.wait(log, 5)}
        assert ends == {"/": "done", "/rate": "client_gone", "/flight": "client_gone"}
        server.thaw()
        assert get(guard, "/flight") == 200
        server.wait(lambda: server.owed("put") == 0 and not held(server), "nothing kept")
        assert get(guard, "/rate") == 200
    finally:
        server.end()


def test_frozen(module_origin, gateway, key):
    """Who asks waits no longer than `timeout`, then holds what on_error says, until the store has
    shown that it is back."""
    server = Redis()
    try:
        guard = start(gateway, module_origin(OK),
                      store("fleet", f"unix:{server.socket}", key, "timeout 200ms; on_error deny;"),
                      location("/rate", "limit_req address rate=1000/s burst=99 shared=fleet exact;") +
                      location("/flight", FLIGHT))
        guard.wait_log("answers")
        server.freeze()
        for path in "/rate", "/flight", "/rate":
            check_refusal(ask(guard.port, request("GET", path)), 503, "ModelArts.4700")
        guard.wait_log("did not answer in time")
        server.thaw()
        for path in "/rate", "/flight":
            server.wait(lambda path=path: get(guard, path) == 200, "back")
    finally:
        server.end()


@pytest.fixture(scope="module")
def three(module_origin, module_gateway, key):
    """Exact rates, and what is in flight."""
    yield from with_three(module_gateway, module_origin, key, lambda w: location(
        f"/{w}/{{project_id}}/rate",
        f"limit_req project rate=1/m burst=1 shared=on-{w} exact name={w}-rate;") + location(
            f"/{w}/{{project_id}}/flight", f"limit_in_flight project 1 shared=on-{w} name={w}-flight;"))


@pytest.mark.parametrize("project", ROWS)
def test_without_the_store(three, project):
    """Each way of being away, for each way to go on; the request that finds out is judged so, too."""
    breaks, mends, why = ROWS[project]
    three.turns += 1
    three.wait("answers", three.turns)
    breaks(three.server)
    guard = three.guard
    for kind in "rate", "flight":
        assert get(guard, f"/pass/{project}/{kind}") == 200
        assert get(guard, f"/deny/{project}/{kind}") == 503
    assert [get(guard, f"/local/{project}/rate") for _ in range(3)] == [200, 200, 429]
    assert [get(guard, f"/local/{project}/flight") for _ in range(2)] == [200, 200]
    three.wait(f"is away, .*({why})", 1)
    log = audit.records(guard.directory / "audit.jsonl")[-9:]
    limits = [r["limits"][0] for r in log if "limits" in r]
    assert [(x["store"], x["result"]) for x in limits] == [
        ("on-pass", "unknown"), ("on-deny", "unknown")] * 2 + [("local", "refuse")]
    mends(three.server)
    three.wait("answers", three.turns + 1)
    for kind in "rate", "flight":
        assert get(guard, f"/deny/{project}-again/{kind}") == 200


def kill_all(guard):
    """kill -9 of a whole gateway, as a node that dies does it."""
    guard.process.send_signal(signal.SIGSTOP)  # it starts nobody again
    for role in "worker", "syncer", "admin":
        os.kill(child(guard, role), signal.SIGKILL)
    guard.process.kill()
    guard.process.wait()


@pytest.mark.parametrize("who", ["gateway", "worker"])
def test_who_dies(module_origin, gateway, tmp_path, key, who):
    """What it held is back when its lease ends, or its gateway tells the store."""
    def mortal(behind, expect, **settings):
        folder = tmp_path / "mortal"
        folder.mkdir()
        return Gateway(folder, config(folder, behind.port, **settings), expect)

    server, gate = Redis(), Gate(module_origin)
    try:
        place = store("fleet", f"unix:{server.socket}", key, "timeout 1900ms; lease 2s;")
        guards = [start(how, gate.end, place, location("/held", FLIGHT),
                        ["worker .* was killed by signal 9"]) for how in (mortal, gateway)]
        for guard in guards:
            guard.wait_log("answers")
        clients = [take(guards[0], server, n) for n in range(3)]
        words = server.do("HGETALL", server.keys("*:few:held")[0])[1].split()
        assert int(words[1]) - int(words[2]) == 2 * 10**6
        if who == "gateway":
            kill_all(guards[0])
        else:
            os.kill(child(guards[0], "worker"), signal.SIGKILL)
        for _ in range(9):
            gate.open()
        server.wait(lambda: get(guards[1], "/held") == 200, "room")
        for client in clients:
            client.sock.close()
        if who == "worker":
            guards[0].wait(lambda: len(guards[0].matches(r"worker 0 is process")) > 1, "another worker")
        guards[0].stop(judge=who == "worker")
    finally:
        server.end()


def test_once_the_caller_is_known(known, redis, key):
    """The second step of limits waits as the first does; who is refused by it is charged by none of it."""
    redis.do("FLUSHALL")
    guard, service, iam = known(
        "limit_req user rate=1/m burst=1 shared=fleet exact name=each;"
        "limit_req principal rate=1/m burst=9 shared=fleet exact name=put;",
        main=store("fleet", f"unix:{redis.socket}", key) + f"audit_key_file {key};")
    guard.wait_log("answers")
    iam.api.tokens["alice2"] = iam.api.tokens["alice"]
    assert [put(guard, token).status for token in ("alice", "alice2", "alice2")] == [200, 200, 429]
    assert len(service.requests) == 2
    redis.wait(lambda: [30 < seconds <= 60 for seconds in owed(redis, "put")] == [True] * 2, "one each")


def test_a_body_meanwhile(module_origin, gateway, key):
    """A body that comes while the store is asked is there when it has answered, collected or streamed."""
    server, behind = Redis(), module_origin(OK)
    try:
        guard = start(gateway, behind, store("fleet", f"unix:{server.socket}", key), f"""
            location {GUARDED} {{ filters json; limit_in_flight project 9 shared=fleet; proxy_pass modelarts; }}
            location / {{ limit_req address rate=9/s burst=9 shared=fleet exact; proxy_pass modelarts; }}""")
        guard.wait_log("answers")
        server.freeze()
        whole, half = Client(guard.port), Client(guard.port)
        whole.send(request("PUT", "/v1/p/training-job-configs/c", b'{"a": 1}', "Content-Type: application/json"))
        half.send(request("POST", "/x", None, "Content-Length: 6") + b"abc")
        server.thaw()
        assert whole.final("PUT").status == 200
        half.send(b"def")
        assert half.final("POST").status == 200
        assert sorted(behind.seen()) == ["POST /x abcdef", 'PUT /v1/p/training-job-configs/c {"a": 1}']
    finally:
        server.end()


def test_never_more_at_once(module_origin, gateway, redis, key):
    """A crowd at both gateways: the upstream never sees more than the limit."""
    redis.do("FLUSHALL")
    lock, now, seen = threading.Lock(), [0], []

    def count(by):
        def step(*_):
            with lock:
                now[0] += by
                seen.append(now[0])
        return step

    end = module_origin([read, count(1), lambda *_: select.select([], [], [], 0.005), count(-1), answer(), again])
    guards = [start(gateway, end, store("fleet", f"unix:{redis.socket}", key), location("/", FLIGHT))
              for _ in range(2)]
    for guard in guards:
        guard.wait_log("answers")
    statuses = []

    def crowd(guard):
        for _ in range(25):
            statuses.append(get(guard))

    threads = [threading.Thread(target=crowd, args=[guard]) for guard in guards * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 200 and set(statuses) == {200, 429}
    assert max(seen) <= 3 and len(seen) == 2 * statuses.count(200)
    redis.wait(lambda: not held(redis), "all gone")
