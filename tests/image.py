#!/usr/bin/python3
"""The container image: built from its Containerfile, then run as Kubernetes runs the sidecar.

    unshare --mount-proc --pid --fork --kill-child tests/image.py

Needs buildah and debootstrap, but no registry and no container engine: debootstrap makes the base image
from the mirror this machine uses, and what an engine does around a process (process 1 of a namespace of
its own, another user, no capabilities, files that cannot be written) is done with util-linux.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import yaml

from package import HERE, check, debootstrap, run

# pylint: disable=wrong-import-position
from client import Client, ask, request  # noqa: E402
from origin import Origin, answer, read  # noqa: E402

TOP = HERE.parent
DEPLOY = TOP / "conf" / "deploy"
USER = 10001
PROGRAMS = {"usr/sbin/trainguard"}
DATA = {"etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt", "etc/trainguard/trainguard.conf"}


def build(directory):
    """The image's files, in a folder, and what its description says of running it."""
    store = ["--root", directory / "store", "--runroot", directory / "run", "--storage-driver", "vfs"]

    def buildah(command, *args):
        return run("buildah", *store, command, *args, cwd=TOP).strip()

    base = re.search(r"^FROM (\S+) AS", (DEPLOY / "Containerfile").read_text(), re.M)[1]
    debootstrap(directory / "base")
    container = buildah("from", "--quiet", "scratch")
    buildah("add", "--quiet", container, directory / "base", "/")
    buildah("commit", "--quiet", container, f"docker.io/library/{base}")
    print("made a base image")
    buildah("bud", "--isolation", "chroot", "--pull-never", "-f", DEPLOY / "Containerfile",
            "-t", "trainguard", ".")
    container = buildah("from", "--pull-never", "--quiet", "localhost/trainguard")
    description = json.loads(buildah("inspect", "--type", "image", "localhost/trainguard"))
    shutil.copytree(buildah("mount", container), directory / "root", symlinks=True)
    for path in ("run/trainguard", "var/log/trainguard"):
        os.chown(directory / "root" / path, USER, USER)
    return directory / "root", description["OCIv1"]["config"]


def contents(root):
    """Nothing but the program, its libraries and what they read."""
    files = {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}
    libraries = {f for f in files if re.fullmatch(r"lib(64)?/.*\.so(\.\d+)*", f)}
    check(files == PROGRAMS | DATA | libraries, f"files in the image: {sorted(files - libraries)}")
    size = sum((root / f).stat().st_size for f in files)
    check(size < 20e6, f"the image has {size} bytes")
    print(f"built: {len(files)} files, {size / 1e6:.1f} MB")


def swap(folder, data):
    """Replaces the files of a mounted folder in one step, as the kubelet does: behind a link."""
    folder.mkdir(exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix="..", dir=folder))
    fresh.chmod(0o755)
    for name, text in data.items():
        (fresh / name).write_text(text)
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..fresh").symlink_to(fresh.name)
    (folder / "..fresh").rename(folder / "..data")


def configuration(port):
    """The data of the shipped ConfigMaps and Secrets by name, with other ports and another upstream."""
    maps = {}
    for one in yaml.safe_load_all((DEPLOY / "kubernetes" / "base" / "configuration.yaml").read_text()):
        maps[one["metadata"]["name"]] = one.get("data") or one["stringData"]
    text = (DEPLOY / "kubernetes" / "sidecar" / "trainguard.conf").read_text()
    for old, new in ((r"listen 0\.0\.0\.0:\d+;", "listen 127.0.0.1:0;"),
                     (r"server +modelarts\.\S+;", f"server 127.0.0.1:{port}; tls off;"),
                     (r"tls_ca +\S+;", "")):
        text, n = re.subn(old, new, text)
        check(n > 0, f"{old} in the ConfigMap")
    maps["trainguard"] = {"trainguard.conf": text}
    return maps


# What an engine does before it starts a pod's container. $1: the image's files; $2: the folders to
# mount; the rest: the command.
ENGINE = """
set -e
root=$1 folders=$2
shift 2
mount --bind "$root" "$root"
mkdir -p "$root"/{proc,dev,etc/trainguard-policies,etc/trainguard-keys}
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
ln -s /proc/self/fd/1 "$root/dev/stdout"
mount -t tmpfs -o mode=777 tmpfs "$root/run/trainguard"
mount --bind "$folders/trainguard" "$root/etc/trainguard"
mount --bind "$folders/trainguard-policies" "$root/etc/trainguard-policies"
mount --bind "$folders/trainguard-keys" "$root/etc/trainguard-keys"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec=%d:%d "$root" "$@"
""" % (USER, USER)


class Container:
    """The image's process 1, with the folders of the pod."""

    def __init__(self, root, description, folders):
        self.lines, self.changed = [], threading.Condition()
        records, mine = os.pipe()
        os.fchown(mine, USER, USER)  # so do engines with what they give a container to write to
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", ENGINE, "bash",
             root, folders, *description["Entrypoint"], *description["Cmd"]],
            stdin=subprocess.DEVNULL, stdout=mine, stderr=subprocess.PIPE, text=True)
        os.close(mine)
        self.records = open(records, encoding="utf-8")  # pylint: disable=consider-using-with
        threading.Thread(target=self.read, daemon=True).start()
        self.wait(r"master: trainguard .* worker")
        pid = self.process.pid
        self.pid = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def read(self):
        """Collects the log."""
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def wait(self, pattern):
        """All matches in the log, at least one."""
        def found():
            return [m for m in (re.search(pattern, line) for line in self.lines) if m]
        with self.changed:
            check(self.changed.wait_for(found, 30), f"no {pattern} in\n{''.join(self.lines)}")
            return found()

    def command(self, *args, good=True):
        """What `kubectl exec` does: a command beside process 1."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-p", "-r", "-w", "-S", str(USER),
                               "-G", str(USER), "/usr/sbin/trainguard", *args], capture_output=True,
                              text=True, timeout=60, check=False)
        check((done.returncode == 0) == good, f"{args}: {done.stderr}")
        return done.stderr


def life(container, folders, origin, go):
    """Probes, a swapped ConfigMap, and the end while a request is under way."""
    admin, port = (int(m[1]) for m in container.wait(r"listening on 127\.0\.0\.1:(\d+)"))
    for probe in ("/readyz", "/healthz", "/livez"):
        check(ask(admin, request(target=probe)).status == 200, probe)
    status = pathlib.Path(f"/proc/{container.pid}/status").read_text()
    check(re.search(rf"^Uid:\t{USER}\t{USER}\t", status, re.M), "the user")
    check(re.search(r"^CapEff:\t0+$", status, re.M), "no capabilities")
    print("runs as process 1, without rights, on files it cannot write")

    conf = "/etc/trainguard/trainguard.conf"
    text = (folders / "trainguard" / "trainguard.conf").read_text()
    swap(folders / "trainguard", {"trainguard.conf": text.replace("proxy_pass", "proxy_pas")})
    check("proxy_pas" in container.command("-c", conf, "-s", "reload", good=False), "why a reload failed")
    swap(folders / "trainguard", {"trainguard.conf": text})
    swap(folders / "trainguard-policies", {"description.conf": "policy other { rule r { at config_desc; "
                                           "max_length 5; message short; } }"})
    container.command("-c", conf, "-s", "reload")
    policies = json.loads(ask(admin, request(target="/policies", host="127.0.0.1")).body)
    check(policies["locations"][0]["policies"][0]["name"] == "other", "the swapped policy")
    print("took a swapped ConfigMap over")

    with Client(port) as client:
        client.send(request(target="/v1/last"))
        origin.wait(lambda: origin.requests)
        container.command("-c", conf, "-s", "quit")
        os.kill(container.pid, signal.SIGTERM)
        container.wait("ending gracefully")
        go.set()
        check(client.final().status == 200, "the request under way when the pod ended")
    check(container.process.wait(30) == 0, "the end is a good one")
    records = [json.loads(line) for line in container.records]
    check([r["url.path"] for r in records if r["event"] == "outcome"] == ["/v1/last"],
          "the audit log on the standard output")
    print("ended within a request, which was answered")


def main():
    """Builds it and lets it live."""
    check(os.getpid() == 1, "run it in process and mount namespaces of its own, see its head")
    go = threading.Event()

    def hold(_origin, connection):
        check(go.wait(30), "nobody let the request go")
        connection.send(answer())

    with tempfile.TemporaryDirectory(prefix="trainguard-image-") as name, Origin([read, hold]) as origin:
        directory = pathlib.Path(name)
        root, description = build(directory)
        check((description["User"], description["StopSignal"]) == (f"{USER}:{USER}", "SIGQUIT"),
              f"how it is run: {description}")
        contents(root)
        for folder, data in configuration(origin.port).items():
            swap(directory / folder, data)
        life(Container(root, description, directory), directory, origin, go)


if __name__ == "__main__":
    main()
