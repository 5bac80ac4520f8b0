#!/usr/bin/python3
"""The Debian package's life in a clean system: install, start, upgrade, remove, purge.

    unshare --mount-proc --pid --fork --kill-child tests/package.py BUILD

BUILD is a built tree. debootstrap makes the system from the mirror this machine uses. The package lives
in it twice, each time with the installed configuration on another port and with another upstream. First
there is no systemd: the installed program is run by hand, as the unit would, and the upgrade's signal is
sent by hand too. Then systemd is process 1 of the system, in a container made by systemd-nspawn, and
everything is done through it.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "endpoint")]

# pylint: disable=wrong-import-position
from client import ask, request  # noqa: E402
from origin import Origin  # noqa: E402

TIMEOUT = 300  # seconds, of any one command
CONF = "etc/trainguard/trainguard.conf"
LOG = "var/log/trainguard"
PID = "run/trainguard/trainguard.pid"
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"  # for workers inside
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}


def run(*command, **more):
    """A command that must do well; its output."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=TIMEOUT, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def check(good, words):
    """Ends with a word on what does not hold."""
    if not good:
        sys.exit(f"failed: {words}")


def package(build, directory, version):
    """Packs the built tree under a version."""
    run("cpack", "--config", build / "CPackConfig.cmake", "-B", directory / version,
        "-D", f"CPACK_PACKAGE_VERSION={version}", cwd=build)
    made, = (directory / version).glob("*.deb")
    return made


def mirror(codename):
    """Where this machine gets the distribution's packages from."""
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                f"Codename: {codename}", "Component: main").split()
    check(found, f"apt knows no mirror of {codename}; run apt-get update")
    return found[0]


def debootstrap(root):
    """A minimal system in a folder."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)[1]
    run("debootstrap", "--variant=minbase", codename, root, mirror(codename))


class System:
    """A minimal system in a folder."""

    def __init__(self, root):
        self.root = root
        debootstrap(root)
        # a package's scripts must not start anything here
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        run("mount", "-t", "proc", "proc", root / "proc")

    def do(self, *command):
        """A command inside."""
        return run("chroot", self.root, *command, env=ENVIRONMENT | proxies())

    def install(self, made):
        """Installs or upgrades to a package, with what it depends on."""
        shutil.copy(made, self.root / "opt")
        self.do("apt-get", "install", "-y", "-qq", "--no-install-recommends", f"/opt/{made.name}")
        (self.root / "opt" / made.name).unlink()

    def status(self):
        """Status and version, as dpkg sees them."""
        return self.do("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "trainguard")

    def owner(self, path):
        """Owner, group and mode of a file inside."""
        return self.do("stat", "-c", "%U:%G %a", "/" + path).strip()

    def named(self):
        """All files that bear the name."""
        found = self.do("find", "/", "-xdev", "-name", "*trainguard*", "-not", "-path", "/proc/*")
        return set(found.split())


def proxies():
    """How this machine gets at the mirror."""
    return {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}


class Service:
    """The installed program, run as the unit runs it."""

    def __init__(self, system):
        self.system, self.lines = system, []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["chroot", "--userspec=trainguard:trainguard", system.root, "/usr/sbin/trainguard", "-c",
             f"/{CONF}"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        self.wait(r"master: trainguard .* worker")
        self.port = int(self.wait(r"listening on 127\.0\.0\.1:(\d+)")[1])

    def read(self):
        """Collects the log."""
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def wait(self, pattern):
        """The first match in the log."""
        def found():
            return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
        with self.changed:
            check(self.changed.wait_for(found, 30), f"no {pattern} in\n{''.join(self.lines)}")
            return found()

    def serves(self):
        """One request through it."""
        check(ask(self.port, request()).status == 200, "a request through the installed program")

    def master(self):
        """The process in the pid file."""
        return int((self.system.root / PID).read_text())

    def upgrade(self):
        """What the package's script does where systemd runs."""
        before = self.master()
        os.kill(before, signal.SIGUSR2)
        self.wait(rf"upgrade: process {before} may end")
        check(self.process.wait(30) == 0, "the old program ends well")
        program = os.readlink(f"/proc/{self.master()}/exe")
        check(self.master() != before and "deleted" not in program, f"what runs is {program}")

    def stop(self):
        """Ends what runs now."""
        handle = os.pidfd_open(self.master())
        self.system.do("/usr/sbin/trainguard", "-c", f"/{CONF}", "-s", "quit")
        with open(handle, "rb", buffering=0), contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, handle, os.WEXITED)
        check(not (self.system.root / PID).exists(), "the pid file goes with the program")

    def gone(self):
        """What a removal leaves."""
        check(not pathlib.Path(f"/proc/{self.process.pid}").exists(), "the program has ended")


class Booted(System):
    """The same system with systemd as its process 1."""

    def __init__(self, root):  # pylint: disable=super-init-not-called
        self.root = root
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--boot",
             "--console=pipe", "--system-call-filter=" + LANDLOCK], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        self.pid = None
        self.until(self.boots, "systemd as process 1")
        # a system that is up but for a unit that failed is up, too
        check(self.tell("systemctl", "is-system-running", "--wait")[1].strip() in ("running", "degraded"),
              "systemd did not come up")

    def boots(self):
        """Finds systemd once it is there."""
        check(self.process.poll() is None, "systemd-nspawn does not work here")
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, text.split()):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    self.pid = pid
        return self.pid and self.tell("test", "-S", "/run/systemd/private")[0] == 0

    def until(self, predicate, what):
        """Asks again until something is so."""
        for _ in range(300):
            if predicate():
                return
            time.sleep(0.1)
        check(False, what)

    def tell(self, *command):
        """Status and output of a command inside."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", "-r", "-w", *command], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
                              check=False, env=ENVIRONMENT | proxies())
        return done.returncode, done.stdout

    def do(self, *command):
        code, words = self.tell(*command)
        check(code == 0, f"{command}: status {code}\n{words}")
        return words

    def end(self):
        """Shuts it down."""
        self.do("systemctl", "poweroff", "--no-block")
        self.process.wait(TIMEOUT)


class Unit:
    """The installed program as systemd's service, with what Service has."""

    def __init__(self, system):
        self.system = system
        check(self.show("ActiveState") == "inactive", "an installation starts nothing by itself")
        check(system.do("systemd-analyze", "verify", "--man=no", "trainguard.service") == "", "a unit without mistakes")
        system.do("systemctl", "enable", "--now", "trainguard")
        self.port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", self.journal())[1])
        check(self.show("Type", "ActiveState", "StatusText") == "notify active Serving.", "the unit is up")
        check("sandbox" not in self.journal(), f"workers cannot give up all they want to\n{self.journal()}")
        check(system.owner(LOG) == "trainguard:adm 2750", f"the folder of the logs: {system.owner(LOG)}")
        check(system.owner(f"{LOG}/audit.jsonl") == "trainguard:adm 640", "the group that may read it")
        self.reloads()
        self.rotates()
        self.revives()

    def show(self, *names):
        """Properties of the unit, with blanks between."""
        args = [f"--property={name}" for name in names]
        text = self.system.do("systemctl", "show", "trainguard", *args)
        found = dict(line.split("=", 1) for line in text.splitlines())
        return " ".join(found[name] for name in names)

    def journal(self):
        """The unit's log."""
        self.system.do("journalctl", "--sync")
        return self.system.do("journalctl", "-u", "trainguard", "-o", "cat", "--no-pager")

    def serves(self):
        """One request through it."""
        check(ask(self.port, request()).status == 200, "a request through the service")

    def reloads(self):
        """A reload is what the unit says it is."""
        conf = self.system.root / CONF
        text = conf.read_text()
        conf.write_text(text.replace("proxy_pass", "proxy_pas"))
        code, _ = self.system.tell("systemctl", "reload", "trainguard")
        check(code != 0 and "unknown directive" in self.journal(), "a reload that fails says so")
        check(self.show("ActiveState") == "active", "and changes nothing")
        self.serves()
        conf.write_text(text)
        self.system.do("systemctl", "reload", "trainguard")
        self.serves()
        print("  reloaded by systemctl, and refused to")

    def rotates(self):
        """logrotate's file: what is written behind it goes to a new log."""
        self.system.do("logrotate", "--force", "/etc/logrotate.d/trainguard")
        self.serves()
        logs = self.system.root / LOG
        check((logs / "audit.jsonl.1").stat().st_size > 0, "the rotated log")
        check('"event":"outcome"' in (logs / "audit.jsonl").read_text(), "the log behind it")
        check(self.system.owner(f"{LOG}/audit.jsonl") == "trainguard:adm 640", "its owner")
        print("  rotated by logrotate")

    def revives(self):
        """A master that is killed is started again."""
        before = self.show("MainPID")
        self.system.do("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "trainguard")
        self.system.until(lambda: self.show("ActiveState") == "active"
                          and self.show("MainPID") not in (before, "0"), "systemd starts it again")
        self.port = int(re.findall(r"listening on 127\.0\.0\.1:(\d+)", self.journal())[-1])
        self.serves()
        print("  killed, started again by systemd")

    def upgrade(self):
        """The package's script has sent the signal: another process serves on the same port."""
        self.system.until(lambda: "may end" in self.journal(), "the script of an upgrade tells the service")
        self.system.until(lambda: "master: ended" in self.journal(), "the old program ends")
        check(self.show("ActiveState", "SubState", "NRestarts") == "active running 1",
              f"the service goes on\n{self.journal()}")
        program = self.system.do("readlink", f"/proc/{self.show('MainPID')}/exe")
        check("deleted" not in program, f"what runs is {program}")

    def stop(self):
        """Nothing: a removal does it."""

    def gone(self):
        """What a removal leaves."""
        state = self.show("LoadState", "ActiveState")
        check(state == "not-found inactive", f"the unit is {state}\n{self.journal()}")


def adapt(system, port):
    """What an administrator does with the shipped configuration."""
    path = system.root / CONF
    text = path.read_text()
    for old, new in ((r"listen 127\.0\.0\.1:8080;", "listen 127.0.0.1:0;"),
                     (r"server +modelarts\.\S+;", f"server 127.0.0.1:{port}; tls off;"),
                     (r"tls_ca +\S+;", "")):
        text, n = re.subn(old, new, text)
        check(n == 1, f"{old} in the shipped configuration")
    path.write_text(text)
    return text


def installed(system, version):
    """What is there after an installation."""
    check(system.status() == f"installed {version}", system.status())
    check(system.do("dpkg", "--verify", "trainguard") in ("", f"??5?????? c /{CONF}\n"),
          "files differ from the package's")
    check(system.owner(LOG) == "trainguard:adm 2750", system.owner(LOG))
    check(system.owner("run/trainguard") == "trainguard:trainguard 755", "owner of /run/trainguard")
    check("nologin" in system.do("getent", "passwd", "trainguard"), "the user may not log in")
    system.do("trainguard", "-t", "-c", f"/{CONF}")


def life(system, old, new, port, service):
    """From the first installation to the purge. `service` starts the program."""
    system.install(old)
    installed(system, "1.0.0")
    print("installed")
    text = adapt(system, port)
    service = service(system)
    service.serves()
    print("started")
    system.install(new)
    installed(system, "1.0.1")
    check((system.root / CONF).read_text() == text, "the administrator's configuration stays")
    service.serves()
    service.upgrade()
    service.serves()
    service.stop()
    check((system.root / LOG / "audit.jsonl").stat().st_size > 0, "the audit log has records")
    print("upgraded under way")
    system.do("apt-get", "remove", "-y", "-qq", "trainguard")
    check(system.status() == "config-files 1.0.1", system.status())
    check((system.root / CONF).read_text() == text, "the configuration outlives a removal")
    check(not (system.root / "usr/sbin/trainguard").exists(), "the program is gone")
    service.gone()
    system.install(new)
    installed(system, "1.0.1")
    check((system.root / CONF).read_text() == text, "and is found again")
    print("removed, installed again")
    system.do("apt-get", "purge", "-y", "-qq", "trainguard")
    left = system.named()
    check(left == {"/" + LOG}, f"left by a purge: {sorted(left - {'/' + LOG})}")
    check(not (system.root / "etc/trainguard").exists(), "the configuration is gone")
    print("purged: the audit log stays")
    shutil.rmtree(system.root / LOG)
    system.install(new)
    system.do("apt-get", "purge", "-y", "-qq", "trainguard")
    check(system.named() == set(), "an empty log folder goes with a purge")


def main():
    """Makes both packages and a system for them."""
    build = pathlib.Path(sys.argv[1]).resolve()
    check(os.getpid() == 1, "run it in process and mount namespaces of its own, see its head")
    with tempfile.TemporaryDirectory(prefix="trainguard-package-") as name:
        directory = pathlib.Path(name)
        old, new = (package(build, directory, version) for version in ("1.0.0", "1.0.1"))
        root = directory / "root"
        system = System(root)
        with Origin() as origin:
            life(system, old, new, origin.port, Service)
            system.do("apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd-sysv", "dbus",
                      "logrotate")
            run("umount", "-l", root / "proc")
            print("\nwith systemd:")
            booted = Booted(root)
            try:
                life(booted, old, new, origin.port, Unit)
            finally:
                booted.end()


if __name__ == "__main__":
    main()
