"""What is measured: each scenario is a function over a Bench that returns a Table."""

import json
import os
import re
import socket
import statistics
import sys
import threading
import time

import load as loads
import machine
import memory
import parsing
from table import Table

LIST_PATH = loads.servers.PUT_PATH.rsplit("/", 1)[0]
PEERS = ("nginx", "trainguard", "nginx_log", "nginx_lua", "nginx_njs", "haproxy", "relay")
OPEN_RATE = 5000


def say(words):
    """Progress, on standard error."""
    print(words, file=sys.stderr, flush=True)


def median(samples, key):
    """The median of one figure."""
    return statistics.median(s[key] for s in samples)


def spread(samples, base):
    """CPU time beside the base's, round by round: median (least–greatest)."""
    each = [a["cpu_us"] / b["cpu_us"] for a, b in zip(samples, base)]
    return f"{statistics.median(each):.2f} ({min(each):.2f}–{max(each):.2f})"


def measure(options, todo, least=1):
    """Rounds over (label, server, load), of `least` seconds each or more."""
    return loads.rounds(todo, options.rounds, max(options.seconds, least), say)


def added_latency(bench, options, todo):
    """{label: latency at a fixed rate less that of the upstream asked directly}, in µs; medians
    of the rounds."""
    program = loads.build_openloop(bench.dir)
    request = loads.write_request(bench.dir / "request", todo[0][2])
    everyone = [("direct", bench.upstream), *((label, server) for label, server, _ in todo)]
    seen = {label: [] for label, _ in everyone}
    for i in range(options.rounds):
        for label, server in everyone:
            pids = server.pids()
            cpu = machine.cpu_ns(pids)
            one = loads.openloop(program, server.port, OPEN_RATE, options.seconds, request)
            one["cpu_us"] = (machine.cpu_ns(pids) - cpu) / one["answered"] / 1e3
            seen[label].append(one)
            server.forget_logs()
            say(f"  {OPEN_RATE}/s, round {i + 1}/{options.rounds}  {label:<24} {one['cpu_us']:.2f} "
                f"us/request  p50 {one['p50']:.0f} p99 {one['p99']:.0f} p99.9 {one['p999']:.0f} us")
    direct = {q: median(seen["direct"], q) for q in ("p50", "p99", "p999")}
    return seen, {label: {q: median(s, q) - direct[q] for q in direct} for label, s in seen.items()}


def put(bench, options):
    """PUT of the example over kept-alive connections: the whole chain and the audit log"""
    load = loads.Load()
    todo = []
    for name in options.only.split(",") if options.only else PEERS:
        server = getattr(bench, name)()
        server.probe()
        todo.append((server.name, server, load))
    table = Table(f"PUT of the example (chain: {' '.join(bench.chain) or 'no filters'}; audit: "
                  "blocking)",
                  ["server", "CPU µs/request", "ratio to nginx", "requests/s", "p50 µs", "p99 µs",
                   "p99.9 µs", f"at {OPEN_RATE}/s: CPU µs", "ratio", "added p50 µs", "p99", "p99.9",
                   "RSS MB", "system calls/request"])
    samples = measure(options, todo)
    table.samples, calls = samples, {}
    for label, server, _ in todo:
        calls[label] = loads.syscalls(server, load)
    opened, added = added_latency(bench, options, todo)
    table.samples["open loop"], table.samples["system calls"] = opened, calls
    for label, _, _ in todo:
        mine = samples[label]
        table.row(label, f"{median(mine, 'cpu_us'):.2f}",
                  spread(mine, samples["nginx"]) if "nginx" in samples else "",
                  f"{median(mine, 'rps'):.0f}", f"{median(mine, 'p50_us'):.0f}",
                  f"{median(mine, 'p99_us'):.0f}", f"{median(mine, 'p999_us'):.0f}",
                  f"{median(opened[label], 'cpu_us'):.2f}",
                  spread(opened[label], opened["nginx"]) if "nginx" in opened else "",
                  *(f"{added[label][q]:.0f}" for q in ("p50", "p99", "p999")),
                  f"{median(mine, 'rss_kb') / 1024:.1f}", f"{sum(calls[label].values()):.2f}")
        if label in ("trainguard", "nginx"):
            table.notes.append(f"System calls of {label}: " + ", ".join(
                f"{n} {c:.2f}" for n, c in calls[label].items()) + ".")
    table.notes.append("The relay is HAProxy in `mode tcp`: bytes in, TLS out, no HTTP. Added "
                       "latency is that of the proxy less that of the upstream asked directly. Requests "
                       "at a fixed rate come one by one, so each costs its own wake-ups; under full "
                       "load many are done in one turn.")
    return table


def price(bench, options):
    """What the chain and the log cost: with 32 and 64 connections, and alone on one"""
    peers = (bench.relay(), bench.nginx(), bench.haproxy(), bench.nginx_log(), bench.nginx_lua(),
             bench.trainguard("passing", chain=(), audit="off"),
             bench.trainguard("passing+log", chain=()),
             bench.trainguard("chain", audit="off"), bench.trainguard("chain+log"))
    numbers = (32, 64, 1)
    for server in peers:
        server.probe()
    samples = measure(options, [(f"{s.name}, {n}", s, loads.Load(connections=n))
                                for n in numbers for s in peers])
    table = Table("PUT of the example by what is done with it: CPU µs per request, and beside nginx's "
                  "round by round",
                  ["server", *(words for n in ("32", "64", "alone") for words in (n, "ratio to nginx")),
                   "alone: p99 µs"])
    table.samples = samples
    for s in peers:
        cells = []
        for n in numbers:
            mine = samples[f"{s.name}, {n}"]
            cells += [f"{median(mine, 'cpu_us'):.2f}", spread(mine, samples[f"nginx, {n}"])]
        table.row(s.name, *cells, f"{median(samples[f'{s.name}, 1'], 'p99_us'):.0f}")
    table.notes.append("The relay knows no HTTP. `passing` is the gateway without filters, `chain` with "
                       "all of them and twenty rules; `+log` with audit_log in mode blocking.")
    return table


def passthrough(bench, options):
    """GET of a list on a location without filters"""
    load = loads.Load("GET", LIST_PATH, None)
    todo = [(s.name, s, load) for s in (bench.nginx_log(), bench.trainguard(), bench.nginx(),
                                        bench.haproxy())]
    samples = measure(options, todo)
    table = Table("GET on a location without filters, audit: blocking",
                  ["server", "CPU µs/request", "ratio to nginx+log", "requests/s", "p99 µs"])
    table.samples = samples
    for label, mine in samples.items():
        table.row(label, f"{median(mine, 'cpu_us'):.2f}", spread(mine, samples["nginx+log"]),
                  f"{median(mine, 'rps'):.0f}", f"{median(mine, 'p99_us'):.0f}")
    return table


def padded(directory, size):
    """A good config of about `size` bytes: the example with more parameters."""
    document = json.loads(loads.servers.EXAMPLE.read_text(encoding="utf-8"))
    document["parameter"] = [{"label": "learning_rate", "value": "0.01"}]
    for i in range((size - len(json.dumps(document))) // 240):
        document["parameter"].append({"label": f"option_{i:07}", "value": "x" * 200})
    file = directory / f"body-{size}.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def body(bench, options):
    """Bodies of 1 KB to 8 MB"""
    sizes = (1 << 10, 16 << 10, 128 << 10, 1 << 20, 8 << 20)
    through = LIST_PATH + "/upload"
    todo = []
    reader, path = bench.upstream.reader, loads.servers.PUT_PATH
    ours = bench.trainguard(upstream=reader)
    for name, server, path in (("nginx", bench.nginx(upstream=reader), path),
                               ("trainguard", ours, path),
                               ("trainguard, no filters", ours, through),
                               ("haproxy", bench.haproxy(upstream=reader), path)):
        for size in sizes:
            method = "POST" if path is through else "PUT"
            load = loads.Load(method, path, padded(bench.dir, size), connections=8)
            server.probe(method, path, load.body.read_bytes())
            todo.append((f"{name}, {size >> 10} KB", server, load))
    samples = measure(options, todo, 3)
    table = Table("Bodies by size, 8 connections: CPU µs per request, and ns per byte between the "
                  "least and the greatest",
                  ["server", *(f"{s >> 10} KB" for s in sizes), "ns/byte"])
    table.samples = samples
    for name in dict.fromkeys(label.rsplit(", ", 1)[0] for label in samples):
        cpu = [median(samples[f"{name}, {s >> 10} KB"], "cpu_us") for s in sizes]
        table.row(name, *(f"{c:.1f}" for c in cpu),
                  f"{(cpu[-1] - cpu[0]) * 1000 / (sizes[-1] - sizes[0]):.3f}")
    return table


def connections(bench, options):
    """1 to 1,000 connections, and what an idle one costs"""
    numbers = (1, 10, 100, 1000)
    proxies = (bench.nginx(), bench.trainguard(), bench.haproxy())
    todo = [(f"{s.name}, {n}", s, loads.Load(connections=n)) for n in numbers for s in proxies]
    idle = {s.name: memory.idle_connection(s, 1000) for s in proxies}
    samples = measure(options, todo)
    table = Table("By number of connections: CPU µs per request (requests/s); memory",
                  ["server", *map(str, numbers), "RSS MB with 1000", "at most",
                   "kB per idle connection"])
    table.samples = {**samples, "idle": idle}
    for s in proxies:
        mine = [samples[f"{s.name}, {n}"] for n in numbers]
        table.row(s.name, *(f"{median(m, 'cpu_us'):.2f} ({median(m, 'rps'):.0f})" for m in mine),
                  f"{median(mine[-1], 'rss_kb') / 1024:.1f}",
                  f"{median(mine[-1], 'peak_kb') / 1024:.1f}", f"{idle[s.name]:.2f}")
    return table


def idle(bench, options):
    """10,000 idle connections that were kept alive, and what one costs"""
    number = 10000
    table = Table(f"Memory of {number:,} idle kept-alive connections, each with one PUT before",
                  ["server", "RSS MB without", "RSS MB with", "kB per connection"])
    machine.many_files(number + 500)
    size = {"connections": number + 500}
    for make in (bench.trainguard, bench.nginx, bench.haproxy):
        each, before = [], []
        for i in range(min(options.rounds, 3)):
            server = make(**size)
            server.probe()
            before.append(memory.resident(server))
            each.append(memory.idle_connection(server, number))
            say(f"  round {i + 1}  {server.name:<24} {each[-1]:.2f} kB per connection")
            bench.drop(server)
        each_kb, first_kb = statistics.median(each), statistics.median(before)
        table.samples[server.name] = {"kb": each, "before_kb": before}
        table.row(server.name, f"{first_kb / 1024:.1f}", f"{(first_kb + each_kb * number) / 1024:.1f}",
                  f"{each_kb:.2f} ({min(each):.2f}–{max(each):.2f})")
    table.notes.append("Resident memory of the workers; what the kernel keeps for a socket is the "
                       "same for all.")
    return table


def scaling(bench, options):
    """One worker and two: what a request costs"""
    cores = (machine.PROXY_CORE, machine.LOAD_CORE)
    for pid in bench.upstream.pids():
        os.sched_setaffinity(pid, cores)
    todo = []
    for name, make in (("trainguard", bench.trainguard), ("nginx", bench.nginx)):
        for workers in (1, 2):
            server = make(cores=cores, workers=workers)
            server.probe()
            todo.append((f"{name}, {workers}", server,
                         loads.Load(connections=64 * workers, cores=cores)))
    table = Table("With one worker and with two, 64 connections for each",
                  ["server, workers", "CPU µs/request", "ratio to one worker", "requests/s"])
    table.samples = measure(options, todo)
    for label, mine in table.samples.items():
        table.row(label, f"{median(mine, 'cpu_us'):.2f}",
                  spread(mine, table.samples[label.split(", ")[0] + ", 1"]),
                  f"{median(mine, 'rps'):.0f}")
    table.notes.append("Servers, upstream and load share two cores here, so requests per second say "
                       "nothing about two workers: the load is the limit. CPU time per request is what "
                       "would go up if workers were in each other's way.")
    return table


def newtls(bench, options):
    """A new TLS connection to the upstream for each request, resumed and in full"""
    todo = []
    for words, port in (("resumed", bench.upstream.tls), ("full", bench.upstream.full)):
        for make, options_ in ((bench.nginx, {"keepalive": False}),
                               (bench.trainguard, {"keepalive": 0})):
            server = make(upstream=port, **options_)
            todo.append((f"{server.name}, {words}", server, loads.Load(connections=16)))
    samples = measure(options, todo)
    table = Table("A new TLS connection to the upstream for each request",
                  ["server", "CPU µs/request", "ratio to nginx", "requests/s"])
    table.samples = samples
    for label, mine in samples.items():
        base = samples["nginx, " + label.split(", ")[1]]
        table.row(label, f"{median(mine, 'cpu_us'):.1f}", spread(mine, base),
                  f"{median(mine, 'rps'):.0f}")
    return table


def rules(bench, options):
    """1 to 1,000 policy rules"""
    table = Table("By number of policy rules", ["rules", "CPU µs/request", "requests/s"])
    if "policy" not in bench.chain:
        table.notes.append("This build has no policy filter.")
        return table
    todo = [(str(n), bench.trainguard(rules=n), loads.Load()) for n in (1, 20, 100, 1000)]
    table.samples = measure(options, todo)
    for label, mine in table.samples.items():
        table.row(label, f"{median(mine, 'cpu_us'):.2f}", f"{median(mine, 'rps'):.0f}")
    return table


def audit(bench, options):
    """The modes of the audit log"""
    todo = [(m, bench.trainguard(audit=m), loads.Load()) for m in ("off", "batch", "blocking",
                                                                  "strict")]
    table = Table("By mode of the audit log",
                  ["mode", "CPU µs/request", "ratio to off", "requests/s", "p99 µs"])
    table.samples = measure(options, todo)
    for label, mine in table.samples.items():
        table.row(label, f"{median(mine, 'cpu_us'):.2f}", spread(mine, table.samples["off"]),
                  f"{median(mine, 'rps'):.0f}", f"{median(mine, 'p99_us'):.0f}")
    return table


def stream(bench, options):
    """Large answers and large bodies on a location without filters"""
    sizes = {"1 MB": 1 << 20, "64 MB": 64 << 20}
    folder, reader = bench.upstream.dir / "large", bench.upstream.reader
    folder.mkdir()
    through = ("client_body_buffer_size 64k;"
               "location / { proxy_pass https://modelarts; proxy_request_buffering off; }")
    todo, moved = [], {}
    for down, up in ((bench.nginx(), bench.nginx(upstream=reader, locations=through)),
                     (bench.trainguard(), bench.trainguard(upstream=reader)),
                     (bench.haproxy(), bench.haproxy(upstream=reader))):
        for name, size in sizes.items():
            file = folder / name.replace(" ", "")
            file.write_bytes(bytes(size))
            for way, server, load in (
                    ("down", down, loads.Load("GET", f"/large/{file.name}", None, connections=4)),
                    ("up", up, loads.Load("POST", "/sink", file, connections=4))):
                label = f"{server.name}, {name} {way}"
                todo.append((label, server, load))
                moved[label] = size
    table = Table("Large answers (down) and bodies (up), 4 connections",
                  ["server", "CPU µs/MB", "ratio to nginx", "MB/s", "RSS MB"])
    table.samples = measure(options, todo, 3)
    for label, mine in table.samples.items():
        megabytes = moved[label] / 2**20
        base = table.samples["nginx, " + label.split(", ")[1]]
        table.row(label, f"{median(mine, 'cpu_us') / megabytes:.0f}", spread(mine, base),
                  f"{median(mine, 'rps') * megabytes:.0f}", f"{median(mine, 'rss_kb') / 1024:.1f}")
    table.notes.append("nginx passes bodies on as they come (`proxy_request_buffering off`), "
                       "64 KB at a time, as the gateway does.")
    return table


def json_shapes(bench, options):
    """Cost per byte of hostile documents"""
    return parsing.shapes(bench, options, say)


class Viewer(threading.Thread):
    """What a browser asks for while it shows the page: /events, and /status once a second."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.told = path, 0
        self.ends = threading.Event()
        self.feed = self.ask("/events")
        self.start()
        self.polling = threading.Thread(target=self.poll, daemon=True)
        self.polling.start()

    def ask(self, target):
        """A connection with a question on it."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        sock.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        return sock.makefile("rb")

    def poll(self):
        """The figures of the page."""
        while not self.ends.wait(1):
            self.ask("/status").read()

    def run(self):
        kind = "message"
        for line in self.feed:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind != "hello":
                self.told += int(value) if kind == "skipped" else 1
            elif name == "":
                kind = "message"

    def counted(self):
        """The requests that ended."""
        text = self.ask("/metrics").read().decode()
        return sum(int(n) for n in re.findall(r"^trainguard_http_requests_total\{.*\} (\d+)$", text, re.M))


def viewer(bench, options):
    """The example's PUT with somebody who looks at the page, and with nobody"""
    alone, watched = (bench.trainguard(name, main=f"admin {{ listen unix:{bench.dir}/{name}.sock; }}")
                      for name in ("alone", "watched"))
    one = Viewer(f"{bench.dir}/{watched.name}.sock")
    before = one.counted()
    samples = measure(options, [(s.name, s, loads.Load()) for s in (alone, watched)])
    requests = one.counted() - before
    while one.told < requests:
        time.sleep(0.1)
    one.ends.set()
    if one.told != requests:
        raise RuntimeError(f"{one.told} events and skipped ones of {requests} requests")
    table = Table("PUT of the example, whole chain, log `blocking`, under full load: CPU µs per request of all "
                  "processes", ["", "CPU µs/request", "ratio", "requests/s"])
    table.samples = samples
    for s in (alone, watched):
        mine = samples[s.name]
        table.row(s.name, f"{median(mine, 'cpu_us'):.2f}", spread(mine, samples[alone.name]), f"{median(mine, 'rps'):.0f}")
    table.notes.append(f"Events and what was skipped were {requests} together, as many as `/metrics` counted.")
    return table


ALL = {"price": price, "put": put, "passthrough": passthrough, "body": body, "connections": connections,
       "idle": idle, "scaling": scaling,
       "newtls": newtls, "rules": rules, "audit": audit, "stream": stream, "json": json_shapes,
       "viewer": viewer}
