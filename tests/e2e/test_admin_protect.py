"""Who may ask the admin process: names, tokens, what browsers are told, and what stays free."""

import base64
import json
import os
import re
import socket

import pytest

from client import ask, request
from gateway import TOP
from test_admin import start_admin  # pylint: disable=unused-import # a fixture
from test_deploy import containers, objects

TOKEN = "0123456789abcdef-token"
PASS = "location / { proxy_pass modelarts; }"
FREE = ["/healthz", "/livez", "/readyz", "/metrics"]
GUARDED = ["/", "/status", "/history", "/events", "/audit/heads", "/config", "/policies", "/certs", "/page/main.js", "/other"]


def basic(text):
    """The field of Basic."""
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture(name="open_admin")
def start_open(origin, gateway, tmp_path):
    """A gateway whose admin block listens on all addresses; `token`: what its file holds."""

    def start(token=TOKEN, inside=""):
        more = ""
        if token is not None:
            file = tmp_path / "token"
            file.write_text(token + "\n")
            file.chmod(0o400)
            more = f"token_file {file};"
        guard = gateway(origin(), locations=PASS, main=f"admin {{\n listen 0.0.0.0:0;\n {more} {inside}\n}}")
        guard.wait_log("master: trainguard")
        port = int(guard.matches(r"listening on 0\.0\.0\.0:(\d+)")[0][1])
        return lambda path, *fields, host="10.0.0.7:9901", method="GET": ask(
            port, request(method, path, None if method == "GET" else b"", *fields, host=host), method)

    return start


@pytest.mark.parametrize("path", GUARDED)
def test_only_under_known_names(admin, path):
    """A page of anyone may make a browser ask here, under the name it was loaded from."""
    one = admin(main="")
    answer = one.get(path, host="evil.example")
    assert (answer.status, b"Host is no address" in answer.body) == (403, True)
    assert ask(one.port, request("GET", path, None, host=None)).status == 403


def test_names_that_are_known(open_admin):
    """Those of the block, addresses, localhost; what probes ask for is free."""
    get = open_admin(inside="server_name admin.example other;")
    bearer = f"Authorization: Bearer {TOKEN}"
    for host in ("admin.example", "Other:9901", "localhost", "192.0.2.1", "[::1]:9901"):
        assert get("/status", bearer, host=host).status == 200
    for host in ("admin.example.evil", "evil"):
        assert get("/status", bearer, host=host).status == 403
        assert [get(path, host=host).status for path in FREE] == [200] * 4


def test_the_token(open_admin):
    """Bearer, or Basic with any name; nothing else."""
    get = open_admin()
    answer = get("/status")
    assert (answer.status, answer.get("WWW-Authenticate")) == (401, 'Basic realm="trainguard", charset="UTF-8"')
    good = [f"Authorization: Bearer {TOKEN}", basic(f"me:{TOKEN}"), basic(f":{TOKEN}")]
    bad = ["Authorization: Bearer x", basic(f"{TOKEN}:"), basic(TOKEN), f"Authorization: {TOKEN}",
           "Authorization: Basic !", f"X-Auth-Token: {TOKEN}"]
    assert [get("/status", field).status for field in good] == [200] * 3
    assert [get("/status", field).status for field in bad] == [401] * 6
    for path in GUARDED:
        assert get(path).status == 401
    assert [get(path).status for path in FREE] == [200] * 4
    assert get("/reload", good[0], method="POST").status == 403


def test_without_a_token(open_admin):
    """Probes and scrapes go on; nothing else is told."""
    get = open_admin(token=None)
    assert [get(path).status for path in FREE] == [200] * 4
    assert [get(path).status for path in GUARDED] == [403] * len(GUARDED)


def test_loopback_needs_none(admin):
    """Whoever is on this machine."""
    one = admin(main="")
    assert [one.get(path).status for path in FREE + ["/status", "/policies"]] == [200] * 6


def test_the_check_says_so(check, tmp_path):
    """`-t` names what is open and what is no token."""
    said = check(main="admin {\n listen 0.0.0.0:0;\n listen [::1]:0;\n listen 127.0.0.1:0;\n listen unix:a.sock;\n}")[1]
    assert re.findall(r'\[warn\].*admin.*', said) == [
        '[warn] "listen 0.0.0.0:0" of "admin" is not loopback: without "token_file" it answers probes and '
        f"/metrics alone in {tmp_path}/checked.conf:7"]
    for text, mode, words in ((TOKEN, 0o400, "test is successful"), ("short", 0o400, "16 to 256 bytes"),
                              (TOKEN, 0o644, "everybody can read it"), ("with a blank in it", 0o400, "without blanks"),
                              ("x" * 257, 0o400, "16 to 256 bytes")):
        file = tmp_path / "token"
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)
        if mode == 0o644 and os.geteuid() != 0:
            continue
        code, said = check(main=f"admin {{ listen 0.0.0.0:0; token_file {file}; }}")
        assert words in said and (code == 0) == (words == "test is successful"), said
        assert TOKEN not in said
    assert "no such file" in check(main="admin { listen 0.0.0.0:0; token_file gone; }")[1].lower()
    assert "host names without a port" in check(main="admin { listen 127.0.0.1:0; server_name a:1; }")[1]


@pytest.mark.parametrize("path", FREE + GUARDED)
def test_what_browsers_are_told(admin, path):
    """Each answer, whatever it is."""
    one = admin(main="")
    if path == "/events":
        with socket.create_connection(("127.0.0.1", one.port), 20) as sock:
            sock.sendall(request("GET", path, None, host="127.0.0.1"))
            head = sock.makefile("rb")
            lines = [line.decode().strip() for line in iter(head.readline, b"\r\n")]
        fields = dict(line.split(": ", 1) for line in lines[1:])
    else:
        answer = one.get(path)
        fields = {name: answer.get(name) for name in
                  ("Content-Security-Policy", "X-Frame-Options", "Referrer-Policy", "X-Content-Type-Options",
                   "Access-Control-Allow-Origin")}
    assert fields["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in fields["Content-Security-Policy"]
    assert fields["X-Frame-Options"] == "DENY"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields.get("Access-Control-Allow-Origin") is None


def test_the_files_of_the_page(admin):
    """Each with its type, and sent again only when it is another one."""
    one = admin(main="")
    html = one.get("/", "GET", "Accept: text/html,*/*;q=0.8")
    assert html.body == (TOP / "conf/page/index.html").read_bytes()
    types = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
             ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    for file in (TOP / "conf/page").iterdir():
        if file.suffix not in types or file.name == "index.html":
            continue
        answer = one.get(f"/page/{file.name}")
        assert answer.body == file.read_bytes()
        assert answer.get("Content-Type") == types[file.suffix]
        assert answer.get("Cache-Control") == "no-cache"
        again = one.get(f"/page/{file.name}", "GET", f"If-None-Match: {answer.get('ETag')}")
        assert (again.status, again.body) == (304, b"")
    assert one.get("/page/main.js", "HEAD").body == b""
    assert one.get("/page/../main.js").status == 404
    assert json.loads(one.get("/history").body)["step_seconds"] == 5


def test_the_shipped_probes_and_scrape(origin, gateway, tmp_path):
    """Kubernetes' configuration with the token it has a line for: kubelet and Prometheus bring none."""
    (tmp_path / "admin.token").write_text(TOKEN)
    (tmp_path / "admin.token").chmod(0o400)
    shipped = objects()
    text = (TOP / "conf/deploy/kubernetes/gateway/trainguard.conf").read_text(encoding="utf-8")
    block = re.search(r"admin \{(.*?)\}", text, re.S)[1]
    block = block.replace("# token_file", "token_file").replace("/etc/trainguard-keys", str(tmp_path))
    block = block.replace(":9901", ":0").replace("/run/trainguard", str(tmp_path))
    guard = gateway(origin(), locations=PASS, main=f"admin {{{block}}}")
    guard.wait_log("master: trainguard")
    port = int(guard.matches(r"listening on 0\.0\.0\.0:(\d+)")[0][1])
    paths = {"/metrics"}
    for one in shipped["Deployment"]:
        for container in containers(one):
            paths |= {container[probe]["httpGet"]["path"]
                      for probe in ("startupProbe", "readinessProbe", "livenessProbe") if probe in container}
    assert {"/metrics", "/readyz", "/livez"} <= paths
    for path in paths:
        assert ask(port, request("GET", path, None, "User-Agent: kube-probe/1.30", host="10.244.1.7:9901")).status == 200
    assert ask(port, request("GET", "/status", None, host="10.244.1.7:9901")).status == 401
