"""The file of clients' keys while the gateway runs: swapped as Kubernetes swaps a secret, broken, readable by
others, under load."""

import json
import signal
import threading

import audit
from client import ask, request
from test_callers import ask_unix
from test_signing import CLIENT, KEYS, MAIN, PROJECT, call, signing_gateway  # noqa: F401  pylint: disable=unused-import

WATCH = "reload_on_change on quiet=20ms most=200ms;"
NEW = ("TGLKnew1", "another-secret-0123456789")
GET = f"/v1/{PROJECT}/training-job-configs"


def mount(directory, name, text, mode=0o440):
    """What kubelet does: a new folder, and the link to it in one step."""
    (directory / name).mkdir()
    (directory / name / "keys").write_text(text)
    (directory / name / "keys").chmod(mode)
    (directory / "next").symlink_to(name)
    (directory / "next").rename(directory / "..data")


def start(signed, tmp_path, **more):
    """A gateway that watches a mounted secret, and its folder."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount(folder, "..1", KEYS)
    (folder / "keys").symlink_to("..data/keys")
    guard, end = signed(**more)
    path = guard.directory / "trainguard.conf"
    text = path.read_text().replace(f"{tmp_path}/keys;", f"{folder}/keys;")
    path.write_text(f"{WATCH} admin {{ listen unix:admin.sock; }}\n" + text)
    assert reload(guard) == 1
    return guard, end, folder


def reload(guard):
    """By signal; how many reloads there were."""
    before = len(guard.matches("master: reloaded"))
    guard.process.send_signal(signal.SIGHUP)
    guard.wait(lambda: len(guard.matches("master: reloaded")) > before, "a reload")
    return before + 1


def status(guard, key):
    """What a request signed with that key gets."""
    return ask(guard.port, call(b"", key, "GET", GET)).status


def test_a_key_comes_and_another_goes(signed, tmp_path):
    """Without a reload being asked for; the record says what did it."""
    guard, end, folder = start(signed, tmp_path)
    assert (status(guard, CLIENT), status(guard, NEW)) == (200, 401)
    mount(folder, "..2", f"key {NEW[0]} {{ secret {NEW[1]}; principal bob; projects {PROJECT}; }}")
    guard.wait(lambda: len(guard.matches("master: reloaded")) > 1, "the watch's reload")
    assert (status(guard, CLIENT), status(guard, NEW)) == (401, 200)
    assert len(end.requests) == 2
    changed = audit.wait(guard.directory / "audit.jsonl", 1, "configuration")
    assert "watch" in [c.get("configuration.asked_by") or c.get("asked_by") for c in changed]


def test_a_broken_file_changes_nothing(signed, tmp_path):
    """Half a file, a file that all can read, two keys of one name: the old keys stay, log and metric tell."""
    guard, end, folder = start(signed, tmp_path, expect=["keys", "reload failed"])
    for n, (text, mode, words) in enumerate((
            ("key TGLK", 0o440, "reload failed"), (KEYS, 0o444, "everybody can read it"),
            (KEYS + KEYS, 0o440, "stands twice")), 2):
        mount(folder, f"..{n}", text, mode)
        guard.wait_log(words)
        assert status(guard, CLIENT) == 200
        page = ask_unix(guard, request("GET", "/metrics"), "admin.sock").body.decode()
        assert "trainguard_config_last_reload_successful 0" in page
    told = json.loads(ask_unix(guard, request("GET", "/callers"), "admin.sock").body)
    assert "alice" in json.dumps(told)
    assert len(end.requests) == 3


def test_under_load(signed, tmp_path):
    """Requests that are under way keep the keys they began with; none of a key that stays is refused."""
    guard, end, folder = start(signed, tmp_path)
    statuses, stop = [], threading.Event()

    def run():
        while not stop.is_set():
            statuses.append(status(guard, CLIENT))

    clients = [threading.Thread(target=run) for _ in range(2)]
    for client in clients:
        client.start()
    for n in range(2, 6):
        before = len(guard.matches("master: reloaded"))
        mount(folder, f"..{n}", KEYS + f"key TGLKx{n} {{ secret {NEW[1]}; principal x; projects {PROJECT}; }}\n")
        guard.wait(lambda before=before: len(guard.matches("master: reloaded")) > before, "a reload")
    stop.set()
    for client in clients:
        client.join()
    assert {*statuses} == {200} and len(end.requests) == len(statuses)
