"""Load: wrk in a closed loop, openloop.c at a fixed rate, strace for the system calls."""

import json
import re
import signal
import subprocess
import threading
import time

import machine
import servers


class Load:
    """What wrk is to send."""

    def __init__(self, method="PUT", path=servers.PUT_PATH, body=servers.EXAMPLE, *, token=500,
                 connections=64, cores=(machine.LOAD_CORE,)):
        self.method, self.path, self.body = method, path, body
        self.token, self.connections, self.cores = token, connections, cores

    def wrk(self, port, seconds):
        """Runs wrk for some seconds; returns its figures."""
        done = subprocess.run(
            ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "20s",
             "-s", str(servers.HERE / "load.lua"), f"http://127.0.0.1:{port}{self.path}", "--",
             self.method, str(self.body or "-"), str(self.token)],
            capture_output=True, text=True, timeout=seconds + 60, check=False,
            preexec_fn=machine.pinned(*self.cores))
        line = re.search(r"figures: (.*)", done.stdout)
        if not line:
            raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
        return json.loads(line[1])


def raw_request(load):
    """The bytes of one request."""
    content = load.body.read_bytes() if load.body else b""
    return (f"{load.method} {load.path} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nX-Auth-Token: {'t' * load.token}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n").encode() + content


def write_request(file, load):
    """A file with one request for openloop."""
    file.write_bytes(raw_request(load))
    return file


def build_openloop(directory):
    """Compiles openloop.c."""
    program = directory / "openloop"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, servers.HERE / "openloop.c"],
                   check=True)
    return program


def openloop(program, port, rate, seconds, request, connections=64):
    """Runs it; returns its figures, in µs."""
    done = subprocess.run(
        [program, str(port), str(rate), str(seconds), str(connections), request],
        capture_output=True, text=True, timeout=seconds + 60, check=False,
        preexec_fn=machine.pinned(machine.LOAD_CORE))
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures = json.loads(done.stdout)
    if figures["refused"]:
        raise RuntimeError(f"requests were refused: {figures}")
    return figures


def sample(server, load, seconds):
    """One server under load: its CPU time per request and what the client saw."""
    pids = server.pids()
    cpu, busy, start = machine.cpu_ns(pids), sum(map(machine.core_busy_ns, server.cores)), time.monotonic()
    everything, own, resident = machine.busy_ns(), machine.own_ns(), []
    half = threading.Timer(seconds / 2, lambda: resident.extend(machine.rss_kb(server.workers())))
    half.start()
    figures = load.wrk(server.port, seconds)
    half.join()
    wall = time.monotonic() - start
    others = machine.busy_ns() - everything - (machine.own_ns() - own)
    cpu = machine.cpu_ns(pids) - cpu
    busy = sum(map(machine.core_busy_ns, server.cores)) - busy
    n = figures["requests"]
    if n == 0 or figures["status"] or figures["failed"]:
        raise RuntimeError(f"{server.name}: requests failed: {figures}")
    server.forget_logs()
    return {
        "requests": n,
        "cpu_us": cpu / n / 1e3,
        "rps": n / figures["microseconds"] * 1e6,
        "p50_us": figures["p50"], "p99_us": figures["p99"], "p999_us": figures["p999"],
        "bytes": figures["bytes"] / n,
        "rss_kb": max(resident),
        "peak_kb": max(machine.rss_kb(server.workers(), "VmHWM")),
        "core": cpu / wall / 1e9,
        # What else ran on the core: interrupts of the machine, other programs.
        "foreign": max(0.0, (busy - cpu) / wall / 1e9),
        # What processes that are none of this run took of all cores.
        "others": max(0.0, others / wall / 1e9 / machine.CORES),
    }


def rounds(todo, number, seconds, say):
    """Interleaved: every server once a round. `todo` is a list of (label, server, load); returns
    {label: [sample of each round]}."""
    samples = {label: [] for label, _, _ in todo}
    for label, server, load in todo:
        load.wrk(server.port, 1)
    for i in range(number):
        for label, server, load in todo:
            one = sample(server, load, seconds)
            samples[label].append(one)
            say(f"  round {i + 1}/{number}  {label:<24} {one['cpu_us']:8.2f} us/request "
                f"{one['rps']:9.0f} requests/s  core {one['core']:.2f}  foreign {one['foreign']:.2f}")
    return samples


def syscalls(server, load, seconds=2):
    """System calls per request, by name, as strace counts them."""
    out = server.dir / "strace"
    pids = [str(p) for p in server.workers()]
    with subprocess.Popen(["strace", "-c", "-f", "-o", str(out), "-p", ",".join(pids)],
                          stderr=subprocess.PIPE, text=True) as strace:
        try:
            for _ in pids:
                strace.stderr.readline()
            n = load.wrk(server.port, seconds)["requests"]
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait()
    calls = {}
    for line in out.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]) and words[-1] != "total":
            calls[words[-1]] = int(words[3]) / n
    return {name: round(count, 3) for name, count in sorted(calls.items(), key=lambda c: -c[1])
            if count >= 0.005}
