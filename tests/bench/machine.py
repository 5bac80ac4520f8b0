"""The machine: cores, processes and what the kernel accounts to them, free ports, versions."""

import os
import pathlib
import platform
import re
import resource
import signal
import socket
import subprocess
import time

PROXY_CORE, LOAD_CORE = 0, 1
TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1


def pinned(*cores):
    """A preexec_fn: the child runs on these cores, and ends when this process does."""
    def pin():
        os.sched_setaffinity(0, cores)
        # PR_SET_PDEATHSIG: nothing stays behind when the benchmark is killed.
        import ctypes  # pylint: disable=import-outside-toplevel
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    return pin


def many_files(number):
    """Lets this process and its children have so many files open, and more."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < number:
        raise RuntimeError(f"{number} open files are needed, ulimit -Hn says {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port():
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def family(pid):
    """The process and all its descendants."""
    pids, left = [], [pid]
    while left:
        one = left.pop()
        pids.append(one)
        try:
            for task in pathlib.Path(f"/proc/{one}/task").iterdir():
                left += map(int, (task / "children").read_text().split())
        except FileNotFoundError:
            pass
    return pids


def cpu_ns(pids):
    """Nanoseconds of CPU time that the processes have used, all threads."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def rss_kb(pids, what="VmRSS"):
    """Resident memory in kB, of each process; VmHWM: the most it ever was."""
    return [int(re.search(rf"{what}:\s+(\d+)", pathlib.Path(f"/proc/{p}/status").read_text())[1])
            for p in pids]


def core_busy_ns(core):
    """Nanoseconds in which the core did something."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // TICK
    raise RuntimeError(f"no core {core}")


def busy_ns():
    """Nanoseconds that processes have run, on all cores; interrupts are none."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return sum(map(int, words[1:4])) * 1_000_000_000 // TICK


def own_ns():
    """Nanoseconds that this process and its descendants have run, those that ended included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = (ended.ru_utime + ended.ru_stime) * 1e9
    for pid in family(os.getpid()):
        try:
            total += cpu_ns([pid])
        except FileNotFoundError:
            pass  # it has just ended
    return total


def wait_port(process, port, seconds=10):
    """Returns once something listens on the port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen on port {port}")


def first_line(*command):
    """The first line that a command prints, on either stream."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return ((done.stdout + done.stderr).splitlines() or [""])[0].strip()


def describe():
    """What a reader of the figures must know about the machine."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    hypervisor = " hypervisor " in pathlib.Path("/proc/cpuinfo").read_text()
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "virtual": hypervisor,
        "kernel": platform.release(),
        "system": system[1] if system else "",
        "versions": {
            "nginx": first_line("nginx", "-v").split("/")[-1],
            "haproxy": first_line("haproxy", "-v").split()[2],
            "openssl": first_line("openssl", "version").split()[1],
            "wrk": first_line("dpkg-query", "-W", "-f", "${Version}", "wrk"),
        },
    }
