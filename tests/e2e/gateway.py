"""The built gateway as a process: started, watched through its standard error, ended and judged."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 30
GUARDED = "PUT /v1/{project_id}/training-job-configs/{config_name}"

CONFIG = """
worker_processes 1;
error_log stderr {level};
pid {dir}/trainguard.pid;
audit_log {audit};
{main}
upstream modelarts {{
    server {origin};
    {upstream}
}}
server {{
    {listen}
    {server}
    {locations}
}}
"""
LOCATIONS = """
    location %s {
        client_max_body_size 1m;
        filters json normalize validate;
        proxy_pass modelarts;
    }
    location / { proxy_pass modelarts; }
""" % GUARDED

LISTENING = re.compile(r"listening on \S+")
PORT = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
LIVE = re.compile(r"live objects: (.*)")
NONE_LIVE = "connections 0, exchanges 0, upstream connections 0, body memory 0"
BAD_LEVEL = re.compile(r"\[(error|crit|alert|emerg)\]")
SANITIZER = re.compile(r"(Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer|runtime error:")


def binary():
    """$TRAINGUARD, or the newest built one."""
    if "TRAINGUARD" in os.environ:
        return os.environ["TRAINGUARD"]
    built = sorted(TOP.glob("build/*/trainguard"), key=lambda p: p.stat().st_mtime)
    assert built, "no trainguard is built: run ./dev build"
    return str(built[-1])


def sanitized():
    """True when the binary runs under a sanitizer: slower, and memory figures mean nothing."""
    with open(binary(), "rb") as file:
        return b"__asan_init" in file.read()


def config(directory, origin, *, tls=None, upstream="", server="", main="", level="info",
           locations=LOCATIONS, audit="{dir}/audit.jsonl", listen="listen 127.0.0.1:0;"):
    """A configuration. `origin` is a port or host:port; `tls` a CA file, or None for plain."""
    origin = origin if isinstance(origin, str) else f"127.0.0.1:{origin}"
    tls = f"tls_ca {tls};" if tls else "tls off;"
    return CONFIG.format(dir=directory, origin=origin, upstream=f"{tls} {upstream}", server=server,
                         main=main, level=level, locations=locations, listen=listen,
                         audit=audit.format(dir=directory))


class Gateway:
    """A running gateway. `expect` lists patterns of log lines of level error that are due; the
    log is read from its standard error, or from `log` when that is given; `options` are Popen's."""

    def __init__(self, directory, text, expect=(), log=None, **options):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.expect = list(expect)
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        path = self.directory / "trainguard.conf"
        path.write_text(text)
        # Live objects are counted at the end; LeakSanitizer, who takes half of a short life, would
        # wait for ever when a test kills the process it looks with. Commands keep it.
        options = {"stdin": subprocess.DEVNULL, "env": os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}} | (
            {} if log else {"stderr": subprocess.PIPE}) | options
        self.process = subprocess.Popen([binary(), "-p", f"{self.directory}/", "-c", str(path)],
                                        text=True, errors="replace", **options)
        self.log = log or self.process.stderr
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        due = len(re.findall(r"(?:^|[{;])\s*listen\s", text, re.M))
        try:
            self.wait(lambda: len(self.matches(LISTENING)) >= due, "listening")
        except AssertionError:
            self.process.kill()
            raise
        self.ports = [int(m[1]) for m in self.matches(PORT)]
        self.port = self.ports[-1]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop(judge=kind is None)

    def read(self):
        """Collects the log until the process ends."""
        for line in self.log:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def matches(self, pattern):
        """The matches of a pattern in the log so far."""
        return [m for line in list(self.lines) if (m := re.search(pattern, line))]

    def wait(self, predicate, what):
        """Waits for the log to make the predicate true."""
        with self.changed:
            self.changed.wait_for(lambda: predicate() or self.ended, TIMEOUT)
            assert predicate(), f"no sign of: {what}\n" + "\n".join(self.lines[-50:])

    def wait_log(self, pattern):
        """Waits for a log line."""
        self.wait(lambda: self.matches(pattern), pattern)

    def memory(self, what="VmHWM"):
        """The resident set of its greatest process, in bytes: the most so far, or VmRSS: now."""
        pids, peak = [self.process.pid], 0
        while pids:
            pid = pids.pop()
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            peak = max(peak, int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024)
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
            pids += [int(c) for c in children.split()]
        return peak

    def stop(self, sign=signal.SIGTERM, judge=True):
        """Ends it, and judges how it went."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "killed: it did not end"
        self.reader.join(TIMEOUT)
        print("\n".join(self.lines[-200:]), file=sys.stderr)
        if judge:
            self.judge(code)

    def judge(self, code):
        """A run fails on its exit code, an unexpected log line, a sanitizer, or a leak."""
        for line in self.lines:
            assert not SANITIZER.search(line), line
            if BAD_LEVEL.search(line):
                assert any(re.search(p, line) for p in self.expect), f"unexpected: {line}"
        assert code == 0, f"exit code {code}"
        live = [m[1] for m in self.matches(LIVE)]
        assert live and set(live) == {NONE_LIVE}, f"live objects at exit: {live}"
