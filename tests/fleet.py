#!/usr/bin/python3
"""A fleet to watch, as `./dev fleet` shows it: two gateways with one folder of signed policies, which is
changed as Kubernetes changes a ConfigMap; with one limit, which Redis counts, also while Redis is away
and when a gateway dies; and with one audit trail in ClickHouse, which is asked, proved and found out when
a line is gone. `fleet.py [--once]`; without it the fleet stays for ten minutes."""

import argparse
import itertools
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "endpoint")]

# pylint: disable=wrong-import-position
import certs  # noqa: E402
import trickle  # noqa: E402
from client import ask, request  # noqa: E402
from clickhouse import ClickHouse, statements  # noqa: E402
from endpoint import Endpoint  # noqa: E402
from gateway import Gateway, binary  # noqa: E402
from listener import server_context  # noqa: E402
from redis import Redis  # noqa: E402

SHIPPED = HERE.parent / "conf/deploy/clickhouse"
PROJECT = trickle.PROJECTS[0]
PUT = f"/v1/{PROJECT}/training-job-configs/llm-sft-7b"
STAY = 600  # seconds
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
CONFIG = """
worker_processes 1;
error_log stderr notice;
instance {name};
reload_on_change on quiet=200ms;
audit_log {folder}/{name}/audit.jsonl;
audit_key_file {folder}/audit.key;
admin {{
    listen 127.0.0.1:0;
}}
limit_store fleet {{
    server   unix:{redis};
    key_file {folder}/limits.key;
    lease    3s;
    timeout  2s;
}}
upstream modelarts {{
    server localhost:{port};
    tls_ca {folder}/ca.pem;
}}
server {{
    listen 127.0.0.1:0;
    policies {folder}/policies/*.conf;
    policies_signed_by {folder}/team.pub;
    location GET /v1/{{project_id}}/training-job-configs {{
        limit_req project rate=1/m burst=5 shared=fleet exact name=lists;
        proxy_pass modelarts;
    }}
    location PUT /v1/{{project_id}}/training-job-configs/{{config_name}} {{
        filters json normalize validate policy;
        proxy_pass modelarts;
    }}
    location POST /v1/{{project_id}}/training-job-configs {{
        filters json normalize policy;
        proxy_pass modelarts;
    }}
    location POST /v1/{{project_id}}/training-jobs {{
        filters json normalize policy;
        config_at /config;
        proxy_pass modelarts;
    }}
    location / {{ proxy_pass modelarts; }}
}}
"""
POLICY = """policy fleet {{
    description "What all gateways of the fleet judge by";
    rule workers {{ at worker_server_num; max 4; mode {mode}; message "4 workers are the most"; }}
    rule image   {{ at user_image_url; prefix swr.cn-north-4.myhuaweicloud.com/; mode dryrun; }}
}}
"""


def title(text):
    """What comes now."""
    print(f"\n\033[1m{text}\033[0m" if COLOURS else f"\n{text}", flush=True)


def say(text):
    """What is seen."""
    print("    " + text.replace("\n", "\n    "), flush=True)


def show(rows, names):
    """A table."""
    table = [names, *rows]
    widths = [max(len(str(row[i])) for row in table) for i in range(len(names))]
    for row in table:
        say("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


class ConfigMap:
    """A folder as kubelet makes it: the files are links into ..data, and ..data is a link that is
    replaced whenever the ConfigMap changes."""

    FILES = ("fleet.conf", "MANIFEST", "MANIFEST.sig")

    def __init__(self, folder, key, **values):
        self.folder, self.key, self.number = folder, key, 0
        folder.mkdir()
        self.swap(**values)
        for name in self.FILES:
            (folder / name).symlink_to(f"..data/{name}")

    def swap(self, signed=True, **values):
        """All files are the new ones at one moment. Unsigned, the list and its signature are the old
        ones."""
        self.number += 1
        new = self.folder / f"..{self.number}"
        new.mkdir()
        (new / "fleet.conf").write_text(POLICY.format(**values))
        if signed:
            subprocess.run([binary(), "policy", "sign", "--key", self.key, "--expires", "2099-12-31",
                            "--revision", str(self.number), new], check=True, stdout=subprocess.DEVNULL)
        else:
            for name in self.FILES[1:]:
                (new / name).write_bytes((self.folder / name).read_bytes())
        (self.folder / "..data_tmp").symlink_to(new.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")


class Fleet:
    """Two gateways before one service, and the house of their trail."""

    def __init__(self, folder):
        self.folder, self.source = folder, random.Random(7)
        certs.make(folder)
        for name in "audit.key", "limits.key":
            (folder / name).write_bytes(os.urandom(32))
            (folder / name).chmod(0o400)
        certs.openssl("genpkey", "-algorithm", "ed25519", "-out", folder / "team.key")
        certs.openssl("pkey", "-in", folder / "team.key", "-pubout", "-out", folder / "team.pub")
        self.policies = ConfigMap(folder / "policies", folder / "team.key", mode="dryrun")
        self.endpoint = Endpoint(server_context(folder / "server.pem"))
        self.redis = Redis()
        self.house = ClickHouse(folder / "clickhouse")
        self.gateways, self.shipped = {}, {}

    def begin(self):
        """Starts the gateways and makes the table."""
        for statement in statements((SHIPPED / "schema.sql").read_text()):
            self.house.query(statement)
        for name in "gateway-a", "gateway-b":
            self.start(name)
            self.shipped[name] = 0

    def start(self, name):
        """Starts one gateway."""
        text = CONFIG.format(name=name, folder=self.folder, port=self.endpoint.port,
                             redis=self.redis.socket)
        self.gateways[name] = Gateway(self.folder / name, text, [UNSIGNED], start_new_session=True)
        assert len(self.gateways[name].ports) == 2
        self.gateways[name].wait_log('limit_store "fleet" answers')

    def end(self, judge=True):
        """Ends everything; a gateway that did not end well is told."""
        for one in self.gateways.values():
            one.stop(judge=judge)
        self.house.close()
        self.redis.end()
        self.endpoint.close()

    def admin(self, name, path):
        """A page of a gateway's admin listener."""
        answer = ask(self.gateways[name].ports[0], request("GET", path, None, host="127.0.0.1"))
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def put(self, name, workers):
        """The status of a PUT through one gateway."""
        body = json.dumps(trickle.GOOD | {"worker_server_num": workers}).encode()
        fields = ("Content-Type: application/json", "X-Auth-Token: demo")
        return ask(self.gateways[name].port, request("PUT", PUT, body, *fields)).status

    def read(self, project, n):
        """How `n` requests of a project under the shared limit are answered, by turns."""
        answers = {name: [] for name in self.gateways}
        for _, name in zip(range(n), itertools.cycle(self.gateways)):
            answers[name].append(ask(self.gateways[name].port, request(
                "GET", f"/v1/{project}/training-job-configs", None, "X-Auth-Token: demo")).status)
        return answers

    def store(self, name):
        """What /status of a gateway says of the Redis."""
        return json.loads(self.admin(name, "/status"))["limit_stores"][0]

    def traffic(self, n):
        """Requests as a team sends them, now to this gateway, now to that one."""
        for _, name in zip(range(n), itertools.cycle(self.gateways)):
            trickle.send(f"127.0.0.1:{self.gateways[name].port}", self.source)

    def in_force(self):
        """Which policies each gateway judges by: the labels of trainguard_config_info."""
        return {name: re.search(r'config_info\{.*policies="(\w+)"', self.admin(name, "/metrics"))[1]
                for name in self.gateways}

    def change(self, mode):
        """Swaps the policies and waits until all gateways judge by the new ones."""
        before = now = self.in_force()
        self.policies.swap(mode=mode)
        while any(now[name] == before[name] for name in before):  # an old process may answer once more
            time.sleep(0.05)
            now = self.in_force()
        return before, now

    # --- the trail ---

    def ship(self):
        """What a shipper does: the whole lines that are new, as columns, into the table."""
        for name, at in self.shipped.items():
            with open(self.folder / name / "audit.jsonl", "rb") as log:
                log.seek(at)
                lines = log.read().rpartition(b"\n")[0]
            if lines:
                columns = subprocess.run([binary(), "audit", "columns", "-"], input=lines, check=True,
                                         stdout=subprocess.PIPE).stdout
                self.house.query("INSERT INTO audit FORMAT TSV", columns)
                self.shipped[name] = at + len(lines) + 1

    def heads(self):
        """Where the streams stand, kept apart from the trail."""
        return "".join(self.admin(name, "/audit/heads") for name in self.gateways)

    def verify(self, lines, heads=""):
        """What `audit verify --stored` says of lines."""
        (self.folder / "heads").write_text(heads)
        command = [binary(), "audit", "verify", "--stored", "--key-file", self.folder / "audit.key",
                   "--heads", self.folder / "heads", "-"]
        done = subprocess.run(command, input="".join(lines), text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def asked(self, words, names):
        """Shows the answer to one of the shipped questions."""
        text = (SHIPPED / "queries.sql").read_text().replace("PROJECT", PROJECT).replace(
            "'CONFIG'", "'llm-sft-7b'")
        question, query = re.search(rf"^-- ({words}[^\n]*)\n(?:--[^\n]*\n)*([^;]+);$", text, re.M).groups()
        title(f"   {question}")
        rows = [line.split("\t") for line in self.house.query(query).splitlines()]
        show(rows[:8], names)
        return rows


# --- the acts ---

UNSIGNED = r"not the file that was signed|reload failed"


def passed(answers):
    """How many were let through, at each gateway."""
    return {name: sum(status != 429 for status in got) for name, got in answers.items()}


def act_begin(fleet):
    """Two gateways judge alike."""
    title("1. Two gateways, one folder of policies, one audit key")
    fleet.begin()
    for name, one in fleet.gateways.items():
        say(f"{name}: http://127.0.0.1:{one.port}/ and its page http://127.0.0.1:{one.ports[0]}/")
    say(f"trainguard_config_info says they judge by the same: {fleet.in_force()}")
    assert len(set(fleet.in_force().values())) == 1
    fleet.traffic(40)
    say("40 requests came, right ones and wrong ones, to one and the other")


def act_policy(fleet):
    """A rule is tried, then enforced everywhere, without a word to any gateway."""
    title("2. A rule on trial: 8 workers where the rule says 4")
    tried = {name: fleet.put(name, 8) for name in fleet.gateways}
    say(f"mode dryrun: {tried}")
    title("   The ConfigMap changes: `..data` is swapped for a folder where the mode is deny")
    before, now = fleet.change("deny")
    show([(name, before[name], now[name]) for name in before], ("gateway", "judged by", "judges by"))
    for name in fleet.gateways:
        while fleet.put(name, 8) != 403:  # an old worker may still take one that was waiting for it
            pass
    say("the same request now: 403 at both")
    assert set(tried.values()) == {200}
    assert len(set(now.values())) == 1
    title("   Somebody who has no key brings the rule back on trial: the file is not what was signed")
    fleet.policies.swap(signed=False, mode="dryrun")
    for name, one in fleet.gateways.items():
        one.wait_log(UNSIGNED)
        say(f"{name}: {one.matches('not the file that was signed')[0].string.split('] ', 2)[-1]}")
        assert fleet.put(name, 8) == 403
    say("both go on by the policies before: 403; a gateway that starts now would not come up")
    fleet.policies.swap(mode="deny")
    for name in fleet.gateways:
        while f'bundle="{fleet.policies.number}"' not in fleet.admin(name, "/metrics"):
            time.sleep(0.05)
    say(f"set {fleet.policies.number}, signed by the team, is in force at both")


def act_limit(fleet):
    """Six lists a project and minute, wherever they come; Redis decides."""
    title("3. One limit for both: 6 lists of a project, then one a minute (limit_req ... shared=fleet exact)")
    answers = fleet.read("team-a", 10)
    show([(name, *got) for name, got in answers.items()], ("gateway", "10 requests by turns", *[""] * 4))
    assert passed(answers) == {"gateway-a": 3, "gateway-b": 3}
    say(f"what Redis knows of the project: {', '.join(fleet.redis.keys('*:lists:rate'))}")
    title("   Redis is killed: each goes on with its part of the number")
    fleet.redis.kill()
    for name in fleet.gateways:
        while fleet.store(name)["up"]:
            time.sleep(0.05)
        say(f"{name}: {fleet.store(name)['last_error']}")
    answers = fleet.read("team-b", 10)
    show([(name, *got) for name, got in answers.items()], ("gateway", "10 requests by turns", *[""] * 4))
    assert passed(answers) == {"gateway-a": 3, "gateway-b": 3}
    fleet.redis.start()
    for name in fleet.gateways:
        while not fleet.store(name)["up"]:
            time.sleep(0.05)
    say("Redis is there again, and both ask it")


def act_death(fleet):
    """kill -9 of a whole gateway."""
    title("4. A gateway dies (kill -9), another takes its place")
    while fleet.store("gateway-a")["gateways"] != 2:
        time.sleep(0.05)
    dead = fleet.gateways["gateway-b"]
    os.killpg(dead.process.pid, signal.SIGKILL)
    dead.stop(judge=False)
    assert fleet.put("gateway-a", 8) == 403
    say("gateway-a goes on: 403 for the same request")
    while fleet.store("gateway-a")["gateways"] != 1:
        time.sleep(0.05)
    say("its lease has ended: gateway-a is told that it is alone, and what the dead one held is free")
    fleet.start("gateway-b")
    while fleet.store("gateway-a")["gateways"] != 2:
        time.sleep(0.05)
    say(f"two again, and they judge by the same: {fleet.in_force()}")
    assert len(set(fleet.in_force().values())) == 1


def act_questions(fleet):
    """What an auditor asks, answered by the shipped queries."""
    title("5. One trail: the lines of both gateways in ClickHouse")
    fleet.traffic(20)
    heads = fleet.heads()
    fleet.ship()
    for words, names in (("Who changed", ("time", "method", "user", "principal", "client", "request")),
                         ("How many", ("day", "rule", "requests", "projects")),
                         ("Whom would", ("rule", "project", "principal", "requests", "last")),
                         ("Which gateways", ("stream", "gateway", "first", "last", "last_seq", "ended"))):
        assert fleet.asked(words, names)
    return heads


def act_proof(fleet, heads):
    """Intact; a line that is gone, and a tail that was cut, are found."""
    title("6. What comes back from the database is proved")
    lines = fleet.house.query("SELECT raw FROM audit ORDER BY stream, seq FORMAT TSVRaw"
                              ).splitlines(keepends=True)
    head = json.loads(heads.splitlines()[0])
    gone = next(i for i, line in enumerate(lines) if head["stream"] in line and '"seq":2,' in line)
    end = next(i for i, line in enumerate(lines) if head["chain"] in line)
    later = next((i for i, line in enumerate(lines[end:], end) if head["stream"] not in line), len(lines))
    cut = lines[:end] + lines[later:]
    for what, taken, code, word in (("all lines", lines, 0, "intact"),
                                    ("one line taken out", lines[:gone] + lines[gone + 1:], 1, "removed"),
                                    ("the tail cut off", cut, 1, f"the stream {head['stream']}")):
        status, words = fleet.verify(taken, heads)
        say(f"{what}: " + "\n".join(line for line in words.splitlines() if "note:" not in line))
        assert status == code and word in words, words


def stay(fleet):
    """Traffic, a swap of the policies now and then, and what the trail says of it."""
    title(f"The fleet stays for {STAY // 60} minutes with traffic; Ctrl-C ends it")
    say(f"tail -f {fleet.folder}/gateway-a/audit.jsonl\n"
        f"curl -s 'http://127.0.0.1:{fleet.house.port}/' -d 'SELECT decision, count() FROM audit "
        "FINAL GROUP BY decision'\n"
        f"edit {fleet.folder}/policies/..data/fleet.conf and see both gateways follow\n")
    end, modes = time.monotonic() + STAY, itertools.cycle(["dryrun", "deny"])
    for turn in itertools.count(1):
        fleet.traffic(12)
        fleet.ship()
        counts = fleet.house.query("SELECT decision, count() FROM audit FINAL WHERE event = 'outcome' "
                                   "GROUP BY decision ORDER BY decision").split()
        say(f"{dict(zip(counts[::2], counts[1::2]))}  judged by {set(fleet.in_force().values())}")
        if time.monotonic() > end:
            return
        if turn % 10 == 0:
            mode = next(modes)
            fleet.change(mode)
            say(f"the policies were swapped: rule workers is now {mode}")
        time.sleep(2)


def main():
    """Acts it out; the last word is the trail's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when all was shown")
    once = parser.parse_args().once
    with tempfile.TemporaryDirectory() as folder:
        fleet, judge = Fleet(pathlib.Path(folder)), False
        try:
            act_begin(fleet)
            act_policy(fleet)
            act_limit(fleet)
            act_death(fleet)
            act_proof(fleet, act_questions(fleet))
            if not once:
                stay(fleet)
            judge = True
        except KeyboardInterrupt:
            judge = True
            print()
        finally:
            fleet.end(judge)
    return 0


if __name__ == "__main__":
    sys.exit(main())
