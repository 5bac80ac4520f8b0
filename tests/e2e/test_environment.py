"""Configuration for containers: values from the environment, and an error log of JSON lines."""

import json
import os
import re
import signal
import subprocess

from client import ask, request
from gateway import GUARDED, Gateway, binary, config
from test_processes import PASS

POLICY = """
policy names {
    rule workers { at worker_server_num; max 4; message "as it stands: ${TG_E2E_NAME}"; }
}
"""


def run(*words, **environment):
    """The gateway's words, its environment beside them."""
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=os.environ | environment, check=False)


def test_values_come_from_the_environment_and_stay(origin, tmp_path):
    """A server's address and a log's name; what a reload reads is what the start had."""
    endpoint = origin()
    text = config(tmp_path / "g", "${TG_E2E_SERVER}", locations=PASS,
                  main='client_header_timeout "${TG_E2E_TIME:-7s}";',
                  audit="{dir}/${{TG_E2E_LOG}}.jsonl")
    environment = os.environ | {"TG_E2E_SERVER": f"127.0.0.1:{endpoint.port}", "TG_E2E_LOG": "calls"}
    guard = Gateway(tmp_path / "g", text, env=environment)
    assert ask(guard.port, request("GET", "/v1/x")).status == 200
    guard.process.send_signal(signal.SIGHUP)
    guard.wait_log(r"reloaded")
    assert ask(guard.port, request("GET", "/v1/y")).status == 200
    guard.stop()
    assert endpoint.seen() == ["GET /v1/x", "GET /v1/y"]
    assert len((tmp_path / "g/calls.jsonl").read_text().splitlines()) >= 2


def test_a_policy_takes_nothing_from_it(origin, gateway, tmp_path):
    """Policies are signed and shared as they stand."""
    (tmp_path / "names.conf").write_text(POLICY)
    os.environ["TG_E2E_NAME"] = "nobody"
    try:
        guard = gateway(origin(), locations=f"""
            location {GUARDED} {{ filters json policy; policies {tmp_path}/names.conf;
                                  proxy_pass modelarts; }}""")
    finally:
        del os.environ["TG_E2E_NAME"]
    refused = ask(guard.port, request("PUT", "/v1/p/training-job-configs/c",
                                      b'{"worker_server_num": 9}', "X-Auth-Token: t",
                                      "Content-Type: application/json"))
    assert "as it stands: ${TG_E2E_NAME}" in refused.body.decode()


def test_what_is_unset_is_told_with_its_place(origin, tmp_path):
    """All of it at once, and nothing starts; -T shows what was put in."""
    conf = tmp_path / "t.conf"
    conf.write_text(config(tmp_path, "${TG_E2E_SERVER}", main="worker_processes ${TG_E2E_WORKERS};"))
    shown = run("-t", "-c", conf)
    line = 1 + conf.read_text().splitlines().index("    server ${TG_E2E_SERVER};")
    assert shown.returncode == 1
    assert f'"TG_E2E_SERVER" is not set in the environment, and has no default in {conf}:{line}' \
        in shown.stderr
    assert '"TG_E2E_WORKERS" is not set in the environment' in shown.stderr
    conf.write_text(config(tmp_path, "${TG_E2E_SERVER}"))
    shown = run("-T", "-c", conf, TG_E2E_SERVER="127.0.0.1:9", TG_E2E_NAME="x")
    assert shown.returncode == 0, shown.stderr
    assert "server 127.0.0.1:9;" in shown.stdout


def test_a_revision_is_of_what_was_put_in(tmp_path):
    """Two gateways of one file and different environments are told apart."""
    text = config(tmp_path / "g", "127.0.0.1:${TG_E2E_PORT}", locations=PASS)
    for port in ("9", "9", "10"):
        Gateway(tmp_path / "g", text, env=os.environ | {"TG_E2E_PORT": port}).stop()
    records = [json.loads(line) for line in (tmp_path / "g/audit.jsonl").read_text().splitlines()]
    same, again, other = [r["configuration.revision"] for r in records if r.get("asked_by") == "start"]
    assert same == again != other


def test_an_error_log_of_json(origin, tmp_path):
    """Each line of master and workers is one object, whatever a client put into it."""
    endpoint = origin()
    text = config(tmp_path / "g", endpoint.port, locations=PASS)
    text = text.replace("error_log stderr info;", "error_log stderr info format=json;")
    guard = Gateway(tmp_path / "g", text)
    assert ask(guard.port, request("GET", "/v1/x")).status == 200
    guard.stop(judge=False)
    assert guard.process.returncode == 0
    lines = [json.loads(line) for line in guard.lines]
    assert all(list(line) == ["time", "level", "pid", "unit", "message"] for line in lines)
    assert {line["unit"] for line in lines} >= {"master", "worker"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["time"]) for line in lines)
    assert {line["level"] for line in lines} <= {"notice", "info", "warn"}
    assert guard.process.pid in {line["pid"] for line in lines}
