"""The admin process: questions over a port and a unix socket, orders over the unix socket alone."""

import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

import audit
from client import Client, ask, check_refusal, request
from command import run
from gateway import LOCATIONS
from test_processes import wait_gone
from test_seed import SEED, put
from wire import Wire

PASS = "location / { proxy_pass modelarts; }"
POLICY = """
policy queue {
    description "who may use what";
    rule description { at config_desc; absent; message "no"; }
}
"""


class Admin:
    """A gateway with an admin block on a port and a unix socket."""

    def __init__(self, guard):
        self.guard = guard
        guard.wait_log(r"master: trainguard")
        ports = [int(m[1]) for m in guard.matches(r"listening on 127\.0\.0\.1:(\d+)")]
        self.port, guard.port = ports[:2]
        self.path = str(guard.directory / "admin.sock")

    def get(self, target, method="GET", *fields, host="127.0.0.1"):
        """An answer over the port."""
        return ask(self.port, request(method, target, None if method == "GET" else b"", *fields, host=host),
                   method)

    def unix(self, target, method="POST"):
        """An answer over the unix socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(self.path)
            sock.sendall(request(method, target, None if method == "GET" else b""))
            return Wire(sock).response(method)


@pytest.fixture(name="admin")
def start_admin(origin, gateway):
    """Starts one."""

    def start(*scripts, **settings):
        settings.setdefault("locations", PASS)
        main = settings.pop("main", "")
        behind = origin(*scripts)
        guard = gateway(behind, main=main + " admin { listen 127.0.0.1:0; listen unix:admin.sock; }",
                        **settings)
        return Admin(guard)

    return start


@pytest.fixture(name="plain_admin", scope="module")
def start_plain_admin(module_origin, module_gateway):
    """One for all who only look."""
    return Admin(module_gateway(module_origin(), locations=PASS,
                                main="admin { listen 127.0.0.1:0; listen unix:admin.sock; }"))


def series(text, name):
    """The samples of one metric by their labels."""
    return {m[1] or "": float(m[2])
            for m in re.finditer(rf"^trainguard_{name}(\{{.*\}})? ([0-9.e+-]+)$", text, re.M)}


def some(text, name):
    """Those that are not 0."""
    return {labels: n for labels, n in series(text, name).items() if n > 0}


def test_health_and_readiness(admin):
    """Both are good when the gateway is."""
    one = admin()
    assert (one.get("/healthz").status, one.get("/healthz").body) == (200, b"ok\n")
    assert one.get("/readyz").body == b"ok\n"
    verbose = one.get("/readyz?verbose")
    assert verbose.status == 200
    assert verbose.body.decode().splitlines() == [
        "[+] serving ok", "[+] workers ok", "[+] event loops ok", "[+] audit log ok"]


def test_not_ready_without_workers(admin):
    """WINCH: nobody serves."""
    one = admin()
    workers = json.loads(one.get("/status").body)["workers"]
    assert [w["state"] for w in workers] == ["serving"]
    one.guard.process.send_signal(28)
    # the admin process rests as well; who asks is answered after the next reload
    one.guard.wait_log("live objects")
    one.guard.process.send_signal(1)
    one.guard.wait_log("master: reloaded")
    assert one.get("/readyz").status == 200


def test_metrics_count(admin):
    """What was done is what is told, over all workers and reloads."""
    one = admin()
    for _ in range(3):
        assert ask(one.guard.port, request()).status == 200
    assert ask(one.guard.port, b"GET\r\n\r\n").status == 400
    assert one.unix("/reload").status == 200
    assert ask(one.guard.port, request("PUT", "/x", b"12345")).status == 200
    text = one.get("/metrics").body.decode()
    requests = series(text, "http_requests_total")
    assert requests['{route="/",decision="allow",status_class="2xx"}'] == 4
    assert requests['{route="other",decision="invalid",status_class="4xx"}'] == 1
    assert series(text, "http_request_ends_total")['{end="done"}'] == 4
    assert series(text, "http_request_body_bytes_total")[""] == 5
    assert series(text, "http_request_duration_seconds_count")['{route="/"}'] == 4
    assert series(text, "http_request_duration_seconds_bucket")['{route="/",le="+Inf"}'] == 4
    assert series(text, "config_reloads_total")['{result="done"}'] == 1
    assert series(text, "workers")[""] == 1


OPEN_METRICS = "application/openmetrics-text"
PROMETHEUS = (f"Accept: {OPEN_METRICS};version=1.0.0,{OPEN_METRICS};version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


def names_of(families):
    """The names of all series, with their labels."""
    return {(s.name, *sorted(s.labels.items())) for family in families for s in family.samples}


def opened(one):
    """The names of all series, as a strict parser of OpenMetrics reads them."""
    page = one.get("/metrics", "GET", PROMETHEUS)
    assert page.get("Content-Type") == f"{OPEN_METRICS}; version=1.0.0; charset=utf-8"
    return names_of(openmetrics.text_string_to_metric_families(page.body.decode()))


def valid(one):
    """The metrics, which have no series twice, and in which promtool finds nothing to complain about; OpenMetrics
    has the same series, but for those of a worker that comes or goes meanwhile."""
    before = names_of(prometheus.text_string_to_metric_families(one.get("/metrics").body.decode()))
    there = opened(one)
    text = one.get("/metrics").body.decode()
    after = names_of(prometheus.text_string_to_metric_families(text))
    assert before & after <= there <= before | after
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(set(samples)) == len(samples)
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here (Debian's package prometheus)")
    got = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                         check=False)
    assert (got.returncode, got.stdout + got.stderr) == (0, "")
    return text


def test_what_all_processes_take(admin):
    """As one, under the names each client of Prometheus has: with a worker that is killed, and in sandboxes."""
    one = admin(expect=[r"worker 0 .*killed by signal 9"])

    def taken():
        return {m[1]: float(m[2]) for m in re.finditer(r"^process_(\w+) ([\d.]+)$", valid(one), re.M)}

    before = taken()
    assert set(before) == {"cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds",
                           "max_fds", "start_time_seconds"}
    assert 1 << 20 < before["resident_memory_bytes"] < before["virtual_memory_bytes"]
    assert 5 < before["open_fds"] < 100 < before["max_fds"]
    assert before["start_time_seconds"] == series(one.get("/metrics").body.decode(), "start_time_seconds")[""]
    worker = json.loads(one.get("/status").body)["workers"][0]["pid"]
    os.kill(worker, signal.SIGKILL)
    one.guard.wait(lambda: len(one.guard.matches(r"worker 0 is process")) == 2, "another worker")
    assert taken()["cpu_seconds_total"] >= before["cpu_seconds_total"] > 0


def test_counters_begin_anew_with_an_upgrade(admin):
    """And the time of the start says so."""
    one = admin()
    assert ask(one.guard.port, request()).status == 200
    before = valid(one)
    one.guard.process.send_signal(signal.SIGUSR2)
    assert one.guard.process.wait(30) == 0
    after = valid(one)
    started = [series(text, "start_time_seconds")[""] for text in (before, after)]
    assert started[0] <= started[1] <= time.time()
    counted = [sum(series(text, "http_requests_total").values()) for text in (before, after)]
    assert counted == [1, 0]
    new = int((one.guard.directory / "trainguard.pid").read_text())
    assert one.unix("/drain").status == 202
    wait_gone(new)


def test_metrics_are_valid(admin):
    """Of a gateway that has changed and refused something."""
    one = admin(locations=LOCATIONS)
    assert ask(one.guard.port, put(SEED), "PUT").status == 200
    assert ask(one.guard.port, put(b"{}"), "PUT").status == 400
    assert sum(series(valid(one), "violations_total").values()) > 0


@pytest.mark.parametrize("accept, opens", [
    (None, False), ("*/*", False), ("text/plain", False), ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text; version=2.0.0", False), ("application/openmetrics-text", True),
    ("text/plain;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5", False)])
def test_the_form_of_metrics(plain_admin, accept, opens):
    """OpenMetrics is for those that name it."""
    page = plain_admin.get("/metrics", "GET", *([f"Accept: {accept}"] if accept else []))
    assert page.get("Content-Type") == (f"{OPEN_METRICS}; version=1.0.0; charset=utf-8" if opens else
                                        "text/plain; version=0.0.4; charset=utf-8")
    assert page.get("Vary") == "Accept"
    assert (b"# TYPE trainguard_connections_accepted counter\n" in page.body) == opens
    assert page.body.endswith(b"\n# EOF\n") == opens


def test_rules_with_long_names_are_told_apart(admin, tmp_path):
    """Names as long as they may be, which differ in their last byte alone."""
    name = "n" * 63
    rules = "".join(f"rule {name}{i} {{ at worker_server_num; max {i}; mode dryrun; }}" for i in range(4))
    (tmp_path / "long.conf").write_text("".join(f"policy {name}{i} {{ {rules} }}" for i in range(2)))
    one = admin(locations=f"""location / {{
        filters json policy; policies {tmp_path}/long.conf; proxy_pass modelarts; }}""")
    assert ask(one.guard.port, request("PUT", "/x", b'{"worker_server_num": 2}',
                                       "Content-Type: application/json")).status == 200
    assert some(valid(one), "policy_results_total") == {
        f'{{policy="{name}{p}",rule="{name}{r}",result="{"fail" if r < 2 else "pass"}",mode="dryrun"}}': 1
        for p in range(2) for r in range(4)}


def test_exceptions_and_dry_runs_are_metrics(admin, tmp_path):
    """When each exception ends and whether it holds, once for all locations; results by rule."""
    (tmp_path / "queue.conf").write_text("""
        policy queue {
            rule workers { at worker_server_num; max 4; }
            rule text    { at config_desc; absent; mode dryrun; }
        }
        exception EXC-1 { policy queue; rule workers; match config_name big; owner "a team";
                          ticket ML-1; expires 2099-01-31; }
        exception EXC-0 { policy queue; rule workers; match config_name old; owner me; ticket ML-0;
                          expires 2001-01-31; }""")
    rules = f"filters json policy; policies {tmp_path}/queue.conf; proxy_pass modelarts;"
    one = admin(expect=[r"EXC-0"], locations=f"""
        location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{ {rules} }}
        location POST /v1/{{project_id}}/training-job-configs {{ {rules} }}
        location / {{ proxy_pass modelarts; }}""")
    for name, workers, status in (("big", 8, 200), ("old", 8, 403), ("old", 1, 200)):
        sent = json.dumps({"worker_server_num": workers, "config_desc": "x"}).encode()
        assert ask(one.guard.port, request("PUT", f"/v1/p/training-job-configs/{name}", sent,
                                           "Content-Type: application/json")).status == status
    text = one.get("/metrics").body.decode()
    first = '{policy="queue",exception="EXC-0",owner="me",ticket="ML-0"}'
    second = '{policy="queue",exception="EXC-1",owner="a team",ticket="ML-1"}'
    days = {"2001-02-01": first, "2099-02-01": second}  # the first moments they do not hold
    ends = {labels: datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp()
            for day, labels in days.items()}
    assert series(text, "policy_exception_expires_timestamp_seconds") == ends
    assert series(text, "policy_exception_active") == {first: 0, second: 1}
    assert {labels for labels, n in series(text, "policy_results_total").items() if n == 0} == {
        f'{{policy="queue",rule="{rule}",result="{result}",mode="{mode}"}}' for rule, result, mode in (
            ("workers", "error", "deny"), ("text", "pass", "dryrun"), ("text", "skip", "dryrun"), ("text", "error", "dryrun"))}
    assert some(text, "policy_results_total") == {
        '{policy="queue",rule="workers",result="pass",mode="deny"}': 1,
        '{policy="queue",rule="workers",result="skip",mode="deny"}': 1,
        '{policy="queue",rule="workers",result="fail",mode="deny"}': 1,
        '{policy="queue",rule="text",result="fail",mode="dryrun"}': 3}


def test_config_is_masked_and_whole(admin):
    """What -T prints."""
    one = admin()
    text = one.get("/config").body.decode()
    assert "proxy_pass modelarts;" in text


def test_policies_and_certificates(admin, certificates, tmp_path):
    """What was loaded, with revision and dates."""
    (tmp_path / "queue.conf").write_text(POLICY)
    locations = f"""
    location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
        filters json normalize validate policy;
        policies {tmp_path}/queue.conf;
        proxy_pass modelarts;
    }}
    location / {{ proxy_pass modelarts; }}"""
    one = admin(locations=locations, server=f"listen 127.0.0.1:0 tls;"
                f" tls_certificate {certificates}/server.pem;"
                f" tls_certificate_key {certificates}/server.key;")
    location, = json.loads(one.get("/policies").body)["locations"]
    assert re.fullmatch("[0-9a-f]{64}", location["revision"])
    policy, = location["policies"]
    assert (policy["name"], policy["rules"]) == ("queue", [{"name": "description", "mode": "deny"}])
    certificate, = json.loads(one.get("/certs").body)["certificates"]
    assert certificate["use"] == "server"
    assert certificate["not_after"].endswith("Z")
    assert (f'trainguard_certificate_expires_timestamp_seconds{{use="server",file="{certificates}/server.pem"}} '
            f'{certificate["not_after_seconds"]}\n') in one.get("/metrics").body.decode()


@pytest.mark.parametrize("target,method,status", [
    ("/nothing", "GET", 404), ("/reload", "GET", 405), ("/metrics", "POST", 405),
    ("/reload", "POST", 403), ("/drain", "POST", 403), ("/log-level?level=debug", "POST", 403),
])
def test_what_is_refused_over_the_port(admin, target, method, status):
    """No changes over a port, whoever asks."""
    one = admin()
    assert one.get(target, method).status == status
    assert ask(one.guard.port, request()).status == 200


def test_the_pages_there_are(admin):
    """Whoever asks for another one is told."""
    one = admin()
    paths = one.get("/").body
    assert paths.startswith(b"/ /healthz ") and b" /readyz /metrics " in paths
    other = one.get("/other")
    assert (other.status, other.body) == (404, b"no such page, there are " + paths)


def test_heads_of_the_audit_log(admin):
    """Where each stream stands; kept elsewhere they show a cut that the chain cannot."""
    one = admin()
    assert ask(one.guard.port, request()).status == 200
    log = one.guard.directory / "audit.jsonl"
    last = audit.records(log, None)[-1]
    while not (heads := one.get("/audit/heads").body) or json.loads(heads)["seq"] < last["seq"]:
        pass  # it is noted once a second
    head = json.loads(heads)
    assert {k: head[k] for k in ("stream", "seq", "chain")} == {
        k: last[k] for k in ("stream", "seq", "chain")}
    assert head["instance"] == audit.records(log, "start")[0]["instance"]
    name = f'{{worker="0",stream="{head["stream"]}"}}'
    assert series(one.get("/metrics").body.decode(), "audit_last_seq") == {name: head["seq"]}
    (one.guard.directory / "heads").write_bytes(heads)
    verify = ["audit", "verify", "--heads", one.guard.directory / "heads", "-"]
    lines = log.read_bytes().splitlines(keepends=True)
    assert run(*verify, data=b"".join(lines)).code == 0
    assert "truncated: " in run(*verify, data=b"".join(lines[:-1])).out


def test_reload_over_the_unix_socket(admin):
    """The answer is the master's: done, or what is wrong."""
    one = admin(expect=[r"reload failed|\[emerg\]"])
    assert one.unix("/reload").body == b"reloaded\n"
    path = one.guard.directory / "trainguard.conf"
    text = path.read_text()
    path.write_text(text.replace("proxy_pass", "proxy_pas"))
    answer = one.unix("/reload")
    assert answer.status == 500
    assert b'unknown directive "proxy_pas"' in answer.body
    path.write_text(text)
    assert one.unix("/reload").status == 200
    status = json.loads(one.unix("/status", "GET").body)
    assert (status["generation"], status["reloads_failed"]) == (3, 1)


def test_drain_over_the_unix_socket(admin):
    """The gateway ends gracefully."""
    one = admin()
    assert one.unix("/drain").status == 202
    assert one.guard.process.wait(30) == 0


def test_log_level(admin):
    """All workers obey; nonsense is refused."""
    one = admin(level="notice")
    assert one.unix("/log-level?level=loud").status == 400
    assert one.unix("/log-level?level=info").status == 200
    one.guard.wait(lambda: [ask(one.guard.port, b"GET\r\n\r\n"),
                            one.guard.matches(r"\[info\] .*exchange")][1], "a line of level info")
    assert one.unix("/log-level?level=configured").status == 200


def test_replicas_are_compared(admin, tmp_path):
    """What is in force, as labels and in the status: equal files, equal labels."""
    policies = tmp_path / "p.conf"
    policies.write_text(POLICY)
    guarded = ("location POST %s { filters json policy; policies " + str(policies) +
               "; proxy_pass modelarts; }") % "/v1/{project_id}/training-job-configs"
    one = admin(locations=guarded + PASS)

    def told():
        (labels, value), = series(valid(one), "config_info").items()
        assert value == 1
        found = re.fullmatch('{config="([0-9a-f]{12})",policies="([0-9a-f]{12})",bundle="",signed_by=""}',
                             labels)
        assert json.loads(one.get("/status").body)["config"] == {
            "config": found[1], "policies": found[2]}
        return found.groups()

    first = told()
    assert one.unix("/reload").status == 200
    assert told() == first
    policies.write_text(POLICY.replace('"no"', '"never"'))
    assert one.unix("/reload").status == 200
    assert told()[0] != first[0] and told()[1] != first[1]
    assert series(valid(one), "config_last_reload_timestamp_seconds")[""] > 0


def test_keys_of_limits(admin):
    """How many keys each limit knows; what one rule refuses is not charged by the other."""
    one = admin(locations="""location / {
        limit_req address rate=1/m burst=1;
        limit_req principal rate=1/m;
        proxy_pass modelarts;
    }""")
    mine = request("GET", "/x", None, "X-Auth-Token: mine")
    assert [ask(one.guard.port, mine).status for _ in range(3)] == [200, 429, 429]
    other = request("GET", "/x", None, "X-Auth-Token: other")
    assert [ask(one.guard.port, other).status for _ in range(2)] == [200, 429]
    text = valid(one)
    keys = {labels.rpartition(":")[2]: n for labels, n in series(text, "limit_keys").items()}
    assert sorted(keys.values()) == [1, 2]
    for name in ("limit_keys_given_up_total", "limit_keys_shared_total"):
        assert set(series(text, name).values()) == {0}
    by_address, by_principal = json.loads(one.get("/status").body)["limits"]
    assert [(k["key"], k["refused"]) for k in by_address["busiest"]] == [("127.0.0.1", 1)]
    assert 90 < by_address["busiest"][0]["percent"] <= 100
    told = {r["principal"] for r in audit.wait(one.guard.directory / "audit.jsonl", 5)}
    busiest = {k["key"]: k["refused"] for k in by_principal["busiest"]}
    assert busiest.keys() == told and sorted(busiest.values()) == [0, 2]


def test_which_rule_refused(admin):
    """Among several: its name, the kind of its key and whose count, in answer, record and metrics."""
    one = admin(locations="""location /v1/{project_id}/x {
        limit_req address rate=100/s burst=9 name=any;
        limit_in_flight project 9 name=both;
        limit_req principal rate=2/m name=put-per-caller;
        limit_req principal rate=1/m burst=9 dry_run;
        proxy_pass modelarts;
    }""")
    guard = one.guard
    mine = request("GET", "/v1/p/x", None, "X-Auth-Token: a")
    assert [ask(guard.port, mine).status for _ in range(2)] == [200, 429]
    refused = ask(guard.port, mine)
    assert check_refusal(refused, 429, "ModelArts.0114")["error_message"] == (
        "too many requests: put-per-caller (limit_req principal rate=2/m), counted by this gateway")
    record = audit.wait(guard.directory / "audit.jsonl", 3)[-1]
    assert 29000 < record["limits"][0].pop("wait_ms") <= 30000
    assert record["limits"] == [{"rule": "put-per-caller", "limit": "limit_req", "by": "principal",
                                 "result": "refuse", "store": "local"}]
    page = one.get("/metrics").body.decode()
    assert {line for line in page.splitlines() if line.startswith("trainguard_limited_total")} == {
        f'trainguard_limited_total{{limit="{limit}",rule="{rule}",by="{by}",store="local",'
        f'dry_run="{dry}"}} {2 if (rule, dry) == ("put-per-caller", "false") else 0}'
        for limit, rule, by in (
            ("limit_req", "any", "address"), ("limit_in_flight", "both", "project"),
            ("limit_req", "put-per-caller", "principal"),
            ("limit_req", place(guard, "rate=1/m burst=9"), "principal"))
        for dry in ("false", "true")}


def place(guard, text):
    """FILE:LINE of a line of the configuration, cut as names of limits are."""
    path = guard.directory / "trainguard.conf"
    lines = path.read_text().splitlines()
    line, = (i for i, one in enumerate(lines, 1) if text in one)
    return f"{path}:{line}"[-63:]
