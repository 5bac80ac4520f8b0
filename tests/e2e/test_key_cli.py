"""`trainguard key` and `trainguard sign --explain`: keys are made, listed and disabled, and a holder
of a key learns what its signature covers."""

import base64
import json
import re
import stat
import threading

import pytest

import signing
from client import ask, request
from command import run
from test_callers import lending_gateway, put  # noqa: F401  pylint: disable=unused-import
from test_signing import call, PROJECT
from test_signing_judge import AK, expected, SECRET, VECTORS
from wire import Message

NEW = ("key", "new", "--principal", "alice", "--project", PROJECT)


def made(*args):
    """What `key new` printed: a dictionary."""
    done = run(*args)
    assert done.code == 0, done.err
    return dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line), done


def test_a_new_key(tmp_path):
    """The file is the owner's alone; the secret is told once and nothing else changes."""
    file = tmp_path / "keys"
    one, done = made(*NEW, "--output", "-", file)
    assert re.fullmatch("TGLK[A-Z2-9]{16}", one["AK"]) and re.fullmatch("[A-Za-z0-9]{40}", one["SK"])
    assert one["AK"] in done.err and one["SK"] not in done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# ours\n" + file.read_text().rstrip("\n"))
    file.chmod(0o400)
    made(*NEW, "--project", "other", "--not-after", "2099-12-31", "--output", "-", file)
    assert file.read_text().startswith("# ours\nkey " + one["AK"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    rows = [line.split("\t") for line in run("key", "list", file).out.splitlines()]
    assert [r[1:] for r in rows] == [
        ["KIND", "PRINCIPAL", "NOT AFTER", "STATE", "PROJECTS"],
        ["key", "alice", "-", "holds", PROJECT],
        ["key", "alice", "2099-12-31", "holds", f"{PROJECT} other"]]
    assert one["SK"] not in run("key", "list", file).out


def test_a_file_in_which_no_key_holds(tmp_path):
    """-t warns of it: nobody gets in by an empty file, or by keys that are disabled or have ended."""
    (tmp_path / "keys").touch(0o600)
    (tmp_path / "t.conf").write_text("client_keys c { file keys; }\nupstream u { server 127.0.0.1:1; tls off; }\n"
                                     "server { listen 127.0.0.1:0; location / { proxy_pass u; } }\n")
    warning = "no key in ./keys holds, `trainguard key new` makes one in t.conf:1"
    for option, warned in ((None, True), ("2000-01-01", True), ("2099-01-01", False)):
        if option:
            made(*NEW, "--not-after", option, "--output", "-", tmp_path / "keys")
        done = run("-t", "-c", "t.conf", cwd=tmp_path)
        assert done.code == 0 and (warning in done.err) is warned, done.err


def test_a_key_is_disabled(tmp_path):
    """In its block, which keeps its text; a second time nothing happens."""
    file = tmp_path / "keys"
    names = [made(*NEW, "--output", "-", file)[0]["AK"] for _ in range(2)]
    file.write_text(file.read_text() + "key TGLKHAND # mine\n{ secret 0123456789abcdef; principal p; "
                    "projects x; }\n")
    before = file.read_text()
    for _ in range(2):
        assert run("key", "disable", file, names[0], "TGLKHAND").code == 0
    text = file.read_text()
    assert text.replace("\n    disabled;", "") == before and text.count("disabled;") == 2
    states = [line.split("\t")[4] for line in run("key", "list", file).out.splitlines()[1:]]
    assert states == ["disabled", "holds", "disabled"]
    done = run("key", "disable", file, "TGLKNOBODY")
    assert done.code == 1 and "no such key" in done.err and file.read_text() == text


def test_the_secret_goes_where_it_was_told_to(tmp_path):
    """Not into whatever reads standard output; a file of its own is the owner's alone, and new."""
    file, out = tmp_path / "keys", tmp_path / "secret"
    done = run(*NEW, file)
    assert done.code == 2 and "no terminal" in done.err and done.raw == b"" and not file.exists()
    assert run(*NEW, "--output", out, file).code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600 and out.read_text().startswith("AK=TGLK")
    before = file.read_text()
    done = run(*NEW, "--output", out, file)
    assert done.code == 1 and "File exists" in done.err and file.read_text() == before


@pytest.mark.parametrize("args, words", [
    (("new", "--project", "p", "--output", "-", "FILE"), "needs --principal"),
    (("new", "--principal", "p", "--output", "-", "FILE"), "at least one --project"),
    (("new", "--principal", "a; disabled", "--project", "p", "FILE"), '--principal takes letters, digits, "-", "." and "_", got "a; disabled"'),
    (("new", "--principal", "a", "--project", "p}", "FILE"), '--project takes letters, digits, "-" and "_", got "p}"'),
    (("new", "--principal", "a", "--project", "p", "--not-after", "2026-02-30", "FILE"),
     "--not-after takes a day, YYYY-MM-DD, got"),
    (("list",), "takes one FILE"), (("disable", "FILE"), "at least one KEY"), ((), "new, list")])
def test_wrong_usage(tmp_path, args, words):
    """Nothing is made."""
    done = run("key", *(tmp_path / "keys" if a == "FILE" else a for a in args))
    assert done.code == 2 and words in done.err
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("mode, words", [(0o604, "everybody can read"), (0o620, "can write it")])
def test_files_of_others(tmp_path, mode, words):
    """A file that the gateway would refuse is not filled with keys."""
    file = tmp_path / "keys"
    file.write_text("# mine\n")
    file.chmod(mode)
    for args in ((*NEW, "--output", "-", file), ("key", "disable", file, "A"), ("key", "list", file)):
        done = run(*args)
        assert done.code == 1 and words in done.err
    assert file.read_text() == "# mine\n"


def test_two_at_once(tmp_path):
    """Each waits for the other: no key is lost."""
    file = tmp_path / "keys"
    threads = [threading.Thread(target=run, args=(*NEW, "--output", "-", file)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(run("key", "list", file).out.splitlines()) == 9


def test_made_keys_open_the_gateway(lent, tmp_path):
    """Of both kinds, after a reload."""
    guard, end = lent("callers key notebooks; aksk resign notebooks;")
    file = tmp_path / "keys"
    pair, _ = made(*NEW, "--output", "-", file)
    local = run(*NEW, "--local", "--output", "-", file).out.strip()
    assert re.fullmatch("tglk_TGLK[A-Z2-9]{16}_[A-Za-z0-9]{40}", local)
    assert local not in file.read_text()
    guard.process.send_signal(1)
    guard.wait_log("master: reloaded")
    assert ask(guard.port, call(key=(pair["AK"], pair["SK"]))).status == 200
    assert ask(guard.port, put(f"Authorization: Bearer {local}")).status == 200
    assert len(end.requests) == 2


# --- sign --explain ---

WORDS = {"ok": "verdict: ok, principal p", "mismatch": "verdict: auth_mismatch",
         "malformed": "verdict: auth_malformed", "expired": "verdict: auth_expired",
         "unknown_key": "verdict: auth_unknown", "body": "verdict: auth_payload"}


def explain(tmp_path, raw, *args, key=AK, secret=SECRET):
    """`trainguard sign --explain` of these bytes."""
    keys = tmp_path / "keys"
    if not keys.exists():
        keys.write_text(f'key {key} {{ secret "{secret}"; principal p; projects x; }}\n')
        keys.chmod(0o400)
    return run("sign", "--explain", "--keys", keys, *args, "-", data=raw)


def wire_of(case):
    """The bytes of a recorded request."""
    fields = [tuple(pair) for pair in case["headers"]]
    if "authorization" in case:
        fields.append(("Authorization", case["authorization"]))
    body = case.get("body", "").encode()
    head = [f"{case['method']} {case['target']} HTTP/1.1", *(f"{n}: {v}" for n, v in fields),
            f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


# The gateway refuses more than the service: what paths could be read in two ways, and hashes that
# cover no body.
STRICTER = {"d05": "bad_request", "m19": "auth_payload"}


@pytest.mark.parametrize("case", [c for k in ("vectors", "changed", "other_sdks", "odd")
                                  for c in VECTORS[k]], ids=lambda c: c["id"])
def test_recorded_requests(tmp_path, case):
    """The verdict is the recorded one, or the gateway's stricter one."""
    known = case.get("ak_known") is not False
    done = explain(tmp_path, wire_of(case), "--at", case.get("now", "20261201T081530Z"),
                   key=case.get("ak", AK) if known else "OTHER", secret=case.get("sk", SECRET))
    first = [line for line in done.out.splitlines() if line.startswith("verdict: ")] or [done.err]
    verdict = case["verify"].partition(":")
    words = WORDS[verdict[0]].replace("ok", verdict[0] + verdict[1] + verdict[2])
    assert first[0].startswith(words) or STRICTER.get(case["id"], "-") in first[0] or \
        refused_target(case, first[0]), (first, words)
    assert SECRET not in done.out


def refused_target(case, told):
    """What the guard takes for no target, or for one of two meanings."""
    path, _, query = case["target"].partition("?")
    odd = "%25" in path or "//" in path or "+" in query or "/." in path
    return odd or ("trainguard sign: -:" in told and expected(case) != "ok")


def test_what_was_signed_is_shown(tmp_path):
    """Canonical request and string to sign are those of the judge's own implementation."""
    raw = call(key=(AK, SECRET))
    done = explain(tmp_path, raw)
    head, _, body = raw.partition(b"\r\n\r\n")
    seen = Message(head)
    signed = signing.parse(seen.get("Authorization"))[3]
    wanted = signing.canonical_request(seen.method, seen.target, seen.fields, signed,
                                       signing.hashlib.sha256(body).hexdigest())
    assert "\n".join("  " + line for line in wanted.split("\n")) in done.out
    assert f"  SDK-HMAC-SHA256\n  {seen.get('X-Sdk-Date')}\n  " + signing.hashlib.sha256(
        wanted.encode()).hexdigest() in done.out
    assert done.code == 0 and "verdict: ok" in done.out
    assert "time: X-Sdk-Date is " in done.out


@pytest.mark.parametrize("change, args, words", [
    (lambda raw: raw.replace(b"127.0.0.1:8080", b"10.0.0.1"), ("--host", "127.0.0.1:8080"),
     'differs: Host was signed as "127.0.0.1:8080", and came as "10.0.0.1"'),
    (lambda raw: raw.replace(b"application/json", b"application/json;charset=UTF-8"), (),
     'differs: Content-Type was signed as "application/json"'),
    (lambda raw: raw.replace(b"Content-Length: ", b"X-Was: ").rstrip() + b"\n", (),
     "differs: the body was signed without the line end behind it"),
    (lambda raw: raw.replace(b"config1", b"config2"), (), "--canonical")])
def test_what_differs_is_named(tmp_path, change, args, words):
    """What proxies and people change most."""
    raw = change(call(key=(AK, SECRET), body=b'{"a":1}'))
    done = explain(tmp_path, raw, *args)
    assert done.code == 1 and "verdict: auth_mismatch" in done.out and words in done.out, done.out


def test_lines_are_compared(tmp_path):
    """With the client's own canonical request the lines that part are shown."""
    raw = call(key=(AK, SECRET), body=b"")
    shown = [line[2:] for line in explain(tmp_path, raw).out.split("string to sign")[0].splitlines()
             if line.startswith("  ")]
    theirs = tmp_path / "theirs"
    theirs.write_text("\n".join(shown) + "\n")
    done = explain(tmp_path, raw.replace(b"config1", b"config2"), "--canonical", theirs)
    assert (f"differs:\n  client   /v1/{PROJECT}/training-job-configs/config1/\n"
            f"  gateway  /v1/{PROJECT}/training-job-configs/config2/\n") in done.out


@pytest.mark.parametrize("raw, words", [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "has no signature"), (b"", "no end of its head"),
    (b"nonsense\r\n\r\n", "trainguard sign: -: ")])
def test_what_is_no_signed_request(tmp_path, raw, words):
    """Exit 2."""
    done = explain(tmp_path, raw)
    assert done.code == 2 and words in done.err


def test_hand_made_files(tmp_path):
    """Lines may end with LF alone."""
    head, _, body = call(key=(AK, SECRET), body=b"").partition(b"\r\n\r\n")
    assert explain(tmp_path, head.replace(b"\r\n", b"\n") + b"\n\n" + body).code == 0


def test_captures_of_the_real_client(tmp_path):
    """Raw bytes, as they came over the wire."""
    for case in VECTORS["wire"]:
        (tmp_path / "keys").unlink(missing_ok=True)
        done = explain(tmp_path, base64.b64decode(case["raw_base64"]), "--at", "20261201T081530Z",
                       key=case["ak"], secret=case["sk"])
        # UNSIGNED-PAYLOAD is not taken without being asked for
        words = "verdict: auth_payload" if case["id"] == "w04" else f"verdict: {case['verify']}"
        assert words in done.out, (case["id"], done.out, done.err)


def test_what_a_signed_client_meets(tmp_path):
    """`eval --signed`: the change that is made for others is forbidden, or no signature is taken."""
    body = b'{"config_desc":"d","worker_server_num":"1"}'
    conf = tmp_path / "trainguard.conf"

    def judged(aksk, *args):
        conf.write_text("upstream m { server 127.0.0.1:1; tls off; } server { listen 127.0.0.1:0; location "
                        "PUT /v1/{project_id}/training-job-configs/{config_name} { filters json "
                        f"normalize; aksk {aksk}; proxy_pass m; }} }}")
        done = run("eval", "-c", conf, "--output", "json", *args, "-", data=body)
        return json.loads(done.out)["bodies"][0]

    assert judged("preserve")["result"] == "pass"
    preserved = judged("preserve", "--signed")
    assert preserved["result"] == "denied"
    assert [f["rule"] for f in preserved["findings"]] == ["signed_change"]
    assert judged("refuse", "--signed")["status"] == 401
    assert judged("refuse")["result"] == "pass"
