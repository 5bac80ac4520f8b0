#!/usr/bin/python3
"""slowhttptest and testssl.sh against a gateway on loopback; the result as Markdown.

While a slow attack runs, a well-behaved client asks all the time: what counts is what it notices.
"""

import csv
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE / "endpoint")]

# pylint: disable=wrong-import-position
import certs  # noqa: E402
from client import ask, request  # noqa: E402
from gateway import Gateway, config  # noqa: E402
from origin import Origin, again, answer, read  # noqa: E402

ATTACKS = {
    "slow heads (slowloris)": ["-H", "-i", "1", "-x", "24"],
    "slow bodies (R-U-Dead-Yet)": ["-B", "-i", "1", "-s", "8192", "-x", "10"],
    "slow reading": ["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1", "-k", "3"],
}
CONNECTIONS = 1000
SECONDS = 20
SETTINGS = """client_header_timeout 5s; client_body_timeout 5s; send_timeout 5s;
listen 127.0.0.1:0 tls; tls_certificate {d}/server.pem; tls_certificate_key {d}/server.key;"""
HEAD = """## Measured

By `./dev check-security` on loopback, with a gateway of one worker, 512 connections and limits of five seconds.
"""


class Bystander(threading.Thread):
    """A client that asks ten times a second and notes how long it takes."""

    def __init__(self, port):
        super().__init__()
        self.port, self.over, self.times, self.failures = port, threading.Event(), [], 0

    def run(self):
        while not self.over.wait(0.1):
            began = time.monotonic()
            try:
                good = ask(self.port, request("GET", "/x", None, "Connection: close")).status == 200
            except OSError:
                good = False
            self.failures += not good
            self.times.append(time.monotonic() - began)


def attack(port, options):
    """One run of slowhttptest: what the bystander saw."""
    bystander = Bystander(port)
    bystander.start()
    subprocess.run(["slowhttptest", "-c", str(CONNECTIONS), "-r", "200", "-l", str(SECONDS), "-p", "3",
                    "-u", f"http://127.0.0.1:{port}/x", *options],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    bystander.over.set()
    bystander.join()
    times = sorted(bystander.times)
    return len(times), bystander.failures, times[len(times) // 2] * 1000, times[-1] * 1000


def attacks(port):
    """The table of slow attacks."""
    rows = [f"\n### Slow clients\n\n`slowhttptest`, {CONNECTIONS} connections for {SECONDS} s each; "
            "beside it one well-behaved client with a new connection per request.\n",
            "| attack | requests beside it | failed | median ms | longest ms |",
            "|---|---|---|---|---|"]
    for name, options in ATTACKS.items():
        asked, failed, median, longest = attack(port, options)
        rows.append(f"| {name} | {asked} | {failed} | {median:.1f} | {longest:.0f} |")
        print(rows[-1], flush=True)
    return rows


def tls(port, directory):
    """What testssl.sh finds."""
    out = directory / "testssl.csv"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1",
                    "-p", "-s", "-f", "-S", "-U", "--csvfile", out, f"localhost:{port}"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with open(out, encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["severity"] not in ("INFO", "DEBUG")]
    rows = ["\n### TLS\n\n`testssl.sh` against the TLS listener. The certificate is a throw-away one, "
            "so what it says about trust and chains is left out.\n",
            "| severity | check | finding |", "|---|---|---|"]
    for row in found:
        if re.match(r"cert|OCSP|CRL|chain|DNS_CAA|engine|scanProblem|overall", row["id"]) and \
                row["severity"] != "OK":
            continue
        finding = row["finding"].replace("|", "/")[:110]
        rows.append(f"| {row['severity']} | {row['id']} | {finding} |")
    return rows


def main():
    """Writes the last part of the page given as the argument anew."""
    with tempfile.TemporaryDirectory() as name:
        directory = certs.make(pathlib.Path(name) / "certificates", ["server"])
        script = [read, answer(b"x" * 100000), again]
        with Origin(script) as behind:
            text = config(name, behind.port, server=SETTINGS.format(d=directory),
                          main="worker_connections 512;", level="notice",
                          locations="location / { proxy_pass modelarts; }")
            with Gateway(pathlib.Path(name), text, [r"\[error\]"]) as guard:
                rows = attacks(guard.ports[0]) + tls(guard.ports[1], pathlib.Path(name))
    page = pathlib.Path(sys.argv[1])
    before = page.read_text(encoding="utf-8").partition("## Measured")[0]
    page.write_text(before + HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
