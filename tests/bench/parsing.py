"""Documents of hostile shapes through `trainguard eval`: the cost must not grow faster than they."""

import os
import statistics
import subprocess

import machine
from table import Table

SHAPES = {
    "nested arrays": lambda n: b"[" + b",".join([b"[" * 60 + b"]" * 60] * (n // 121)) + b"]",
    "open brackets": lambda n: b"[" * n,
    "array of integers": lambda n: b"[" + b"7," * (n // 2 - 2) + b"7]",
    "array of empty objects": lambda n: b"[" + b"{}," * (n // 3 - 1) + b"{}]",
    "object of many names": lambda n: b"{" + b",".join(
        b'"%07x":0' % i for i in range(n // 12)) + b"}",
    "duplicate names": lambda n: b"{" + b'"a":0,' * (n // 6 - 1) + b'"a":0}',
    "names with the same hash prefix": lambda n: b"{" + b",".join(
        b'"%s%07x":0' % (b"a" * 56, i) for i in range(n // 68)) + b"}",
    "escapes": lambda n: b'["' + b"\\u0041" * (n // 6) + b'"]',
    "one long string": lambda n: b'["' + b"a" * n + b'"]',
    "one long number": lambda n: b"[" + b"1" * n + b"]",
    "parameters": lambda n: b'{"parameter":[' + b",".join(
        b'{"key":"k%07x","value":1}' % i for i in range(n // 31)) + b"]}",
    "wrong members": lambda n: b"{" + b",".join(
        b'"m%07x":[null]' % i for i in range(n // 18)) + b"}",
}
# The default limits would refuse most of these before they are read to their end.
CONF = """
upstream none { server 127.0.0.1:1; tls off; }
server {
    listen 127.0.0.1:1;
    location PUT /v1/{project_id}/training-job-configs/{config_name} {
        filters json normalize validate;
        json_max_tokens 10000000;
        json_max_depth 256;
        client_max_body_size 12m;
        proxy_pass none;
    }
}
"""
SIZES = (64 << 10, 256 << 10, 1 << 20, 4 << 20)


def seconds_of(command):
    """User and system time of one run."""
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)])
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1, 2):  # passed, denied, no JSON
        raise RuntimeError(f"{command}: exit code {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def shapes(bench, options, say):
    """ns per byte of each shape at each size."""
    table = Table("Hostile documents through `trainguard eval`: ns per byte by size; growing ones "
                  "would show more than linear work",
                  ["shape", *(f"{s >> 10} KB" for s in SIZES)])
    help_text = subprocess.run([bench.binary, "--help"], capture_output=True, text=True,
                               check=False).stdout
    if "  eval " not in help_text:
        table.notes.append("This build has no `eval`.")
        return table
    os.sched_setaffinity(0, {machine.PROXY_CORE})
    file, conf = bench.dir / "shape.json", bench.dir / "shape.conf"
    conf.write_text(CONF)
    for name, make in SHAPES.items():
        cells = []
        for size in SIZES:
            text = make(size)
            file.write_bytes(b"{}")
            command = [bench.binary, "eval", "-c", str(conf), str(file)]
            start = statistics.median(seconds_of(command) for _ in range(options.rounds))
            file.write_bytes(text)
            used = statistics.median(seconds_of(command) for _ in range(options.rounds))
            cells.append(max(0.0, used - start) * 1e9 / len(text))
        table.samples[name] = cells
        table.row(name, *(f"{c:.2f}" for c in cells))
        say(f"  {name:<34} " + " ".join(f"{c:8.2f}" for c in cells) + " ns/byte")
    os.sched_setaffinity(0, range(os.cpu_count()))
    return table
