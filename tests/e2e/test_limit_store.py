"""Limits that gateways share through a store: what they come to together, and what holds while the
store is away, by each way in which it can be."""

import hashlib
import json
import os
import signal
import subprocess

import pytest

import audit
from client import ask, request
from gateway import PORT, TOP, binary, config
from listener import server_context
from origin import OK, answer, read_some
from redis import Redis, relay
from test_keeper import child
from test_processes import wait_gone

ADMIN = "admin { listen 127.0.0.1:0; }"
# Times that pass while a slow machine looks away are no failure here.
SLOW = "timeout 10s; lease 60s;"


@pytest.fixture(scope="module")
def redis():
    """The server that most tests share."""
    server = Redis()
    yield server
    server.end()


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """What all gateways know, and others do not."""
    path = tmp_path_factory.mktemp("key") / "limits"
    path.write_text("what all gateways know\n")
    path.chmod(0o600)
    return path


def store(name, place, key, more=SLOW):
    """A limit_store."""
    return f"limit_store {name} {{ server {place}; key_file {key}; {more} }}\n"


def location(path, limit):
    """A location with one limit."""
    return f"location {path} {{ {limit} proxy_pass modelarts; }}\n"


def start(gateway, behind, main, locations, expect=()):
    """A gateway with an admin listener that has tried its stores."""
    guard = gateway(behind, main=ADMIN + main, locations=locations, expect=expect)
    guard.wait_log("master: trainguard")
    ports = [int(m[1]) for m in guard.matches(PORT)]
    guard.admin, guard.port = ports[0], ports[-1]
    return guard


def get(guard, path="/"):
    """The status of one request."""
    return ask(guard.port, request("GET", path)).status


def status(guard, name="fleet"):
    """What /status says of a store."""
    page = json.loads(ask(guard.admin, request("GET", "/status", host="127.0.0.1")).body)
    return next(s for s in page["limit_stores"] if s["store"] == name)


def calls(guard, result):
    """How often calls to the only store came to that."""
    text = ask(guard.admin, request("GET", "/metrics", host="127.0.0.1")).body.decode()
    line = f'trainguard_limit_store_calls_total{{store="fleet",result="{result}"}} '
    return int(next(x for x in text.splitlines() if x.startswith(line)).split()[-1])


def test_one_rate_for_two_gateways(module_origin, gateway, redis, key):
    """What one let pass, the other is told; by names that tell nobody who it was."""
    redis.do("FLUSHALL")
    limit = "limit_req project rate=1/m burst=5 shared=fleet name=put;"
    two = [start(gateway, module_origin(OK), store("fleet", f"unix:{redis.socket}", key),
                 location("/v1/{project_id}/x", limit) + location("/", "")) for _ in range(2)]
    got = [get(two[0], "/v1/project-of-mine/x") for _ in range(7)]
    assert got == [200] * 6 + [429]
    redis.wait(lambda: 359 < redis.owed("put") <= 360, "six requests in the store")
    got = []
    while 429 not in got:  # the first tells it what the other has let pass
        got.append(get(two[1], "/v1/project-of-mine/x"))
        redis.wait(lambda: redis.owed("put") > 60 * (6 + got.count(200)) - 50, "what passed")
    assert len(got) <= 6
    assert get(two[1], "/v1/project-of-others/x") == 200
    record = audit.wait(two[1].directory / "audit.jsonl", len(got))[-2]
    limits = record["limits"][0]
    assert (limits["rule"], limits["result"], limits["store"]) == ("put", "refuse", "fleet")
    assert "counted by fleet" in record["end_detail"]
    assert not [k for k in redis.keys() if "project" in k]
    two[0].wait(lambda: status(two[0])["up"], "up")
    redis.wait(lambda: status(two[1])["gateways"] == 2, "two gateways")


WORDS = ("local", "pass", "deny")


class Three:
    """A gateway with a store of each on_error, and their server, which has a hard life."""

    def __init__(self, guard, server):
        self.guard = guard
        self.server = server
        self.turns = 0  # how often the stores came back

    def wait(self, line, times):
        """Waits until a line was logged so often for each store."""
        for word in WORDS:
            self.guard.wait(lambda word=word: len(self.guard.matches(
                f'limit_store "on-{word}" {line}')) >= times, f"{word} {line}")

    def get(self, word, project):
        """The status of a request under the limit of a store."""
        return get(self.guard, f"/{word}/{project}/x")


def with_three(gateway, origin, key, locations):
    """The three of them; `locations` tells those of a word. One value, as a fixture has it."""
    server = Redis()
    yield Three(start(
        gateway, origin(OK),
        "".join(store(f"on-{w}", f"unix:{server.socket}", key, f"{SLOW} on_error {w};") for w in WORDS),
        "".join(locations(w) for w in WORDS)), server)
    server.end()


@pytest.fixture(scope="module")
def three(module_origin, module_gateway, key):
    """Rates that no request waits for."""
    yield from with_three(module_gateway, module_origin, key, lambda w: location(
        f"/{w}/{{project_id}}/x", f"limit_req project rate=1/m burst=1 shared=on-{w};"))


def restart(server):
    """Nothing that was set stays."""
    server.kill()
    server.start()


ROWS = {
    "killed": (Redis.kill, Redis.start, "closed the connection|broke|No such|refused"),
    "full": (lambda s: s.do("CONFIG", "SET", "maxmemory", "1"),
             lambda s: s.do("CONFIG", "SET", "maxmemory", "0"), "OOM"),
    "replica": (lambda s: s.do("REPLICAOF", "127.0.0.1", "1"),
                lambda s: s.do("REPLICAOF", "NO", "ONE"), "READONLY|no master"),
    "rights": (lambda s: s.do("ACL", "SETUSER", "default", "-evalsha", "-eval"),
               lambda s: s.do("ACL", "SETUSER", "default", "+evalsha", "+eval"), "NOPERM"),
    "password": (lambda s: s.all(("ACL", "SETUSER", "default", "resetpass", ">other"),
                                 ("CLIENT", "KILL", "TYPE", "normal")),
                 restart, "NOAUTH|closed the connection|broke"),
}


@pytest.mark.parametrize("project", ROWS)
def test_what_holds_without_the_store(three, project):
    """local goes on with its own count, pass with none, deny refuses, and says that it is not the
    client's fault; when the store is back it is asked again."""
    breaks, mends, why = ROWS[project]
    log = three.guard.directory / "audit.jsonl"
    three.turns += 1
    three.wait("answers", three.turns)
    before = len(audit.records(log))
    breaks(three.server)
    for word in WORDS:
        three.get(word, project)  # what passes is told, and that shows what the server has become
    three.wait(f"is away, .*({why})", 1)
    three.wait("is away", three.turns)
    assert [three.get("pass", project) for _ in range(3)] == [200] * 3
    assert three.get("deny", project) == 503
    assert [three.get("local", project) for _ in range(2)][-1] == 429
    told = {r["http.route"].split("/")[1]: r for r in audit.wait(log, before + 9)[before + 3:]}
    assert told["deny"]["end"] == "limit_store" and told["deny"]["decision"] == "error"
    assert [r["limits"][0]["result"] for r in told.values()] == ["unknown", "unknown", "refuse"]
    assert [r["limits"][0]["store"] for r in told.values()] == ["on-pass", "on-deny", "local"]
    mends(three.server)
    three.wait("answers", three.turns + 1)
    assert three.get("deny", project + "-again") == 200


def test_frozen(module_origin, gateway, key):
    """One answer is waited for, and by no request; then nobody asks until it is there again."""
    server = Redis()
    try:
        guard = start(gateway, module_origin(OK),
                      store("fleet", f"unix:{server.socket}", key, "timeout 200ms; on_error deny;"),
                      location("/", "limit_req address rate=1/m burst=9 shared=fleet;"))
        guard.wait_log("answers")
        server.freeze()
        get(guard)
        guard.wait_log("did not answer in time")
        assert get(guard) == 503
        shown = status(guard)
        assert (shown["up"], shown["on_error"], shown["server"]) == (False, "deny", f"unix:{server.socket}")
        assert shown["last_error"].endswith("it did not answer in time")
        assert shown["since"] <= shown["last_failure"] and shown["fallback"] >= 1
        assert calls(guard, "timeout") >= 1
        back = len(guard.matches("answers"))
        server.thaw()
        guard.wait(lambda: len(guard.matches("answers")) > back, "back")
        assert status(guard)["up"] and status(guard)["since"] > shown["last_failure"]
    finally:
        server.end()


def test_script_and_clock(module_origin, gateway, redis, key):
    """A script that was forgotten is sent again. Where the clock falls back, what a key owed stays,
    and nobody waits for the clock to come there again."""
    redis.do("FLUSHALL")
    guard = start(gateway, module_origin(OK), store("fleet", f"unix:{redis.socket}", key),
                  location("/", "limit_req address rate=1/m burst=99 shared=fleet name=all;"))
    redis.do("SCRIPT", "FLUSH")
    assert get(guard) == 200
    redis.wait(lambda: redis.owed("all") == 60, "the first request")
    assert calls(guard, "noscript") == 1 and status(guard)["up"]
    ahead = int(redis.do("TIME")[0]) * 10**6 + 3600 * 10**6
    redis.do("SET", redis.keys("*:all:rate")[0], f"{ahead + 60 * 10**6} {ahead}")
    assert get(guard) == 200
    redis.wait(lambda: redis.owed("all") == 120, "the second, by the clock of now")
    assert int(redis.do("GET", redis.keys("*:all:rate")[0]).split()[1]) < ahead - 3000 * 10**6


def test_tls_and_user(module_origin, gateway, certificates, tmp_path, key):
    """TLS with a checked certificate, and the user of the file that is shipped with it."""
    shipped = (TOP / "conf/deploy/redis/users.acl").read_text()
    password = "a password of redis"
    (tmp_path / "users.acl").write_text(shipped.replace(
        "0" * 64, hashlib.sha256(password.encode()).hexdigest()))
    (tmp_path / "password").write_text(password + "\n")
    (tmp_path / "password").chmod(0o600)
    server = Redis(f"aclfile {tmp_path}/users.acl")
    try:
        good, bad = (module_origin([relay(server)], context=server_context(certificates / name))
                     for name in ("server.pem", "unknown-ca.pem"))
        tls = f"tls on; tls_ca {certificates}/ca.pem; tls_name localhost; {SLOW}"
        user = f"user trainguard; password_file {tmp_path}/password;"
        guard = start(gateway, module_origin(OK),
                      store("good", f"127.0.0.1:{good.port}", key, tls + user) +
                      store("stranger", f"127.0.0.1:{bad.port}", key, tls + user) +
                      store("nobody", f"127.0.0.1:{good.port}", key, tls),
                      "".join(location(f"/{name}", f"limit_req address rate=1/m shared={name};")
                              for name in ("good", "stranger", "nobody")) +
                      location("/rate", "limit_req address rate=1/m shared=good exact name=exact;") +
                      location("/flight", "limit_in_flight address 1 shared=good;"))
        guard.wait_log('limit_store "good" answers, 127.0.0.1:')
        guard.wait_log('"stranger" is away, .*no TLS: certificate of localhost not accepted')
        guard.wait_log('"nobody" is away, .*NOAUTH')
        assert [get(guard, "/good") for _ in range(2)] == [200, 429]
        assert [get(guard, "/rate") for _ in range(2)] == [200, 429]
        assert [get(guard, "/flight") for _ in range(2)] == [200, 200]
        assert not guard.matches('"good" is away')
        guard.stop()
        assert password not in (guard.directory / "trainguard.conf").read_text()
        assert not guard.matches(password)
    finally:
        server.end()


def test_nonsense(module_origin, gateway, key):
    """A server of something else; another that closes; one that is not there."""
    other = module_origin([read_some, answer()])
    gone = module_origin(OK)
    gone.close()
    guard = start(gateway, module_origin(OK),
                  store("other", f"127.0.0.1:{other.port}", key) +
                  store("gone", f"127.0.0.1:{gone.port}", key),
                  "".join(location(f"/{name}", f"limit_req address rate=1/m shared={name};")
                          for name in ("other", "gone")) +
                  location("/flight", "limit_in_flight address 1 shared=other;"))
    guard.wait_log('"other" is away, .*protocol')
    guard.wait_log('"gone" is away, .*refused')
    assert [get(guard, "/gone") for _ in range(2)] == [200, 429]
    assert get(guard, "/flight") == 200


def test_reload_and_death(module_origin, gateway, redis, key):
    """The syncer is replaced when it dies and with each configuration, and ends with the last worker;
    what was let pass is told at the end."""
    redis.do("FLUSHALL")
    guard = start(gateway, module_origin(OK), store("fleet", f"unix:{redis.socket}", key),
                  location("/", "limit_req address rate=1/m burst=99 shared=fleet name=all;"),
                  ["syncer .* was killed by signal 9"])
    os.kill(child(guard, "syncer"), signal.SIGKILL)
    guard.wait(lambda: len(guard.matches("answers")) == 2, "another syncer")
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log("reloaded")
    guard.wait(lambda: len(guard.matches("answers")) == 3, "a third one")
    last = child(guard, "syncer")
    assert get(guard) == 200
    guard.stop(signal.SIGQUIT)
    wait_gone(last)
    assert redis.owed("all") == 60


MISTAKES = [
    ("", "limit_req project rate=1000/s shared=fleet;", 'there is no limit_store "fleet"'),
    ("server h; {key}", "limit_req project rate=1000/s shared=flet;", 'did you mean "fleet"'),
    ("{key}", "limit_req project rate=1000/s shared=fleet;", 'has no "server"'),
    ("server h;", "limit_req project rate=1000/s shared=fleet;", 'has no "key_file"'),
    ("server h; {key} }} limit_store local {{ server h; {key}", "", "this gateway's counts"),
    ("server h; {key} user u;", "limit_req project rate=1000/s shared=fleet;", 'needs a "password_file"'),
    ("server h:x; {key}", "limit_req project rate=1000/s shared=fleet;", '"server" takes HOST'),
    ("server unix:; {key}", "limit_req project rate=1000/s shared=fleet;", '"server" takes HOST'),
    ("server h; key_file {open};", "limit_req project rate=1000/s shared=fleet;", "everybody can read it"),
    ("server h; key_file {short};", "limit_req project rate=1000/s shared=fleet;", "too few bytes"),
    ("server h; {key} password_file {open};", "limit_req project rate=1000/s shared=fleet;",
     "everybody can read it"),
    ("server h; {key} tls on; tls_ca {short};", "limit_req project rate=1000/s shared=fleet;",
     'limit_store "fleet": cannot use'),
    ("server h; {key} tls on; tls_ca {ca}; tls_crl {ca};", "limit_req project rate=1000/s shared=fleet;",
     "as its tls_crl"),
    ("server h; {key} tls_verify off;", "limit_req project rate=1000/s shared=fleet;", "tls_verify"),
    ("server h; {key} timeout 3s; lease 3s;", "limit_req project rate=1000/s shared=fleet;",
     'shorter than "lease"'),
    ("server h; {key}", "limit_req principal rate=1000/s shared=fleet;", "audit_key_file"),
    ("server h; {key}", "limit_in_flight project 2 shared=fleet exact;", "exact as it is"),
    ("server h; {key}", "limit_in_flight project 2 exact;", 'behind "shared=STORE" alone'),
    ("server h; {key}", "limit_req project rate=9/s exact shared=fleet;", 'behind "shared=STORE" alone'),
    ("server h; {key}", "limit_in_flight user 2 shared=fleet;", "audit_key_file"),
    ("server h; {key}", "limit_in_flight project 2 shared=fleet;\n"
     "limit_in_flight project 3 shared=fleet;", 'give both limits a "name="'),
    ("server h; {key}", "limit_req project rate=1000/s shared=fleet;\n"
     "limit_req project rate=2000/s shared=fleet;", 'give both limits a "name="'),
    ("server h; {key}", "limit_req project rate=1000/s shared=fleet name=a; proxy_pass modelarts; } "
     "location /b { limit_req project rate=1000/s name=a;", "is to be shared here"),
    ("server h; {key}", "limit_req project rate=9/s shared=fleet;", "[warn] within one"),
    ("server h; {key} tls_name h;", "limit_req project rate=1000/s shared=fleet;", "[warn]"),
    ("server h; {key} password_file {key_file};", "limit_req project rate=1000/s shared=fleet;",
     "[warn] limit_store \"fleet\": its password goes in the clear"),
    ("server h; {key}", "", "[warn] limit_store \"fleet\" does nothing"),
]


@pytest.mark.parametrize("inside,limit,message", MISTAKES)
def test_mistakes(tmp_path, key, certificates, inside, limit, message):
    """Each is told before anything starts."""
    files = {"open": b"open to all and long enough", "short": b"short"}
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    inside = inside.format(key=f"key_file {key};", key_file=key, open=tmp_path / "open",
                           short=tmp_path / "short", ca=certificates / "ca.pem")
    path = tmp_path / "x.conf"
    path.write_text(config(tmp_path, 1, main=f"limit_store fleet {{ {inside} }}" if inside else "",
                           locations=location("/v1/{project_id}/x", limit)))
    got = subprocess.run([binary(), "-t", "-c", str(path)], capture_output=True, text=True,
                         check=False)
    assert message in got.stderr, got.stderr
    assert got.returncode == (0 if "[warn]" in message else 1)


def test_a_server_that_accepts_connections_of_others_limits(tmp_path, key):
    """limit_conn counts what one gateway has open."""
    path = tmp_path / "x.conf"
    path.write_text(config(tmp_path, 1, main=store("fleet", "h", key),
                           server="limit_conn 2 shared=fleet;"))
    got = subprocess.run([binary(), "-t", "-c", str(path)], capture_output=True, text=True,
                         check=False)
    assert got.returncode == 1 and "limit_conn" in got.stderr
