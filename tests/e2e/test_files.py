"""Files the gateway writes where others may write, too: what they put there before does not get what
is root's, and the start says what would be right."""

import os
import pwd
import re
import subprocess

import pytest

from client import ask, request
from gateway import Gateway, binary, config
from test_names import until
from test_processes import PASS, edit, send
from test_sandbox import root

NOBODY, OTHER = pwd.getpwnam("nobody").pw_uid, 2000
LINK = "it is a symbolic link in a folder that others may write, name the file it leads to"
SECOND = "it has a second name (a hard link), in a folder that others may write"
FOLDER = "its folder belongs to another user, let it belong to root or to the gateway's user"
FILE = "it belongs to another user, in a folder that others may write"


@pytest.fixture
def scene(tmp_path):
    """A folder of that owner, and a file of root's beside it that is not for anybody."""
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "precious").chmod(0o600)
    (tmp_path / "folder").mkdir()
    return tmp_path


def put(scene, there, name, owner):
    """What stands in the folder already, and whose the folder is."""
    path, target = scene / "folder" / name, scene / "precious"
    if there == "link":
        path.symlink_to(target)
    elif there == "second name":
        path.hardlink_to(target)
    elif there == "other's file":
        path.touch()
        os.chown(path, OTHER, -1)
    os.chown(scene / "folder", owner, -1)
    return path


def untouched(scene):
    """Whether root's file is as it was."""
    st = (scene / "precious").stat()
    return (st.st_uid, st.st_mode & 0o777, (scene / "precious").read_text()) == (0, 0o600, "precious")


def conf_of(scene, what, path, port=1):
    """A configuration with one file there."""
    audit = str(path) if what == "audit_log" else str(scene / "audit.jsonl")
    main = f"admin {{\n listen unix:{path};\n}}" if what == "socket" else ""
    text = config(scene, port, locations=PASS, main=f"user nobody; {main}", audit=audit)
    if what == "error_log":
        return text.replace("error_log stderr", f"error_log {path}")
    return re.sub(r"pid +\S+;", f"pid {path};", text) if what == "pid" else text


def give_log(scene):
    """The audit log is the user's."""
    (scene / "audit.jsonl").touch()
    os.chown(scene / "audit.jsonl", NOBODY, -1)


@root
@pytest.mark.parametrize("what, there, owner, why", [
    ("error_log", "link", NOBODY, LINK),
    ("error_log", "second name", NOBODY, SECOND),
    ("error_log", "other's file", NOBODY, FILE),
    ("error_log", "nothing", OTHER, FOLDER),
    ("error_log", "link", OTHER, FOLDER),
    ("audit_log", "nothing", OTHER, FOLDER),
    ("audit_log", "link", OTHER, FOLDER),
    ("pid", "nothing", OTHER, FOLDER),
    ("pid", "link", OTHER, FOLDER),
    ("socket", "nothing", OTHER, FOLDER),
    ("socket", "link", OTHER, FOLDER),
])
def test_what_is_refused(scene, what, there, owner, why):
    """The start ends with the reason, and root's file stays as it was."""
    path = put(scene, there, "log", owner)
    (scene / "c.conf").write_text(conf_of(scene, what, path))
    give_log(scene)
    done = subprocess.run([binary(), "-p", f"{scene}/", "-c", scene / "c.conf"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert (done.returncode, f": {why}" in done.stderr) == (1, True), done.stderr
    assert untouched(scene)


@root
@pytest.mark.parametrize("what", ["audit_log", "pid", "socket"])
def test_a_folder_of_the_user(scene, origin, what):
    """The gateway starts there, and its files belong to whom they should."""
    path = put(scene, "nothing", "log", NOBODY)
    text = conf_of(scene, what, path, origin().port)
    give_log(scene)
    with Gateway(scene, text) as guard:
        assert ask(guard.port, request()).status == 200
        assert path.stat().st_uid == (NOBODY if what == "audit_log" else 0)


@root
@pytest.mark.parametrize("there", ["nothing", "other's file"])
def test_an_error_log_is_given_to_the_user(scene, there):
    """Workers open it again; it is made, or was there before, in a folder of root's."""
    path = put(scene, there, "log", 0)
    (scene / "c.conf").write_text(conf_of(scene, "error_log", path))
    give_log(scene)
    with subprocess.Popen([binary(), "-p", f"{scene}/", "-c", scene / "c.conf"]) as child:
        until(lambda: child.poll() is not None or path.exists() and path.stat().st_uid == NOBODY)
        assert child.poll() is None
        child.terminate()


@root
def test_the_name_a_pid_file_is_made_under(scene, origin):
    """Another file of that name loses it, and is not cut."""
    put(scene, "second name", "pid.new", NOBODY)
    give_log(scene)
    with Gateway(scene, conf_of(scene, "pid", scene / "folder" / "pid", origin().port)) as guard:
        assert ask(guard.port, request()).status == 200
        guard.wait_log(r"master: trainguard \S+, ")  # behind the pid file
        assert (scene / "folder" / "pid").read_text() == f"{guard.process.pid}\n"
    assert untouched(scene)


@root
@pytest.mark.parametrize("there", ["link", "second name"])
def test_a_new_mode_for_a_socket_that_was_replaced(scene, origin, there):
    """A reload changes the mode of the socket alone."""
    path = scene / "folder" / "admin.sock"
    give_log(scene)
    os.chown(scene / "folder", NOBODY, -1)
    text = conf_of(scene, "socket", path, origin().port)
    with Gateway(scene, text) as guard:
        guard.wait_log(r"master: trainguard")
        path.unlink()
        put(scene, there, "admin.sock", NOBODY)
        edit(guard, f"unix:{path}", f"unix:{path} mode=0666")
        assert send(guard, "reload").returncode == 0
        guard.wait_log("cannot change the mode of")
    assert untouched(scene)


KEYS = {"listener": ("listen 127.0.0.1:0 tls; tls_certificate {d}/server.pem; tls_certificate_key {k};", ""),
        "upstream": ("listen 127.0.0.1:0;", "tls_cert {d}/server.pem; tls_key {k};"),
        "upstream, one file": ("listen 127.0.0.1:0;", "tls_cert {k};")}


@pytest.mark.parametrize("where", KEYS)
@pytest.mark.parametrize("mode, why", [
    (0o400, None), (0o600, None), (0o440, None), (0o444, "everybody can read it"),
    (0o604, "everybody can read it"), (0o640, None), (0o660, "others than its owner can write it"),
    (0o602, "others than its owner can write it")])
def test_keys_that_are_not_private(tmp_path, certificates, where, mode, why):
    """Of TLS, on both sides: a warning, which names the file."""
    key = tmp_path / "key.pem"
    key.write_bytes((certificates / "server.key").read_bytes() + (certificates / "server.pem").read_bytes())
    key.chmod(mode)
    server, upstream = (part.format(d=certificates, k=key) for part in KEYS[where])
    conf = tmp_path / "x.conf"
    conf.write_text(f"audit_log off; upstream u {{ server 127.0.0.1:1; {upstream} }}\n"
                    f"server {{ {server} location / {{ proxy_pass u; }} }}\n")
    done = subprocess.run([binary(), "-t", "-c", conf], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if re.search("(tls_certificate_key|tls_key)", line)]
    assert len(told) == (why is not None), told
    assert all("[warn]" in line and f"{key}: {why}" in line for line in told)


@root
def test_a_namespace_without_root(scene):
    """Where root's folders belong to nobody in particular (user_namespaces(7)) they are on everybody's way."""
    folder = scene / "folder"
    conf = conf_of(scene, "audit_log", folder / "audit.jsonl").replace("user nobody;", "")
    conf = conf.replace("error_log stderr", f"error_log {folder}/error.log")
    (folder / "trainguard.conf").write_text(conf)
    os.chown(folder, OTHER, OTHER)
    command = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", "unshare", "--user",
               "--map-root-user"]
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no new namespaces here")
    done = subprocess.run([*command, binary(), "-t", "-c", folder / "trainguard.conf"], check=False,
                          capture_output=True, text=True)
    assert "on the way" not in done.stderr and "cannot open the log" not in done.stderr, done.stderr
    assert (folder / "error.log").stat().st_uid == OTHER
