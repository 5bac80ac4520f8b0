"""Exit statuses of the commands are those their help and the man page tell."""

import json
import re

import pytest

from command import SEED, run
from gateway import TOP

NEW = "key new --principal p --project x"
POLICY = "policy p { rule few { at worker_server_num; max 0; } }\n"
GOOD = {"worker_server_num": 1, "spec_id": 7, "app_url": "/usr/app/", "boot_file_url": "/usr/app/boot.py",
        "data_url": "/usr/data/"}
RECORD = {"time": "2026-01-02T03:04:05.000000Z", "event": "outcome", "request_id": "r", "project_id": "p",
          "config_name": "c", "decision": "allow", "request.body_full": True, "request.body": GOOD}
SIGNED = ("GET / HTTP/1.1\nHost: x\nX-Sdk-Date: 20260101T000000Z\nAuthorization: SDK-HMAC-SHA256 Access=A, "
          f"SignedHeaders=host;x-sdk-date, Signature={'0' * 64}\n\n")
CONF = "upstream u { server 127.0.0.1:1; tls off; }\nserver { listen 127.0.0.1:0; location / { proxy_pass u; } }\n"
CHAINED = '{"schema":1,"seq":1,"stream":"s","event":"start","chain":"x"}\n'

# Command lines, with what they come to; in the folder that files() makes.
STATUSES = {
    "audit": [("audit show log", 0), ("audit verify log", 1), ("audit verify empty", 1), ("audit verify none", 2),
              ("audit show none", 2), ("audit summary folder", 2), ("audit", 2), ("audit shw log", 2), ("audit show", 2),
              ("audit show --since x log", 2), ("audit show --closed log", 2)],
    "catalogue": [("catalogue --help", 0), ("catalogue fetch -c c.conf --project p --token-file token", 1), ("catalogue", 2),
                  ("catalogue fetch", 2), ("catalogue fetch -c c.conf --project p", 2), ("catalogue fetch --nothing", 2),
                  ("catalogue fetch -c none --project p", 2), ("catalogue fetch -c c.conf --project p --token-file none", 2),
                  ("catalogue fetch -c c.conf --project p --upstream v --token-file token", 2)],
    "eval": [("eval good.json", 0), ("eval warned.json", 0), ("eval denied.json", 1), ("eval bad.json", 2), ("eval none", 2),
             ("eval good.json none denied.json", 2), ("eval", 2), ("eval --level x good.json", 2),
             ("eval -c none good.json", 2), ("eval --fail-on-warn warned.json", 3)],
    "explain": [("explain", 0), ("explain required 0107", 0), ("explain nothing", 2), ("explain required nothing", 2),
                ("explain -x", 2)],
    "fmt": [("fmt seed.json", 0), ("fmt --check good.json", 0), ("fmt --check seed.json", 1), ("fmt bad.json", 2),
            ("fmt key.json", 1), ("fmt none", 2), ("fmt", 2), ("fmt --check --patch seed.json", 2)],
    "key": [(f"{NEW} --output - keys", 0), ("key list keys", 0), ("key list none", 1), ("key disable keys B", 1),
            (f"{NEW} --output token keys", 1), (f"{NEW} --output - none/keys", 1), (f"{NEW} keys", 2), ("key", 2),
            ("key new keys", 2), ("key list", 2), ("key list --nothing", 2), ("key disable keys", 2), ("key list --help", 0),
            ("key disable -h", 0), ("key lst keys", 2)],
    "policy": [("policy --help", 0), ("policy sign --key none --expires 2099-01-01 folder", 1),
               ("policy verify --key none folder", 1), ("policy", 2), ("policy verify folder", 2), ("policy sign folder", 2)],
    "replay": [("replay --policy easy.conf records", 0), ("replay --policy p.conf records", 1),
               ("replay --policy p.conf --exit-zero records", 0), ("replay --policy p.conf none", 2),
               ("replay --policy none records", 2), ("replay records", 2), ("replay --policy p.conf", 2)],
    "sign": [("sign --help", 0), ("sign --explain --keys keys signed", 1), ("sign --explain --keys keys empty", 2),
             ("sign --explain --keys none signed", 2), ("sign --explain --keys keys none", 2), ("sign", 2),
             ("sign --at x --explain --keys keys signed", 2), ("sign --nothing", 2)],
    "test": [("test good", 0), ("test failing", 1), ("test --require-tests good", 0), ("test broken", 2), ("test none", 2),
             ("test folder", 2), ("test", 2), ("test --output x good", 2)],
    "": [("--version", 0), ("help audit", 0), ("-t -c c.conf", 0), ("-T -c c.conf", 0), ("-t -c none", 1), ("-c none", 1),
         ("-s stop -c c.conf", 1), ("-s none -c c.conf", 2), ("none", 2), ("help none", 2), ("--none", 2), ("-t -c", 2),
         ("--online -c c.conf", 2)],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder in which the command lines make sense."""
    folder = tmp_path_factory.mktemp("files")
    texts = {"c.conf": CONF, "token": "t\n", "empty": "", "bad.json": "{", "log": CHAINED, "p.conf": POLICY,
             "easy.conf": POLICY.replace("max 0", "max 9"), "seed.json": SEED.read_text(), "good.json": json.dumps(GOOD),
             "denied.json": "{}", "warned.json": json.dumps(GOOD | {"app_url": "/usr/app"}), "records": json.dumps(RECORD),
             "key.json": json.dumps(GOOD | {"parameter": [{"key": "a", "label": "b", "value": "1"}]}), "signed": SIGNED,
             "keys": "key A { secret 0123456789abcdef; principal p; projects x; disabled; }\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "keys").chmod(0o600)
    (folder / "folder").mkdir()
    for name, expect in {"good": "fail", "failing": "pass", "broken": "maybe"}.items():
        (folder / name).mkdir()
        (folder / name / "p.conf").write_text(POLICY)
        (folder / name / "p.test.conf").write_text(f'policies p.conf;\ncase "c" {{ body ../good.json; expect p.few {expect}; }}\n')
    return folder


def told(text):
    """The statuses that a help or a manual tells, by number."""
    sentence = re.search(r"Exit status: (.*?)\.(\s|$)", text, re.S)[1]
    return dict(re.findall(r"\b([0-3]) ([^0-9]*)", sentence))


@pytest.mark.parametrize("command", STATUSES)
def test_statuses(files, command):
    """Each status that the help tells comes of something, and no other; nothing fails without a word."""
    rows = STATUSES[command]
    for line, status in rows:
        done = run(*line.split(), cwd=files)
        assert done.code == status and (status == 0 or done.err or done.raw), (line, done.code, done.err)
    help_text = run(*command.split(), "--help").out
    assert set(told(help_text)) == {str(status) for _, status in rows}


def test_the_manual_tells_the_same():
    """Of each command, word for word."""
    manual = re.sub(r"\s+", " ", (TOP / "conf/man/trainguard.8").read_text().partition(".SH EXIT STATUS")[2])
    manual = re.sub(r"\\f[BRI]|\\(?=-)", "", manual)
    for command in STATUSES:
        [sentence] = re.findall(r"Exit status: (.*?\.)(?:\s|$)", run(*command.split(), "--help").out, re.S)
        assert re.sub(r"\s+", " ", f".B {command or 'trainguard'} {sentence}") in manual
